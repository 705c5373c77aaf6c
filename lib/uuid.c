/* SPDX-License-Identifier: MIT
 *
 * uuid.c - see uuid.h. Pure; called by config.c and by keel-disk, with texts of people and of untrusted disks.
 */
#include "lib/uuid.h"

bool uuid_text_valid(const char *text, size_t len, char lower[UUID_TEXT_SIZE])
{
	if (len != UUID_TEXT_SIZE - 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
		char c = text[i];

		if (c >= 'A' && c <= 'F')
			c = (char)(c - 'A' + 'a');
		if (hyphen ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		if (lower)
			lower[i] = c;
	}
	if (lower)
		lower[len] = '\0';
	return true;
}
