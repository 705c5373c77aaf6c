/* SPDX-License-Identifier: MIT
 *
 * distro.h - a distro's start: what the VM's side tells WSL's init in the distro, and the parts of that init.
 */
#ifndef TESTS_WSL_DISTRO_H
#define TESTS_WSL_DISTRO_H

#include "tests/wsl/conf.h"
#include "tests/wsl/lab.h"
#include "tests/wsl/profile.h"
#include "tests/wsl/wire.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

/* Where WSL's init finds its connection to the host (lxinitshared.h: LX_INIT_UTILITY_VM_INIT_SOCKET_FD). */
#define CHANNEL_FD   100
#define START_FD     102 /* struct start */
#define SHARED_MOUNT "/mnt/wsl"

/* What the VM's side tells the distro's. Paths are the distro's. */
struct start {
	char name[64], profile[16];
	bool lab; /* /dev and /sys are there already, protected */
	bool elevated; /* whose mount namespace PID 1's is: the kind of the session that started the distro */
	bool no_systemd;  /* a WSL that does not know boot.systemd */
	bool mirrored;    /* networkingMode */
	int init_timeout; /* ms; 0: the distro's own */
	int retry_ms;     /* between two tries of a command: 250 */
	char cgroup[256]; /* below the hierarchy's root; "" is the root */
	char shared_temp[32], drivers_temp[32], lib_temp[32], modules_temp[32];
	char hostname[64];
};

/* WSL's init in the distro, PID 2 or, without systemd, PID 1. */
struct distro {
	struct start start;
	const struct profile *profile;
	struct conf conf;
	int kmsg;  /* its log */
	int begin; /* written to: PID 1 becomes /sbin/init; -1: it has, or there is no such thing */
	int namespaces[2]; /* mount namespaces of sessions, [elevated]; -1: not yet */
	int interop;       /* listens; the children of sessions ask for a login here */
	pid_t pid;         /* own */
	unsigned int sessions;
	pthread_mutex_t login_lock;
};

/* What the VM's child does: from new namespaces to "exec /init". Does not return. */
struct launch {
	const char *program; /* this one, by a path: /proc/self/exe is of another mount namespace */
	const char *root;
	struct lab lab;      /* kmsg NULL: no protection, root is all there is */
	const char *share;   /* the VM's shared mount */
	const char *modules; /* a directory with modules of this kernel, or NULL: an empty one */
	struct start start;
};

/* groups.c: control groups as the profile has them. Nothing is done without a hierarchy. */
void groups_prepare(const struct start *start); /* once in a VM */
/* By the distro's PID 1 to be; start->cgroup becomes the distro's. */
void groups_make(struct start *start, bool systemd);
void groups_join(const struct distro *distro, bool session); /* by a process of the distro */
void groups_remove(const struct start *start, pid_t pid);

/* distro_launch.c */
_Noreturn void distro_launch(struct launch *launch, int channel);

/* /init itself: mounts, configuration, PID 1 and 2. Does not return. */
_Noreturn void distro_init(void);
_Noreturn void
distro_watcher(const char *name); /* argv[0] "init-watcher", argv[1] the distro's name */

/* distro_mounts.c */
void distro_mount_devices(const struct distro *distro); /* /dev, /sys */
void distro_mount_common(const struct distro *distro);
void distro_initialize(struct distro *distro); /* the host's "initialize" message */
void distro_link_resolv_conf(const struct distro *distro);
int distro_other_namespace(struct distro *distro, bool elevated);

/* distro_commands.c: what WSL runs in the distro, with popen */
int distro_command(const char *command, char *output,
	unsigned long size); /* exit status, 128+N, or -1 */
void distro_wait_for_boot(struct distro *distro);
bool distro_login(struct distro *distro, const char *user, unsigned int uid);
_Noreturn void distro_terminate(struct distro *distro);

/* session.c */
void session_start(struct distro *distro, struct wire *request);

/* process.c: in the relay's child, standard descriptors in place. */
_Noreturn void process_exec(struct distro *distro, struct wire *request, int tty,
	unsigned int number);

void distro_log(const struct distro *distro, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
