/* SPDX-License-Identifier: MIT
 *
 * facts.h - everything that is known about the guest, in one plain struct. health.c judges it,
 * document.c prints it; neither asks anybody anything.
 *
 * The records are PID 1's own (lib/control.h), kept by index. A record whose name is empty is not known.
 */
#pragma once

#include "agent/common/clock_facts.h"
#include "agent/common/component_facts.h"
#include "agent/common/disk_facts.h"
#include "agent/common/docker_facts.h"
#include "agent/common/engine_policy.h"
#include "agent/common/memory_facts.h"
#include "lib/base.h"
#include "lib/control.h"

enum facts_link {
	FACTS_LINK_NEVER, /* PID 1 has not answered yet */
	FACTS_LINK_UP,
	FACTS_LINK_LOST, /* it had; the records are old */
};

enum engine_state {
	ENGINE_STATE_UNKNOWN,     /* a daemon was not asked since its service became active */
	ENGINE_STATE_READY,       /* each daemon answered its last probe */
	ENGINE_STATE_UNREACHABLE, /* one did not; `culprit` and `reason` say who and how */
};

enum engine_daemon_id { ENGINE_DOCKERD, ENGINE_CONTAINERD, ENGINE_DAEMONS };

struct facts_daemon {
	bool known; /* it is a service of this guest */
	enum daemon_state state;
	bool restarting;       /* the policy restarted it, it has not answered since */
	unsigned int restarts; /* by the policy, since the agent started */
	uint64_t restarted_us; /* the last of them, 0: none */
	char restart_reason[CONTROL_REASON_MAX]; /* of the last of them */
	char reason[CONTROL_REASON_MAX];         /* why it is not ready */
};

struct facts_engine {
	enum engine_state state;
	enum engine_daemon_id culprit;
	bool was_ready;       /* at least once since the agent started */
	char api_version[16]; /* as dockerd says it, "" if unknown */
	char version[32];     /* of dockerd, likewise */
	char reason[CONTROL_REASON_MAX];
	struct facts_daemon daemons[ENGINE_DAEMONS];
};

/* The last lines that a service wrote before its last process ended badly (crash_log.h). */
#define FACTS_LOGS_MAX     32 /* services that have any: those that ended last */
#define FACTS_LOG_LINES    10
#define FACTS_LOG_LINE_MAX 512
#define FACTS_LOG_MAX      1024

struct facts_log {
	size_t lines, len;
	char text[FACTS_LOG_MAX]; /* clean UTF-8, a NUL behind each line */
};

struct facts {
	enum facts_link link;
	bool agent_stopping; /* the agent itself got its SIGTERM */
	bool boot_known;
	struct control_boot boot;
	struct control_stage stages[CONTROL_STAGES_MAX];
	struct control_service services[CONTROL_SERVICES_MAX];
	struct facts_log logs[CONTROL_SERVICES_MAX]; /* of services[] */
	struct control_disk disk;
	struct disk_seen disk_seen;
	struct memory_seen memory_seen;
	struct facts_engine engine;
	struct docker_facts docker;
	struct clock_seen clock;
	struct component_since since[COMPONENTS]; /* component_follow keeps it */
};

/* The units of the daemons, and what people call them. The first one's socket is the engine's API. */
const char *engine_daemon_unit(enum engine_daemon_id id);
const char *engine_daemon_name(enum engine_daemon_id id);

/* Takes in one valid record (control_record_valid). Text that is not clean UTF-8 is made so. */
void facts_apply_record(struct facts *facts, const struct control_record *record);
/* NULL if unknown. */
const struct control_service *facts_find_service(const struct facts *facts, const char *name);
const struct control_stage *facts_find_stage(const struct facts *facts, const char *name);
/* True once the stage is over, however it went. */
bool facts_stage_over(const struct facts *facts, const char *name);

const char *engine_state_name(enum engine_state state);

/* Replaces control characters (C0, DEL, C1) and bytes that are not UTF-8 (RFC 3629) by '?', in place. */
void text_sanitize(char *text);
/* Do they say the same, but for words that are numbers (how much is free, say, which is another at each look)? */
bool text_same_words(const char *a, const char *b);
/* Of a count that can grow without end, 1, 2, 4, 8, ... are told; one that is less than what was told last has begun again. */
bool count_is_news(uint64_t count, uint64_t told);
