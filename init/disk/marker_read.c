/* SPDX-License-Identifier: MIT
 *
 * marker_read.c - the only file that knows libext2fs. Called by disk_scan.c. The file system is untrusted and may be damaged or
 * in use: everything that libext2fs reports as wrong is a marker that cannot be read, and what is read is bounded. Checksums
 * of metadata are not insisted on: a block that a power cut tore is the journal's to mend, and the marker proves itself
 * by the UUID in it.
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

/* A crafted root directory could have billions of empty blocks; ours has a handful of names. */
#define ENTRIES_MAX 65536

struct search {
	ext2_ino_t inode; /* 0: not found */
	unsigned int entries;
};

static int match_entry(struct ext2_dir_entry *entry, int offset, int block_size, char *block,
	void *data)
{
	struct search *search = data;

	(void)offset;
	(void)block_size;
	(void)block;
	if (entry->inode != 0 && ext2fs_dirent_name_len(entry) == strlen(MARKER_NAME) &&
		memcmp(entry->name, MARKER_NAME, strlen(MARKER_NAME)) == 0)
		search->inode = entry->inode;
	return search->inode != 0 || ++search->entries >= ENTRIES_MAX ? DIRENT_ABORT : 0;
}

/* 0 or a code of libext2fs. */
static errcode_t find_file(ext2_filsys fs, ext2_ino_t *inode)
{
	struct search search = {0};
	errcode_t rc = ext2fs_dir_iterate(fs, EXT2_ROOT_INO, DIRENT_FLAG_INCLUDE_EMPTY, NULL,
		match_entry, &search);

	if (rc != 0)
		return rc;
	if (search.entries >= ENTRIES_MAX)
		return EXT2_ET_DIR_CORRUPTED;
	*inode = search.inode;
	return search.inode != 0 ? 0 : EXT2_ET_FILE_NOT_FOUND;
}

/* Reads at most `size` bytes of a regular file. 0 or a code of libext2fs. */
static errcode_t read_file(ext2_filsys fs, ext2_ino_t inode, char *text, unsigned int size,
	unsigned int *len)
{
	ext2_file_t file;
	errcode_t rc = ext2fs_file_open(fs, inode, 0, &file);

	if (rc != 0)
		return rc;
	if (LINUX_S_ISREG(ext2fs_file_get_inode(file)->i_mode))
		rc = ext2fs_file_read(file, text, size, len);
	else
		rc = EXT2_ET_BAD_INODE_NUM;
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
	ext2_ino_t inode = 0;
	errcode_t rc = ext2fs_open(device, EXT2_FLAG_64BITS | EXT2_FLAG_IGNORE_CSUM_ERRORS, 0, 0,
		unix_io_manager, &fs);

	if (rc == 0) {
		rc = find_file(fs, &inode);
		if (rc == 0)
			rc = read_file(fs, inode, text, sizeof(text), &len);
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
