/* SPDX-License-Identifier: MIT
 *
 * test_disk_words.c - the texts of others that the agent reads about the data disk: the kernel's log, mountinfo, lines of
 * keel-disk, bodies of requests.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/common/job_line.h"
#include "agent/common/kernel_message.h"
#include "agent/common/mount_flags.h"
#include "agent/disk_api.h"
#include "agent/disk_request.h"

/* ---- the kernel's log --------------------------------------------------------------------------- */

static void expect_message(const char *text, enum kernel_message want)
{
	char record[512];
	int len = snprintf(record, sizeof(record), "3,1234,5678901,-;%s\n SUBSYSTEM=scsi\n", text);

	if (kernel_message_judge(record, (size_t)len, "sdb1", "sdb") != want)
		fail_msg("%s", text);
	/* Nobody else's word counts: a process that writes to /dev/kmsg is LOG_USER. */
	memcpy(record, "11,", 3);
	(void)snprintf(record, sizeof(record), "11,1234,5678901,-;%s\n", text);
	assert_int_equal(kernel_message_judge(record, strlen(record), "sdb1", "sdb"),
		KERNEL_MESSAGE_OTHER);
}

static void test_kernel_messages(void **state)
{
	static const struct {
		enum kernel_message verdict;
		const char *text;
	} table[] = {
		{KERNEL_MESSAGE_IO_ERROR,
			"I/O error, dev sdb, sector 2048 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2"},
		{KERNEL_MESSAGE_IO_ERROR,
			"blk_update_request: I/O error, dev sdb, sector 0 op 0x0:(READ)"},
		{KERNEL_MESSAGE_IO_ERROR,
			"critical medium error, dev sdb, sector 9 op 0x0:(READ) flags 0"},
		{KERNEL_MESSAGE_IO_ERROR,
			"critical space allocation error, dev sdb, sector 9 op 0x1:(WRITE)"},
		{KERNEL_MESSAGE_IO_ERROR,
			"Buffer I/O error on dev sdb1, logical block 5, lost async page write"},
		{KERNEL_MESSAGE_IO_ERROR,
			"Buffer I/O error on dev sdb, logical block 5, async page read"},
		{KERNEL_MESSAGE_IO_ERROR, "EXT4-fs (sdb1): I/O error while writing superblock"},
		{KERNEL_MESSAGE_IO_ERROR,
			"EXT4-fs warning (device sdb1): ext4_end_bio:343: I/O error 10 writing to inode 12"},
		{KERNEL_MESSAGE_IO_ERROR,
			"EXT4-fs (sdb1): failed to convert unwritten extents to written extents -- "
			"potential data loss!  (inode 12, error -5)"},
		{KERNEL_MESSAGE_IO_ERROR,
			"EXT4-fs (sdb1): This should not happen!! data will be lost"},
		{KERNEL_MESSAGE_IO_ERROR,
			"JBD2: Detected IO errors 5 while flushing file data on sdb1-8"},
		{KERNEL_MESSAGE_IO_ERROR,
			"JBD2: I/O error when updating journal superblock for sdb1-8."},
		{KERNEL_MESSAGE_FS_ERROR,
			"EXT4-fs error (device sdb1): ext4_lookup:1855: inode #2: comm ls: iget: bad"},
		{KERNEL_MESSAGE_READ_ONLY, "EXT4-fs (sdb1): Remounting filesystem read-only"},
		{KERNEL_MESSAGE_READ_ONLY, "EXT4-fs (sdb1): shut down requested (2)"},
		{KERNEL_MESSAGE_READ_ONLY, "Aborting journal on device sdb1-8."},
		{KERNEL_MESSAGE_MOUNTED,
			"EXT4-fs (sdb1): mounted filesystem 1b4e28ba r/w with ordered data mode."},
		/* Others' disks, and names that only begin like ours. */
		{KERNEL_MESSAGE_OTHER, "I/O error, dev sda, sector 2048 op 0x1:(WRITE)"},
		{KERNEL_MESSAGE_OTHER, "I/O error, dev sdb1, sector 2048 op 0x1:(WRITE)"},
		{KERNEL_MESSAGE_OTHER, "I/O error, dev sdbb, sector 2048 op 0x1:(WRITE)"},
		{KERNEL_MESSAGE_OTHER, "Buffer I/O error on dev sdb12, logical block 5, lost"},
		{KERNEL_MESSAGE_OTHER, "EXT4-fs error (device sdb): ext4_lookup:1: x"},
		{KERNEL_MESSAGE_OTHER, "EXT4-fs error (device sdb11): ext4_lookup:1: x"},
		{KERNEL_MESSAGE_OTHER, "EXT4-fs (sdb2): Remounting filesystem read-only"},
		{KERNEL_MESSAGE_OTHER, "Aborting journal on device sda1-8."},
		{KERNEL_MESSAGE_OTHER, "Aborting journal on device sdb1."},
		{KERNEL_MESSAGE_OTHER,
			"JBD2: I/O error when updating journal superblock for sda1-8."},
		{KERNEL_MESSAGE_OTHER, "JBD2: I/O error"},
		{KERNEL_MESSAGE_OTHER, "JBD2: something about sdb1-8"},
		/* A name that goes on, or is followed by something else than what belongs there. */
		{KERNEL_MESSAGE_OTHER, "I/O error, dev sdb"},
		{KERNEL_MESSAGE_OTHER, "I/O error, dev sdb: sector"},
		{KERNEL_MESSAGE_OTHER, "I/O error, dev sdbZ, sector"},
		{KERNEL_MESSAGE_OTHER, "I/O error, dev sdb_, sector"},
		{KERNEL_MESSAGE_OTHER, "I/O error, dev sdb{, sector"},
		{KERNEL_MESSAGE_OTHER, "EXT4-fs error (device sdb1: x"},
		{KERNEL_MESSAGE_OTHER,
			"JBD2: I/O error when updating journal superblock for sdb1."},
		{KERNEL_MESSAGE_OTHER, "Buffer I/O error on dev sdb1; x"},
		/* Nothing is lost by these. */
		{KERNEL_MESSAGE_OTHER,
			"operation not supported error, dev sdb, sector 8 op 0x3:(DISCARD) flags 0x800"},
		{KERNEL_MESSAGE_OTHER, "I/O error, dev sdb, sector 8 op 0x3:(DISCARD) flags 0x800"},
		{KERNEL_MESSAGE_OTHER, "EXT4-fs (sdb1): re-mounted 1b4e28ba r/w."},
		{KERNEL_MESSAGE_OTHER, "EXT4-fs (sdb1"},
		{KERNEL_MESSAGE_OTHER, "EXT4-fs (sdb1)"},
		{KERNEL_MESSAGE_OTHER, "sd 0:0:0:3: [sdb] Attached SCSI disk"},
		{KERNEL_MESSAGE_OTHER, "x EXT4-fs error (device sdb1): not at its beginning"},
		{KERNEL_MESSAGE_OTHER, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		expect_message(table[i].text, table[i].verdict);
}

static void test_kernel_records_that_are_none(void **state)
{
	static const char *const bad[] = {"", ",1,2,-;EXT4-fs (a): mounted filesystem", "3", "3,",
		"3,1,2,-", ";EXT4-fs (a): mounted filesystem",
		"x3,1,2,-;EXT4-fs (a): mounted filesystem", "3;EXT4-fs (a): mounted filesystem",
		"8,1,2,-;EXT4-fs (a): mounted filesystem",
		"99999999999999999999,1,2,-;EXT4-fs (a): mounted filesystem",
		"3,1,2,-;x\n EXT4-fs (a): mounted filesystem"};
	static const char good[] = "6,1,2,-;EXT4-fs (a): mounted filesystem";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(kernel_message_judge(bad[i], strlen(bad[i]), "a", "a"),
			KERNEL_MESSAGE_OTHER);
	assert_int_equal(kernel_message_judge(good, strlen(good), "a", "a"),
		KERNEL_MESSAGE_MOUNTED);
	assert_int_equal(kernel_message_judge(good, strlen(good), "", ""), KERNEL_MESSAGE_OTHER);
	for (size_t len = 0; len + 1 < sizeof(good) - 1; len++)
		assert_int_equal(kernel_message_judge(good, len, "a", "a"), KERNEL_MESSAGE_OTHER);
}

/* ---- mountinfo ---------------------------------------------------------------------------------- */

static void test_mount_flags(void **state)
{
	static const struct {
		enum mount_flags flags;
		const char *line;
	} table[] = {
		{MOUNT_FLAGS_WRITABLE,
			"36 35 8:16 / /data rw,noatime shared:1 - ext4 /dev/sdb rw,errors=remount-ro\n"},
		{MOUNT_FLAGS_READ_ONLY,
			"36 35 8:16 / /data rw,noatime - ext4 /dev/sdb ro,errors=remount-ro\n"},
		{MOUNT_FLAGS_READ_ONLY, "36 35 8:16 / /data ro,noatime - ext4 /dev/sdb rw"},
		{MOUNT_FLAGS_READ_ONLY,
			"36 35 8:16 / /data rw - ext4 /dev/sdb rw,errors=remount-ro,emergency_ro"},
		{MOUNT_FLAGS_READ_ONLY, "36 35 8:16 / /data rw - ext4 /dev/sdb rw,shutdown,x"},
		{MOUNT_FLAGS_WRITABLE, "36 35 8:16 / /data rw - ext4 /dev/sdb rw,errors=ro"},
		{MOUNT_FLAGS_WRITABLE, "36 35 8:16 / /data"},
		{MOUNT_FLAGS_OTHER, "36 35 8:1 / /data rw - ext4 /dev/sdb ro"},
		{MOUNT_FLAGS_OTHER, "36 35 8:16 /docker /data rw - ext4 /dev/sdb ro"},
		{MOUNT_FLAGS_OTHER, "36 35 8:16 / /data2 rw - ext4 /dev/sdb ro"},
		{MOUNT_FLAGS_OTHER, "36 35"},
		{MOUNT_FLAGS_OTHER, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_int_equal(mount_flags_read(table[i].line, "8:16", "/data"), table[i].flags);
}

/* ---- lines of keel-disk ------------------------------------------------------------------------- */

static int parse_line(const char *text, struct job_line *line)
{
	return job_line_parse(text, strlen(text), line);
}

static void test_job_lines(void **state)
{
	static const char *const bad[] = {"", "x", "[]", "{}", "1", "{\"progress\":1}",
		"{\"result\":[]}", "{\"error\":{}}", "{\"error\":{\"message\":\"no code\"}}",
		"{\"result\":{}", "{\"other\":{}}"};
	struct job_line line;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_line(bad[i], &line), -EPROTO);
	assert_int_equal(parse_line("{\"progress\":{\"step\":\"check\",\"percent\":12.5}}", &line),
		0);
	assert_int_equal(line.kind, JOB_LINE_PROGRESS);
	assert_string_equal(line.step, "check");
	assert_true(line.percent == 12.5);
	assert_int_equal(parse_line("{\"progress\":{\"step\":\"a\\nb\",\"percent\":1e300}}", &line),
		0);
	assert_string_equal(line.step, "a?b");
	assert_true(line.percent == 100);
	assert_int_equal(parse_line("{\"progress\":{\"percent\":-1}}", &line), 0);
	assert_true(line.percent < 0 && line.step[0] == '\0');
	assert_int_equal(parse_line("{\"result\":{\"trimmed_bytes\":7,\"stopped\":\"signal\"}}",
				 &line),
		0);
	assert_int_equal(line.kind, JOB_LINE_RESULT);
	assert_int_equal(line.trimmed_bytes, 7);
	assert_true(line.stopped);
	assert_memory_equal(line.object, "{\"trimmed_bytes\":7,\"stopped\":\"signal\"}",
		line.object_len);
	assert_int_equal(parse_line("{\"result\":{\"stopped\":\"\",\"new_bytes\":9}}", &line), 0);
	assert_true(!line.stopped && line.new_bytes == 9);
	assert_int_equal(parse_line("{\"error\":{\"code\":\"in-use\",\"message\":\"it is\"}}",
				 &line),
		0);
	assert_int_equal(line.kind, JOB_LINE_ERROR);
	assert_string_equal(line.code, "in-use");
	assert_string_equal(line.message, "it is");
}

/* The densest text of the largest size must not need more memory than there is. */
static void test_largest_job_lines(void **state)
{
	static char text[JOB_LINE_MAX + 2];
	struct job_line line;
	int len = snprintf(text, sizeof(text), "{\"result\":{\"a\":[");

	(void)state;
	while (len < JOB_LINE_MAX - 6)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "1,");
	len += snprintf(text + len, sizeof(text) - (size_t)len, "1]}}");
	assert_in_range(len, JOB_LINE_MAX - 3, JOB_LINE_MAX);
	assert_int_equal(job_line_parse(text, (size_t)len, &line), 0);
	assert_true(line.object_len > JOB_LINE_MAX - 32);
	memset(text, ' ', sizeof(text));
	assert_int_equal(job_line_parse(text, JOB_LINE_MAX + 1, &line), -EPROTO);
}

/* ---- requests ----------------------------------------------------------------------------------- */

static int parse_body(enum disk_verb verb, const char *body, struct disk_request *request)
{
	const char *why = NULL;
	int rc = disk_request_parse(verb, body, strlen(body), request, &why);

	assert_non_null(why);
	return rc;
}

static void test_requests(void **state)
{
	static const char *const bad[] = {"x", "[]", "1", "{\"uuid\":1}", "{\"device\":null}",
		"{\"uuid\":\"\"}", "{\"uuid\":\"-x\"}", "{\"uuid\":\"a b\"}",
		"{\"uuid\":\"a\\u0000b\"}", "{\"device\":\"sda\"}", "{\"device\":\"/dev/\"}",
		"{\"device\":\"/dev/../etc\"}", "{\"device\":\"/dev/sda;reboot\"}",
		"{\"device\":\"/dev/s da\"}", "{\"device\":\"/etc/x\"}",
		"{\"device\":\"/dev/a\\u0000b\"}", "{\"force\":\"yes\"}", "{\"uuid\":\"a\"",
		"{\"uuid\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"};
	struct disk_request request;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_body(DISK_VERB_REPAIR, bad[i], &request), -EINVAL);
	assert_int_equal(parse_body(DISK_VERB_REPAIR, "", &request), 0);
	assert_int_equal(parse_body(DISK_VERB_REPAIR, "{}", &request), 0);
	assert_true(request.uuid[0] == '\0' && request.device[0] == '\0');
	assert_int_equal(parse_body(DISK_VERB_TRIM, "{}", &request), 0);
	assert_int_equal(parse_body(DISK_VERB_TRIM, "{\"uuid\":\"a\"}", &request), -EINVAL);
	assert_int_equal(parse_body(DISK_VERB_INIT, "", &request), -EINVAL);
	assert_int_equal(parse_body(DISK_VERB_INIT, "{\"uuid\":\"a\"}", &request), -EINVAL);
	assert_int_equal(parse_body(DISK_VERB_INIT, "{\"device\":\"/dev/sda\"}", &request),
		-EINVAL);
	assert_int_equal(
		parse_body(DISK_VERB_ADOPT,
			"{\"uuid\":\"1b4e28ba-2fa1\",\"device\":\"/dev/disk/by-id/x_1.2\"}",
			&request),
		0);
	assert_string_equal(request.uuid, "1b4e28ba-2fa1");
	assert_string_equal(request.device, "/dev/disk/by-id/x_1.2");
}

static void expect_words(const struct disk_request *request, const char *want)
{
	const char *words[DISK_ARGUMENTS_MAX];
	char text[256] = "";

	disk_request_arguments(request, "p", words);
	for (size_t i = 0; words[i]; i++) {
		assert_true(i < ARRAY_SIZE(words));
		(void)strcat(strcat(text, i ? " " : ""), words[i]);
	}
	assert_string_equal(text, want);
}

static void test_words_for_the_program(void **state)
{
	enum disk_verb verb;

	(void)state;
	expect_words(&(struct disk_request){.verb = DISK_VERB_LIST}, "p list --json");
	expect_words(&(struct disk_request){.verb = DISK_VERB_TRIM, .gentle = true},
		"p trim --json --gentle");
	expect_words(&(struct disk_request){.verb = DISK_VERB_INIT,
			     .uuid = "u",
			     .device = "/dev/d"},
		"p init --json --uuid u /dev/d");
	for (int i = 0; i <= DISK_VERB_ADOPT; i++) {
		const char *word = disk_verb_name((enum disk_verb)i);

		assert_int_equal(disk_verb_find(word, strlen(word), &verb), 0);
		assert_int_equal(verb, i);
		assert_int_equal(disk_verb_find(word, strlen(word) - 1, &verb), -ENOENT);
	}
	assert_int_equal(disk_api_status("busy"), 409);
	assert_int_equal(disk_api_status("usage"), 400);
	assert_int_equal(disk_api_status("not-found"), 404);
	assert_int_equal(disk_api_status("failed"), 500);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_kernel_messages),
	cmocka_unit_test(test_kernel_records_that_are_none),
	cmocka_unit_test(test_mount_flags),
	cmocka_unit_test(test_job_lines),
	cmocka_unit_test(test_largest_job_lines),
	cmocka_unit_test(test_requests),
	cmocka_unit_test(test_words_for_the_program),
};

UNIT_TEST_MAIN(tests)
