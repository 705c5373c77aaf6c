/* SPDX-License-Identifier: MIT
 *
 * main.c - keel-share: publishes the engine's socket to the other distros of the VM. A service of PID 1, under WSL only;
 * docs/keel-share.8.
 *
 * Waits for events: the table of mounts (poll(2) on mountinfo tells of each change), names in /run. What it mounts it
 * unmounts at its end; killed, it finds its mount again. It never touches a mount that is not a keel's.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "agent/notify.h"
#include "agent/share/share_policy.h"
#include "lib/clock.h"
#include "lib/config.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/stop_signals.h"

/* <sys/mount.h> and <linux/mount.h> cannot be used together. mount_setattr(2) needs Linux 5.12, WSL has 5.15 at least. */
int umount2(const char *, int);
#define MNT_DETACH      2
#define UMOUNT_NOFOLLOW 8

#define ENGINE      "docker.sock"
#define ENGINE_PATH "/run/" ENGINE
#define LINK_PATH   SHARE_DIR "/" ENGINE
#define NEW_PATH    SHARE_DIR "/.new"

#define NAMES (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_ONLYDIR)

/* Many mounts at once (an image build) are looked at once. */
#define GATHER_US (50 * USEC_PER_MSEC)

static struct {
	struct loop loop;
	struct config config;
	struct loop_source signals, mounts, names, owner;
	struct loop_timer look;
	struct share_state state;
	char device[32]; /* "major:minor" of SHARE_DIR's file system */
	char text[192];  /* the last status */
} share;

/* ---- the engine's socket in the directory ----------------------------------------------------------- */

/* A second name of the same socket: the engine makes it, and makes it anew when it starts. A link needs no agreement with
 * dockerd's configuration and is atomic. */
static void link_engine(void)
{
	struct stat engine, ours;
	bool there = lstat(ENGINE_PATH, &engine) == 0 && S_ISSOCK(engine.st_mode);
	gid_t gid = share.config.share.gid;

	if (!there) {
		(void)unlink(LINK_PATH);
		return;
	}
	if (lstat(LINK_PATH, &ours) < 0 || ours.st_ino != engine.st_ino) {
		(void)unlink(NEW_PATH);
		if (link(ENGINE_PATH, NEW_PATH) < 0 || rename(NEW_PATH, LINK_PATH) < 0)
			log_warning("cannot link %s to %s: %m", LINK_PATH, ENGINE_PATH);
	}
	if (gid != 0 && engine.st_gid != gid && lchown(LINK_PATH, (uid_t)-1, gid) < 0)
		log_warning("cannot give %s to group %u: %m", ENGINE_PATH, (unsigned int)gid);
}

