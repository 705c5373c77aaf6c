/* SPDX-License-Identifier: MIT
 *
 * vm_stop.c - `wsl --shutdown`: each distro in turn as `wsl -t` does, then SIGKILL to all that is left, sync,
 * unmount, flush, detach (WSL's main.cpp, from ErrorExit to reboot, DetachScsiDisk). --force leaves the turns
 * out and syncs nothing: the host ends the VM.
 */
#include "tests/wsl/base.h"
#include "tests/wsl/vm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

static void detach_disk(const char *name)
{
	char path[320];
	int fd;

	(void)snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)ioctl(fd, BLKFLSBUF, NULL);
		(void)close(fd);
	}
	(void)snprintf(path, sizeof(path), "/sys/block/%s/device/delete", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "1\n", 2) < 0)
			say(name, "detach-failed");
		(void)close(fd);
	}
}

static void detach_disks(void)
{
	DIR *blocks = opendir("/sys/block");
	const struct dirent *entry;

	while (blocks && (entry = readdir(blocks)))
		if (strncmp(entry->d_name, "sd", 2) == 0)
			detach_disk(entry->d_name);
	if (blocks)
		(void)closedir(blocks);
}

void vm_off(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->count; i++)
		if (vm->distros[i].pid)
			(void)kill(vm->distros[i].pid, SIGKILL);
	if (getpid() == 1)
		(void)kill(-1, SIGKILL); /* WSL kills all children of its init in the VM */
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	say("-", "all-killed");
	sync();
	say("-", "synced");
	for (unsigned int i = 0; i < vm->count; i++)
		(void)umount2(vm->distros[i].launch.root, 0);
	if (vm->detach)
		detach_disks();
	say("-", "vm-off");
	if (vm->shutdown_client >= 0)
		(void)wire_reply(vm->shutdown_client, "ended off");
	if (getpid() == 1)
		(void)reboot(RB_POWER_OFF);
	_exit(0);
}

/* The host ends the VM: nothing in it gets to know. */
static _Noreturn void cut(struct vm *vm)
{
	say("-", "vm-killed");
	for (unsigned int i = 0; i < vm->count; i++)
		if (vm->distros[i].pid)
			(void)kill(vm->distros[i].pid, SIGKILL);
	(void)wire_reply(vm->shutdown_client, "ended killed");
	if (getpid() == 1)
		(void)reboot(RB_POWER_OFF);
	_exit(0);
}

void vm_shutdown_next(struct vm *vm)
{
	if (vm->stage != VM_SHUTS_DOWN)
		return;
	for (; vm->turn < vm->count; vm->turn++) {
		struct vm_distro *distro = &vm->distros[vm->turn];

		if (!distro->pid)
			continue;
		if (!distro->asked)
			vm_terminate(vm, distro);
		return; /* its end comes back here */
	}
	vm->stage = VM_KILLS;
	vm_off(vm);
}

void vm_shutdown(struct vm *vm, int client, bool force)
{
	say("-", "shutdown force=%d", force);
	vm->shutdown_client = client;
	if (force)
		cut(vm);
	vm->stage = VM_SHUTS_DOWN;
	vm_shutdown_next(vm);
}
