/* SPDX-License-Identifier: MIT
 *
 * screen.c - see screen.h. Callers: status.c, memory.c, top.c.
 */
#include "agent/ctl/screen.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#define HIDE_CURSOR "\033[?25l"
#define SHOW_CURSOR "\033[?25h"
#define NO_WRAP     "\033[?7l"
#define WRAP        "\033[?7h"

static struct screen *shown; /* whose terminal an ending signal puts back */

static bool in_foreground(void)
{
	return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* SIGINT and SIGTSTP stay signals; a key needs no Enter. */
static bool set_modes(const struct screen *screen)
{
	struct termios wanted = screen->saved;

	wanted.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	wanted.c_cc[VMIN] = 0;
	wanted.c_cc[VTIME] = 0;
	return tcsetattr(STDIN_FILENO, TCSANOW, &wanted) == 0;
}

static void put_back(const struct screen *screen)
{
	static const char text[] = WRAP SHOW_CURSOR;

	if (screen->begun)
		(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
	if (screen->raw && in_foreground())
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &screen->saved);
}

/* The process ends by that signal, so that its shell knows. */
static void end(int number)
{
	if (shown)
		put_back(shown);
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

unsigned int screen_rows(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row
									       : UINT_MAX;
}

/* After others have used the terminal. In the background the kernel stops us here, until we are in front again. */
static void go_on(const struct screen *screen)
{
	static const char text[] = HIDE_CURSOR;

	if (screen->raw)
		(void)set_modes(screen);
	if (screen->begun)
		(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
}

/* Stops, as by the signal itself, with the terminal as it was. Who goes on draws at the SIGCONT that did it. */
static void stop(int number)
{
	const int error = errno; /* NOLINT: of who is interrupted; POSIX lets handlers use it */
	sigset_t set;

	if (shown)
		put_back(shown);
	(void)signal(number, SIG_DFL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, number);
	(void)raise(number);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)signal(number, stop);
	if (shown)
		go_on(shown);
	errno = error; /* NOLINT */
}

static void watch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	struct sigaction action = {.sa_flags = SA_RESTART}, before;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		action.sa_handler = signals[i] == SIGTSTP ? stop : end;
		/* The end is not held up by a stop. */
		if (signals[i] == SIGTSTP)
			(void)sigemptyset(&action.sa_mask);
		else
			(void)sigfillset(&action.sa_mask);
		if (sigaction(signals[i], &action, &before) == 0 && before.sa_handler == SIG_IGN)
			(void)signal(signals[i], SIG_IGN);
	}
}

int screen_open(struct screen *screen)
{
	const char *term = getenv("TERM");
	sigset_t set;

	*screen = (struct screen){
		.terminal = isatty(STDOUT_FILENO) && term && term[0] && strcmp(term, "dumb") != 0,
		.signal_fd = -1};
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGWINCH);
	(void)sigaddset(&set, SIGCONT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	screen->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (screen->signal_fd < 0)
		return -errno;
	shown = screen;
	watch_signals();
	return 0;
}

void screen_plain(struct screen *screen)
{
	screen->terminal = false;
}

static void begin(struct screen *screen)
{
	screen->begun = true;
	/* A background process would be stopped by asking for keys: it has none. Known before it is done: a signal may come. */
	screen->raw = isatty(STDIN_FILENO) && in_foreground() &&
		      tcgetattr(STDIN_FILENO, &screen->saved) == 0;
	screen->raw = screen->raw && set_modes(screen);
	(void)fputs(HIDE_CURSOR "\033[H\033[2J", stdout);
}

/* Each line is cleared before it is written: the cursor waits in the last column of one that fills its line. */
void screen_draw(struct screen *screen, const char *text, size_t len)
{
	unsigned int left = screen_rows() - 1;

	if (!screen->terminal) {
		(void)fwrite(text, 1, len, stdout);
		(void)fflush(stdout);
		return;
	}
	if (!screen->begun)
		begin(screen);
	(void)fputs(NO_WRAP "\033[H\033[K", stdout);
	for (size_t i = 0; i < len && left > 0; i++) {
		(void)fputc(text[i], stdout);
		if (text[i] == '\n' && --left > 0)
			(void)fputs("\033[K", stdout);
	}
	(void)fputs("\033[0m\033[J" WRAP, stdout);
	(void)fflush(stdout);
}

static enum screen_event take_signal(struct screen *screen)
{
	struct signalfd_siginfo info;

	if (read(screen->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return SCREEN_TIMEOUT;
	if (info.ssi_signo == SIGCONT)
		go_on(screen);
	return SCREEN_RESIZED;
}

enum screen_event screen_wait(struct screen *screen, int fd, int timeout_ms, char *key)
{
	struct pollfd wait[] = {{.fd = screen->signal_fd, .events = POLLIN},
		{.fd = screen->raw ? STDIN_FILENO : -1, .events = POLLIN},
		{.fd = fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};
	int n = poll(wait, ARRAY_SIZE(wait), timeout_ms);

	if (n <= 0)
		return SCREEN_TIMEOUT;
	if (wait[0].revents)
		return take_signal(screen);
	if (wait[3].revents & (POLLERR | POLLNVAL))
		return SCREEN_END;
	if (wait[1].revents)
		return read(STDIN_FILENO, key, 1) == 1 ? SCREEN_KEY : SCREEN_END;
	return SCREEN_READABLE;
}

void screen_close(struct screen *screen)
{
	(void)fflush(stdout);
	put_back(screen);
	shown = NULL;
	close_p(&screen->signal_fd);
}
