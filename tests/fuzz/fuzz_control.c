/* SPDX-License-Identifier: MIT
 *
 * fuzz_control.c - the frames of lib/control.h. What is called valid must be safe to use: each of its
 * strings is read to its end from a block of exactly the frame's size.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/control.h"
#include "tests/fuzz/fuzz.h"

static size_t total;

static void use(const char *text, size_t size)
{
	size_t len = strlen(text);

	FUZZ_CHECK(len < size);
	total += len;
}

#define USE(array) use((array), sizeof(array))

static void use_disk(const struct control_disk *disk)
{
	USE(disk->device);
	USE(disk->uuid);
	USE(disk->label);
	USE(disk->mountpoint);
	USE(disk->reason);
	total += strlen(disk_state_name(disk->state));
}

static void use_record(const struct control_record *record)
{
	switch ((enum control_record_type)record->type) {
	case CONTROL_RECORD_RESULT:
	case CONTROL_RECORD_END:
		break;
	case CONTROL_RECORD_BOOT:
		USE(record->boot.reason);
		total += strlen(boot_state_name(record->boot.state)) +
			 strlen(boot_mode_name(record->boot.mode));
		break;
	case CONTROL_RECORD_STAGE:
		FUZZ_CHECK(record->index < CONTROL_STAGES_MAX);
		USE(record->stage.name);
		USE(record->stage.reason);
		total += strlen(stage_state_name(record->stage.state));
		break;
	case CONTROL_RECORD_SERVICE:
		FUZZ_CHECK(record->index < CONTROL_SERVICES_MAX);
		USE(record->service.name);
		USE(record->service.reason);
		USE(record->service.status);
		total += strlen(service_state_name(record->service.state));
		break;
	case CONTROL_RECORD_DISK:
		use_disk(&record->disk);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A receiver has a whole frame's room, whatever came. The first byte chooses how well-formed the
	 * head is made, so that the fuzzer need not guess the magic. */
	struct control_record *record = calloc(1, sizeof(*record));
	struct control_request *request = calloc(1, sizeof(*request));
	struct stage_report *report = calloc(1, sizeof(*report));
	bool head = size > 0 && data[0] & 1;

	memcpy(record, data, size < sizeof(*record) ? size : sizeof(*record));
	memcpy(request, data, size < sizeof(*request) ? size : sizeof(*request));
	memcpy(report, data, size < sizeof(*report) ? size : sizeof(*report));
	if (head) {
		record->magic = request->magic = report->magic = CONTROL_MAGIC;
		record->version = request->version = report->version = CONTROL_VERSION;
	}
	if (control_record_valid(record, head ? sizeof(*record) : size))
		use_record(record);
	if (control_request_valid(request, head ? sizeof(*request) : size))
		USE(request->unit);
	if (stage_report_valid(report, head ? sizeof(*report) : size)) {
		USE(report->reason);
		FUZZ_CHECK(stage_state_name(report->state)[0] != '?');
		if (report->has_disk)
			use_disk(&report->disk);
	}
	free(record);
	free(request);
	free(report);
	return 0;
}
