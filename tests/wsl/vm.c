/* SPDX-License-Identifier: MIT
 *
 * vm.c - see vm.h: one process, one loop; its children are the distros' PID 1. Each request of a client is a
 * connection of its own.
 */
#include "tests/wsl/vm.h"

#include "tests/wsl/base.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- distros --------------------------------------------------------------------------------------------- */

static void launch(struct vm_distro *distro)
{
	const long flags = CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | SIGCHLD;
	int pair[2];
	sigset_t none;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	distro->asked = distro->killed = false;
	distro->give_up = 0;
	distro->pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
	if (distro->pid < 0)
		die("cannot make namespaces");
	if (distro->pid == 0) {
		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		distro_launch(&distro->launch, pair[1]);
	}
	(void)close(pair[1]);
	distro->channel = pair[0];
	say(distro->launch.start.name, "launched pid=%d", (int)distro->pid);
}

bool vm_wait_for(struct vm_distro *distro, int client)
{
	if (!distro->pid || distro->waiter_count == VM_WAITERS_MAX)
		return false;
	distro->waiters[distro->waiter_count++] = client;
	return true;
}

void vm_terminate(const struct vm *vm, struct vm_distro *distro)
{
	struct wire request = {.length = 0};

	wire_add(&request, "terminate");
	say(distro->launch.start.name, "terminate");
	distro->asked = true;
	distro->give_up = now_us() + vm->host_timeout_ms * 1000;
	(void)wire_send(distro->channel, &request);
}

static void tell_end(struct vm_distro *distro, int status)
{
	char how[64];

	/* pid_namespaces(7): a namespace that reboots ends by a signal, SIGINT is a power-off. */
	if (!WIFSIGNALED(status))
		(void)snprintf(how, sizeof(how), "exit:%d", WEXITSTATUS(status));
	else if (distro->killed)
		(void)snprintf(how, sizeof(how), "killed-by-host");
	else if (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGHUP)
		(void)snprintf(how, sizeof(how),
			WTERMSIG(status) == SIGINT ? "poweroff" : "reboot");
	else
		(void)snprintf(how, sizeof(how), "signal:%d", WTERMSIG(status));
	say(distro->launch.start.name, "ended how=%s", how);
	for (unsigned int i = 0; i < distro->waiter_count; i++) {
		(void)wire_reply(distro->waiters[i], "ended %s", how);
		(void)close(distro->waiters[i]);
	}
	distro->waiter_count = 0;
}

static void reap(struct vm *vm)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	(void)read(vm->signals, &info, sizeof(info));
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned int i = 0; i < vm->count; i++) {
			struct vm_distro *distro = &vm->distros[i];

			if (distro->pid != pid)
				continue;
			distro->pid = 0;
			(void)close(distro->channel);
			if (!vm->lab)
				sync(); /* of the VM's disks; a machine's are no business of ours */
			groups_remove(&distro->launch.start, pid);
			tell_end(distro, status);
		}
	}
	vm_shutdown_next(vm);
}

/* ---- clients ----------------------------------------------------------------------------------------------- */

static struct vm_distro *find(struct vm *vm, const char *name)
{
	for (unsigned int i = 0; i < vm->count; i++)
		if (!name[0] || strcmp(name, vm->distros[i].launch.start.name) == 0)
			return &vm->distros[i];
	return NULL;
}

/* A session of a distro that does not run starts it: PID 1's mount namespace is of the session's kind then. */
static void pass_session(struct vm *vm, struct vm_distro *distro, struct wire *request, int client)
{
	if (request->fd_count != WIRE_FDS - 1 || vm->stage != VM_RUNS) {
		(void)wire_reply(client, "error no session");
		return;
	}
	if (!distro->pid) {
		distro->launch.start.elevated = strcmp(wire_get(request, "elevated"), "1") == 0;
		launch(distro);
	}
	memmove(request->fds + 1, request->fds, sizeof(int) * (WIRE_FDS - 1));
	request->fds[0] = client;
	request->fd_count = WIRE_FDS;
	if (wire_send(distro->channel, request) < 0)
		(void)wire_reply(client, "error the distro is ending");
	request->fds[0] = -1;
}

