/* SPDX-License-Identifier: MIT
 *
 * test_diagnostics.c - the archive: logs and the kernel's messages longer than a member, in whole lines, without secrets; what
 * is missing; pieces of any size give the same. That real tars read it: tests/ns/scenarios_diagnose.py.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/unit/unit_test.h"

#include "agent/common/diagnostics_part.h"

static char directory[] = "/tmp/keel-test-XXXXXX";
static char archive[8 << 20];

static const char *write_document(void *ctx, size_t *len)
{
	static const char text[] = "{\"token\":\"hunter2\"}";

	(void)ctx;
	*len = sizeof(text) - 1;
	return text;
}

static const char *write_nothing(void *ctx, size_t *len)
{
	(void)ctx;
	*len = 0;
	return NULL;
}

static size_t write_events(void *ctx, char *buffer, size_t size)
{
	static const char line[] = "{\"event\":\"x\",\"secret\":\"hunter2\"}\n";

	(void)ctx;
	assert_int_equal(size, DIAGNOSTICS_MEMBER_MAX);
	memcpy(buffer, line, sizeof(line) - 1);
	return sizeof(line) - 1;
}

static int no_kmsg(void)
{
	return -EPERM;
}

/* Numbered lines with a secret in each. */
static void make_log(const char *name, unsigned int first, unsigned int last)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	if (!file)
		return;
	for (unsigned int i = first; i < last; i++)
		(void)fprintf(file, "2026 1.0 line %06u password=hunter2 end\n", i);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(setenv("KEEL_LOG_DIR", directory, 1), 0);
	make_log("big.service.log.1", 0, 20000);
	make_log("big.service.log", 20000, 21000);
	make_log("small.service.log", 0, 3);
	make_log("other", 0, 1);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const files[] = {
		"big.service.log.1", "big.service.log", "small.service.log", "other"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		(void)unlink(path);
	}
	return rmdir(directory);
}

static size_t collect(size_t piece)
{
	static const struct diagnostics_source source = {
		.documents = {{"one.json", write_document}, {"two.json", write_nothing}},
		.open_kmsg = no_kmsg,
		.write_events = write_events,
	};
	struct diagnostics *d;
	size_t len = 0;
	ssize_t n;

	assert_int_equal(diagnostics_open(&source, &d), 0);
	while ((n = diagnostics_read(d, archive + len, piece)) != -ENODATA) {
		assert_true(n > 0 || n == -EAGAIN);
		len += n > 0 ? (size_t)n : 0;
		assert_true(len + piece < sizeof(archive));
	}
	assert_int_equal(n, -ENODATA);
	assert_int_equal(diagnostics_read(d, archive + len, piece), -ENODATA);
	diagnostics_close(d);
	return len;
}

/* A member's text and its length. */
static const char *member(const char *name, size_t *size)
{
	const char *at = archive;

	while (*at) {
		*size = strtoul(at + 124, NULL, 8);
		if (strcmp(at, name) == 0)
			return at + TAR_BLOCK;
		at += TAR_BLOCK + *size + tar_padding(*size);
	}
	fail_msg("no %s", name);
	return NULL;
}

static void whole(void **state)
{
	size_t len = collect(100000), size;
	const char *text, *last = "line 020999 password=*** end\n";

	(void)state;
	assert_int_equal(len % TAR_BLOCK, 0);
	for (size_t i = len - TAR_END; i < len; i++)
		assert_int_equal(archive[i], 0);
	assert_null(memmem(archive, len, "hunter2", 7));
	text = member("keel-diagnostics/one.json", &size);
	assert_memory_equal(text, "{\"token\":\"***\"}\n", size);
	text = member("keel-diagnostics/events.json", &size);
	assert_memory_equal(text, "{\"event\":\"x\",\"secret\":\"***\"}\n", size);
	/* The newest, in whole lines, over both of its files. */
	text = member("keel-diagnostics/logs/big.service.log", &size);
	assert_true(size > DIAGNOSTICS_MEMBER_MAX * 7 / 10 && size <= DIAGNOSTICS_MEMBER_MAX);
	assert_memory_equal(text, "2026 1.0 line 0", 15);
	assert_memory_equal(text + size - strlen(last), last, strlen(last));
	assert_non_null(memmem(text, size, "line 019999 password=*** end\n2026 1.0 line 020000",
		49));
	(void)member("keel-diagnostics/logs/small.service.log", &size);
	assert_int_equal(size, 3 * strlen("2026 1.0 line 000000 password=*** end\n"));
	text = member("keel-diagnostics/MANIFEST.txt", &size);
	assert_non_null(memmem(text, size, "two.json ", 9));
	assert_non_null(memmem(text, size, "missing: No such file or directory", 34));
	assert_non_null(memmem(text, size, "missing: Operation not permitted", 32));
	assert_non_null(memmem(text, size, " bytes, cut\n", 12));
	assert_null(memmem(text, size, "logs/other", 10));
}

