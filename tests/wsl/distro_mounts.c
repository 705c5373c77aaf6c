/* SPDX-License-Identifier: MIT
 *
 * distro_mounts.c - what WSL's init mounts and writes in the distro: at its start (config.cpp,
 * ConfigInitializeCommon and its tables) and at the host's first message (ConfigInitializeInstance,
 * ConfigInitializeVmMode, ConfigRemountDrvFs).
 */
#include "tests/wsl/base.h"
#include "tests/wsl/distro.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define DRIVE "/mnt/c"

/* Shared is a second call, as WSL makes it. */
static void mount_shared(const char *source, const char *target, const char *type,
	unsigned long flags, const char *data)
{
	make_dir(target, 0755);
	do_mount(source, target, type, flags, data);
	do_mount(NULL, target, NULL, MS_SHARED, NULL);
}

static void make_link(const char *target, const char *path)
{
	if (symlink(target, path) < 0 && errno != EEXIST)
		die("cannot link %s to %s", path, target);
}

/* devtmpfs and sysfs are the VM's own; in the lab they were mounted, protected, before the root was changed. */
void distro_mount_devices(const struct distro *distro)
{
	if (distro->start.lab) {
		do_mount(NULL, "/dev", NULL, MS_REC | MS_SHARED, NULL);
		do_mount(NULL, "/sys", NULL, MS_SHARED, NULL);
	} else {
		mount_shared("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_RELATIME, "mode=755");
		mount_shared("sysfs", "/sys", "sysfs",
			MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, NULL);
	}
}

static void mount_run(void)
{
	const unsigned long flags = MS_NOATIME | MS_NOSUID | MS_NODEV;

	mount_shared("none", "/run", "tmpfs", MS_NODEV | MS_STRICTATIME | MS_NOSUID, "mode=755");
	mount_shared("none", "/run/lock", "tmpfs", flags | MS_NOEXEC, NULL);
	mount_shared("none", "/run/shm", "tmpfs", flags, NULL);
	make_dir("/dev/shm", 0755);
	do_mount("/run/shm", "/dev/shm", NULL, MS_BIND, NULL);
	make_dir("/run/user", 0755);
	do_mount("none", "/run/user", "tmpfs", flags | MS_NOEXEC, "mode=755");
}

/* WSL's own in every table entry: any failure but EEXIST of a link is fatal. */
static void make_links(void)
{
	make_link("/proc/self/fd", "/dev/fd");
	make_link("/proc/self/fd/0", "/dev/stdin");
	make_link("/proc/self/fd/1", "/dev/stdout");
	make_link("/proc/self/fd/2", "/dev/stderr");
	make_link("/init", "/bin/wslinfo");
	make_link("/init", "/bin/wslpath");
	make_link("/init", "/sbin/mount.drvfs");
}

static void mount_binfmt(const struct distro *distro)
{
	const char *target = "/proc/sys/fs/binfmt_misc";

	/* A kernel without it, or the lab's own registrations: an empty one stands for it. */
	if (!distro->start.lab &&
		mount("binfmt_misc", target, "binfmt_misc", MS_RELATIME, NULL) == 0)
		return;
	if (access(target, F_OK) < 0)
		return;
	do_mount("binfmt_misc", target, "tmpfs", MS_RELATIME, "mode=755");
	create_file("/proc/sys/fs/binfmt_misc/status", "enabled\n");
	create_file("/proc/sys/fs/binfmt_misc/register", NULL);
}

static void mount_cgroup(const struct distro *distro)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME;

	if (distro->start.lab && distro->start.cgroup[0])
		return; /* bound before the root was changed */
	/* In the lab without a group of its own PID 1 must not make one in the machine's root. */
	if (distro->start.lab)
		do_mount("none", "/sys/fs/cgroup", "tmpfs", MS_RDONLY, NULL);
	else if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2", flags, "nsdelegate") < 0)
		distro_log(distro, "cannot mount cgroup2: %s", strerror(errno));
}