static void answer_status(struct vm *vm, int client)
{
	char text[512] = "";

	for (unsigned int i = 0; i < vm->count; i++) {
		size_t length = strlen(text);

		(void)snprintf(text + length, sizeof(text) - length, "%s %s %d\n",
			vm->distros[i].launch.start.name,
			vm->distros[i].pid ? "running" : "stopped", (int)vm->distros[i].pid);
	}
	(void)wire_reply(client, "%s", text);
}

static void kill_distro(struct vm_distro *distro)
{
	distro->killed = true;
	if (distro->pid)
		(void)kill(distro->pid, SIGKILL);
}

/* True: the connection is kept by somebody. */
static bool answer(struct vm *vm, struct wire *request, int client)
{
	const char *verb = request->text;
	struct vm_distro *distro = find(vm, wire_get(request, "distro"));

	if (strcmp(verb, "status") == 0) {
		answer_status(vm, client);
		return false;
	}
	if (strcmp(verb, "shutdown") == 0) {
		vm_shutdown(vm, client, strcmp(wire_get(request, "force"), "1") == 0);
		return true;
	}
	if (!distro) {
		(void)wire_reply(client, "error no such distro");
		return false;
	}
	if (strcmp(verb, "session") == 0) {
		pass_session(vm, distro, request, client);
		return false;
	}
	if (strcmp(verb, "kill") == 0)
		kill_distro(distro);
	else if (strcmp(verb, "terminate") == 0 && distro->pid && !distro->asked)
		vm_terminate(vm, distro);
	if (vm_wait_for(distro, client))
		return true;
	(void)wire_reply(client, "ok");
	return false;
}

static void hear(struct vm *vm)
{
	static struct wire request;
	int client = accept4(vm->listener, NULL, NULL, SOCK_CLOEXEC);

	if (client < 0)
		return;
	if (wire_receive(client, &request) <= 0 || !answer(vm, &request, client))
		(void)close(client);
	wire_close_fds(&request);
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

/* Kills what the host has waited for long enough; returns for how long to wait, ms. */
static int give_up(struct vm *vm)
{
	long long now = now_us(), next = -1;

	for (unsigned int i = 0; i < vm->count; i++) {
		struct vm_distro *distro = &vm->distros[i];

		if (!distro->pid || !distro->asked || distro->killed)
			continue;
		if (distro->give_up <= now) {
			say(distro->launch.start.name, "host-gave-up");
			kill_distro(distro);
		} else if (next < 0 || distro->give_up - now < next) {
			next = distro->give_up - now;
		}
	}
	return next < 0 ? -1 : (int)(next / 1000 + 1);
}

static void raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	request.ifr_flags = IFF_UP;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		die("cannot raise lo");
	(void)close(fd);
}

static void prepare(struct vm *vm)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[512], text[128];
	sigset_t mask;

	if (vm->lab && unshare(CLONE_NEWNS | CLONE_NEWNET) < 0)
		die("cannot make namespaces");
	if (vm->lab) {
		lab_make_private();
		lab_give_up_clock();
	}
	raise_loopback();
	groups_prepare(&vm->distros[0].launch.start);
	do_mount("wsl", vm->share, "tmpfs", 0, "mode=0755");
	do_mount(NULL, vm->share, NULL, MS_SHARED, NULL);
	(void)snprintf(path, sizeof(path), "%s/resolv.conf", vm->share);
	(void)snprintf(text, sizeof(text), "nameserver %s\n", vm->nameserver);
	create_file(path, text);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", vm->control);
	(void)unlink(vm->control);
	vm->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (vm->listener < 0 ||
		bind(vm->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(vm->listener, 64) < 0)
		die("cannot listen on %s", vm->control);
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	vm->signals = signalfd(-1, &mask, SFD_CLOEXEC);
}

int vm_run(struct vm *vm)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(1, EVENTS_FD) < 0)
		die("dup2");
	prepare(vm);
	for (unsigned int i = 0; i < vm->count; i++)
		launch(&vm->distros[i]);
	for (;;) {
		struct pollfd fds[] = {{vm->signals, POLLIN, 0}, {vm->listener, POLLIN, 0}};

		if (poll(fds, ARRAY_SIZE(fds), give_up(vm)) < 0 && errno != EINTR)
			die("poll");
		if (fds[0].revents & POLLIN)
			reap(vm);
		if (fds[1].revents & POLLIN)
			hear(vm);
	}
}
