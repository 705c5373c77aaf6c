/* SPDX-License-Identifier: MIT
 *
 * durable.c - the workload of the power-cut suite (tests/powercut), in containers and beside them: writes
 * files, makes them durable as POSIX wants it done, and only then says so on stdout, one line each.
 *
 *   durable write DIR SEED   until killed: random operations on DIR
 *   durable file PATH NAME PAGES   one file, fsynced
 *   durable check PATH NAME PAGES  exit status 0 if it is whole
 *
 * Every page of 4 KiB is the line "NAME GENERATION PAGE/PAGES" over and over, so that the host can tell whether a
 * page is whole, what it belongs to and how old it is. Lines on stdout (tests/powercut/ledger.py reads them):
 *
 *   file NAME PAGES             a new file and its directory entry are durable
 *   going NAME, then gone NAME  its removal begins once a byte was read from stdin; is durable
 *   slot NAME GEN PAGES         a file was replaced by rename(2) with generation GEN
 *   page NAME GEN N             page N of a file was overwritten in place
 *   log NAME RECORDS            so many records of an appended file are durable
 *
 * Any failure ends it with a line on stderr: on a disk that works nothing here may fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE       4096
#define PAGES_MAX  24
#define FILES_MAX  48 /* live files of one writer */
#define SLOTS      4
#define BASE_PAGES 32 /* of the file that is overwritten in place */
#define NOISE      512
#define RECORD     64

struct writer {
	const char *seed;
	uint64_t random;
	unsigned int generation, created, removed, records;
	int directory, base, log;
	char base_name[64], log_name[64];
};

