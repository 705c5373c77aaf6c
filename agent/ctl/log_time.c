/* SPDX-License-Identifier: MIT
 *
 * log_time.c - see log_time.h. Caller: journalctl.c.
 */
#include "agent/ctl/log_time.h"

#include <string.h>
#include <time.h>

#include "lib/clock.h"

/* Takes 1 to `max` digits, and nothing before them: sscanf(3) would allow spaces and signs. */
static bool take_number(const char **text, unsigned int max, unsigned int *number)
{
	unsigned int digits = 0;

	*number = 0;
	for (; **text >= '0' && **text <= '9' && digits < max; (*text)++, digits++)
		*number = *number * 10 + (unsigned int)(**text - '0');
	return digits > 0;
}

static bool take_char(const char **text, char want)
{
	if (**text != want)
		return false;
	(*text)++;
	return true;
}

static int unit_seconds(const char *unit, size_t len, uint64_t *seconds)
{
	static const struct {
		const char *word;
		unsigned int seconds;
	} units[] = {{"s", 1}, {"sec", 1}, {"m", 60}, {"min", 60}, {"minutes", 60}, {"h", 3600},
		{"hour", 3600}, {"hours", 3600}, {"d", 86400}, {"day", 86400}, {"days", 86400}};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strlen(units[i].word) == len && memcmp(unit, units[i].word, len) == 0) {
			*seconds = units[i].seconds;
			return 0;
		}
	}
	return -EINVAL;
}

/* "-5min", "5 min ago". */
static int parse_relative(const char *text, uint64_t now_us, uint64_t *wall_us)
{
	bool minus = take_char(&text, '-');
	unsigned int count;
	uint64_t seconds;
	size_t len;

	if (!take_number(&text, 7, &count))
		return -EINVAL;
	(void)take_char(&text, ' ');
	len = strspn(text, "abcdefghijklmnopqrstuvwxyz");
	if (unit_seconds(text, len, &seconds) < 0 || strcmp(text + len, minus ? "" : " ago") != 0)
		return -EINVAL;
	seconds *= count;
	*wall_us = seconds * USEC_PER_SEC < now_us ? now_us - seconds * USEC_PER_SEC : 0;
	return 0;
}

static int parse_clock(const char *text, struct tm *tm)
{
	unsigned int hour, minute, second = 0;

	if (!take_number(&text, 2, &hour) || !take_char(&text, ':') ||
		!take_number(&text, 2, &minute))
		return -EINVAL;
	if (take_char(&text, ':') && !take_number(&text, 2, &second))
		return -EINVAL;
	if (*text != '\0' || hour > 23 || minute > 59 || second > 60)
		return -EINVAL;
	tm->tm_hour = (int)hour;
	tm->tm_min = (int)minute;
	tm->tm_sec = (int)second;
	return 0;
}

static int parse_date(const char *text, struct tm *tm)
{
	unsigned int year, month, day;

	if (!take_number(&text, 4, &year) || !take_char(&text, '-') ||
		!take_number(&text, 2, &month) || !take_char(&text, '-') ||
		!take_number(&text, 2, &day) || year < 1970 || month < 1 || month > 12 || day < 1 ||
		day > 31)
		return -EINVAL;
	*tm = (struct tm){.tm_year = (int)year - 1900,
		.tm_mon = (int)month - 1,
		.tm_mday = (int)day,
		.tm_isdst = -1};
	if (*text == '\0')
		return 0;
	if (!take_char(&text, ' ') && !take_char(&text, 'T'))
		return -EINVAL;
	return parse_clock(text, tm);
}

/* "@SECONDS". */
static int parse_seconds(const char *text, uint64_t *wall_us)
{
	unsigned int high, low = 0, digits;

	if (!take_char(&text, '@') || !take_number(&text, 9, &high))
		return -EINVAL;
	/* A tenth digit would not fit the number. */
	digits = *text != '\0';
	if ((digits && !take_number(&text, 1, &low)) || *text != '\0')
		return -EINVAL;
	*wall_us = (digits ? (uint64_t)high * 10 + low : high) * USEC_PER_SEC;
	return 0;
}

int log_time_parse(const char *text, uint64_t now_us, uint64_t *wall_us)
{
	time_t now = (time_t)(now_us / USEC_PER_SEC);
	struct tm tm = {0};

	if (strcmp(text, "now") == 0) {
		*wall_us = now_us;
		return 0;
	}
	if (parse_seconds(text, wall_us) == 0 || parse_relative(text, now_us, wall_us) == 0)
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
