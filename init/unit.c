/* SPDX-License-Identifier: MIT
 *
 * unit.c - the parser of unit files: a table of keys, inih for the lines; the values are unit_value.c's.
 *
 * Called by service_load.c before the loop runs and at daemon-reload (and by tests and a fuzzer). Pure: text in,
 * struct unit out. Allocates nothing.
 */
#include "init/unit.h"

#include <ini.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "init/unit_read.h"
#include "lib/clock.h"

int unit_next_command(const struct unit *unit, enum unit_phase phase, unsigned int from)
{
	for (unsigned int i = from; i < unit->command_count; i++)
		if (unit->commands[i].phase == phase)
			return (int)i;
	return -1;
}

const struct unit_command *unit_first_command(const struct unit *unit, enum unit_phase phase)
{
	int index = unit_next_command(unit, phase, 0);

	return index < 0 ? NULL : &unit->commands[index];
}

bool unit_statuses_have(const struct unit_statuses *statuses, int wait_status)
{
	int number = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -WTERMSIG(wait_status);

	for (unsigned int i = 0; i < statuses->count; i++)
		if (statuses->list[i] == number)
			return true;
	return false;
}

/* ---- the table ----------------------------------------------------------------------------- */

enum key_kind {
	KIND_IGNORED, /* means nothing here, and rightly so: no warning */
	KIND_TYPE,
	KIND_RESTART,
	KIND_KILL_MODE,
	KIND_NOTIFY_ACCESS,
	KIND_SIGNAL,
	KIND_CONDITION,
	KIND_SLICE,
	KIND_STDIN,
	KIND_OUTPUT,
	KIND_TIME,
	KIND_TIMEOUT_START,
	KIND_TIMEOUTS,
	KIND_BURST,
	KIND_OOM,
	KIND_MODE,
	KIND_BOOL,
	KIND_LIMIT,
	KIND_PATH,
	KIND_TTY,
	KIND_STRING,
	KIND_EXEC,
	KIND_WORDS,
	KIND_STATUSES,
	KIND_ENABLED,
};

struct key {
	const char *section, *name;
	enum key_kind kind;
	size_t offset; /* of the field; LIMIT: the resource; EXEC: the phase; WORDS: with `max` */
	size_t max;
};

#define FIELD(member) offsetof(struct unit, member)

