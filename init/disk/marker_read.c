/* SPDX-License-Identifier: MIT
 *
 * marker_read.c - the only file that knows libext2fs. Called by disk_scan.c. The file system is untrusted and may be damaged or
 * in use: everything that libext2fs reports as wrong is a marker that cannot be read, and what is read is bounded.
 *
 * A dirty journal is not replayed: the marker is in the file system from its first moment, or was pushed out of the journal
 * when the disk was adopted, so that it is found without.
 */
#include "init/disk/marker_read.h"

#include <string.h>
#include <sys/types.h>

/* Needs the types before it. */
#include <ext2fs/ext2fs.h>

#include "lib/log.h"

/* 0, 1 (no such file) or a code of libext2fs. */
static errcode_t read_file(ext2_filsys fs, char *text, unsigned int size, unsigned int *len)
{
	ext2_ino_t inode;
	ext2_file_t file;
	errcode_t rc = ext2fs_lookup(fs, EXT2_ROOT_INO, MARKER_NAME, (int)strlen(MARKER_NAME), NULL,
		&inode);

	if (rc != 0)
		return rc;
	rc = ext2fs_file_open(fs, inode, 0, &file);
	if (rc != 0)
		return rc;
	rc = ext2fs_file_read(file, text, size, len);
	(void)ext2fs_file_close(file);
	return rc;
}

static enum disk_marker judge(const char *text, size_t len, const char *uuid, struct marker *marker)
{
	int rc = marker_parse(text, len, marker);

	if (rc == -ENOTSUP)
		return DISK_MARKER_NEWER;
	if (rc < 0 || strcmp(marker->uuid, uuid) != 0)
		return DISK_MARKER_BAD;
	return DISK_MARKER_VALID;
}

enum disk_marker marker_read(const char *device, const char *uuid, struct marker *marker)
{
	char text[MARKER_BYTES_MAX + 1]; /* one more: too long is noticed */
	unsigned int len = 0;
	ext2_filsys fs = NULL;
	errcode_t rc = ext2fs_open(device, EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0, 0,
		unix_io_manager, &fs);

	if (rc == 0) {
		rc = read_file(fs, text, sizeof(text), &len);
		ext2fs_free(fs);
	}
	if (rc == EXT2_ET_FILE_NOT_FOUND)
		return DISK_MARKER_NONE;
	if (rc != 0) {
		log_warning("read /" MARKER_NAME " on %s: error %ld of libext2fs", device, rc);
		return DISK_MARKER_BAD;
	}
	return judge(text, len, uuid, marker);
}
