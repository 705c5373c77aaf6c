/* SPDX-License-Identifier: MIT
 *
 * fuzz_http_answer.c - what dockerd (or whatever sits on its socket) and an agent can answer: the reading of a
 * ping's answer, keelctl's client, and the pages that it makes of a document.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ctl/http_client.h"
#include "agent/ctl/view.h"
#include "agent/engine_probe.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct view_style styles[] = {{.colour = true}, {.brief = true, .width = 40}};
	static const struct view_notes notes[] = {{0}, {.agent = "a", .network = "n"}};
	static FILE *sink;
	char *copy = malloc(size + 1);
	const char *body;
	struct engine_detail detail;
	size_t body_len;
	int status, rc;

	if (!sink)
		sink = fopen("/dev/null", "w");
	FUZZ_CHECK(copy && sink);
	memcpy(copy, data, size);
	rc = engine_parse_answer(copy, size, &status, &detail);
	FUZZ_CHECK(rc < 0 || (rc == 0 && status == 200));
	FUZZ_CHECK(memchr(detail.api_version, '\0', sizeof(detail.api_version)));
	FUZZ_CHECK(memchr(detail.version, '\0', sizeof(detail.version)));
	for (int closed = 0; closed < 2; closed++) {
		rc = http_client_parse(copy, size, closed != 0, &status, &body, &body_len);
		FUZZ_CHECK(rc <= 0 && !(closed && rc == -EAGAIN));
		FUZZ_CHECK(rc != 0 || (body >= copy && body + body_len <= copy + size));
		if (rc == 0) {
			(void)!view_print_status(sink, body, body_len, &styles[closed],
				&notes[closed]);
			(void)!view_print_services(sink, body, body_len, false);
		}
	}
	free(copy);
	return 0;
}
