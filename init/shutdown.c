/* SPDX-License-Identifier: MIT
 *
 * shutdown.c - the phases of the way down, driven by the loop.
 *
 * A phase begins with an action, is over when nothing is left to wait for, and expires when its limit passes or
 * somebody asks a second time: then what it waits for is killed or left alone. PID 1 waits for events only; what
 * can block (swapoff, umount, sync) does so in a child.
 */
#include "init/shutdown.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>

#include "init/control_server.h"
#include "init/leftovers.h"
#include "init/service.h"
#include "init/shutdown_plan.h"
#include "init/text.h"
#include "init/unmount.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/vmm_find.h"
#include "lib/vmm_socket.h"

/* By number: the C libraries disagree about SIGRTMIN, systemd's meaning is SIGRTMIN+4 and +5 with the
 * kernel's own 34 (systemd(1), SIGNALS). */
#define SIGNAL_POWEROFF 38
#define SIGNAL_REBOOT   39

/* Requests that come closer together than this are one: `systemctl poweroff` after the host's own request. */
#define SAME_REQUEST_US (2 * USEC_PER_SEC)
/* How often a child that unmounts is looked at, at the least; a step that hangs is noticed within a quarter more than
 * its time. */
#define LOOK_US (1 * USEC_PER_SEC)
/* For a monitor that listens and does not take it. */
#define MONITOR_MS 500

static struct shutdown_plan plan;
static struct unmount_plan mounts;
static uint64_t unmount_end_us, stuck_us, moved_us, requests_seen;
static uint32_t steps_seen; /* of mounts.progress */

static void enter(struct init *init, enum shutdown_phase phase);

static void limit(struct init *init, uint64_t end_us);

static uint64_t phase_end(enum shutdown_phase phase)
{
	return shutdown_plan_end(&plan, phase, clock_now_us());
}

/* ---- services ------------------------------------------------------------------------------- */

/* Whoever waits shall not start any more. */
static void begin_services(struct init *init)
{
	for (unsigned int i = 0; i < init->service_count; i++)
		if (init->services[i].sm.state == SERVICE_STATE_WAITING ||
			init->services[i].sm.state == SERVICE_STATE_BACKOFF)
			service_event(&init->services[i], SM_EVENT_UNWANT, (struct sm_facts){0});
	limit(init, phase_end(SHUTDOWN_SERVICES));
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

/* Stops what nobody needs any more. True if none is up. */
static bool stop_services(struct init *init, bool keel)
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
	return up == 0;
}

static void kill_services(struct init *init, bool keel)
{
	for (unsigned int i = 0; i < init->service_count; i++)
		if (service_is_keel(&init->services[i]) == keel)
			service_kill(&init->services[i]);
}

static bool services_over(struct init *init)
{
	return stop_services(init, false);
}

static bool services_expire(struct init *init, bool hurried)
{
	(void)hurried;
	kill_services(init, false);
	return true;
}

static void begin_keel(struct init *init)
{
	limit(init, phase_end(SHUTDOWN_KEEL));
}

static bool keel_over(struct init *init)
{
	return stop_services(init, true);
}

static bool keel_expire(struct init *init, bool hurried)
{
	(void)hurried;
	kill_services(init, true);
	return true;
}

/* ---- processes ------------------------------------------------------------------------------ */

static void begin_groups(struct init *init)
{
	plan.patient = init->crash[0] || leftovers_have_containers(init);
	leftovers_signal_groups(init, SIGTERM);
	limit(init, phase_end(SHUTDOWN_GROUPS));
}

static bool groups_over(struct init *init)
{
	return !leftovers_in_groups(init);
}

static bool go_on(struct init *init, bool hurried)
{
	(void)init;
	(void)hurried;
	return true;
}

static void begin_processes(struct init *init)
{
	leftovers_signal_groups(init, SIGKILL);
	leftovers_signal_all(init, SIGTERM);
	limit(init, phase_end(SHUTDOWN_PROCESSES));
}

static bool processes_over(struct init *init)
{
	return !leftovers_any(init);
}

static void begin_killed(struct init *init)
{
	if (!leftovers_any(init))
		return;
	leftovers_signal_all(init, SIGKILL);
	limit(init, phase_end(SHUTDOWN_KILLED));
}

/* ---- mounts --------------------------------------------------------------------------------- */

