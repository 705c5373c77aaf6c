/* SPDX-License-Identifier: MIT
 *
 * launch.c - starts a root directory's /sbin/init as a real PID 1 in namespaces of its own, as WSL hands
 * over to it or as a kernel does. Used by tests/ns/guest.py.
 *
 * What WSL does is reproduced to the letter: what is mounted, every signal ignored but HUP, CONT, KILL,
 * STOP and 32-34, fds 0 and 1 on /dev/null and 2 on /dev/kmsg, umask 0, three environment variables, its
 * own init as PID 2 with a watcher that ends the namespace when PID 2 dies.
 *
 * The machine it runs on is protected: the root is an overlay with its own superblock (PID 1 remounts it
 * read-only), /sys and /proc/sys/kernel are read-only, the few settings below /sys that PID 1 writes are
 * files of the scenario, as is what would drop the machine's caches; /dev holds only what is named here.
 *
 * Prints "pid N" (as seen from outside) when PID 1 exists and, at its end, "exit STATUS" or "signal N":
 * 2 is a power-off, 1 a reboot (pid_namespaces(7)). Whoever starts this program ends the namespace by
 * ending this program.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define USAGE                                                                                              \
	"usage: launch --root DIR --lower DIR --upper DIR --work DIR --kmsg FIFO [--vm] [--console TTY]\n" \
	"              [--cgroup DIR] [--dev NODE]... [--enosys CALL] [-- INIT ARG...]\n"                  \
	"INIT (default /sbin/init) becomes PID 1 in DIR, an overlay of lower and upper.\n"

#define DEVS_MAX 8

struct options {
	const char *root, *lower, *upper, *work, *kmsg, *console, *cgroup;
	const char *devs[DEVS_MAX];
	unsigned int dev_count;
	bool vm;
	int refused; /* number of a system call, 0: none */
	char **argv;
};

static _Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void die(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	(void)fprintf(stderr, "launch: ");
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fprintf(stderr, "%s%s\n", error ? ": " : "", error ? strerror(error) : "");
	_exit(125);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("cannot write %s", path);
	(void)close(fd);
}

static void create_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || (text && write(fd, text, strlen(text)) < 0))
		die("cannot make %s", path);
	(void)close(fd);
}

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

static void do_mount(const char *source, const char *target, const char *type, unsigned long flags,
	const char *data)
{
	if (mount(source, target, type, flags, data) < 0)
		die("cannot mount %s on %s", type ? type : source, target);
}

static void make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		die("cannot make %s", path);
	(void)chmod(path, mode);
}

static void bind_node(const char *source, const char *target)
{
	create_file(target, NULL);
	do_mount(source, target, NULL, MS_BIND, NULL);
}

/* A /dev of the scenario's own: the machine's devtmpfs is out of reach, /dev/kmsg is the scenario's. */
static void mount_dev(const struct options *options)
{
	static const char *const nodes[] = {
		"null", "zero", "full", "random", "urandom", "tty", "fuse"};
	char target[64], source[64];

	do_mount("dev", "dev", "tmpfs", MS_NOSUID, "mode=0755");
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		(void)snprintf(source, sizeof(source), "/dev/%s", nodes[i]);
		(void)snprintf(target, sizeof(target), "dev/%s", nodes[i]);
		if (access(source, F_OK) == 0)
			bind_node(source, target);
	}
	for (unsigned int i = 0; i < options->dev_count; i++)
		bind_node(options->devs[i], options->devs[i] + 1);
	bind_node(options->kmsg, "dev/kmsg");
	if (options->console)
		bind_node(options->console, "dev/console");
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
static void mount_sys(void)
{
	do_mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL);
	cover("sys/module/page_reporting/parameters", "page_reporting_order", "9\n");
	cover("sys/kernel/mm/lru_gen", "enabled", "0x0000\n");
	cover("sys/kernel/mm/transparent_hugepage", "enabled", "always\n");
	cover("sys/devices/system/memory", "auto_online_blocks", "offline\n");
}

