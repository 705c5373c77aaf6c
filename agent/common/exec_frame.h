/* SPDX-License-Identifier: MIT
 *
 * exec_frame.h - what goes over a connection that POST /v1/exec has upgraded to keel-exec/1 (docs/api.md), both ways: a byte
 * of type, three of length (big-endian), the payload. Pure; fuzzed. Users: agent/exec.c, keelctl shell.
 */
#pragma once

#include "lib/base.h"

#define EXEC_PROTOCOL     "keel-exec/1"
#define EXEC_FRAME_HEADER 4
#define EXEC_PAYLOAD_MAX  (32 * 1024)
#define EXEC_FRAME_MAX    (EXEC_FRAME_HEADER + EXEC_PAYLOAD_MAX)

enum exec_type {
	/* To the guest. */
	EXEC_STDIN = 1,     /* bytes, at least one */
	EXEC_STDIN_END = 2, /* nothing */
	EXEC_RESIZE = 3,    /* rows, columns: two bytes each, big-endian */
	EXEC_SIGNAL = 4,    /* its number on Linux, 1 to 31: to the command's process group */
	/* To the client. */
	EXEC_STDOUT = 16, /* bytes, at least one; with a terminal all that comes out of it */
	EXEC_STDERR = 17,
	EXEC_EXIT = 18,  /* the last: 0 and the exit status, or 1 and the signal that killed it */
	EXEC_TAKEN = 19, /* EXEC_STDIN or EXEC_SIGNAL: one of these frames has been dealt with */
};

struct exec_frame {
	enum exec_type type;
	const unsigned char *payload; /* in the caller's bytes */
	size_t len;
	uint16_t rows, columns; /* RESIZE */
	unsigned int number;    /* SIGNAL; EXIT: status or signal; TAKEN: the frame's type */
	bool killed;            /* EXIT: it was a signal */
};

/* The first frame in the bytes. `to_guest` says which of the two ends reads. 0 and what it takes; -EAGAIN: more bytes are
 * needed, never with EXEC_FRAME_MAX; -EPROTO: no frame that this end may be sent. */
int exec_frame_parse(const unsigned char *data, size_t len, bool to_guest, struct exec_frame *frame,
	size_t *used) MUST_CHECK;
/* The header of a frame whose payload, at most EXEC_PAYLOAD_MAX, follows. */
void exec_frame_put_header(unsigned char *out, enum exec_type type, size_t len);
/* A whole frame that has no bytes of others in it; `first` and `second` are what its type says. Its length. */
#define EXEC_SMALL_MAX (EXEC_FRAME_HEADER + 4)
size_t exec_frame_put(unsigned char out[EXEC_SMALL_MAX], enum exec_type type, unsigned int first,
	unsigned int second);
