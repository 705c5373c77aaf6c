/* SPDX-License-Identifier: MIT
 *
 * fuzz_vmm_address.c - what a host may write into the firmware's table and the command line to say where it listens. The
 * first byte is which of them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/vmm_address.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_address address;
	char value[VMM_VALUE_MAX];
	uint8_t *copy;
	int rc;

	if (size == 0)
		return 0;
	copy = malloc(size);
	FUZZ_CHECK(copy);
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		rc = vmm_address_from_smbios(copy, size - 1, value);
	else
		rc = vmm_address_from_cmdline((const char *)copy, size - 1, value);
	free(copy);
	FUZZ_CHECK(rc == 0 || rc == -ENOENT || rc == -EINVAL);
	FUZZ_CHECK(rc != -EINVAL || value[0] == '\0');
	if (rc < 0)
		return 0;
	FUZZ_CHECK(memchr(value, '\0', sizeof(value)));
	rc = vmm_address_parse(value, &address);
	FUZZ_CHECK(rc == 0 || rc == -EINVAL);
	FUZZ_CHECK((rc == 0) == (address.family == AF_UNIX || address.family == AF_VSOCK));
	FUZZ_CHECK(memchr(address.path, '\0', sizeof(address.path)));
	return 0;
}
