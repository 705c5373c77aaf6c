/* SPDX-License-Identifier: MIT
 *
 * store.c - see store.h. Caller: collector.c.
 */
#include "agent/log/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"

#define STATE_MAGIC UINT64_C(0x31474f4c4c45454b) /* "KEELLOG1" */

enum store_file { STORE_FILE_LOG, STORE_FILE_OLD, STORE_FILE_STATE };

static const char *file_name(const struct store *store, enum store_file file,
	char text[LOG_NAME_MAX + 16])
{
	static const char *const formats[] = {[STORE_FILE_LOG] = ".log",
		[STORE_FILE_OLD] = ".log.1",
		[STORE_FILE_STATE] = ".state"};

	/* Hidden, so that who lists logs does not see it. */
	(void)snprintf(text, LOG_NAME_MAX + 16, "%s%s%s", file == STORE_FILE_STATE ? "." : "",
		store->name, formats[file]);
	return text;
}

bool store_must_rotate(uint64_t size, size_t len)
{
	return size > 0 && size + len > STORE_FILE_MAX;
}

static int open_log(struct store *store)
{
	char text[LOG_NAME_MAX + 16];

	store->fd = openat(store->dir_fd, file_name(store, STORE_FILE_LOG, text),
		O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
	return store->fd < 0 ? -errno : 0;
}

/* Takes back what was appended but never committed. */
static void repair(struct store *store)
{
	const struct store_state *state = &store->state;
	struct stat info;

	if (store->fd >= 0 && state->log_ino != 0 && fstat(store->fd, &info) == 0 &&
		info.st_ino == state->log_ino && (uint64_t)info.st_size > state->log_size)
		(void)!ftruncate(store->fd, (off_t)state->log_size);
}

void store_open(struct store *store, int dir_fd, const char *name)
{
	char text[LOG_NAME_MAX + 16];

	*store = (struct store){.dir_fd = dir_fd, .fd = -1};
	(void)snprintf(store->name, sizeof(store->name), "%s", name);
	store->state_fd = openat(dir_fd, file_name(store, STORE_FILE_STATE, text),
		O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->state_fd >= 0 && (pread(store->state_fd, &store->state, sizeof(store->state),
					     0) != (ssize_t)sizeof(store->state) ||
					    store->state.magic != STATE_MAGIC))
		memset(&store->state, 0, sizeof(store->state));
	(void)!open_log(store);
	repair(store);
}

void store_close(struct store *store)
{
	close_p(&store->fd);
	close_p(&store->state_fd);
}

void store_commit(struct store *store)
{
	struct stat info;

	if (store->fd >= 0 && fstat(store->fd, &info) == 0) {
		store->state.log_ino = info.st_ino;
		store->state.log_size = (uint64_t)info.st_size;
	}
	store->state.magic = STATE_MAGIC;
	/* Within one page: a kill comes before or after, not in between. */
	if (store->state_fd >= 0)
		(void)!pwrite(store->state_fd, &store->state, sizeof(store->state), 0);
}

static int rotate(struct store *store)
{
	char log[LOG_NAME_MAX + 16], old[LOG_NAME_MAX + 16];
	int rc;

	if (renameat(store->dir_fd, file_name(store, STORE_FILE_LOG, log), store->dir_fd,
		    file_name(store, STORE_FILE_OLD, old)) < 0)
		return -errno;
	close_p(&store->fd);
	rc = open_log(store);
	if (rc == 0)
		store_commit(store);
	return rc;
}

/* Opens what is not there (yet, or any more: somebody has removed it), rotates. *size is that of the file. */
static int make_ready(struct store *store, size_t len, uint64_t *size)
{
	struct stat info;
	int rc = 0;

	if (store->fd >= 0 && fstat(store->fd, &info) == 0 && info.st_nlink == 0)
		close_p(&store->fd);
	if (store->fd < 0)
		rc = open_log(store);
	if (rc == 0 && fstat(store->fd, &info) < 0)
		rc = -errno;
	if (rc == 0 && store_must_rotate((uint64_t)info.st_size, len)) {
		rc = rotate(store);
		info.st_size = 0;
	}
	if (rc == 0)
		*size = (uint64_t)info.st_size;
	return rc;
}

int store_append(struct store *store, const char *data, size_t len)
{
	char old[LOG_NAME_MAX + 16];
	uint64_t size = 0;
	int rc = make_ready(store, len, &size);

	if (rc < 0)
		return rc;
	rc = file_write_all(store->fd, data, len);
	if (rc == -ENOSPC &&
		unlinkat(store->dir_fd, file_name(store, STORE_FILE_OLD, old), 0) == 0) {
		(void)!ftruncate(store->fd, (off_t)size);
		rc = file_write_all(store->fd, data, len);
	}
	if (rc < 0)
		(void)!ftruncate(store->fd, (off_t)size);
	return rc;
}
