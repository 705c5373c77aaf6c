/* SPDX-License-Identifier: MIT
 *
 * test_clock_api.c - bodies of POST /v1/clock, what a PTP device answers, the document, keelctl's page.
 */
#include <errno.h>
#include <linux/ptp_clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "tests/unit/unit_test.h"

#include "agent/clock_body.h"
#include "agent/clock_source.h"
#include "agent/common/document.h"
#include "agent/ctl/clock_view.h"
#include "agent/metrics_clock.h"

/* ---- bodies ------------------------------------------------------------------------------------------ */

static int parse(const char *text, int64_t *realtime, uint64_t *uncertainty)
{
	const char *why = NULL;
	int rc = clock_body_parse(text, strlen(text), realtime, uncertainty, &why);

	if (rc < 0)
		assert_non_null(why);
	return rc;
}

static void test_bodies(void **state)
{
	static const char *const bad[] = {"", "{}", "[]", "1", "null", "{\"realtime_ms\":\"1\"}",
		"{\"realtime_ms\":1,\"realtime_us\":1}", "{\"realtime_ms\":1,\"realtime_ms\":1}",
		"{\"realtime_us\":1.5}", "{\"realtime_us\":9223372036854775808}", "{\"x\":1}",
		"{\"realtime_ms\":1,\"x\":1}", "{\"realtime_ms\":1e13}", "{\"realtime_ms\":-1e13}",
		"{\"realtime_ms\":1e999}", "{\"realtime_ms\":null}", "{\"uncertainty_ms\":1}",
		"{\"realtime_ms\":1,\"uncertainty_ms\":-1}",
		"{\"realtime_ms\":1,\"uncertainty_ms\":60001}",
		"{\"realtime_ms\":1,\"uncertainty_ms\":true}", "{\"realtime_ms\":1} x"};
	int64_t realtime;
	uint64_t uncertainty;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &realtime, &uncertainty), -EINVAL);
	assert_int_equal(parse("{\"realtime_ms\":1780000000123.456}", &realtime, &uncertainty), 0);
	assert_int_equal(realtime, INT64_C(1780000000123456));
	assert_int_equal(uncertainty, 0);
	assert_int_equal(parse("{\"uncertainty_ms\":1.25,\"realtime_us\":1780000000123457}",
				 &realtime, &uncertainty),
		0);
	assert_int_equal(realtime, INT64_C(1780000000123457));
	assert_int_equal(uncertainty, 1250);
	assert_int_equal(parse("{\"realtime_ms\":-1}", &realtime, &uncertainty), 0);
	assert_int_equal(realtime, -1000);
	assert_int_equal(parse("{\"realtime_us\":-1}", &realtime, &uncertainty), 0);
	assert_int_equal(realtime, -1);
	assert_int_equal(parse("{\"realtime_us\":9223372036854775807}", &realtime, &uncertainty),
		0);
	assert_int_equal(realtime, INT64_MAX);
}

/* ---- a PTP device ------------------------------------------------------------------------------------ */

static struct {
	bool precise, extended, plain;
	int64_t ahead_ns, step_ns; /* of our clock, between two readings */
	bool backwards;
} device;

static struct ptp_clock_time at(int64_t ns)
{
	return (struct ptp_clock_time){
		.sec = ns / 1000000000, .nsec = (unsigned int)(ns % 1000000000)};
}

