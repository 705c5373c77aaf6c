/* SPDX-License-Identifier: MIT
 *
 * module_list.h - the modules to load by name: modules-load.d(5), bounded.
 */
#pragma once

#include "lib/base.h"

#define MODULE_NAME_MAX 64  /* with NUL; the kernel's own limit is 56 (include/linux/module.h) */
#define MODULE_LIST_MAX 128 /* names in all files together */

struct module_list {
	size_t count;
	char names[MODULE_LIST_MAX][MODULE_NAME_MAX];
};

/* Adds the names of one file's text: one a line; empty lines and lines that begin with # or ; are
 * skipped, as is white space around a name. `-` becomes `_`, a name that is there already is not
 * added again. Returns 0, or -EINVAL if a line was not a module's name (it is skipped), or -E2BIG
 * if the list is full. */
int module_list_parse(struct module_list *list, const char *text, size_t len) MUST_CHECK;

/* Reads all *.conf of `dirs` (earlier directories win: a file hides those of the same name in later
 * ones, and an empty file or a link to /dev/null hides without a replacement), in the order of
 * the files' names. A missing directory is empty. Problems are logged; what can be read is read. */
void module_list_read(struct module_list *list, const char *const *dirs, size_t dir_count);
