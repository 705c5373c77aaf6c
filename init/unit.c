/* SPDX-License-Identifier: MIT
 *
 * unit.c - the parser of unit files: a table of keys, a few value parsers, inih for the lines.
 *
 * Called at boot (and by tests and a fuzzer) before the loop runs. Pure: text in, struct unit out.
 */
#include "init/unit.h"

#include <ctype.h>
#include <ini.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"

struct parse {
	struct unit *unit;
	const char *path;
	unit_problem_fn *problem;
	void *ctx;
	int line;
	bool bad;
};

static void report(struct parse *parse, bool bad, const char *format, ...) PRINTF(3, 4);
static void report(struct parse *parse, bool bad, const char *format, ...)
{
	char where[128], message[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	(void)snprintf(where, sizeof(where), "%s:%d", parse->path, parse->line);
	parse->problem(parse->ctx, bad, where, message);
	parse->bad = parse->bad || bad;
}

/* A copy in the unit's own pool, or NULL (reported) when it is full. */
static char *pool_add(struct parse *parse, const char *text, size_t len)
{
	struct unit *unit = parse->unit;
	char *copy = unit->pool + unit->pool_used;

	if (len + 1 > sizeof(unit->pool) - unit->pool_used) {
		report(parse, true, "the unit holds more than %d bytes of text", UNIT_POOL_SIZE);
		return NULL;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	unit->pool_used += len + 1;
	return copy;
}

/* Takes the next word of `*text` with systemd's quoting: "a b", 'a b', backslash escapes the next
 * character. Returns 1 and the word in `word`, 0 at the end, -EINVAL for an open quote or a word that
 * does not fit. */
static int next_word(const char **text, char *word, size_t size)
{
	const char *p = *text;
	char quote = '\0';
	size_t len = 0;

	while (isspace((unsigned char)*p))
		p++;
	if (*p == '\0')
		return 0;
	for (; *p != '\0' && (quote || !isspace((unsigned char)*p)); p++) {
		char c = *p;

		if (c == quote) {
			quote = '\0';
			continue;
		}
		if (!quote && (c == '"' || c == '\'')) {
			quote = c;
			continue;
		}
		if (c == '\\' && quote != '\'' && p[1] != '\0')
			c = *++p;
		if (len + 1 >= size)
			return -EINVAL;
		word[len++] = c;
	}
	word[len] = '\0';
	*text = p;
	return quote ? -EINVAL : 1;
}

/* Appends words to a NULL-terminated list; an empty value clears it, as in systemd. */
static void parse_words(struct parse *parse, const char *key, const char *value, char **list,
	size_t max)
{
	char word[1024];
	size_t n = 0;
	int rc;

	while (list[n])
		n++;
	if (*value == '\0') {
		memset(list, 0, (max + 1) * sizeof(*list));
		return;
	}
	while ((rc = next_word(&value, word, sizeof(word))) > 0) {
		if (n == max) {
			report(parse, true, "%s: more than %zu words", key, max);
			return;
		}
		list[n] = pool_add(parse, word, strlen(word));
		if (!list[n])
			return;
		n++;
	}
	if (rc < 0)
		report(parse, true, "%s: unbalanced quotes or a word over 1023 bytes", key);
}

/* An empty value takes away what the phase had so far, as in systemd. */
static void clear_phase(struct unit *unit, enum unit_phase phase)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < unit->command_count; i++)
		if (unit->commands[i].phase != phase)
			unit->commands[kept++] = unit->commands[i];
	unit->command_count = kept;
}

static void parse_exec(struct parse *parse, const char *key, const char *value,
	enum unit_phase phase)
{
	struct unit *unit = parse->unit;
	struct unit_command command = {.phase = phase, .first = (uint16_t)unit->word_count};
	char *list[UNIT_ARGS_MAX + 1] = {NULL};
	size_t n = 0;

