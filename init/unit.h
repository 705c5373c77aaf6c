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

#include <sys/resource.h>

#include "lib/control.h"

#define UNIT_ARGS_MAX   40
#define UNIT_ENV_MAX    16
#define UNIT_NAMES_MAX  12
#define UNIT_LIMITS_MAX 8
#define UNIT_POOL_SIZE  3072
#define UNIT_STARTS_MAX 16 /* starts that are remembered: the largest StartLimitBurst= */

enum unit_type { UNIT_TYPE_SIMPLE, UNIT_TYPE_EXEC, UNIT_TYPE_NOTIFY, UNIT_TYPE_ONESHOT };
enum unit_restart { UNIT_RESTART_NO, UNIT_RESTART_ON_FAILURE, UNIT_RESTART_ALWAYS };
enum unit_kill_mode { UNIT_KILL_CONTROL_GROUP, UNIT_KILL_PROCESS };
enum unit_mode { UNIT_MODE_ANY, UNIT_MODE_VM, UNIT_MODE_WSL };

struct unit_limit {
	int resource; /* RLIMIT_* */
	struct rlimit value;
};

struct unit {
	char name[CONTROL_NAME_MAX]; /* "docker.service" */
	bool enabled;                /* has WantedBy=: started at boot */
	bool essential;              /* X-Essential=: without it the engine is not ready */
	enum unit_type type;
	enum unit_restart restart;
	enum unit_kill_mode kill_mode;
	enum unit_mode mode; /* ConditionVirtualization= */
	int kill_signal;
	int oom_score_adj;
	unsigned int start_limit_burst; /* 0: no limit */
	uint64_t start_limit_us;
	uint64_t restart_us;
	uint64_t timeout_start_us; /* 0: none */
	uint64_t timeout_stop_us;

	char *exec_start[UNIT_ARGS_MAX + 1]; /* NULL-terminated; [0] is a path */
	char *exec_reload[UNIT_ARGS_MAX + 1];
	char *environment[UNIT_ENV_MAX + 1]; /* "NAME=value" */
	char *working_directory;             /* NULL: "/" */
	char *slice;                         /* cgroup below the base, "system" by default */
	char *tty_path;                      /* StandardInput=tty: the terminal; NULL: /dev/null */
	char *after[UNIT_NAMES_MAX + 1];
	char *
		requires[
			UNIT_NAMES_MAX + 1];
	char *wants[UNIT_NAMES_MAX + 1];
	struct unit_limit limits[UNIT_LIMITS_MAX];
	unsigned int limit_count;

	size_t pool_used;
	char pool[UNIT_POOL_SIZE];
};

/* `where` is "/etc/keel/units/x.service:12"; `bad` tells an error of the unit from a warning. */
typedef void unit_problem_fn(void *ctx, bool bad, const char *where, const char *message);

/* Parses the text of one unit file. 0, or -EINVAL after at least one bad problem was reported (the
 * unit is then not to be started). `text` must be NUL-terminated. */
int unit_parse(struct unit *unit, const char *path, const char *text, unit_problem_fn *problem,
	void *ctx) MUST_CHECK;

/* "5s", "1min 30s", "100ms", "2", "infinity" (0) -> microseconds (systemd.time(7)), at most 10^9 seconds. 0 or -EINVAL,
 * which leaves *usec alone. */
int unit_parse_time(const char *text, uint64_t *usec) MUST_CHECK;
