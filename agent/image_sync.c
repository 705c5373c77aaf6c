/* SPDX-License-Identifier: MIT
 *
 * image_sync.c - see image_sync.h. Caller: agent.c.
 */
#include "agent/image_sync.h"

#include <stdio.h>
#include <string.h>

#include "agent/runner.h"
#include "lib/clock.h"
#include "lib/log.h"

/* All ways in which an image comes into being; a build ends with a tag, and one without a name is seen by nobody but who made
 * it. */
#define EVENTS                                                                \
	ENGINE_EVENT("pull")                                                  \
	"," ENGINE_EVENT("import") "," ENGINE_EVENT("load") "," ENGINE_EVENT( \
		"commit") "," ENGINE_EVENT("tag")

static void start_sync(struct image_sync *sync);

static void on_sync_exit(struct loop_source *source, uint32_t events)
{
	struct image_sync *sync = source->ctx;
	uint64_t cpu_us;
	int status = 0, rc = runner_wait(sync->pid, &status, &cpu_us);

	(void)events;
	if (rc == -EAGAIN)
		return;
	loop_remove(sync->loop, &sync->exit);
	close_p(&sync->pidfd);
	sync->pid = 0;
	if (rc == 0 && status == 0)
		log_info("%s synced after an image came, in %llu ms", sync->facts->disk.mountpoint,
			(unsigned long long)(clock_now_us() - sync->begun_us) / USEC_PER_MSEC);
	else
		log_warning("syncfs %s: status %#x; an image may be lost at a power cut",
			sync->facts->disk.mountpoint, (unsigned int)status);
	if (sync->again)
		start_sync(sync);
}

static void start_sync(struct image_sync *sync)
{
	struct runner_step_request request = {.step = RUNNER_STEP_FLUSH};
	struct runner_child child = {.pid_fd = -1};
	int rc;

	sync->again = sync->pid != 0;
	if (sync->again || sync->facts->disk.state != DISK_STATE_MOUNTED)
		return;
	sync->begun_us = clock_now_us();
	(void)snprintf(request.name, sizeof(request.name), "%s", sync->facts->disk.mountpoint);
	rc = runner_run_step(&request, &child);
	if (rc == 0)
		rc = runner_hear_end(&child, sync->loop, &sync->exit, on_sync_exit, sync);
	if (rc < 0) {
		log_warning("syncfs %s: %s; an image may be lost at a power cut",
			sync->facts->disk.mountpoint, strerror(-rc));
		return;
	}
	sync->pid = child.pid;
	sync->pidfd = child.pid_fd;
}

static void on_events(void *ctx)
{
	start_sync(ctx);
}

void image_sync_init(struct image_sync *sync, struct loop *loop, const struct address *address,
	const struct facts *facts)
{
	*sync = (struct image_sync){.loop = loop, .facts = facts, .exit.fd = -1, .pidfd = -1};
	engine_events_init(&sync->events, loop, address, ENGINE_EVENTS_REQUEST(EVENTS), facts,
		on_events, sync);
}

void image_sync_update(struct image_sync *sync)
{
	engine_events_update(&sync->events);
}

void image_sync_stop(struct image_sync *sync)
{
	engine_events_stop(&sync->events);
	loop_remove(sync->loop, &sync->exit);
	close_p(&sync->pidfd);
}
