/* SPDX-License-Identifier: MIT
 *
 * distro_launch.c - the VM's child in its new namespaces: from the distro's directory to WSL's init in it.
 * Follows WSL's main.cpp, LaunchInit: what the distro shares with the VM is moved to /wslXXXXXX directories in
 * the root, WSL's init is bound read-only over /init, then the root is changed and /init run.
 */
#include "tests/wsl/base.h"
#include "tests/wsl/distro.h"
#include "tests/wsl/handover.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A temporary mount point in the root: "/wslXXXXXX". */
static void make_temporary(char path[32])
{
	char directory[] = "wslXXXXXX";

	if (!mkdtemp(directory))
		die("cannot make a directory in the distro's root");
	(void)snprintf(path, 32, "/%s", directory);
}

static void temporary_mount(char path[32], const char *source, const char *type,
	unsigned long flags)
{
	make_temporary(path);
	do_mount(source, path + 1, type, flags, NULL);
}

/* WSL's init is this program; whatever calls it by /init, wslpath or mount.drvfs gets our stand-in. */
static void bind_init(const char *program)
{
	int fd = open("init", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	if (fd < 0)
		die("cannot make /init in the distro");
	(void)close(fd);
	do_mount(program, "init", NULL, MS_BIND, NULL);
	do_mount(NULL, "init", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
}

static void enter_root(const struct launch *launch)
{
	const struct lab *lab = &launch->lab;

	if (lab->lower) {
		lab_mount_root(lab, launch->root);
	} else {
		do_mount(launch->root, launch->root, NULL, MS_BIND, NULL);
		if (chdir(launch->root) < 0)
			die("cannot enter %s", launch->root);
	}
	do_mount(NULL, ".", NULL, MS_PRIVATE, NULL);
	if (lab->kmsg) {
		lab_mount_dev(lab);
		lab_mount_sys();
		if (launch->start.cgroup[0])
			lab_bind_cgroup();
	}
}

static void mount_shares(struct launch *launch)
{
	struct start *start = &launch->start;

	temporary_mount(start->shared_temp, launch->share, NULL, MS_MOVE);
	temporary_mount(start->drivers_temp, "drivers", "tmpfs", MS_NOSUID | MS_NODEV | MS_RDONLY);
	temporary_mount(start->lib_temp, "lib", "tmpfs", MS_NOSUID | MS_NODEV);
	if (launch->modules)
		temporary_mount(start->modules_temp, launch->modules, NULL, MS_BIND);
	else
		temporary_mount(start->modules_temp, "modules", "tmpfs", 0);
}

/* What /init has to know, on a descriptor of its own. */
static void leave_start(const struct start *start)
{
	int fd = memfd_create("start", 0);

	if (fd < 0 || write(fd, start, sizeof(*start)) != (ssize_t)sizeof(*start) ||
		dup2(fd, START_FD) < 0)
		die("cannot tell /init how to start");
	if (fd != START_FD)
		(void)close(fd);
}

void distro_launch(struct launch *launch, int channel)
{
	char *argv[] = {"/init", NULL}, *environment[] = {NULL};
	struct conf conf;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)umask(0);
	enter_root(launch);
	conf_load("etc/wsl.conf", &conf);
	groups_make(&launch->start, conf.systemd && !launch->start.no_systemd);
	mount_shares(launch);
	bind_init(launch->program);
	handover_limits();
	leave_start(&launch->start);
	if (dup2(channel, CHANNEL_FD) < 0)
		die("dup2");
	lab_become_root_of_namespace();
	(void)execve("/init", argv, environment);
	die("cannot run /init");
}
