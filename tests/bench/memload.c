/* SPDX-License-Identifier: MIT
 *
 * memload.c - what containers do to memory in tests/bench/bench_memory.py and tests/vm: static, the only file of its image.
 *
 *   memload build DIR MIB ANON_MIB [SEED]    writes and reads a tree of small files like a source tree's, with as much
 *                                            anonymous memory in use meanwhile; prints "done" and ends
 *   memload pace FILE MIB PERCENT            prints how many requests a second (see serve) keep a CPU busy so much
 *   memload serve FILE MIB PER_SECOND OUT [zipf]
 *                                            answers requests from a file in the cache until SIGTERM: prints "serving"
 *                                            once the file was read twice
 *   memload fragment DIR MIB                 takes MIB of anonymous pages and as much page cache in turn, pipe buffers and
 *                                            inodes between them, gives most of it up in random order, prints "holding MIB"
 *                                            and holds the rest until SIGTERM
 *   memload hold MIB                         touches anonymous memory, prints "holding MIB", holds it until SIGTERM
 *   memload outgrow MIB SECONDS              fills anonymous memory, half of each page with noise: prints "filled US"; asks
 *                                            for a quarter of it at random: "hot P50_US P99_US"; reads all: "again US"
 *
 * A request reads 32 pages at random places (zipf: some far more often than others) and adds up their bytes. Requests
 * are due at fixed times whatever became of the last one, so that one that stalls delays those behind it, as it would a
 * server's. At SIGTERM `serve` writes OUT: a line "AT_US LATENCY_US SERVICE_US" a request (CLOCK_BOOTTIME; since it was
 * due; since it began), then "hot PAGES MISSING REREAD_US": the pages that were asked for at least once, how many of
 * them are in no cache any more (mincore(2)), and how long it takes to read them all again.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE             4096u
#define MIB              (1u << 20)
#define FILES_A_FOLDER   64
#define FILE_MAX         (60u << 10) /* of the tree: 4 KiB to so much, 32 KiB on average */
#define PAGES_A_REQUEST  32
#define REQUESTS_MAX     (1u << 20)
#define ZIPF_EXPONENT    0.99 /* YCSB's */
#define HELD_OF          8    /* fragment: one page of so many is held */
#define PIPES            128
#define PIPE_BYTES       (64u << 10)
#define SMALL_FILE_EVERY 16 /* fragment: pages between two new inodes */

static volatile sig_atomic_t ended;
static char buffer[MIB];
static uint64_t random_state = UINT64_C(88172645463325252);

static void die(const char *what)
{
	fprintf(stderr, "memload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void on_end(int number)
{
	(void)number;
	ended = 1;
}

static void say(const char *line)
{
	(void)puts(line);
	(void)fflush(stdout);
}

/* xorshift64* */
static uint64_t draw(uint64_t limit)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return ((random_state * UINT64_C(2685821657736338717)) >> 11) % limit;
}

static uint64_t now_us(clockid_t id)
{
	struct timespec now;

	(void)clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static size_t number(const char *word)
{
	char *end;
	unsigned long value = strtoul(word, &end, 10);

	if (*word == '\0' || *end != '\0') {
		errno = EINVAL;
		die(word);
	}
	return value;
}

static void *map(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static void touch(char *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		at[i] = 1;
}

static void hold(size_t mib)
{
	sigset_t end, none;

	(void)sigemptyset(&none);
	(void)sigemptyset(&end);
	(void)sigaddset(&end, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &end, NULL);
	printf("holding %zu\n", mib);
	(void)fflush(stdout);
	while (!ended)
		(void)sigsuspend(&none);
}

/* ---- build ------------------------------------------------------------------------------------ */

static const char *tree_path(const char *directory, size_t file, bool folder)
{
	static char path[512];

	(void)snprintf(path, sizeof(path), folder ? "%s/%zu" : "%s/%zu/%zu", directory,
		file / FILES_A_FOLDER, file);
	return path;
}

static void write_file(const char *path, size_t bytes)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, buffer, bytes) != (ssize_t)bytes)
		die(path);
	(void)close(fd);
}

static void read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	if (fd >= 0)
		while ((got = read(fd, buffer, sizeof(buffer))) > 0)
			;
	if (got < 0)
		die(path);
	(void)close(fd);
}

