/* SPDX-License-Identifier: MIT
 *
 * mount_table.c - reads /proc/self/mountinfo line by line: with containers running it has no
 * useful upper bound. Used by disk_scan.c and data_disk.c.
 */
#include "init/disk/mount_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Space, tab, newline and backslash come as \ooo. */
static void decode_field(const char *field, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < size - 1; i++) {
		const char *p = field + i;

		if (len - i >= 4 && p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' &&
			p[2] <= '7' && p[3] >= '0' && p[3] <= '7') {
			out[n++] = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			i += 3;
		} else {
			out[n++] = *p;
		}
	}
	out[n] = '\0';
}

/* The next word of *cursor; false at the end of the line. */
static bool next_field(const char **cursor, const char **field, size_t *len)
{
	*field = *cursor + strspn(*cursor, " ");
	*len = strcspn(*field, " \n");
	*cursor = *field + *len;
	return *len > 0;
}

/* After an error ext4 of Linux 6.15 and later says neither "ro" nor what mount(8) would call it (fs/ext4/super.c). */
static bool is_read_only_word(const char *word, size_t len)
{
	static const char *const words[] = {"ro", "emergency_ro", "shutdown"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (len == strlen(words[i]) && memcmp(word, words[i], len) == 0)
			return true;
	return false;
}

/* Looks at the comma-separated options. */
static bool has_read_only(const char *options, size_t len)
{
	const char *end = options + len;

	for (const char *p = options; p < end;) {
		size_t word = strcspn(p, ", \n");

		if (is_read_only_word(p, word))
			return true;
		p += word + 1;
	}
	return false;
}

int mount_entry_parse(struct mount_entry *entry, const char *line)
{
	enum {
		FIELD_DEVICE = 2,
		FIELD_ROOT = 3,
		FIELD_TARGET = 4,
		FIELD_OPTIONS = 5,
		FIELD_OPTIONAL = 6
	};
	const char *cursor = line, *field;
	size_t len;
	int index = 0;

	memset(entry, 0, sizeof(*entry));
	for (; next_field(&cursor, &field, &len); index++) {
		if (index == FIELD_DEVICE &&
			sscanf(field, "%9u:%9u", &entry->major, &entry->minor) != 2)
			return -EINVAL;
		if (index == FIELD_ROOT)
			decode_field(field, len, entry->root, sizeof(entry->root));
		if (index == FIELD_TARGET)
			decode_field(field, len, entry->target, sizeof(entry->target));
		if (index == FIELD_OPTIONS)
			entry->read_only = has_read_only(field, len);
		/* Optional fields end with a single hyphen, then come type and source. */
		if (index >= FIELD_OPTIONAL && len == 1 && *field == '-')
			break;
	}
	if (!next_field(&cursor, &field, &len))
		return -EINVAL;
	decode_field(field, len, entry->type, sizeof(entry->type));
	if (!next_field(&cursor, &field, &len))
		return -EINVAL;
	decode_field(field, len, entry->source, sizeof(entry->source));
	/* The options of the file system: after an error the kernel sets its flag there. */
	if (next_field(&cursor, &field, &len) && has_read_only(field, len))
		entry->read_only = true;
	return 0;
}

static bool match_target(const struct mount_entry *entry, const struct mount_entry *want)
{
	return strcmp(entry->target, want->target) == 0;
}

static bool match_device(const struct mount_entry *entry, const struct mount_entry *want)
{
	return entry->major == want->major && entry->minor == want->minor;
}

static int find_last(bool (*match)(const struct mount_entry *, const struct mount_entry *),
	const struct mount_entry *want, struct mount_entry *found)
{
	FILE *table = fopen("/proc/self/mountinfo", "re");
	struct mount_entry entry;
	char *line = NULL;
	size_t size = 0;
	int rc = -ENOENT;

	if (!table)
		return -errno;
	while (getline(&line, &size, table) > 0) {
		if (mount_entry_parse(&entry, line) < 0 || !match(&entry, want))
			continue;
		*found = entry;
		rc = 0;
	}
	free(line);
	(void)fclose(table);
	return rc;
}

int mount_table_find_target(const char *target, struct mount_entry *entry)
{
	struct mount_entry want = {0};

	(void)snprintf(want.target, sizeof(want.target), "%s", target);
	return find_last(match_target, &want, entry);
}

int mount_table_find_device(unsigned int major, unsigned int minor, struct mount_entry *entry)
{
	struct mount_entry want = {.major = major, .minor = minor};

	return find_last(match_device, &want, entry);
}
