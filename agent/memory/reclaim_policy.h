/* SPDX-License-Identifier: MIT
 *
 * reclaim_policy.h - what to take from whom, or why not. Pure: facts and its own state in, one bounded step out.
 *
 * An episode begins with an event (a container's end, an image, a request) and ends when nothing is left that may be
 * taken; between episodes nothing runs. Within one each step is followed by a look at what it did. How it decides is in
 * docs/memory.md; the facts of the kernel that it rests on:
 *  - memory.reclaim on a group takes from all groups below it, also those that are removed and whose cache is still
 *    charged (Documentation/admin-guide/cgroup-v2.rst). What belongs to no living container is the "dead" group here.
 *  - The inactive list is what was used once. Only when it is shorter than active / ratio does the kernel take from the
 *    active list (mm/vmscan.c, inactive_is_low). A dead container's active cache may be a living one's working
 *    set: whoever touched a page first is charged.
 *  - workingset_refault_file counts pages that were taken and wanted again (mm/workingset.c).
 */
#pragma once

#include "agent/common/memory_facts.h"
#include "lib/base.h"

#define RECLAIM_GROUPS_MAX 64 /* living containers beyond the largest are left alone */

enum reclaim_class {
	RECLAIM_DEAD, /* of base/containers, what is charged to no living container. Always the first group */
	RECLAIM_LIVE,   /* a container */
	RECLAIM_ENGINE, /* base/engine */
	RECLAIM_OWN,    /* base/user, base/keel */
	RECLAIM_REST, /* charged to the root group itself; only where our base is the root of a VM of our own */
};

/* One group as it is now. `id` tells it from every other one that ever was (inode of its directory). */
struct reclaim_group {
	enum reclaim_class class;
	uint64_t id;
	uint64_t inactive, active; /* bytes of file pages, without tmpfs */
	uint64_t dirty;            /* of these, not written yet (with what is being written) */
	uint64_t slab;             /* reclaimable */
	uint64_t old;      /* MGLRU: file pages not seen for RECLAIM_OLD_US; 0 if not known */
	uint64_t refaults; /* pages, counts up */
	uint64_t stall_us; /* memory.pressure, some, total: counts up */
	uint64_t cpu_us;   /* cpu.stat, usage: counts up */
};

#define RECLAIM_OLD_US (60 * USEC_PER_SEC)

/* Thresholds, from the configuration. */
struct reclaim_limits {
	uint64_t floor; /* cache that is left to each group at least */
	unsigned int
		pressure_permille; /* of the time since the last look in which somebody waited for memory: pause above */
	unsigned int refault_permille; /* of the pages taken in a step came back: too many above */
};

enum reclaim_event {
	RECLAIM_EVENT_NONE,  /* a timer, or a step is done */
	RECLAIM_EVENT_ENDED, /* a container, an exec, an image build, pull or removal */
	RECLAIM_EVENT_TICK, /* somebody is awake anyway (WSL's modes, idle containers, the target) */
	RECLAIM_EVENT_REQUEST, /* `request` is new */
	RECLAIM_EVENT_STALL,   /* the kernel tells of pressure: give up what is under way */
};

/* What became of the step that was last asked for. */
struct reclaim_result {
	bool fresh;      /* not seen by the policy yet */
	int error;       /* 0; -EAGAIN: less than asked for; -ECANCELED: interrupted; else -errno */
	uint64_t took;   /* bytes that the group lost (compaction: that became reportable) */
	uint64_t cpu_us; /* of the worker */
};

struct reclaim_facts {
	uint64_t now_us;
	enum reclaim_event event;
	enum memory_mode mode;
	struct memory_abilities abilities;
	struct reclaim_limits limits;
	uint64_t total, free,
		cache; /* of the VM, from /proc/meminfo: MemTotal, MemFree, Cached + Buffers - Shmem */
	uint64_t reportable, stranded;
	uint64_t cpu_busy_us,
		cpu_total_us; /* of all processors since boot, /proc/stat; for WSL's modes */
	uint64_t
		stall_us; /* of containers and engine together, counts up; our own worker is in neither */
	uint64_t target;  /* hold total - free under this; 0: none */
	uint64_t request; /* bytes wanted by a request, UINT64_MAX: all; 0: none under way */
	uint64_t request_until_us;
	unsigned int containers; /* running; with cgroup v1 from the engine's run directory */
	unsigned int groups;
	struct reclaim_group group[RECLAIM_GROUPS_MAX];
	struct reclaim_result result;
};

enum reclaim_action {
	RECLAIM_WAIT,      /* until an event, or until again_us if that is not 0 */
	RECLAIM_TAKE,      /* memory.reclaim: `bytes` from group[`group`] */
	RECLAIM_FLUSH,     /* have dirty cache written: it cannot be taken before */
	RECLAIM_COMPACT,   /* /proc/sys/vm/compact_memory */
	RECLAIM_DROP,      /* /proc/sys/vm/drop_caches = 3 */
	RECLAIM_TAKE_ROOT, /* WSL's gradual: memory.reclaim of the hierarchy's root */
};

enum reclaim_reason {
	RECLAIM_REASON_NONE, /* something is done */
	RECLAIM_REASON_OFF,
	RECLAIM_REASON_NOTHING,  /* nothing cold is left */
	RECLAIM_REASON_PRESSURE, /* somebody waits for memory */
	RECLAIM_REASON_REFAULTS, /* what was taken is used: the floor was found */
	RECLAIM_REASON_SETTLING, /* between two steps */
	RECLAIM_REASON_WRITING,  /* dirty cache is being written */
	RECLAIM_REASON_BUSY,     /* WSL's modes: the VM is not idle */
	RECLAIM_REASON_RUNNING, /* the kernel has no memory.reclaim: waits until no container runs */
	RECLAIM_REASON_IMPOSSIBLE, /* this kernel lets us do nothing */
	RECLAIM_REASON_DONE,       /* what was requested, or the target, is reached */
	RECLAIM_REASON_TIME,       /* the request's time is over */
};

