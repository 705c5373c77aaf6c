/* SPDX-License-Identifier: MIT
 *
 * log_time.c - see log_time.h. Caller: journalctl.c.
 */
#include "agent/ctl/log_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"

static int unit_seconds(const char *unit, uint64_t *seconds)
{
	static const struct {
		const char *word;
		unsigned int seconds;
	} units[] = {{"s", 1}, {"sec", 1}, {"m", 60}, {"min", 60}, {"minutes", 60}, {"h", 3600},
		{"hour", 3600}, {"hours", 3600}, {"d", 86400}, {"day", 86400}, {"days", 86400}};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(unit, units[i].word) == 0) {
			*seconds = units[i].seconds;
			return 0;
		}
	}
	return -EINVAL;
}

/* "-5min", "5 min ago". */
static int parse_relative(const char *text, uint64_t now_us, uint64_t *wall_us)
{
	unsigned int count;
	char unit[8], ago[4] = "", end;
	uint64_t seconds;
	int n;

	n = sscanf(text + (text[0] == '-'), "%7u %7[a-z] %3[a-z]%c", &count, unit, ago, &end);
	if (n < 2 || n > 3 || (text[0] == '-') != (n == 2) || (n == 3 && strcmp(ago, "ago") != 0) ||
		unit_seconds(unit, &seconds) < 0)
		return -EINVAL;
	seconds *= count;
	*wall_us = seconds * USEC_PER_SEC < now_us ? now_us - seconds * USEC_PER_SEC : 0;
	return 0;
}

static int parse_clock(const char *text, struct tm *tm)
{
	unsigned int hour, minute, second = 0;
	char end;
	int n = sscanf(text, "%2u:%2u:%2u%c", &hour, &minute, &second, &end);

	if ((n != 3 && (n != 2 || strlen(text) > 5)) || hour > 23 || minute > 59 || second > 60)
		return -EINVAL;
	tm->tm_hour = (int)hour;
	tm->tm_min = (int)minute;
	tm->tm_sec = (int)second;
	return 0;
}

static int parse_date(const char *text, struct tm *tm)
{
	unsigned int year, month, day;
	int used = 0;

	if (sscanf(text, "%4u-%2u-%2u%n", &year, &month, &day, &used) != 3 || year < 1970 ||
		month < 1 || month > 12 || day < 1 || day > 31)
		return -EINVAL;
	*tm = (struct tm){.tm_year = (int)year - 1900,
		.tm_mon = (int)month - 1,
		.tm_mday = (int)day,
		.tm_isdst = -1};
	if (text[used] == '\0')
		return 0;
	if (text[used] != ' ' && text[used] != 'T')
		return -EINVAL;
	return parse_clock(text + used + 1, tm);
}

int log_time_parse(const char *text, uint64_t now_us, uint64_t *wall_us)
{
	time_t now = (time_t)(now_us / USEC_PER_SEC);
	unsigned int seconds;
	struct tm tm = {0};
	char end;

	if (strcmp(text, "now") == 0) {
		*wall_us = now_us;
		return 0;
	}
	if (sscanf(text, "@%10u%c", &seconds, &end) == 1) {
		*wall_us = seconds * USEC_PER_SEC;
		return 0;
	}
	if (parse_relative(text, now_us, wall_us) == 0)
		return 0;
	(void)localtime_r(&now, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	if (strcmp(text, "yesterday") == 0)
		tm.tm_mday--;
	else if (strcmp(text, "today") != 0 && parse_clock(text, &tm) < 0 &&
		 parse_date(text, &tm) < 0)
		return -EINVAL;
	*wall_us = (uint64_t)mktime(&tm) * USEC_PER_SEC;
	return 0;
}
