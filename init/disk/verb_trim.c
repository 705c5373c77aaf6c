/* SPDX-License-Identifier: MIT
 *
 * verb_trim.c - `keel-disk trim`. Walks over the mounted file system in pieces, at idle priority, and stops between two of
 * them when it is asked to or, with --gentle, when somebody waits for the disk. Killed on the way nothing is lost: what
 * was discarded was free, and the next run goes over the rest. The bytes are the kernel's answers; it leaves out what has not
 * been written to since the last trim of this mount.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/ioprio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "init/disk/disk_pick.h"
#include "init/disk/verbs.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"

/* One block group, at its place: the kernel remembers what is trimmed by group, and only if one call had all of it. It forgets
 * what was trimmed with a larger minimum than the present one, so that this is always the same. docs/data-disk.md has
 * the figures of all three. */
#define PIECE_BYTES   (UINT64_C(128) << 20)
#define MINIMUM_BYTES (UINT64_C(64) << 10)
#define REST_TIMES    3    /* gentle: so many times as long as a piece took */
#define REST_FROM_US  1000 /* a piece in which there was nothing to do takes less */

#define PRESSURE_MAX 10.0 /* per cent of the last 10 s in which somebody waited for the disk */

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void be_polite(void)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	const struct sigaction action = {.sa_handler = on_signal};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		(void)sigaction(numbers[i], &action, NULL);
	(void)setpriority(PRIO_PROCESS, 0, 19);
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		    IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)) < 0)
		log_warning("idle I/O priority: %s", strerror(errno));
}

/* "some avg10=1.23 ..." of a PSI file (accounting/psi.rst), 0 if there is none. */
static double read_pressure(const char *path)
{
	char text[256], *average;

	if (file_read(path, text, sizeof(text)) <= 0)
		return 0;
	average = strstr(text, "avg10=");
	return average ? strtod(average + strlen("avg10="), NULL) : 0;
}

/* That of the engine and the containers, not of the system: waiting for a discard, we are among those who wait there. */
static bool somebody_waits(void)
{
	static const char *const slices[] = {"engine", "containers"};
	const char *base = getenv("KEEL_CGROUP");

	for (size_t i = 0; base && i < ARRAY_SIZE(slices); i++) {
		char path[512];

		(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s/io.pressure", base,
			slices[i]);
		if (read_pressure(path) > PRESSURE_MAX)
			return true;
	}
	return false;
}

/* Others' requests come through in the meantime. A signal ends it. */
static void rest(uint64_t took_us)
{
	const uint64_t us = took_us * REST_TIMES;
	const struct timespec pause = {
		.tv_sec = (time_t)(us / USEC_PER_SEC), .tv_nsec = (long)(us % USEC_PER_SEC) * 1000};

	if (took_us > REST_FROM_US)
		(void)nanosleep(&pause, NULL);
}

struct trim {
	uint64_t bytes;
	unsigned int pieces;
	const char *stopped;
};

/* 0 or -errno. */
static int trim_all(struct job *job, int fd, uint64_t size_bytes, struct trim *trim)
{
	/* What was deleted a moment ago is free only when the journal has it. */
	if (syncfs(fd) < 0)
		return -errno;
	for (uint64_t start = 0; start < size_bytes; start += PIECE_BYTES) {
		struct fstrim_range range = {
			.start = start, .len = PIECE_BYTES, .minlen = MINIMUM_BYTES};
		const uint64_t begin_us = clock_now_us();

		if (stopped)
			trim->stopped = "signal";
		else if (job->options.gentle && somebody_waits())
			trim->stopped = "pressure";
		if (trim->stopped[0])
			return 0;
		if (ioctl(fd, FITRIM, &range) < 0) {
			/* The end of the file system, which may lie before that of its device. */
			if (errno == EINVAL && start > 0)
				return 0;
			if (errno == EINTR)
				continue;
			return -errno;
		}
		trim->bytes += range.len;
		trim->pieces++;
		job_progress(job, "trim",
			(unsigned int)((double)start / (double)size_bytes * 1000));
		if (job->options.gentle)
			rest(clock_now_us() - begin_us);
	}
	return 0;
}

static int succeed(struct job *job, const char *device, const struct trim *trim, uint64_t ms)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *result = job_result_new(&doc);

	if (result) {
		(void)yyjson_mut_obj_add_strcpy(doc, result, "device", device);
		(void)yyjson_mut_obj_add_uint(doc, result, "trimmed_bytes", trim->bytes);
		(void)yyjson_mut_obj_add_uint(doc, result, "pieces", trim->pieces);
		(void)yyjson_mut_obj_add_uint(doc, result, "ms", ms);
		(void)yyjson_mut_obj_add_str(doc, result, "stopped", trim->stopped);
	}
	return job_succeed(job, doc, "%s: %llu MiB given back in %llu ms%s%s\n", device,
		(unsigned long long)(trim->bytes >> 20), (unsigned long long)ms,
		trim->stopped[0] ? ", stopped by " : "", trim->stopped);
}

int verb_trim(struct job *job)
{
	const uint64_t begin_us = clock_now_us();
	_cleanup_close_ int fd = -1;
	struct trim trim = {.stopped = ""};
	const struct disk_facts *disk;
	int status, rc;

	be_polite();
	disk = disk_pick_mounted(job, &status);
	if (!disk)
		return status;
	fd = open(job->config->disk.mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = fd < 0 ? -errno : trim_all(job, fd, disk->size_bytes, &trim);
	if (rc == -EOPNOTSUPP)
		return job_fail(job, "unsupported",
			"%s does not take discards: its file cannot be shrunk by trimming",
			disk->device);
	if (rc == -EROFS)
		return job_fail(job, "read-only",
			"%s is mounted read-only and cannot be trimmed: keelctl disk repair",
			disk->device);
	if (rc < 0)
		return job_fail(job, "failed", "trim %s: %s", disk->device, strerror(-rc));
	return succeed(job, disk->device, &trim, (clock_now_us() - begin_us) / USEC_PER_MSEC);
}
