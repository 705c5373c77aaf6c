/* SPDX-License-Identifier: MIT
 *
 * fuzz_oom.c - the kernel's words about a kill for want of memory (names of processes and groups are in them) and dockerd's
 * answer about a container.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/common/kernel_message.h"
#include "agent/memory/container_name.h"
#include "tests/fuzz/fuzz.h"

static void try_record(const char *text, size_t size, const char *base)
{
	struct memory_oom_kill kill;
	enum kernel_oom verdict = kernel_message_oom(text, size, base, &kill);
	size_t id = strnlen(kill.container_id, sizeof(kill.container_id));

	FUZZ_CHECK(verdict <= KERNEL_OOM_KILLED && kill.pid >= 0);
	FUZZ_CHECK(strnlen(kill.process, sizeof(kill.process)) < sizeof(kill.process));
	FUZZ_CHECK(strnlen(kill.group, sizeof(kill.group)) < sizeof(kill.group));
	/* It becomes part of a request. */
	FUZZ_CHECK(id == 0 || (id == 64 && strspn(kill.container_id, "0123456789abcdef") == 64));
	/* A record of another facility than the kernel's is never ours. */
	if (size > 0 && (text[0] < '0' || text[0] > '7'))
		FUZZ_CHECK(verdict == KERNEL_OOM_OTHER);
}

static void try_error(const char *text, size_t size)
{
	struct kernel_error error;
	uint64_t sequence;
	bool known = kernel_message_sequence(text, size, &sequence);

	if (!kernel_message_error(text, size, &error))
		return;
	FUZZ_CHECK(known && size > 0 && text[0] >= '0' && text[0] <= '3');
	FUZZ_CHECK(kernel_error_level_name(error.level)[0] != '\0');
	FUZZ_CHECK(strnlen(error.text, sizeof(error.text)) < sizeof(error.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As long as the input, so that the sanitizer sees every byte read beyond it. */
	char *text = malloc(size ? size : 1), name[CONTAINER_NAME_MAX];

	if (!text)
		return 0;
	memcpy(text, data, size);
	try_record(text, size, "");
	try_record(text, size, "/wsl-user/b");
	try_error(text, size);
	(void)!container_name_parse(text, size, name, sizeof(name));
	FUZZ_CHECK(strnlen(name, sizeof(name)) < sizeof(name) && name[0] != '\n');
	free(text);
	return 0;
}
