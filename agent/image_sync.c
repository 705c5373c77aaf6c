/* SPDX-License-Identifier: MIT
 *
 * image_sync.c - see image_sync.h. Caller: agent.c.
 */
#include "agent/image_sync.h"

#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

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
	int status = 0;

	(void)events;
	if (waitpid(sync->pid, &status, WNOHANG) == 0)
		return;
	loop_remove(sync->loop, &sync->exit);
	close_p(&sync->pidfd);
	sync->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		log_info("%s synced after an image came, in %llu ms", sync->facts->disk.mountpoint,
			(unsigned long long)(clock_now_us() - sync->begun_us) / USEC_PER_MSEC);
	else
		log_warning("sync -f %s: status %#x; an image may be lost at a power cut",
			sync->facts->disk.mountpoint, (unsigned int)status);
	if (sync->again)
		start_sync(sync);
}

static void start_sync(struct image_sync *sync)
{
	char *argv[] = {"sync", "-f", (char *)(uintptr_t)sync->facts->disk.mountpoint, NULL};
	int rc;

	sync->again = sync->pid != 0;
	if (sync->again || sync->facts->disk.state != DISK_STATE_MOUNTED)
		return;
	sync->begun_us = clock_now_us();
	rc = posix_spawn(&sync->pid, "/bin/sync", NULL, NULL, argv, environ);
	if (rc != 0) {
		sync->pid = 0;
		log_warning("/bin/sync: %s; an image may be lost at a power cut", strerror(rc));
		return;
	}
	sync->pidfd = (int)syscall(SYS_pidfd_open, sync->pid, 0);
	if (sync->pidfd < 0 ||
		loop_add(sync->loop, &sync->exit, sync->pidfd, EPOLLIN, on_sync_exit, sync) < 0) {
		/* Out of descriptors: then it is waited for. */
		(void)waitpid(sync->pid, NULL, 0);
		close_p(&sync->pidfd);
		sync->pid = 0;
	}
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
