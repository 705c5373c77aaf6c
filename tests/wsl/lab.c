/* SPDX-License-Identifier: MIT
 *
 * lab.c - see lab.h. Used by tests/ns/launch.c and by the stand-in for WSL's launcher in the native lab.
 */
#include "tests/wsl/lab.h"

#include "tests/wsl/base.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void lab_make_private(void)
{
	/* EINVAL: "/" is a chroot's and no mount point; image-build/env made everything private then. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 && errno != EINVAL)
		die("cannot make / private");
}

void lab_mount_root(const struct lab *lab, const char *root)
{
	char data[4096];

	(void)snprintf(data, sizeof(data), "lowerdir=%s,upperdir=%s,workdir=%s", lab->lower,
		lab->upper, lab->work);
	do_mount("root", root, "overlay", 0, data);
	if (chdir(root) < 0)
		die("cannot enter %s", root);
}

/* A /dev of the scenario's own: the machine's devtmpfs is out of reach, /dev/kmsg is the scenario's. */
void lab_mount_dev(const struct lab *lab)
{
	static const char *const nodes[] = {
		"null", "zero", "full", "random", "urandom", "tty", "fuse"};
	char target[64], source[64];

	do_mount("dev", "dev", "tmpfs", MS_NOSUID, "mode=0755");
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		(void)snprintf(source, sizeof(source), "/dev/%s", nodes[i]);
		(void)snprintf(target, sizeof(target), "dev/%s", nodes[i]);
		if (access(source, F_OK) == 0)
			bind_node(source, target);
	}
	for (unsigned int i = 0; i < lab->dev_count; i++)
		bind_node(lab->devs[i], lab->devs[i] + 1);
	bind_node(lab->kmsg, "dev/kmsg");
	if (lab->console)
		bind_node(lab->console, "dev/console");
	make_dir("dev/pts", 0755);
	make_dir("dev/shm", 01777);
	make_dir("dev/mqueue", 0755);
	if (symlink("pts/ptmx", "dev/ptmx") < 0)
		die("cannot make dev/ptmx");
}

static void cover(const char *dir, const char *name, const char *text)
{
	char path[128];

	if (access(dir, F_OK) < 0)
		return;
	do_mount("stand-in", dir, "tmpfs", 0, "mode=0755");
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	create_file(path, text);
}

/* Read-only but for the few settings that PID 1 writes, which are the scenario's own files. */
void lab_mount_sys(void)
{
	do_mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL);
	cover("sys/module/page_reporting/parameters", "page_reporting_order", "9\n");
	cover("sys/kernel/mm/lru_gen", "enabled", "0x0000\n");
	cover("sys/kernel/mm/transparent_hugepage", "enabled", "always\n");
	cover("sys/devices/system/memory", "auto_online_blocks", "offline\n");
}

/* Not a mount of its own: from the first control group namespace that would set the options of the machine's too
 * (kernel/cgroup/cgroup.c, apply_cgroup_root_flags). */
void lab_bind_cgroup(void)
{
	char hierarchy[256];

	if (!find_cgroup2(hierarchy))
		die("no cgroup2 is mounted");
	do_mount(hierarchy, "sys/fs/cgroup", NULL, MS_BIND, NULL);
}

void lab_cover_proc(void)
{
	static const char *const vm[] = {
		"drop_caches", "compact_memory", "percpu_pagelist_high_fraction"};

	do_mount("proc/sys/kernel", "proc/sys/kernel", NULL, MS_BIND, NULL);
	do_mount(NULL, "proc/sys/kernel", NULL,
		MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	/* What keel asks of the whole machine's memory is written into files. */
	make_dir("dev/.vm", 0755);
	for (size_t i = 0; i < ARRAY_SIZE(vm); i++) {
		char file[64], target[64];

		(void)snprintf(file, sizeof(file), "dev/.vm/%s", vm[i]);
		(void)snprintf(target, sizeof(target), "proc/sys/vm/%s", vm[i]);
		if (access(target, F_OK) < 0)
			continue;
		create_file(file, NULL);
		do_mount(file, target, NULL, MS_BIND, NULL);
	}
}

void lab_mount_proc(void)
{
	do_mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	lab_cover_proc();
}

/* Not just our own root: whoever enters the namespace later (docker exec does) gets the namespace's. Joining
 * it once more takes us out of a chroot that we were started in. */
/* Also from root, for good: the wall clock is the whole machine's (capabilities(7), CAP_SYS_TIME). */
void lab_give_up_clock(void)
{
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0) < 0 && errno != EPERM)
		die("cannot give up CAP_SYS_TIME");
}

void lab_become_root_of_namespace(void)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int self = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (here < 0 || self < 0 || setns(self, CLONE_NEWNS) < 0 || fchdir(here) < 0)
		die("cannot leave the old root");
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		die("cannot change the root");
	(void)close(here);
	(void)close(self);
}