static int fake_ioctl(int fd, unsigned long request, void *argument)
{
	int64_t now = INT64_C(1780000000999999000);

	assert_int_equal(fd, 7);
	errno = EOPNOTSUPP;
	if (request == PTP_SYS_OFFSET_PRECISE && device.precise) {
		struct ptp_sys_offset_precise *both = argument;

		both->sys_realtime = at(now);
		both->device = at(now + device.ahead_ns);
		return 0;
	}
	if (request == PTP_SYS_OFFSET_EXTENDED && device.extended) {
		struct ptp_sys_offset_extended *samples = argument;

		for (unsigned int i = 0; i < samples->n_samples; i++) {
			/* the second one is held up */
			int64_t late = i == 1 ? 0 : 500000;

			samples->ts[i][0] = at(now);
			samples->ts[i][1] = at(now + device.step_ns / 2 + device.ahead_ns);
			now += device.step_ns + late;
			samples->ts[i][2] = at(device.backwards ? now - 1000000000 : now);
		}
		return 0;
	}
	if (request == PTP_SYS_OFFSET && device.plain) {
		struct ptp_sys_offset *samples = argument;

		for (unsigned int i = 0; i < 2 * samples->n_samples + 1; i++) {
			samples->ts[i] = at(now + (i % 2 ? device.ahead_ns : 0));
			now += device.step_ns / 2;
		}
		return 0;
	}
	if (!device.precise && !device.extended && request == PTP_SYS_OFFSET)
		errno = ESTALE;
	return -1;
}

static void expect_offset(int64_t offset, uint64_t uncertainty)
{
	int64_t offset_us;
	uint64_t uncertainty_us;

	assert_int_equal(clock_ptp_measure(7, fake_ioctl, &offset_us, &uncertainty_us), 0);
	assert_int_equal(offset_us, offset);
	assert_int_equal(uncertainty_us, uncertainty);
}

static void test_ptp(void **state)
{
	int64_t offset_us;
	uint64_t uncertainty_us;

	(void)state;
	device.ahead_ns = INT64_C(3600) * 1000000000;
	device.step_ns = 4000;
	device.precise = device.extended = device.plain = true;
	expect_offset(INT64_C(3600000000), 1);
	device.precise = false;
	expect_offset(INT64_C(3600000000), 3);
	device.backwards = true; /* our clock was set in between: another way is taken */
	expect_offset(INT64_C(3600000000), 3);
	device.extended = false;
	device.ahead_ns = -5000;
	expect_offset(-5, 3);
	device.plain = false;
	assert_int_equal(clock_ptp_measure(7, fake_ioctl, &offset_us, &uncertainty_us), -ESTALE);
	device.extended = true;
	assert_true(clock_ptp_measure(7, fake_ioctl, &offset_us, &uncertainty_us) < 0);
	assert_true(clock_ptp_is_hypervisor("hyperv"));
	assert_true(clock_ptp_is_hypervisor("KVM virtual PTP"));
	assert_false(clock_ptp_is_hypervisor("igb"));
	assert_false(clock_ptp_is_hypervisor(""));
}

/* ---- the document and the page -------------------------------------------------------------------------- */

static struct facts facts;

static char *page(const char *json, size_t len)
{
	yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(doc);
	assert_non_null(out);
	clock_view_page(out, yyjson_doc_get_root(doc));
	(void)fclose(out);
	yyjson_doc_free(doc);
	return text;
}

static char *show(void)
{
	size_t len;
	const char *json = document_write_clock(&facts, UINT64_C(1780000000123456),
		UINT64_C(7200000000), &len);

	assert_non_null(json);
	assert_null(memchr(json, '\n', len));
	return page(json, len);
}

