/* SPDX-License-Identifier: MIT
 *
 * fuzz_grpc_health.c - what whoever sits on containerd's socket can answer, whole and in pieces: a verdict
 * that is there stays the same when more bytes come. And the kernel's pressure and control group texts.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/common/grpc_health.h"
#include "agent/common/pressure.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int status, part_status;
	char *text = malloc(size + 1), group[64];
	int whole, rc;

	FUZZ_CHECK(text);
	/* An allocation of its own: what is read past the end is seen. */
	memcpy(text, data, size);
	text[size] = '\0';
	whole = grpc_health_parse((const uint8_t *)text, size, &status);
	FUZZ_CHECK(whole == 0 || whole == -EAGAIN || whole == -EPROTO || whole == -EREMOTEIO ||
		   whole == -EOPNOTSUPP);
	FUZZ_CHECK((whole == 0) == (status == GRPC_HEALTH_SERVING) && status < 128);
	for (size_t len = 0; len < size && len < 512; len++) {
		uint8_t *part = malloc(len ? len : 1);

		FUZZ_CHECK(part);
		memcpy(part, data, len);
		rc = grpc_health_parse(part, len, &part_status);
		free(part);
		FUZZ_CHECK(rc == -EAGAIN || (rc == whole && part_status == status));
	}
	rc = pressure_find_group(text, group, sizeof(group));
	FUZZ_CHECK(rc < 0 || (group[0] == '/' && memchr(group, '\0', sizeof(group))));
	free(text);
	return 0;
}
