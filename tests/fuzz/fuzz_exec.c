/* SPDX-License-Identifier: MIT
 *
 * fuzz_exec.c - what a client sends for a session: frames (both ends), bodies of POST /v1/exec. The first byte says which.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/common/exec_frame.h"
#include "agent/exec_body.h"
#include "tests/fuzz/fuzz.h"

/* As agent and keelctl take a stream apart: each frame is within the bytes, a full buffer has one or is refused. */
static void try_frames(const unsigned char *data, size_t size, bool to_guest)
{
	struct exec_frame frame;
	size_t at = 0, used = 0;
	int rc;

	while ((rc = exec_frame_parse(data + at, size - at, to_guest, &frame, &used)) == 0) {
		FUZZ_CHECK(used >= EXEC_FRAME_HEADER && used <= EXEC_FRAME_MAX &&
			   used <= size - at);
		FUZZ_CHECK(frame.payload == data + at + EXEC_FRAME_HEADER &&
			   frame.len == used - EXEC_FRAME_HEADER);
		FUZZ_CHECK((frame.type < EXEC_STDOUT) == to_guest);
		if (frame.type == EXEC_RESIZE || frame.type == EXEC_SIGNAL ||
			frame.type == EXEC_EXIT || frame.type == EXEC_STDIN_END ||
			frame.type == EXEC_TAKEN) {
			unsigned char again[EXEC_SMALL_MAX];
			unsigned int first = frame.type == EXEC_RESIZE ? frame.rows
					     : frame.type == EXEC_EXIT ? frame.killed
								       : frame.number;
			unsigned int second =
				frame.type == EXEC_RESIZE ? frame.columns : frame.number;

			FUZZ_CHECK(exec_frame_put(again, frame.type, first, second) == used);
			FUZZ_CHECK(memcmp(again, data + at, used) == 0);
		}
		at += used;
	}
	FUZZ_CHECK(rc == -EPROTO || (rc == -EAGAIN && size - at < EXEC_FRAME_MAX));
}

static void try_body(const char *data, size_t size)
{
	static struct runner_session_request request;
	const char *wrong = NULL;

	if (exec_body_parse(data, size, &request, &wrong) == 0) {
		FUZZ_CHECK(request.words_len > 1 && request.words_len <= RUNNER_WORDS_MAX);
		FUZZ_CHECK(request.words[0] && request.words[request.words_len - 1] == '\0');
		FUZZ_CHECK(request.rows > 0 && request.columns > 0);
	}
	FUZZ_CHECK(wrong);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *copy;

	if (size < 1)
		return 0;
	/* An exact copy: a byte too far is seen. */
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	if (data[0] % 3 == 2)
		try_body((const char *)copy, size - 1);
	else
		try_frames(copy, size - 1, data[0] % 3 == 0);
	free(copy);
	return 0;
}