static void test_page(void **state)
{
	struct clock_seen *seen = &facts.clock;
	char *text;

	(void)state;
	text = show();
	assert_string_equal(text,
		"Clock       2026-05-28 20:26:40.123 UTC\nUp          2 h 0 min\n");
	free(text);
	*seen = (struct clock_seen){.known = true};
	text = show();
	assert_non_null(strstr(text, "Kept by     nobody (keel may not set it here)\n"));
	assert_non_null(strstr(text, "Offset      not known"));
	free(text);
	*seen = (struct clock_seen){.known = true,
		.may_set = true,
		.manage = CLOCK_MANAGE_YES,
		.source = CLOCK_SOURCE_PTP,
		.source_name = "hyperv",
		.discipline = CLOCK_DISCIPLINE_OTHER,
		.kernel = {.known = true, .synchronised = true, .frequency = 65536},
		.offset_source = CLOCK_SOURCE_PTP,
		.offset_us = -1500,
		.uncertainty_us = 12,
		.offset_at_us = UINT64_C(7199000000),
		.last = {.action = CLOCK_ACTION_STEPPED,
			.reason = CLOCK_REASON_LARGE,
			.source = CLOCK_SOURCE_HOST,
			.offset_us = INT64_C(3600000000),
			.at_us = UINT64_C(3600000000)},
		.sleeps = {.count = 2,
			.total_us = UINT64_C(7200000000),
			.last_us = UINT64_C(3600000000),
			.last_at_us = UINT64_C(3600000000),
			.last_paused = true},
		.jumps = {.count = 1, .last_us = -90000000, .last_at_us = UINT64_C(9999000000)}};
	text = show();
	assert_non_null(strstr(text,
		"Kept by     another time service, compared with hyperv (clock.manage=yes)\n"));
	assert_non_null(strstr(text,
		"Offset      1.500 ms ahead of the ptp, give or take 0.012 ms, 1.0 s ago\n"));
	assert_non_null(strstr(text,
		"Last action stepped, it was 1 h 0 min behind the host, 1 h 0 min ago: the offset"));
	assert_non_null(strstr(text,
		"Sleeps      2, 2 h 0 min in all; the last: paused for 1 h 0 min, 1 h 0 min ago\n"));
	assert_non_null(strstr(text,
		"Set         1 times by somebody else; the last: back by 1 min 30 s"));
	free(text);
}

/* Whatever an agent says, the page is printed. */
static void test_page_of_nonsense(void **state)
{
	static const char *const documents[] = {"{}", "[]", "3", "null",
		"{\"manage\":3,\"offset\":3,\"last\":[],\"sleeps\":\"x\",\"jumps\":{\"count\":-1}}",
		"{\"manage\":\"auto\",\"realtime_ms\":18446744073709551615,\"boottime_ms\":-1e300}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++)
		free(page(documents[i], strlen(documents[i])));
}

/* ---- metrics ----------------------------------------------------------------------------------------- */

static void test_metrics(void **state)
{
	static char buffer[16 * 1024];
	struct metrics_text text = {.buffer = buffer, .size = sizeof(buffer)};
	struct clock_seen seen = {0};

	(void)state;
	metrics_put_clock(&text, &seen);
	assert_int_equal(text.len, 0);
	seen.known = true;
	metrics_put_clock(&text, &seen);
	assert_null(strstr(buffer, "node_timex"));
	assert_null(strstr(buffer, "keel_clock_offset"));
	assert_non_null(strstr(buffer, "keel_clock_source{source=\"none\"} 1\n"));
	text.len = 0;
	seen.source = seen.offset_source = CLOCK_SOURCE_PTP;
	seen.offset_us = -1500000;
	seen.discipline = CLOCK_DISCIPLINE_OTHER;
	seen.kernel = (struct clock_kernel){
		.known = true, .synchronised = true, .max_error_us = 500, .offset_us = -3};
	seen.steps = 7;
	seen.sleeps.total_us = 3600000000U;
	metrics_put_clock(&text, &seen);
	assert_false(text.full);
	assert_non_null(strstr(buffer, "\nnode_timex_sync_status 1\n"));
	assert_non_null(strstr(buffer, "\nnode_timex_offset_seconds -0.000003\n"));
	assert_non_null(strstr(buffer, "\nnode_timex_maxerror_seconds 0.000500\n"));
	assert_non_null(strstr(buffer, "\nkeel_clock_offset_seconds -1.500000\n"));
	assert_non_null(strstr(buffer, "keel_clock_disciplined_by{by=\"other\"} 1\n"));
	assert_non_null(strstr(buffer, "keel_clock_source{source=\"ptp\"} 1\n"));
	assert_non_null(strstr(buffer, "\nkeel_clock_steps_total 7\n"));
	assert_non_null(strstr(buffer, "\nkeel_clock_slept_seconds_total 3600.000000\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_ptp),
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_page_of_nonsense),
		cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