static void on_names(struct loop_source *source, uint32_t events)
{
	_Alignas(struct inotify_event) char buffer[4096];
	bool ours = false;
	ssize_t len;

	(void)events;
	while ((len = read(source->fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < len;) {
			const struct inotify_event *event = (const void *)(buffer + at);

			ours |= (event->mask & IN_Q_OVERFLOW) != 0 ||
				(event->len > 0 && strcmp(event->name, ENGINE) == 0);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	if (ours)
		link_engine();
}

/* ---- publishing ------------------------------------------------------------------------------------- */

/* Not a plain bind mount: that would be a peer of /run in every distro. This one is on its own, and nothing can be written
 * or executed by way of it. */
static int mount_detached(void)
{
	struct mount_attr attributes = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			    MOUNT_ATTR_NOEXEC,
		.propagation = UINT64_C(1) << 18, /* MS_PRIVATE */
	};
	_cleanup_close_ int fd = (int)syscall(SYS_open_tree, AT_FDCWD, SHARE_DIR,
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
		return -errno;
	if (syscall(SYS_move_mount, fd, "", AT_FDCWD, SHARE_POINT, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static int publish(void)
{
	int rc = file_make_dirs(SHARE_POINT);

	if (rc == 0)
		rc = mount_detached();
	if (rc == 0)
		log_info("published on %s", SHARE_POINT);
	else
		log_warning("cannot publish on %s: %s", SHARE_POINT, strerror(-rc));
	return rc;
}

static int unmount_top(const char *why)
{
	/* Lazily: somebody may stand in it, in any distro. It is a directory with a socket, nothing is written there. */
	int rc = umount2(SHARE_POINT, UMOUNT_NOFOLLOW | MNT_DETACH) < 0 ? -errno : 0;

	if (rc == 0)
		log_info("unmounted %s: %s", SHARE_POINT, why);
	else
		log_warning("cannot unmount %s (%s): %s", SHARE_POINT, why, strerror(-rc));
	return rc;
}

/* Does the keel-share live that published what is there? */
static bool owner_lives(void)
{
	struct sockaddr_un address = {
		.sun_family = AF_UNIX, .sun_path = SHARE_POINT "/" SHARE_OWNER};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* Whoever cannot be asked is left in peace. */
	return fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
	       (errno != ECONNREFUSED && errno != ENOENT);
}

static enum share_top look_at_table(void)
{
	struct share_table table = {.device = share.device};
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	enum share_top top;

	if (!file)
		return SHARE_NO_PLACE;
	while (getline(&line, &size, file) > 0)
		share_table_line(&table, line);
	free(line);
	(void)fclose(file);
	top = share_table_top(&table);
	return top == SHARE_LIVE && !owner_lives() ? SHARE_DEAD : top;
}

static void tell(enum share_top top)
{
	char text[160], message[192];

	share_policy_text(&share.state, top, clock_now_us(), text, sizeof(text));
	(void)snprintf(message, sizeof(message), "STATUS=%s", text);
	if (strcmp(message, share.text) == 0)
		return;
	(void)snprintf(share.text, sizeof(share.text), "%s", message);
	log_info("%s", text);
	(void)!notify_send(message);
}

static void look_again(uint64_t at_us);

static void look(void)
{
	enum share_action action = SHARE_WAIT;
	enum share_top top;
	uint64_t again = 0;

	/* Ends: each attempt that fails, and each success that does not last, lengthens the pause. */
	do {
		unsigned int lost = share.state.lost;

		top = look_at_table();
		action = share_policy_step(&share.state, top, clock_now_us(), &again);
		if (lost != share.state.lost)
			log_warning("somebody has unmounted %s", SHARE_POINT);
		if (action == SHARE_PUBLISH)
			share_policy_done(&share.state, action, publish(), clock_now_us());
		if (action == SHARE_CLEAR)
			share_policy_done(&share.state, action,
				unmount_top("left behind by a keel that is gone"), clock_now_us());
	} while (action != SHARE_WAIT);
	tell(top);
	if (again > 0)
		look_again(again);
}

static void on_look(struct loop_timer *timer)
{
	(void)timer;
	look();
}

static void look_again(uint64_t at_us)
{
	if (share.look.at_us == 0 || share.look.at_us > at_us)
		loop_timer_set(&share.loop, &share.look, at_us, on_look, NULL);
}

/* Its being polled makes it quiet again, until the next change. */
static void on_mounts(struct loop_source *source, uint32_t events)
{
	(void)source;
	(void)events;
	look_again(clock_now_us() + GATHER_US);
}

static void withdraw(void)
{
	if (look_at_table() != SHARE_OURS || unmount_top("the end") < 0)
		return;
	/* Nobody else's: they go only when they are empty. */
	(void)rmdir(SHARE_POINT);
	(void)rmdir(SHARE_HOME);
}

/* ---- life ------------------------------------------------------------------------------------------- */

/* Somebody has asked whether we live. */
static void on_owner(struct loop_source *source, uint32_t events)
{
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	close_p(&fd);
}

static int make_directory(void)
{
	gid_t gid = share.config.share.gid;
	struct stat info;
	int rc = file_make_dirs(SHARE_DIR);

	if (rc < 0)
		return rc;
	if (chown(SHARE_DIR, 0, gid) < 0 || chmod(SHARE_DIR, gid != 0 ? 0750 : 0700) < 0 ||
		stat(SHARE_DIR, &info) < 0)
		return -errno;
	(void)snprintf(share.device, sizeof(share.device), "%u:%u", major(info.st_dev),
		minor(info.st_dev));
	return 0;
}

static int listen_as_owner(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SHARE_DIR "/" SHARE_OWNER};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	(void)unlink(address.sun_path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		chmod(address.sun_path, 0600) < 0 || listen(fd, 8) < 0)
		return -errno;
	rc = loop_add(&share.loop, &share.owner, fd, EPOLLIN, on_owner, NULL);
	if (rc == 0)
		(void)TAKE_FD(fd);
	return rc;
}

static int watch_mounts(void)
{
	_cleanup_close_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno
			: loop_add(&share.loop, &share.mounts, fd, EPOLLPRI, on_mounts, NULL);

	if (rc == 0)
		(void)TAKE_FD(fd);
	return rc;
}

static int watch_names(void)
{
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int rc;

	if (fd < 0 || inotify_add_watch(fd, "/run", NAMES) < 0)
		return -errno;
	rc = loop_add(&share.loop, &share.names, fd, EPOLLIN, on_names, NULL);
	if (rc == 0)
		(void)TAKE_FD(fd);
	return rc;
}

/* First the sources, then the look: nothing falls between. */
static int start(void)
{
	int rc = make_directory();

	if (rc == 0)
		rc = listen_as_owner();
	if (rc == 0)
		rc = watch_names();
	if (rc == 0)
		rc = watch_mounts();
	if (rc < 0)
		return rc;
	link_engine();
	look();
	return 0;
}

static void on_config_warning(void *ctx, const char *where, const char *message)
{
	(void)ctx;
	(void)where;
	(void)message; /* PID 1 has told it */
}

int main(int argc, char **argv)
{
	int rc;

	(void)argv;
	log_open("keel-share", STDERR_FILENO, false);
	if (argc > 1) {
		(void)fputs("usage: keel-share\nA service of keel's PID 1; docs: keel-share(8).\n",
			stderr);
		return 2;
	}
	config_load(&share.config, on_config_warning, NULL);
	rc = loop_init(&share.loop);
	if (rc == 0)
		rc = stop_signals_watch(&share.loop, &share.signals, stop_signals_end_loop,
			&share.loop);
	if (rc == 0 && share.config.share.enabled)
		rc = start();
	if (rc < 0) {
		log_error("cannot start: %s", strerror(-rc));
		return 1;
	}
	(void)!notify_send(share.config.share.enabled ? "READY=1"
						      : "READY=1\nSTATUS=off by share.enabled");
	rc = loop_run(&share.loop);
	if (share.config.share.enabled)
		withdraw();
	if (rc < 0)
		log_error("%s", strerror(-rc));
	return rc < 0 ? 1 : 0;
}
