/* SPDX-License-Identifier: MIT
 *
 * command.h - runs one program to its end and logs what it says.
 */
#pragma once

#include "lib/base.h"

/* The program's descriptor for progress lines (`e2fsck -C`), as a number and as its argument. */
#define COMMAND_PROGRESS_FD   3
#define COMMAND_PROGRESS_TEXT "3"

struct command {
	const char *const *argv; /* argv[0] is an absolute path */
	/* Not NULL: the program gets COMMAND_PROGRESS_FD, and this is called with each piece that it writes there. */
	void (*progress)(void *ctx, const char *data, size_t len);
	void *ctx;
	char words[128]; /* result: the last line that it wrote, "" if none */
};

/* Runs it with no input, a minimal environment, and in a process group of its own, so that Ctrl-C does not reach it.
 * Its output, both streams, is logged line by line, at most 100 lines. Blocks until it ends. Returns the
 * exit status (128 + N for signal N) or -errno if it could not be started. If the caller is killed meanwhile, the
 * program goes on: it holds the device exclusively, and its last close is an event (device_watch.h). */
int command_run(struct command *command) MUST_CHECK;
