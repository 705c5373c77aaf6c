/* SPDX-License-Identifier: MIT
 *
 * exec_frame.c - see exec_frame.h.
 */
#include "agent/common/exec_frame.h"

static bool is_length(unsigned int type, bool to_guest, size_t len)
{
	switch (type) {
	case EXEC_STDIN:
		return to_guest && len > 0;
	case EXEC_STDIN_END:
		return to_guest && len == 0;
	case EXEC_RESIZE:
		return to_guest && len == 4;
	case EXEC_SIGNAL:
		return to_guest && len == 1;
	case EXEC_STDOUT:
	case EXEC_STDERR:
		return !to_guest && len > 0;
	case EXEC_EXIT:
		return !to_guest && len == 2;
	case EXEC_TAKEN:
		return !to_guest && len == 1;
	default: /* any byte may come */
		return false;
	}
}

int exec_frame_parse(const unsigned char *data, size_t len, bool to_guest, struct exec_frame *frame,
	size_t *used)
{
	const unsigned char *payload = data + EXEC_FRAME_HEADER;
	size_t size;

	if (len < EXEC_FRAME_HEADER)
		return -EAGAIN;
	size = (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];
	if (size > EXEC_PAYLOAD_MAX || !is_length(data[0], to_guest, size))
		return -EPROTO;
	if (len - EXEC_FRAME_HEADER < size)
		return -EAGAIN;
	*frame = (struct exec_frame){
		.type = (enum exec_type)data[0], .payload = payload, .len = size};
	*used = EXEC_FRAME_HEADER + size;
	if (frame->type == EXEC_RESIZE) {
		frame->rows = (uint16_t)(payload[0] << 8 | payload[1]);
		frame->columns = (uint16_t)(payload[2] << 8 | payload[3]);
	} else if (frame->type == EXEC_SIGNAL) {
		frame->number = payload[0];
		if (frame->number < 1 || frame->number > 31)
			return -EPROTO;
	} else if (frame->type == EXEC_EXIT) {
		frame->killed = payload[0] == 1;
		frame->number = payload[1];
		if (payload[0] > 1)
			return -EPROTO;
	} else if (frame->type == EXEC_TAKEN) {
		frame->number = payload[0];
		if (frame->number != EXEC_STDIN && frame->number != EXEC_SIGNAL)
			return -EPROTO;
	}
	return 0;
}

void exec_frame_put_header(unsigned char *out, enum exec_type type, size_t len)
{
	out[0] = (unsigned char)type;
	out[1] = (unsigned char)(len >> 16);
	out[2] = (unsigned char)(len >> 8);
	out[3] = (unsigned char)len;
}

size_t exec_frame_put(unsigned char out[EXEC_SMALL_MAX], enum exec_type type, unsigned int first,
	unsigned int second)
{
	unsigned char *payload = out + EXEC_FRAME_HEADER;
	size_t len = 0;

	if (type == EXEC_RESIZE) {
		payload[len++] = (unsigned char)(first >> 8);
		payload[len++] = (unsigned char)first;
		payload[len++] = (unsigned char)(second >> 8);
		payload[len++] = (unsigned char)second;
	} else if (type == EXEC_SIGNAL || type == EXEC_EXIT || type == EXEC_TAKEN) {
		payload[len++] = (unsigned char)first;
		if (type == EXEC_EXIT)
			payload[len++] = (unsigned char)second;
	}
	exec_frame_put_header(out, type, len);
	return EXEC_FRAME_HEADER + len;
}
