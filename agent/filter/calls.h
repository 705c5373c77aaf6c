/* SPDX-License-Identifier: MIT
 *
 * calls.h - the system calls that keel-agent may make once it serves (agent/sandbox.c). All others end it with SIGSYS.
 *
 * A row: the call's name, and what one or two of its arguments must be, (number, mask, value): (argument & mask) == value,
 * of the argument's lower 32 bits. Several rows for a call are alternatives. To add a call, add a row with its reason.
 * User: main.c of this directory, at build time.
 *
 * What must never come in here, for it would make the rest pointless: execve, fork, vfork, clone, ptrace, process_vm_*,
 * mount and its new forms, unshare, setns, bpf, modules, kexec, keyctl, userfaultfd, io_uring, open_by_handle_at,
 * capset, set*id, mknod, memory that can be executed.
 */
#pragma once

#include <linux/ptp_clock.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <asm/ioctls.h>
#include <linux/sockios.h>

#define ALL 0xffffffffU

struct call {
	const char *name;
	struct {
		unsigned int number;
		uint32_t mask, value;
	} tests[2]; /* a mask of 0: none */
};

static const struct call calls[] = {
	/* memory: malloc, stdio; never executable */
	{"brk", {}},
	{"munmap", {}},
	{"mremap", {}},
	{"madvise", {}},
	{"mmap", {{2, PROT_EXEC, 0}}},
	{"mprotect", {{2, PROT_EXEC, 0}}},

	/* the loop (lib/loop.c), runner.c, closing messages (report.c) */
	{"epoll_ctl", {}},
	{"epoll_wait", {}},
	{"epoll_pwait", {}},
	{"timerfd_create", {}},
	{"timerfd_settime", {}},
	{"poll", {}},
	{"ppoll", {}},

	/* descriptors */
	{"read", {}},
	{"readv", {}},
	{"pread64", {}},
	{"write", {}},
	{"writev", {}},
	{"lseek", {}},
	{"close", {}},
	{"fcntl", {}},

	/* files: procfs, sysfs, control groups, logs, configuration. Which, and whether they can be written, is for
	 * the mount view. */
	{"open", {}},
	{"openat", {}},
	{"fstat", {}},
	{"stat", {}},
	{"lstat", {}},
	{"newfstatat", {}},
	{"statx", {}},
	{"statfs", {}},
	{"fstatfs", {}},
	{"access", {}},
	{"faccessat", {}},
	{"faccessat2", {}},
	{"readlink", {}},
	{"readlinkat", {}},
	{"getdents64", {}},
	/* state_file.c replaces its file; listener.c and address.c remove their sockets */
	{"rename", {}},
	{"unlink", {}},
	/* the ends of containers (memory_watch.c), growing logs (log_stream.c) */
	{"inotify_init1", {}},
	{"inotify_add_watch", {}},
	{"inotify_rm_watch", {}},

	/* sockets: Docker's, PID 1's, notify, the host's, uevents. Nothing of the network. */
	{"socket", {{0, ALL, AF_UNIX}}},
	{"socket", {{0, ALL, AF_VSOCK}}},
	{"socket", {{0, ALL, AF_NETLINK}, {2, ALL, 15 /* NETLINK_KOBJECT_UEVENT */}}},
	{"socketpair", {{0, ALL, AF_UNIX}}},
	{"bind", {}},
	{"listen", {}},
	{"accept4", {}},
	{"connect", {}},
	{"shutdown", {}},
	{"sendto", {}},
	{"sendmsg", {}},
	{"recvfrom", {}},
	{"recvmsg", {}},
	{"getsockopt", {}},
	{"setsockopt", {}},
	{"getsockname", {}},
	{"getpeername", {}},
	/* the proxy's relays (agent/common/relay.c) */
	{"pipe2", {}},
	{"splice", {}},

	/* what a descriptor is asked: keys of an input device ('E' is 0x45, EVIOCGBIT: any length), bytes in a socket, the size of a
	 * session's terminal, a clock's device */
	{"ioctl", {{1, 0xc000ff00U, 0x80004500U}}},
	{"ioctl", {{1, ALL, FIONREAD}}},
	{"ioctl", {{1, ALL, SIOCOUTQ}}},
	{"ioctl", {{1, ALL, TIOCGWINSZ}}},
	{"ioctl", {{1, ALL, TIOCSWINSZ}}},
	{"ioctl", {{1, ALL, PTP_SYS_OFFSET}}},
	{"ioctl", {{1, ALL, PTP_SYS_OFFSET_PRECISE}}},
	{"ioctl", {{1, ALL, PTP_SYS_OFFSET_EXTENDED}}},

	/* signals: our own; PID 1 is told by one when its socket is gone (agent.c). SIGSYS stays sandbox.c's. */
	{"rt_sigprocmask", {}},
	{"rt_sigreturn", {}},
	{"kill", {{0, ALL, 1}, {1, ALL, SIGTERM}}},
	{"kill", {{0, ALL, 1}, {1, ALL, SIGINT}}},

	/* time; where the vDSO has none, the calls themselves */
	{"clock_gettime", {}},
	{"clock_getres", {}},
	{"gettimeofday", {}},
	{"clock_nanosleep", {}},
	{"nanosleep", {}},
	{"adjtimex", {}},
	{"clock_adjtime", {}},

	/* facts about us and the machine; locks of the C library; the end */
	{"getpid", {}},
	{"gettid", {}},
	{"getuid", {}},
	{"geteuid", {}},
	{"getgid", {}},
	{"getegid", {}},
	{"capget", {}},
	{"getrusage", {}},
	{"prlimit64", {{0, ALL, 0}}},
	{"getrandom", {}},
	{"uname", {}},
	{"sysinfo", {}},
	{"sched_getaffinity", {}},
	{"futex", {}},
	{"restart_syscall", {}},
	{"exit", {}},
	{"exit_group", {}},
};
