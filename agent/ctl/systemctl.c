/* SPDX-License-Identifier: MIT
 *
 * systemctl.c - keelctl under the name systemctl: the verbs that WSL and people use, with systemd's words and
 * exit codes (systemctl(1), "Exit status"). Asks PID 1 directly: it works when the agent does not.
 *
 * WSL pipes `is-system-running` into grep four times a second from before PID 1 listens, waits for
 * `is-active user@UID.service`, and stops the distro with `poweroff`, which must come back at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/common/facts.h"
#include "agent/ctl/control_link.h"
#include "agent/ctl/ctl.h"
#include "agent/ctl/logs.h"
#include "agent/ctl/unit_order.h"
#include "agent/ctl/view.h"
#include "lib/clock.h"

#define LINK_MS      2000
#define STATUS_LINES 10 /* of the log, as systemd */

/* systemd's exit codes for questions about units (LSB). */
#define EXIT_INACTIVE     3
#define EXIT_NO_SUCH_UNIT 4
#define EXIT_NOT_LOADED   5 /* of start and its like */

struct systemctl {
	bool quiet, no_block;
	int argc; /* units */
	char **argv;
};

static struct facts facts;

static const char usage[] =
	"usage: systemctl [OPTION]... VERB [UNIT]...\n"
	"keel's systemctl: the verbs below, with systemd's output and exit codes.\n"
	"\n"
	"  is-system-running             running, degraded, starting or stopping\n"
	"  is-active, is-failed UNIT...  exit 0 if it is\n"
	"  status [UNIT]...              the state of the system, or of units\n"
	"  start, stop, restart, reload UNIT...\n"
	"  list-units                    all services\n"
	"  poweroff, halt, reboot        shut down; comes back at once\n"
	"\n"
	"  -q, --quiet   print nothing but errors\n"
	"  --no-block    do not wait until an order is carried out\n"
	"  --version, --help\n"
	"Other options of systemd's systemctl are accepted and do nothing. More: keelctl --help.\n";

static int no_init(int error)
{
	(void)fprintf(stderr, "systemctl: PID 1 does not answer on %s: %s\n", CONTROL_SOCKET,
		strerror(-error));
	return 1;
}

static int is_system_running(const struct systemctl *ctl)
{
	const char *word = "starting";

	/* Nobody listens before PID 1 has come that far, and that is all there is to say then. */
	if (control_link_snapshot(LINK_MS, &facts) == 0 && facts.boot_known)
		word = boot_state_name(facts.boot.state);
	if (!ctl->quiet)
		(void)puts(word);
	return strcmp(word, "running") == 0 ? 0 : 1;
}

/* keel has no user managers; WSL waits for one and is content with this answer. */
static bool is_user_manager(const char *name)
{
	return strncmp(name, "user@", 5) == 0;
}

/* systemd's ActiveState. */
static const char *active_state(const struct control_service *service)
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

static const struct control_service *find_unit(const char *name)
{
	char unit[CONTROL_NAME_MAX];

	return unit_order_complete_name(name, unit) == 0 ? facts_find_service(&facts, unit) : NULL;
}

/* Prints each unit's state; 0 if `state` is that of any of them (systemd says so for both questions). */
static int is_state(const struct systemctl *ctl, const char *state, int no)
{
	int code = no;
	bool asked = false, answered = false;

	if (ctl->argc == 0) {
		(void)fputs("systemctl: name a unit\n", stderr);
		return 1;
	}
	for (int i = 0; i < ctl->argc; i++) {
		bool user = is_user_manager(ctl->argv[i]);
		const struct control_service *service = NULL;
		const char *word;

		if (!user && !asked)
			answered = control_link_snapshot(LINK_MS, &facts) == 0;
		asked |= !user;
		if (!user && answered)
			service = find_unit(ctl->argv[i]);
		word = user ? "active" : active_state(service);
		if (!ctl->quiet)
			(void)puts(word);
		if (strcmp(word, state) == 0)
			code = 0;
		else if (code != 0 && no == EXIT_INACTIVE && !user && answered && !service)
			code = EXIT_NO_SUCH_UNIT;
	}
	return code;
}