static void mount_proc(void)
{
	static const char *const vm[] = {
		"drop_caches", "compact_memory", "percpu_pagelist_high_fraction"};

	do_mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	do_mount("proc/sys/kernel", "proc/sys/kernel", NULL, MS_BIND, NULL);
	do_mount(NULL, "proc/sys/kernel", NULL,
		MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	/* What keel asks of the whole machine's memory is written into files. */
	make_dir("dev/.vm", 0755);
	for (size_t i = 0; i < sizeof(vm) / sizeof(vm[0]); i++) {
		char file[64], target[64];

		(void)snprintf(file, sizeof(file), "dev/.vm/%s", vm[i]);
		(void)snprintf(target, sizeof(target), "proc/sys/vm/%s", vm[i]);
		if (access(target, F_OK) < 0)
			continue;
		create_file(file, NULL);
		do_mount(file, target, NULL, MS_BIND, NULL);
	}
}

/* What WSL mounts before the hand-over. */
static void mount_like_wsl(const struct options *options)
{
	static const char *const run[] = {"run/lock", "run/shm", "run/user"};

	mount_proc();
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
	if (options->cgroup)
		do_mount("cgroup2", "sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			"nsdelegate");
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

/* Our directory becomes the namespace's root, the machine's mounts go. Not just our own root: whoever
 * enters the namespace later (docker exec does) gets the namespace's. Joining it once more takes us out of a
 * chroot that we were started in. */
static void become_root_of_namespace(void)
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

static void enter_root(const struct options *options)
{
	char data[4096];

	/* EINVAL: "/" is a chroot's and no mount point; image-build/env made everything private then. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 && errno != EINVAL)
		die("cannot make / private");
	(void)snprintf(data, sizeof(data), "lowerdir=%s,upperdir=%s,workdir=%s", options->lower,
		options->upper, options->work);
	do_mount("root", options->root, "overlay", 0, data);
	if (chdir(options->root) < 0)
		die("cannot enter %s", options->root);
	mount_dev(options);
	mount_sys();
	/* Without a group of its own PID 1 must not make one in the machine's root. */
	if (!options->cgroup)
		do_mount("none", "sys/fs/cgroup", "tmpfs", MS_RDONLY, NULL);
	if (options->vm)
		mount_proc(); /* PID 1 would make its own, and write into the whole machine's settings */
	else
		mount_like_wsl(options);
	become_root_of_namespace();
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

static void open_stdio(const char *in, const char *out, const char *err)
{
	int in_fd = open(in, O_RDWR | O_NOCTTY | O_CLOEXEC);
	int out_fd = open(out, O_RDWR | O_NOCTTY | O_CLOEXEC);
	int err_fd = open(err, O_WRONLY | O_NOCTTY | O_CLOEXEC);

	if (in_fd < 0 || out_fd < 0 || err_fd < 0 || dup2(err_fd, 2) < 0 || dup2(in_fd, 0) < 0 ||
		dup2(out_fd, 1) < 0)
		die("cannot open %s, %s or %s", in, out, err);
	for (int fd = 3; fd < 1024; fd++)
		(void)close(fd);
}

static void set_limit(__typeof__(RLIMIT_NOFILE) resource, rlim_t soft, rlim_t hard)
{
	struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};

	(void)setrlimit(resource, &limit); /* without privilege as much as there is */
}

static void hand_over_like_wsl(void)
{
	static const int kept[] = {SIGHUP, SIGCONT, SIGKILL, SIGSTOP, 32, 33, 34};

	for (int i = 1; i <= 64; i++) {
		bool keep = false;

		for (size_t k = 0; k < sizeof(kept) / sizeof(kept[0]); k++)
			keep = keep || kept[k] == i;
		if (!keep)
			(void)signal(i, SIG_IGN);
	}
	set_limit(RLIMIT_NOFILE, 10240, 1048576);
	set_limit(RLIMIT_MEMLOCK, 64UL << 20, 64UL << 20);
	(void)umask(0);
	open_stdio("/dev/null", "/dev/null", "/dev/kmsg");
}

/* 32, which the C library does not let anybody touch, can be inherited ignored from whatever runtime
 * started us: PID 1 has to give its services the default all the same. */
static void ignore_signal_32(void)
{
	static const struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} action = {.handler = SIG_IGN};

	(void)syscall(SYS_rt_sigaction, 32, &action, NULL, sizeof(action.mask));
}

static _Noreturn void become_init(const struct options *options, int parent)
{
	char *wsl[] = {"container=wsl", "container_host_id=windows",
		"container_host_version_id=2.9.4", NULL};
	char *kernel[] = {"HOME=/", "TERM=linux", NULL};
	char byte;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	ignore_signal_32();
	enter_root(options);
	if (!options->vm && fork() == 0)
		foreign_init();
	/* The foreign processes stay where they are, we are moved into the scenario's group; then we go. */
	if (write(parent, "r", 1) != 1 || read(parent, &byte, 1) != 1)
		_exit(125);
	if (options->refused)
		refuse(options->refused);
	if (options->vm) {
		const char *console = options->console ? "/dev/console" : "/dev/null";

		(void)umask(022);
		open_stdio(console, console, console);
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
		} strings[] = {{"--root", &o.root}, {"--lower", &o.lower}, {"--upper", &o.upper},
			{"--work", &o.work}, {"--kmsg", &o.kmsg}, {"--console", &o.console},
			{"--cgroup", &o.cgroup}};
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
		} else if (strcmp(name, "--dev") == 0 && o.dev_count < DEVS_MAX) {
			o.devs[o.dev_count++] = value;
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
	if (!o.root || !o.lower || !o.upper || !o.work || !o.kmsg) {
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
