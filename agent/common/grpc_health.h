/* SPDX-License-Identifier: MIT
 *
 * grpc_health.h - one call of grpc.health.v1.Health/Check as bytes: what to send, what an answer means.
 * Caller: agent/engine.c, which asks containerd.
 *
 * One unary call needs no HTTP/2 engine: what is sent is a constant, of the answer only the frames of
 * stream 1 matter. Header blocks are skipped, not decoded (HPACK's dynamic table would have to be kept): the
 * message itself says how containerd is. ARCHITECTURE.md has the figures behind the choice.
 *
 * Sources: RFC 9113 (frames), RFC 7541 (header literals), gRPC over HTTP/2 (length-prefixed messages),
 * the gRPC health checking protocol (HealthCheckResponse.status is field 1).
 */
#pragma once

#include "lib/base.h"

/* The whole request: preface, SETTINGS, HEADERS, DATA. Constant. */
const char *grpc_health_request(size_t *len);

/* HealthCheckResponse.ServingStatus */
#define GRPC_HEALTH_SERVING 1

/* Pure: reads the answer's first `len` bytes. 0 (it serves), -EAGAIN (incomplete), -EOPNOTSUPP (the call was
 * answered without a message: the server lives and has no health service), -EREMOTEIO (it answered
 * with another status, in *status), -EPROTO (that is not gRPC). */
int grpc_health_parse(const uint8_t *bytes, size_t len, unsigned int *status) MUST_CHECK;
