/* SPDX-License-Identifier: MIT
 *
 * senpai.c - what keel's reclaim is compared with in tests/bench/bench_memory.py: a loop of constant, small pressure on one
 * group, as Meta's Senpai does it.
 *
 *   senpai GROUP_DIRECTORY    until it is killed
 *
 * Each second a hundredth of what the group has is reclaimed, unless somebody in it waited for memory for more than a
 * thousandth of the second before. It knows neither events nor floors: it is always at work.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PERIOD_S         1
#define STALL_US_MAX     1000
#define FRACTION         100
#define SMALLEST_RECLAIM 4096

/* The number behind `key` in a small file, 0 if there is none: a group that comes and goes. */
static uint64_t read_number(const char *path, const char *key)
{
	char text[512];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at;

	if (fd >= 0)
		(void)close(fd);
	if (length < 0)
		return 0;
	text[length] = '\0';
	at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void reclaim(const char *path, uint64_t bytes)
{
	char text[32];
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int length = snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);

	/* EAGAIN: not all of it was found. */
	if (fd >= 0 && write(fd, text, (size_t)length) < 0 && errno != EAGAIN)
		perror("senpai: memory.reclaim");
	if (fd >= 0)
		(void)close(fd);
}

int main(int argc, char **argv)
{
	char current[512], pressure[512], reclaims[512];
	uint64_t before = 0;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: senpai GROUP_DIRECTORY\n");
		return 2;
	}
	(void)snprintf(current, sizeof(current), "%s/memory.current", argv[1]);
	(void)snprintf(pressure, sizeof(pressure), "%s/memory.pressure", argv[1]);
	(void)snprintf(reclaims, sizeof(reclaims), "%s/memory.reclaim", argv[1]);
	for (;; (void)sleep(PERIOD_S)) {
		uint64_t stall = read_number(pressure, "total="); /* "some" comes first */
		uint64_t bytes = read_number(current, "") / FRACTION;

		if (stall - before <= STALL_US_MAX && bytes >= SMALLEST_RECLAIM)
			reclaim(reclaims, bytes);
		before = stall;
	}
}