struct reclaim_step {
	enum reclaim_action action;
	enum reclaim_reason reason;
	unsigned int group; /* index in facts->group */
	uint64_t bytes;
	uint64_t deadline_us; /* the step is to be interrupted then */
	uint64_t again_us;    /* ask again then; 0: only with an event */
};

/* What is remembered of a group. */
struct reclaim_known {
	uint64_t id; /* 0: unused */
	enum reclaim_class class;
	uint64_t floor;            /* bytes of cache below which nothing is taken */
	uint64_t floor_us;         /* when it was learned, 0: it does not hold (any more) */
	uint64_t term_us;          /* how long it holds; doubles each time that it is found again */
	uint64_t left;             /* of what it had when the episode began: not taken yet */
	uint64_t first_step, step; /* sizes: that steps begin with at this stage; of the next one */
	uint64_t refaults;         /* when last looked at */
	uint64_t came_back;        /* since the look before */
	uint64_t first_us;         /* when it was first seen */
	uint64_t cpu_us, cpu_at_us, idle_since_us;
	uint64_t calm_cpu_us, calm_at_us,
		busy_us;    /* the same over a shorter time; last seen at work */
	uint64_t cache;     /* when last looked at */
	unsigned int stage; /* that `step` is meant for */
	bool exhausted;     /* gave nothing, or is used: until the next event */
};

/* The step that was asked for last. */
struct reclaim_asked {
	enum reclaim_action action; /* WAIT: none, or its result is known */
	uint64_t id;                /* of the group */
	uint64_t bytes;
	uint64_t before; /* cache of the group, or what is stranded */
	uint64_t at_us;
	uint64_t until_us; /* after that no result is waited for any more */
};

struct reclaim_episode {
	bool automatic, request, target; /* what it is for */
	bool living;                     /* were asked: compaction comes after them */
	bool refaulted;
	unsigned int steps;
	uint64_t begun_us;
	uint64_t requested_taken; /* since the request */
	/* What the last step did: pages that came back until watch_until_us, of `watched`
	 * bytes. The group (0: no step is watched), and its cache before the step. */
	uint64_t watched, watch_until_us, came_back, grown, calm_grown;
	uint64_t watched_since_us; /* when the step was asked for */
	bool watched_doubtful;     /* it took what was used more than once */
	uint64_t watched_id, watched_before;
	uint64_t cache_after;              /* of all groups, right after the step */
	uint64_t stall_us, stall_at_us;    /* pressure is looked at from here on */
	uint64_t pause_us, pause_until_us; /* because of it */
	unsigned int pauses;               /* in a row */
};

#define RECLAIM_WSL_SAMPLES 12 /* 2 min in steps of 10 s */

struct reclaim_wsl {
	uint64_t next_us; /* sample */
	bool begun;
	uint64_t busy_us, total_us; /* when last looked at */
	unsigned int samples;
	uint64_t busy[RECLAIM_WSL_SAMPLES], total[RECLAIM_WSL_SAMPLES]; /* of each 10 s */
	bool dropped, compacted;                                        /* in this idle period */
	enum reclaim_reason reason;
};

/* The policy's memory: zeroed at first, not looked into by others except for `working`. */
struct reclaim_state {
	bool working; /* an episode is under way; a request is answered when it is not */
	enum memory_mode mode;
	bool looked; /* at least once */
	struct reclaim_known known[RECLAIM_GROUPS_MAX];
	uint64_t looked_us;
	/* Pages: counters when last looked at; taken and wanted again since the look before. */
	uint64_t refaults, containers_refaults;
	uint64_t came_back, containers_back;
	uint64_t grown,
		calm_grown; /* bytes: the cache of containers, of calm ones, since the look before */
	uint64_t growth;    /* bytes a second, of containers, when no step is watched */
	uint64_t usual, usual_us; /* of containers a second, without us, and when that was found */
	struct reclaim_asked asked;
	struct reclaim_episode episode;
	enum reclaim_reason resting; /* why nothing is done between episodes */
	uint64_t ended_us;           /* the last episode */
	uint64_t calm_us;            /* somebody who was at work then may be calm; 0: nobody */
	uint64_t ended_cache;        /* cache of the VM then */
	uint64_t flushed_us, compacted_us; /* 0: never */
	uint64_t left_stranded;            /* by the last compaction */
	uint64_t freed;                    /* taken since it */
	uint64_t missed_target, missed_us; /* the target that could not be reached */
	bool wanted;                       /* reduced: drop_caches as soon as no container runs */
	bool refused;                      /* reduced: not even that */
	struct reclaim_wsl wsl;
};

/* Decides. Each call either ends in WAIT or asks for one step, whose result is to come with the next call. */
void reclaim_policy(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step);

/* Its cache: file pages and slab. */
static inline uint64_t reclaim_cache(const struct reclaim_group *group)
{
	return group->inactive + group->active + group->slab;
}

/* The learned floor of a group, or the configured one. */
uint64_t reclaim_floor(const struct reclaim_state *state, const struct reclaim_limits *limits,
	uint64_t id);
/* What of the group's cache may be taken at once: the estimate in documents. */
uint64_t reclaim_cold(const struct reclaim_group *group, const struct reclaim_limits *limits,
	uint64_t floor);
/* A clause for people: "somebody waits for memory"; "" for NONE. */
const char *reclaim_reason_text(enum reclaim_reason reason);
