/* SPDX-License-Identifier: MIT
 *
 * launch.c - starts a root directory's /sbin/init as a real PID 1 in namespaces of its own, as WSL hands
 * over to it or as a kernel does. Used by tests/ns/guest.py.
 *
 * PID 1 inherits from it what WSL leaves to it: every signal ignored but HUP, CONT, KILL, STOP and 32-34,
 * fds 0 and 1 on /dev/null and 2 on /dev/kmsg, umask 0, three environment variables; WSL's own init is
 * PID 2, with a watcher that ends the namespace when PID 2 dies. Mounts and foreign processes are the few
 * that matter to PID 1, not all that WSL makes.
 *
 * The machine it runs on is protected (tests/wsl/lab.h). The whole of WSL's launcher, true to its sources,
 * sessions included, is tests/wsl; this one is for scenarios that need nothing but a hand-over, and for a VM's.
 *
 * Prints "pid N" (as seen from outside) when PID 1 exists and, at its end, "exit STATUS" or "signal N":
 * 2 is a power-off, 1 a reboot (pid_namespaces(7)). Whoever starts this program ends the namespace by
 * ending this program.
 */
#include "tests/wsl/base.h"
#include "tests/wsl/handover.h"
#include "tests/wsl/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define USAGE                                                                                              \
	"usage: launch --root DIR --lower DIR --upper DIR --work DIR --kmsg FIFO [--vm] [--console TTY]\n" \
	"              [--cgroup DIR] [--dev NODE]... [--enosys CALL] [-- INIT ARG...]\n"                  \
	"INIT (default /sbin/init) becomes PID 1 in DIR, an overlay of lower and upper.\n"

struct options {
	const char *root, *cgroup;
	struct lab lab;
	bool vm;
	int refused; /* number of a system call, 0: none */
	char **argv;
};

/* An unprivileged user becomes root of a user namespace; root stays as it is. */
static void become_root(void)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid == 0)
		return;
	if (unshare(CLONE_NEWUSER) < 0)
		die("no user namespace for uid %u", (unsigned int)uid);
	(void)snprintf(map, sizeof(map), "0 %u 1", (unsigned int)uid);
	write_file("/proc/self/uid_map", map);
	write_file("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "0 %u 1", (unsigned int)gid);
	write_file("/proc/self/gid_map", map);
}

/* ---- the file systems, below the new root (the working directory) ------------------------------ */

/* What PID 1 needs of what WSL mounts before the hand-over. */
static void mount_like_wsl(void)
{
	static const char *const run[] = {"run/lock", "run/shm", "run/user"};

	lab_mount_proc();
	do_mount(NULL, "proc", NULL, MS_SHARED, NULL);
	do_mount(NULL, "dev", NULL, MS_REC | MS_SHARED, NULL);
	do_mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		"newinstance,ptmxmode=0666,mode=620");
	do_mount("none", "run", "tmpfs", MS_NOSUID, "mode=0755");
	for (size_t i = 0; i < sizeof(run) / sizeof(run[0]); i++) {
		make_dir(run[i], 0755);
		do_mount("none", run[i], "tmpfs", MS_NOSUID | MS_NODEV,
			i == 1 ? "mode=1777" : "mode=0755");
	}
	do_mount("run/shm", "dev/shm", NULL, MS_BIND, NULL);
	make_dir("mnt", 0755);
	make_dir("mnt/wsl", 0755);
	do_mount("none", "mnt/wsl", "tmpfs", 0, "mode=0755");
	do_mount(NULL, "mnt/wsl", NULL, MS_SHARED, NULL);
	create_file("mnt/wsl/resolv.conf", "nameserver 192.0.2.1\n");
	make_dir("run/WSL", 0755);
	make_dir("run/systemd", 0755);
	make_dir("run/systemd/system-generators", 0755);
	create_file("run/systemd/system-generators/wsl-generator", "#!/bin/sh\n");
}

static void enter_root(const struct options *options)
{
	lab_make_private();
	lab_give_up_clock();
	lab_mount_root(&options->lab, options->root);
	lab_mount_dev(&options->lab);
	lab_mount_sys();
	/* Without a group of its own PID 1 must not make one in the machine's root. */
	if (options->cgroup)
		lab_bind_cgroup();
	else
		do_mount("none", "sys/fs/cgroup", "tmpfs", MS_RDONLY, NULL);
	if (options->vm)
		lab_mount_proc(); /* PID 1 would make its own, and write into the whole machine's settings */
	else
		mount_like_wsl();
	lab_become_root_of_namespace();
}

/* ---- WSL's own processes ---------------------------------------------------------------------- */

static _Noreturn void session(void)
{
	/* The leader's relay outlives it and falls to PID 1. */
	(void)setsid();
	if (fork() == 0) {
		(void)prctl(PR_SET_NAME, "relay");
		for (;;)
			(void)pause();
	}
	_exit(0);
}

static _Noreturn void watch(int life)
{
	char byte;

	(void)prctl(PR_SET_NAME, "init-watcher");
	/* End of file: PID 2 is gone. */
	while (read(life, &byte, 1) < 0)
		;
	create_file("/var/test/foreign-init-died", "");
	(void)reboot(RB_POWER_OFF);
	_exit(1);
}

