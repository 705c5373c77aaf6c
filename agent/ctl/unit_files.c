/* SPDX-License-Identifier: MIT
 *
 * unit_files.c - see unit_files.h. Which file counts is as in init/service_load.c: /etc before /usr/lib, then the
 * drop-ins by name.
 */
#include "agent/ctl/unit_files.h"

#include <dirent.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"

static const char *const unit_dirs[] = {"/etc/keel/units", "/usr/lib/keel/units"};

#define FILE_MAX 8192

/* KEEL_ROOT: where the tests have theirs. */
static void make_path(char *path, size_t size, size_t dir, const char *name, const char *more)
{
	const char *root = getenv("KEEL_ROOT");

	(void)snprintf(path, size, "%s%s/%s%s", root ? root : "", unit_dirs[dir], name, more);
}

/* The length of the file that counts, its text and path, or -errno. */
static ssize_t read_unit(const char *name, char *path, size_t path_size, char *text, size_t size)
{
	ssize_t len = -ENOENT;

	for (size_t d = 0; d < ARRAY_SIZE(unit_dirs) && len == -ENOENT; d++) {
		make_path(path, path_size, d, name, "");
		len = file_read(path, text, size);
	}
	return len;
}

static int is_conf(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && strcmp(dot, ".conf") == 0;
}

typedef void file_fn(void *ctx, const char *path, const char *text);

/* Names come sorted from both directories; of two alike the first directory's counts. */
static void each_dropin(const char *name, file_fn *fn, void *ctx)
{
	struct dirent **lists[ARRAY_SIZE(unit_dirs)] = {NULL};
	int counts[ARRAY_SIZE(unit_dirs)] = {0}, at[ARRAY_SIZE(unit_dirs)] = {0};
	char path[512], text[FILE_MAX], more[300];

	for (size_t d = 0; d < ARRAY_SIZE(unit_dirs); d++) {
		make_path(path, sizeof(path), d, name, ".d");
		counts[d] = scandir(path, &lists[d], is_conf, alphasort);
	}
	for (;;) {
		size_t next = ARRAY_SIZE(unit_dirs);

		for (size_t d = 0; d < ARRAY_SIZE(unit_dirs); d++)
			if (at[d] < counts[d] &&
				(next == ARRAY_SIZE(unit_dirs) ||
					strcmp(lists[d][at[d]]->d_name,
						lists[next][at[next]]->d_name) < 0))
				next = d;
		if (next == ARRAY_SIZE(unit_dirs))
			break;
		(void)snprintf(more, sizeof(more), ".d/%s", lists[next][at[next]]->d_name);
		for (size_t d = next + 1; d < ARRAY_SIZE(unit_dirs); d++)
			if (at[d] < counts[d] &&
				strcmp(lists[d][at[d]]->d_name, lists[next][at[next]]->d_name) == 0)
				free(lists[d][at[d]++]);
		free(lists[next][at[next]++]);
		make_path(path, sizeof(path), next, name, more);
		if (file_read(path, text, sizeof(text)) >= 0)
			fn(ctx, path, text);
	}
	for (size_t d = 0; d < ARRAY_SIZE(unit_dirs); d++)
		free(lists[d]);
}

struct printer {
	FILE *out;
	bool more;
};

static void print_file(void *ctx, const char *path, const char *text)
{
	struct printer *printer = ctx;
	size_t len = strlen(text);

	(void)fprintf(printer->out, "%s# %s\n%s%s", printer->more ? "\n" : "", path, text,
		len > 0 && text[len - 1] != '\n' ? "\n" : "");
	printer->more = true;
}

int unit_files_print(FILE *out, const char *name)
{
	struct printer printer = {.out = out};
	char path[512], text[FILE_MAX];
	ssize_t len = read_unit(name, path, sizeof(path), text, sizeof(text));

	if (len < 0)
		return (int)len;
	print_file(&printer, path, text);
	if (len > 0)
		each_dropin(name, print_file, &printer);
	return 0;
}

/* ---- single values ----------------------------------------------------------------------------- */

struct search {
	const char *section, *key;
	char *value;
};

static int on_line(void *user, const char *section, const char *name, const char *value, int line)
{
	struct search *search = user;

	(void)line;
	if (strcmp(section, search->section) == 0 && strcmp(name, search->key) == 0)
		(void)snprintf(search->value, UNIT_FILES_VALUE_MAX, "%s", value);
	return 1;
}

static void search_file(void *ctx, const char *path, const char *text)
{
	(void)path;
	(void)!ini_parse_string(text, on_line, ctx);
}

const char *unit_files_value(const char *name, const char *section, const char *key,
	char value[UNIT_FILES_VALUE_MAX])
{
	struct search search = {.section = section, .key = key, .value = value};
	char path[512], text[FILE_MAX];

	value[0] = '\0';
	if (read_unit(name, path, sizeof(path), text, sizeof(text)) > 0) {
		search_file(&search, path, text);
		each_dropin(name, search_file, &search);
	}
	return value;
}

const char *unit_files_state(const char *name)
{
	char path[512], text[FILE_MAX], value[UNIT_FILES_VALUE_MAX];
	ssize_t len = read_unit(name, path, sizeof(path), text, sizeof(text));

	if (len < 0)
		return NULL;
	if (len == 0)
		return "masked";
	return unit_files_value(name, "Install", "WantedBy", value)[0] ||
			       unit_files_value(name, "Install", "RequiredBy", value)[0]
		       ? "enabled"
		       : "static";
}