	if (*value == '\0') {
		clear_phase(unit, phase);
		return;
	}
	/* The other prefixes (@ + ! :) change meaning and are refused below. */
	if (*value == '-') {
		command.ignore_failure = true;
		value++;
	}
	parse_words(parse, key, value, list, UNIT_ARGS_MAX);
	while (list[n])
		n++;
	if (!list[0] || list[0][0] != '/') {
		report(parse, true, "%s: \"%.100s\" is not an absolute path", key,
			list[0] ? list[0] : "");
		return;
	}
	if (unit->command_count == UNIT_COMMANDS_MAX || unit->word_count + n + 1 > UNIT_WORDS_MAX) {
		report(parse, true, "%s: more than %d commands or %d words in this unit", key,
			UNIT_COMMANDS_MAX, UNIT_WORDS_MAX - 1);
		return;
	}
	memcpy(unit->words + unit->word_count, list, (n + 1) * sizeof(*list));
	unit->word_count += (unsigned int)n + 1;
	unit->commands[unit->command_count++] = command;
}

const struct unit_command *unit_next_command(const struct unit *unit, enum unit_phase phase,
	unsigned int from)
{
	for (unsigned int i = from; i < unit->command_count; i++)
		if (unit->commands[i].phase == phase)
			return &unit->commands[i];
	return NULL;
}

#define TIME_MAX_S UINT64_C(1000000000)

int unit_parse_time(const char *text, uint64_t *usec)
{
	static const struct {
		const char *suffix;
		uint64_t usec;
	} scale[] = {{"us", 1}, {"ms", USEC_PER_MSEC}, {"s", USEC_PER_SEC}, {"sec", USEC_PER_SEC},
		{"m", 60 * USEC_PER_SEC}, {"min", 60 * USEC_PER_SEC}, {"h", 3600 * USEC_PER_SEC},
		{"", USEC_PER_SEC}};
	uint64_t total = 0;

	if (strcmp(text, "infinity") == 0) {
		*usec = 0;
		return 0;
	}
	do {
		char *end;
		size_t len, i;
		unsigned long long n;

		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		errno = 0;
		n = strtoull(text, &end, 10);
		if (errno != 0 || n > TIME_MAX_S)
			return -EINVAL;
		len = strcspn(end, " \t0123456789");
		for (i = 0; i < ARRAY_SIZE(scale); i++)
			if (strlen(scale[i].suffix) == len &&
				strncmp(end, scale[i].suffix, len) == 0)
				break;
		if (i == ARRAY_SIZE(scale))
			return -EINVAL;
		total += n * scale[i].usec; /* 10^9 hours and the limit below fit in 64 bits */
		if (total > TIME_MAX_S * USEC_PER_SEC)
			return -EINVAL;
		text = end + len;
		text += strspn(text, " \t");
	} while (*text != '\0');
	*usec = total;
	return 0;
}

static bool parse_integer(const char *value, long min, long max, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(value, &end, 10);
	return errno == 0 && end != value && *end == '\0' && *out >= min && *out <= max;
}

static int parse_bool_word(const char *value)
{
	if (!strcmp(value, "yes") || !strcmp(value, "true") || !strcmp(value, "1") ||
		!strcmp(value, "on"))
		return 1;
	if (!strcmp(value, "no") || !strcmp(value, "false") || !strcmp(value, "0") ||
		!strcmp(value, "off"))
		return 0;
	return -EINVAL;
}

/* The index of `value` in a NULL-terminated list, reported as bad when it is not there. */
static int parse_enum(struct parse *parse, const char *key, const char *value,
	const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], value) == 0)
			return i;
	report(parse, true, "%s: \"%.60s\" is not understood", key, value);
	return -EINVAL;
}

static bool parse_limit_value(const char *text, size_t len, rlim_t *out)
{
	char number[24], *end;

	if (len == 8 && memcmp(text, "infinity", 8) == 0) {
		*out = RLIM_INFINITY;
		return true;
	}
	if (len == 0 || len >= sizeof(number) || !isdigit((unsigned char)text[0]))
		return false;
	memcpy(number, text, len);
	number[len] = '\0';
	errno = 0;
	*out = strtoull(number, &end, 10);
	if (errno != 0)
		return false;
	for (unsigned int i = 0; i < 3; i++) {
		if (*end != "KMG"[i]) /* powers of 1024 (systemd.exec(5)) */
			continue;
		if (*out > RLIM_INFINITY >> (10 * (i + 1)))
			return false;
		*out <<= 10 * (i + 1);
		end++;
		break;
	}
	return *end == '\0';
}

