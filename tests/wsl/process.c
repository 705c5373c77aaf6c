/* SPDX-License-Identifier: MIT
 *
 * process.c - a session's command, from the relay's child to its exec (init.cpp: CreateProcessParseCommon,
 * CreateProcessCommon): the user, a login session of systemd's, the environment, the shell.
 */
#include "tests/wsl/base.h"
#include "tests/wsl/distro.h"
#include "tests/wsl/handover.h"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define TTY_GROUP 5

/* wslservice.idl, LXSS_DISTRO_DEFAULT_ENVIRONMENT */
#define DEFAULT_PATH \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games"

static const struct passwd *find_user(const struct distro *distro, const char *name)
{
	static struct passwd nobody_known = {
		.pw_name = (char *)"root", .pw_dir = (char *)"/", .pw_shell = (char *)"/bin/sh"};
	const struct passwd *user = NULL;

	if (name[0]) {
		user = getpwnam(name);
		if (!user)
			_exit(EX_NOUSER);
		return user;
	}
	if (distro->conf.user[0])
		user = getpwnam(distro->conf.user);
	if (!user)
		user = getpwuid(0);
	return user ? user : &nobody_known;
}

/* WSL's init makes the login session, in the distro's first mount namespace. */
static void ask_for_login(const struct distro *distro, const struct passwd *user)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct wire request = {.length = 0};
	char answer[8] = "";

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/run/WSL/%d_interop",
		(int)distro->pid);
	wire_add(&request, "login");
	wire_add(&request, "user=%s", user->pw_name);
	wire_add(&request, "uid=%u", user->pw_uid);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		wire_send(fd, &request) < 0) {
		distro_log(distro, "cannot ask for a login");
		_exit(1);
	}
	if (recv(fd, answer, sizeof(answer) - 1, 0) <= 0 || strcmp(answer, "1") != 0)
		(void)fprintf(stderr, "wsl: no user session of systemd for %s\n", user->pw_name);
	(void)close(fd);
}

static void set_environment(const struct distro *distro, struct wire *request,
	const struct passwd *user)
{
	const char *name = getenv("NAME"), *term = wire_get(request, "term");
	char text[512], host[64];

	(void)snprintf(host, sizeof(host), "%s", name ? name : "");
	(void)clearenv();
	(void)setenv("HOSTTYPE", "x86_64", 1);
	(void)setenv("LANG", "en_US.UTF-8", 1);
	(void)snprintf(text, sizeof(text), "%s%s", DEFAULT_PATH,
		distro->conf.gpu && distro->conf.append_gpu_path ? ":/usr/lib/wsl/lib" : "");
	(void)setenv("PATH", text, 1);
	(void)setenv("TERM", term[0] ? term : "xterm-256color", 1);
	(void)setenv("NAME", host, 1);
	(void)setenv("WSL_DISTRO_NAME", distro->start.name, 1);
	(void)setenv("WSLENV", "", 1);
	(void)snprintf(text, sizeof(text), "/run/WSL/%d_interop", (int)distro->pid);
	if (distro->conf.interop)
		(void)setenv("WSL_INTEROP", text, 1);
	(void)setenv("HOME", user->pw_dir, 1);
	(void)setenv("USER", user->pw_name, 1);
	(void)setenv("LOGNAME", user->pw_name, 1);
	(void)setenv("SHELL", user->pw_shell, 1);
	if (!distro->conf.systemd)
		return;
	(void)snprintf(text, sizeof(text), "unix:path=/run/user/%u/bus", user->pw_uid);
	(void)setenv("DBUS_SESSION_BUS_ADDRESS", text, 1);
	(void)snprintf(text, sizeof(text), "/run/user/%u%s", user->pw_uid,
		distro->profile->runtime_slash ? "/" : "");
	(void)setenv("XDG_RUNTIME_DIR", text, 1);
}

static void become_user(const struct passwd *user, const char *directory)
{
	char path[512];

	(void)initgroups(user->pw_name, user->pw_gid);
	if (setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0)
		_exit(1);
	(void)snprintf(path, sizeof(path), "%s%s",
		directory[0] == '~' || !directory[0] ? user->pw_dir : "",
		directory[0] == '~' ? directory + 1 : directory);
	(void)chdir(path); /* a failure is not fatal */
}

void process_exec(struct distro *distro, struct wire *request, int tty, unsigned int number)
{
	char *argv[WIRE_ARGS + 1], shell_name[64];
	const char *file;
	const struct passwd *user;
	sigset_t none;

	handover_default_signals();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	user = find_user(distro, wire_get(request, "user"));
	if (distro->conf.systemd)
		ask_for_login(distro, user);
	set_environment(distro, request, user);
	if (wire_args(request, argv) > 0) {
		file = argv[0];
	} else {
		const char *slash;

		file = user->pw_shell && user->pw_shell[0] ? user->pw_shell : "/bin/sh";
		slash = strrchr(file, '/');
		(void)snprintf(shell_name, sizeof(shell_name), "-%s", slash ? slash + 1 : file);
		argv[0] = shell_name;
		argv[1] = NULL;
	}
	if (tty >= 0) {
		(void)fchown(tty, user->pw_uid, TTY_GROUP);
		(void)close(tty);
	}
	become_user(user, wire_get(request, "cd"));
	say(distro->start.name, "session-exec id=%u", number);
	(void)execvp(file, argv);
	distro_log(distro, "cannot run %s", file);
	_exit(1);
}
