/* SPDX-License-Identifier: MIT
 *
 * job.h - what the verbs of keel-disk have in common: one job at a time, what is told on the way, and how one ends.
 *
 * With --json stdout is NDJSON: any number of {"progress":{"step":"check","percent":12.5}} and exactly one last line
 * {"result":{...}} or {"error":{"code":"in-use","message":"one sentence with the way out"}}. Without it people are told:
 * progress on a terminal only, errors on stderr. A reader that goes away ends no job.
 */
#pragma once

#include <yyjson.h>

#include "init/disk/disk_scan.h"
#include "lib/config.h"

#define JOB_LOCK    "/run/keel/disk.lock"
#define JOB_MESSAGE 512 /* room for one sentence, with NUL */

/* What the command line asked for. */
struct job_options {
	bool json;
	bool gentle;
	bool no_undo;
	const char *uuid;   /* NULL: not given */
	const char *device; /* NULL: not given */
};

struct job {
	const struct config *config;
	struct disk_scan_options scan;
	struct job_options options;
	bool terminal; /* people watch the progress */
	bool shown;    /* a progress line without its newline is on the terminal */
	int lock_fd;
	const char *step; /* last told, with its share */
	unsigned int permille;
};

/* Takes the lock of jobs; SIGPIPE, and for what must not be interrupted the signals of terminals and SIGTERM, are
 * ignored from here on. True, or false: told, to end with status 1. The lock lives as long as the process. */
bool job_begin(struct job *job, bool interruptible) MUST_CHECK;

/* `step` is a constant. Told when the step is new or its share of 1000 has grown by 5 or more. */
void job_progress(struct job *job, const char *step, unsigned int permille);

/* Both return the exit status of the program. `code` is a word for programs. */
int job_fail(struct job *job, const char *code, const char *format, ...) PRINTF(3, 4);
/* `result` is freed; `text` is for people. */
int job_succeed(struct job *job, yyjson_mut_doc *result, const char *format, ...) PRINTF(3, 4);

/* Replaces what is not printable ASCII: a text that comes from a disk. */
void job_clean_text(char *text);
/* Adds such a text, cleaned. */
void job_add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text);

/* An empty object as the root of a new document, or NULL without memory (which job_succeed() takes). */
yyjson_mut_val *job_result_new(yyjson_mut_doc **result);
