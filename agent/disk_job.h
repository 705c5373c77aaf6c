/* SPDX-License-Identifier: MIT
 *
 * disk_job.h - keel-disk as a child of the runner (runner.h): one verb at a time, its lines as they come, its last word as the answer.
 *
 * The child is put into a control group of its own, keel/disk-job, so that it lives on when the agent is restarted: a
 * repair must not end because of that. Nothing here blocks. A job always ends with an answer: if the child
 * gave none, with an error that says how it ended.
 */
#pragma once

#include <sys/types.h>

#include "agent/common/disk_facts.h"
#include "agent/common/job_line.h"
#include "agent/disk_request.h"
#include "lib/base.h"
#include "lib/loop.h"

#define DISK_JOB_PROGRAM "/usr/lib/keel/keel-disk"

/* A line of the job, as text and parsed; the last one is a result or an error. Both are valid during the call. */
typedef void disk_job_fn(void *ctx, const struct job_line *line, const char *text, size_t len);

/* One who wants to hear of the job that runs. Told of the last line, he is off the list. He only takes note: the owner's
 * function comes after all of them. */
struct disk_job_listener {
	struct disk_job_listener *next;
	disk_job_fn *fn;
	void *ctx;
};

struct disk_job {
	struct loop *loop;
	disk_job_fn *fn; /* the owner's: told of each line */
	void *ctx;
	struct disk_job_listener *listeners;
	pid_t pid; /* 0: none runs */
	struct disk_request request;
	struct loop_source exit, output;
	struct disk_job_facts facts;
	bool skipping; /* the rest of a line that is too long */
	size_t len, answer_len;
	char line[JOB_LINE_MAX], answer[JOB_LINE_MAX];
};

void disk_job_init(struct disk_job *job, struct loop *loop, disk_job_fn *fn, void *ctx);
bool disk_job_runs(const struct disk_job *job);
/* 0 when it has been started, -EBUSY while one runs, -errno. */
int disk_job_start(struct disk_job *job, const struct disk_request *request) MUST_CHECK;
/* The listener's memory must last until it was told the last line or is removed. */
void disk_job_listen(struct disk_job *job, struct disk_job_listener *listener);
void disk_job_ignore(struct disk_job *job, struct disk_job_listener *listener);
/* Asks a trim to end between two pieces; other verbs do not let themselves be interrupted. */
void disk_job_interrupt(struct disk_job *job);
/* Forgets the child, which lives on. Nobody is told. */
void disk_job_stop(struct disk_job *job);
