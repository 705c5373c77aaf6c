/* SPDX-License-Identifier: MIT
 *
 * unit.h - a service's description, read from a unit file in a subset of systemd's syntax.
 *
 * Source of the syntax: systemd.service(5), systemd.exec(5), systemd.unit(5). docs/keel.units.5 lists
 * the keys that are understood; keep it in step with the table in unit.c. An unknown key is a warning;
 * a bad value is an error that makes that one unit unusable, with file and line.
 *
 * A struct unit owns all its strings in `pool`; it is read once at boot and const afterwards.
 */
#pragma once

#include "init/unit_value.h"
#include "lib/control.h"

#define UNIT_ARGS_MAX      40  /* words of one command */
#define UNIT_WORDS_MAX     128 /* of all commands, with a NULL after each */
#define UNIT_COMMANDS_MAX  16
#define UNIT_ENV_MAX       24
#define UNIT_ENV_FILES_MAX 4
#define UNIT_NAMES_MAX     16
#define UNIT_LIMITS_MAX    16
#define UNIT_STATUS_MAX    8
#define UNIT_POOL_SIZE     4096
#define UNIT_FILE_MAX      8192 /* bytes of one file, with NUL */
#define UNIT_STARTS_MAX    16   /* starts that are remembered: the largest StartLimitBurst= */

enum unit_type {
	UNIT_TYPE_SIMPLE, /* and idle */
	UNIT_TYPE_EXEC,
	UNIT_TYPE_NOTIFY,
	UNIT_TYPE_NOTIFY_RELOAD, /* reload: SIGHUP, then RELOADING=1 and READY=1 */
	UNIT_TYPE_ONESHOT,
};
/* systemd.service(5), table "Exit causes and the effect of the Restart= settings". */
enum unit_restart {
	UNIT_RESTART_NO,
	UNIT_RESTART_ON_SUCCESS,
	UNIT_RESTART_ON_FAILURE,
	UNIT_RESTART_ON_ABNORMAL,
	UNIT_RESTART_ON_WATCHDOG,
	UNIT_RESTART_ON_ABORT,
	UNIT_RESTART_ALWAYS,
};
/* systemd.kill(5). MIXED: KillSignal= to the main process, SIGKILL to the whole group. */
enum unit_kill_mode {
	UNIT_KILL_CONTROL_GROUP,
	UNIT_KILL_MIXED,
	UNIT_KILL_PROCESS,
	UNIT_KILL_NONE,
};
enum unit_notify_access { UNIT_NOTIFY_NONE, UNIT_NOTIFY_MAIN, UNIT_NOTIFY_EXEC, UNIT_NOTIFY_ALL };
enum unit_output { UNIT_OUTPUT_LOG, UNIT_OUTPUT_NULL, UNIT_OUTPUT_TTY };
enum unit_mode { UNIT_MODE_ANY, UNIT_MODE_VM, UNIT_MODE_WSL };

/* When a command runs, in this order. */
enum unit_phase {
	UNIT_PHASE_START_PRE,
	UNIT_PHASE_START,
	UNIT_PHASE_START_POST,
	UNIT_PHASE_RELOAD,
	UNIT_PHASE_STOP,
	UNIT_PHASE_STOP_POST,
};

struct unit_command {
	enum unit_phase phase;
	bool ignore_failure; /* prefix "-" */
	uint16_t first;      /* of its words in `words`; NULL-terminated */
};

struct unit_limit {
	int resource; /* RLIMIT_* */
	struct rlimit value;
};

/* What ended a process: an exit status, or a signal's number negated. */
struct unit_statuses {
	int list[UNIT_STATUS_MAX];
	unsigned int count;
};

