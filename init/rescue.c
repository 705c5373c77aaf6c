/* SPDX-License-Identifier: MIT
 *
 * rescue.c - see rescue.h. Called by main.c.
 */
#include "init/rescue.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>

#include "init/service.h"
#include "init/shutdown.h"
#include "init/spawn.h"
#include "init/stage.h"
#include "init/unmount.h"
#include "lib/log.h"

#define SHELL_UNIT "rescue.service"

/* Built in: no unit file may be readable. */
static const char shell_text[] = "[Unit]\n"
				 "Description=Rescue shell on the console of a VM\n"
				 "ConditionVirtualization=!wsl\n"
				 "[Service]\n"
				 "Type=simple\n"
				 "ExecStart=/bin/sh -l\n"
				 "StandardInput=tty\n"
				 "TTYPath=/dev/console\n"
				 "Slice=user.slice\n"
				 "Restart=always\n"
				 "RestartSec=1s\n"
				 "StartLimitBurst=0\n"
				 "KillSignal=SIGHUP\n"
				 "TimeoutStopSec=1s\n";

/* Also where nobody reads the kernel log, or where it is not shown. */
static void show(const struct init *init, const char *way_out)
{
	char text[CONTROL_REASON_MAX + 160];
	_cleanup_close_ int fd = -1;
	int len;

	if (init->mode == BOOT_MODE_WSL)
		return;
	fd = open("/dev/console", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	len = snprintf(text, sizeof(text), "\nkeel cannot start its services.\n  %s\n%s %s\n\n",
		init->rescue,
		init->config.boot.console_shell
			? "This shell is all there is. \"dmesg\" tells more."
			: "There is no shell here: boot.console_shell=no.",
		way_out);
	if (fd >= 0)
		(void)!write(fd, text, (size_t)len);
}

static bool something_to_start(const struct init *init)
{
	for (unsigned int i = 0; i < init->service_count; i++)
		if (init->services[i].usable && init->services[i].unit.enabled &&
			strcmp(init->services[i].unit.name, "console-shell.service") != 0)
			return true;
	return false;
}

static void find_reason(struct init *init)
{
	const char *broken = NULL;

	if (init->rescue[0]) /* said by whoever saw it */
		return;
	for (unsigned int i = 0; init->fatal && i < STAGE_COUNT; i++) {
		const struct control_stage *stage = &init->stages[i].record;

		if (stage->state != STAGE_STATE_FAILED)
			continue;
		(void)snprintf(init->rescue, sizeof(init->rescue), "stage %s failed: %.150s",
			stage->name, stage->reason);
		return;
	}
	if (something_to_start(init))
		return;
	for (unsigned int i = 0; i < init->service_count && !broken; i++)
		if (init->services[i].record.state == SERVICE_STATE_FAILED)
			broken = init->services[i].record.reason;
	(void)snprintf(init->rescue, sizeof(init->rescue), "no unit can be started%s%.150s",
		broken ? ": " : ": none is enabled in /etc/keel/units or /usr/lib/keel/units",
		broken ? broken : "");
}

void rescue_prepare(struct init *init)
{
	find_reason(init);
	if (!init->rescue[0])
		return;
	log_error("%s; %s", init->rescue,
		init->mode == BOOT_MODE_VM ? "only a shell is started" : "no service is started");
	if (init->mode == BOOT_MODE_WSL || !init->config.boot.console_shell)
		return;
	if (init->service_count == CONTROL_SERVICES_MAX)
		init->service_count--; /* one of those that cannot be started anyway */
	service_add(init, SHELL_UNIT, shell_text);
}

void rescue_start(struct init *init)
{
	static const char *const wanted[] = {SHELL_UNIT, "keel-agent.service"};

	show(init, "\"reboot\" tries again.");
	stage_set(init, STAGE_SERVICES, STAGE_STATE_FAILED, init->rescue);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct service *service = service_find(init, wanted[i]);

		if (service)
			service_event(service, SM_EVENT_WANT, (struct sm_facts){0});
	}
}

void rescue_deaf(void)
{
	(void)prctl(PR_SET_NAME, CONTROL_DEAF);
}

/* ---- the last resort ------------------------------------------------------------------------ */

static pid_t start_shell(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("/dev/console", O_RDWR | O_CLOEXEC);
		sigset_t none;

		(void)setsid();
		if (fd >= 0) {
			(void)ioctl(fd, TIOCSCTTY, 1);
			(void)dup2(fd, STDIN_FILENO);
			(void)dup2(fd, STDOUT_FILENO);
			(void)dup2(fd, STDERR_FILENO);
		}
		spawn_default_signals();
		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)execl("/bin/sh", "-sh", (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* Nothing else is left to end but what the shell started. */
static _Noreturn void end(const struct init *init, int command)
{
	struct unmount_plan plan = {.mode = init->mode, .data = init->config.disk.mountpoint};

	if (init->mode == BOOT_MODE_VM) {
		(void)kill(-1, SIGTERM);
		(void)sleep(1);
		(void)kill(-1, SIGKILL);
	}
	(void)unmount_all(&plan);
	(void)reboot(command);
	_exit(0);
}

_Noreturn void rescue_last_resort(struct init *init, const sigset_t *mask, int error)
{
	struct timespec second = {.tv_sec = 1};
	pid_t shell = 0, pid;

	(void)snprintf(init->rescue, sizeof(init->rescue), "cannot set up the event loop: %s",
		strerror(-error));
	log_error("%s; a shell is all there is", init->rescue);
	rescue_deaf();
	/* Nobody listens to the commands for it. */
	show(init, "\"kill -INT 1\" reboots, \"kill 1\" powers off.");
	for (;;) {
		siginfo_t info;
		int command, number;

		if (shell <= 0 && init->mode == BOOT_MODE_VM && init->config.boot.console_shell)
			shell = start_shell();
		number = sigtimedwait(mask, &info, shell < 0 ? &second : NULL);
		command = shutdown_signal_command(number);
		if (command)
			end(init, command);
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			if (pid == shell)
				shell = 0;
		if (shell <= 0)
			(void)nanosleep(&second,
				NULL); /* a shell that dies at once is no busy loop */
	}
}
