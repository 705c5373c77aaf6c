/* SPDX-License-Identifier: MIT
 *
 * diagnostics.h - what somebody who looks for a fault wants to see of a guest, as a tar archive, piece by piece. Users: the
 * agent (GET /v1/diagnostics), keelctl diagnose when the agent does not answer.
 *
 * Memory is fixed: one member at a time is in it, at most DIAGNOSTICS_MEMBER_MAX bytes, the newest of a log, else the
 * first. Secrets are taken out (redact.h). What is missing is named in the last member, MANIFEST.txt, and never fatal.
 * Reads of small files of the kernel's and on tmpfs only: nothing here waits for a disk, a daemon or a network.
 */
#pragma once

#include "agent/common/tar.h"
#include "lib/base.h"
#include "lib/file.h"

#define DIAGNOSTICS_MEMBER_MAX   (256 * 1024)
#define DIAGNOSTICS_MANIFEST_MAX (16 * 1024)
#define DIAGNOSTICS_NAME_MAX     80
#define DIAGNOSTICS_GROUPS_MAX   256 /* control groups */
#define DIAGNOSTICS_LOGS_MAX     64
#define DIAGNOSTICS_DOCUMENTS    8
#define DIAGNOSTICS_RECORDS      128 /* of the kernel's log, in one step */

struct diagnostics_document {
	const char *name; /* of the member, NULL: no more */
	/* The text, valid until the next call of any; NULL: there is none. */
	const char *(*write)(void *ctx, size_t *len);
};

/* What only the caller has. */
struct diagnostics_source {
	struct diagnostics_document documents[DIAGNOSTICS_DOCUMENTS];
	const char
		*data; /* where the data disk is mounted; NULL: where it is unless told otherwise */
	/* How to open /dev/kmsg and PID 1's table of mounts, and the room of a file system in bytes, where that is not for
	 * everybody. 0 or the descriptor; -errno. */
	int (*open_kmsg)(void);
	int (*open_mounts)(void);
	int (*look)(const char *path, uint64_t *total, uint64_t *used, uint64_t *free);
	/* The last events, the newest that fit, a line each; NULL: there are none. Returns the length. */
	size_t (*write_events)(void *ctx, char *buffer, size_t size);
	void *ctx;
};

struct diagnostics {
	struct diagnostics_source source;
	size_t step;          /* which member comes next: of the table in diagnostics.c */
	size_t document, log; /* within their steps */
	bool failed_log, ended;
	uint64_t realtime_s;
	int logs_fd, kmsg_fd;
	unsigned int kmsg_left; /* so many records at most */
	struct file_dir logs;
	char name[DIAGNOSTICS_NAME_MAX];
	/* The member: its text is behind room for the header. */
	size_t len, sent, have;
	bool cut, unfinished; /* what is there of it is not all yet */
	unsigned int groups;
	size_t manifest_len;
	char manifest[DIAGNOSTICS_MANIFEST_MAX];
	char data[TAR_BLOCK + DIAGNOSTICS_MEMBER_MAX + TAR_END];
};

/* To be freed by diagnostics_close. 0 or -ENOMEM. */
int diagnostics_open(const struct diagnostics_source *source,
	struct diagnostics **result) MUST_CHECK;
/* The next piece of the archive. Its length, -ENODATA at the end; -EAGAIN: to be asked once more, for what takes long is made in
 * steps. */
ssize_t diagnostics_read(struct diagnostics *diagnostics, char *buffer, size_t size) MUST_CHECK;
void diagnostics_close(struct diagnostics *diagnostics);

/* keel-diagnostics-BOOT-TIME.tar, BOOT the first digits of the boot's id. */
void diagnostics_file_name(char *name, size_t size);
