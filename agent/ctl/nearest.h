/* SPDX-License-Identifier: MIT
 *
 * nearest.h - which word was meant. Pure.
 */
#pragma once

#include "lib/base.h"

#define NEAREST_MOST 3 /* a word that far away was not meant */

/* Letters to insert, remove, replace or exchange with the next, to make one of the other; at most NEAREST_MOST is told
 * apart. */
unsigned int nearest_distance(const char *a, size_t a_len, const char *b, size_t b_len);
/* Makes `candidate` the *near one if it is nearer than *best. */
void nearest_take(const char *word, size_t len, const char *candidate, unsigned int *best,
	const char **near);
