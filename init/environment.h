/* SPDX-License-Identifier: MIT
 *
 * environment.h - the environment and the words of what PID 1 starts.
 *
 * Made in the new process, between fork and exec: files are read and texts are parsed there, not in PID 1.
 * A struct environment owns its texts; it is large, so have one of it.
 */
#pragma once

#include "init/unit.h"

#define ENVIRONMENT_MAX      96
#define ENVIRONMENT_ARGS_MAX 128
#define ENVIRONMENT_TEXT     (32 * 1024)

struct environment {
	char *list[ENVIRONMENT_MAX + 1]; /* "NAME=value", NULL-terminated */
	char *args[ENVIRONMENT_ARGS_MAX + 1];
	unsigned int count;
	size_t used;
	char text[ENVIRONMENT_TEXT];
};

/* Sets NAME=value (printf-like); the same NAME from before is replaced. 0 or -E2BIG. */
int environment_set(struct environment *environment, const char *format, ...)
	PRINTF(2, 3) MUST_CHECK;
/* The value of the `len` bytes at `name`, or NULL. */
const char *environment_get(const struct environment *environment, const char *name, size_t len);

/* The text of an EnvironmentFile= (systemd.exec(5)): NAME=value lines, # and ; for comments, quotes as in a
 * shell, a backslash at the end continues a line. A line that is none of it is skipped. 0 or -E2BIG. */
int environment_read_text(struct environment *environment, const char *text) MUST_CHECK;
/* Reads such a file (at most 8 KiB); with "-" before the path it may be missing. 0 or -errno. */
int environment_read_file(struct environment *environment, const char *path) MUST_CHECK;

/* Fills environment->args from `words` (systemd.service(5), "Command lines"): ${NAME} within a word, and $NAME
 * as a word of its own, which becomes as many words as the value has; $$ is a dollar sign; an unknown name
 * is empty. 0 or -E2BIG. */
int environment_expand(struct environment *environment, char *const *words) MUST_CHECK;
