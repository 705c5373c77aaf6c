/* SPDX-License-Identifier: MIT
 *
 * component_promises.h - what component.h promises of any facts, checked on some. For the unit test, which goes through many
 * by order, and for the fuzzer, which goes through any.
 */
#pragma once

#include <string.h>

#include "agent/common/component.h"

static inline const char *component_broken_promise_of_one(const struct component *component)
{
	bool has_reason = component->reason[0] != '\0', has_hint = component->hint[0] != '\0';

	if (!memchr(component->reason, '\0', sizeof(component->reason)) ||
		!memchr(component->hint, '\0', sizeof(component->hint)))
		return "a text does not end";
	if (strcmp(component_state_name(component->state), "?") == 0)
		return "a state without a name";
	switch (component->state) {
	case COMPONENT_STATE_OK:
		return has_reason || has_hint ? "ok, and something to say" : NULL;
	case COMPONENT_STATE_DEGRADED:
	case COMPONENT_STATE_FAILED:
		return has_reason && has_hint ? NULL : "not well, without a reason or a hint";
	case COMPONENT_STATE_STARTING:
		return has_hint ? NULL : "on its way, without a hint";
	case COMPONENT_STATE_UNKNOWN:
		return has_reason && !has_hint ? NULL : "unknown, without a reason or with a hint";
	case COMPONENT_STATE_OFF:
		return has_hint ? "off, with a hint" : NULL;
	}
	return "no state";
}

/* NULL, or which promise is broken. */
static inline const char *component_broken_promise(const struct facts *facts)
{
	static const enum component_state states[] = {
		[HEALTH_STATUS_STARTING] = COMPONENT_STATE_STARTING,
		[HEALTH_STATUS_READY] = COMPONENT_STATE_OK,
		[HEALTH_STATUS_DEGRADED] = COMPONENT_STATE_DEGRADED,
		[HEALTH_STATUS_FAILED] = COMPONENT_STATE_FAILED,
		[HEALTH_STATUS_STOPPING] = COMPONENT_STATE_OFF,
	};
	struct component component;
	struct health whole, own;
	bool objection = false;

	health_judge(facts, &whole);
	if ((whole.status == HEALTH_STATUS_READY) != (whole.cause == COMPONENTS))
		return "a cause exactly if the status is not ready";
	for (int id = 0; id < COMPONENTS; id++) {
		const char *broken;

		health_judge_component(facts, (enum component_id)id, &own);
		objection |= !own.ready;
		component_judge(facts, (enum component_id)id, &component);
		broken = component_broken_promise_of_one(&component);
		if (broken)
			return broken;
		if (whole.status == HEALTH_STATUS_READY &&
			(component.state == COMPONENT_STATE_DEGRADED ||
				component.state == COMPONENT_STATE_FAILED))
			return "ready, with a component that is not well";
		if (whole.cause != (enum component_id)id)
			continue;
		if (component.state != states[whole.status])
			return "the status is not the state of its cause";
		if (strcmp(component.reason, whole.reason) != 0)
			return "the reason is not that of its cause";
	}
	return objection == !whole.ready ? NULL : "ready exactly if no component objects";
}