void distro_mount_common(const struct distro *distro)
{
	mount_shared("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, NULL);
	if (distro->start.lab)
		lab_cover_proc();
	make_dir("/dev/pts", 0755);
	do_mount("devpts", "/dev/pts", "devpts", MS_NOATIME | MS_NOSUID | MS_NOEXEC,
		distro->start.lab ? "gid=5,mode=620,newinstance,ptmxmode=0666" : "gid=5,mode=620");
	mount_run();
	make_links();
	mount_binfmt(distro);
	make_dir("/tmp", 01777);
	mount_cgroup(distro);
	make_dir("/mnt", 0755);
}

/* Where the shared things were moved to before the root was changed; now to their places. */
static void move_temporary(const struct distro *distro, const char *temporary, const char *target)
{
	if (!temporary[0])
		return;
	make_dirs(target);
	if (mount(temporary, target, NULL, MS_MOVE | MS_REC, NULL) < 0) {
		distro_log(distro, "cannot move %s to %s: %s", temporary, target, strerror(errno));
		(void)umount2(temporary, MNT_DETACH);
	}
	(void)rmdir(temporary);
}

void distro_link_resolv_conf(const struct distro *distro)
{
	const char *path = "/etc/resolv.conf";

	if (!distro->conf.resolv_conf)
		return;
	(void)remove(path);
	if (symlink(SHARED_MOUNT "/resolv.conf", path) < 0)
		distro_log(distro, "cannot link %s: %s", path, strerror(errno));
}

static void run_and_log(const struct distro *distro, const char *command)
{
	int status;

	(void)signal(SIGCHLD, SIG_DFL);
	status = distro_command(command, NULL, 0);
	(void)signal(SIGCHLD, SIG_IGN);
	say(distro->start.name, "ran command=%.40s status=%d", command, status);
	if (status != 0)
		distro_log(distro, "%s: status %d", command, status);
}

static void mount_drive(const struct distro *distro, const char *text)
{
	make_dir(DRIVE, 0777);
	if (mount("C:\\", DRIVE, "tmpfs", MS_NOATIME, "mode=0777") < 0)
		distro_log(distro, "cannot mount the drive: %s", strerror(errno));
	else
		create_file(DRIVE "/kind", text);
}

static void move_shares(const struct distro *distro)
{
	const struct start *start = &distro->start;
	struct utsname kernel;
	char modules[256];

	if (distro->conf.gpu) {
		move_temporary(distro, start->drivers_temp, "/usr/lib/wsl/drivers");
		move_temporary(distro, start->lib_temp, "/usr/lib/wsl/lib");
		if (distro->conf.ldconfig)
			run_and_log(distro, "/sbin/ldconfig");
	}
	move_temporary(distro, start->shared_temp, SHARED_MOUNT);
	(void)uname(&kernel);
	(void)snprintf(modules, sizeof(modules), "/lib/modules/%s", kernel.release);
	move_temporary(distro, start->modules_temp, modules);
}

static void write_names(const struct distro *distro)
{
	const char *name =
		distro->conf.hostname[0] ? distro->conf.hostname : distro->start.hostname;
	char text[512];

	(void)sethostname(name, strlen(name));
	(void)setenv("NAME", name, 1);
	(void)snprintf(text, sizeof(text), "%s\n", name);
	create_file("/etc/hostname", text);
	if (!distro->conf.hosts)
		return;
	(void)snprintf(text, sizeof(text),
		"# generated\n127.0.0.1\tlocalhost\n127.0.1.1\t%s.localdomain\t%s\n::1\tip6-localhost ip6-loopback\n",
		name, name);
	create_file("/etc/hosts", text);
}

void distro_initialize(struct distro *distro)
{
	if (distro->conf.mount_fstab)
		run_and_log(distro, "/bin/mount -a");
	move_shares(distro);
	distro_link_resolv_conf(distro);
	(void)chmod("/dev/fuse", 0666);
	(void)chmod("/dev/net/tun", 0666);
	distro->namespaces[distro->start.elevated] =
		open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (distro->conf.automount)
		mount_drive(distro, distro->start.elevated ? "elevated\n" : "not elevated\n");
	write_names(distro);
	(void)setenv("WSL_DISTRO_NAME", distro->start.name, 1);
	if (distro->conf.systemd) {
		/* One tmpfs of users for both kinds of session. */
		make_dirs("/mnt/wslg/run/user");
		if (mount("/mnt/wslg/run/user", "/run/user", NULL, MS_BIND, NULL) < 0)
			distro_log(distro, "cannot bind /run/user: %s", strerror(errno));
	}
}

/* The second kind of session gets a copy of the namespace that the first one shares with PID 1, with drives of
 * its own. Returns its descriptor. */
int distro_other_namespace(struct distro *distro, bool elevated)
{
	int original = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (original < 0 || unshare(CLONE_NEWNS) < 0)
		die("cannot make a mount namespace");
	distro->namespaces[elevated] = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (distro->conf.automount) {
		(void)umount2(DRIVE, MNT_DETACH);
		mount_drive(distro, elevated ? "elevated\n" : "not elevated\n");
	}
	if (setns(original, CLONE_NEWNS) < 0)
		die("cannot go back to PID 1's mount namespace");
	(void)close(original);
	say(distro->start.name, "namespace kind=%s", elevated ? "elevated" : "plain");
	return distro->namespaces[elevated];
}