static void parse_limit(struct parse *parse, const char *key, const char *value, int resource)
{
	struct unit *unit = parse->unit;
	const char *colon = strchr(value, ':');
	struct unit_limit limit = {.resource = resource};
	bool good;

	if (colon)
		good = parse_limit_value(value, (size_t)(colon - value), &limit.value.rlim_cur) &&
		       parse_limit_value(colon + 1, strlen(colon + 1), &limit.value.rlim_max);
	else
		good = parse_limit_value(value, strlen(value), &limit.value.rlim_cur);
	if (!colon)
		limit.value.rlim_max = limit.value.rlim_cur;
	if (!good || limit.value.rlim_cur > limit.value.rlim_max)
		report(parse, true, "%s: \"%.60s\" is not a limit", key, value);
	else if (unit->limit_count == UNIT_LIMITS_MAX)
		report(parse, true, "%s: more than %d limits", key, UNIT_LIMITS_MAX);
	else
		unit->limits[unit->limit_count++] = limit;
}

static void parse_signal(struct parse *parse, const char *key, const char *value)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {{"SIGTERM", SIGTERM}, {"SIGHUP", SIGHUP}, {"SIGINT", SIGINT},
		{"SIGQUIT", SIGQUIT}, {"SIGKILL", SIGKILL}, {"SIGUSR1", SIGUSR1},
		{"SIGUSR2", SIGUSR2}};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (strcmp(signals[i].name, value) == 0) {
			parse->unit->kill_signal = signals[i].number;
			return;
		}
	}
	report(parse, true, "%s: \"%.60s\" is not a signal that stops a service", key, value);
}

/* A cgroup path below the base: "engine.slice" -> "engine". No way up or out. */
static void parse_slice(struct parse *parse, const char *key, const char *value)
{
	size_t len = strlen(value);

	if (len > 6 && strcmp(value + len - 6, ".slice") == 0)
		len -= 6;
	for (size_t i = 0; i < len; i++) {
		if (!islower((unsigned char)value[i]) && value[i] != '-') {
			report(parse, true, "%s: \"%.60s\" is not a slice name", key, value);
			return;
		}
	}
	if (len > 0 && len < 32)
		parse->unit->slice = pool_add(parse, value, len);
	else
		report(parse, true, "%s: a slice name has 1 to 31 letters", key);
}

static void parse_condition(struct parse *parse, const char *key, const char *value)
{
	if (strcmp(value, "wsl") == 0)
		parse->unit->mode = UNIT_MODE_WSL;
	else if (strcmp(value, "!wsl") == 0 || strcmp(value, "vm") == 0)
		parse->unit->mode = UNIT_MODE_VM;
	else
		report(parse, true, "%s: only wsl, !wsl and vm are known", key);
}

