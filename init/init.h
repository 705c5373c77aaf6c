/* SPDX-License-Identifier: MIT
 *
 * init.h - everything PID 1 knows: one struct, allocated statically in main.c, passed by pointer.
 *
 * All of it has a fixed size, so that nothing is allocated once the loop runs.
 */
#pragma once

#include "init/cgroup.h"
#include "init/service_sm.h"
#include "lib/config.h"
#include "lib/control.h"
#include "lib/loop.h"

struct init;

/* What a failed stage means for the rest of the boot. */
enum stage_policy {
	STAGE_POLICY_FATAL,   /* no services: only a shell on the console, with the reason */
	STAGE_POLICY_RESCUE,  /* what requires the stage's target waits; all else comes up */
	STAGE_POLICY_DEGRADE, /* go on without */
};

enum stage_id {
	STAGE_CONSOLE,
	STAGE_MOUNTS,
	STAGE_CGROUP,
	STAGE_MEMORY,
	STAGE_MODULES,
	STAGE_DISK,
	STAGE_NET,
	STAGE_SERVICES,
	STAGE_COUNT,
};

struct stage {
	struct init *init;
	struct control_stage record;
	pid_t pid;                 /* of its helper, 0: none */
	struct loop_source report; /* helper's frames */
	struct loop_source exec;   /* result of its exec */
};

/* A process of a service: its main process, or the command (ExecStartPre= and its like) of the moment. */
struct service_process {
	pid_t pid; /* 0: none */
	int pidfd; /* -1: the kernel gave none; then the number is safe, because only we reap */
};

struct service {
	struct init *init;
	struct unit unit;
	bool usable;   /* the unit file is good and meant for this mode */
	bool built_in; /* it has no file */
	bool reread; /* daemon-reload came while something was under way: take the new file after it */
	struct sm sm;
	struct control_service record;
	struct service_process main, command;
	int exit_status;                     /* wait(2) status of the last exit of a main process */
	int command_status;                  /* likewise of a command */
	int spawn_errno;                     /* why SPAWN_FAILED */
	int command_errno;                   /* why the command could not be run, or 0 */
	uint64_t starts_us[UNIT_STARTS_MAX]; /* recent starts, for the start limit: a ring */
	unsigned int start_count;
	unsigned int backoff; /* doublings of RestartSec so far */
	uint64_t watchdog_us; /* WatchdogSec=, or what the service asked for since */
	int cgroup_fd;
	bool cgroup_killed;         /* by cgroup.kill, at least once */
	bool exec_of_command;       /* whose exec's result `exec` brings */
	struct loop_source exec;    /* result of the last exec */
	struct loop_source group;   /* cgroup.events, while the last of its group is waited for */
	struct loop_source foreign; /* pidfd of a main process that is not our child (MAINPID=) */
	struct loop_timer timer;
	struct loop_timer watchdog;
	struct loop_timer group_timer; /* the group could not be watched: when to look again */
};

/* A .socket unit: listened on by PID 1 while its service is up, so that clients of a service that restarts wait
 * instead of failing. */
struct socket_unit {
	char name[CONTROL_NAME_MAX];
	char service[CONTROL_NAME_MAX];
	char path[108];
	unsigned int mode;
	gid_t group;
	int fd; /* -1: closed */
};

#define SOCKET_UNITS_MAX 4

/* The records by number: bits of struct control_client's `dirty`. */
#define CONTROL_DIRTY_BOOT       0
#define CONTROL_DIRTY_DISK       1
#define CONTROL_DIRTY_STAGE(i)   (2 + (i))
#define CONTROL_DIRTY_SERVICE(i) (2 + STAGE_COUNT + (i))
#define CONTROL_DIRTY_MAX        (2 + STAGE_COUNT + CONTROL_SERVICES_MAX)
#define CONTROL_DIRTY_WORDS      ((CONTROL_DIRTY_MAX + 63) / 64)

struct control_client {
	struct init *init;
	struct loop_source source; /* fd -1: a free place */
	bool subscribed;
	bool end_due; /* a RECORD_END is owed */
	bool result_due;
	int result;
	uint64_t dirty[CONTROL_DIRTY_WORDS]; /* records to send */
};

/* In this order; shutdown.c has a row for each. */
enum shutdown_phase {
	SHUTDOWN_NONE,
	SHUTDOWN_SERVICES,  /* in reverse order of their dependencies */
	SHUTDOWN_KEEL,      /* keel's own services */
	SHUTDOWN_GROUPS,    /* SIGTERM: what is left of containers and services */
	SHUTDOWN_PROCESSES, /* SIGKILL for those, SIGTERM to the rest */
	SHUTDOWN_KILLED,    /* SIGKILL to the rest */
	SHUTDOWN_UNMOUNT,   /* by a child */
	SHUTDOWN_END,
};

struct init {
	struct loop loop;
	struct config config;
	enum boot_mode mode;
	bool fatal;   /* a FATAL stage failed: rescue shell only */
	bool changed; /* something happened since dependencies were last looked at */
	struct control_boot boot;
	struct control_disk disk;
	struct cgroup cgroup;
	struct stage stages[STAGE_COUNT];
	struct service services[CONTROL_SERVICES_MAX];
	unsigned int service_count;
	struct socket_unit sockets[SOCKET_UNITS_MAX];
	unsigned int socket_count;

	struct loop_source signals;
	struct loop_timer reap_timer; /* children are left to reap */
	struct loop_source notify;
	struct loop_source control;
	struct control_client clients[CONTROL_CLIENTS_MAX];
	int spare_fd; /* given up for a moment to turn a client away when no descriptor is left */

	enum shutdown_phase shutdown;
	int reboot_command; /* RB_POWER_OFF or RB_AUTOBOOT */
	struct loop_timer shutdown_timer;
	uint64_t shutdown_asked_us;      /* the last request that counted */
	pid_t shutdown_child;            /* who unmounts, 0: nobody */
	char crash[CONTROL_REASON_MAX];  /* "" or how the image before this one crashed */
	char rescue[CONTROL_REASON_MAX]; /* "" or why there are no services but a shell */
};

/* Marks a record (CONTROL_DIRTY_*) for every subscriber (control_server.c). */
void control_mark(struct init *init, unsigned int record);
