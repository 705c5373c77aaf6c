/* SPDX-License-Identifier: MIT
 *
 * clock_source.c - see clock_source.h. Caller: clock_effects.c. An answer of the device is two times of ours around one of
 * its own: the offset is to the middle, half of the distance the uncertainty.
 */
#include "agent/clock_source.h"

#include <fcntl.h>
#include <linux/ptp_clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "agent/runner.h"
#include "lib/clock.h"
#include "lib/file.h"

#define SAMPLES  3
#define PTP_NAME "ptp"

static int64_t to_ns(const struct ptp_clock_time *time)
{
	return (int64_t)time->sec * INT64_C(1000000000) + time->nsec;
}

struct best {
	bool any;
	int64_t offset_ns, window_ns;
};

static void take_sample(struct best *best, const struct ptp_clock_time *before,
	const struct ptp_clock_time *device, const struct ptp_clock_time *after)
{
	int64_t start = to_ns(before), window = to_ns(after) - start;

	/* Our clock was set in between. */
	if (window < 0 || (best->any && window >= best->window_ns))
		return;
	*best = (struct best){.any = true,
		.offset_ns = to_ns(device) - (start + window / 2),
		.window_ns = window};
}

/* Both clocks at one moment, as the processor has them: KVM's can. */
static int measure_precise(int fd, clock_ioctl_fn *call, struct best *best)
{
	struct ptp_sys_offset_precise both = {0};

	if (call(fd, PTP_SYS_OFFSET_PRECISE, &both) < 0)
		return -errno;
	take_sample(best, &both.sys_realtime, &both.device, &both.sys_realtime);
	return 0;
}

static int measure_extended(int fd, clock_ioctl_fn *call, struct best *best)
{
	struct ptp_sys_offset_extended samples = {.n_samples = SAMPLES};

	if (call(fd, PTP_SYS_OFFSET_EXTENDED, &samples) < 0)
		return -errno;
	for (size_t i = 0; i < SAMPLES; i++)
		take_sample(best, &samples.ts[i][0], &samples.ts[i][1], &samples.ts[i][2]);
	return 0;
}

/* Ours, its, ours, its, ours. */
static int measure_plain(int fd, clock_ioctl_fn *call, struct best *best)
{
	struct ptp_sys_offset samples = {.n_samples = SAMPLES};

	if (call(fd, PTP_SYS_OFFSET, &samples) < 0)
		return -errno;
	for (size_t i = 0; i < SAMPLES; i++)
		take_sample(best, &samples.ts[2 * i], &samples.ts[2 * i + 1],
			&samples.ts[2 * i + 2]);
	return 0;
}

int clock_ptp_measure(int fd, clock_ioctl_fn *call, int64_t *offset_us, uint64_t *uncertainty_us)
{
	static int (*const ways[])(int, clock_ioctl_fn *, struct best *) = {
		measure_precise, measure_extended, measure_plain};
	struct best best = {0};
	int rc = -ENOTTY;

	for (size_t i = 0; i < ARRAY_SIZE(ways) && !best.any; i++)
		rc = ways[i](fd, call, &best);
	if (!best.any)
		return rc < 0 ? rc : -EAGAIN;
	*offset_us = best.offset_ns / 1000;
	*uncertainty_us = (uint64_t)best.window_ns / 2000 + 1;
	return 0;
}

/* drivers/hv/hv_util.c and drivers/ptp/ptp_kvm_common.c. */
bool clock_ptp_is_hypervisor(const char *name)
{
	return strcmp(name, "hyperv") == 0 || strcmp(name, "KVM virtual PTP") == 0;
}

static int call_ioctl(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, (int)request, argument);
}

static bool open_ptp(struct clock_reference *reference, const char *device)
{
	char path[64], name[sizeof(reference->name)], end;
	unsigned int number;
	int fd;

	(void)snprintf(path, sizeof(path), CLOCK_PTP_CLASS "/%.16s/clock_name", device);
	if (file_read(path, name, sizeof(name)) <= 0)
		return false;
	name[strcspn(name, "\n")] = '\0';
	if (!clock_ptp_is_hypervisor(name))
		return false;
	if (sscanf(device, PTP_NAME "%4u%c", &number, &end) != 1)
		return false;
	fd = runner_open(RUNNER_FILE_PTP, number, NULL);
	if (fd < 0)
		return false;
	*reference = (struct clock_reference){.kind = CLOCK_SOURCE_PTP, .fd = fd};
	memcpy(reference->name, name, sizeof(name));
	return true;
}

static bool find_ptp(struct clock_reference *reference)
{
	_cleanup_close_ int fd = open(CLOCK_PTP_CLASS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_dir dir = {.fd = fd};
	const char *name;
	unsigned char type;
	bool found = false;

	while (fd >= 0 && !found && (name = file_dir_next(&dir, &type)))
		found = strncmp(name, PTP_NAME, strlen(PTP_NAME)) == 0 && open_ptp(reference, name);
	return found;
}

void clock_reference_find(struct clock_reference *reference, bool rtc)
{
	int64_t seconds;

	if (reference->kind == CLOCK_SOURCE_PTP || find_ptp(reference))
		return;
	if (rtc && clock_reference_seconds(&seconds) == 0)
		*reference = (struct clock_reference){
			.kind = CLOCK_SOURCE_RTC, .name = "rtc0", .fd = -1};
}

void clock_reference_close(struct clock_reference *reference)
{
	if (reference->kind == CLOCK_SOURCE_PTP)
		(void)close(reference->fd);
	*reference = (struct clock_reference){.fd = -1};
}

int clock_reference_measure(const struct clock_reference *reference, int64_t *offset_us,
	uint64_t *uncertainty_us)
{
	return clock_ptp_measure(reference->fd, call_ioctl, offset_us, uncertainty_us);
}

int clock_reference_seconds(int64_t *seconds)
{
	char text[32], *end;
	ssize_t n = file_read(CLOCK_RTC, text, sizeof(text));

	if (n < 0)
		return (int)n;
	errno = 0;
	*seconds = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\n' && *seconds > 0 ? 0 : -EIO;
}
