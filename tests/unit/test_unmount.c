/* SPDX-License-Identifier: MIT
 *
 * test_unmount.c - the pure part of the end: lines of mountinfo, and what is ours to unmount.
 */
#include <stdio.h>
#include <string.h>

#include "init/unmount.h"
#include "tests/unit/unit_test.h"

static struct unmount_entry entry;

static void expect(const char *line, uint32_t id, const char *device, const char *point)
{
	memset(&entry, 'x', sizeof(entry));
	assert_true(unmount_parse_line(line, &entry));
	assert_int_equal(entry.id, id);
	assert_string_equal(entry.device, device);
	assert_string_equal(entry.point, point);
}

static void test_lines(void **state)
{
	(void)state;
	expect("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n", 36, "98:0",
		"/mnt2");
	expect("7 1 0:5 / / rw - rootfs none rw\nnext line", 7, "0:5", "/");
	expect("7 1 0:5 /a\\040b /c\\040d\\011e\\012f\\134040 rw - x y z\n", 7, "0:5",
		"/c d\te\nf\\040");
	/* not an escape */
	expect("7 1 0:5 / /a\\9\\47\\400 rw - x y z\n", 7, "0:5", "/a\\9\\47\\400");
}

static void test_no_lines(void **state)
{
	static const char *const lines[] = {"", "\n", "x", "36", "36 ", "36 35 98:0",
		"36 35 98:0 /mnt1", "36 35 98:0 /mnt1 /mnt2", "36 35 98:0 /mnt1 mnt2 rw\n", "-\n",
		"36 35 0123456789012345678901234:0 / /x rw\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (unmount_parse_line(lines[i], &entry))
			fail_msg("took \"%s\"", lines[i]);
}

static void test_longest_path(void **state)
{
	static char line[8300], path[4097];

	(void)state;
	memset(path, 'p', 4095);
	path[0] = '/';
	(void)snprintf(line, sizeof(line), "36 35 98:0 / %s rw - x y z\n", path);
	expect(line, 36, "98:0", path);
	path[4095] = 'p';
	(void)snprintf(line, sizeof(line), "36 35 98:0 / %s rw - x y z\n", path);
	assert_false(unmount_parse_line(line, &entry));
}

static void test_ours(void **state)
{
	static const struct {
		const char *point;
		bool wsl, vm;
	} cases[] = {
		{"/", false, false},
		{"/data", true, true},
		{"/data/docker/overlay2/x/merged", true, true},
		{"/database", false, true},
		{"/var/lib/docker", true, true},
		{"/var/lib/docker2", false, true},
		{"/var/lib/containerd/tmpmounts/1", true, true},
		{"/run", false, false},
		{"/run/docker/netns/default", true, true},
		{"/run/containerd/io.containerd.runtime.v2.task/moby/1/rootfs", true, true},
		{"/run/keel/log", false, true},
		{"/run/user", false, true},
		{"/tmp", false, true},
		{"/proc", false, false},
		{"/proc/sys/fs/binfmt_misc", false, false},
		{"/sys/fs/cgroup", false, false},
		{"/dev/pts", false, false},
		{"/mnt/c", false, true},
		{"/mnt/wsl", false, true},
		{"/mnt/wsl/docker-desktop", false, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (unmount_is_ours(BOOT_MODE_WSL, "/data", cases[i].point) != cases[i].wsl)
			fail_msg("WSL: %s", cases[i].point);
		if (unmount_is_ours(BOOT_MODE_VM, "/data", cases[i].point) != cases[i].vm)
			fail_msg("VM: %s", cases[i].point);
	}
	/* A data disk that is configured away is nobody's directory. */
	assert_false(unmount_is_ours(BOOT_MODE_WSL, "", "/mnt/c"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_lines),
	cmocka_unit_test(test_no_lines),
	cmocka_unit_test(test_longest_path),
	cmocka_unit_test(test_ours),
};

UNIT_TEST_MAIN(tests)
