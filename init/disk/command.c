/* SPDX-License-Identifier: MIT
 *
 * command.c - mke2fs and e2fsck, run by data_disk.c.
 */
#include "init/disk/command.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/log.h"

#define LOG_LINES_MAX 100

static void log_output(FILE *output, const char *program)
{
	char line[400];
	int lines = 0;

	/* Read to the end even when no more is logged: a full pipe would stop the program. */
	while (fgets(line, sizeof(line), output)) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] != '\0' && lines++ < LOG_LINES_MAX)
			log_info("%s: %s", program, line);
	}
}

/* A descriptor that reads the program's output, or -errno. */
static int spawn(const char *const argv[], pid_t *pid)
{
	static const char *const environment[] = {
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
	posix_spawn_file_actions_t actions;
	int pipe_fd[2];
	int rc;

	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return -errno;
	rc = posix_spawn_file_actions_init(&actions);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
			0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, pipe_fd[1], STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, pipe_fd[1], STDERR_FILENO);
	/* exec's arguments are not const in C's types only. */
	if (rc == 0)
		rc = posix_spawn(pid, argv[0], &actions, NULL, (char *const *)argv,
			(char *const *)environment);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(pipe_fd[1]);
	if (rc != 0)
		(void)close(pipe_fd[0]);
	return rc != 0 ? -rc : pipe_fd[0];
}

int command_run(const char *const argv[])
{
	const char *program = strrchr(argv[0], '/');
	pid_t pid = -1;
	int out_fd = spawn(argv, &pid), status = 0;
	FILE *output;

	if (out_fd < 0)
		return out_fd;
	output = fdopen(out_fd, "r");
	if (output) {
		log_output(output, program ? program + 1 : argv[0]);
		(void)fclose(output);
	} else {
		(void)close(out_fd);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
