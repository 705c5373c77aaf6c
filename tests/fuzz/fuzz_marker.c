/* SPDX-License-Identifier: MIT
 *
 * fuzz_marker.c - the marker of an untrusted disk, and the format record. Input: the file's bytes.
 */
#include <string.h>

#include "init/disk/format_intent.h"
#include "init/disk/marker.h"
#include "tests/fuzz/fuzz.h"

/* What was accepted can be written, and is then the same. */
static void check_round_trip(const struct marker *marker)
{
	char text[MARKER_BYTES_MAX];
	struct marker again;
	ssize_t len = marker_format(marker, text);

	FUZZ_CHECK(len > 0 && len < MARKER_BYTES_MAX);
	FUZZ_CHECK(marker_parse(text, (size_t)len, &again) == 0);
	FUZZ_CHECK(again.schema == marker->schema && again.made_s == marker->made_s &&
		   strcmp(again.uuid, marker->uuid) == 0 && strcmp(again.by, marker->by) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char record[FORMAT_INTENT_BYTES] = {0};
	struct format_intent intent;
	struct marker marker;
	int rc = marker_parse((const char *)data, size, &marker);

	FUZZ_CHECK(rc == 0 || rc == -EINVAL || rc == -ENOTSUP);
	FUZZ_CHECK(rc != -ENOTSUP || marker.schema > MARKER_SCHEMA);
	if (rc == 0)
		check_round_trip(&marker);
	memcpy(record, data, size < sizeof(record) ? size : sizeof(record));
	FUZZ_CHECK(!format_intent_decode(record, 1 << 30, &intent) ||
		   uuid_text_valid(intent.uuid, strlen(intent.uuid), NULL));
	return 0;
}
