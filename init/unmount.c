/* SPDX-License-Identifier: MIT
 *
 * unmount.c - see unmount.h. Called by the child that shutdown.c forks, and by last_resort() in main.c.
 */
#include "init/unmount.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/swap.h>

#include "lib/file.h"
#include "lib/log.h"
#include "lib/share_point.h"

/* Steps that are no mount's. IDs of mounts are small and positive. */
#define KEY_SWAP      0x80000000U /* plus the line of /proc/swaps */
#define KEY_LOOP      0xc0000000U
#define KEY_ROOT      0xc0000001U
#define KEY_SYNC_ROOT 0xc0000002U
#define KEY_SYNC      0xc0000003U

#define MOUNTS "/proc/self/mountinfo"

#define LOOPS_MAX 256 /* device numbers that are looked at */

/* The kernel lets go of files and mount namespaces of the killed a moment after they are gone. */
#define BUSY_TRIES    50
#define BUSY_PAUSE_US 20000

struct unmount_progress *unmount_share(void)
{
	void *page = mmap(NULL, sizeof(struct unmount_progress), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? NULL : page;
}

/* Says what comes next. False: it hung before, leave it out. */
static bool begin(const struct unmount_plan *plan, uint32_t key, const char *verb, const char *what,
	const char *device)
{
	struct unmount_progress *progress = plan->progress;

	for (unsigned int i = 0; i < plan->stuck_count; i++)
		if (plan->stuck[i] == key)
			return false;
	if (progress) {
		(void)snprintf(progress->what, sizeof(progress->what) - 1, "%s %s", verb, what);
		/* One without a disk of its own, an overlay, writes to the data disk if to any. */
		(void)snprintf(progress->device, sizeof(progress->device) - 1, "%s",
			strncmp(device, "0:", 2) == 0 ? plan->data_device : device);
		progress->key = key;
		progress->steps++;
	}
	return true;
}

/* ---- what is mounted ---------------------------------------------------------------------------- */

/* One field, its octal escapes undone, up to the next space. Returns what follows, or NULL if it does not fit. */
static const char *take_field(const char *in, char *out, size_t size)
{
	size_t len = 0;

	for (; *in && *in != ' ' && *in != '\n' && *in != '\t'; in++) {
		char c = *in;

		if (len + 1 >= size)
			return NULL;
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
			in[3] >= '0' && in[3] <= '7') {
			c = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
			in += 3;
		}
		out[len++] = c;
	}
	out[len] = '\0';
	return *in == ' ' ? in + 1 : in;
}

static const char *skip_field(const char *in)
{
	in += strcspn(in, " \n");
	return *in == ' ' ? in + 1 : in;
}

bool unmount_parse_line(const char *line, struct unmount_entry *entry)
{
	char *end;

	/* "36 35 98:0 /root /mount\040point options... - type source options" */
	entry->id = (uint32_t)strtoul(line, &end, 10);
	if (end == line || *end != ' ')
		return false;
	line = take_field(skip_field(end + 1), entry->device, sizeof(entry->device));
	if (!line)
		return false;
	line = take_field(skip_field(line), entry->point, sizeof(entry->point));
	return line && entry->point[0] == '/' && *line && *line != '\n';
}

static bool below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return len > 0 && strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

bool unmount_is_ours(enum boot_mode mode, const char *data, const char *point)
{
	/* dockerd's and containerd's mounts: overlays in the directories of /run hold the data disk. */
	static const char *const engine[] = {
		"/var/lib/docker", "/var/lib/containerd", "/run/docker", "/run/containerd"};
	static const char *const api[] = {"/proc", "/sys", "/dev"};

	if (strcmp(point, "/") == 0)
		return false;
	if (below(point, data))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(engine); i++)
		if (below(point, engine[i]))
			return true;
	if (mode == BOOT_MODE_WSL || strcmp(point, "/run") == 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(api); i++)
		if (below(point, api[i]))
			return false;
	return true;
}

/* A whole table of /proc in memory that grows with it: one that changes while it is read can skip entries, and of the
 * mounts the newest come first only from its end. Without memory there is a fixed buffer, which keeps the end of the
 * table: the newest mounts, whose going makes room for those before. */
struct table {
	char *text;
	size_t len, size;
};

static char spare[64 * 1024];

static void free_table(struct table *table)
{
	if (table->text != spare)
		free(table->text);
}

