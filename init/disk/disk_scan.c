/* SPDX-License-Identifier: MIT
 *
 * disk_scan.c - looks at every block device in /sys/class/block. Called by disk_stage.c after each
 * event and by disk_list.c. A device that vanishes while it is looked at becomes unreadable or
 * empty; the event that follows corrects that.
 */
#include "init/disk/disk_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "init/disk/disk_probe.h"
#include "init/disk/marker_read.h"
#include "init/disk/mount_table.h"
#include "lib/file.h"
#include "lib/log.h"

#define ATTEMPTS 5

static const struct timespec attempt_pause = {.tv_nsec = 20000000};

#define SECTOR 512 /* unit of /sys/class/block/NAME/size, whatever the device's own is */

/* A number from /sys/class/block/NAME/ATTRIBUTE; `missing` if it is not there. */
static uint64_t read_number(const char *name, const char *attribute, uint64_t missing)
{
	char path[300], text[32];

	(void)snprintf(path, sizeof(path), "/sys/class/block/%.200s/%s", name, attribute);
	if (file_read(path, text, sizeof(text)) <= 0)
		return missing;
	return strtoull(text, NULL, 10);
}

static bool is_named(const struct disk_scan_options *options, const char *device)
{
	for (size_t i = 0; i < options->only_count; i++)
		if (strcmp(options->only[i], device) == 0)
			return true;
	return false;
}

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static void exclude(struct disk_facts *disk, enum disk_exclusion exclusion, const char *detail)
{
	if (disk->exclusion != DISK_EXCLUSION_NONE)
		return; /* the first reason is the one to tell */
	disk->exclusion = exclusion;
	(void)snprintf(disk->exclusion_detail, sizeof(disk->exclusion_detail), "%s", detail);
}

/* True if somebody holds the device: an exclusive open fails for mounted and swapped-on devices in
 * any namespace, for those under a device mapper, and for a disk of which a partition is held.
 * Another prober's claim lasts microseconds: look again before believing it. */
static bool is_busy(const char *device, int attempts)
{
	for (int attempt = 1;; attempt++) {
		_cleanup_close_ int fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);

		if (fd >= 0 || errno != EBUSY)
			return false;
		if (attempt >= attempts)
			return true;
		(void)nanosleep(&attempt_pause, NULL);
	}
}

/* Sets at_mountpoint, mounted_read_only, and excludes what is mounted in our namespace. */
static void check_mounted(const struct disk_scan_options *options, const char *name,
	struct disk_facts *disk)
{
	char path[300], text[32];
	unsigned int major, minor;
	struct mount_entry entry;

	(void)snprintf(path, sizeof(path), "/sys/class/block/%.200s/dev", name);
	if (file_read(path, text, sizeof(text)) <= 0 ||
		sscanf(text, "%9u:%9u", &major, &minor) != 2)
		return;
	if (mount_table_find_target(options->mountpoint, &entry) == 0 && entry.major == major &&
		entry.minor == minor) {
		disk->at_mountpoint = true;
		disk->mounted_read_only = entry.read_only;
	}
	if (mount_table_find_device(major, minor, &entry) == 0)
		exclude(disk, DISK_EXCLUSION_MOUNTED,
			disk->at_mountpoint ? options->mountpoint : entry.target);
}

/* Reasons that need no look at the content. False: there is no content to look at. */
static bool check_device(const struct disk_scan_options *options, const char *name,
	struct disk_facts *disk)
{
	disk->size_bytes = read_number(name, "size", 0) * SECTOR;
	disk->partition = read_number(name, "partition", 0) != 0;
	/* A partition's own directory lies in that of its disk. */
	disk->logical_block_size = (uint32_t)read_number(name,
		disk->partition ? "../queue/logical_block_size" : "queue/logical_block_size",
		SECTOR);
	if (disk->size_bytes == 0) {
		exclude(disk, DISK_EXCLUSION_EMPTY, "");
		return false;
	}
	if (has_prefix(name, "ram") || has_prefix(name, "zram")) {
		exclude(disk, DISK_EXCLUSION_VIRTUAL, "");
		return false;
	}
	if (options->only_count > 0 && !is_named(options, disk->device)) {
		exclude(disk, DISK_EXCLUSION_NOT_NAMED, "");
		return false;
	}
	check_mounted(options, name, disk);
	if (read_number(name, "ro", 0) != 0)
		exclude(disk, DISK_EXCLUSION_READ_ONLY, "");
	if (read_number(name, disk->partition ? "../removable" : "removable", 0) != 0)
		exclude(disk, DISK_EXCLUSION_REMOVABLE, "");
	if (disk->size_bytes < DISK_SIZE_MIN)
		exclude(disk, DISK_EXCLUSION_SMALL, "");
	return true;
}

