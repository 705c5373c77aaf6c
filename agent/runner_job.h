/* SPDX-License-Identifier: MIT
 *
 * runner_job.h - the runner's children: how each kind is started, after its request was checked (runner_serve.c, the only
 * caller). None of these waits for a child.
 */
#pragma once

#include "agent/runner.h"

/* What the runner was started with. */
extern struct runner_options runner_job_options;

/* 0 and the child, -errno. `arguments` is NULL-terminated. */
int runner_job_disk(const char *const arguments[], int output_fd,
	struct runner_child *child) MUST_CHECK;
int runner_job_step(const struct runner_step_request *step, struct runner_child *child) MUST_CHECK;
/* `fds` is NULL for a pty with `rows` and `columns`. */
int runner_job_session(char *const words[], const int *fds, uint16_t rows, uint16_t columns,
	struct runner_child *child) MUST_CHECK;
