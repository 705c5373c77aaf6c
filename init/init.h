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

struct service {
	struct init *init;
	struct unit unit;
	bool usable; /* the unit file is good and meant for this mode */
	struct sm sm;
	struct control_service record;
	pid_t pid;
	int exit_status;                     /* wait(2) status of the last exit */
	int spawn_errno;                     /* why SPAWN_FAILED */
	uint64_t starts_us[UNIT_STARTS_MAX]; /* recent starts, for the start limit: a ring */
	unsigned int start_count;
	unsigned int backoff; /* doublings of RestartSec so far */
	int cgroup_fd;
	bool cgroup_killed; /* by cgroup.kill, at least once */
	struct loop_source exec;
	struct loop_timer timer;
};

/* Bits of struct control_client's `dirty`. */
#define CONTROL_DIRTY_BOOT       (UINT64_C(1) << 0)
#define CONTROL_DIRTY_DISK       (UINT64_C(1) << 1)
#define CONTROL_DIRTY_STAGE(i)   (UINT64_C(1) << (2 + (i)))
#define CONTROL_DIRTY_SERVICE(i) (UINT64_C(1) << (2 + STAGE_COUNT + (i)))

struct control_client {
	struct init *init;
	struct loop_source source; /* fd -1: a free place */
	bool subscribed;
	bool end_due; /* a RECORD_END is owed */
	bool result_due;
	int result;
	uint64_t dirty; /* records to send */
};

enum shutdown_phase {
	SHUTDOWN_NONE,
	SHUTDOWN_SERVICES,
	SHUTDOWN_KEEL,
	SHUTDOWN_PROCESSES,
	SHUTDOWN_FINAL
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

	struct loop_source signals;
	struct loop_timer reap_timer; /* children are left to reap */
	struct loop_source notify;
	struct loop_source control;
	struct control_client clients[CONTROL_CLIENTS_MAX];
	int spare_fd; /* given up for a moment to turn a client away when no descriptor is left */

	enum shutdown_phase shutdown;
	int reboot_command; /* RB_POWER_OFF or RB_AUTOBOOT */
	struct loop_timer shutdown_timer;
};

/* Marks records for every subscriber (control_server.c). */
void control_mark(struct init *init, uint64_t dirty);
