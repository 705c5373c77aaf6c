/* SPDX-License-Identifier: MIT
 *
 * engine_probe.h - one question to one daemon: connect, ask, read the answer, all before one deadline; never
 * blocking. Caller: engine.c. dockerd is asked through the proxy, as the host asks it (`dial`).
 */
#pragma once

#include "agent/common/transport.h"
#include "lib/base.h"
#include "lib/loop.h"

/* A loaded machine may keep a daemon busy for seconds; one that does not answer for this long is of no use
 * to anybody. */
#define ENGINE_DEADLINE_MS 10000
#define ENGINE_ANSWER_MAX  2048

/* What an answer tells beside that the daemon is well; "": nothing. */
struct engine_detail {
	char api_version[16];
	char version[32]; /* dockerd's own, of its header "Server: Docker/26.1.5 (linux)" */
};

/* What is asked, and how the answer is read. */
struct engine_question {
	const char *(*request)(size_t *len);
	const char *silence; /* what is missing at the deadline: "no answer to a ping" */
	/* 0 (well; `detail` may be filled in), -EAGAIN (incomplete), or another -errno and a reason. */
	int (*read)(const char *answer, size_t len, struct engine_detail *detail, char *reason,
		size_t reason_size);
};

extern const struct engine_question engine_question_dockerd;    /* GET /_ping; with details */
extern const struct engine_question engine_question_containerd; /* grpc.health.v1.Health/Check */

/* `error` 0: the daemon is well, and `detail` is there. Else `reason` says what went wrong. The probe is free for reuse. */
typedef void engine_probe_fn(void *ctx, int error, const struct engine_detail *detail,
	const char *reason);

/* Makes the connection: 0 and a non-blocking *fd, or -errno. */
typedef int engine_dial_fn(void *ctx, int *fd);

struct engine_probe {
	struct loop *loop;
	struct address address;
	engine_dial_fn
		*dial; /* instead of a connection to the address; NULL after engine_probe_init */
	void *dial_ctx;
	const struct engine_question *question;
	unsigned int deadline_ms;
	bool busy;
	struct transport transport;
	struct loop_source source;
	struct loop_timer deadline;
	int fd;
	char answer[ENGINE_ANSWER_MAX];
	size_t answer_len;
	engine_probe_fn *fn;
	void *ctx;
};

void engine_probe_init(struct engine_probe *probe, struct loop *loop, const struct address *address,
	const struct engine_question *question, unsigned int deadline_ms, engine_probe_fn *fn,
	void *ctx);
/* Nothing may be under way. The answer may come before this returns. */
void engine_probe_start(struct engine_probe *probe);
/* Gives up without an answer; nothing happens if none is under way. */
void engine_probe_cancel(struct engine_probe *probe);

/* Pure: reads a complete or incomplete answer to the ping. Returns 0 (the engine is well; the versions,
 * if told, are in `detail`), -EAGAIN (incomplete), -EPROTO (not HTTP), or -EREMOTEIO with the HTTP status
 * in *status. */
int engine_parse_answer(const char *text, size_t len, int *status,
	struct engine_detail *detail) MUST_CHECK;
