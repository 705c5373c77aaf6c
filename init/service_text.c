/* SPDX-License-Identifier: MIT
 *
 * service_text.c - a service's record: its state in words, and why.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "init/service.h"
#include "init/text.h"
#include "lib/clock.h"
#include "lib/log.h"

void service_mark(struct service *service)
{
	control_mark(service->init,
		CONTROL_DIRTY_SERVICE((unsigned int)(service - service->init->services)));
}

static void describe_status(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		(void)snprintf(text, size, "killed by signal %d (%s)%s", WTERMSIG(status),
			strsignal(WTERMSIG(status)), WCOREDUMP(status) ? ", core dumped" : "");
	else
		(void)snprintf(text, size, "exited with status %d", WEXITSTATUS(status));
}

/* A unit without a main program is not usable. */
static const char *program_of(const struct unit *unit)
{
	const struct unit_command *start = unit_first_command(unit, UNIT_PHASE_START);

	return start ? unit->words[start->first] : "?";
}

void service_describe_command(const struct service *service, char *text, size_t size)
{
	const struct unit *unit = &service->unit;
	const char *program = service->sm.index < unit->command_count
				      ? unit->words[unit->commands[service->sm.index].first]
				      : "?";
	char end[96];

	if (service->command_errno)
		(void)snprintf(text, size, "cannot run %.60s: %s", program,
			strerror(service->command_errno));
	else {
		describe_status(service->command_status, end, sizeof(end));
		(void)snprintf(text, size, "%.60s %s", program, end);
	}
}

/* How its last process ended, or why there was none. */
static void describe_end(const struct service *service, char *text, size_t size)
{
	if (service->spawn_errno)
		(void)snprintf(text, size, "cannot run %.60s: %s", program_of(&service->unit),
			strerror(service->spawn_errno));
	else
		describe_status(service->exit_status, text, size);
}

static void describe_cause(const struct service *service, char *text, size_t size)
{
	const struct unit *unit = &service->unit;
	char end[128];

	describe_end(service, end, sizeof(end));
	text[0] = '\0';
	switch (service->sm.cause) {
	case SM_CAUSE_NONE:
		break;
	case SM_CAUSE_CLEAN:
	case SM_CAUSE_STATUS:
	case SM_CAUSE_SIGNAL:
		(void)snprintf(text, size, "%s; see keelctl logs %s", end, unit->name);
		break;
	case SM_CAUSE_PROTOCOL:
		(void)snprintf(text, size, "%s before it was ready; see keelctl logs %s", end,
			unit->name);
		break;
	case SM_CAUSE_SPAWN_FAILED:
		(void)snprintf(text, size, "%s", end);
		break;
	case SM_CAUSE_COMMAND:
		service_describe_command(service, end, sizeof(end));
		(void)snprintf(text, size, "%s; see keelctl logs %s", end, unit->name);
		break;
	case SM_CAUSE_START_TIMEOUT:
		(void)snprintf(text, size, "not ready within %llu ms; see keelctl logs %s",
			(unsigned long long)(unit->timeout_start_us / USEC_PER_MSEC), unit->name);
		break;
	case SM_CAUSE_WATCHDOG:
		(void)snprintf(text, size,
			"its watchdog was not fed within %llu ms; see keelctl logs %s",
			(unsigned long long)(unit->watchdog_us / USEC_PER_MSEC), unit->name);
		break;
	case SM_CAUSE_START_LIMIT:
		(void)snprintf(text, size,
			"died too often (%u starts), last: %s; see keelctl logs %s, then systemctl "
			"restart %s",
			unit->start_limit_burst, end, unit->name, unit->name);
		break;
	case SM_CAUSE_UNKILLABLE:
		(void)snprintf(text, size,
			unit->send_sigkill
				? "process %d does not end, not even by SIGKILL (stuck I/O?)"
				: "process %d does not end, and SendSIGKILL=no forbids more",
			(int)service->main.pid);
		break;
	}
}

void service_set_reason(struct service *service, const char *reason)
{
	char clean[CONTROL_REASON_MAX];

	text_copy(clean, sizeof(clean), reason);
	if (strcmp(service->record.reason, clean) == 0)
		return;
	memcpy(service->record.reason, clean, sizeof(clean));
	service_mark(service);
}

void service_set_status(struct service *service, const char *text)
{
	text_copy(service->record.status, sizeof(service->record.status), text);
	service_mark(service);
}

void service_publish(struct service *service, enum service_state before)
{
	struct control_service *record = &service->record;
	enum service_state state = service->sm.state;
	char reason[CONTROL_REASON_MAX];

	record->wanted = service->sm.wanted;
	record->step = (uint8_t)service->sm.step;
	if (state != before) {
		record->state = (uint8_t)state;
		record->since_us = clock_now_us();
		if (state == SERVICE_STATE_ACTIVE && before == SERVICE_STATE_STARTING)
			record->ready_us = record->since_us;
		if (state == SERVICE_STATE_INACTIVE || state == SERVICE_STATE_FAILED ||
			state == SERVICE_STATE_BACKOFF)
			memset(record->status, 0, sizeof(record->status));
		describe_cause(service, reason, sizeof(reason));
		service_set_reason(service, reason);
		log_write(state == SERVICE_STATE_FAILED ? LOG_ERR : LOG_INFO, "%s: %s%s%s",
			service->unit.name, service_state_name(state), reason[0] ? ": " : "",
			reason);
		service->init->changed = true;
	}
	service_mark(service);
}