static int is_active(const struct systemctl *ctl)
{
	return is_state(ctl, "active", EXIT_INACTIVE);
}

static int is_failed(const struct systemctl *ctl)
{
	return is_state(ctl, "failed", 1);
}

static void print_unit(const struct control_service *service)
{
	char since[32];
	uint64_t now_us = clock_now_us();

	(void)printf("* %s\n     Active: %s (%s) for %s\n", service->name, active_state(service),
		service_state_name(service->state),
		view_format_ms((double)(now_us - service->since_us) / 1000.0, since,
			sizeof(since)));
	if (service->pid > 0)
		(void)printf("   Main PID: %d\n", service->pid);
	if (service->restarts > 0)
		(void)printf("   Restarts: %u\n", service->restarts);
	if (service->status[0])
		(void)printf("     Status: %s\n", service->status);
	if (service->reason[0])
		(void)printf("     Reason: %s\n", service->reason);
}

static void print_units(void)
{
	(void)printf("%-28s %-8s %-12s %s\n", "UNIT", "LOAD", "ACTIVE", "SUB");
	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++) {
		const struct control_service *service = &facts.services[i];

		if (service->name[0])
			(void)printf("%-28s %-8s %-12s %s\n", service->name, "loaded",
				active_state(service), service_state_name(service->state));
	}
}

static int list_units(const struct systemctl *ctl)
{
	int rc = control_link_snapshot(LINK_MS, &facts);

	(void)ctl;
	if (rc < 0)
		return no_init(rc);
	print_units();
	return 0;
}

static int status(const struct systemctl *ctl)
{
	int rc = control_link_snapshot(LINK_MS, &facts), code = 0;

	if (rc < 0)
		return no_init(rc);
	if (ctl->argc == 0) {
		(void)printf("State: %s%s%s\n\n", boot_state_name(facts.boot.state),
			facts.boot.reason[0] ? ", " : "", facts.boot.reason);
		print_units();
		(void)puts("\nMore: keelctl status");
		return 0;
	}
	for (int i = 0; i < ctl->argc; i++) {
		const struct control_service *service = find_unit(ctl->argv[i]);

		if (is_user_manager(ctl->argv[i])) {
			(void)printf("* %s\n     Active: active\n", ctl->argv[i]);
		} else if (!service) {
			(void)fprintf(stderr, "Unit %s could not be found.\n", ctl->argv[i]);
			code = EXIT_NO_SUCH_UNIT;
		} else {
			print_unit(service);
			logs_print_tail(stdout, service->name, STATUS_LINES);
			if (strcmp(active_state(service), "active") != 0 && code == 0)
				code = EXIT_INACTIVE;
		}
	}
	return code;
}

static int order_one(const struct systemctl *ctl, enum control_verb verb, const char *word,
	const char *name)
{
	struct control_service last = {0};
	char unit[CONTROL_NAME_MAX];
	int rc;

	if (is_user_manager(name))
		return 0;
	rc = unit_order_complete_name(name, unit);
	if (rc == 0)
		rc = unit_order_run(verb, unit, ctl->no_block, UNIT_ORDER_WAIT_S, &last);
	if (rc == 0)
		return 0;
	if (rc == -ESRCH || rc == -ENAMETOOLONG) {
		(void)fprintf(stderr, "Failed to %s %s: Unit %s not found.\n", word, name, name);
		return EXIT_NOT_LOADED;
	}
	if (rc == -EREMOTEIO)
		(void)fprintf(stderr, "Job for %s failed: %s. See \"systemctl status %s\".\n", unit,
			last.reason, unit);
	else if (rc == -ETIMEDOUT)
		(void)fprintf(stderr, "%s is still %s after %d s.\n", unit,
			service_state_name(last.state), UNIT_ORDER_WAIT_S);
	else
		(void)fprintf(stderr, "Failed to %s %s: PID 1: %s\n", word, unit, strerror(-rc));
	return 1;
}