static const struct key keys[] = {
	{"Unit", "Description", KIND_IGNORED, 0, 0},
	{"Unit", "Documentation", KIND_IGNORED, 0, 0},
	{"Unit", "DefaultDependencies", KIND_IGNORED, 0, 0}, /* there are none */
	{"Unit", "After", KIND_WORDS, FIELD(after), UNIT_NAMES_MAX},
	{"Unit", "Before", KIND_WORDS, FIELD(before), UNIT_NAMES_MAX},
	{"Unit", "Requires", KIND_WORDS, FIELD(requires), UNIT_NAMES_MAX},
	{"Unit", "BindsTo", KIND_WORDS, FIELD(requires), UNIT_NAMES_MAX},
	{"Unit", "Wants", KIND_WORDS, FIELD(wants), UNIT_NAMES_MAX},
	{"Unit", "ConditionVirtualization", KIND_CONDITION, 0, 0},
	{"Unit", "StartLimitBurst", KIND_BURST, 0, 0},
	{"Unit", "StartLimitIntervalSec", KIND_TIME, FIELD(start_limit_us), 0},
	{"Unit", "X-Essential", KIND_BOOL, FIELD(essential), 0},
	{"Service", "Type", KIND_TYPE, 0, 0},
	{"Service", "ExecStartPre", KIND_EXEC, UNIT_PHASE_START_PRE, 0},
	{"Service", "ExecStart", KIND_EXEC, UNIT_PHASE_START, 0},
	{"Service", "ExecStartPost", KIND_EXEC, UNIT_PHASE_START_POST, 0},
	{"Service", "ExecReload", KIND_EXEC, UNIT_PHASE_RELOAD, 0},
	{"Service", "ExecStop", KIND_EXEC, UNIT_PHASE_STOP, 0},
	{"Service", "ExecStopPost", KIND_EXEC, UNIT_PHASE_STOP_POST, 0},
	{"Service", "RemainAfterExit", KIND_BOOL, FIELD(remain_after_exit), 0},
	{"Service", "Restart", KIND_RESTART, 0, 0},
	{"Service", "RestartSec", KIND_TIME, FIELD(restart_us), 0},
	{"Service", "RestartMaxDelaySec", KIND_TIME, FIELD(restart_max_us), 0},
	{"Service", "SuccessExitStatus", KIND_STATUSES, FIELD(success), 0},
	{"Service", "RestartPreventExitStatus", KIND_STATUSES, FIELD(no_restart), 0},
	{"Service", "TimeoutStartSec", KIND_TIMEOUT_START, 0, 0},
	{"Service", "TimeoutStopSec", KIND_TIME, FIELD(timeout_stop_us), 0},
	{"Service", "TimeoutSec", KIND_TIMEOUTS, 0, 0},
	{"Service", "StartLimitBurst", KIND_BURST, 0, 0},
	{"Service", "StartLimitInterval", KIND_TIME, FIELD(start_limit_us), 0},
	{"Service", "NotifyAccess", KIND_NOTIFY_ACCESS, 0, 0},
	{"Service", "WatchdogSec", KIND_TIME, FIELD(watchdog_us), 0},
	{"Service", "WatchdogSignal", KIND_SIGNAL, FIELD(watchdog_signal), 0},
	{"Service", "ReloadSignal", KIND_SIGNAL, FIELD(reload_signal), 0},
	{"Service", "KillMode", KIND_KILL_MODE, 0, 0},
	{"Service", "KillSignal", KIND_SIGNAL, FIELD(kill_signal), 0},
	{"Service", "SendSIGHUP", KIND_BOOL, FIELD(send_sighup), 0},
	{"Service", "SendSIGKILL", KIND_BOOL, FIELD(send_sigkill), 0},
	{"Service", "OOMScoreAdjust", KIND_OOM, 0, 0},
	{"Service", "UMask", KIND_MODE, FIELD(umask), 0},
	{"Service", "Environment", KIND_WORDS, FIELD(environment), UNIT_ENV_MAX},
	{"Service", "EnvironmentFile", KIND_WORDS, FIELD(environment_files), UNIT_ENV_FILES_MAX},
	{"Service", "WorkingDirectory", KIND_PATH, FIELD(working_directory), 0},
	{"Service", "StandardInput", KIND_STDIN, 0, 0},
	{"Service", "StandardOutput", KIND_OUTPUT, 0, 0},
	{"Service", "StandardError", KIND_OUTPUT, 0, 0},
	{"Service", "TTYPath", KIND_TTY, FIELD(tty_path), 0},
	{"Service", "Slice", KIND_SLICE, 0, 0},
	{"Service", "Delegate", KIND_IGNORED, 0, 0},         /* every unit's group is its own */
	{"Service", "TasksMax", KIND_IGNORED, 0, 0},         /* no default limit to lift */
	{"Service", "SyslogIdentifier", KIND_IGNORED, 0, 0}, /* a log is its unit's */
	{"Service", "OOMPolicy", KIND_IGNORED, 0,
		0}, /* always "continue": the main process counts */
	{"Service", "LimitCPU", KIND_LIMIT, RLIMIT_CPU, 0},
	{"Service", "LimitFSIZE", KIND_LIMIT, RLIMIT_FSIZE, 0},
	{"Service", "LimitDATA", KIND_LIMIT, RLIMIT_DATA, 0},
	{"Service", "LimitSTACK", KIND_LIMIT, RLIMIT_STACK, 0},
	{"Service", "LimitCORE", KIND_LIMIT, RLIMIT_CORE, 0},
	{"Service", "LimitRSS", KIND_LIMIT, RLIMIT_RSS, 0},
	{"Service", "LimitNOFILE", KIND_LIMIT, RLIMIT_NOFILE, 0},
	{"Service", "LimitAS", KIND_LIMIT, RLIMIT_AS, 0},
	{"Service", "LimitNPROC", KIND_LIMIT, RLIMIT_NPROC, 0},
	{"Service", "LimitMEMLOCK", KIND_LIMIT, RLIMIT_MEMLOCK, 0},
	{"Service", "LimitLOCKS", KIND_LIMIT, RLIMIT_LOCKS, 0},
	{"Service", "LimitSIGPENDING", KIND_LIMIT, RLIMIT_SIGPENDING, 0},
	{"Service", "LimitMSGQUEUE", KIND_LIMIT, RLIMIT_MSGQUEUE, 0},
	{"Service", "LimitNICE", KIND_LIMIT, RLIMIT_NICE, 0},
	{"Service", "LimitRTPRIO", KIND_LIMIT, RLIMIT_RTPRIO, 0},
	{"Service", "LimitRTTIME", KIND_LIMIT, RLIMIT_RTTIME, 0},
	{"Socket", "ListenStream", KIND_PATH, FIELD(listen_path), 0},
	{"Socket", "SocketMode", KIND_MODE, FIELD(socket_mode), 0},
	{"Socket", "SocketUser", KIND_IGNORED, 0, 0}, /* PID 1 is root, and so is what it makes */
	{"Socket", "SocketGroup", KIND_STRING, FIELD(socket_group), 0},
	{"Install", "WantedBy", KIND_ENABLED, 0, 0},
	{"Install", "RequiredBy", KIND_ENABLED, 0, 0},
	{"Install", "Alias", KIND_IGNORED, 0, 0},
	{"Install", "Also", KIND_IGNORED, 0, 0},
};

