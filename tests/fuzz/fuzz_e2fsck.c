/* SPDX-License-Identifier: MIT
 *
 * fuzz_e2fsck.c - what e2fsck, which has just read an untrusted disk, writes to its progress descriptor, and how it ends.
 * Input: the first byte says in which pieces the rest arrives; four more are an exit status.
 */
#include <string.h>

#include "init/disk/e2fsck.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct e2fsck_progress whole = {0}, pieces = {0};
	size_t piece, at = 5;
	int status;

	if (size < at)
		return 0;
	piece = data[0] + 1U;
	memcpy(&status, data + 1, sizeof(status));
	/* Only two ends let a file system be mounted. */
	FUZZ_CHECK((e2fsck_judge(status) == DISK_CHECK_PASSED) == (status == 0 || status == 1));
	(void)e2fsck_progress_feed(&whole, (const char *)data + at, size - at);
	while (at < size) {
		const size_t len = size - at < piece ? size - at : piece;
		const unsigned int before = pieces.permille;
		const bool grown = e2fsck_progress_feed(&pieces, (const char *)data + at, len);

		FUZZ_CHECK(grown == (pieces.permille > before));
		FUZZ_CHECK(pieces.permille <= 1000 && pieces.permille >= before);
		FUZZ_CHECK(pieces.len <= sizeof(pieces.line));
		at += len;
	}
	FUZZ_CHECK(whole.permille == pieces.permille && whole.len == pieces.len);
	return 0;
}
