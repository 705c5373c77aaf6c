/* SPDX-License-Identifier: MIT
 *
 * relay.c - see relay.h for what always holds.
 *
 * A side is watched level-triggered while it is read. While it is not (its peer is full, or its input
 * is over) a hang-up would be reported for ever, so it is then watched edge-triggered for RDHUP only,
 * and an empty send(2) tells a half-closed peer (0) from one that is gone (EPIPE, ENOTCONN): EPOLLHUP
 * does not, because virtio vsock never raises it for the peer's close (af_vsock.c, vsock_poll).
 */
#include "agent/common/relay.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "agent/common/farewell.h"
#include "lib/clock.h"

/* Chunks a side may read in one wake-up before others get their turn. */
#define READ_BURST 4

static char shared_chunk[RELAY_CHUNK];

static void side_drop_waiting(struct relay_side *side)
{
	relay_pipe_give(&side->pipe, side->waiting_len == 0);
	side->waiting_len = 0;
}

static void side_gone(struct relay_side *side)
{
	side->read_done = side->write_done = true;
	side_drop_waiting(side);
}

/* Writes what it can, of its pipe if it has one; returns the number of bytes taken. A broken pipe ends only this direction:
 * the side may still have an answer for us to read. */
static size_t side_write(struct relay_side *side, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n;

		if (side->pipe.out >= 0)
			n = splice(side->pipe.out, NULL, side->fd, NULL, len - done,
				SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		else
			n = send(side->fd, data + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			break;
		if (n < 0 && errno == EINVAL && side->pipe.out >= 0) {
			side->peer->copies = true;
			break;
		}
		if (n <= 0) {
			side->write_done = true;
			side_drop_waiting(side);
			return len;
		}
		done += (size_t)n;
	}
	side->relay->bytes[side - side->relay->side] += done;
	return done;
}

static void side_keep(struct relay_side *side, const char *data, size_t len)
{
	if (!side->waiting) {
		void *map = mmap(NULL, RELAY_CHUNK, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (map == MAP_FAILED) {
			/* Bytes that cannot be kept must not be skipped: the stream is broken. */
			side_gone(side);
			side_gone(side->peer);
			return;
		}
		side->waiting = map;
	}
	memcpy(side->waiting, data, len);
	side->waiting_start = 0;
	side->waiting_len = len;
}

/* What waits in the pipe is to wait in memory: splice(2) cannot write to this side. */
static void side_empty_pipe(struct relay_side *side)
{
	ssize_t n = read(side->pipe.out, shared_chunk, sizeof(shared_chunk));
	bool all = n == (ssize_t)side->waiting_len;

	relay_pipe_give(&side->pipe, all);
	if (all) {
		side_keep(side, shared_chunk, side->waiting_len);
		return;
	}
	side_gone(side);
	side_gone(side->peer);
}

static void side_flush(struct relay_side *side)
{
	const char *data = side->waiting ? side->waiting + side->waiting_start : NULL;
	size_t done = side_write(side, data, side->waiting_len);

	if (side->write_done)
		return;
	side->waiting_start += done;
	side->waiting_len -= done;
	if (side->waiting_len == 0) {
		relay_pipe_give(&side->pipe, true);
	} else if (side->pipe.out >= 0 && side->peer->copies) {
		side_empty_pipe(side);
		if (!side->write_done)
			side_flush(side);
	}
}

static bool side_readable(const struct relay_side *side)
{
	return !side->read_done && !side->peer->write_done && side->peer->waiting_len == 0;
}

/* Only of unix sockets: TCP finds its buffers itself, and vsock has credit instead. */
static void side_deepen(struct relay_side *side)
{
	int domain = 0, size = RELAY_SNDBUF;
	socklen_t len = sizeof(domain);

	if (side->deep)
		return;
	side->deep = true;
	if (getsockopt(side->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX)
		(void)setsockopt(side->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void side_speaks(struct relay_side *side, const char *data, size_t len)
{
	struct relay *relay = side->relay;

	if (relay->speaker != side && relay->turn)
		relay->turn(relay->ctx, (int)(side - relay->side), data, len);
	relay->speaker = side;
	relay->moved_us = clock_now_us();
}

/* Both reads pass on what they read. The number of bytes, 0 at the end, or -errno. */
static ssize_t side_copy(struct relay_side *side)
{
	ssize_t n = recv(side->fd, shared_chunk, sizeof(shared_chunk), MSG_DONTWAIT);
	size_t done;

	if (n <= 0)
		return n < 0 ? -errno : 0;
	side_speaks(side, shared_chunk, (size_t)n);
	done = side_write(side->peer, shared_chunk, (size_t)n);
	if (done < (size_t)n)
		side_keep(side->peer, shared_chunk + done, (size_t)n - done);
	return n;
}

static ssize_t side_splice(struct relay_side *side)
{
	struct relay_side *peer = side->peer;
	ssize_t n;
	int rc;

	if (!relay_pipe_take(&peer->pipe))
		return side_copy(side);
	n = splice(side->fd, NULL, peer->pipe.in, NULL, RELAY_CHUNK,
		SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n <= 0) {
		rc = n < 0 ? -errno : 0;
		relay_pipe_give(&peer->pipe, true);
		side->copies = rc == -EINVAL;
		return side->copies ? side_copy(side) : rc;
	}
	side_speaks(side, "", 0);
	peer->waiting_start = 0;
	peer->waiting_len = (size_t)n;
	side_flush(peer);
	return n;
}

static void side_read(struct relay_side *side)
{
	struct relay *relay = side->relay;

	for (int i = 0; i < READ_BURST && side_readable(side); i++) {
		ssize_t n;

		/* An answer after a request begins small, and is looked at: turn(). */
		if (relay->speaker != side && !side->peer->bulk)
			side->bulk = false;
		n = side->bulk && !side->copies ? side_splice(side) : side_copy(side);
		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			side_gone(side);
			return;
		}
		side->read_done = n == 0;
		side->bulk = n >= RELAY_BULK;
		if (!side->bulk)
			return;
		side_deepen(side->peer);
	}
}

/* What it said before it went is still to be read, unless nobody hears it. A side to which all was said already is not asked:
 * its own end is found by reading. */
static void side_check_alive(struct relay_side *side)
{
	if (side->write_done || send(side->fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
		errno == EAGAIN || errno == EINTR)
		return;
	side->write_done = true;
	side->read_done |= side->peer->write_done;
	side_drop_waiting(side);
}

static uint32_t side_events(const struct relay_side *side)
{
	uint32_t events =
		side_readable(side) ? (uint32_t)EPOLLIN : (uint32_t)(EPOLLRDHUP | EPOLLET);

	if (side->waiting_len > 0)
		events |= EPOLLOUT;
	return events;
}

static void side_close(struct relay_side *side)
{
	loop_remove(side->relay->loop, &side->source);
	close_p(&side->fd);
	side_drop_waiting(side);
	if (side->waiting)
		(void)munmap(side->waiting, RELAY_CHUNK);
	side->waiting = NULL;
}

/* Passes on ends of input. Returns true when both directions are over. */
static bool relay_pass_ends(struct relay *relay)
{
	for (int i = 0; i < 2; i++) {
		struct relay_side *side = &relay->side[i];

		if (side->write_done || !side->peer->read_done || side->waiting_len > 0)
			continue;
		(void)shutdown(side->fd, SHUT_WR);
		side->write_done = true;
	}
	return relay->side[0].write_done && relay->side[1].write_done;
}

/* Both directions are over. A side whose input was not read to its end (an answer before the whole request) is
 * closed with care: see farewell.h. */
static void relay_finish(struct relay *relay)
{
	for (int i = 0; i < 2; i++) {
		struct relay_side *side = &relay->side[i];

		if (side->read_done)
			continue;
		loop_remove(relay->loop, &side->source);
		farewell_send(relay->loop, TAKE_FD(side->fd), NULL, 0);
	}
	relay_abort(relay);
	relay->fn(relay->ctx);
}

/* After anything may have changed. The relay may be over when this returns. */
static void relay_settle(struct relay *relay)
{
	if (relay_pass_ends(relay)) {
		relay_finish(relay);
		return;
	}
	for (int i = 0; i < 2; i++) {
		if (loop_modify(relay->loop, &relay->side[i].source, side_events(&relay->side[i])) <
			0) {
			relay_abort(relay);
			relay->fn(relay->ctx);
			return;
		}
	}
}

static void on_relay_event(struct loop_source *source, uint32_t events)
{
	struct relay_side *side = source->ctx;
	bool was_readable = side_readable(side);

	/* Room again: what comes next may fill it at once, and then nobody's events change. */
	if (side->waiting_len > 0 && !side->write_done) {
		side_flush(side);
		side_read(side->peer);
	}
	if (was_readable)
		side_read(side);
	else if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		side_check_alive(side);
	/* All was read, and it hears nothing either. */
	if (side->read_done && (events & EPOLLHUP) != 0 && !side->write_done)
		side_gone(side);
	relay_settle(side->relay);
}

int relay_start(struct relay *relay, struct loop *loop, int fd0, int fd1, relay_done_fn *fn,
	void *ctx)
{
	const int fds[2] = {fd0, fd1};
	int rc = 0;

	*relay = (struct relay){.loop = loop, .fn = fn, .ctx = ctx};
	for (int i = 0; i < 2; i++) {
		relay->side[i].relay = relay;
		relay->side[i].peer = &relay->side[1 - i];
		relay->side[i].fd = fds[i];
		relay->side[i].source.fd = -1;
		relay->side[i].pipe = RELAY_PIPE_NONE;
	}
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = loop_add(loop, &relay->side[i].source, fds[i], EPOLLIN, on_relay_event,
			&relay->side[i]);
	if (rc < 0)
		relay_abort(relay);
	return rc;
}

void relay_end_input(struct relay *relay, int side)
{
	struct relay_side *to = &relay->side[side];

	if (to->write_done || to->waiting_len > 0)
		return;
	(void)shutdown(to->fd, SHUT_WR);
	to->write_done = true;
	relay_settle(relay);
}

void relay_abort(struct relay *relay)
{
	for (int i = 0; i < 2; i++)
		side_close(&relay->side[i]);
}