static _Noreturn void foreign_init(void)
{
	int life[2];

	(void)prctl(PR_SET_NAME, "init");
	(void)setsid();
	if (pipe(life) < 0)
		die("pipe");
	if (fork() == 0) {
		(void)close(life[1]);
		watch(life[0]);
	}
	(void)close(life[0]);
	if (fork() == 0) {
		(void)close(life[1]);
		session();
	}
	for (;;)
		(void)pause(); /* its dead children stay zombies, as WSL's do */
}

/* ---- the hand-over ---------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int number;
} refusable[] = {
	{"clone3", SYS_clone3}, {"mount", SYS_mount}, {"epoll_create1", SYS_epoll_create1}};

/* A system call answers ENOSYS, as under an older container manager's seccomp profile. */
static void refuse(int number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		die("cannot install the seccomp filter");
}

static int find_refusable(const char *name)
{
	for (size_t i = 0; i < sizeof(refusable) / sizeof(refusable[0]); i++)
		if (strcmp(name, refusable[i].name) == 0)
			return refusable[i].number;
	return 0;
}

static void hand_over_like_wsl(void)
{
	handover_ignore_signals();
	handover_limits();
	(void)umask(0);
	handover_stdio("/dev/null", "/dev/null", "/dev/kmsg");
}

static _Noreturn void become_init(const struct options *options, int parent)
{
	char *wsl[] = {"container=wsl", "container_host_id=windows",
		"container_host_version_id=2.9.4", NULL};
	char *kernel[] = {"HOME=/", "TERM=linux", NULL};
	char byte;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	handover_ignore_signal_32();
	enter_root(options);
	if (!options->vm && fork() == 0)
		foreign_init();
	/* The foreign processes stay where they are, we are moved into the scenario's group; then we go. */
	if (write(parent, "r", 1) != 1 || read(parent, &byte, 1) != 1)
		_exit(125);
	if (options->refused)
		refuse(options->refused);
	if (options->vm) {
		const char *console = options->lab.console ? "/dev/console" : "/dev/null";

		(void)umask(022);
		handover_stdio(console, console, console);
	} else {
		hand_over_like_wsl();
	}
	(void)execve(options->argv[0], options->argv, options->vm ? kernel : wsl);
	die("cannot run %s", options->argv[0]);
}

static struct options parse_options(int argc, char **argv)
{
	static char *init[] = {"/sbin/init", NULL};
	struct options o = {.argv = init};

	for (int i = 1; i < argc; i++) {
		const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
		const struct {
			const char *name;
			const char **field;
		} strings[] = {{"--root", &o.root}, {"--lower", &o.lab.lower},
			{"--upper", &o.lab.upper}, {"--work", &o.lab.work}, {"--kmsg", &o.lab.kmsg},
			{"--console", &o.lab.console}, {"--cgroup", &o.cgroup}};
		bool found = false;

		for (size_t s = 0; s < sizeof(strings) / sizeof(strings[0]); s++) {
			if (strcmp(name, strings[s].name) == 0) {
				*strings[s].field = value;
				found = true;
				i++;
			}
		}
		if (found)
			continue;
		if (strcmp(name, "--vm") == 0) {
			o.vm = true;
		} else if (strcmp(name, "--dev") == 0 && o.lab.dev_count < LAB_DEVS_MAX) {
			o.lab.devs[o.lab.dev_count++] = value;
			i++;
		} else if (strcmp(name, "--enosys") == 0 && find_refusable(value)) {
			o.refused = find_refusable(value);
			i++;
		} else if (strcmp(name, "--") == 0 && i + 1 < argc) {
			o.argv = argv + i + 1;
			break;
		} else {
			(void)fputs(USAGE, strcmp(name, "--help") == 0 ? stdout : stderr);
			exit(strcmp(name, "--help") == 0 ? 0 : 2);
		}
	}
	if (!o.root || !o.lab.lower || !o.lab.upper || !o.lab.work || !o.lab.kmsg) {
		(void)fputs(USAGE, stderr);
		exit(2);
	}
	return o;
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	int pair[2], procs = -1, status;
	char path[4096], byte;
	pid_t pid;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	become_root();
	if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC) < 0)
		die("cannot make namespaces");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	/* Opened now: PID 1 takes the root away from under us. */
	if (options.cgroup) {
		(void)snprintf(path, sizeof(path), "%s/cgroup.procs", options.cgroup);
		procs = open(path, O_WRONLY | O_CLOEXEC);
		if (procs < 0)
			die("cannot open %s", path);
	}
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		(void)close(pair[0]);
		become_init(&options, pair[1]);
	}
	(void)close(pair[1]);
	errno = 0;
	if (read(pair[0], &byte, 1) != 1)
		die("PID 1 ended before its start");
	if (options.cgroup && dprintf(procs, "%d", (int)pid) < 0)
		die("cannot move PID 1 to %s", options.cgroup);
	(void)printf("pid %d\n", (int)pid);
	(void)fflush(stdout);
	if (write(pair[0], "x", 1) != 1)
		die("PID 1 ended before its start");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	if (WIFSIGNALED(status))
		(void)printf("signal %d\n", WTERMSIG(status));
	else
		(void)printf("exit %d\n", WEXITSTATUS(status));
	return 0;
}
