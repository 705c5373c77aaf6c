/* SPDX-License-Identifier: MIT
 *
 * test_disk_probe.c - what is found on a disk: the proof of blankness on sparse files, and the two
 * parsers of kernel text, mountinfo lines and uevents.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "init/disk/disk_probe.h"
#include "init/disk/mount_table.h"
#include "lib/netlink/uevent.h"

#define MIB (UINT64_C(1) << 20)

/* A sparse file of `size` bytes with one byte of 1 at `dirty` (none if it is not inside). */
static int make_file(char *path, uint64_t size, uint64_t dirty)
{
	int fd;

	(void)snprintf(path, 64, "/tmp/keel-test-blank-XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (dirty < size)
		assert_int_equal(pwrite(fd, "\1", 1, (off_t)dirty), 1);
	assert_int_equal(fsync(fd), 0);
	return close(fd);
}

static enum disk_blank probe_file(uint64_t size, uint64_t dirty)
{
	enum disk_blank blank;
	char path[64];

	assert_int_equal(make_file(path, size, dirty), 0);
	blank = disk_probe_blank(path, size);
	(void)unlink(path);
	return blank;
}

static void test_zero_is_blank(void **state)
{
	(void)state;
	assert_int_equal(probe_file(64 * MIB, UINT64_MAX), DISK_BLANK_ZERO);
	assert_int_equal(probe_file(300 * MIB, UINT64_MAX), DISK_BLANK_ZERO);
}

static void test_one_byte_is_enough(void **state)
{
	const uint64_t small = 64 * MIB, large = 300 * MIB;
	const uint64_t large_dirty[] = {
		0, 1080, 16 * MIB - 1, 16 * MIB, large - 16 * MIB, large - 1};

	(void)state;
	/* As small as that, every byte is read. */
	for (uint64_t dirty = 0; dirty < small; dirty += 7 * MIB - 1)
		assert_int_equal(probe_file(small, dirty), DISK_BLANK_NOT_ZERO);
	for (size_t i = 0; i < sizeof(large_dirty) / sizeof(large_dirty[0]); i++)
		assert_int_equal(probe_file(large, large_dirty[i]), DISK_BLANK_NOT_ZERO);
}

static void test_samples_cover_the_middle(void **state)
{
	const uint64_t size = 300 * MIB;
	unsigned int found = 0;

	(void)state;
	/* 64 of the 268 MiB between the edges are read: a run of 5 MiB cannot hide between two
	 * samples. */
	for (uint64_t start = 16 * MIB; start + 5 * MIB <= size - 16 * MIB; start += 30 * MIB) {
		char path[64];
		int fd;

		assert_int_equal(make_file(path, size, UINT64_MAX), 0);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		for (uint64_t at = start; at < start + 5 * MIB; at += 4096)
			assert_int_equal(pwrite(fd, "\1", 1, (off_t)at), 1);
		assert_int_equal(fsync(fd), 0);
		(void)close(fd);
		assert_int_equal(disk_probe_blank(path, size), DISK_BLANK_NOT_ZERO);
		(void)unlink(path);
		found++;
	}
	assert_true(found > 5);
}

static void test_unreadable_is_never_blank(void **state)
{
	char path[64];

	(void)state;
	assert_int_equal(disk_probe_blank("/nonexistent/disk", 64 * MIB), DISK_BLANK_READ_ERROR);
	/* The device ends before it says so. */
	assert_int_equal(make_file(path, 64 * MIB, UINT64_MAX), 0);
	assert_int_equal(disk_probe_blank(path, 65 * MIB), DISK_BLANK_READ_ERROR);
	assert_int_equal(disk_probe_blank(path, 0), DISK_BLANK_READ_ERROR);
	(void)unlink(path);
}

static void test_mountinfo_line(void **state)
{
	struct mount_entry entry;

	(void)state;
	assert_int_equal(mount_entry_parse(&entry,
				 "36 35 8:1 /docker /var/lib/my\\040disk rw,noatime master:1 "
				 "shared:7 - ext4 /dev/sda1 rw,errors=remount-ro\n"),
		0);
	assert_int_equal(entry.major, 8);
	assert_int_equal(entry.minor, 1);
	assert_string_equal(entry.root, "/docker");
	assert_string_equal(entry.target, "/var/lib/my disk");
	assert_string_equal(entry.type, "ext4");
	assert_string_equal(entry.source, "/dev/sda1");
	/* No optional fields. */
	assert_int_equal(mount_entry_parse(&entry, "36 35 0:22 / /proc rw - proc proc rw"), 0);
	assert_string_equal(entry.source, "proc");
}

static void test_mountinfo_malformed(void **state)
{
	static const char *const lines[] = {"", "\n", "1 2 3", "36 35 8.1 / / rw - ext4 x rw",
		"36 35 8:1 / / rw - ext4", "36 35 8:1 / / rw"};
	struct mount_entry entry;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(mount_entry_parse(&entry, lines[i]), -EINVAL);
}

#define MESSAGE(text) text, sizeof(text) - 1

static void test_uevent(void **state)
{
	(void)state;
	assert_true(uevent_is_block(
		MESSAGE("add@/devices/x\0ACTION=add\0SUBSYSTEM=block\0DEVNAME=sda")));
	assert_true(uevent_is_block(MESSAGE("SUBSYSTEM=block")));
	assert_false(uevent_is_block(MESSAGE("add@/devices/x\0SUBSYSTEM=blocks\0")));
	assert_false(uevent_is_block(MESSAGE("add@/devices/x\0SUBSYSTEM=bloc")));
	assert_false(uevent_is_block(MESSAGE("add@/devices/x\0XSUBSYSTEM=block\0")));
	assert_false(uevent_is_block(MESSAGE("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_is_blank),
		cmocka_unit_test(test_one_byte_is_enough),
		cmocka_unit_test(test_samples_cover_the_middle),
		cmocka_unit_test(test_unreadable_is_never_blank),
		cmocka_unit_test(test_mountinfo_line),
		cmocka_unit_test(test_mountinfo_malformed),
		cmocka_unit_test(test_uevent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