_Static_assert(UNIT_LIMITS_MAX == 16, "a place for each RLIMIT_*");

static void set_enum(struct unit_reader *reader, const struct key *key, const char *value)
{
	static const char *const types[] = {
		"simple", "exec", "notify", "notify-reload", "oneshot", NULL};
	static const char *const restarts[] = {"no", "on-success", "on-failure", "on-abnormal",
		"on-watchdog", "on-abort", "always", NULL};
	static const char *const kill_modes[] = {"control-group", "mixed", "process", "none", NULL};
	static const char *const accesses[] = {"none", "main", "exec", "all", NULL};
	struct unit *unit = reader->unit;
	int rc;

	switch (key->kind) {
	case KIND_TYPE:
		rc = unit_read_enum(reader, key->name, strcmp(value, "idle") ? value : types[0],
			types);
		unit->type = rc < 0 ? unit->type : (enum unit_type)rc;
		break;
	case KIND_RESTART:
		rc = unit_read_enum(reader, key->name, value, restarts);
		unit->restart = rc < 0 ? unit->restart : (enum unit_restart)rc;
		break;
	case KIND_KILL_MODE:
		rc = unit_read_enum(reader, key->name, value, kill_modes);
		unit->kill_mode = rc < 0 ? unit->kill_mode : (enum unit_kill_mode)rc;
		break;
	default: /* KIND_NOTIFY_ACCESS; set_key() calls for no other */
		rc = unit_read_enum(reader, key->name, value, accesses);
		unit->notify_access = rc < 0 ? unit->notify_access : (enum unit_notify_access)rc;
		reader->notify_access_set = true;
		break;
	}
}

static void set_number(struct unit_reader *reader, const struct key *key, const char *value)
{
	struct unit *unit = reader->unit;
	void *field = (char *)unit + key->offset;
	long number;

	switch (key->kind) {
	case KIND_BURST:
		if (unit_parse_integer(value, 10, 0, UNIT_STARTS_MAX, &number) < 0)
			unit_report(reader, true, "%s: \"%.60s\" is not in 0..%d", key->name, value,
				UNIT_STARTS_MAX);
		else
			unit->start_limit_burst = (unsigned int)number;
		break;
	case KIND_OOM:
		if (unit_parse_integer(value, 10, -1000, 1000, &number) < 0)
			unit_report(reader, true, "%s: \"%.60s\" is not in -1000..1000", key->name,
				value);
		else
			unit->oom_score_adj = (int)number;
		break;
	default: /* KIND_MODE */
		if (unit_parse_integer(value, 8, 0, 0777, &number) < 0)
			unit_report(reader, true, "%s: \"%.60s\" is not in 0..0777", key->name,
				value);
		else
			*(unsigned int *)field = (unsigned int)number;
		break;
	}
}

