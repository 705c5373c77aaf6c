/* SPDX-License-Identifier: MIT
 *
 * runner_check.c - see runner_check.h. Caller: runner_serve.c.
 */
#include "agent/runner_check.h"

#include <signal.h>
#include <string.h>

#include "agent/common/dockerd.h"

static bool goes_up(const char *path)
{
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += part[0] == '/' ? 1 : 0;
		if (part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == '\0'))
			return true;
	}
	return false;
}

static bool copy_text(const char from[RUNNER_PATH_MAX], char to[RUNNER_PATH_MAX])
{
	size_t len = strnlen(from, RUNNER_PATH_MAX);

	if (len == 0 || len == RUNNER_PATH_MAX)
		return false;
	memcpy(to, from, len + 1);
	return true;
}

static bool copy_group(const char name[RUNNER_PATH_MAX], char to[RUNNER_PATH_MAX])
{
	return copy_text(name, to) && to[0] != '/' && !goes_up(to);
}

static bool copy_data(const char path[RUNNER_PATH_MAX], const char *data, char to[RUNNER_PATH_MAX])
{
	return copy_text(path, to) && data && strcmp(to, data) == 0;
}

/* Whoever looks waits for it: only where nobody but the machine's owner mounts. */
static bool copy_place(const char path[RUNNER_PATH_MAX], const char *data, char to[RUNNER_PATH_MAX])
{
	static const char *const places[] = {"/", "/run", ENGINE_DIRECTORIES};

	if (copy_data(path, data, to))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (strncmp(path, places[i], RUNNER_PATH_MAX) == 0)
			return copy_text(path, to);
	return false;
}

static int check_disk(const struct runner_request *request, size_t fds, struct runner_order *order)
{
	return fds == 1 && disk_request_check(request->kind, request->flag != 0, request->uuid,
				   sizeof(request->uuid), request->path, sizeof(request->path),
				   &order->disk)
		       ? 0
		       : -EINVAL;
}

static int check_step(const struct runner_request *request, const char *data,
	struct runner_step_request *step)
{
	if (request->kind >= RUNNER_STEPS)
		return -EINVAL;
	step->step = (enum runner_step)request->kind;
	step->calm = request->flag != 0;
	step->no_swap = request->flag2 != 0;
	step->bytes = request->bytes;
	switch (step->step) {
	case RUNNER_STEP_TAKE:
		return copy_group(request->path, step->name) ? 0 : -EINVAL;
	case RUNNER_STEP_FLUSH:
		return copy_place(request->path, data, step->name) ? 0 : -EINVAL;
	case RUNNER_STEP_COMPACT:
	case RUNNER_STEP_DROP:
	case RUNNER_STEPS:
		break;
	}
	return 0;
}

static int check_session(const struct runner_request *request, size_t fds,
	struct runner_order *order)
{
	const size_t len = request->words_len;
	size_t n = 0;

	order->tty = request->flag != 0;
	order->rows = request->rows;
	order->columns = request->columns;
	if (fds != (order->tty ? 0 : 3) || len == 0 || len > RUNNER_WORDS_MAX ||
		request->words[0] == '\0' || request->words[len - 1] != '\0')
		return -EINVAL;
	memcpy(order->text, request->words, len);
	for (size_t at = 0; at < len; at += strlen(order->text + at) + 1) {
		if (n == RUNNER_ARGS_MAX)
			return -E2BIG;
		order->words[n++] = order->text + at;
	}
	return 0;
}

static int check_open(const struct runner_request *request, const char *data,
	struct runner_order *order)
{
	if (request->kind >= RUNNER_FILES)
		return -EINVAL;
	order->file = (enum runner_file)request->kind;
	order->number = request->number;
	if (order->file == RUNNER_FILE_PRESSURE && order->number >= RUNNER_PRESSURES)
		return -EINVAL;
	if (order->file == RUNNER_FILE_DISK_ERRORS && !copy_data(request->path, data, order->path))
		return -EINVAL;
	return 0;
}

static int check_pid(const struct runner_request *request, struct runner_order *order)
{
	if (request->number == 0 || request->number > INT32_MAX)
		return -EINVAL;
	order->pid = (pid_t)request->number;
	return 0;
}

static int check_signal(const struct runner_request *request, struct runner_order *order)
{
	if (request->signal == 0 || request->signal > (uint32_t)SIGSYS)
		return -EINVAL;
	order->signal = (int)request->signal;
	return check_pid(request, order);
}

int runner_check(const struct runner_request *request, size_t fds, const char *data,
	struct runner_order *order)
{
	*order = (struct runner_order){0};
	order->verb = (enum runner_verb)request->verb;
	if (order->verb != RUNNER_DISK && order->verb != RUNNER_SESSION && fds > 0)
		return -EINVAL;
	switch (order->verb) {
	case RUNNER_DISK:
		return check_disk(request, fds, order);
	case RUNNER_STEP:
		return check_step(request, data, &order->step);
	case RUNNER_SESSION:
		return check_session(request, fds, order);
	case RUNNER_WAIT:
	case RUNNER_ABANDON:
		return check_pid(request, order);
	case RUNNER_SIGNAL:
		return check_signal(request, order);
	case RUNNER_OPEN:
		return check_open(request, data, order);
	case RUNNER_LOOK:
		return copy_place(request->path, data, order->path) ? 0 : -EINVAL;
	case RUNNER_VERBS:
		break;
	}
	return -EINVAL;
}