/* Requests that the disk of the present step has completed: tells a slow disk from one that hangs. */
static uint64_t requests_done(void)
{
	unsigned long long reads = 0, writes = 0;
	char path[64], text[512];

	if (!mounts.progress || !mounts.progress->device[0])
		return 0;
	/* Documentation/block/stat.rst */
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%s/stat", mounts.progress->device);
	if (file_read(path, text, sizeof(text)) <= 0 ||
		sscanf(text, "%llu %*u %*u %*u %llu", &reads, &writes) != 2)
		return 0;
	return reads + writes;
}

static void look_again(struct init *init, uint64_t now)
{
	uint64_t next = now + (stuck_us / 4 < LOOK_US ? stuck_us / 4 : LOOK_US);

	limit(init, next < unmount_end_us ? next : unmount_end_us);
}

/* The very last word, to whoever runs the VM, when nothing is left to be lost: in the child, for it reads what the host
 * wrote, and waits. */
static void tell_monitor(const struct init *init, bool good)
{
	struct vmm_address address;
	char value[VMM_VALUE_MAX], text[64];
	int rc = vmm_find(&address, value);

	if (rc < 0)
		return;
	(void)snprintf(text, sizeof(text), "EXIT_STATUS=%d\nX_SYSTEMD_SHUTDOWN=%s", good ? 0 : 1,
		init->reboot_command == RB_AUTOBOOT ? "reboot" : "poweroff");
	rc = vmm_socket_say(&address, text, MONITOR_MS);
	if (rc < 0)
		log_warning("vmm.notify_socket: %s", strerror(-rc));
}

static _Noreturn void unmount_and_tell(const struct init *init)
{
	unsigned int left = unmount_all(&mounts);

	if (init->mode == BOOT_MODE_VM)
		tell_monitor(init, left == 0 && mounts.stuck_count == 0 && !init->crash[0]);
	_exit(left > 0 ? 1 : 0);
}

static void start_unmounting(struct init *init)
{
	pid_t pid = fork();

	if (pid == 0)
		unmount_and_tell(init);
	/* No process to be had: then it is done here, come what may. */
	if (pid < 0) {
		log_warning("cannot start a process to unmount: %m");
		(void)unmount_all(&mounts);
		pid = 0;
	}
	init->shutdown_child = pid;
	moved_us = clock_now_us();
	stuck_us = shutdown_plan_stuck(unmount_end_us > moved_us ? unmount_end_us - moved_us : 0);
	look_again(init, moved_us);
}

static void begin_unmount(struct init *init)
{
	log_info("unmounting");
	mounts.mode = init->mode;
	mounts.data = init->config.disk.mountpoint;
	unmount_end_us = phase_end(SHUTDOWN_UNMOUNT);
	start_unmounting(init);
}

static bool unmount_over(struct init *init)
{
	return init->shutdown_child == 0;
}

/* Another child does the rest, without the step that this one hangs in. */
static bool leave_out_step(struct init *init)
{
	if (!mounts.progress || mounts.stuck_count == UNMOUNT_STUCK_MAX)
		return true;
	log_error("%s hangs: going on without it", mounts.progress->what);
	mounts.stuck[mounts.stuck_count++] = mounts.progress->key;
	start_unmounting(init);
	return false;
}

static bool unmount_expire(struct init *init, bool hurried)
{
	uint32_t steps = mounts.progress ? mounts.progress->steps : 0;
	uint64_t requests = requests_done(), now = clock_now_us();

	if (now >= unmount_end_us) {
		log_error("unmounting takes too long: going on without waiting");
		return true;
	}
	if (steps != steps_seen || requests != requests_seen)
		moved_us = now;
	steps_seen = steps;
	requests_seen = requests;
	if (hurried || now - moved_us >= stuck_us)
		return leave_out_step(init);
	look_again(init, now);
	return false;
}

bool shutdown_reap(struct init *init, pid_t pid, int status)
{
	if (pid != init->shutdown_child || pid == 0)
		return false;
	init->shutdown_child = 0;
	if (WIFSIGNALED(status)) {
		log_error("who unmounts was killed by signal %d", WTERMSIG(status));
		if (clock_now_us() < unmount_end_us)
			(void)leave_out_step(init);
	}
	init->changed = true;
	return true;
}

/* ---- the end -------------------------------------------------------------------------------- */

static void begin_end(struct init *init)
{
	log_info("%s", init->reboot_command == RB_AUTOBOOT ? "rebooting" : "powering off");
	/* Whoever asked for this gets the answer, though nothing was left to wait for. */
	control_flush(init);
	(void)reboot(init->reboot_command);
	/* Not allowed (a namespace without the capability): without us the namespace ends too. */
	_exit(0);
}