static void set_time(struct unit_reader *reader, const struct key *key, const char *value)
{
	struct unit *unit = reader->unit;
	uint64_t usec = 0;

	if (unit_parse_time(value, &usec) < 0) {
		unit_report(reader, true, "%s: \"%.60s\" is not a time span", key->name, value);
		return;
	}
	if (key->kind == KIND_TIME) {
		memcpy((char *)unit + key->offset, &usec, sizeof(usec));
		return;
	}
	unit->timeout_start_us = usec;
	reader->timeout_start_set = true;
	if (key->kind == KIND_TIMEOUTS)
		unit->timeout_stop_us = usec;
}

/* WorkingDirectory= may have a "-" before it: a missing one is no failure. */
static void set_path(struct unit_reader *reader, const struct key *key, const char *value)
{
	bool dash = value[0] == '-' && key->offset == FIELD(working_directory);
	char **field = (char **)(void *)((char *)reader->unit + key->offset);

	if (key->kind == KIND_STRING || value[dash ? 1 : 0] == '/')
		*field = unit_add_text(reader, value, strlen(value));
	else
		unit_report(reader, true, "%s: \"%.60s\" is not an absolute path", key->name,
			value);
}

static void set_key(struct unit_reader *reader, const struct key *key, const char *value)
{
	struct unit *unit = reader->unit;
	void *field = (char *)unit + key->offset;

	switch (key->kind) {
	case KIND_IGNORED:
		break;
	case KIND_ENABLED:
		unit->enabled = *value != '\0';
		break;
	case KIND_TYPE:
	case KIND_RESTART:
	case KIND_KILL_MODE:
	case KIND_NOTIFY_ACCESS:
		set_enum(reader, key, value);
		break;
	case KIND_SIGNAL:
		unit_read_signal(reader, key->name, value, field);
		break;
	case KIND_CONDITION:
		unit_read_condition(reader, key->name, value);
		break;
	case KIND_SLICE:
		unit_read_slice(reader, key->name, value);
		break;
	case KIND_STDIN:
		unit_read_input(reader, key->name, value);
		break;
	case KIND_OUTPUT:
		unit_read_output(reader, key->name, value);
		break;
	case KIND_TIME:
	case KIND_TIMEOUT_START:
	case KIND_TIMEOUTS:
		set_time(reader, key, value);
		break;
	case KIND_BURST:
	case KIND_OOM:
	case KIND_MODE:
		set_number(reader, key, value);
		break;
	case KIND_BOOL:
		if (unit_parse_bool(value, field) < 0)
			unit_report(reader, true, "%s: yes or no, not \"%.60s\"", key->name, value);
		break;
	case KIND_LIMIT:
		unit_read_limit(reader, key->name, value, (int)key->offset);
		break;
	case KIND_PATH:
	case KIND_TTY:
	case KIND_STRING:
		set_path(reader, key, value);
		break;
	case KIND_EXEC:
		unit_read_exec(reader, key->name, value, (enum unit_phase)key->offset);
		break;
	case KIND_WORDS:
		unit_read_words(reader, key->name, value, field, key->max);
		break;
	case KIND_STATUSES:
		unit_read_statuses(reader, key->name, value, field);
		break;
	}
}

static int on_line(void *user, const char *section, const char *name, const char *value, int line)
{
	struct unit_reader *reader = user;

	reader->line = line;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0) {
			set_key(reader, &keys[i], value);
			return 1;
		}
	}
	unit_report(reader, false, "unknown key %.60s in section [%.60s] ignored", name, section);
	return 1;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void check_service(struct unit_reader *reader)
{
	struct unit *unit = reader->unit;
	int start = unit_next_command(unit, UNIT_PHASE_START, 0);

	if (start < 0)
		unit_report(reader, true, "no ExecStart=");
	else if (unit->type != UNIT_TYPE_ONESHOT &&
		 unit_next_command(unit, UNIT_PHASE_START, (unsigned int)start + 1) >= 0)
		unit_report(reader, true,
			"more than one ExecStart=, which only Type=oneshot may have");
	if (unit->restart == UNIT_RESTART_ALWAYS && unit->type == UNIT_TYPE_ONESHOT)
		unit_report(reader, true, "Restart=always cannot go with Type=oneshot");
	for (size_t i = 0; unit->environment[i]; i++)
		if (!strchr(unit->environment[i], '='))
			unit_report(reader, true, "Environment: \"%.60s\" is not NAME=value",
				unit->environment[i]);
	for (size_t i = 0; unit->environment_files[i]; i++)
		if (unit->environment_files[i][unit->environment_files[i][0] == '-'] != '/')
			unit_report(reader, true,
				"EnvironmentFile: \"%.60s\" is not an absolute path",
				unit->environment_files[i]);
}

