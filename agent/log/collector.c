/* SPDX-License-Identifier: MIT
 *
 * collector.c - see collector.h. Caller: main.c.
 *
 * The order within a batch is the whole crash safety: append to the store, commit the position, free the
 * spool. Killed in between, the next start cuts off or frees what the commit says.
 */
#include "agent/log/collector.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/log/line_split.h"
#include "lib/clock.h"
#include "lib/log_files.h"

#define CHUNK           (64 * 1024)
#define CLOCKS_APART_US 100

/* One service at a time: the lines that are about to be stored. */
static char out[CHUNK];

struct batch {
	size_t len;        /* in `out` */
	uint64_t lines;    /* in `out` */
	uint64_t bytes;    /* of the spool that they were */
	uint64_t position; /* behind the last of them, and what was dropped after it */
	uint64_t wall_us, boot_us, now_us;
};

/* Both clocks at one moment. If something comes in between, the boot time is the earlier one: a line may be said
 * to be a little older than it is, never newer than the end of its writer. */
static void read_clocks(uint64_t *wall_us, uint64_t *boot_us)
{
	struct timespec now;

	for (int tries = 0; tries < 3; tries++) {
		*boot_us = clock_now_us();
		(void)clock_gettime(CLOCK_REALTIME, &now);
		if (clock_now_us() - *boot_us < CLOCKS_APART_US)
			break;
	}
	*wall_us = (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

/* When the lines were written: the file's own time, which is not later than the end of a writer that died, and which
 * is right after a pause of ours too. Never before the line before. */
static void set_times(const struct collector *collector, struct batch *batch)
{
	uint64_t mtime_us = collector->spool.mtime_us, wall_us, age_us;

	read_clocks(&wall_us, &batch->now_us);
	age_us = wall_us > mtime_us ? wall_us - mtime_us : 0;
	batch->boot_us = age_us < batch->now_us ? batch->now_us - age_us : 0;
	if (batch->boot_us < collector->store.state.boot_us)
		batch->boot_us = collector->store.state.boot_us;
	if (batch->boot_us > batch->now_us)
		batch->boot_us = batch->now_us;
	batch->wall_us = wall_us - (batch->now_us - batch->boot_us);
}

/* ---- dropping ------------------------------------------------------------------------------- */

static void on_note(struct loop_timer *timer)
{
	struct collector *collector = timer->ctx;

	collector->waiting = true;
	collector->wake(collector->ctx);
}

static void drop(struct collector *collector, const struct batch *batch, uint64_t lines,
	uint64_t bytes)
{
	struct store_state *state = &collector->store.state;

	if (state->dropped_since_us == 0)
		state->dropped_since_us = batch->wall_us;
	state->dropped_lines += lines;
	state->dropped_bytes += bytes;
	if (collector->note.at_us == 0)
		loop_timer_set(collector->loop, &collector->note, budget_end_us(&collector->budget),
			on_note, collector);
}

/* The line that tells it. Its length, 0: nothing was dropped. */
static size_t format_note(const struct collector *collector, const struct batch *batch, char *line,
	size_t size)
{
	const struct store_state *state = &collector->store.state;
	char prefix[LOG_PREFIX_MAX], since[LOG_PREFIX_MAX], unread[64] = "", cause[64];

	if (state->dropped_since_us == 0)
		return 0;
	(void)log_line_stamp(prefix, batch->wall_us, batch->boot_us);
	(void)log_line_stamp(since, state->dropped_since_us, 0);
	since[strcspn(since, " ")] = '\0';
	if (state->unread_bytes > 0)
		(void)snprintf(unread, sizeof(unread), " (%llu of them not counted in lines)",
			(unsigned long long)state->unread_bytes);
	(void)snprintf(cause, sizeof(cause), "more than %zu bytes in %u s", BUDGET_BYTES,
		(unsigned int)(BUDGET_WINDOW_US / USEC_PER_SEC));
	return (size_t)snprintf(line, size,
		"%skeel-log: dropped %llu lines, %llu bytes%s since %s: %s\n", prefix,
		(unsigned long long)state->dropped_lines, (unsigned long long)state->dropped_bytes,
		unread, since, state->no_room ? "no room in " LOG_DIR : cause);
}

static void forget_drops(struct collector *collector)
{
	struct store_state *state = &collector->store.state;

	state->dropped_lines = state->dropped_bytes = state->unread_bytes = 0;
	state->dropped_since_us = state->no_room = 0;
	loop_timer_cancel(collector->loop, &collector->note);
}

void collector_note(struct collector *collector)
{
	struct batch batch = {0};
	char line[LOG_LINE_MAX];
	size_t len;

	set_times(collector, &batch);
	/* Told now, not when the last line was written. */
	batch.wall_us += batch.now_us - batch.boot_us;
	batch.boot_us = batch.now_us;
	len = format_note(collector, &batch, line, sizeof(line));
	if (len == 0 || store_append(&collector->store, line, len) < 0)
		return;
	collector->store.state.boot_us = batch.boot_us;
	forget_drops(collector);
	store_commit(&collector->store);
}

/* ---- storing -------------------------------------------------------------------------------- */

/* Stores the batch and frees what it was in the spool. */
static void flush_batch(struct collector *collector, struct batch *batch)
{
	struct store_state *state = &collector->store.state;

	if (batch->len > 0) {
		if (store_append(&collector->store, out, batch->len) == 0) {
			state->boot_us = batch->boot_us;
		} else {
			drop(collector, batch, batch->lines, batch->bytes);
			state->no_room = 1;
		}
	}
	if (state->position != batch->position || batch->len > 0) {
		state->position = batch->position;
		store_commit(&collector->store);
		spool_free(&collector->spool, batch->position);
	}
	batch->len = 0;
	batch->lines = batch->bytes = 0;
}

static void keep_line(struct collector *collector, struct batch *batch, const char *text,
	size_t len, size_t used)
{
	if (sizeof(out) - batch->len < LOG_PREFIX_MAX + len + 1)
		flush_batch(collector, batch);
	batch->len += log_line_stamp(out + batch->len, batch->wall_us, batch->boot_us);
	memcpy(out + batch->len, text, len);
	batch->len += len;
	out[batch->len++] = '\n';
	batch->lines++;
	batch->bytes += used;
}

static void take_line(struct collector *collector, struct batch *batch, const char *text,
	size_t len, size_t used)
{
	struct store_state *state = &collector->store.state;

	if (state->in_line) {
		/* The rest of a line whose begin was dropped unread. */
		state->in_line = text[used - 1] != '\n';
		drop(collector, batch, state->in_line ? 0 : 1, used);
	} else if (!budget_take(&collector->budget, batch->now_us, LOG_PREFIX_MAX + used)) {
		drop(collector, batch, 1, used);
	} else {
		keep_line(collector, batch, text, len, used);
	}
	batch->position += used;
}

static void on_partial(struct loop_timer *timer)
{
	struct collector *collector = timer->ctx;

	collector->ended = true;
	collector->waiting = true;
	collector->wake(collector->ctx);
}

/* What stays in the spool has no end yet: not for ever. */
static void await_end(struct collector *collector, bool partial)
{
	if (!partial) {
		loop_timer_cancel(collector->loop, &collector->partial);
		return;
	}
	if (collector->partial.at_us != 0 && collector->partial_at == collector->spool.position)
		return;
	collector->partial_at = collector->spool.position;
	loop_timer_set(collector->loop, &collector->partial, clock_now_us() + COLLECTOR_PARTIAL_US,
		on_partial, collector);
}

/* The writer is faster than us, and nothing of it would be kept. */
static void skip(struct collector *collector, struct batch *batch)
{
	struct store_state *state = &collector->store.state;
	uint64_t bytes = collector->spool.size - collector->spool.position;

	drop(collector, batch, 0, bytes);
	state->unread_bytes += bytes;
	state->in_line = 1;
	batch->position = collector->spool.size;
	flush_batch(collector, batch);
}

static void take_chunk(struct collector *collector, struct batch *batch)
{
	static char data[CHUNK];
	struct spool *spool = &collector->spool;
	ssize_t n = spool_read(spool, data, sizeof(data));
	size_t at = 0, used, line_len;
	bool last;

	if (n <= 0) {
		collector->waiting = false;
		return;
	}
	last = spool->position + (uint64_t)n >= spool->size;
	while ((used = line_split(data + at, (size_t)n - at, collector->ended && last, &line_len)) >
		0) {
		take_line(collector, batch, data + at, line_len, used);
		at += used;
	}
	flush_batch(collector, batch);
	collector->waiting = !last;
	if (last)
		collector->ended = false;
	await_end(collector, last && at < (size_t)n);
}

void collector_pass(struct collector *collector)
{
	struct spool *spool = &collector->spool;
	struct batch batch = {0};
	int rc = spool_look(spool);

	if (rc < 0) {
		collector->waiting = false;
		return;
	}
	if (rc > 0)
		collector->store.state.in_line = 0;
	if (collector->store.state.dropped_since_us != 0 &&
		clock_now_us() >= budget_end_us(&collector->budget))
		collector_note(collector);
	set_times(collector, &batch);
	batch.position = spool->position;
	spool_reserve(spool);
	if (spool->size == spool->position) {
		collector->waiting = collector->ended = false;
		await_end(collector, false);
	} else if (budget_spent(&collector->budget, batch.now_us) &&
		   spool->size - spool->position > COLLECTOR_BEHIND) {
		skip(collector, &batch);
	} else {
		take_chunk(collector, &batch);
	}
}

int collector_open(struct collector *collector, struct loop *loop, int spool_dir, int log_dir,
	const char *name, collector_wake_fn *wake, void *ctx)
{
	struct store_state *state = &collector->store.state;
	int rc;

	*collector = (struct collector){
		.loop = loop, .waiting = true, .wake = wake, .ctx = ctx, .store.fd = -1};
	rc = spool_open(&collector->spool, spool_dir, name);
	if (rc < 0)
		return rc;
	(void)snprintf(collector->name, sizeof(collector->name), "%s", name);
	store_open(&collector->store, log_dir, name);
	if (state->spool_ino == collector->spool.ino)
		spool_resume(&collector->spool, state->position);
	else
		state->in_line = 0;
	state->spool_ino = collector->spool.ino;
	state->position = collector->spool.position;
	store_commit(&collector->store);
	return 0;
}

void collector_close(struct collector *collector)
{
	loop_timer_cancel(collector->loop, &collector->partial);
	loop_timer_cancel(collector->loop, &collector->note);
	spool_close(&collector->spool);
	store_close(&collector->store);
	collector->name[0] = '\0';
}
