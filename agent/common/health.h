/* SPDX-License-Identifier: MIT
 *
 * health.h - facts in, verdict out. Pure: no clock, no I/O, no memory of earlier verdicts.
 *
 * The words, for a host program:
 *   starting   not ready yet, nothing is wrong: wait
 *   ready      the engine answers and nothing is wrong
 *   degraded   something is wrong; `ready` says whether the engine can be used all the same
 *   failed     not ready, and it will not become so by itself: `reason` says what to do
 *   stopping   on the way down
 *
 * `ready` is true only if the boot is not stopping, PID 1 answers, the data disk is mounted, there and writable (or
 * configured away), every essential service is active, dockerd answered a ping that went through the proxy, and the proxy
 * listens for the host (docker_facts.h; a guest without vsock is excused).
 *
 * Of the data disk: one that is refused, not there in time, or mounted for rescue only leaves the guest degraded,
 * without the engine: people or a late disk can change that while it runs. One that is lost under the running engine (gone,
 * or read-only after an error) is failed: only a restart or a repair helps. Errors that it survives, and a disk that is
 * nearly full (`critical`), are degraded and ready. `low` is no blemish: it is the time to act, not a fault.
 * A process that the kernel killed for want of memory in the whole VM, or one of the engine's or keel's own, is a blemish
 * for HEALTH_OOM_US; one that was killed at its container's limit is none.
 * A wall clock that is off by more than HEALTH_CLOCK_US, and could not be put right, is a blemish: certificates and registries
 * refuse it. One that is left so because clock.manage=no is none.
 * `reason` is "" when the status is ready, else one sentence that names the first cause, in the order in
 * which things depend on each other.
 */
#pragma once

#include "agent/common/component_facts.h"
#include "agent/common/facts.h"
#include "lib/base.h"
#include "lib/clock.h"

enum health_status {
	HEALTH_STATUS_STARTING,
	HEALTH_STATUS_READY,
	HEALTH_STATUS_DEGRADED,
	HEALTH_STATUS_FAILED,
	HEALTH_STATUS_STOPPING,
};

#define HEALTH_REASON_MAX 320

struct health {
	enum health_status status;
	bool ready;
	enum component_id cause; /* whose matter the reason is; COMPONENTS: there is none */
	char reason[HEALTH_REASON_MAX];
};

#define HEALTH_OOM_US   (5 * 60 * USEC_PER_SEC)
#define HEALTH_CLOCK_US ((int64_t)USEC_PER_SEC)

void health_judge(const struct facts *facts, struct health *health);
/* The same checks, only those of one component: what it says against readiness, else its blemish, else ready. While PID 1 is
 * silent, nothing is said of what only it knows. component.h makes a component's state of it. */
void health_judge_component(const struct facts *facts, enum component_id of, struct health *health);
/* What is the matter with the data disk: what the agent sees of it before what PID 1 said at boot. */
enum disk_situation health_disk_situation(const struct facts *facts);
/* The blemish above is there; it goes by with time, which only a look at memory tells. */
bool health_oom_recent(const struct facts *facts);
const char *health_status_name(enum health_status status);
