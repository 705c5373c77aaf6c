/* SPDX-License-Identifier: MIT
 *
 * disk_probe.c - the only file that knows libblkid. Called by disk_scan.c and disk_stage.c. On
 * failure the answer is always the one that forbids more: unreadable, or not blank.
 */
#include "init/disk/disk_probe.h"

#include <blkid/blkid.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/disk/format_intent.h"
#include "lib/log.h"

#define PIECE        (UINT64_C(1) << 20)
#define EDGE_PIECES  UINT64_C(16)
#define SAMPLES      UINT64_C(64)
#define PIECES_MAX   (2 * EDGE_PIECES + SAMPLES)
#define BUFFER_ALIGN 4096

static void copy_value(blkid_probe probe, const char *name, char *out, size_t size)
{
	const char *value = NULL;

	if (blkid_probe_lookup_value(probe, name, &value, NULL) == 0 && value)
		(void)snprintf(out, size, "%s", value);
}

/* blkid_do_safeprobe(): 0 found, 1 nothing known, -2 more than one signature, -1 error. A file
 * system counts before a partition table: some of them have the remains of one in front. */
static void read_signatures(blkid_probe probe, struct disk_facts *disk)
{
	int rc;

	(void)blkid_probe_enable_superblocks(probe, 1);
	(void)blkid_probe_set_superblocks_flags(probe,
		BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID | BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE);
	(void)blkid_probe_enable_partitions(probe, 1);
	rc = blkid_do_safeprobe(probe);
	if (rc == 0) {
		copy_value(probe, "TYPE", disk->type, sizeof(disk->type));
		copy_value(probe, "LABEL", disk->label, sizeof(disk->label));
		copy_value(probe, "UUID", disk->uuid, sizeof(disk->uuid));
		disk->content = DISK_CONTENT_DATA;
		if (disk->type[0] == '\0') {
			copy_value(probe, "PTTYPE", disk->type, sizeof(disk->type));
			disk->content = DISK_CONTENT_PARTITIONS;
		}
	} else if (rc == 1) {
		disk->content = DISK_CONTENT_NOTHING;
	} else {
		disk->content = rc == -2 ? DISK_CONTENT_AMBIVALENT : DISK_CONTENT_UNREADABLE;
	}
}

static bool read_superblock(int fd, uint64_t offset, struct superblock *superblock)
{
	unsigned char bytes[SUPERBLOCK_BYTES];

	if (pread(fd, bytes, sizeof(bytes), (off_t)offset) != sizeof(bytes))
		return false;
	superblock_parse(bytes, offset, superblock);
	return true;
}

/* Where the first superblock is lost: the first backup that is whole. */
static void find_backup(int fd, struct disk_facts *disk)
{
	uint64_t offset;

	for (size_t i = 0; (offset = superblock_backup_offset(i)) != 0 && !disk->backup.valid; i++)
		if (offset + SUPERBLOCK_BYTES <= disk->size_bytes)
			(void)read_superblock(fd, offset, &disk->backup);
}

/* Remains of a file system that is not the one that was to be made are somebody's. */
static void find_format_intent(int fd, struct disk_facts *disk)
{
	unsigned char record[FORMAT_INTENT_BYTES];
	struct format_intent intent;

	if (pread(fd, record, sizeof(record), FORMAT_INTENT_OFFSET) == sizeof(record) &&
		format_intent_decode(record, disk->size_bytes, &intent))
		disk->format_intent =
			!disk->backup.valid || strcmp(disk->backup.uuid, intent.uuid) == 0;
}

static void read_own_records(int fd, struct disk_facts *disk)
{
	/* libblkid reports read errors at some offsets as "nothing there": where all signatures that matter
	 * are, look again. */
	if (!read_superblock(fd, SUPERBLOCK_OFFSET, &disk->superblock)) {
		disk->content = DISK_CONTENT_UNREADABLE;
		return;
	}
	if (disk->content == DISK_CONTENT_NOTHING)
		find_backup(fd, disk);
	if (disk->content == DISK_CONTENT_NOTHING || disk->superblock.valid)
		find_format_intent(fd, disk);
}

void disk_probe_content(struct disk_facts *disk)
{
	_cleanup_close_ int fd = open(disk->device, O_RDONLY | O_CLOEXEC);
	blkid_probe probe;

	disk->content = DISK_CONTENT_UNREADABLE;
	if (fd < 0) {
		log_warning("open %s: %s", disk->device, strerror(errno));
		return;
	}
	probe = blkid_new_probe();
	if (!probe || blkid_probe_set_device(probe, fd, 0, 0) < 0) {
		log_warning("probe %s: %s", disk->device, strerror(errno));
		blkid_free_probe(probe);
		return;
	}
	read_signatures(probe, disk);
	blkid_free_probe(probe);
	if (disk->content != DISK_CONTENT_UNREADABLE)
		read_own_records(fd, disk);
}

/* Where the piece-th of PIECES_MAX reads begins on a device that is larger than all of them
 * together. */
static uint64_t piece_offset(uint64_t piece, uint64_t size)
{
	uint64_t middle = size - 2 * EDGE_PIECES * PIECE;

	if (piece < EDGE_PIECES)
		return piece * PIECE;
	if (piece < EDGE_PIECES + SAMPLES)
		return EDGE_PIECES * PIECE + (middle - PIECE) / (SAMPLES - 1) *
						     (piece - EDGE_PIECES) / BUFFER_ALIGN *
						     BUFFER_ALIGN;
	return size - (PIECES_MAX - piece) * PIECE;
}

static enum disk_blank read_piece(int fd, unsigned char *buffer, uint64_t offset, uint64_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(fd, buffer + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO; /* the device is shorter than it says */
		if (n <= 0)
			return DISK_BLANK_READ_ERROR;
		done += (size_t)n;
	}
	if (buffer[0] != 0 || memcmp(buffer, buffer + 1, len - 1) != 0)
		return DISK_BLANK_NOT_ZERO;
	return DISK_BLANK_ZERO;
}

/* Past the page cache where the device can: what counts is what is on the disk. */
static int open_direct(const char *device)
{
	int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);

	return fd < 0 && errno == EINVAL ? open(device, O_RDONLY | O_CLOEXEC) : fd;
}

static enum disk_blank read_pieces(int fd, unsigned char *buffer, const char *device, uint64_t size)
{
	bool all = size <= PIECES_MAX * PIECE;
	uint64_t pieces = all ? (size + PIECE - 1) / PIECE : PIECES_MAX;

	for (uint64_t i = 0; i < pieces; i++) {
		uint64_t offset = all ? i * PIECE : piece_offset(i, size);
		uint64_t len = size - offset < PIECE ? size - offset : PIECE;
		enum disk_blank blank = read_piece(fd, buffer, offset, len);

		if (blank == DISK_BLANK_READ_ERROR)
			log_warning("read %s at %llu: %s", device, (unsigned long long)offset,
				strerror(errno));
		if (blank != DISK_BLANK_ZERO)
			return blank;
	}
	return DISK_BLANK_ZERO;
}

enum disk_blank disk_probe_blank(const char *device, uint64_t size_bytes)
{
	_cleanup_close_ int fd = open_direct(device);
	_cleanup_free_ unsigned char *buffer = aligned_alloc(BUFFER_ALIGN, PIECE);

	if (fd >= 0 && buffer && size_bytes > 0)
		return read_pieces(fd, buffer, device, size_bytes);
	log_warning("open %s: %s", device, strerror(errno));
	return DISK_BLANK_READ_ERROR;
}
