/* SPDX-License-Identifier: MIT
 *
 * systemctl_view.c - see systemctl_view.h. Caller: systemctl.c.
 */
#include "agent/ctl/systemctl_view.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/ctl/unit_files.h"
#include "agent/ctl/view.h"
#include "lib/clock.h"

const char *systemctl_active_state(const struct control_service *service)
{
	if (!service)
		return "inactive";
	switch ((enum service_state)service->state) {
	case SERVICE_STATE_INACTIVE:
		return "inactive";
	case SERVICE_STATE_WAITING:
	case SERVICE_STATE_STARTING:
	case SERVICE_STATE_BACKOFF:
		return "activating";
	case SERVICE_STATE_ACTIVE:
		return "active";
	case SERVICE_STATE_RELOADING:
		return "reloading";
	case SERVICE_STATE_STOPPING:
		return "deactivating";
	case SERVICE_STATE_FAILED:
		return "failed";
	}
	return "inactive";
}

const char *systemctl_sub_state(const struct control_service *service)
{
	if (service->step != SERVICE_STEP_NONE)
		return service_step_name(service->step);
	switch ((enum service_state)service->state) {
	case SERVICE_STATE_INACTIVE:
		return "dead";
	case SERVICE_STATE_ACTIVE:
		return service->pid > 0 ? "running" : "exited";
	case SERVICE_STATE_BACKOFF:
		return "auto-restart";
	case SERVICE_STATE_WAITING:
	case SERVICE_STATE_STARTING:
	case SERVICE_STATE_RELOADING:
	case SERVICE_STATE_STOPPING:
	case SERVICE_STATE_FAILED:
		break;
	}
	return service_state_name(service->state);
}

static const char *load_state(const struct control_service *service)
{
	const char *file = unit_files_state(service->name);

	if (service->loaded)
		return "loaded";
	if (!file)
		return "not-found";
	return strcmp(file, "masked") == 0 ? "masked" : "bad-setting";
}

static void print_exit(const struct control_service *service)
{
	int status = service->exit_status;

	if (status == -1 || service->pid > 0)
		return;
	if (WIFSIGNALED(status))
		(void)printf("    Process: killed by signal %d (%s)\n", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		(void)printf("    Process: exited with status %d\n", WEXITSTATUS(status));
}

void systemctl_print_unit(const struct control_service *service)
{
	const char *file = unit_files_state(service->name);
	char since[32], description[UNIT_FILES_VALUE_MAX];
	uint64_t now_us = clock_now_us();

	(void)unit_files_value(service->name, "Unit", "Description", description);
	(void)printf("* %s%s%s\n", service->name, description[0] ? " - " : "", description);
	(void)printf("     Loaded: %s (%s)\n", load_state(service), file ? file : "no unit file");
	(void)printf("     Active: %s (%s) for %s\n", systemctl_active_state(service),
		systemctl_sub_state(service),
		view_format_ms((double)(now_us - service->since_us) / 1000.0, since,
			sizeof(since)));
	if (service->pid > 0)
		(void)printf("   Main PID: %d\n", service->pid);
	print_exit(service);
	if (service->restarts > 0)
		(void)printf("   Restarts: %u\n", service->restarts);
	if (service->status[0])
		(void)printf("     Status: %s\n", service->status);
	if (service->reason[0])
		(void)printf("     Reason: %s\n", service->reason);
}

unsigned int systemctl_print_units(const struct facts *facts, bool failed)
{
	unsigned int count = 0;

	(void)printf("%-28s %-11s %-12s %-13s %s\n", "UNIT", "LOAD", "ACTIVE", "SUB",
		"DESCRIPTION");
	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++) {
		const struct control_service *service = &facts->services[i];
		char description[UNIT_FILES_VALUE_MAX];

		if (!service->name[0] || (failed && service->state != SERVICE_STATE_FAILED))
			continue;
		(void)printf("%-28s %-11s %-12s %-13s %s\n", service->name, load_state(service),
			systemctl_active_state(service), systemctl_sub_state(service),
			unit_files_value(service->name, "Unit", "Description", description));
		count++;
	}
	return count;
}

static bool is_wanted(const char *wanted, const char *property)
{
	size_t len = strlen(property);

	if (!wanted)
		return true;
	for (const char *p = wanted; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
		if (strcspn(p, ",") == len && strncmp(p, property, len) == 0)
			return true;
	return false;
}

static const char *result_of(const struct control_service *service)
{
	if (service->state != SERVICE_STATE_FAILED && service->state != SERVICE_STATE_BACKOFF)
		return "success";
	if (service->exit_status != -1 && WIFSIGNALED(service->exit_status))
		return "signal";
	return "exit-code";
}

void systemctl_print_properties(const struct control_service *service, const char *wanted,
	bool value_only)
{
	char numbers[4][24], description[UNIT_FILES_VALUE_MAX];
	const char *file = unit_files_state(service->name);
	int status = service->exit_status;
	const struct {
		const char *name, *value;
	} properties[] = {
		{"Id", service->name},
		{"Description",
			unit_files_value(service->name, "Unit", "Description", description)},
		{"LoadState", load_state(service)},
		{"ActiveState", systemctl_active_state(service)},
		{"SubState", systemctl_sub_state(service)},
		{"UnitFileState", file ? file : ""},
		{"MainPID", numbers[0]},
		{"NRestarts", numbers[1]},
		{"ExecMainStatus", numbers[2]},
		{"ActiveEnterTimestampMonotonic", numbers[3]},
		{"Result", result_of(service)},
		{"StatusText", service->status},
	};

	(void)snprintf(numbers[0], sizeof(numbers[0]), "%d", service->pid);
	(void)snprintf(numbers[1], sizeof(numbers[1]), "%u", service->restarts);
	(void)snprintf(numbers[2], sizeof(numbers[2]), "%d",
		status == -1          ? 0
		: WIFSIGNALED(status) ? WTERMSIG(status)
				      : WEXITSTATUS(status));
	(void)snprintf(numbers[3], sizeof(numbers[3]), "%llu",
		(unsigned long long)service->ready_us);
	for (size_t i = 0; i < ARRAY_SIZE(properties); i++) {
		if (!is_wanted(wanted, properties[i].name))
			continue;
		if (value_only)
			(void)printf("%s\n", properties[i].value);
		else
			(void)printf("%s=%s\n", properties[i].name, properties[i].value);
	}
}
