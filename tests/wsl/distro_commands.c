/* SPDX-License-Identifier: MIT
 *
 * distro_commands.c - what WSL's init runs in the distro with popen, when, and how long it waits (init.cpp:
 * WaitForBootProcess, InitTerminateInstanceInternal; config.cpp: CreateLoginSession). Unlike in WSL its standard
 * output is always taken, so that it can be told of.
 */
#include "tests/wsl/base.h"
#include "tests/wsl/distro.h"
#include "tests/wsl/handover.h"

#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

int distro_command(const char *command, char *output, unsigned long size)
{
	FILE *pipe =
		popen(command, "re"); /* NOLINT(cert-env33-c): as WSL does it, a shell included */
	char line[256];
	int status;

	if (output)
		output[0] = '\0';
	if (!pipe)
		return -1;
	while (fgets(line, sizeof(line), pipe)) {
		size_t length = output ? strlen(output) : 0;

		line[strcspn(line, "\n")] = '\0';
		if (output)
			(void)snprintf(output + length, size - length, "%s%s", length ? "/" : "",
				line);
	}
	status = pclose(pipe);
	if (status < 0)
		return -1; /* ECHILD: SIGCHLD is ignored */
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The command until it succeeds or the time is over, as long as its output is not `hopeless`. */
static bool retry(const struct distro *distro, const char *event, const char *command,
	const char *hopeless)
{
	long long end = now_us() + distro->conf.init_timeout * 1000LL;
	char output[128];
	bool success = false;

	(void)signal(SIGCHLD, SIG_DFL);
	for (;;) {
		int status = distro_command(command, output, sizeof(output));

		say(distro->start.name, "%s status=%d output=%s", event, status,
			output[0] ? output : "-");
		success = status == 0;
		if (success || (hopeless && strcmp(output, hopeless) == 0) || now_us() > end)
			break;
		(void)usleep((useconds_t)distro->start.retry_ms * 1000);
	}
	(void)signal(SIGCHLD, SIG_IGN);
	return success;
}

void distro_wait_for_boot(struct distro *distro)
{
	if (distro->begin < 0)
		return;
	say(distro->start.name, "begin");
	if (write(distro->begin, "b", 1) != 1)
		distro_log(distro, "PID 1 is gone: %s", strerror(errno));
	(void)close(distro->begin);
	distro->begin = -1;
	if (distro->conf.init_timeout <= 0)
		return;
	if (!retry(distro, "is-system-running",
		    "systemctl is-system-running | grep -E \"running|degraded\"", NULL)) {
		say(distro->start.name, "boot-timeout");
		distro_log(distro, "/sbin/init failed to start within %d ms",
			distro->conf.init_timeout);
	}
}

/* Once per uid: true when it was new. */
static bool first_login(unsigned int uid)
{
	static unsigned int known[64];
	static size_t count;

	for (size_t i = 0; i < count; i++)
		if (known[i] == uid)
			return false;
	if (count < ARRAY_SIZE(known))
		known[count++] = uid;
	return true;
}

static bool log_in(struct distro *distro, const char *user, unsigned int uid)
{
	char command[64];
	int leader;

	switch (forkpty(&leader, NULL, NULL, NULL)) {
	case -1:
		return false;
	case 0:
		(void)execl("/bin/login", "/bin/login", "-f", user, (char *)NULL);
		_exit(127);
	default:
		break; /* the leader stays open as long as WSL's init lives */
	}
	say(distro->start.name, "login user=%s", user);
	if (distro->conf.init_timeout <= 0)
		return true;
	(void)snprintf(command, sizeof(command), "systemctl is-active user@%u.service", uid);
	return retry(distro, "user-service", command, "failed");
}

bool distro_login(struct distro *distro, const char *user, unsigned int uid)
{
	bool success = true;

	(void)pthread_mutex_lock(&distro->login_lock);
	if (first_login(uid))
		success = log_in(distro, user, uid);
	(void)pthread_mutex_unlock(&distro->login_lock);
	return success;
}

static void *power_off(void *data)
{
	struct distro *distro = data;
	int status;

	say(distro->start.name, "poweroff-asked");
	status = distro_command("systemctl poweroff", NULL, 0);
	say(distro->start.name, "poweroff-answered status=%d", status);
	return status == 0 ? distro : NULL;
}

/* True when there is something to wait for. */
static bool ask_for_poweroff(struct distro *distro)
{
	pthread_t thread;

	if (!distro->conf.systemd || distro->begin >= 0)
		return false;
	handover_default_signals();
	if (!distro->profile->poweroff_detached)
		return power_off(distro) != NULL;
	if (pthread_create(&thread, NULL, power_off, distro) == 0)
		(void)pthread_detach(thread);
	return true;
}

void distro_terminate(struct distro *distro)
{
	if (ask_for_poweroff(distro)) {
		long long end = now_us() + distro->conf.init_timeout * 1000LL;

		while (now_us() < end)
			(void)usleep((useconds_t)(end - now_us()));
		say(distro->start.name, "poweroff-timeout");
		distro_log(distro, "systemctl poweroff did not end the distro in %d ms",
			distro->conf.init_timeout);
	}
	(void)reboot(RB_POWER_OFF);
	die("cannot power off");
}