bool unit_is_socket(const char *name)
{
	size_t len = strlen(name);

	return len > 7 && strcmp(name + len - 7, ".socket") == 0;
}

void unit_begin(struct unit_reader *reader, struct unit *unit, const char *name,
	unit_problem_fn *problem, void *ctx)
{
	*reader = (struct unit_reader){.unit = unit, .path = name, .problem = problem, .ctx = ctx};
	memset(unit, 0, sizeof(*unit));
	unit->kill_signal = SIGTERM;
	unit->send_sigkill = true;
	unit->watchdog_signal = SIGABRT;
	unit->reload_signal = SIGHUP;
	unit->umask = 022;
	unit->socket_mode = 0666;
	unit->restart_max_us = 30 * USEC_PER_SEC;
	unit->start_limit_burst = 5;
	unit->start_limit_us = 10 * USEC_PER_SEC;
	unit->restart_us = 100 * USEC_PER_MSEC;
	unit->timeout_start_us = 90 * USEC_PER_SEC;
	unit->timeout_stop_us = 90 * USEC_PER_SEC;
	if (strlen(name) >= sizeof(unit->name))
		unit_report(reader, true, "the file name is longer than %d bytes",
			CONTROL_NAME_MAX - 1);
	else
		memcpy(unit->name, name, strlen(name));
}

/* A line that ends in a backslash goes on in the next one (systemd.syntax(7)). The newlines that this eats
 * are put behind the line, so that line numbers stay those of the file. */
static void join_lines(const char *text, char *joined)
{
	size_t owed = 0;
	char *out = joined;

	for (const char *in = text; *in; in++) {
		if (in[0] == '\\' && in[1] == '\n') {
			*out++ = ' ';
			owed++;
			in++;
			continue;
		}
		*out++ = *in;
		if (*in != '\n')
			continue;
		memset(out, '\n', owed);
		out += owed;
		owed = 0;
	}
	*out = '\0';
}

void unit_read(struct unit_reader *reader, const char *path, const char *text)
{
	static char joined[UNIT_FILE_MAX];
	int line;

	reader->path = path;
	reader->line = 1;
	if (strlen(text) >= sizeof(joined)) {
		unit_report(reader, true, "longer than %d bytes", UNIT_FILE_MAX - 1);
		return;
	}
	join_lines(text, joined);
	line = ini_parse_string(joined, on_line, reader);
	if (line > 0) {
		reader->line = line;
		unit_report(reader, true,
			"neither [Section] nor Key=value, or longer than %d bytes",
			INI_MAX_LINE - 1);
	}
}

int unit_end(struct unit_reader *reader)
{
	struct unit *unit = reader->unit;
	bool notifies = unit->type == UNIT_TYPE_NOTIFY || unit->type == UNIT_TYPE_NOTIFY_RELOAD;

	if (!unit_is_socket(unit->name))
		check_service(reader);
	else if (!unit->listen_path)
		unit_report(reader, true, "no ListenStream=");
	/* systemd.service(5): what runs once may take its time, unless somebody said how much. */
	if (unit->type == UNIT_TYPE_ONESHOT && !reader->timeout_start_set)
		unit->timeout_start_us = 0;
	if (!reader->notify_access_set && (notifies || unit->watchdog_us > 0))
		unit->notify_access = UNIT_NOTIFY_MAIN;
	if (!unit->slice)
		unit->slice = unit_add_text(reader, "system", strlen("system"));
	return reader->bad ? -EINVAL : 0;
}
