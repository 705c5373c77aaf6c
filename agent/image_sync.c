/* SPDX-License-Identifier: MIT
 *
 * image_sync.c - see image_sync.h. Caller: agent.c. Docker's API: "Monitor events", GET /events with filters.
 */
#include "agent/image_sync.h"

#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/clock.h"
#include "lib/log.h"

#define CONNECT_MS 5000

/* {"event":["pull","import","load","commit","tag"]}: all ways in which an image comes into being; a build ends with a tag, and
 * one without a name is seen by nobody but who made it. */
static const char request[] =
	"GET /events?filters=%7B%22event%22%3A%5B%22pull%22%2C%22import%22%2C%22load%22%2C%22commit%22%2C"
	"%22tag%22%5D%7D HTTP/1.1\r\nHost: docker\r\nUser-Agent: keel-agent\r\n\r\n";

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

static void disconnect(struct image_sync *sync)
{
	loop_remove(sync->loop, &sync->events);
	close_p(&sync->fd);
}

static void on_events(struct loop_source *source, uint32_t events)
{
	struct image_sync *sync = source->ctx;
	char text[4096];
	ssize_t n = recv(sync->fd, text, sizeof(text), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		disconnect(sync);
		return;
	}
	/* The answer's header counts too: what came before we listened is not known. */
	start_sync(sync);
}

static void on_connected(void *ctx, int fd, int error)
{
	struct image_sync *sync = ctx;

	sync->connecting = false;
	if (error < 0)
		return;
	sync->fd = fd;
	/* A few hundred bytes always fit a fresh socket. */
	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0 ||
		loop_add(sync->loop, &sync->events, fd, EPOLLIN, on_events, sync) < 0)
		disconnect(sync);
}

void image_sync_init(struct image_sync *sync, struct loop *loop, const struct address *address,
	const struct facts *facts)
{
	*sync = (struct image_sync){.loop = loop,
		.address = *address,
		.facts = facts,
		.events.fd = -1,
		.exit.fd = -1,
		.fd = -1,
		.pidfd = -1};
}

void image_sync_update(struct image_sync *sync)
{
	const struct facts_daemon *dockerd = &sync->facts->engine.daemons[ENGINE_DOCKERD];
	bool wanted = dockerd->known && dockerd->state == DAEMON_STATE_READY &&
		      sync->facts->disk.state == DISK_STATE_MOUNTED;

	if (!wanted || sync->fd >= 0 || sync->connecting)
		return;
	sync->connecting = true;
	transport_start(&sync->transport, sync->loop, &sync->address, CONNECT_MS, on_connected,
		sync);
}

void image_sync_stop(struct image_sync *sync)
{
	if (sync->connecting)
		transport_cancel(&sync->transport);
	disconnect(sync);
	loop_remove(sync->loop, &sync->exit);
	close_p(&sync->pidfd);
}
