/* SPDX-License-Identifier: MIT
 *
 * cmdline.c - see cmdline.h. Callers: config.c, vmm_address.c.
 */
#include "lib/cmdline.h"

bool cmdline_next(const char **text, const char *end, char *word, size_t size)
{
	const char *at = *text;
	bool quoted = false;
	size_t len = 0;

	if (at == end || *at == '\0' || *at == '\n')
		return false;
	for (; at < end && *at != '\0' && *at != '\n' && (quoted || *at != ' '); at++) {
		if (*at == '"')
			quoted = !quoted;
		else if (len < size - 1)
			word[len++] = *at;
	}
	word[len] = '\0';
	*text = at < end && *at == ' ' ? at + 1 : at;
	return true;
}