static bool never(struct init *init)
{
	(void)init;
	return false;
}

static bool stay(struct init *init, bool hurried)
{
	(void)init;
	(void)hurried;
	return false;
}

/* ---- the phases ----------------------------------------------------------------------------- */

static const struct {
	void (*begin)(struct init *init);
	bool (*over)(struct init *init);
	/* True: on to the next phase. False: this one goes on, with a new limit. */
	bool (*expire)(struct init *init, bool hurried);
} phases[] = {
	[SHUTDOWN_NONE] = {NULL, never, stay},
	[SHUTDOWN_SERVICES] = {begin_services, services_over, services_expire},
	[SHUTDOWN_KEEL] = {begin_keel, keel_over, keel_expire},
	[SHUTDOWN_GROUPS] = {begin_groups, groups_over, go_on},
	[SHUTDOWN_PROCESSES] = {begin_processes, processes_over, go_on},
	[SHUTDOWN_KILLED] = {begin_killed, processes_over, go_on},
	[SHUTDOWN_UNMOUNT] = {begin_unmount, unmount_over, unmount_expire},
	[SHUTDOWN_END] = {begin_end, never, stay},
};

static_assert(ARRAY_SIZE(phases) == SHUTDOWN_END + 1, "a row for each phase");

static void enter(struct init *init, enum shutdown_phase phase)
{
	init->shutdown = phase;
	init->changed = true;
	if (phases[phase].begin)
		phases[phase].begin(init);
}

static void expire(struct init *init, bool hurried)
{
	if (phases[init->shutdown].expire(init, hurried))
		enter(init, init->shutdown + 1);
}

static void on_limit(struct loop_timer *timer)
{
	struct init *init = timer->ctx;

	if (init->shutdown == SHUTDOWN_SERVICES)
		log_warning("shutdown takes longer than %u s: going on without waiting",
			(unsigned int)((clock_now_us() - plan.start_us) / USEC_PER_SEC));
	expire(init, false);
}

static void limit(struct init *init, uint64_t end_us)
{
	loop_timer_set(&init->loop, &init->shutdown_timer, end_us, on_limit, init);
}

static void hurry(struct init *init, const char *why, bool by_signal)
{
	uint64_t now = clock_now_us();

	if (plan.grace_s > 0 && !by_signal)
		return;
	if (now - init->shutdown_asked_us < SAME_REQUEST_US || init->shutdown == SHUTDOWN_END)
		return;
	init->shutdown_asked_us = now;
	log_warning("asked again (%s): going on without waiting", why);
	expire(init, true);
}

static void start(struct init *init, int command, enum shutdown_phase phase)
{
	init->shutdown_asked_us = clock_now_us();
	plan = shutdown_plan_make(init->mode, &init->config, init->shutdown_asked_us);
	init->reboot_command = command;
	init->boot.state = BOOT_STATE_STOPPING;
	control_mark(init, CONTROL_DIRTY_BOOT);
	enter(init, phase);
}

void shutdown_prepare(void)
{
	mounts.progress = unmount_share();
}

int shutdown_signal_command(int number)
{
	switch (number) {
	case SIGTERM:
	case SIGPWR:
	case SIGUSR2: /* BusyBox's poweroff */
	case SIGNAL_POWEROFF:
		return RB_POWER_OFF;
	case SIGINT: /* Ctrl-Alt-Del */
	case SIGNAL_REBOOT:
		return RB_AUTOBOOT;
	default: /* a number, not an enum of ours */
		return 0;
	}
}

void shutdown_start(struct init *init, int command, const char *why, bool by_signal)
{
	if (init->shutdown != SHUTDOWN_NONE) {
		hurry(init, why, by_signal);
		return;
	}
	log_info("%s: %s", command == RB_AUTOBOOT ? "reboot" : "power off", why);
	text_copy(init->boot.reason, sizeof(init->boot.reason), "shutting down");
	start(init, command, SHUTDOWN_SERVICES);
}

void shutdown_start_crashed(struct init *init, int command)
{
	text_copy(init->boot.reason, sizeof(init->boot.reason), init->crash);
	start(init, command, SHUTDOWN_GROUPS);
}

void shutdown_advance(struct init *init)
{
	/* Ends: the last phase is never over. */
	while (phases[init->shutdown].over(init))
		enter(init, init->shutdown + 1);
}