static size_t write_tree(const char *directory, size_t bytes)
{
	size_t files = 0;

	if (mkdir(directory, 0755) < 0 && errno != EEXIST)
		die(directory);
	for (size_t left = bytes; left > 0; files++) {
		size_t size = PAGE + (size_t)draw(FILE_MAX - PAGE);

		if (size > left)
			size = left;
		if (files % FILES_A_FOLDER == 0 &&
			mkdir(tree_path(directory, files, true), 0755) < 0 && errno != EEXIST)
			die(directory);
		write_file(tree_path(directory, files, false), size);
		left -= size;
	}
	return files;
}

static int build(const char *directory, size_t mib, size_t anon_mib)
{
	size_t files;

	touch(map(anon_mib * MIB), anon_mib * MIB);
	files = write_tree(directory, mib * MIB);
	for (size_t i = 0; i < files; i++)
		read_file(tree_path(directory, i, false));
	say("done");
	return 0;
}

/* ---- serve ------------------------------------------------------------------------------------ */

struct server {
	int fd;
	uint64_t pages;
	double *zipf; /* the share of all requests that goes to the first so many places, NULL: evenly */
	unsigned char *seen; /* which pages were asked for */
	uint64_t sum;
};

/* A file with no holes, on the disk, and read twice: the kernel takes what was read twice for active. */
static void warm(struct server *server, const char *path, size_t mib)
{
	server->fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	server->pages = (uint64_t)mib * MIB / PAGE;
	server->seen = calloc(1, server->pages);
	if (server->fd < 0 || !server->seen)
		die(path);
	for (size_t i = 0; i < mib; i++)
		if (pwrite(server->fd, buffer, MIB, (off_t)i * MIB) != MIB)
			die(path);
	if (fsync(server->fd) < 0)
		die(path);
	for (size_t i = 0; i < 2 * mib; i++)
		if (pread(server->fd, buffer, MIB, (off_t)(i % mib) * MIB) != MIB)
			die(path);
}

static void prepare_zipf(struct server *server)
{
	double sum = 0;

	server->zipf = calloc(server->pages, sizeof(double));
	if (!server->zipf)
		die("calloc");
	for (uint64_t i = 0; i < server->pages; i++)
		server->zipf[i] = sum += 1 / pow((double)(i + 1), ZIPF_EXPONENT);
	for (uint64_t i = 0; i < server->pages; i++)
		server->zipf[i] /= sum;
}

static uint64_t choose(const struct server *server)
{
	double at = (double)draw(UINT32_MAX) / (double)UINT32_MAX;
	uint64_t low = 0, high = server->pages - 1;

	if (!server->zipf)
		return draw(server->pages);
	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if (server->zipf[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	/* The popular ones lie scattered over the file: an odd factor permutes a power of two, and nearly so the rest. */
	return low * 2654435761u % server->pages;
}

static void request(struct server *server)
{
	static unsigned char page[PAGE];

	for (int i = 0; i < PAGES_A_REQUEST; i++) {
		uint64_t place = choose(server);

		if (pread(server->fd, page, PAGE, (off_t)(place * PAGE)) != PAGE)
			die("read");
		server->seen[place] = 1;
		for (size_t k = 0; k < PAGE; k += 16)
			server->sum += page[k];
	}
}

static int pace(const char *path, size_t mib, size_t percent)
{
	struct server server = {.fd = -1};
	uint64_t cpu_us, requests = 0;

	warm(&server, path, mib);
	cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID);
	for (uint64_t end = now_us(CLOCK_MONOTONIC) + 3000000; now_us(CLOCK_MONOTONIC) < end;
		requests++)
		request(&server);
	cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_us;
	printf("%.1f\n", (double)requests * 1e4 * (double)percent / (double)cpu_us);
	return 0;
}

struct answer {
	uint64_t at_us;
	uint32_t latency_us, service_us;
};

static size_t serve_until_end(struct server *server, double per_second, struct answer *answers)
{
	uint64_t start = now_us(CLOCK_BOOTTIME);
	size_t count = 0;

	for (; !ended && count < REQUESTS_MAX; count++) {
		uint64_t due = start + (uint64_t)((double)count * 1e6 / per_second), begun, done;
		struct timespec until = {
			.tv_sec = (time_t)(due / 1000000), .tv_nsec = (long)(due % 1000000) * 1000};

		(void)clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL);
		if (ended)
			break;
		begun = now_us(CLOCK_BOOTTIME);
		request(server);
		done = now_us(CLOCK_BOOTTIME);
		answers[count] = (struct answer){.at_us = due,
			.latency_us = (uint32_t)(done - due),
			.service_us = (uint32_t)(done - begun)};
	}
	return count;
}

