/* SPDX-License-Identifier: MIT
 *
 * disk_format.c - see disk_format.h. Called by disk_stage.c for a blank disk and by verb_init.c.
 */
#include "init/disk/disk_format.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "init/disk/command.h"
#include "init/disk/format_intent.h"
#include "init/disk/reason.h"
#include "lib/file.h"

#define MKE2FS "/usr/sbin/mke2fs"

/* -b 4096: below 512 MiB mke2fs would take 1 KiB, whose group descriptors lie where the record is.
 * -m 1: on a disk for data a reserve of 5 % is waste, but none at all fragments and leaves no room to clean up.
 * What is not here is mke2fs's default on purpose: groups are packed by 16 and not, as WSL does, by 4096: that saves 29
 * blocks of 1 MiB of a 64 GiB disk's file, and growing such a file system needs allocations of 256 KiB in the kernel. Its
 * reserved descriptors last for growth to 8 TiB, beyond that the kernel changes to meta_bg by itself. */
#define OPTIONS "-q", "-t", "ext4", "-b", "4096", "-m", "1"

/* On a disk that reads as zero the journal and the inode tables are zero already. Writing them again would make the disk's
 * file grow by what the journal takes, and by another 1.6 % of the disk's size in the first minutes after the mount. */
#define OPTIONS_ZERO "assume_storage_prezeroed=1,nodiscard"
/* Else the kernel zeroes the tables later, and what the old content occupied is given back to the host. */
#define OPTIONS_USED "lazy_itable_init=1,discard"

static int make_uuid(char uuid[UUID_TEXT_SIZE])
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return -EIO;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* RFC 9562, version 4 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	(void)snprintf(uuid, UUID_TEXT_SIZE,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		b[15]);
	return 0;
}

static int write_record(const char *device, const unsigned char record[FORMAT_INTENT_BYTES])
{
	_cleanup_close_ int fd = open(device, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (lseek(fd, FORMAT_INTENT_OFFSET, SEEK_SET) < 0)
		return -errno;
	if (file_write_all(fd, record, FORMAT_INTENT_BYTES) < 0 || fsync(fd) < 0)
		return -EIO;
	return 0;
}

int disk_format_clear_intent(const char *device)
{
	static const unsigned char zero[FORMAT_INTENT_BYTES];

	return write_record(device, zero);
}

static int write_intent(const struct disk_facts *disk, const char *uuid)
{
	struct format_intent intent = {.device_bytes = disk->size_bytes};
	unsigned char record[FORMAT_INTENT_BYTES];

	(void)snprintf(intent.uuid, sizeof(intent.uuid), "%s", uuid);
	format_intent_encode(&intent, record);
	return write_record(disk->device, record);
}

/* What is to be in the root directory of the new file system: the marker. */
static int fill_directory(const char *directory, const char *uuid)
{
	struct marker marker = {.made_s = (uint64_t)time(NULL), .by = KEEL_VERSION};
	_cleanup_close_ int fd = -1;
	char text[MARKER_BYTES_MAX], path[64];
	ssize_t len;

	(void)snprintf(marker.uuid, sizeof(marker.uuid), "%s", uuid);
	len = marker_format(&marker, text);
	if (len < 0)
		return (int)len;
	/* mke2fs gives the new root directory the mode of this one. */
	if (chmod(directory, 0755) < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s/" MARKER_NAME, directory);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	return file_write_all(fd, text, (size_t)len);
}

static void remove_directory(const char *directory)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/" MARKER_NAME, directory);
	(void)unlink(path);
	(void)rmdir(directory);
}

static int run_mke2fs(const char *device, const char *label, bool zero, const char *uuid,
	const char *directory, char *reason, size_t reason_size)
{
	const char *const argv[] = {MKE2FS, OPTIONS, "-E", zero ? OPTIONS_ZERO : OPTIONS_USED, "-L",
		label, "-U", uuid, "-d", directory, device, NULL};
	struct command command = {.argv = argv};
	int status = command_run(&command);

	if (status < 0)
		return REASON_FAIL(reason, reason_size, status, "cannot run %s: %s", MKE2FS,
			strerror(-status));
	if (status != 0)
		return REASON_FAIL(reason, reason_size, -EIO, "mke2fs %s ended with status %d: %s",
			device, status, command.words);
	return 0;
}

int disk_format_run(const struct disk_facts *disk, const char *label, bool zero,
	char uuid[UUID_TEXT_SIZE], char *reason, size_t reason_size)
{
	char directory[] = "/run/keel/format-XXXXXX";
	int rc = file_make_dirs("/run/keel");

	if (rc == 0 && !mkdtemp(directory))
		rc = -errno;
	if (rc < 0)
		return REASON_FAIL(reason, reason_size, rc, "make directory %s: %s", directory,
			strerror(-rc));
	rc = make_uuid(uuid);
	if (rc == 0)
		rc = fill_directory(directory, uuid);
	if (rc == 0)
		rc = write_intent(disk, uuid);
	if (rc < 0) {
		remove_directory(directory);
		return REASON_FAIL(reason, reason_size, rc, "prepare %s for its format: %s",
			disk->device, strerror(-rc));
	}
	rc = run_mke2fs(disk->device, label, zero, uuid, directory, reason, reason_size);
	remove_directory(directory);
	if (rc < 0)
		return rc;
	rc = disk_format_clear_intent(disk->device);
	if (rc < 0)
		return REASON_FAIL(reason, reason_size, rc, "write to %s: %s", disk->device,
			strerror(-rc));
	return 0;
}
