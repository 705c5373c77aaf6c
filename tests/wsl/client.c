/* SPDX-License-Identifier: MIT
 *
 * client.c - wsl.exe's part: asks for a session with its own standard descriptors and ends with the command's
 * status, or asks the VM to do something and prints what it answers.
 */
#include "tests/wsl/base.h"
#include "tests/wsl/vm.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

struct options {
	const char *control;
	bool tty;
	struct wire request;
};

static void add_options(struct options *options, int argc, char **argv)
{
	static const struct {
		const char *word, *key; /* key NULL: a flag of its own */
		const char *flag;
	} words[] = {
		{"--user", "user", NULL},
		{"--cd", "cd", NULL},
		{"--distro", "distro", NULL},
		{"--elevated", NULL, "elevated=1"},
		{"--force", NULL, "force=1"},
		{"--tty", NULL, "tty=1"},
	};
	int i = 0;

	for (; i < argc && strcmp(argv[i], "-e") != 0 && strcmp(argv[i], "--") != 0; i++) {
		size_t w = 0;

		if (strcmp(argv[i], "--control") == 0 && i + 1 < argc) {
			options->control = argv[++i];
			continue;
		}
		while (w < ARRAY_SIZE(words) && strcmp(argv[i], words[w].word) != 0)
			w++;
		if (w == ARRAY_SIZE(words) || (words[w].key && i + 1 == argc)) {
			(void)fprintf(stderr, "wsl-launcher: what is '%s'?\n", argv[i]);
			exit(2);
		}
		if (words[w].key)
			wire_add(&options->request, "%s=%s", words[w].key, argv[++i]);
		else
			wire_add(&options->request, "%s", words[w].flag);
		options->tty |= strcmp(words[w].word, "--tty") == 0;
	}
	if (options->tty && getenv("TERM"))
		wire_add(&options->request, "term=%s", getenv("TERM"));
	wire_add(&options->request, "--");
	for (i++; i < argc; i++)
		wire_add(&options->request, "%s", argv[i]);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("cannot reach %s", path);
	return fd;
}

/* A terminal of the caller's: raw, its size told. */
static bool make_raw(int fd, struct termios *saved)
{
	struct termios raw;
	struct winsize size;

	if (tcgetattr(0, saved) < 0)
		return false;
	raw = *saved;
	cfmakeraw(&raw);
	(void)tcsetattr(0, TCSANOW, &raw);
	if (ioctl(0, TIOCGWINSZ, &size) == 0)
		(void)wire_reply(fd, "window %u %u", size.ws_row, size.ws_col);
	return true;
}

int client_main(const char *verb, int argc, char **argv)
{
	static struct options options;
	bool session = strcmp(verb, "session") == 0, raw = false;
	struct termios saved;
	char text[1025];
	ssize_t length;
	int fd, status = 0;

	wire_add(&options.request, "%s", verb);
	add_options(&options, argc, argv);
	if (!options.control)
		die("--control is missing");
	fd = connect_to(options.control);
	if (session) {
		for (int i = 0; i < 3; i++)
			options.request.fds[i] = i;
		options.request.fd_count = 3;
	}
	if (wire_send(fd, &options.request) < 0)
		die("cannot ask");
	if (options.tty)
		raw = make_raw(fd, &saved);
	length = recv(fd, text, sizeof(text) - 1, 0);
	if (raw)
		(void)tcsetattr(0, TCSANOW, &saved);
	if (length <= 0) {
		(void)fprintf(stderr, "wsl-launcher: the distro has ended\n");
		return 255;
	}
	text[length] = '\0';
	if (sscanf(text, "exit %d", &status) == 1 && session)
		return status;
	(void)printf("%s%s", text, text[length - 1] == '\n' ? "" : "\n");
	return strncmp(text, "error", 5) == 0 ? 255 : 0;
}