static uint64_t missing_pages(const struct server *server, uint64_t *hot)
{
	size_t bytes = server->pages * PAGE;
	unsigned char *resident = calloc(1, server->pages);
	void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, server->fd, 0);
	uint64_t missing = 0;

	if (!resident || at == MAP_FAILED || mincore(at, bytes, resident) < 0)
		die("mincore");
	for (uint64_t i = 0; i < server->pages; i++) {
		*hot += server->seen[i];
		missing += server->seen[i] && !(resident[i] & 1);
	}
	(void)munmap(at, bytes);
	free(resident);
	return missing;
}

static uint64_t reread_us(const struct server *server)
{
	uint64_t start = now_us(CLOCK_BOOTTIME);

	for (uint64_t i = 0; i < server->pages; i++)
		if (server->seen[i] && pread(server->fd, buffer, PAGE, (off_t)(i * PAGE)) != PAGE)
			die("read");
	return now_us(CLOCK_BOOTTIME) - start;
}

static int serve(const char *path, size_t mib, const char *rate, const char *out, bool zipf)
{
	struct server server = {.fd = -1};
	struct answer *answers = map(REQUESTS_MAX * sizeof(*answers));
	double per_second = strtod(rate, NULL);
	uint64_t hot = 0, missing;
	size_t count;
	FILE *file;

	if (!(per_second >= 0.1))
		die(rate);
	warm(&server, path, mib);
	if (zipf)
		prepare_zipf(&server);
	say("serving");
	count = serve_until_end(&server, per_second, answers);
	missing = missing_pages(&server, &hot);
	file = fopen(out, "we");
	if (!file)
		die(out);
	for (size_t i = 0; i < count; i++)
		fprintf(file, "%llu %u %u\n", (unsigned long long)answers[i].at_us,
			answers[i].latency_us, answers[i].service_us);
	fprintf(file, "hot %llu %llu %llu\n", (unsigned long long)hot, (unsigned long long)missing,
		(unsigned long long)reread_us(&server));
	if (fclose(file) != 0)
		die(out);
	return server.sum == 1; /* so that it is not optimised away; the file is zeros */
}

/* ---- fragment --------------------------------------------------------------------------------- */

static void fill_pipes(int pipes[PIPES][2])
{
	for (int i = 0; i < PIPES; i++)
		if (pipe2(pipes[i], O_CLOEXEC | O_NONBLOCK) < 0)
			die("pipe");
}

/* A page of each kind in turn, so that neighbours in memory are of different kinds. */
static void take_in_turn(const char *directory, char *anon, size_t pages, int pipes[PIPES][2])
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/pages", directory);
	fd = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		die(path);
	for (size_t i = 0; i < pages; i++) {
		anon[i * PAGE] = 1;
		if (write(fd, buffer, PAGE) != PAGE)
			die(path);
		if (i < PIPES * (PIPE_BYTES / PAGE))
			(void)!write(pipes[i % PIPES][1], buffer, PAGE);
		if (i % SMALL_FILE_EVERY == 0) {
			(void)snprintf(path, sizeof(path), "%s/%zu", directory, i);
			write_file(path, 1);
		}
	}
	if (fsync(fd) < 0)
		die("fsync");
	(void)close(fd);
}

static void shuffle(uint32_t *order, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t k = (size_t)draw(i);
		uint32_t other = order[k];

		order[k] = order[i - 1];
		order[i - 1] = other;
	}
}

