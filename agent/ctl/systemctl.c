/* SPDX-License-Identifier: MIT
 *
 * systemctl.c - keelctl under the name systemctl: the verbs that WSL and people use, with systemd's words and
 * exit codes (systemctl(1), "Exit status"). Asks PID 1 directly: it works when the agent does not.
 *
 * WSL pipes `is-system-running` into grep four times a second from before PID 1 listens, waits for
 * `is-active user@UID.service`, and stops the distro with `poweroff`, which must come back at once.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/common/facts.h"
#include "agent/ctl/control_link.h"
#include "agent/ctl/ctl.h"
#include "agent/ctl/logs.h"
#include "agent/ctl/systemctl_view.h"
#include "agent/ctl/unit_files.h"
#include "agent/ctl/unit_order.h"
#include "lib/clock.h"
#include "lib/file.h"

#define LINK_MS      2000
#define BOOT_LINK_MS 1000 /* WSL waits for the answer before it opens a session */
#define STARTING_US  (200 * USEC_PER_MSEC)
#define STATUS_LINES 10 /* of the log, as systemd */

/* systemd's exit codes for questions about units (LSB). */
#define EXIT_INACTIVE     3
#define EXIT_NO_SUCH_UNIT 4
#define EXIT_NOT_LOADED   5 /* of start and its like */

struct systemctl {
	bool quiet, no_block, failed, value_only;
	const char *properties; /* -p, comma-separated */
	int argc;               /* units */
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
	"  start, stop, restart, try-restart, reload UNIT...\n"
	"  list-units [--failed], list-unit-files\n"
	"  cat UNIT...                   its unit file and drop-ins\n"
	"  show [-p NAME,...] [--value] UNIT...   properties, for scripts\n"
	"  is-enabled UNIT...            enabled (started at boot), static or masked\n"
	"  reset-failed [UNIT...]        forget failures\n"
	"  daemon-reload                 read the unit files again\n"
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

static bool is_deaf(void)
{
	char name[32];

	return file_read("/proc/1/comm", name, sizeof(name)) > 0 &&
	       strncmp(name, CONTROL_DEAF "\n", sizeof(CONTROL_DEAF)) == 0;
}

/* Nobody listens before PID 1 has come that far, and that is all there is to say then; unless it never will. WSL would
 * hold back each session for as long as this says "starting". */
static const char *boot_word(void)
{
	if (control_link_snapshot(BOOT_LINK_MS, &facts) == 0 && facts.boot_known)
		return boot_state_name(facts.boot.state);
	return boot_state_name(is_deaf() ? BOOT_STATE_DEGRADED : BOOT_STATE_STARTING);
}

static int is_system_running(const struct systemctl *ctl)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	uint64_t end_us = clock_now_us() + STARTING_US;
	const char *word = boot_word();

	/* WSL asks for the first time while it executes PID 1, which needs some milliseconds, and again 250 ms after it
	 * was told `starting`: so long would every first session take. No event tells of a socket that is not there. By the clock: a PID 1
	 * that hangs is waited for once. */
	while (strcmp(word, "starting") == 0 && clock_now_us() < end_us) {
		(void)nanosleep(&nap, NULL);
		word = boot_word();
	}
	if (!ctl->quiet)
		(void)puts(word);
	return strcmp(word, "running") == 0 ? 0 : 1;
}

