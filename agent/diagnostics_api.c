/* SPDX-License-Identifier: MIT
 *
 * diagnostics_api.c - see diagnostics_api.h. Caller: api.c.
 */
#include "agent/diagnostics_api.h"

#include "agent/common/diagnostics.h"
#include "agent/common/document.h"
#include "agent/runner.h"

/* Too large for a small stack, and one archive is made at a time. */
static struct system_facts system_facts;
static const struct facts *known;
static const struct event_ring *ring;
static struct diagnostics *current;

static const char *write_health(void *ctx, size_t *len)
{
	struct health health;

	(void)ctx;
	health_judge(known, &health);
	system_read_facts(&system_facts, known);
	return document_write_health(known, &health, &system_facts, len);
}

static const char *write_services(void *ctx, size_t *len)
{
	(void)ctx;
	return document_write_services(known, len);
}

static const char *write_disk(void *ctx, size_t *len)
{
	(void)ctx;
	return document_write_disk(known, len);
}

/* With pressure and history. */
static const char *write_memory(void *ctx, size_t *len)
{
	(void)ctx;
	system_read_facts(&system_facts, known);
	system_read_pressure(&system_facts);
	return document_write_memory(known, &system_facts, len);
}

static size_t write_events(void *ctx, char *buffer, size_t size)
{
	(void)ctx;
	return ring ? event_ring_write(ring, buffer, size) : 0;
}

static int open_kmsg(void)
{
	return runner_open(RUNNER_FILE_KMSG, 0, NULL);
}

static int open_mounts(void)
{
	return runner_open(RUNNER_FILE_MOUNTS, 0, NULL);
}

static int look(const char *path, uint64_t *total, uint64_t *used, uint64_t *free_bytes)
{
	struct runner_look seen;
	int rc = runner_look_at(path, &seen);

	if (rc < 0)
		return rc;
	*total = seen.total;
	*used = seen.used;
	*free_bytes = seen.free;
	return 0;
}

static ssize_t read_archive(void *ctx, char *buffer, size_t size)
{
	return diagnostics_read(ctx, buffer, size);
}

static void close_archive(void *ctx)
{
	diagnostics_close(ctx);
	current = NULL;
}

void diagnostics_api_answer(const struct facts *facts, const struct event_ring *events,
	struct http_response *response)
{
	static const struct http_stream ops = {
		.read = read_archive, .close = close_archive, .brief = true};
	static struct diagnostics_source source = {
		.documents = {{"health.json", write_health}, {"services.json", write_services},
			{"disk.json", write_disk}, {"memory.json", write_memory}},
		.open_kmsg = open_kmsg,
		.open_mounts = open_mounts,
		.look = look,
		.write_events = write_events,
	};
	static char name[64];

	if (current) {
		http_response_problem(response, 409, "busy",
			"another client is being sent the diagnostics; there is one at a time");
		return;
	}
	known = facts;
	ring = events;
	source.data = facts->disk.mountpoint[0] ? facts->disk.mountpoint : NULL;
	if (diagnostics_open(&source, &current) < 0) {
		http_response_problem(response, 503, "no_memory",
			"there is no memory for the archive now");
		return;
	}
	diagnostics_file_name(name, sizeof(name));
	*response = (struct http_response){.status = 200,
		.type = "application/x-tar",
		.filename = name,
		.stream = &ops,
		.stream_ctx = current};
}
