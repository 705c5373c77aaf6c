/* SPDX-License-Identifier: MIT
 *
 * module_list.c - reads modules-load.d(5). Called once by main.c. The files are root's own; they
 * are bounded all the same (64 files, 16 KiB each), and what does not fit is logged and left out.
 */
#include "init/modules/module_list.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/log.h"

#define FILES_MAX     64
#define FILE_SIZE_MAX 16384

static bool name_valid(const char *name, size_t len)
{
	if (len == 0 || len >= MODULE_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '-')
			return false;
	return true;
}

static int add_name(struct module_list *list, const char *name, size_t len)
{
	char normal[MODULE_NAME_MAX] = "";

	if (!name_valid(name, len))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		normal[i] = name[i] == '-' ? '_' : name[i];
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->names[i], normal) == 0)
			return 0;
	if (list->count == MODULE_LIST_MAX)
		return -E2BIG;
	memcpy(list->names[list->count++], normal, sizeof(normal));
	return 0;
}

int module_list_parse(struct module_list *list, const char *text, size_t len)
{
	const char *end = text + len;
	int result = 0;

	for (const char *next; text < end; text = next) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));
		int rc;

		next = line_end ? line_end + 1 : end;
		line_end = line_end ? line_end : end;
		while (text < line_end && isspace((unsigned char)*text))
			text++;
		while (line_end > text && isspace((unsigned char)line_end[-1]))
			line_end--;
		if (text == line_end || *text == '#' || *text == ';')
			continue;
		rc = add_name(list, text, (size_t)(line_end - text));
		if (rc < 0)
			result = rc;
	}
	return result;
}

struct conf_file {
	char name[256];
	const char *dir;
};

static int compare_files(const void *a, const void *b)
{
	return strcmp(((const struct conf_file *)a)->name, ((const struct conf_file *)b)->name);
}

static bool has_name(const struct conf_file *files, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(files[i].name, name) == 0)
			return true;
	return false;
}

static size_t collect_files(struct conf_file *files, size_t count, const char *dir)
{
	DIR *handle = opendir(dir);
	const struct dirent *entry;

	if (!handle) {
		if (errno != ENOENT)
			log_warning("open directory %s: %s", dir, strerror(errno));
		return count;
	}
	while ((entry = readdir(handle))) {
		size_t len = strlen(entry->d_name);

		if (len < 6 || strcmp(entry->d_name + len - 5, ".conf") != 0 ||
			entry->d_name[0] == '.')
			continue;
		if (has_name(files, count, entry->d_name))
			continue;
		if (count == FILES_MAX) {
			log_warning("%s: more than %d files; %s is ignored", dir, FILES_MAX,
				entry->d_name);
			continue;
		}
		(void)snprintf(files[count].name, sizeof(files[count].name), "%s", entry->d_name);
		files[count++].dir = dir;
	}
	(void)closedir(handle);
	return count;
}

static void read_file(struct module_list *list, const struct conf_file *file)
{
	char path[512], text[FILE_SIZE_MAX];
	ssize_t len;
	int rc;

	(void)snprintf(path, sizeof(path), "%s/%s", file->dir, file->name);
	len = file_read(path, text, sizeof(text));
	if (len == -EFBIG) {
		log_warning("%s: longer than %d bytes; the rest is ignored", path,
			FILE_SIZE_MAX - 1);
		len = FILE_SIZE_MAX - 1;
	}
	if (len < 0) {
		log_warning("read %s: %s", path, strerror((int)-len));
		return;
	}
	rc = module_list_parse(list, text, (size_t)len);
	if (rc == -E2BIG)
		log_warning("%s: more than %d modules; the rest is ignored", path, MODULE_LIST_MAX);
	else if (rc < 0)
		log_warning("%s: a line that is no module's name is ignored", path);
}

void module_list_read(struct module_list *list, const char *const *dirs, size_t dir_count)
{
	struct conf_file files[FILES_MAX] = {0};
	size_t count = 0;

	for (size_t i = 0; i < dir_count; i++)
		count = collect_files(files, count, dirs[i]);
	qsort(files, count, sizeof(files[0]), compare_files);
	for (size_t i = 0; i < count; i++)
		read_file(list, &files[i]);
}