struct unit {
	char name[CONTROL_NAME_MAX]; /* "docker.service" */
	bool enabled;                /* has WantedBy=: started at boot */
	bool essential;              /* X-Essential=: without it the engine is not ready */
	bool remain_after_exit;
	bool send_sighup;  /* SendSIGHUP=: after KillSignal= */
	bool send_sigkill; /* SendSIGKILL=, yes by default */
	enum unit_type type;
	enum unit_restart restart;
	enum unit_kill_mode kill_mode;
	enum unit_notify_access notify_access; /* MAIN by default for the notify types, else NONE */
	enum unit_output output; /* StandardOutput=; standard error goes the same way */
	enum unit_mode mode;     /* ConditionVirtualization= */
	int kill_signal;
	int reload_signal; /* NOTIFY_RELOAD: SIGHUP by default */
	int oom_score_adj;
	unsigned int umask;             /* UMask=, 022 by default */
	unsigned int start_limit_burst; /* 0: no limit */
	uint64_t start_limit_us;
	uint64_t restart_us;
	uint64_t restart_max_us;   /* RestartMaxDelaySec=: the backoff ends here, 30 s by default */
	uint64_t timeout_start_us; /* 0: none */
	uint64_t timeout_stop_us;  /* 0: none */
	uint64_t watchdog_us;      /* 0: none */
	int watchdog_signal;       /* SIGABRT by default */

	struct unit_command commands[UNIT_COMMANDS_MAX];
	unsigned int command_count;
	char *words[UNIT_WORDS_MAX];
	unsigned int word_count;

	char *environment[UNIT_ENV_MAX + 1];             /* "NAME=value" */
	char *environment_files[UNIT_ENV_FILES_MAX + 1]; /* with their prefix "-": may be missing */
	char *working_directory;                         /* NULL: "/"; "-/x": may be missing */
	char *slice;                     /* cgroup below the base, "system" by default */
	char *tty_path;                  /* StandardInput=tty: the terminal; NULL: /dev/null */
	char *after[UNIT_NAMES_MAX + 1]; /* Before= of others is turned into this by the loader */
	char *before[UNIT_NAMES_MAX + 1];
	char *
		requires[
			UNIT_NAMES_MAX + 1]; /* and BindsTo= */
	char *wants[UNIT_NAMES_MAX + 1];
	struct unit_statuses success;    /* SuccessExitStatus= */
	struct unit_statuses no_restart; /* RestartPreventExitStatus= */
	struct unit_limit limits[UNIT_LIMITS_MAX];
	unsigned int limit_count;

	/* Of a .socket unit: what is handed to its service. */
	char *listen_path;        /* ListenStream=: a path */
	char *socket_group;       /* SocketGroup=: a name or a number, NULL: root */
	unsigned int socket_mode; /* SocketMode=, 0666 by default */

	size_t pool_used;
	char pool[UNIT_POOL_SIZE];
};

/* The next command of a phase at or after index `from`, or -1. Its argv: unit->words + first. */
int unit_next_command(const struct unit *unit, enum unit_phase phase, unsigned int from);
/* The same, as a command; NULL if there is none. */
const struct unit_command *unit_first_command(const struct unit *unit, enum unit_phase phase);
bool unit_statuses_have(const struct unit_statuses *statuses, int wait_status);
bool unit_is_socket(const char *name);

/* `where` is "/etc/keel/units/x.service:12"; `bad` tells an error of the unit from a warning. */
typedef void unit_problem_fn(void *ctx, bool bad, const char *where, const char *message);

/* Reading a unit: begin, then each of its files in order (the unit file, its drop-ins), then end. A file's
 * text must be NUL-terminated and shorter than UNIT_FILE_MAX. unit_end() answers 0, or -EINVAL after at
 * least one bad problem was reported (the unit is then not to be started). */
struct unit_reader {
	struct unit *unit;
	const char *path; /* of the file that is being read */
	unit_problem_fn *problem;
	void *ctx;
	int line;
	bool bad, timeout_start_set, notify_access_set;
};

void unit_begin(struct unit_reader *reader, struct unit *unit, const char *name,
	unit_problem_fn *problem, void *ctx);
void unit_read(struct unit_reader *reader, const char *path, const char *text);
int unit_end(struct unit_reader *reader) MUST_CHECK;
