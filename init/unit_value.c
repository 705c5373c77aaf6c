/* SPDX-License-Identifier: MIT
 *
 * unit_value.c - see unit_value.h. Callers: unit.c, tests, a fuzzer by way of unit.c.
 */
#include "init/unit_value.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"

#define TIME_MAX_S UINT64_C(1000000000)

/* The kernel's first real-time signal: the C libraries keep different ones of them to themselves. */
#define KERNEL_SIGRTMIN 34
#define KERNEL_SIGRTMAX 64

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

int unit_parse_integer(const char *text, int base, long min, long max, long *number)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, base);
	if (errno != 0 || end == text || *end != '\0' || value < min || value > max)
		return -EINVAL;
	*number = value;
	return 0;
}

int unit_parse_bool(const char *text, bool *value)
{
	static const char *const words[] = {"no", "yes", "false", "true", "0", "1", "off", "on"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			*value = i & 1;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_limit_value(const char *text, size_t len, rlim_t *out)
{
	char number[24], *end;
	rlim_t value;

	if (len == 8 && memcmp(text, "infinity", 8) == 0) {
		*out = RLIM_INFINITY;
		return 0;
	}
	if (len == 0 || len >= sizeof(number) || !isdigit((unsigned char)text[0]))
		return -EINVAL;
	memcpy(number, text, len);
	number[len] = '\0';
	errno = 0;
	value = strtoull(number, &end, 10);
	if (errno != 0)
		return -EINVAL;
	for (unsigned int i = 0; i < 3; i++) {
		if (*end != "KMG"[i]) /* powers of 1024 (systemd.exec(5)) */
			continue;
		if (value > RLIM_INFINITY >> (10 * (i + 1)))
			return -EINVAL;
		value <<= 10 * (i + 1);
		end++;
		break;
	}
	if (*end != '\0')
		return -EINVAL;
	*out = value;
	return 0;
}

int unit_parse_limit(const char *text, struct rlimit *limit)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	struct rlimit parsed = {0, 0};
	int rc = parse_limit_value(text, len, &parsed.rlim_cur);

	parsed.rlim_max = parsed.rlim_cur;
	if (rc == 0 && colon)
		rc = parse_limit_value(colon + 1, strlen(colon + 1), &parsed.rlim_max);
	if (rc < 0 || parsed.rlim_cur > parsed.rlim_max)
		return -EINVAL;
	*limit = parsed;
	return 0;
}

int unit_parse_signal(const char *text, int *number)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {{"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"ILL", SIGILL},
		{"TRAP", SIGTRAP}, {"ABRT", SIGABRT}, {"IOT", SIGABRT}, {"BUS", SIGBUS},
		{"FPE", SIGFPE}, {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"SEGV", SIGSEGV},
		{"USR2", SIGUSR2}, {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM},
		{"CHLD", SIGCHLD}, {"CONT", SIGCONT}, {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},
		{"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
		{"WINCH", SIGWINCH}, {"IO", SIGIO}, {"PWR", SIGPWR}, {"SYS", SIGSYS}};
	const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
	long value;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (strcmp(signals[i].name, name) == 0) {
			*number = signals[i].number;
			return 0;
		}
	}
	if (strncmp(name, "RTMIN+", 6) == 0 && isdigit((unsigned char)name[6]) &&
		unit_parse_integer(name + 6, 10, 0, KERNEL_SIGRTMAX - KERNEL_SIGRTMIN, &value) ==
			0) {
		*number = KERNEL_SIGRTMIN + (int)value;
		return 0;
	}
	if (!isdigit((unsigned char)text[0]) ||
		unit_parse_integer(text, 10, 1, KERNEL_SIGRTMAX, &value) < 0)
		return -EINVAL;
	*number = (int)value;
	return 0;
}
