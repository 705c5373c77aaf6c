/* SPDX-License-Identifier: MIT
 *
 * hint.h - what to try when something is wrong: commands, and what each does. The one place that knows them, for the document's
 * `components[].hint` (component.c) and for what keelctl prints (ctl/advice.c). Pure.
 *
 * Each function adds what fits a case, given in the words of the health document; a case that needs nothing adds nothing.
 */
#pragma once

#include "lib/base.h"

#define HINTS_MAX         6
#define HINT_SENTENCE_MAX 320

struct hint {
	char command[72];
	const char *about; /* what the command does, or says */
};

/* The nearest first; one that is there already, or that does not fit, is left out. */
struct hints {
	size_t count;
	struct hint hint[HINTS_MAX];
};

void hints_for_silent_agent(struct hints *hints);
/* `mode`: "wsl" or "vm". */
void hints_for_disk(struct hints *hints, const char *mode, const char *state, const char *situation,
	const char *forecast);
void hints_for_service(struct hints *hints, const char *name, const char *state, bool essential,
	bool wanted);
/* One that runs and does not answer; `name`: docker, containerd. */
void hints_for_daemon(struct hints *hints, const char *name);
/* It runs and answers, but the agent could not listen for the host. */
void hints_for_docker_api(struct hints *hints);
void hints_for_stage(struct hints *hints, const char *name, const char *state);
void hints_for_memory(struct hints *hints);
void hints_for_clock(struct hints *hints);
/* It is all on its way. */
void hints_for_start(struct hints *hints);

/* The first two as a sentence: "Run COMMAND (ABOUT), then COMMAND (ABOUT)."; "" for none. */
void hints_write(const struct hints *hints, char text[HINT_SENTENCE_MAX]);
