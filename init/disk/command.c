/* SPDX-License-Identifier: MIT
 *
 * command.c - mke2fs and e2fsck, run by data_disk.c.
 */
#include "init/disk/command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/log.h"

#define LOG_LINES_MAX 100

struct output {
	const char *program;
	struct command *command;
	char line[400];
	size_t len;
	int lines;
};

static void log_line(struct output *output)
{
	output->line[output->len] = '\0';
	if (output->len > 0) {
		(void)snprintf(output->command->words, sizeof(output->command->words), "%s",
			output->line);
		if (output->lines++ < LOG_LINES_MAX)
			log_info("%s: %s", output->program, output->line);
	}
	output->len = 0;
}

/* What is longer than a line's room is cut; all of it is read: a full pipe would stop the program. */
static void take_output(void *ctx, const char *data, size_t len)
{
	struct output *output = ctx;

	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n' || data[i] == '\r')
			log_line(output);
		else if (output->len < sizeof(output->line) - 1)
			output->line[output->len++] = data[i] == '\b' ? ' ' : data[i];
	}
}

static int start(const struct command *command, int output_fd, int progress_fd, pid_t *pid)
{
	static const char *const environment[] = {
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int rc = posix_spawn_file_actions_init(&actions);

	if (rc != 0)
		return -rc;
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, output_fd, STDERR_FILENO);
	if (rc == 0 && progress_fd >= 0)
		rc = posix_spawn_file_actions_adddup2(&actions, progress_fd, COMMAND_PROGRESS_FD);
	/* exec's arguments are not const in C's types only. */
	if (rc == 0)
		rc = posix_spawn(pid, command->argv[0], &actions, &attributes,
			(char *const *)command->argv, (char *const *)environment);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

/* Reads both pipes to their ends. */
static void read_all(struct output *output, int output_fd, int progress_fd)
{
	struct pollfd fds[] = {
		{.fd = output_fd, .events = POLLIN}, {.fd = progress_fd, .events = POLLIN}};

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return;
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
			char data[4096];
			ssize_t len;

			if (fds[i].fd < 0 || fds[i].revents == 0)
				continue;
			len = read(fds[i].fd, data, sizeof(data));
			if (len <= 0 && !(len < 0 && errno == EINTR))
				fds[i].fd = -1; /* poll(2) skips it */
			if (len > 0 && i == 0)
				take_output(output, data, (size_t)len);
			else if (len > 0 && output->command->progress)
				output->command->progress(output->command->ctx, data, (size_t)len);
		}
	}
	log_line(output);
}

int command_run(struct command *command)
{
	const char *slash = strrchr(command->argv[0], '/');
	struct output output = {
		.program = slash ? slash + 1 : command->argv[0], .command = command};
	_cleanup_close_ int out_read = -1, out_write = -1, progress_read = -1, progress_write = -1;
	int out[2], progress[2], status = 0, rc;
	pid_t pid = -1;

	command->words[0] = '\0';
	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	out_read = out[0];
	out_write = out[1];
	if (command->progress) {
		if (pipe2(progress, O_CLOEXEC) < 0)
			return -errno;
		progress_read = progress[0];
		progress_write = progress[1];
	}
	rc = start(command, out_write, progress_write, &pid);
	if (rc < 0)
		return rc;
	close_p(&out_write);
	close_p(&progress_write);
	read_all(&output, out_read, progress_read);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