enum key_kind {
	KIND_IGNORED, /* means nothing here, and rightly so: no warning */
	KIND_TYPE,
	KIND_RESTART,
	KIND_KILL_MODE,
	KIND_KILL_SIGNAL,
	KIND_CONDITION,
	KIND_SLICE,
	KIND_STDIN,
	KIND_TIME,
	KIND_BURST,
	KIND_OOM,
	KIND_LIMIT,
	KIND_STRING,
	KIND_EXEC,
	KIND_WORDS,
	KIND_ENABLED,
	KIND_ESSENTIAL,
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
	{"Unit", "After", KIND_WORDS, FIELD(after), UNIT_NAMES_MAX},
	{"Unit", "Requires", KIND_WORDS, FIELD(requires), UNIT_NAMES_MAX},
	{"Unit", "Wants", KIND_WORDS, FIELD(wants), UNIT_NAMES_MAX},
	{"Unit", "ConditionVirtualization", KIND_CONDITION, 0, 0},
	{"Unit", "StartLimitBurst", KIND_BURST, 0, 0},
	{"Unit", "StartLimitIntervalSec", KIND_TIME, FIELD(start_limit_us), 0},
	{"Unit", "X-Essential", KIND_ESSENTIAL, 0, 0},
	{"Service", "Type", KIND_TYPE, 0, 0},
	{"Service", "ExecStart", KIND_EXEC, UNIT_PHASE_START, 0},
	{"Service", "ExecReload", KIND_EXEC, UNIT_PHASE_RELOAD, 0},
	{"Service", "Restart", KIND_RESTART, 0, 0},
	{"Service", "RestartSec", KIND_TIME, FIELD(restart_us), 0},
	{"Service", "TimeoutStartSec", KIND_TIME, FIELD(timeout_start_us), 0},
	{"Service", "TimeoutStopSec", KIND_TIME, FIELD(timeout_stop_us), 0},
	{"Service", "StartLimitBurst", KIND_BURST, 0, 0},
	{"Service", "StartLimitInterval", KIND_TIME, FIELD(start_limit_us), 0},
	{"Service", "KillMode", KIND_KILL_MODE, 0, 0},
	{"Service", "KillSignal", KIND_KILL_SIGNAL, 0, 0},
	{"Service", "OOMScoreAdjust", KIND_OOM, 0, 0},
	{"Service", "Environment", KIND_WORDS, FIELD(environment), UNIT_ENV_MAX},
	{"Service", "WorkingDirectory", KIND_STRING, FIELD(working_directory), 0},
	{"Service", "StandardInput", KIND_STDIN, 0, 0},
	{"Service", "TTYPath", KIND_STRING, FIELD(tty_path), 0},
	{"Service", "Slice", KIND_SLICE, 0, 0},
	{"Service", "Delegate", KIND_IGNORED, 0, 0}, /* every unit's group is its own */
	{"Service", "TasksMax", KIND_IGNORED, 0, 0}, /* no default limit to lift */
	{"Service", "LimitNOFILE", KIND_LIMIT, RLIMIT_NOFILE, 0},
	{"Service", "LimitNPROC", KIND_LIMIT, RLIMIT_NPROC, 0},
	{"Service", "LimitCORE", KIND_LIMIT, RLIMIT_CORE, 0},
	{"Service", "LimitMEMLOCK", KIND_LIMIT, RLIMIT_MEMLOCK, 0},
	{"Service", "LimitSTACK", KIND_LIMIT, RLIMIT_STACK, 0},
	{"Install", "WantedBy", KIND_ENABLED, 0, 0},
};

static void set_key(struct parse *parse, const struct key *key, const char *value)
{
	static const char *const types[] = {
		"simple", "exec", "notify", "notify-reload", "oneshot", NULL};
	static const char *const restarts[] = {"no", "on-success", "on-failure", "on-abnormal",
		"on-watchdog", "on-abort", "always", NULL};
	static const char *const kill_modes[] = {"control-group", "mixed", "process", "none", NULL};
	struct unit *unit = parse->unit;
	void *field = (char *)unit + key->offset;
	long number = 0;
	int rc;

	switch (key->kind) {
	case KIND_IGNORED:
		break;
	case KIND_ENABLED:
		unit->enabled = *value != '\0';
		break;
	case KIND_ESSENTIAL:
		rc = parse_bool_word(value);
		if (rc < 0)
			report(parse, true, "%s: yes or no, not \"%.60s\"", key->name, value);
		unit->essential = rc > 0;
		break;
	case KIND_TYPE:
		rc = parse_enum(parse, key->name, value, types);
		unit->type = rc < 0 ? unit->type : (enum unit_type)rc;
		break;
	case KIND_RESTART:
		rc = parse_enum(parse, key->name, value, restarts);
		unit->restart = rc < 0 ? unit->restart : (enum unit_restart)rc;
		break;
	case KIND_KILL_MODE:
		rc = parse_enum(parse, key->name, value, kill_modes);
		unit->kill_mode = rc < 0 ? unit->kill_mode : (enum unit_kill_mode)rc;
		break;
	case KIND_KILL_SIGNAL:
		parse_signal(parse, key->name, value);
		break;
	case KIND_CONDITION:
		parse_condition(parse, key->name, value);
		break;
	case KIND_SLICE:
		parse_slice(parse, key->name, value);
		break;
	case KIND_STDIN:
		if (strcmp(value, "tty") == 0 && !unit->tty_path)
			unit->tty_path = pool_add(parse, "/dev/console", strlen("/dev/console"));
		else if (strcmp(value, "tty") != 0 && strcmp(value, "null") != 0)
			report(parse, true, "%s: only null and tty are known", key->name);
		break;
	case KIND_TIME:
		if (unit_parse_time(value, field) < 0)
			report(parse, true, "%s: \"%.60s\" is not a time span", key->name, value);
		break;
	case KIND_BURST:
		if (!parse_integer(value, 0, UNIT_STARTS_MAX, &number))
			report(parse, true, "%s: \"%.60s\" is not in 0..%d", key->name, value,
				UNIT_STARTS_MAX);
		unit->start_limit_burst = (unsigned int)number;
		break;
	case KIND_OOM:
		if (!parse_integer(value, -1000, 1000, &number))
			report(parse, true, "%s: \"%.60s\" is not in -1000..1000", key->name,
				value);
		unit->oom_score_adj = (int)number;
		break;
	case KIND_LIMIT:
		parse_limit(parse, key->name, value, (int)key->offset);
		break;
	case KIND_STRING:
		if (value[0] == '/')
			*(char **)field = pool_add(parse, value, strlen(value));
		else
			report(parse, true, "%s: \"%.60s\" is not an absolute path", key->name,
				value);
		break;
	case KIND_EXEC:
		parse_exec(parse, key->name, value, (enum unit_phase)key->offset);
		break;
	case KIND_WORDS:
		parse_words(parse, key->name, value, field, key->max);
		break;
	}
}

