/* SPDX-License-Identifier: MIT
 *
 * shutdown.c - phases driven by the loop until no process of ours is left; then a short blocking end.
 *
 * Under WSL foreign processes live in our PID namespace (the launcher's init, sessions). They are
 * never signalled: killing them makes WSL tear the namespace down in the middle of our work. So we kill
 * by cgroup, what we started; kill(-1) is for a VM of our own.
 */
#include "init/shutdown.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>

#include "init/control_server.h"
#include "init/mounts.h"
#include "init/service.h"
#include "init/text.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"

/* What containers and leftovers get between SIGTERM and SIGKILL once their managers are gone. */
#define PROCESS_GRACE_US (2 * USEC_PER_SEC)
/* The blocking end (sync, unmount) of a machine whose disk hangs is cut off after this. */
#define FINAL_LIMIT_S 30

static void on_deadline(struct loop_timer *timer)
{
	struct init *init = timer->ctx;

	if (init->shutdown == SHUTDOWN_PROCESSES) {
		init->shutdown = SHUTDOWN_FINAL;
		return;
	}
	log_warning("shutdown takes longer than %u s: going on without waiting",
		init->config.boot.shutdown_s);
	for (unsigned int i = 0; i < init->service_count; i++)
		service_kill(&init->services[i]);
	init->shutdown = SHUTDOWN_PROCESSES;
	loop_timer_set(&init->loop, &init->shutdown_timer, clock_now_us() + PROCESS_GRACE_US,
		on_deadline, init);
}

void shutdown_start(struct init *init, int command, const char *why)
{
	if (init->shutdown != SHUTDOWN_NONE)
		return;
	log_info("%s: %s", command == RB_AUTOBOOT ? "reboot" : "power off", why);
	init->shutdown = SHUTDOWN_SERVICES;
	init->reboot_command = command;
	init->boot.state = BOOT_STATE_STOPPING;
	text_copy(init->boot.reason, sizeof(init->boot.reason), "shutting down");
	control_mark(init, CONTROL_DIRTY_BOOT);
	loop_timer_set(&init->loop, &init->shutdown_timer,
		clock_now_us() + init->config.boot.shutdown_s * USEC_PER_SEC, on_deadline, init);
	/* Whoever waits shall not start any more. */
	for (unsigned int i = 0; i < init->service_count; i++)
		if (init->services[i].sm.state == SERVICE_STATE_WAITING ||
			init->services[i].sm.state == SERVICE_STATE_BACKOFF)
			service_event(&init->services[i], SM_EVENT_UNWANT, (struct sm_facts){0});
	init->changed = true;
}

/* True if another service that is still up needs this one. */
static bool is_needed(const struct init *init, const struct service *service)
{
	for (unsigned int i = 0; i < init->service_count; i++) {
		const struct service *other = &init->services[i];

		/* keel's own are the last: whatever they wait for at boot, they hold nobody up now. */
		if (service_is_keel(other) && !service_is_keel(service))
			continue;
		if (other != service && service_is_up(other) &&
			service_depends_on(other, service) && !service_depends_on(service, other))
			return true;
	}
	return false;
}

/* Stops what nobody needs any more. Returns how many are still up. */
static unsigned int stop_services(struct init *init, bool keel)
{
	unsigned int up = 0;

	for (unsigned int i = 0; i < init->service_count; i++) {
		struct service *service = &init->services[i];

		if (service_is_keel(service) != keel || !service_is_up(service))
			continue;
		up++;
		if (service->sm.wanted && !is_needed(init, service))
			service_event(service, SM_EVENT_UNWANT, (struct sm_facts){0});
	}
	return up;
}

static bool has_children(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void signal_processes(struct init *init, int signal)
{
	static const char *const slices[] = {"containers", "engine", "system", "user"};

	if (init->mode == BOOT_MODE_VM) {
		(void)kill(-1, signal);
		return;
	}
	for (size_t i = 0; signal == SIGKILL && i < ARRAY_SIZE(slices); i++)
		(void)!cgroup_kill(init->cgroup.base_fd, slices[i]);
}

static _Noreturn void end(struct init *init)
{
	log_info("unmounting");
	(void)mounts_teardown(init->mode, init->config.disk.mountpoint);
	sync();
	log_info("%s", init->reboot_command == RB_AUTOBOOT ? "rebooting" : "powering off");
	(void)reboot(init->reboot_command);
	/* Not allowed (a namespace without the capability): without us the namespace ends too. */
	_exit(0);
}

/* A child that cuts off an end that hangs in I/O. Under WSL the launcher has its own deadline. */
static void guard_end(struct init *init)
{
	if (init->mode != BOOT_MODE_VM || fork() != 0)
		return;
	(void)sleep(FINAL_LIMIT_S);
	(void)reboot(init->reboot_command);
	_exit(1);
}

static void finish(struct init *init)
{
	/* Whoever asked for this gets the answer, though nothing was left to wait for. */
	control_flush(init);
	loop_timer_cancel(&init->loop, &init->shutdown_timer);
	signal_processes(init, SIGKILL);
	for (int i = 0; i < 100 && has_children(); i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		(void)usleep(2000);
	}
	guard_end(init);
	end(init);
}

void shutdown_advance(struct init *init)
{
	switch (init->shutdown) {
	case SHUTDOWN_NONE:
		return;
	case SHUTDOWN_SERVICES:
		if (stop_services(init, false) > 0)
			return;
		init->shutdown = SHUTDOWN_KEEL;
		/* fall through */
	case SHUTDOWN_KEEL:
		if (stop_services(init, true) > 0)
			return;
		init->shutdown = SHUTDOWN_PROCESSES;
		signal_processes(init, SIGTERM);
		loop_timer_set(&init->loop, &init->shutdown_timer,
			clock_now_us() + PROCESS_GRACE_US, on_deadline, init);
		/* fall through */
	case SHUTDOWN_PROCESSES:
		if (init->mode == BOOT_MODE_VM && has_children())
			return;
		init->shutdown = SHUTDOWN_FINAL;
		/* fall through */
	case SHUTDOWN_FINAL:
		finish(init);
		return;
	}
}
