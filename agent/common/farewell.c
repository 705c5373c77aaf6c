/* SPDX-License-Identifier: MIT
 *
 * farewell.c - see farewell.h. Callers: http.c, proxy.c.
 */
#include "agent/common/farewell.h"

#include <stdio.h>
#include <sys/socket.h>

#include "agent/common/problem.h"
#include "lib/clock.h"

#define LINGER_US USEC_PER_SEC

struct farewell {
	struct loop *loop;
	int fd;
	bool used;
	struct loop_source source;
	struct loop_timer timer;
};

static struct farewell farewells[FAREWELL_MAX];

static void finish(struct farewell *farewell)
{
	loop_remove(farewell->loop, &farewell->source);
	loop_timer_cancel(farewell->loop, &farewell->timer);
	close_p(&farewell->fd);
	farewell->used = false;
}

static void on_farewell_input(struct loop_source *source, uint32_t events)
{
	struct farewell *farewell = source->ctx;
	char dropped[4096];
	ssize_t n = recv(farewell->fd, dropped, sizeof(dropped), MSG_DONTWAIT);

	(void)events;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	finish(farewell);
}

static void on_farewell_timer(struct loop_timer *timer)
{
	finish(timer->ctx);
}

void farewell_send(struct loop *loop, int fd, const char *text, size_t len)
{
	struct farewell *farewell = NULL;

	/* A short text fits the buffer of a socket that was idle; a peer that filled it loses the text. */
	if (len > 0)
		(void)!send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(fd, SHUT_WR);
	for (int i = 0; i < FAREWELL_MAX && !farewell; i++)
		if (!farewells[i].used)
			farewell = &farewells[i];
	if (!farewell) {
		close_p(&fd);
		return;
	}
	*farewell = (struct farewell){.loop = loop, .fd = fd, .used = true, .source.fd = -1};
	loop_timer_set(loop, &farewell->timer, clock_now_us() + LINGER_US, on_farewell_timer,
		farewell);
	if (loop_add(loop, &farewell->source, fd, EPOLLIN, on_farewell_input, farewell) < 0)
		finish(farewell);
}

void farewell_problem(struct loop *loop, int fd, int status, const char *code, const char *detail)
{
	char body[PROBLEM_MAX], text[PROBLEM_MAX + 512];
	size_t body_len = problem_format(body, sizeof(body), status, code, detail);
	int len = snprintf(text, sizeof(text),
		"HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nContent-Length: %zu\r\n"
		"Cache-Control: no-store\r\nConnection: close\r\n\r\n%s",
		status, problem_title(status), body_len, body);

	farewell_send(loop, fd, text, (size_t)len);
}
