/* SPDX-License-Identifier: MIT
 *
 * oom_watch.c - see oom_watch.h. Caller: agent.c.
 */
#include "agent/memory/oom_watch.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/common/facts.h"
#include "agent/common/kernel_message.h"
#include "lib/clock.h"
#include "lib/log.h"

static struct memory_oom_kill *push(struct memory_seen *seen)
{
	if (seen->oom_kept < MEMORY_OOM_KILLS)
		seen->oom_kept++;
	memmove(&seen->oom_kill[1], &seen->oom_kill[0],
		(seen->oom_kept - 1) * sizeof(seen->oom_kill[0]));
	seen->oom_kills++;
	return &seen->oom_kill[0];
}

/* The last of the same container has told already, or is about to. */
static const struct memory_oom_kill *find_named(const struct memory_seen *seen, const char *id)
{
	for (unsigned int i = 0; i < seen->oom_kept; i++)
		if (seen->oom_kill[i].container[0] &&
			strcmp(seen->oom_kill[i].container_id, id) == 0)
			return &seen->oom_kill[i];
	return NULL;
}

static void add(struct oom_watch *watch, const struct memory_oom_kill *kill)
{
	const struct memory_oom_kill *named = find_named(watch->seen, kill->container_id);
	struct memory_oom_kill *kept;
	char name[CONTAINER_NAME_MAX] = "";

	if (named && kill->container_id[0])
		(void)snprintf(name, sizeof(name), "%s", named->container);
	kept = push(watch->seen);
	*kept = *kill;
	(void)snprintf(kept->container, sizeof(kept->container), "%s", name);
	watch->fresh = true;
	if (!watch->caught_up)
		return;
	log_warning("out of memory%s: the kernel killed %s (%d)%s%s",
		kill->global ? " in the VM" : "", kill->process[0] ? kill->process : "a process",
		kill->pid, kill->group[0] ? " in " : "", kill->group);
}

/* One question after the other, the oldest kill first; what is pushed out of the list meanwhile is not asked for. */
static void ask_next(struct oom_watch *watch)
{
	struct memory_seen *seen = watch->seen;

	if (seen->oom_kills - watch->asked > seen->oom_kept)
		watch->asked = seen->oom_kills - seen->oom_kept;
	while (!watch->question.busy && watch->asked < seen->oom_kills) {
		const struct memory_oom_kill *kill =
			&seen->oom_kill[seen->oom_kills - ++watch->asked];

		if (kill->container_id[0] && !kill->container[0])
			container_name_ask(&watch->question, kill->container_id);
	}
}

static void tell(struct oom_watch *watch)
{
	if (!watch->fresh)
		return;
	watch->fresh = false;
	watch->fn(watch->ctx);
}

static void on_name(void *ctx, const char *id, const char *name)
{
	struct oom_watch *watch = ctx;
	struct memory_seen *seen = watch->seen;

	for (unsigned int i = 0; i < seen->oom_kept && name[0]; i++) {
		struct memory_oom_kill *kill = &seen->oom_kill[i];

		if (kill->container[0] || strcmp(kill->container_id, id) != 0)
			continue;
		(void)snprintf(kill->container, sizeof(kill->container), "%s", name);
		watch->fresh = true;
	}
	if (name[0])
		log_info("out of memory: %.12s is the container %s", id, name);
	ask_next(watch);
	tell(watch);
}

/* The log's clock stands still while the VM does, ours goes on (clock_gettime(2)). */
static uint64_t suspended_us(void)
{
	struct timespec monotonic;
	uint64_t us, now_us = clock_now_us();

	(void)clock_gettime(CLOCK_MONOTONIC, &monotonic);
	us = (uint64_t)monotonic.tv_sec * USEC_PER_SEC + (uint64_t)monotonic.tv_nsec / 1000;
	return now_us > us ? now_us - us : 0;
}

void oom_watch_take(struct oom_watch *watch, const char *record, size_t len)
{
	const struct memory_seen *seen = watch->seen;
	struct memory_oom_kill kill;

	if (!record) {
		watch->caught_up = true;
		ask_next(watch);
		tell(watch);
		return;
	}
	switch (kernel_message_oom(record, len, watch->base, &kill)) {
	case KERNEL_OOM_OTHER:
		return;
	case KERNEL_OOM_CHOSEN:
		break;
	case KERNEL_OOM_KILLED: /* the same in fewer words, unless there were too many for the kernel to tell of each */
		if (seen->oom_kept > 0 && seen->oom_kill[0].pid == kill.pid)
			return;
		break;
	}
	kill.at_us += suspended_us();
	text_sanitize(kill.process);
	text_sanitize(kill.group);
	add(watch, &kill);
}

static void on_record(void *ctx, const char *record, size_t len)
{
	oom_watch_take(ctx, record, len);
}

void oom_watch_init(struct oom_watch *watch, struct loop *loop, const char *base,
	const struct address *dockerd, struct memory_seen *seen, oom_watch_fn *fn, void *ctx)
{
	*watch = (struct oom_watch){.loop = loop, .seen = seen, .base = base, .fn = fn, .ctx = ctx};
	container_name_init(&watch->question, loop, dockerd, on_name, watch);
}

void oom_watch_start(struct oom_watch *watch)
{
	int rc = kmsg_reader_start(&watch->kmsg, watch->loop, on_record, watch);

	if (rc < 0)
		log_info("the kernel's log: %s; kills for want of memory are not told",
			strerror(-rc));
}

void oom_watch_stop(struct oom_watch *watch)
{
	kmsg_reader_stop(&watch->kmsg);
	container_name_cancel(&watch->question);
}
