/* SPDX-License-Identifier: MIT
 *
 * disk_space.c - see disk_space.h. Caller: disk.c.
 */
#include "agent/disk_space.h"

#include <string.h>

#include "agent/runner.h"
#include "lib/clock.h"
#include "lib/log.h"

/* The engine's probes come every calm_us: our own timer waits a little longer, so that it is always put off. */
#define SLACK_US (5 * USEC_PER_SEC)

static int take_sample(const struct disk_space *space, struct space_sample *sample)
{
	struct runner_look look;
	int rc = runner_look_at(space->mountpoint, &look);

	/* Unmounted, it would be the room of what is below. */
	if (rc == 0 && look.device != space->device)
		rc = -ENOMEDIUM;
	if (rc < 0)
		return rc;
	*sample = (struct space_sample){.at_us = clock_now_us(),
		.total = look.total,
		.used = look.used,
		.free = look.free,
		.inodes = look.inodes,
		.inodes_free = look.inodes_free};
	return 0;
}

static void log_word(const struct disk_space *space)
{
	const struct disk_seen *seen = space->seen;

	log_write(seen->forecast.word == SPACE_OK ? LOG_INFO : LOG_WARNING,
		"%s: space is %s: %llu of %llu MiB and %llu of %llu inodes are free", seen->kernel,
		space_word_name(seen->forecast.word), (unsigned long long)seen->space.free >> 20,
		(unsigned long long)seen->space.total >> 20,
		(unsigned long long)seen->space.inodes_free,
		(unsigned long long)seen->space.inodes);
}

static void on_space_timer(struct loop_timer *timer)
{
	disk_space_look(timer->ctx);
}

static void arm(struct disk_space *space)
{
	uint64_t at_us = space->seen->forecast.next_us;

	if (at_us >= space->seen->space.at_us + space->policy.calm_us)
		at_us += SLACK_US;
	loop_timer_set(space->loop, &space->timer, at_us, on_space_timer, space);
}

/* What was seen before says nothing about now; the next look may work. */
static void forget(struct disk_space *space, int rc)
{
	const uint64_t now_us = clock_now_us();
	struct disk_seen *seen = space->seen;

	if (seen->space_known || seen->space.at_us == 0)
		log_warning("%s: how full it is is not known: %s", space->mountpoint,
			strerror(-rc));
	seen->space_known = false;
	seen->space = (struct space_sample){.at_us = now_us};
	seen->forecast = (struct space_verdict){.next_us = now_us + space->policy.calm_us};
}

void disk_space_look(struct disk_space *space)
{
	struct disk_seen *seen = space->seen;
	const enum space_word before = seen->forecast.word;
	const bool known = seen->space_known;
	struct space_sample sample;
	int rc;

	if (!space->mountpoint)
		return;
	rc = take_sample(space, &sample);
	if (rc < 0) {
		forget(space, rc);
	} else {
		space_policy(&space->policy, &space->state, &sample, &seen->forecast);
		seen->space = sample;
		seen->space_known = true;
		if (seen->forecast.word != before)
			log_word(space);
	}
	arm(space);
	space->fn(space->ctx, known != seen->space_known || seen->forecast.word != before);
}

void disk_space_refresh(struct disk_space *space, uint64_t age_us)
{
	if (space->mountpoint && clock_now_us() - space->seen->space.at_us >= age_us)
		disk_space_look(space);
}

void disk_space_init(struct disk_space *space, struct loop *loop, const struct space_policy *policy,
	struct disk_seen *seen, disk_space_fn *fn, void *ctx)
{
	*space = (struct disk_space){
		.loop = loop, .policy = *policy, .seen = seen, .fn = fn, .ctx = ctx};
}

void disk_space_start(struct disk_space *space, const char *mountpoint, uint64_t device)
{
	space->state = (struct space_state){0};
	space->mountpoint = mountpoint;
	space->device = device;
	disk_space_look(space);
}

void disk_space_stop(struct disk_space *space)
{
	struct disk_seen *seen = space->seen;

	loop_timer_cancel(space->loop, &space->timer);
	seen->space_known = false;
	seen->space = (struct space_sample){0};
	seen->forecast = (struct space_verdict){0};
	space->mountpoint = NULL;
}
