/* SPDX-License-Identifier: MIT
 *
 * fuzz_notify.c - sd_notify datagrams: whatever a program in a service's cgroup sends, what reaches a
 * record is UTF-8 without control characters.
 */
#include <stdlib.h>
#include <string.h>

#include "init/notify.h"
#include "init/text.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct notify_message message;
	char text[sizeof(message.status)], again[sizeof(message.status)];
	char *datagram = malloc(size);

	memcpy(datagram, data, size);
	notify_parse(datagram, size, &message);
	free(datagram);
	FUZZ_CHECK(strnlen(message.status, sizeof(message.status)) < sizeof(message.status));
	if (message.ready)
		FUZZ_CHECK(size >= 7);
	text_copy(text, sizeof(text), message.status);
	FUZZ_CHECK(strlen(text) == strlen(message.status));
	for (const char *p = text; *p; p++)
		FUZZ_CHECK((unsigned char)*p >= 0x20 && *p != 0x7f);
	/* What is clean stays as it is. */
	text_copy(again, sizeof(again), text);
	FUZZ_CHECK(strcmp(again, text) == 0);
	return 0;
}
