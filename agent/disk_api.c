/* SPDX-License-Identifier: MIT
 *
 * disk_api.c - see disk_api.h. Caller: api.c.
 */
#include "agent/disk_api.h"

#include <stdlib.h>
#include <string.h>

/* Only the newest progress is kept for a client that reads slowly; keel-disk's are far shorter. */
#define PROGRESS_MAX 512

/* A client that waits. */
struct disk_answer {
	struct disk *disk;
	struct disk_job_listener listener;
	size_t progress_len, len, sent;
	char progress[PROGRESS_MAX];
	char *text; /* the last line with its newline; NULL: not said yet */
	bool lost;  /* there was no memory for it */
};

int disk_api_status(const char *code)
{
	static const struct {
		const char *code;
		int status;
	} table[] = {
		{"usage", 400},
		{"not-found", 404},
		{"no-such-device", 404},
		{"failed", 500},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(code, table[i].code) == 0)
			return table[i].status;
	return 409;
}

/* ---- what the job says --------------------------------------------------------------------------- */

/* A disk_job_fn. */
static void on_line(void *ctx, const struct job_line *line, const char *text, size_t len)
{
	struct disk_answer *answer = ctx;

	if (line->kind == JOB_LINE_PROGRESS) {
		if (len >= PROGRESS_MAX)
			return;
		memcpy(answer->progress, text, len);
		answer->progress[len] = '\n';
		answer->progress_len = len + 1;
		return;
	}
	answer->text = malloc(len + 1);
	answer->lost = !answer->text;
	if (!answer->text)
		return;
	memcpy(answer->text, text, len);
	answer->text[len] = '\n';
	answer->len = len + 1;
}

static void close_answer(void *ctx)
{
	struct disk_answer *answer = ctx;

	disk_ignore(answer->disk, &answer->listener);
	free(answer->text);
	free(answer);
}

/* ---- the two kinds of answers -------------------------------------------------------------------- */

static ssize_t read_lines(void *ctx, char *buffer, size_t size)
{
	struct disk_answer *answer = ctx;
	size_t n = answer->progress_len;

	if (n > 0) {
		memcpy(buffer, answer->progress, n);
		answer->progress_len = 0;
		return (ssize_t)n;
	}
	if (!answer->text)
		return answer->lost ? -ENOMEM : 0;
	n = answer->len - answer->sent;
	if (n > size)
		n = size;
	memcpy(buffer, answer->text + answer->sent, n);
	answer->sent += n;
	return n > 0 ? (ssize_t)n : -ENODATA;
}

static int give_answer(void *ctx, struct http_response *response)
{
	const struct disk_answer *answer = ctx;
	struct job_line line;

	if (!answer->text && !answer->lost)
		return -EAGAIN;
	if (answer->lost || job_line_parse(answer->text, answer->len - 1, &line) < 0)
		http_response_problem(response, 500, "failed", "the answer was lost");
	else if (line.kind == JOB_LINE_ERROR)
		http_response_problem(response, disk_api_status(line.code), line.code,
			line.message);
	else
		*response = (struct http_response){.status = 200,
			.type = "application/json",
			.body = line.object,
			.body_len = line.object_len};
	return 0;
}

static const struct http_stream lines_ops = {
	.read = read_lines, .close = close_answer, .brief = true};
static const struct http_stream answer_ops = {.close = close_answer, .answer = give_answer};

/* ---- requests ------------------------------------------------------------------------------------ */

static void submit(struct disk *disk, const struct disk_request *request, bool progress,
	struct http_response *response)
{
	struct disk_answer *answer = calloc(1, sizeof(*answer));
	int rc = -ENOMEM;

	if (answer) {
		answer->disk = disk;
		answer->listener = (struct disk_job_listener){.fn = on_line, .ctx = answer};
		rc = disk_submit(disk, request, &answer->listener);
	}
	if (rc < 0) {
		free(answer);
		if (rc == -EBUSY)
			http_response_problem(response, 409, "busy",
				"another job runs on the data disk; GET /v1/disk says which");
		else
			http_response_problem(response, 500, "failed",
				"keel-disk could not be started; see keelctl logs keel-agent");
		return;
	}
	*response = (struct http_response){.status = 200,
		.type = progress ? "application/x-ndjson" : "application/json",
		.stream = progress ? &lines_ops : &answer_ops,
		.stream_ctx = answer};
}

/* "progress=0", "progress=1", or nothing. */
static int parse_query(const struct http_request *request, bool *progress)
{
	static const char key[] = "progress=";
	size_t len = sizeof(key) - 1;

	*progress = false;
	if (request->query_len == 0)
		return 0;
	if (request->query_len != len + 1 || memcmp(request->query, key, len) != 0)
		return -EINVAL;
	*progress = request->query[len] == '1';
	return *progress || request->query[len] == '0' ? 0 : -EINVAL;
}

void disk_api_answer(struct disk *disk, const struct http_request *request,
	struct http_response *response)
{
	size_t prefix = strlen(DISK_API_PREFIX);
	struct disk_request wanted;
	enum disk_verb verb;
	const char *why;
	bool progress;

	if (!disk || disk_verb_find(request->path + prefix, request->path_len - prefix, &verb) < 0)
		http_response_problem(response, 503, "disk_unavailable",
			"this agent does not look after the data disk");
	else if (parse_query(request, &progress) < 0)
		http_response_problem(response, 400, "bad_query",
			"the query may have progress=0 or 1");
	else if (disk_request_parse(verb, request->body, request->body_len, &wanted, &why) < 0)
		http_response_problem(response, 400, "bad_body", why);
	else
		submit(disk, &wanted, progress, response);
}
