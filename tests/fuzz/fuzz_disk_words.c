/* SPDX-License-Identifier: MIT
 *
 * fuzz_disk_words.c - what the agent reads about the data disk and did not write: the kernel's log (device names are in
 * it, and what drivers say), mountinfo, keel-disk's lines (labels of disks are in them), bodies of requests.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/common/facts.h"
#include "agent/common/job_line.h"
#include "agent/common/kernel_message.h"
#include "agent/common/mount_flags.h"
#include "agent/disk_request.h"
#include "tests/fuzz/fuzz.h"

static void check_clean(const char *text, size_t size)
{
	char copy[1024];

	FUZZ_CHECK(strnlen(text, size) < size && size <= sizeof(copy));
	memcpy(copy, text, size);
	text_sanitize(copy);
	FUZZ_CHECK(strcmp(copy, text) == 0);
}

static void try_job_line(const char *text, size_t size)
{
	struct job_line line, again;

	if (job_line_parse(text, size, &line) < 0)
		return;
	check_clean(line.step, sizeof(line.step));
	check_clean(line.code, sizeof(line.code));
	check_clean(line.message, sizeof(line.message));
	FUZZ_CHECK(line.percent <= 100);
	if (line.kind == JOB_LINE_RESULT)
		FUZZ_CHECK(line.object && line.object_len >= 2 && line.object[0] == '{' &&
			   !memchr(line.object, '\n', line.object_len));
	else
		FUZZ_CHECK(job_line_parse(text, size, &again) == 0 && again.kind == line.kind);
}

static void try_request(const char *text, size_t size)
{
	const char *words[DISK_ARGUMENTS_MAX], *why = NULL;
	struct disk_request request;

	for (int verb = DISK_VERB_LIST; verb <= DISK_VERB_ADOPT; verb++) {
		if (disk_request_parse((enum disk_verb)verb, text, size, &request, &why) < 0) {
			FUZZ_CHECK(why != NULL);
			continue;
		}
		FUZZ_CHECK(strnlen(request.uuid, DISK_UUID_MAX) < DISK_UUID_MAX &&
			   request.uuid[0] != '-');
		FUZZ_CHECK(strnlen(request.device, DISK_DEVICE_MAX) < DISK_DEVICE_MAX &&
			   !strstr(request.device, ".."));
		FUZZ_CHECK(request.device[0] == '\0' || strncmp(request.device, "/dev/", 5) == 0);
		if (verb >= DISK_VERB_INIT)
			FUZZ_CHECK(request.uuid[0] && request.device[0]);
		disk_request_arguments(&request, "p", words);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As long as the input, so that the sanitizer sees every byte read beyond it. */
	char *text = malloc(size + 1);
	enum kernel_message message;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	message = kernel_message_judge((const char *)data, size, "sdb1", "sdb");
	FUZZ_CHECK(message <= KERNEL_MESSAGE_READ_ONLY);
	/* A record of another facility than the kernel's is never ours. */
	if (size > 0 && (data[0] < '0' || data[0] > '7'))
		FUZZ_CHECK(message == KERNEL_MESSAGE_OTHER);
	(void)mount_flags_read(text, "8:16", "/data");
	try_job_line(text, size);
	try_request(text, size);
	free(text);
	return 0;
}
