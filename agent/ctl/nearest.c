/* SPDX-License-Identifier: MIT
 *
 * nearest.c - see nearest.h. Caller: command_line.c.
 */
#include "agent/ctl/nearest.h"

#include <string.h>

#define LEN_MAX 32

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: three rows of the table of distances of all beginnings. */
unsigned int nearest_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned int rows[3][LEN_MAX + 1];

	if (a_len > LEN_MAX || b_len > LEN_MAX)
		return NEAREST_MOST;
	for (size_t k = 0; k <= b_len; k++)
		rows[0][k] = (unsigned int)k;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned int *now = rows[i % 3];
		const unsigned int *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

		now[0] = (unsigned int)i;
		for (size_t k = 1; k <= b_len; k++) {
			now[k] = least(least(last[k], now[k - 1]) + 1,
				last[k - 1] + (a[i - 1] != b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				now[k] = least(now[k], before[k - 2] + 1);
		}
	}
	return least(rows[a_len % 3][b_len], NEAREST_MOST);
}

void nearest_take(const char *word, size_t len, const char *candidate, unsigned int *best,
	const char **near)
{
	size_t other = strlen(candidate);
	unsigned int distance = nearest_distance(word, len, candidate, other);

	/* Begun well and broken off; and of two letters not both may be wrong. */
	if (len >= 2 && len < other && memcmp(word, candidate, len) == 0)
		distance = 1;
	else if (distance * 2 > len)
		return;
	if (distance < *best) {
		*best = distance;
		*near = candidate;
	}
}