static int on_line(void *user, const char *section, const char *name, const char *value, int line)
{
	struct parse *parse = user;

	parse->line = line;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0) {
			set_key(parse, &keys[i], value);
			return 1;
		}
	}
	report(parse, false, "unknown key %.60s in section [%.60s] ignored", name, section);
	return 1;
}

static void check_whole(struct parse *parse)
{
	struct unit *unit = parse->unit;
	const struct unit_command *start = unit_next_command(unit, UNIT_PHASE_START, 0);

	if (!start)
		report(parse, true, "no ExecStart=");
	else if (unit->type != UNIT_TYPE_ONESHOT &&
		 unit_next_command(unit, UNIT_PHASE_START,
			 (unsigned int)(start - unit->commands) + 1))
		report(parse, true, "more than one ExecStart=, which only Type=oneshot may have");
	if (unit->restart == UNIT_RESTART_ALWAYS && unit->type == UNIT_TYPE_ONESHOT)
		report(parse, true, "Restart=always cannot go with Type=oneshot");
	for (size_t i = 0; unit->environment[i]; i++)
		if (!strchr(unit->environment[i], '='))
			report(parse, true, "Environment: \"%.60s\" is not NAME=value",
				unit->environment[i]);
}

int unit_parse(struct unit *unit, const char *path, const char *text, unit_problem_fn *problem,
	void *ctx)
{
	struct parse parse = {.unit = unit, .path = path, .problem = problem, .ctx = ctx};
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	int line;

	memset(unit, 0, sizeof(*unit));
	unit->kill_signal = SIGTERM;
	unit->send_sigkill = true;
	unit->watchdog_signal = SIGABRT;
	unit->reload_signal = SIGHUP;
	unit->umask = 022;
	unit->restart_max_us = 30 * USEC_PER_SEC;
	unit->start_limit_burst = 5;
	unit->start_limit_us = 10 * USEC_PER_SEC;
	unit->restart_us = 100 * USEC_PER_MSEC;
	unit->timeout_start_us = 90 * USEC_PER_SEC;
	unit->timeout_stop_us = 90 * USEC_PER_SEC;
	if (strlen(base) >= sizeof(unit->name))
		report(&parse, true, "the file name is longer than %d bytes", CONTROL_NAME_MAX - 1);
	else
		memcpy(unit->name, base, strlen(base));
	line = ini_parse_string(text, on_line, &parse);
	if (line > 0) {
		parse.line = line;
		report(&parse, true, "neither [Section] nor Key=value, or longer than %d bytes",
			INI_MAX_LINE - 1);
	}
	check_whole(&parse);
	if (!unit->slice)
		unit->slice = pool_add(&parse, "system", strlen("system"));
	return parse.bad ? -EINVAL : 0;
}
