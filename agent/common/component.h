/* SPDX-License-Identifier: MIT
 *
 * component.h - the health of each part of the guest: a state, a reason, a way out. Pure, as health.h is, whose checks it
 * uses. What always holds:
 *
 *   - the guest is ready exactly if no component has an objection;
 *   - a status that is not `ready` is the state of its cause (health.h), with the same reason; `stopping` is `off` there;
 *   - with the status `ready`, no component is degraded or failed;
 *   - a component that is degraded or failed has a reason and a hint; one that is ok has neither.
 */
#pragma once

#include "agent/common/component_facts.h"
#include "agent/common/facts.h"
#include "agent/common/health.h"
#include "agent/common/hint.h"
#include "lib/base.h"

struct component {
	enum component_state state;
	char reason[HEALTH_REASON_MAX];
	char hint[HINT_SENTENCE_MAX]; /* one sentence, what to do; "" if there is nothing to do */
};

void component_judge(const struct facts *facts, enum component_id id, struct component *component);
/* Notes in facts->since which states are others than at the last call; `boot_us`, `realtime_ms`: now. */
void component_follow(struct facts *facts, uint64_t boot_us, uint64_t realtime_ms);
/* Whose matter it is. A name that is not known, and "", is somebody's all the same: the boot's, the services'. */
enum component_id component_of_stage(const char *name);
enum component_id component_of_service(const char *name);
enum component_id component_of_daemon(enum engine_daemon_id id);
/* Words of the document; "?" for a value outside the enum. */
const char *component_name(enum component_id id);
const char *component_state_name(enum component_state state);