static void make_room(struct table *table)
{
	size_t size = table->size * 2 + sizeof(spare);
	char *larger = table->text == spare ? NULL : realloc(table->text, size);

	if (larger) {
		table->text = larger;
		table->size = size;
	} else if (!table->text) {
		table->text = spare;
		table->size = sizeof(spare);
	} else {
		size_t keep = table->len / 2;

		memmove(table->text, table->text + table->len - keep, keep);
		table->len = keep;
	}
}

static int read_table(struct table *table, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		if (table->size - table->len < 4096)
			make_room(table);
		n = read(fd, table->text + table->len, table->size - table->len - 1);
		if (n > 0)
			table->len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	table->text[table->len] = '\0';
	return 0;
}

/* The entry before position *at, which starts as the length. False when there is none before it. */
static bool previous(const struct table *list, size_t *at, struct unmount_entry *entry)
{
	while (*at > 0) {
		size_t start = *at - 1;

		while (start > 0 && list->text[start - 1] != '\n')
			start--;
		*at = start;
		if (unmount_parse_line(list->text + start, entry))
			return true;
	}
	return false;
}

/* "major:minor" of the file systems on the data disk's mount point and on `/`, "" where there is none. */
static void find_devices(struct unmount_plan *plan)
{
	_cleanup_(free_table) struct table list = {0};
	struct unmount_entry entry;
	size_t at;

	plan->data_device[0] = plan->root_device[0] = '\0';
	if (read_table(&list, MOUNTS) < 0)
		return;
	at = list.len;
	while (previous(&list, &at, &entry)) {
		char *device = strcmp(entry.point, plan->data) == 0 ? plan->data_device
			       : strcmp(entry.point, "/") == 0      ? plan->root_device
								    : NULL;

		if (device && device[0] == '\0')
			(void)snprintf(device, sizeof(plan->data_device), "%s", entry.device);
	}
}

/* ---- the steps ---------------------------------------------------------------------------------- */

static void swap_off(const struct unmount_plan *plan)
{
	_cleanup_(free_table) struct table list = {0};
	char path[4096];
	uint32_t number = 0;

	if (read_table(&list, "/proc/swaps") < 0)
		return;
	/* The first line is a heading. */
	for (const char *line = strchr(list.text, '\n'); line && line[1];
		line = strchr(line + 1, '\n')) {
		if (!take_field(line + 1, path, sizeof(path)))
			continue;
		number++;
		/* WSL's own swap serves every distro. */
		if (plan->mode == BOOT_MODE_WSL && !below(path, plan->data))
			continue;
		if (begin(plan, KEY_SWAP + number, "swapoff", path, "") && swapoff(path) < 0)
			log_warning("swapoff %s: %m", path);
	}
}

/* One pass over all mounts, the newest first, so that a nest or a stack goes in one. *left counts what stayed.
 * Returns the progress made. */
static unsigned int unmount_pass(const struct unmount_plan *plan, unsigned int *left)
{
	_cleanup_(free_table) struct table list = {0};
	struct unmount_entry entry;
	unsigned int done = 0;
	size_t at;

	*left = 0;
	if (read_table(&list, MOUNTS) < 0)
		return 0;
	at = list.len;
	while (previous(&list, &at, &entry)) {
		if (!unmount_is_ours(plan->mode, plan->data, entry.point))
			continue;
		if (begin(plan, entry.id, "umount", entry.point, entry.device) &&
			umount2(entry.point, UMOUNT_NOFOLLOW) == 0)
			done++;
		else
			(*left)++;
	}
	return done;
}

/* A loop device keeps the file system of its file busy. Returns how many were detached. */
static unsigned int detach_loops(const struct unmount_plan *plan)
{
	unsigned int done = 0;

	for (unsigned int i = 0;
		i < LOOPS_MAX && begin(plan, KEY_LOOP, "detach", "loop devices", plan->data_device);
		i++) {
		char path[64], backing[4096];
		int fd;

		(void)snprintf(path, sizeof(path), "/sys/block/loop%u/loop/backing_file", i);
		if (file_read(path, backing, sizeof(backing)) <= 0 || !below(backing, plan->data))
			continue;
		(void)snprintf(path, sizeof(path), "/dev/loop%u", i);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, LOOP_CLR_FD) == 0)
			done++;
		close_p(&fd);
	}
	return done;
}

