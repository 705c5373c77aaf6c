/* SPDX-License-Identifier: MIT
 *
 * fuzz_health.c - any records, valid by control.h, and any kernel check: facts, verdict and documents must
 * come out whole, as JSON, on one line.
 *
 * Input: the number of records (a byte), the records (cut short: zeroes), then the kernel check's text.
 */
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "agent/common/document.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/component_promises.h"

static void check_document(const char *text, size_t len)
{
	yyjson_doc *doc;

	FUZZ_CHECK(text && !memchr(text, '\n', len));
	doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
	FUZZ_CHECK(doc);
	yyjson_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct facts facts;
	static struct system_facts system;
	struct health health;
	const char *text;
	size_t len, count;

	if (size < 1)
		return 0;
	memset(&facts, 0, sizeof(facts));
	memset(&system, 0, sizeof(system));
	facts.link = (enum facts_link)(data[0] >> 6 & 1);
	count = data[0] & 15;
	data++;
	size--;
	while (count-- > 0 && size > 0) {
		struct control_record record = {0};
		size_t part = size < sizeof(record) ? size : sizeof(record);

		memcpy(&record, data, part);
		data += part;
		size -= part;
		record.magic = CONTROL_MAGIC;
		record.version = CONTROL_VERSION;
		if (control_record_valid(&record, sizeof(record)))
			facts_apply_record(&facts, &record);
	}
	len = size < SYSTEM_KERNEL_CHECK_MAX ? size : SYSTEM_KERNEL_CHECK_MAX;
	memcpy(system.kernel_check, data, len);
	system.kernel_check_len = len;
	health_judge(&facts, &health);
	FUZZ_CHECK(!health.ready || health.status == HEALTH_STATUS_READY ||
		   health.status == HEALTH_STATUS_DEGRADED);
	FUZZ_CHECK(!component_broken_promise(&facts));
	FUZZ_CHECK(memchr(health.reason, '\0', sizeof(health.reason)));
	text = document_write_report_health(&facts, &health, &system, &len);
	check_document(text, len);
	text = document_write_services(&facts, &len);
	check_document(text, len);
	return 0;
}
