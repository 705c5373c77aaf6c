/* SPDX-License-Identifier: MIT
 *
 * kmsg.c - see kmsg.h. Caller: journalctl.c.
 */
#include "agent/ctl/kmsg.h"

#include <string.h>

/* A decimal number and the comma after it. */
static int take_field(const char **data, const char *end, uint64_t *number)
{
	const char *p = *data;

	*number = 0;
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		if (p - *data >= 18)
			return -EINVAL;
		*number = *number * 10 + (uint64_t)(*p - '0');
	}
	if (p == *data || p == end || *p != ',')
		return -EINVAL;
	*data = p + 1;
	return 0;
}

int kmsg_parse(const char *data, size_t len, struct kmsg_record *record)
{
	const char *p = data, *end = data + len, *semicolon, *newline;
	uint64_t priority, sequence;

	if (take_field(&p, end, &priority) < 0 || take_field(&p, end, &sequence) < 0 ||
		take_field(&p, end, &record->boot_us) < 0)
		return -EINVAL;
	semicolon = memchr(p, ';', (size_t)(end - p));
	if (!semicolon)
		return -EINVAL;
	record->level = (unsigned int)(priority & 7);
	record->text = semicolon + 1;
	newline = memchr(record->text, '\n', (size_t)(end - record->text));
	record->len = (size_t)((newline ? newline : end) - record->text);
	return 0;
}
