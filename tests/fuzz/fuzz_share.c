/* SPDX-License-Identifier: MIT
 *
 * fuzz_share.c - the table of mounts, as keel-share reads it: lines of any content.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/share/share_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct share_table table = {.device = "0:60"};
	char *text = malloc(len + 1);

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	for (char *line = text; *line;) {
		char *end = strchr(line, '\n'), *next = end ? end + 1 : line + strlen(line);
		char *copy = strndup(line, (size_t)(next - line));

		if (copy)
			share_table_line(&table, copy);
		free(copy);
		line = next;
	}
	if (share_table_top(&table) == SHARE_DEAD)
		abort();
	free(text);
	return 0;
}
