/* SPDX-License-Identifier: MIT
 *
 * grpc_health.c - see grpc_health.h. Pure; an answer is read from its beginning each time, there is no state.
 */
#include "agent/common/grpc_health.h"

#include <assert.h>

/* RFC 9113, 6: frame types and flags. */
#define FRAME_DATA       0x0
#define FRAME_HEADERS    0x1
#define FRAME_RST_STREAM 0x3
#define FRAME_SETTINGS   0x4
#define FRAME_GOAWAY     0x7
#define FLAG_END_STREAM  0x1
#define FLAG_PADDED      0x8
#define FRAME_HEADER     9
/* SETTINGS_MAX_FRAME_SIZE unless we ask for another (6.5.2). */
#define FRAME_MAX 16384

/* Compressed flag and length before each gRPC message. */
#define MESSAGE_PREFIX 5
#define STREAM         1

#define PREFACE  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\x04\0\0\0\0\0"
/* RFC 7541, appendix A: 0x83 is ":method: POST", 0x86 ":scheme: http"; 0x04, 0x01 and 0x0f 0x10 name ":path",
 * ":authority" and "content-type"; 0x00 brings its own name. Each value after its length. */
#define HEADERS                        \
	"\x83\x86"                     \
	"\x04\x1c"                     \
	"/grpc.health.v1.Health/Check" \
	"\x01\x09"                     \
	"localhost"                    \
	"\x0f\x10\x10"                 \
	"application/grpc"             \
	"\x00\x02"                     \
	"te"                           \
	"\x08"                         \
	"trailers"
/* END_HEADERS, stream 1. */
#define HEADERS_FRAME "\0\0\x4b\x01\x04\0\0\0\x01" HEADERS
/* END_STREAM, stream 1: an empty message (the service named "" is the server as a whole). */
#define DATA_FRAME "\0\0\x05\0\x01\0\0\0\x01\0\0\0\0\0"

static_assert(sizeof(HEADERS) - 1 == 0x4b, "the length in the HEADERS frame");

static const char request[] = PREFACE SETTINGS HEADERS_FRAME DATA_FRAME;

const char *grpc_health_request(size_t *len)
{
	*len = sizeof(request) - 1;
	return request;
}

struct frame {
	size_t len;
	uint8_t type, flags;
	uint32_t stream;
	const uint8_t *payload;
};

static uint32_t read_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The frame at `bytes`: 0, -EAGAIN or -EPROTO. */
static int read_frame(const uint8_t *bytes, size_t len, struct frame *frame)
{
	if (len < FRAME_HEADER)
		return -EAGAIN;
	*frame = (struct frame){.len = read_be32(bytes) >> 8,
		.type = bytes[3],
		.flags = bytes[4],
		.stream = read_be32(bytes + 5) & INT32_MAX,
		.payload = bytes + FRAME_HEADER};
	if (frame->len > FRAME_MAX)
		return -EPROTO;
	return len - FRAME_HEADER < frame->len ? -EAGAIN : 0;
}

/* Takes the padding off a DATA frame (6.1). */
static int strip_padding(struct frame *frame)
{
	size_t padding;

	if (!(frame->flags & FLAG_PADDED))
		return 0;
	if (frame->len == 0)
		return -EPROTO;
	padding = frame->payload[0];
	if (padding >= frame->len)
		return -EPROTO;
	frame->payload++;
	frame->len -= padding + 1;
	return 0;
}

/* HealthCheckResponse: nothing (status UNKNOWN, 0), or field 1 as a varint of one byte. */
static int read_message(const struct frame *frame, unsigned int *status)
{
	const uint8_t *p = frame->payload;

	if (frame->len < MESSAGE_PREFIX || p[0] != 0 ||
		read_be32(p + 1) != frame->len - MESSAGE_PREFIX)
		return -EPROTO;
	*status = 0;
	if (frame->len == MESSAGE_PREFIX + 2 && p[MESSAGE_PREFIX] == 0x08 &&
		p[MESSAGE_PREFIX + 1] < 0x80)
		*status = p[MESSAGE_PREFIX + 1];
	else if (frame->len != MESSAGE_PREFIX)
		return -EPROTO;
	return *status == GRPC_HEALTH_SERVING ? 0 : -EREMOTEIO;
}

/* What one frame means: 0 or another verdict, -EAGAIN: nothing yet. */
static int judge(struct frame *frame, unsigned int *status)
{
	int rc;

	if (frame->type == FRAME_GOAWAY && frame->stream == 0)
		return -EPROTO;
	if (frame->stream != STREAM)
		return -EAGAIN;
	switch (frame->type) {
	case FRAME_HEADERS: /* without a message before its end: an error */
		return frame->flags & FLAG_END_STREAM ? -EOPNOTSUPP : -EAGAIN;
	case FRAME_RST_STREAM:
		return -EPROTO;
	case FRAME_DATA:
		rc = strip_padding(frame);
		if (rc < 0)
			return rc;
		return frame->len == 0 ? -EAGAIN : read_message(frame, status);
	default:
		return -EAGAIN;
	}
}

int grpc_health_parse(const uint8_t *bytes, size_t len, unsigned int *status)
{
	struct frame frame;
	bool first = true;
	int rc;

	*status = 0;
	while ((rc = read_frame(bytes, len, &frame)) == 0) {
		/* 3.4: a server's first frame is its SETTINGS. */
		if (first && (frame.type != FRAME_SETTINGS || frame.stream != 0))
			return -EPROTO;
		first = false;
		bytes += FRAME_HEADER + frame.len;
		len -= FRAME_HEADER + frame.len;
		rc = judge(&frame, status);
		if (rc != -EAGAIN)
			return rc;
	}
	return rc;
}
