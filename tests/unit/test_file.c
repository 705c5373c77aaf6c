/* SPDX-License-Identifier: MIT
 *
 * test_file.c - whole small files, and the cleanup helpers of base.h that all of it stands on.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "tests/unit/unit_test.h"

static char dir[] = "/tmp/keel-test-file-XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? chdir(dir) : -1;
}

static int teardown(void **state)
{
	(void)state;
	(void)!chdir("/");
	return rmdir(dir); /* every test cleans up after itself */
}

static void put(const char *name, const char *text)
{
	_cleanup_close_ int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
}

static void test_read(void **state)
{
	char text[8];

	(void)state;
	put("seven", "1234567");
	assert_int_equal(file_read("seven", text, sizeof(text)), 7);
	assert_string_equal(text, "1234567");
	put("eight", "12345678");
	assert_int_equal(file_read("eight", text, sizeof(text)), -EFBIG);
	assert_string_equal(text, "1234567");
	put("empty", "");
	assert_int_equal(file_read("empty", text, sizeof(text)), 0);
	assert_string_equal(text, "");
	(void)unlink("seven");
	(void)unlink("eight");
	(void)unlink("empty");
}

static void test_read_errors(void **state)
{
	char text[8] = "old";

	(void)state;
	assert_int_equal(file_read("missing", text, sizeof(text)), -ENOENT);
	assert_string_equal(text, "");
	assert_int_equal(file_read(".", text, sizeof(text)), -EISDIR);
}

static void test_read_at(void **state)
{
	_cleanup_close_ int dir_fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[4096];

	(void)state;
	/* procfs gives short reads and no size: read until the end. */
	assert_in_range(file_read_at(dir_fd, "status", text, sizeof(text)), 100, sizeof(text) - 1);
	assert_non_null(strstr(text, "Name:"));
}

static void test_write(void **state)
{
	char text[8];

	(void)state;
	assert_int_equal(file_write("target", "x"), -ENOENT); /* never creates */
	put("target", "");
	assert_int_equal(file_write("target", "abc"), 0);
	assert_int_equal(file_read("target", text, sizeof(text)), 3);
	assert_int_equal(file_write("/dev/full", "abc"), -ENOSPC);
	(void)unlink("target");
}

static void test_make_dirs(void **state)
{
	char longer[300];
	struct stat info;

	(void)state;
	assert_int_equal(file_make_dirs("a/b/c"), 0);
	assert_int_equal(file_make_dirs("a/b/c"), 0);
	assert_int_equal(file_make_dirs("a//b/c/"), 0);
	assert_int_equal(stat("a/b/c", &info), 0);
	assert_int_equal(info.st_mode & 07777, 0755 & ~(unsigned int)022);
	put("a/file", "");
	assert_int_equal(file_make_dirs("a/file/x"), -ENOTDIR);
	assert_int_equal(file_make_dirs("a/file"), -ENOTDIR);
	assert_int_equal(symlink("b", "a/link"), 0);
	assert_int_equal(file_make_dirs("a/link/c"), 0);
	memset(longer, 'x', sizeof(longer));
	longer[256] = '\0';
	assert_int_equal(file_make_dirs(longer), -ENAMETOOLONG);
	assert_int_equal(file_make_dirs(""), -ENAMETOOLONG);
	(void)unlink("a/file");
	(void)unlink("a/link");
	(void)rmdir("a/b/c");
	(void)rmdir("a/b");
	(void)rmdir("a");
}

static void test_write_all(void **state)
{
	int fds[2];
	char text[5] = "";

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(file_write_all(fds[1], "abcd", 4), 0);
	assert_int_equal(read(fds[0], text, 4), 4);
	assert_string_equal(text, "abcd");
	close_p(&fds[1]);
	assert_int_equal(file_write_all(fds[0], "x", 1), -EBADF);
	close_p(&fds[0]);
}

static void test_replace(void **state)
{
	char text[8], path[300];

	(void)state;
	assert_int_equal(file_replace("word", "old"), 0);
	assert_int_equal(file_replace("word", "new\n"), 0);
	assert_int_equal(file_read("word", text, sizeof(text)), 4);
	assert_string_equal(text, "new\n");
	assert_int_equal(access("word.new", F_OK), -1);
	assert_int_equal(unlink("word"), 0);
	assert_int_equal(mkdir("word", 0700), 0);
	assert_int_equal(file_replace("word", "x"), -EISDIR);
	assert_int_equal(access("word.new", F_OK), -1);
	assert_int_equal(rmdir("word"), 0);
	assert_int_equal(file_replace("none/word", "x"), -ENOENT);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(file_replace(path, "x"), -ENAMETOOLONG);
}

/* ---- base.h and clock.h -------------------------------------------------------------------- */

static int open_and_take(int *closed)
{
	_cleanup_close_ int kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int dropped = open("/dev/null", O_RDONLY | O_CLOEXEC);

	*closed = dropped;
	return TAKE_FD(kept);
}

static void test_cleanup_of_descriptors(void **state)
{
	int closed, kept = open_and_take(&closed), none = -1;

	(void)state;
	assert_true(fcntl(kept, F_GETFD) >= 0);
	assert_int_equal(fcntl(closed, F_GETFD), -1);
	errno = ENOTTY;
	close_p(&kept);
	assert_int_equal(kept, -1);
	assert_int_equal(errno, ENOTTY);
	close_p(&none);
}

static char *allocate_and_take(void)
{
	_cleanup_free_ char *kept = strdup("kept");
	_cleanup_free_ char *dropped =
		strdup("dropped"); /* a leak would fail this program (LeakSanitizer) */
	_cleanup_free_ char *nothing = NULL;

	(void)nothing;
	assert_non_null(dropped);
	return TAKE_PTR(kept); /* NOLINT: the analyzer does not see free_p() through memcpy */
}

static void test_cleanup_of_memory(void **state)
{
	char *kept = allocate_and_take();

	(void)state;
	assert_string_equal(kept, "kept");
	free_p(&kept);
	assert_null(kept);
}

static void test_clock_goes_forward(void **state)
{
	uint64_t a = clock_now_us(), b = clock_now_us();

	(void)state;
	assert_true(a > 0 && b >= a);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_read),
	cmocka_unit_test(test_read_errors),
	cmocka_unit_test(test_read_at),
	cmocka_unit_test(test_write),
	cmocka_unit_test(test_make_dirs),
	cmocka_unit_test(test_write_all),
	cmocka_unit_test(test_replace),
	cmocka_unit_test(test_cleanup_of_descriptors),
	cmocka_unit_test(test_cleanup_of_memory),
	cmocka_unit_test(test_clock_goes_forward),
};

int main(void)
{
	return cmocka_run_group_tests(tests, setup, teardown);
}