static void pieces(void **state)
{
	size_t size;

	(void)state;
	(void)collect(1 << 20);
	(void)member("keel-diagnostics/logs/big.service.log", &size);
	(void)collect(7);
	(void)member("keel-diagnostics/logs/big.service.log", &size);
	(void)member("keel-diagnostics/MANIFEST.txt", &size);
}

static void no_logs(void **state)
{
	const char *text;
	size_t size;

	(void)state;
	assert_int_equal(setenv("KEEL_LOG_DIR", "/nonexistent", 1), 0);
	(void)collect(4096);
	assert_int_equal(setenv("KEEL_LOG_DIR", directory, 1), 0);
	text = member("keel-diagnostics/MANIFEST.txt", &size);
	assert_non_null(memmem(text, size, "\nlogs ", 6));
}

static void kernel_records(void **state)
{
	struct diagnostics *d;
	const char *text, *last = "<4>[    1.000002] last";

	(void)state;
	assert_int_equal(diagnostics_open(&(struct diagnostics_source){0}, &d), 0);
	for (unsigned int i = 0; i < 10000; i++) {
		char record[128];
		int len = snprintf(record, sizeof(record), "30,%u,%u,-;record %06u\n SUBSYSTEM=x\n",
			i, i, i);

		diagnostics_put_record(d, record, (size_t)len);
		assert_true(d->len <= DIAGNOSTICS_MEMBER_MAX);
	}
	diagnostics_put_record(d, "no record", 9);
	diagnostics_put_record(d, "x;y", 3);
	diagnostics_put_record(d, "12,9,1000002,-;last", 19);
	text = d->data + TAR_BLOCK;
	assert_true(d->cut && d->len > DIAGNOSTICS_MEMBER_MAX / 3);
	assert_memory_equal(text, "<6>[    0.00", 12);
	assert_memory_equal(text + d->len - strlen(last) - 1, last, strlen(last));
	assert_null(memmem(text, d->len, "SUBSYSTEM", 9));
	assert_non_null(memmem(text, d->len, "record 009999\n", 14));
	assert_null(memmem(text, d->len, "record 000000\n", 14));
	diagnostics_close(d);
}

#define RECORDS (3 * DIAGNOSTICS_RECORDS + 7)

/* A record each, as /dev/kmsg gives them. */
static int kmsg_pair[2];

static int open_pair(void)
{
	return TAKE_FD(kmsg_pair[0]);
}

/* However long the kernel's log is, no step reads much of it. */
static void kernel_in_steps(void **state)
{
	const struct diagnostics_source source = {.open_kmsg = open_pair};
	unsigned int sent = 0, steps = 0;
	struct diagnostics *d;
	const char *text;
	size_t len = 0, size;
	ssize_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
				 kmsg_pair),
		0);
	assert_int_equal(diagnostics_open(&source, &d), 0);
	do {
		char record[64];

		while (sent < RECORDS) {
			int n_record = snprintf(record, sizeof(record), "6,%u,%u,-;record %06u\n",
				sent, sent, sent);

			if (send(kmsg_pair[1], record, (size_t)n_record, 0) < 0)
				break; /* it holds more than a step takes */
			sent++;
		}
		n = diagnostics_read(d, archive + len, 8192);
		steps += n == -EAGAIN;
		len += n > 0 ? (size_t)n : 0;
	} while (n != -ENODATA);
	assert_int_equal(steps, RECORDS / DIAGNOSTICS_RECORDS);
	text = member("keel-diagnostics/kernel.log", &size);
	assert_memory_equal(text, "<6>[    0.000000] record 000000\n", 32);
	assert_int_equal(size, 32 * RECORDS);
	diagnostics_close(d);
	close_p(&kmsg_pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(pieces),
		cmocka_unit_test(no_logs),
		cmocka_unit_test(kernel_records),
		cmocka_unit_test(kernel_in_steps),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