/* The label or the UUID that is looked for; says nothing about the marker. */
static bool may_be_ours(const struct disk_scan_options *options, const struct disk_facts *disk)
{
	return strcmp(disk->label, options->label) == 0 ||
	       (options->uuid[0] && strcasecmp(disk->uuid, options->uuid) == 0);
}

/* A mounted file system changes while it is read, and a superblock caught halfway has a wrong checksum. */
static void probe_mounted(struct disk_facts *disk)
{
	const struct disk_facts before = *disk;

	for (int attempt = 1; attempt < ATTEMPTS; attempt++) {
		disk_probe_content(disk);
		if (disk->content == DISK_CONTENT_DATA && disk->superblock.valid)
			return;
		(void)nanosleep(&attempt_pause, NULL);
		*disk = before;
	}
	disk_probe_content(disk);
}

static void probe_device(const struct disk_scan_options *options, struct disk_facts *disk)
{
	if (disk->at_mountpoint)
		probe_mounted(disk);
	else
		disk_probe_content(disk);
	/* What libext2fs could misread, with features that it does not know, is not given to it. */
	if (may_be_ours(options, disk) && strcmp(disk->type, "ext4") == 0 &&
		disk->superblock.valid && disk->superblock.unknown_incompat == 0)
		disk->marker =
			marker_read(disk->device, disk->superblock.uuid, &disk->marker_content);
}

static void scan_device(const struct disk_scan_options *options, const char *name,
	struct disk_facts *disk)
{
	bool ours;

	*disk = (struct disk_facts){.content = DISK_CONTENT_NOTHING};
	(void)snprintf(disk->device, sizeof(disk->device), "/dev/%.26s", name);
	/* sysfs writes ! for the / in names like cciss/c0d0. */
	for (char *p = strchr(disk->device, '!'); p; p = strchr(p, '!'))
		*p = '/';
	if (!check_device(options, name, disk))
		return;
	probe_device(options, disk);
	ours = may_be_ours(options, disk);
	/* Patience is for what may be ours or blank. The other disks of a machine (the root's, swap, other
	 * distros') are busy for good, and each would cost the boot a tenth of a second. */
	if (disk->exclusion == DISK_EXCLUSION_NONE &&
		is_busy(disk->device, disk->content == DISK_CONTENT_NOTHING || ours ? ATTEMPTS : 1))
		exclude(disk, DISK_EXCLUSION_BUSY, "swap, mapped, or mounted elsewhere");
	if (has_prefix(name, "loop") && options->only_count == 0 && !ours)
		exclude(disk, DISK_EXCLUSION_VIRTUAL, "loop device");
}

static int compare_devices(const void *a, const void *b)
{
	return strcmp(((const struct disk_facts *)a)->device,
		((const struct disk_facts *)b)->device);
}

int disk_scan_run(const struct disk_scan_options *options, struct disk_scan *scan)
{
	DIR *block = opendir("/sys/class/block");
	const struct dirent *entry;
	struct mount_entry mounted;

	if (!block)
		return -errno;
	scan->count = 0;
	scan->overflow = false;
	scan->mounted_source[0] = '\0';
	if (mount_table_find_target(options->mountpoint, &mounted) == 0)
		(void)snprintf(scan->mounted_source, sizeof(scan->mounted_source), "%s",
			mounted.source);
	while ((entry = readdir(block))) {
		size_t len = strlen(entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		if (scan->count == DISK_SCAN_MAX ||
			len + sizeof("/dev/") > sizeof(scan->disks[0].device)) {
			scan->overflow = true;
			log_warning("block device %.64s is left out: too many or too long a name",
				entry->d_name);
			continue;
		}
		scan_device(options, entry->d_name, &scan->disks[scan->count++]);
	}
	(void)closedir(block);
	qsort(scan->disks, scan->count, sizeof(scan->disks[0]), compare_devices);
	return 0;
}