/* Until nothing is left, or nothing has moved for a second. Returns how many went. */
static unsigned int unmount_passes(const struct unmount_plan *plan, unsigned int *left)
{
	unsigned int all = 0;
	bool detached = false;

	for (unsigned int tries = 0; tries < BUSY_TRIES; tries++) {
		unsigned int done = unmount_pass(plan, left);

		all += done;
		if (*left == 0)
			break;
		if (done > 0) {
			tries = 0;
			continue;
		}
		/* When nothing on them is mounted any more. Once: of one in use the kernel says that it is done too. */
		if (!detached && detach_loops(plan) > 0) {
			detached = true;
			continue;
		}
		(void)usleep(BUSY_PAUSE_US);
	}
	return all;
}

/* What is left, and under WSL also what others mounted of the data disk's file system: not unmounted, for it is not
 * ours, but nothing is written to that disk any more. Returns how many refused. */
static unsigned int make_read_only(const struct unmount_plan *plan)
{
	_cleanup_(free_table) struct table list = {0};
	struct unmount_entry entry;
	unsigned int left = 0;
	size_t at;

	if (read_table(&list, MOUNTS) < 0)
		return 1;
	at = list.len;
	while (previous(&list, &at, &entry)) {
		bool data = plan->data_device[0] && strcmp(entry.device, plan->data_device) == 0;

		if (strcmp(entry.point, "/") == 0 ||
			(!data && !unmount_is_ours(plan->mode, plan->data, entry.point)))
			continue;
		if (!begin(plan, entry.id, "remount read-only", entry.point, entry.device)) {
			left++;
		} else if (mount(NULL, entry.point, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0) {
			log_warning("cannot unmount %s, nor remount it read-only: %m", entry.point);
			left++;
		} else {
			log_warning("%s is busy: read-only now", entry.point);
		}
	}
	return left;
}

static void write_out(const struct unmount_plan *plan)
{
	_cleanup_close_ int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root >= 0 && begin(plan, KEY_SYNC_ROOT, "sync", "/", plan->root_device))
		(void)syncfs(root);
	/* Under WSL the rest is other distros' and Windows'. */
	if (plan->mode == BOOT_MODE_VM &&
		begin(plan, KEY_SYNC, "sync", "everything", plan->root_device))
		sync();
}

/* What keel-share has published, if it could not withdraw it any more: in all distros, for it is ours. That it is, its file
 * system tells: our /run. */
static void withdraw(const struct unmount_plan *plan)
{
	_cleanup_(free_table) struct table list = {0};
	struct unmount_entry entry, published = {.point = ""};
	char run[sizeof(entry.device)] = "";
	size_t at;

	if (read_table(&list, MOUNTS) < 0)
		return;
	at = list.len;
	while (previous(&list, &at, &entry)) {
		if (published.point[0] == '\0' && strcmp(entry.point, SHARE_POINT) == 0)
			published = entry;
		if (run[0] == '\0' && strcmp(entry.point, "/run") == 0)
			(void)snprintf(run, sizeof(run), "%s", entry.device);
	}
	/* Lazily: others may stand in it, and it must not stay behind. */
	if (published.point[0] && strcmp(published.device, run) == 0 &&
		begin(plan, published.id, "umount", SHARE_POINT, "") &&
		umount2(SHARE_POINT, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
		log_warning("cannot unmount %s: %m", SHARE_POINT);
}

unsigned int unmount_all(struct unmount_plan *plan)
{
	unsigned int left, done;

	if (plan->mode == BOOT_MODE_WSL)
		withdraw(plan);
	/* What happens below /mnt/wsl in other distros is theirs, and theirs must not hear of ours. */
	if (plan->mode == BOOT_MODE_WSL)
		(void)mount(NULL, SHARE_TOP, NULL, MS_REC | MS_SLAVE, NULL);
	find_devices(plan);
	swap_off(plan);
	done = unmount_passes(plan, &left);
	log_info("%u file systems unmounted", done);
	if (left > 0)
		log_warning("%u file systems are busy", left);
	left = make_read_only(plan);
	if (plan->mode == BOOT_MODE_VM &&
		begin(plan, KEY_ROOT, "remount read-only", "/", plan->root_device) &&
		mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		log_warning("cannot remount / read-only: %m");
	write_out(plan);
	return left;
}
