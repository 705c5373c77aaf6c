/* SPDX-License-Identifier: MIT
 *
 * fuzz_relay.c - a relay between two ends that do anything. Input: one byte an act, whose upper bit is the end (left, right),
 * the next three what it does, the lower four how much of it.
 *
 * What must hold: what an end hears is, in order and once, what the other said; an end of input comes after all that was said
 * before it; no end is heard unless somebody ended or went; when both are gone the relay is over; nothing waits
 * for ever without an event.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/common/relay.h"
#include "tests/fuzz/fuzz.h"

/* Turns of the loop that may follow one act: more is a loop that spins. */
#define TURNS_MAX 2000
#define ACTS_MAX  96
#define MUCH      (64 * 1024)
#define PERIOD    65521 /* a prime: no block looks like another one */
/* So that little fills a path, and bulk is possible still. */
#define SEND_BUFFER (24 * 1024)

enum act {
	ACT_SAY,
	ACT_SAY_MUCH,
	ACT_HEAR,
	ACT_HEAR_MUCH,
	ACT_END,
	ACT_GO,
	ACT_TURN,
	ACT_END_INPUT
};

struct end {
	int fd; /* -1: gone */
	bool ended, heard_end;
	uint64_t said, heard;
};

static struct loop loop;
static struct relay relay;
static struct end ends[2];
static unsigned int over, cut; /* cut: a direction (by who hears it) whose end was made up */
static unsigned char bytes[MUCH], patterns[2][PERIOD + MUCH];

/* What an end says from its i-th byte on. */
static const unsigned char *pattern(uint64_t i, int end)
{
	return patterns[end] + i % PERIOD;
}

static void make_patterns(void)
{
	for (size_t i = 0; i < sizeof(patterns[0]); i++)
		for (unsigned int end = 0; end < 2; end++)
			patterns[end][i] =
				(unsigned char)((i % PERIOD * 2654435761U >> 13) + end * 77);
}

static void on_done(void *ctx)
{
	(void)ctx;
	over++;
}

static bool turn(void)
{
	struct pollfd wait = {.fd = loop.epoll_fd, .events = POLLIN};

	if (poll(&wait, 1, 0) <= 0)
		return false;
	FUZZ_CHECK(loop_once(&loop) == 0);
	return true;
}

static void run(void)
{
	int turns = 0;

	while (turn())
		FUZZ_CHECK(++turns < TURNS_MAX);
}

static void say(int i, size_t len)
{
	struct end *end = &ends[i];
	ssize_t n;

	if (end->fd < 0 || end->ended)
		return;
	n = send(end->fd, pattern(end->said, i), len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		end->said += (uint64_t)n;
}

/* False when there is nothing to hear (now, or for ever). */
static bool hear(int i, size_t len)
{
	struct end *end = &ends[i], *other = &ends[1 - i];
	ssize_t n;

	if (end->fd < 0 || end->heard_end)
		return false;
	n = recv(end->fd, bytes, len, MSG_DONTWAIT);
	if (n < 0) {
		/* A unix socket whose peer went with unread input says so once. */
		FUZZ_CHECK(errno == EAGAIN || errno == ECONNRESET);
		return errno == ECONNRESET;
	}
	FUZZ_CHECK(memcmp(bytes, pattern(end->heard, 1 - i), (size_t)n) == 0);
	end->heard += (uint64_t)n;
	FUZZ_CHECK(end->heard <= other->said);
	if (n == 0) {
		end->heard_end = true;
		/* Somebody must have ended it; and in order means after all of it. */
		FUZZ_CHECK(other->ended || other->fd < 0 || (cut & 1U << i));
		FUZZ_CHECK(end->heard == other->said || (cut & 1U << i));
	}
	return n > 0;
}

static void act(unsigned int byte)
{
	int i = (int)(byte >> 7);
	size_t much = byte & 15;
	struct end *end = &ends[i];

	switch ((enum act)(byte >> 4 & 7)) {
	case ACT_SAY:
		say(i, much * 37 + 1);
		break;
	case ACT_SAY_MUCH:
		say(i, (much + 1) * sizeof(bytes) / 16);
		break;
	case ACT_HEAR:
		(void)hear(i, much * 37 + 1);
		break;
	case ACT_HEAR_MUCH:
		(void)hear(i, (much + 1) * sizeof(bytes) / 16);
		break;
	case ACT_END:
		if (end->fd >= 0 && !end->ended)
			(void)shutdown(end->fd, SHUT_WR);
		end->ended = true;
		break;
	case ACT_GO:
		close_p(&end->fd);
		break;
	case ACT_TURN:
		for (size_t j = 0; j <= much && turn(); j++)
			;
		break;
	case ACT_END_INPUT:
		if (over || much > 3)
			break;
		cut |= 1U << i;
		relay_end_input(&relay, i);
		break;
	}
}

/* Nobody does anything more but hear: all that was said arrives, unless its hearer went. */
static void settle(void)
{
	bool more = true;

	for (int rounds = 0; more; rounds++) {
		FUZZ_CHECK(rounds < TURNS_MAX);
		run();
		more = hear(0, sizeof(bytes));
		more |= hear(1, sizeof(bytes));
	}
	for (int i = 0; i < 2; i++) {
		const struct end *end = &ends[i], *other = &ends[1 - i];

		if (end->fd < 0 || (cut & 1U << i))
			continue;
		FUZZ_CHECK(end->heard == other->said);
		FUZZ_CHECK((!other->ended && other->fd >= 0) || end->heard_end);
	}
}

static void make_pair(int pair[2])
{
	const int size = SEND_BUFFER;

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	for (int i = 0; i < 2; i++)
		FUZZ_CHECK(setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int left[2], right[2];

	if (size > ACTS_MAX)
		return 0;
	if (patterns[0][1] == patterns[0][0])
		make_patterns();
	(void)signal(SIGPIPE, SIG_IGN);
	FUZZ_CHECK(loop_init(&loop) == 0);
	make_pair(left);
	make_pair(right);
	ends[0] = (struct end){.fd = left[0]};
	ends[1] = (struct end){.fd = right[0]};
	over = cut = 0;
	FUZZ_CHECK(relay_start(&relay, &loop, left[1], right[1], on_done, NULL) == 0);
	for (size_t i = 0; i < size; i++)
		act(data[i]);
	settle();
	close_p(&ends[0].fd);
	close_p(&ends[1].fd);
	run();
	FUZZ_CHECK(over == 1);
	/* What its farewells still hold goes with them: both ends are closed. */
	FUZZ_CHECK(!loop.timers);
	loop_fini(&loop);
	return 0;
}
