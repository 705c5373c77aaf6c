/* SPDX-License-Identifier: MIT
 *
 * bytes.c - see bytes.h. Caller: ctl/memory.c.
 */
#include "agent/ctl/bytes.h"

#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int bytes_parse(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGTkmgt";
	uint64_t number = 0;
	const char *unit;

	if (!is_digit(*text))
		return -EINVAL;
	for (; is_digit(*text); text++)
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			return -EINVAL;
	if (*text) {
		unit = strchr(units, *text);
		if (!unit || text[1] ||
			__builtin_mul_overflow(number, UINT64_C(1024) << 10 * ((unit - units) % 4),
				&number))
			return -EINVAL;
	}
	*bytes = number;
	return number > 0 ? 0 : -EINVAL;
}
