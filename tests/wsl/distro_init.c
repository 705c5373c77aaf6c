/* SPDX-License-Identifier: MIT
 *
 * distro_init.c - WSL's init in the distro: what PID 1 is before /sbin/init, and PID 2 (init.cpp: InitEntry,
 * InitEntryUtilityVm, WslInitWatcher). It waits in its socket, works at one request at a time, never reaps but
 * by ignoring SIGCHLD, and dies when the host closes the channel.
 */
#include "tests/wsl/base.h"
#include "tests/wsl/distro.h"
#include "tests/wsl/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define GENERATORS "/run/systemd/system-generators"

void distro_log(const struct distro *distro, const char *format, ...)
{
	char line[512], text[400];
	va_list args;
	int length;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	length = snprintf(line, sizeof(line), "<4>WSL (%d): %s\n", (int)getpid(), text);
	if (write(distro->kmsg, line, (size_t)length) < 0)
		return;
}

/* ---- PID 1, until it is /sbin/init --------------------------------------------------------------- */

static void lock_binfmt(const struct distro *distro)
{
	const char *lock = "/run/wsl/binfmt-status-lock",
		   *status = "/proc/sys/fs/binfmt_misc/status";

	make_dirs("/run/wsl");
	create_file(lock, "enabled\n");
	if (mount(lock, status, NULL, MS_BIND, NULL) < 0 ||
		mount(NULL, status, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
		distro_log(distro, "cannot cover %s: %s", status, strerror(errno));
}

static void leave_units(const struct distro *distro)
{
	if (distro->start.mirrored) {
		make_dirs("/run/sysctl.d");
		create_file("/run/sysctl.d/wsl-networking.conf",
			"net.ipv4.conf.all.rp_filter=0\nnet.ipv4.conf.loopback0.rp_filter=0\n");
	}
	make_dirs(GENERATORS);
	if (symlink("/init", GENERATORS "/wsl-generator") < 0)
		distro_log(distro, "cannot make the generator: %s", strerror(errno));
}

static _Noreturn void become_sbin_init(struct distro *distro, int begin)
{
	char version[64], byte;
	char *argv[] = {"/sbin/init", NULL};
	char *environment[] = {"container=wsl", "container_host_id=windows", version, NULL};

	(void)prctl(PR_SET_NAME, "init-systemd");
	if (read(begin, &byte, 1) != 1)
		_exit(1); /* WSL: recv failed */
	if (distro->profile->lock_binfmt && distro->conf.protect_binfmt)
		lock_binfmt(distro);
	leave_units(distro);
	groups_join(distro, false);
	(void)snprintf(version, sizeof(version), "container_host_version_id=%s",
		distro->profile->version);
	say(distro->start.name, "exec-init");
	(void)execve("/sbin/init", argv, environment);
	distro_log(distro, "cannot run /sbin/init: %s", strerror(errno));
	_exit(1);
}

/* ---- its helpers ---------------------------------------------------------------------------------- */

_Noreturn void distro_watcher(const char *name)
{
	struct pollfd init = {.events = POLLIN};

	(void)prctl(PR_SET_NAME, "init-watcher");
	init.fd = (int)syscall(SYS_pidfd_open, getppid(), 0);
	while (init.fd >= 0 && poll(&init, 1, -1) < 0 && errno == EINTR)
		;
	say(name, "watcher-fired");
	(void)reboot(RB_POWER_OFF);
	_exit(1);
}

/* A child that is /init under another name, with signals as WSL gives them to its children. */
static void run_as(const struct distro *distro, const char *name)
{
	if (fork() != 0)
		return;
	(void)fcntl(EVENTS_FD, F_SETFD, 0);
	(void)execl("/init", name, distro->start.name, (char *)NULL);
	_exit(1);
}

static void run_boot_command(const struct distro *distro)
{
	if (!distro->conf.command[0])
		return;
	say(distro->start.name, "boot-command");
	if (fork() != 0)
		return;
	handover_default_signals();
	groups_join(distro, true);
	(void)execl("/bin/sh", "sh", "-c", distro->conf.command, (char *)NULL);
	_exit(1);
}

/* ---- a login for a session's user: asked for at /run/WSL/PID_interop -------------------------------- */

static void answer_login(struct distro *distro, int client)
{
	struct wire request;
	bool success;

	if (wire_receive(client, &request) > 0) {
		success = distro_login(distro, wire_get(&request, "user"),
			(unsigned int)strtoul(wire_get(&request, "uid"), NULL, 10));
		(void)wire_reply(client, "%d", success);
	}
	wire_close_fds(&request);
	(void)close(client);
}

static void *serve_interop(void *data)
{
	struct distro *distro = data;

	for (;;) {
		int client = accept4(distro->interop, NULL, NULL, SOCK_CLOEXEC);

		if (client >= 0)
			answer_login(distro, client);
	}
	return NULL;
}

static void start_interop(struct distro *distro)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[32];
	pthread_t thread;

	make_dirs("/run/WSL");
	(void)chmod("/run/WSL", 0777);
	(void)snprintf(name, sizeof(name), "%d_interop", (int)distro->pid);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/run/WSL/%s", name);
	distro->interop = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (distro->interop < 0 ||
		bind(distro->interop, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(distro->interop, 16) < 0 ||
		pthread_create(&thread, NULL, serve_interop, distro) != 0)
		die("cannot serve interop");
	if (distro->pid != 1)
		(void)symlink(name, "/run/WSL/1_interop");
}

/* ---- the loop --------------------------------------------------------------------------------------- */

static void handle(struct distro *distro, struct wire *request)
{
	bool elevated = strcmp(wire_get(request, "elevated"), "1") == 0;

	if (strcmp(request->text, "terminate") == 0)
		distro_terminate(distro);
	distro_wait_for_boot(distro);
	if (distro->namespaces[elevated] < 0)
		(void)distro_other_namespace(distro, elevated);
	distro_link_resolv_conf(distro);
	session_start(distro, request);
}

static _Noreturn void serve(struct distro *distro)
{
	static struct wire request;

	while (wire_receive(CHANNEL_FD, &request) > 0) {
		handle(distro, &request);
		wire_close_fds(&request);
	}
	distro_terminate(distro);
}

/* PID 1 waits to become /sbin/init, its child goes on as WSL's init. */
static void split(struct distro *distro)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	switch (fork()) {
	case -1:
		die("fork");
	case 0:
		break;
	default:
		(void)close(pair[1]);
		become_sbin_init(distro, pair[0]);
	}
	(void)close(pair[0]);
	distro->begin = pair[1];
	if (distro->profile->watcher)
		run_as(distro, "init-watcher");
}

static void read_start(struct distro *distro)
{
	if (pread(START_FD, &distro->start, sizeof(distro->start), 0) !=
		(ssize_t)sizeof(distro->start))
		die("no start on descriptor %d", START_FD);
	(void)close(START_FD);
	distro->profile = profile_find(distro->start.profile);
	if (!distro->profile)
		die("no profile %s", distro->start.profile);
}

/* Up to here descriptor 2 is the launcher's; what goes wrong later is in the distro's kernel log. */
static void open_log(struct distro *distro)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	distro->kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (null < 0 || distro->kmsg < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		die("cannot open /dev/kmsg and /dev/null");
	(void)fcntl(CHANNEL_FD, F_SETFD, FD_CLOEXEC);
	(void)fcntl(EVENTS_FD, F_SETFD, FD_CLOEXEC);
}

/* config.cpp, ConfigInitializeInstance; the kernel cuts it to 15 characters. */
static void name_init(const struct distro *distro)
{
	char name[96];

	(void)snprintf(name, sizeof(name), "%s(%s)", distro->conf.systemd ? "init-systemd" : "init",
		distro->start.name);
	(void)prctl(PR_SET_NAME, name);
}

_Noreturn void distro_init(void)
{
	static struct distro distro = {
		.begin = -1, .namespaces = {-1, -1}, .login_lock = PTHREAD_MUTEX_INITIALIZER};

	(void)umask(0);
	(void)prctl(PR_SET_NAME, "init-distro");
	read_start(&distro);
	distro_mount_devices(&distro);
	open_log(&distro);
	handover_ignore_signals();
	handover_ignore_signal_32();
	conf_load("/etc/wsl.conf", &distro.conf);
	if (distro.start.no_systemd || access("/sbin/init", X_OK) < 0)
		distro.conf.systemd = false;
	if (distro.start.init_timeout)
		distro.conf.init_timeout = distro.start.init_timeout;
	distro_mount_common(&distro);
	(void)dup2(distro.kmsg, 2);
	if (distro.conf.systemd)
		split(&distro);
	distro.pid = getpid();
	name_init(&distro);
	distro_initialize(&distro);
	run_as(&distro, "plan9");
	start_interop(&distro);
	run_boot_command(&distro);
	say(distro.start.name, "ready systemd=%d", distro.conf.systemd);
	serve(&distro);
}