static int fragment(const char *directory, size_t mib)
{
	size_t pages = mib * MIB / PAGE;
	char *anon = map(mib * MIB);
	uint32_t *order = calloc(pages, sizeof(*order));
	int pipes[PIPES][2];

	if (!order || madvise(anon, mib * MIB, MADV_NOHUGEPAGE) < 0)
		die("memory");
	if (mkdir(directory, 0755) < 0 && errno != EEXIST)
		die(directory);
	fill_pipes(pipes);
	take_in_turn(directory, anon, pages, pipes);
	for (size_t i = 0; i < pages; i++)
		order[i] = (uint32_t)i;
	shuffle(order, pages);
	for (size_t i = 0; i < pages - pages / HELD_OF; i++) {
		if (madvise(anon + (size_t)order[i] * PAGE, PAGE, MADV_DONTNEED) < 0)
			die("madvise");
		if (order[i] < PIPES) {
			(void)close(pipes[order[i]][0]);
			(void)close(pipes[order[i]][1]);
		}
	}
	free(order);
	hold(mib / HELD_OF + PIPES / HELD_OF * PIPE_BYTES / MIB);
	return 0;
}

static int hold_anon(size_t mib)
{
	touch(map(mib * MIB), mib * MIB);
	hold(mib);
	return 0;
}

/* ---- outgrow ---------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Requests of PAGES_A_REQUEST pages each, one after the other. */
static void use_at_random(const char *at, size_t pages, size_t seconds)
{
	uint32_t *took = map(REQUESTS_MAX * sizeof(*took));
	uint64_t end = now_us(CLOCK_MONOTONIC) + (uint64_t)seconds * 1000000;
	uint64_t now = now_us(CLOCK_MONOTONIC);
	size_t count = 0;

	for (; now < end && count < REQUESTS_MAX; count++) {
		uint64_t begun = now;

		for (int i = 0; i < PAGES_A_REQUEST; i++)
			random_state += (unsigned char)at[(size_t)draw(pages) * PAGE];
		now = now_us(CLOCK_MONOTONIC);
		took[count] = (uint32_t)(now - begun);
	}
	qsort(took, count, sizeof(*took), by_value);
	printf("hot %u %u\n", took[count / 2], took[count / 100 * 99]);
	(void)fflush(stdout);
}

static int outgrow(size_t mib, size_t seconds)
{
	const size_t pages = mib * MIB / PAGE;
	uint64_t start = now_us(CLOCK_MONOTONIC);
	char *at = map(mib * MIB);

	for (size_t i = 0; i < sizeof(buffer); i++)
		buffer[i] = (char)draw(256);
	for (size_t i = 0; i < pages; i++)
		(void)memcpy(at + i * PAGE, buffer + draw(MIB - PAGE), PAGE / 2);
	printf("filled %llu\n", (unsigned long long)(now_us(CLOCK_MONOTONIC) - start));
	(void)fflush(stdout);
	use_at_random(at, pages / 4, seconds);
	start = now_us(CLOCK_MONOTONIC);
	for (size_t i = 0; i < pages; i++)
		random_state += (unsigned char)at[i * PAGE];
	printf("again %llu\n", (unsigned long long)(now_us(CLOCK_MONOTONIC) - start));
	return random_state == 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	struct sigaction end = {.sa_handler = on_end};

	(void)sigaction(SIGTERM, &end, NULL);
	for (size_t i = 0; i < sizeof(buffer); i += 512)
		buffer[i] = (char)draw(256); /* no disk image takes it for zeros */
	if ((argc == 5 || argc == 6) && strcmp(verb, "build") == 0) {
		random_state += argc == 6 ? number(argv[5]) : 0;
		return build(argv[2], number(argv[3]), number(argv[4]));
	}
	if (argc == 5 && strcmp(verb, "pace") == 0)
		return pace(argv[2], number(argv[3]), number(argv[4]));
	if ((argc == 6 || argc == 7) && strcmp(verb, "serve") == 0)
		return serve(argv[2], number(argv[3]), argv[4], argv[5],
			argc == 7 && strcmp(argv[6], "zipf") == 0);
	if (argc == 4 && strcmp(verb, "fragment") == 0)
		return fragment(argv[2], number(argv[3]));
	if (argc == 3 && strcmp(verb, "hold") == 0)
		return hold_anon(number(argv[2]));
	if (argc == 4 && strcmp(verb, "outgrow") == 0)
		return outgrow(number(argv[2]), number(argv[3]));
	(void)fprintf(stderr,
		"usage: memload build DIR MIB ANON_MIB [SEED] | pace FILE MIB PERCENT |\n"
		"       serve FILE MIB PER_SECOND OUT [zipf] | fragment DIR MIB | hold MIB |\n"
		"       outgrow MIB SECONDS\n");
	return 2;
}
