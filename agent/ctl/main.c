/* SPDX-License-Identifier: MIT
 *
 * main.c - keelctl: a command line, a verb of verb_table.c. Under the names systemctl, poweroff, halt and reboot it is
 * systemctl, under the name journalctl that.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ctl/command_line.h"
#include "agent/ctl/usage.h"

/* Several names, one program; the verb is the name. */
static int run_as_systemctl(const char *name, int argc, char **argv)
{
	char *verb_argv[] = {argv[0], (char *)(uintptr_t)name, NULL};

	if (strcmp(name, "systemctl") == 0)
		return systemctl_run(argc, argv);
	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		verb_argv[1] = argv[1];
	return systemctl_run(2, verb_argv);
}

/* A reader that has gone is no fault of ours; a full disk is. */
static bool is_written(void)
{
	return (fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE;
}

static int finish(const struct ctl *ctl, int code)
{
	if (is_written())
		return code;
	return ctl_fail(ctl, "cannot write the output: %s", strerror(errno));
}

static int finish_as(const char *name, int code)
{
	if (is_written())
		return code;
	(void)fprintf(stderr, "%s: cannot write the output: %s\n", name, strerror(errno));
	return EXIT_FAILURE;
}

static int run(const struct command_line *line)
{
	if (line->ctl.version) {
		(void)puts("keelctl " KEEL_VERSION);
		return CTL_EXIT_OK;
	}
	if (line->ctl.help || !line->verb) {
		usage_show(line->verb);
		return CTL_EXIT_OK;
	}
	return line->verb->fn(&line->ctl);
}

/* A descriptor 0, 1 or 2 that is closed would become a socket or a file that our words get into. To write to it fails as
 * before. */
static void fill_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close_p(&fd);
}

int main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";
	struct command_line line;

	fill_descriptors();
	if (strcmp(name, "systemctl") == 0 || strcmp(name, "poweroff") == 0 ||
		strcmp(name, "halt") == 0 || strcmp(name, "reboot") == 0)
		return finish_as(name, run_as_systemctl(name, argc, argv));
	if (strcmp(name, "journalctl") == 0)
		return finish_as(name, journalctl_run(argc, argv));
	if (argc > 1 && strcmp(argv[1], "__complete") == 0)
		return ctl_complete(&(struct ctl){.api_port = CTL_API_PORT,
			.docker_port = CTL_DOCKER_PORT,
			.argc = argc - 2,
			.argv = argv + 2});
	if (command_line_parse(&line, argc, argv, getenv("KEEL_VM")) < 0)
		return ctl_usage(&line.ctl, "%s", line.problem);
	return finish(&line.ctl, run(&line));
}
