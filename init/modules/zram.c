/* SPDX-License-Identifier: MIT
 *
 * zram.c - see zram.h. Caller: keel-modules, which loads the module.
 */
#include "init/modules/zram.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <sys/sysinfo.h>

#include "lib/file.h"
#include "lib/log.h"

#define PAGE     4096
#define PRIORITY 100 /* before a swap disk, which gets the highest negative one */

static bool is_swapped_to(void)
{
	char text[4096];

	return file_read("/proc/swaps", text, sizeof(text)) > 0 && strstr(text, "/dev/zram");
}

/* The first device is there with the module; somebody else may have taken it. Returns its number or -errno. */
static int find_device(void)
{
	char text[16];
	ssize_t len = file_read("/sys/block/zram0/initstate", text, sizeof(text));

	if (len > 0 && text[0] == '0')
		return 0;
	len = file_read("/sys/class/zram-control/hot_add", text, sizeof(text));
	return len < 0 ? (int)len : (int)strtoul(text, NULL, 10);
}

static int set(int number, const char *name, uint64_t value)
{
	char path[64], text[24];

	(void)snprintf(path, sizeof(path), "/sys/block/zram%d/%s", number, name);
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return file_write(path, text);
}

void zram_write_header(unsigned char *page, size_t page_size, uint32_t pages)
{
	const uint32_t info[] = {1 /* version */, pages - 1 /* last page */, 0 /* bad pages */};
	static const char magic[] = "SWAPSPACE2";

	(void)memset(page, 0, page_size);
	memcpy(page + 1024, info, sizeof(info));
	memcpy(page + page_size - (sizeof(magic) - 1), magic, sizeof(magic) - 1);
}

static int swap_to(int number, uint64_t bytes)
{
	unsigned char header[PAGE];
	_cleanup_close_ int fd = -1;
	char path[32];
	int rc;

	(void)snprintf(path, sizeof(path), "/dev/zram%d", number);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	zram_write_header(header, sizeof(header), (uint32_t)(bytes / PAGE));
	rc = file_write_all(fd, header, sizeof(header));
	close_p(&fd);
	if (rc == 0 && swapon(path, SWAP_FLAG_PREFER | PRIORITY) < 0)
		rc = -errno;
	return rc;
}

static int make(unsigned int percent, uint64_t *bytes)
{
	struct sysinfo info;
	uint64_t total, limit;
	int number, rc;

	if (sysinfo(&info) < 0)
		return -errno;
	total = (uint64_t)info.totalram * info.mem_unit;
	*bytes = total / 100 * percent / PAGE * PAGE;
	/* Not into what containers leave to the engine: never more than half in all (lib/memory_limits.c). */
	limit = *bytes / 2 < total / 4 ? *bytes / 2 : total / 4;
	number = find_device();
	if (number < 0)
		return number;
	rc = set(number, "mem_limit", limit);
	if (rc == 0)
		rc = set(number, "disksize", *bytes);
	if (rc == 0)
		rc = swap_to(number, *bytes);
	if (rc == 0) /* nothing is gained by reading ahead (admin-guide/sysctl/vm.rst) */
		(void)!file_write("/proc/sys/vm/page-cluster", "0");
	return rc;
}

int zram_swap_on(struct module_loader *loader, unsigned int percent, char *why, size_t size)
{
	uint64_t bytes = 0;
	int rc;

	if (is_swapped_to())
		return 0;
	if (loader && module_loader_load(loader, "zram") >= MODULE_RESULT_BLOCKED) {
		(void)snprintf(why, size, "no compressed swap: this kernel has no zram");
		return -ENOENT;
	}
	rc = make(percent, &bytes);
	if (rc < 0)
		(void)snprintf(why, size, "no compressed swap: zram: %s", strerror(-rc));
	else
		log_info("%llu MiB of compressed swap", (unsigned long long)bytes >> 20);
	return rc;
}