static void die(const char *what, const char *name)
{
	fprintf(stderr, "durable: %s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

/* xorshift64* */
static unsigned int draw(struct writer *writer, unsigned int limit)
{
	writer->random ^= writer->random >> 12;
	writer->random ^= writer->random << 25;
	writer->random ^= writer->random >> 27;
	return (unsigned int)((writer->random * UINT64_C(2685821657736338717)) >> 33) % limit;
}

static void fill(char *page, const char *name, unsigned int generation, int number, int pages)
{
	char line[128];
	int length = snprintf(line, sizeof(line), "%s %u %d/%d\n", name, generation, number, pages);

	for (int at = 0; at < PAGE; at += length)
		memcpy(page + at, line, (size_t)(PAGE - at < length ? PAGE - at : length));
}

static void write_pages(int fd, const char *name, unsigned int generation, int pages)
{
	char page[PAGE];

	for (int i = 0; i < pages; i++) {
		fill(page, name, generation, i, pages);
		if (pwrite(fd, page, PAGE, (off_t)i * PAGE) != PAGE)
			die("write", name);
	}
}

static int create(int directory, const char *path)
{
	int fd = openat(directory, path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		die("create", path);
	return fd;
}

static void sync_fd(int fd, const char *name)
{
	if (fsync(fd) < 0)
		die("fsync", name);
}

static void write_file(int directory, const char *path, const char *name, unsigned int generation,
	int pages)
{
	int fd = create(directory, path);

	write_pages(fd, name, generation, pages);
	sync_fd(fd, path);
	close(fd);
}

static void add_file(struct writer *writer)
{
	char name[64];
	int pages = (int)draw(writer, PAGES_MAX) + 1;

	snprintf(name, sizeof(name), "f%s-%u", writer->seed, writer->created);
	write_file(writer->directory, name, name, 0, pages);
	sync_fd(writer->directory, "directory");
	writer->created++;
	printf("file %s %d\n", name, pages);
}

/* Only when the host knows that the file may be missing from now on: a line may be on its way for long. */
static void remove_file(struct writer *writer)
{
	char name[64], leave;

	snprintf(name, sizeof(name), "f%s-%u", writer->seed, writer->removed++);
	printf("going %s\n", name);
	if (read(STDIN_FILENO, &leave, 1) != 1)
		die("no leave to remove", name);
	if (unlinkat(writer->directory, name, 0) < 0)
		die("unlink", name);
	sync_fd(writer->directory, "directory");
	printf("gone %s\n", name);
}

static void replace_slot(struct writer *writer)
{
	char name[64], temporary[80];
	int pages = (int)draw(writer, PAGES_MAX) + 1;

	snprintf(name, sizeof(name), "s%s-%u", writer->seed, draw(writer, SLOTS));
	snprintf(temporary, sizeof(temporary), ".%s.new", name);
	write_file(writer->directory, temporary, name, ++writer->generation, pages);
	if (renameat(writer->directory, temporary, writer->directory, name) < 0)
		die("rename", name);
	sync_fd(writer->directory, "directory");
	printf("slot %s %u %d\n", name, writer->generation, pages);
}

static void overwrite_page(struct writer *writer)
{
	char page[PAGE];
	int number = (int)draw(writer, BASE_PAGES);

	fill(page, writer->base_name, ++writer->generation, number, BASE_PAGES);
	if (pwrite(writer->base, page, PAGE, (off_t)number * PAGE) != PAGE)
		die("write", writer->base_name);
	if (fdatasync(writer->base) < 0)
		die("fdatasync", writer->base_name);
	printf("page %s %u %d\n", writer->base_name, writer->generation, number);
}

static void append_record(struct writer *writer)
{
	char record[RECORD + 1];

	snprintf(record, sizeof(record), "%-20s %042u\n", writer->log_name, writer->records);
	if (write(writer->log, record, RECORD) != RECORD)
		die("append to", writer->log_name);
	if (fdatasync(writer->log) < 0)
		die("fdatasync", writer->log_name);
	printf("log %s %u\n", writer->log_name, ++writer->records);
}

/* What nobody waits for: it keeps the journal and the write-back busy. */
static void make_noise(struct writer *writer)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "n%s-%u", writer->seed, draw(writer, 2));
	(void)unlinkat(writer->directory, name, 0);
	fd = create(writer->directory, name);
	write_pages(fd, name, 0, (int)draw(writer, NOISE));
	close(fd);
}

static void open_writer(struct writer *writer, const char *directory)
{
	writer->random = strtoull(writer->seed, NULL, 10) * 2654435761U + 1;
	writer->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (writer->directory < 0)
		die("open", directory);
	snprintf(writer->base_name, sizeof(writer->base_name), "b%s", writer->seed);
	snprintf(writer->log_name, sizeof(writer->log_name), "l%s", writer->seed);
	writer->base = create(writer->directory, writer->base_name);
	write_pages(writer->base, writer->base_name, 0, BASE_PAGES);
	sync_fd(writer->base, writer->base_name);
	writer->log = openat(writer->directory, writer->log_name,
		O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (writer->log < 0)
		die("create", writer->log_name);
	sync_fd(writer->log, writer->log_name);
	sync_fd(writer->directory, directory);
	printf("slot %s 0 %d\n", writer->base_name, BASE_PAGES);
	printf("log %s 0\n", writer->log_name);
}

static void write_for_ever(const char *directory, const char *seed)
{
	struct writer writer = {.seed = seed};

	open_writer(&writer, directory);
	for (;;) {
		unsigned int what = draw(&writer, 100), live = writer.created - writer.removed;

		if (what < 30 && live < FILES_MAX)
			add_file(&writer);
		else if (what < 45 && live > FILES_MAX / 4)
			remove_file(&writer);
		else if (what < 60)
			replace_slot(&writer);
		else if (what < 78)
			overwrite_page(&writer);
		else if (what < 95)
			append_record(&writer);
		else
			make_noise(&writer);
	}
}

static int check(const char *path, const char *name, int pages)
{
	char want[PAGE], got[PAGE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("open", path);
	for (int i = 0; i < pages; i++) {
		fill(want, name, 0, i, pages);
		if (read(fd, got, PAGE) != PAGE || memcmp(want, got, PAGE) != 0) {
			fprintf(stderr, "durable: page %d of %s is not what was written\n", i,
				path);
			return 1;
		}
	}
	printf("whole\n");
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && strcmp(argv[1], "write") == 0)
		write_for_ever(argv[2], argv[3]);
	if (argc == 5 && strcmp(argv[1], "file") == 0) {
		write_file(AT_FDCWD, argv[2], argv[3], 0, atoi(argv[4]));
		return 0;
	}
	if (argc == 5 && strcmp(argv[1], "check") == 0)
		return check(argv[2], argv[3], atoi(argv[4]));
	fputs("usage: durable write DIR SEED | file PATH NAME PAGES | check PATH NAME PAGES\n",
		stderr);
	return 2;
}
