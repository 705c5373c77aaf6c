/* SPDX-License-Identifier: MIT
 *
 * e2fsck.c - see e2fsck.h. Called by data_disk.c. Its input is written by a program that has just read
 * an untrusted disk: every length is bounded, what is no progress line changes nothing.
 */
#include "init/disk/e2fsck.h"

#include <stdlib.h>

enum { STATUS_CORRECTED = 1, STATUS_UNCORRECTED = 4, STATUS_MAX = 127 };

enum disk_check e2fsck_judge(int status)
{
	if (status < 0 || status > STATUS_MAX)
		return DISK_CHECK_CANNOT_RUN;
	if (status & STATUS_UNCORRECTED)
		return DISK_CHECK_NEEDS_DECISION;
	return (status & ~STATUS_CORRECTED) == 0 ? DISK_CHECK_PASSED : DISK_CHECK_CANNOT_RUN;
}

/* The share of the whole, in per mille, when a pass begins: e2fsck's own estimate of its five passes. */
static const unsigned int pass_begin[] = {0, 700, 900, 920, 950, 1000};

/* Reads a decimal number and the space behind it. */
static bool read_number(const char **text, unsigned long *value)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*value = strtoul(*text, &end, 10);
	if (errno != 0 || *end != ' ')
		return false;
	*text = end + 1;
	return true;
}

static bool take_line(struct e2fsck_progress *progress)
{
	unsigned long pass, current, maximum;
	const char *text = progress->line;
	unsigned int permille;

	if (!read_number(&text, &pass) || !read_number(&text, &current) ||
		!read_number(&text, &maximum))
		return false;
	if (pass < 1 || pass >= ARRAY_SIZE(pass_begin))
		return false;
	if (current > maximum)
		current = maximum;
	permille = pass_begin[pass - 1];
	/* Floating point: the numbers are the disk's and may be of any size. */
	if (maximum > 0)
		permille += (unsigned int)((double)(pass_begin[pass] - permille) *
					   ((double)current / (double)maximum));
	if (permille <= progress->permille)
		return false;
	progress->permille = permille;
	return true;
}

bool e2fsck_progress_feed(struct e2fsck_progress *progress, const char *data, size_t len)
{
	bool grown = false;

	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n') {
			if (progress->len < sizeof(progress->line) - 1)
				progress->line[progress->len++] = data[i];
			else
				progress->len = sizeof(progress->line);
			continue;
		}
		if (progress->len < sizeof(progress->line)) {
			progress->line[progress->len] = '\0';
			grown = take_line(progress) || grown;
		}
		progress->len = 0;
	}
	return grown;
}
