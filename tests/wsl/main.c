/* SPDX-License-Identifier: MIT
 *
 * main.c - wsl-launcher: a stand-in for what WSL does around a distro. See HACKING.md, "The WSL harness".
 */
#include "tests/wsl/base.h"
#include "tests/wsl/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define USAGE                                                                                                       \
	"usage: wsl-launcher run --profile 2.6|2.7|2.9|head --control SOCKET --share DIR [OPTION...]\n"             \
	"                        --distro NAME --root DIR [OPTION...] [--distro NAME --root DIR ...]\n"             \
	"       wsl-launcher session --control SOCKET [--distro NAME] [--elevated] [--user U] [--cd DIR]\n"         \
	"                        [--tty] [-e CMD ARG...]\n"                                                         \
	"       wsl-launcher terminate|kill --control SOCKET [--distro NAME]\n"                                     \
	"       wsl-launcher shutdown [--force] --control SOCKET\n"                                                 \
	"       wsl-launcher status --control SOCKET\n"                                                             \
	"\n"                                                                                                        \
	"run plays the VM and the host's service; events are lines on its standard output. It starts all\n"         \
	"distros; their /sbin/init runs when the first session asks for it.\n"                                      \
	"  --share DIR           where the mount that all distros share (/mnt/wsl) is made\n"                       \
	"  --nameserver ADDRESS  in /mnt/wsl/resolv.conf (default 10.255.255.254)\n"                                \
	"  --host-timeout MS     the host kills a distro that does not end (default 60000)\n"                       \
	"  --detach              detach the SCSI disks at a shutdown; only as PID 1 of a VM\n"                      \
	"of all distros before the first --distro, else of the last one named:\n"                                   \
	"  --lower --upper --work DIR   the root is an overlay of these\n"                                          \
	"  --kmsg FIFO           /dev/kmsg, and: protect the machine (tests/wsl/lab.h); may be left out by PID 1\n" \
	"  --dev NODE            a device node, with --kmsg\n"                                                      \
	"  --cgroup PATH         a group that stands for the hierarchy's root: /PATH\n"                             \
	"  --modules DIR         bound to /lib/modules/RELEASE (default: an empty one)\n"                           \
	"  --elevated            the session that started the distro was elevated\n"                                \
	"  --no-systemd          a WSL without boot.systemd\n"                                                      \
	"  --init-timeout MS     instead of boot.initTimeout\n"                                                     \
	"  --retry-ms MS         between two tries of a command (default 250, as WSL)\n"                            \
	"  --mirrored            networkingMode=mirrored\n"

/* What the links to /init do: nothing that a distro without Windows would miss. */
static int stand_in(const char *name, int argc, char **argv)
{
	if (strcmp(name, "wslinfo") == 0)
		(void)puts("nat");
	if (strcmp(name, "wslpath") == 0)
		(void)puts(argc > 1 ? argv[argc - 1] : "/");
	return 0;
}

static _Noreturn void plan9(void)
{
	(void)prctl(PR_SET_NAME, "plan9");
	for (;;)
		(void)pause();
}

static int run(const char *program, int argc, char **argv)
{
	static struct vm vm = {.nameserver = "10.255.255.254",
		.host_timeout_ms = HOST_TERMINATE_MS,
		.shutdown_client = -1};

	vm.distros[0].launch.program = program;
	vm_parse(&vm, argc, argv);
	return vm_run(&vm);
}

int main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";

	if (strcmp(name, "init") == 0 && getpid() == 1 && argc == 1)
		distro_init();
	if (strcmp(name, "init-watcher") == 0 && argc > 1)
		distro_watcher(argv[1]);
	if (strcmp(name, "plan9") == 0)
		plan9();
	if (strcmp(name, "wsl-launcher") != 0)
		return stand_in(name, argc, argv);
	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		(void)fputs(USAGE, argc < 2 ? stderr : stdout);
		return argc < 2 ? 2 : 0;
	}
	if (strcmp(argv[1], "run") == 0)
		return run(argv[0], argc - 2, argv + 2);
	return client_main(argv[1], argc - 2, argv + 2);
}