static int order_units(const struct systemctl *ctl, enum control_verb verb, const char *word)
{
	int code = 0;

	if (ctl->argc == 0) {
		(void)fprintf(stderr, "systemctl: %s: name a unit\n", word);
		return 1;
	}
	for (int i = 0; i < ctl->argc; i++) {
		int rc = order_one(ctl, verb, word, ctl->argv[i]);

		code = rc ? rc : code;
	}
	return code;
}

static int start_units(const struct systemctl *ctl)
{
	return order_units(ctl, CONTROL_VERB_START, "start");
}

static int stop_units(const struct systemctl *ctl)
{
	return order_units(ctl, CONTROL_VERB_STOP, "stop");
}

static int restart_units(const struct systemctl *ctl)
{
	return order_units(ctl, CONTROL_VERB_RESTART, "restart");
}

static int reload_units(const struct systemctl *ctl)
{
	return order_units(ctl, CONTROL_VERB_RELOAD, "reload");
}

static int power_verb(enum control_verb verb)
{
	int rc = control_link_order(LINK_MS, verb, NULL);

	/* PID 1 may be quicker than its answer. */
	return rc == 0 || rc == -ECONNRESET ? 0 : no_init(rc);
}

static int poweroff(const struct systemctl *ctl)
{
	(void)ctl;
	return power_verb(CONTROL_VERB_POWEROFF);
}

static int reboot_system(const struct systemctl *ctl)
{
	(void)ctl;
	return power_verb(CONTROL_VERB_REBOOT);
}

static int daemon_reload(const struct systemctl *ctl)
{
	(void)ctl;
	(void)fputs(
		"systemctl: daemon-reload: keel reads its units at boot; a changed unit counts from the next "
		"boot on\n",
		stderr);
	return 1;
}

static const struct {
	const char *word;
	int (*fn)(const struct systemctl *ctl);
} verbs[] = {
	{"is-system-running", is_system_running},
	{"is-active", is_active},
	{"is-failed", is_failed},
	{"status", status},
	{"start", start_units},
	{"stop", stop_units},
	{"restart", restart_units},
	{"reload", reload_units},
	{"list-units", list_units},
	{"poweroff", poweroff},
	{"halt", poweroff},
	{"reboot", reboot_system},
	{"daemon-reload", daemon_reload},
};

/* Takes the options out of argv; what is left are the verb and its units. Returns -1 to go on. */
static int take_options(struct systemctl *ctl, int argc, char **argv)
{
	ctl->argv = argv;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			(void)fputs(usage, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--version") == 0) {
			(void)puts("keel " KEEL_VERSION);
			return 0;
		}
		if (strcmp(argv[i], "--quiet") == 0 || strcmp(argv[i], "-q") == 0)
			ctl->quiet = true;
		else if (strcmp(argv[i], "--no-block") == 0)
			ctl->no_block = true;
		else if ((strcmp(argv[i], "-n") == 0 || strcmp(argv[i], "-o") == 0 ||
				 strcmp(argv[i], "-p") == 0 || strcmp(argv[i], "-t") == 0) &&
			 i + 1 < argc)
			i++; /* systemd's short options that take a value */
		else if (argv[i][0] != '-')
			ctl->argv[ctl->argc++] = argv[i];
	}
	return -1;
}

int systemctl_run(int argc, char **argv)
{
	struct systemctl ctl = {0};
	int rc = take_options(&ctl, argc, argv);
	const char *word;

	if (rc >= 0)
		return rc;
	if (ctl.argc == 0)
		return list_units(&ctl);
	word = *ctl.argv++;
	ctl.argc--;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(word, verbs[i].word) == 0)
			return verbs[i].fn(&ctl);
	(void)fprintf(stderr, "systemctl: %s: keel has no such verb; see systemctl --help\n", word);
	return 1;
}
