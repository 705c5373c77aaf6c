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
#include "init/disk/format_intent.h"
#include "init/disk/mount_table.h"
#include "lib/netlink/uevent.h"
#include "tests/unit/superblock_test.h"

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

/* --- what is on it --------------------------------------------------------------------------------- */

struct piece {
	uint64_t offset;
	const void *data;
	size_t len;
};

/* The facts about a sparse file with these pieces in it. */
static struct disk_facts probe_pieces(uint64_t size, const struct piece *pieces, size_t count)
{
	struct disk_facts disk = {.size_bytes = size};
	int fd;

	assert_int_equal(make_file(disk.device, size, UINT64_MAX), 0);
	fd = open(disk.device, O_WRONLY | O_CLOEXEC);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(pwrite(fd, pieces[i].data, pieces[i].len, (off_t)pieces[i].offset),
			pieces[i].len);
	assert_int_equal(close(fd), 0);
	disk_probe_content(&disk);
	(void)unlink(disk.device);
	return disk;
}

static void test_an_ext4_is_found(void **state)
{
	unsigned char first[SUPERBLOCK_BYTES], backup[SUPERBLOCK_BYTES];
	const struct piece pieces[] = {
		{SUPERBLOCK_OFFSET, first, sizeof(first)}, {128 * MIB, backup, sizeof(backup)}};
	struct disk_facts disk;

	(void)state;
	make_superblock(first);
	make_superblock(backup);
	put_u16(backup, 0x5a, 1);
	seal(backup);
	disk = probe_pieces(320 * MIB, pieces, 2);
	assert_int_equal(disk.content, DISK_CONTENT_DATA);
	assert_string_equal(disk.type, "ext4");
	assert_string_equal(disk.label, "keel-data");
	assert_string_equal(disk.uuid, SUPERBLOCK_UUID);
	assert_true(disk.superblock.valid);
	assert_false(disk.backup.valid); /* not looked for */
	assert_false(disk.format_intent);
	/* Without the first one: by the backup, if the device reaches so far. */
	disk = probe_pieces(320 * MIB, pieces + 1, 1);
	assert_int_equal(disk.content, DISK_CONTENT_NOTHING);
	assert_false(disk.superblock.valid);
	assert_true(disk.backup.valid);
	assert_string_equal(disk.backup.uuid, SUPERBLOCK_UUID);
	disk = probe_pieces(100 * MIB, NULL, 0);
	assert_int_equal(disk.content, DISK_CONTENT_NOTHING);
	assert_false(disk.backup.valid || disk.format_intent);
}

static void test_a_format_record_is_found(void **state)
{
	const struct format_intent own = {.uuid = SUPERBLOCK_UUID, .device_bytes = 320 * MIB};
	const struct format_intent other = {
		.uuid = "00000000-2fa1-41d2-883f-0016d3cca427", .device_bytes = 320 * MIB};
	unsigned char record[FORMAT_INTENT_BYTES], superblock[SUPERBLOCK_BYTES];
	const struct piece pieces[] = {{FORMAT_INTENT_OFFSET, record, sizeof(record)},
		{SUPERBLOCK_OFFSET, superblock, sizeof(superblock)}};
	struct piece backup[] = {pieces[0], {128 * MIB, superblock, sizeof(superblock)}};

	(void)state;
	format_intent_encode(&own, record);
	make_superblock(superblock);
	assert_true(probe_pieces(320 * MIB, pieces, 1).format_intent);
	assert_false(probe_pieces(321 * MIB, pieces, 1).format_intent);
	assert_true(probe_pieces(320 * MIB, pieces, 2).format_intent); /* to be zeroed */
	put_u16(superblock, 0x5a, 1);
	seal(superblock);
	assert_true(probe_pieces(320 * MIB, backup, 2).format_intent);
	/* A backup of another file system: somebody's. */
	format_intent_encode(&other, record);
	assert_false(probe_pieces(320 * MIB, backup, 2).format_intent);
	/* Something known is there: what the record says is history. */
	assert_false(probe_pieces(320 * MIB,
		(const struct piece[]){pieces[0], {0, "LUKS\xba\xbe\0\1", 8}}, 2)
			.format_intent);
}

static void test_what_cannot_be_read_is_unreadable(void **state)
{
	struct disk_facts disk = {.device = "/nonexistent/disk", .size_bytes = 64 * MIB};

	(void)state;
	disk_probe_content(&disk);
	assert_int_equal(disk.content, DISK_CONTENT_UNREADABLE);
	/* Ends within the first superblock. */
	assert_int_equal(probe_pieces(1500, NULL, 0).content, DISK_CONTENT_UNREADABLE);
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
	assert_false(entry.read_only);
	/* Read-only: the mount, or the file system. */
	assert_int_equal(mount_entry_parse(&entry, "36 35 8:1 / /d ro,noatime - ext4 /dev/a rw\n"),
		0);
	assert_true(entry.read_only);
	assert_int_equal(mount_entry_parse(&entry,
				 "36 35 8:1 / /d rw,nodev - ext4 /dev/a errors=remount-ro,ro\n"),
		0);
	assert_true(entry.read_only);
	assert_int_equal(
		mount_entry_parse(&entry,
			"36 35 8:1 / /d rw - ext4 /dev/a rw,errors=remount-ro,emergency_ro\n"),
		0);
	assert_true(entry.read_only);
	assert_int_equal(mount_entry_parse(&entry, "36 35 8:1 / /d rw - ext4 /dev/a rw,shutdown"),
		0);
	assert_true(entry.read_only);
	assert_int_equal(mount_entry_parse(&entry, "36 35 8:1 / /ro rw - ext4 /dev/ro rw,root"), 0);
	assert_false(entry.read_only);
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
	assert_true(uevent_is_of(
		MESSAGE("add@/devices/x\0ACTION=add\0SUBSYSTEM=block\0DEVNAME=sda"), "block"));
	assert_true(uevent_is_of(MESSAGE("SUBSYSTEM=block"), "block"));
	assert_false(uevent_is_of(MESSAGE("SUBSYSTEM=block"), "memory"));
	assert_true(uevent_is_of(MESSAGE("online@/devices/x\0SUBSYSTEM=memory\0"), "memory"));
	assert_false(uevent_is_of(MESSAGE("add@/devices/x\0SUBSYSTEM=blocks\0"), "block"));
	assert_false(uevent_is_of(MESSAGE("add@/devices/x\0SUBSYSTEM=bloc"), "block"));
	assert_false(uevent_is_of(MESSAGE("add@/devices/x\0XSUBSYSTEM=block\0"), "block"));
	assert_false(uevent_is_of(MESSAGE(""), "block"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_is_blank),
		cmocka_unit_test(test_one_byte_is_enough),
		cmocka_unit_test(test_samples_cover_the_middle),
		cmocka_unit_test(test_unreadable_is_never_blank),
		cmocka_unit_test(test_an_ext4_is_found),
		cmocka_unit_test(test_a_format_record_is_found),
		cmocka_unit_test(test_what_cannot_be_read_is_unreadable),
		cmocka_unit_test(test_mountinfo_line),
		cmocka_unit_test(test_mountinfo_malformed),
		cmocka_unit_test(test_uevent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