/* keel has no user managers; WSL waits for one and is content with this answer. */
static bool is_user_manager(const char *name)
{
	return strncmp(name, "user@", 5) == 0;
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
		word = user ? "active" : systemctl_active_state(service);
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

static int list_units(const struct systemctl *ctl)
{
	int rc = control_link_snapshot(LINK_MS, &facts);
	unsigned int count;

	if (rc < 0)
		return no_init(rc);
	count = systemctl_print_units(&facts, ctl->failed);
	if (!ctl->quiet)
		(void)printf("\n%u loaded units listed.\n", count);
	return 0;
}

static int list_unit_files(const struct systemctl *ctl)
{
	int rc = control_link_snapshot(LINK_MS, &facts);

	(void)ctl;
	if (rc < 0)
		return no_init(rc);
	(void)printf("%-28s %s\n", "UNIT FILE", "STATE");
	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++) {
		const char *name = facts.services[i].name;
		const char *state = name[0] ? unit_files_state(name) : NULL;

		if (state)
			(void)printf("%-28s %s\n", name, state);
	}
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
		(void)systemctl_print_units(&facts, false);
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
			systemctl_print_unit(service);
			logs_print_tail(stdout, service->name, STATUS_LINES);
			if (strcmp(systemctl_active_state(service), "active") != 0 && code == 0)
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

static int try_restart_units(const struct systemctl *ctl)
{
	return order_units(ctl, CONTROL_VERB_TRY_RESTART, "try-restart");
}

/* What needs no waiting for. Without units: all. */
static int reset_failed(const struct systemctl *ctl)
{
	int rc = control_link_snapshot(LINK_MS, &facts), code = 0;

	if (rc < 0)
		return no_init(rc);
	for (size_t i = 0; ctl->argc == 0 && i < CONTROL_SERVICES_MAX; i++)
		if (facts.services[i].name[0])
			(void)!control_link_order(LINK_MS, CONTROL_VERB_RESET_FAILED,
				facts.services[i].name);
	for (int i = 0; i < ctl->argc; i++) {
		const struct control_service *service = find_unit(ctl->argv[i]);

		rc = service ? control_link_order(LINK_MS, CONTROL_VERB_RESET_FAILED, service->name)
			     : -ENOENT;
		if (rc == 0)
			continue;
		(void)fprintf(stderr, "Failed to reset failed state of unit %s: %s\n", ctl->argv[i],
			strerror(-rc));
		code = 1;
	}
	return code;
}

/* Names of units as files: with any suffix that a unit may have. */
static const char *file_name(const char *name, char unit[CONTROL_NAME_MAX])
{
	const char *dot = strrchr(name, '.');

	if (dot && strcmp(dot, ".socket") == 0)
		return name;
	return unit_order_complete_name(name, unit) == 0 ? unit : name;
}

static int cat(const struct systemctl *ctl)
{
	char unit[CONTROL_NAME_MAX];
	int code = 0;

	if (ctl->argc == 0) {
		(void)fputs("systemctl: cat: name a unit\n", stderr);
		return 1;
	}
	for (int i = 0; i < ctl->argc; i++) {
		if (i > 0)
			(void)putchar('\n');
		if (unit_files_print(stdout, file_name(ctl->argv[i], unit)) == 0)
			continue;
		(void)fprintf(stderr, "No files found for %s.\n", ctl->argv[i]);
		code = 1;
	}
	return code;
}

static int is_enabled(const struct systemctl *ctl)
{
	char unit[CONTROL_NAME_MAX];
	int code = ctl->argc > 0 ? 0 : 1;

	for (int i = 0; i < ctl->argc; i++) {
		const char *state = unit_files_state(file_name(ctl->argv[i], unit));

		if (!ctl->quiet)
			(void)puts(state ? state : "not-found");
		if (!state)
			code = EXIT_NO_SUCH_UNIT;
		else if (strcmp(state, "masked") == 0 && code == 0)
			code = 1;
	}
	return code;
}

static int show(const struct systemctl *ctl)
{
	int rc = control_link_snapshot(LINK_MS, &facts);

	if (rc < 0)
		return no_init(rc);
	for (int i = 0; i < ctl->argc; i++) {
		struct control_service none = {.exit_status = -1};
		const struct control_service *service = find_unit(ctl->argv[i]);

		/* systemd shows a unit that does not exist, as such. */
		(void)!unit_order_complete_name(ctl->argv[i], none.name);
		if (i > 0)
			(void)putchar('\n');
		systemctl_print_properties(service ? service : &none, ctl->properties,
			ctl->value_only);
	}
	return 0;
}

static int power_verb(enum control_verb verb)
{
	int rc = control_link_order(LINK_MS, verb, NULL);

	/* It does not hear, but takes signals. */
	if (rc < 0 && is_deaf() && kill(1, verb == CONTROL_VERB_REBOOT ? SIGINT : SIGTERM) == 0)
		return 0;
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
	int rc = control_link_order(LINK_MS, CONTROL_VERB_DAEMON_RELOAD, NULL);

	(void)ctl;
	if (rc == 0)
		return 0;
	if (rc == -ENOEXEC)
		(void)fputs(
			"systemctl: daemon-reload: a unit file is bad and was not taken; dmesg says "
			"which line\n",
			stderr);
	else if (rc == -E2BIG)
		(void)fprintf(stderr, "systemctl: daemon-reload: more than %d units\n",
			CONTROL_SERVICES_MAX);
	else
		return no_init(rc);
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
	{"try-restart", try_restart_units},
	{"condrestart", try_restart_units},
	{"reset-failed", reset_failed},
	{"cat", cat},
	{"show", show},
	{"is-enabled", is_enabled},
	{"list-unit-files", list_unit_files},
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
		else if (strcmp(argv[i], "--failed") == 0)
			ctl->failed = true;
		else if (strcmp(argv[i], "--value") == 0)
			ctl->value_only = true;
		else if (strncmp(argv[i], "--property=", 11) == 0)
			ctl->properties = argv[i] + 11;
		else if (strcmp(argv[i], "-p") == 0 && i + 1 < argc)
			ctl->properties = argv[++i];
		else if ((strcmp(argv[i], "-n") == 0 || strcmp(argv[i], "-o") == 0 ||
				 strcmp(argv[i], "-t") == 0) &&
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
