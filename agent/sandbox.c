/* SPDX-License-Identifier: MIT
 *
 * sandbox.c - see sandbox.h. One step after the other; each can be read by itself.
 */
#include "agent/sandbox.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "lib/log.h"
#include "sandbox_filter.h"

#if !defined(__x86_64__)
#error "agent/filter/calls.h is for x86-64"
#endif

/* Against a leak or a flood; the agent has 1 MiB. */
#define DATA_MAX (64UL << 20)

/* ---- the view ------------------------------------------------------------------------------------ */

/* sys/mount.h has these too and cannot be had beside linux/mount.h. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	const void *data);
int umount2(const char *target, int flags);
#define MS_REC_PRIVATE (0x4000UL | 1UL << 18) /* MS_REC | MS_PRIVATE */
#define DETACH         2                      /* MNT_DETACH */

/* Each by itself, without what is mounted below it; what is not there is left out. */
static const struct {
	const char *path;
	bool writable;
} view[] = {
	{"/", false}, {"/proc", false}, {"/sys", false},
	{"/sys/fs/cgroup", true}, /* memory.low during a step of reclaim */
	{"/sys/fs/cgroup/unified", true}, {"/sys/kernel/debug", false}, /* MGLRU's ages of pages */
	{"/run", false},                                                /* the engine's sockets */
	{"/run/keel", true}, /* the word for prompts, our socket's removal */
	{"/run/keel/log", false}, {"/mnt/wsl", false}, /* WSL's resolv.conf */
};

/* A mount of its own of what is there. Not attached anywhere yet; it goes when it is closed. */
static int clone_mount(const char *path, bool writable)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
						    MOUNT_ATTR_NOEXEC |
						    (writable ? 0 : MOUNT_ATTR_RDONLY)};
	_cleanup_close_ int fd =
		(int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0 || syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attributes,
			      sizeof(attributes)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int attach(int fd, int dir_fd, const char *path)
{
	return syscall(SYS_move_mount, fd, "", dir_fd, path, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno
											  : 0;
}

/* The first is put over a directory that is in the way of nothing, the others into it. */
static int attach_all(const int fds[ARRAY_SIZE(view)])
{
	int rc = attach(fds[0], AT_FDCWD, "/run");

	for (size_t i = 1; rc == 0 && i < ARRAY_SIZE(view); i++)
		if (fds[i] >= 0)
			rc = attach(fds[i], fds[0], view[i].path + 1);
	return rc;
}

/* pivot_root(2), "pivot_root(".", ".")": the old root is on top of the new one, and goes with all below it. */
static int change_root(int root_fd)
{
	if (fchdir(root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
		umount2(".", DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

static int clone_all(int fds[ARRAY_SIZE(view)])
{
	for (size_t i = 0; i < ARRAY_SIZE(view); i++) {
		fds[i] = clone_mount(view[i].path, view[i].writable);
		if (fds[i] < 0 && fds[i] != -ENOENT)
			return fds[i];
	}
	return 0;
}

static int make_view(void)
{
	int fds[ARRAY_SIZE(view)], rc;

	for (size_t i = 0; i < ARRAY_SIZE(view); i++)
		fds[i] = -1;
	rc = mount(NULL, "/", NULL, MS_REC_PRIVATE, NULL) < 0 ? -errno : clone_all(fds);
	if (rc == 0)
		rc = attach_all(fds);
	if (rc == 0)
		rc = change_root(fds[0]);
	for (size_t i = 0; i < ARRAY_SIZE(view); i++)
		close_p(&fds[i]);
	return rc;
}

static int enter_view(void)
{
	_cleanup_close_ int old_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int rc;

	if (old_fd < 0 || unshare(CLONE_NEWNS) < 0)
		return -errno;
	rc = make_view();
	/* A copy of all mounts would keep the data disk from ever being unmounted. */
	if (rc < 0 && setns(old_fd, CLONE_NEWNS) < 0)
		log_error("back to the first mount namespace: %s", strerror(errno));
	return rc;
}

/* ---- capabilities and the like ------------------------------------------------------------------- */

/* Those above the kernel's last one are refused with EINVAL. */
static int drop_bounding(uint64_t kept)
{
	for (unsigned long cap = 0; cap < 64; cap++)
		if (!(kept & UINT64_C(1) << cap) && prctl(PR_CAPBSET_DROP, cap) < 0)
			return errno == EINVAL && cap > 0 ? 0 : -errno;
	return 0;
}

static int drop_rights(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0}, had[2] = {0};
	const struct rlimit limit = {.rlim_cur = DATA_MAX, .rlim_max = DATA_MAX};
	uint32_t kept = 1U << CAP_NET_BIND_SERVICE | 1U << CAP_SYS_TIME;
	int rc;

	if (syscall(SYS_capget, &header, had) < 0)
		return -errno;
	kept &= had[0].permitted; /* a lab may have taken one away */
	rc = drop_bounding(kept);
	if (rc < 0)
		return rc;
	data[0].permitted = data[0].effective = kept;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
		syscall(SYS_capset, &header, data) < 0 ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_DATA, &limit) < 0)
		return -errno;
	return 0;
}

/* ---- system calls -------------------------------------------------------------------------------- */

/* SIGSYS is the kernel's default again while this runs: the call at its end is not allowed either, and ends us. */
static void on_refused_call(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	log_error("system call %d is not allowed (agent/filter/calls.h); killed by the sandbox",
		info->si_syscall);
	(void)syscall(SYS_getppid);
}

int sandbox_filter_calls(void)
{
	const struct sock_fprog program = {.len = ARRAY_SIZE(sandbox_filter),
		.filter = (struct sock_filter *)(uintptr_t)sandbox_filter};
	struct sigaction action = {.sa_sigaction = on_refused_call,
		.sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER};

	(void)sigfillset(&action.sa_mask);
	(void)sigdelset(&action.sa_mask, SIGSYS);
	/* Before Linux 5.16 a filter slows its process down for a leak between processes of one program: we run none of others'. */
	if (sigaction(SIGSYS, &action, NULL) < 0 ||
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
			&program) < 0)
		return -errno;
	return 0;
}

void sandbox_enter(void)
{
	static const struct {
		int (*fn)(void);
		const char *name;
	} steps[] = {{enter_view, "view of mounts"}, {drop_rights, "rights"},
		{sandbox_filter_calls, "filter of system calls"}};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int rc = steps[i].fn();

		if (rc < 0)
			log_error("sandbox: %s: %s; going on without", steps[i].name,
				strerror(-rc));
	}
}
