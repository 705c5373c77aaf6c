/* SPDX-License-Identifier: MIT
 *
 * api.h - the routes of the agent's HTTP API; docs/api.md is the contract with clients.
 */
#pragma once

#include "agent/clock_keeper.h"
#include "agent/common/facts.h"
#include "agent/disk.h"
#include "agent/events.h"
#include "agent/exec.h"
#include "agent/http.h"
#include "agent/log_stream.h"
#include "agent/memory/memory.h"
#include "agent/metrics.h"
#include "lib/base.h"
#include "lib/control.h"

/* Passes a verb on to PID 1: 0 when it was sent, -errno. */
typedef int api_command_fn(void *ctx, enum control_verb verb);

/* An answer that tells of health is about to be written: what it tells is to be as fresh as can be without waiting. */
typedef void api_health_fn(void *ctx);

struct api {
	const struct facts *facts;
	api_command_fn *command;
	api_health_fn *health;      /* NULL: the facts are what they are */
	struct log_streams *logs;   /* NULL: there are none */
	struct disk *disk;          /* NULL: no jobs */
	struct memory *memory;      /* NULL: nobody looks after it */
	struct clock_keeper *clock; /* NULL: nobody looks after it */
	struct events *events;
	const struct metrics_sources *metrics;
	struct http_server *http;       /* the one that is served; with `memory` */
	struct exec_sessions *sessions; /* NULL: not allowed */
	void *ctx;
};

/* An http_handler_fn; ctx is a struct api. */
void api_handle_request(void *ctx, const struct http_request *request,
	struct http_response *response);
