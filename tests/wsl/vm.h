/* SPDX-License-Identifier: MIT
 *
 * vm.h - the VM's side (WSL's mini_init) and what the host's service does with it: starts distros, hands
 * sessions to them, ends them one by one or all at once.
 */
#ifndef TESTS_WSL_VM_H
#define TESTS_WSL_VM_H

#include "tests/wsl/distro.h"

#define VM_DISTROS_MAX 4
#define VM_WAITERS_MAX 16

/* Host side (windows/service): LxssUserSession gives a distro this long to end. */
#define HOST_TERMINATE_MS 60000

struct vm_distro {
	struct launch launch;
	pid_t pid; /* 0: not running */
	int channel;
	bool asked, killed;          /* to terminate; by the host */
	long long give_up;           /* us: the host kills it then; 0: never */
	int waiters[VM_WAITERS_MAX]; /* connections that want to know its end */
	unsigned int waiter_count;
};

enum vm_stage { VM_RUNS, VM_SHUTS_DOWN, VM_KILLS };

struct vm {
	struct vm_distro distros[VM_DISTROS_MAX];
	unsigned int count;
	const char *control, *share, *nameserver;
	bool lab;    /* in namespaces on somebody's machine, not in a VM */
	bool detach; /* SCSI disks at the end, as WSL does */
	int signals, listener;
	long long host_timeout_ms;
	enum vm_stage stage;
	unsigned int turn; /* the distro whose turn it is in a shutdown */
	int shutdown_client;
};

/* vm.c */
int vm_run(struct vm *vm);
void vm_terminate(const struct vm *vm, struct vm_distro *distro);
bool vm_wait_for(struct vm_distro *distro, int client); /* false: nothing to wait for */

/* vm_stop.c */
void vm_shutdown(struct vm *vm, int client, bool force);
void vm_shutdown_next(struct vm *vm); /* a distro has ended */
_Noreturn void vm_off(struct vm *vm);

/* vm_options.c */
void vm_parse(struct vm *vm, int argc, char **argv);

/* client.c */
int client_main(const char *verb, int argc, char **argv);

#endif
