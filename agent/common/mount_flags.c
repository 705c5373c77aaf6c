/* SPDX-License-Identifier: MIT
 *
 * mount_flags.c - see mount_flags.h. Caller: disk_watch.c.
 */
#include "agent/common/mount_flags.h"

#include <string.h>

/* The field, with its length; NULL behind the last one. */
static const char *next_field(const char **text, size_t *len)
{
	const char *field = *text + strspn(*text, " \n");

	*len = strcspn(field, " \n");
	*text = field + *len;
	return *len > 0 ? field : NULL;
}

static bool is(const char *field, size_t len, const char *word)
{
	return field && len == strlen(word) && memcmp(field, word, len) == 0;
}

/* Is the word one of a list with commas? */
static bool lists(const char *list, size_t len, const char *word)
{
	while (len > 0) {
		const char *comma = memchr(list, ',', len);
		size_t part = comma ? (size_t)(comma - list) : len;

		if (is(list, part, word))
			return true;
		part += comma != NULL;
		list += part;
		len -= part;
	}
	return false;
}

/* 36 35 8:16 / /data rw,noatime shared:1 - ext4 /dev/sdb rw,errors=remount-ro */
enum mount_flags mount_flags_read(const char *line, const char *device, const char *mountpoint)
{
	static const char *const words[] = {"ro", "emergency_ro", "shutdown"};
	const char *field, *options = NULL;
	size_t len, options_len = 0;

	(void)next_field(&line, &len);
	(void)next_field(&line, &len);
	field = next_field(&line, &len);
	if (!is(field, len, device))
		return MOUNT_FLAGS_OTHER;
	field = next_field(&line, &len);
	if (!is(field, len, "/"))
		return MOUNT_FLAGS_OTHER;
	field = next_field(&line, &len);
	if (!is(field, len, mountpoint))
		return MOUNT_FLAGS_OTHER;
	field = next_field(&line, &len);
	if (field && lists(field, len, "ro"))
		return MOUNT_FLAGS_READ_ONLY;
	/* The last one is the file system's own options. */
	while ((field = next_field(&line, &len))) {
		options = field;
		options_len = len;
	}
	for (size_t i = 0; options && i < ARRAY_SIZE(words); i++)
		if (lists(options, options_len, words[i]))
			return MOUNT_FLAGS_READ_ONLY;
	return MOUNT_FLAGS_WRITABLE;
}
