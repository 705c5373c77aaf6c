/* SPDX-License-Identifier: MIT
 *
 * engine_policy.c - see engine_policy.h. tests/unit/test_engine_policy.c goes through every combination.
 */
#include "agent/common/engine_policy.h"

/* False: its service is not up, and *state says how. */
static bool service_is_up(const struct engine_policy_facts *facts, enum daemon_state *state)
{
	switch ((enum service_state)facts->unit) {
	case SERVICE_STATE_ACTIVE:
	case SERVICE_STATE_RELOADING:
		return true;
	case SERVICE_STATE_WAITING:
	case SERVICE_STATE_STARTING:
		*state = DAEMON_STATE_STARTING;
		return false;
	case SERVICE_STATE_FAILED:
		*state = DAEMON_STATE_FAILED;
		return false;
	case SERVICE_STATE_INACTIVE:
	case SERVICE_STATE_STOPPING:
	case SERVICE_STATE_BACKOFF:
		break;
	}
	*state = DAEMON_STATE_DOWN;
	return false;
}

static uint64_t patience(const struct engine_policy *policy,
	const struct engine_policy_facts *facts)
{
	if (facts->stalled)
		return policy->hung_after_us * ENGINE_POLICY_STALL_PATIENCE;
	if (!facts->answered)
		return policy->hung_after_us * ENGINE_POLICY_FIRST_PATIENCE;
	return policy->hung_after_us;
}

/* When a daemon that missed probes is asked again: soon, then ever later, but not later than the end of
 * our patience, which is when the verdict is due. */
static uint64_t next_probe(const struct engine_policy *policy,
	const struct engine_policy_facts *facts, uint64_t end_us, uint64_t now_us)
{
	unsigned int doublings = facts->misses - 1 < 20 ? facts->misses - 1 : 20;
	uint64_t delay = ENGINE_POLICY_RETRY_US << doublings;
	uint64_t at_us = facts->probed_us + (delay < policy->calm_us ? delay : policy->calm_us);

	return at_us > end_us && end_us > now_us ? end_us : at_us;
}

struct engine_verdict engine_policy(const struct engine_policy *policy,
	const struct engine_policy_facts *facts, uint64_t now_us)
{
	struct engine_verdict verdict = {.action = ENGINE_ACTION_NONE};
	uint64_t end_us = facts->silent_us + patience(policy, facts);
	bool hung = facts->misses >= ENGINE_POLICY_MISSES && now_us >= end_us;

	if (!service_is_up(facts, &verdict.state))
		return verdict;
	if (hung)
		verdict.state = DAEMON_STATE_HUNG;
	else if (!facts->answered)
		verdict.state = DAEMON_STATE_STARTING;
	else
		verdict.state = facts->misses ? DAEMON_STATE_SLOW : DAEMON_STATE_READY;
	if (facts->stopping || facts->probing)
		return verdict;
	verdict.action = ENGINE_ACTION_PROBE;
	if (facts->misses)
		verdict.at_us = next_probe(policy, facts, end_us, now_us);
	else
		verdict.at_us = facts->probed_us ? facts->probed_us + policy->calm_us : now_us;
	/* Asked for once, and nothing came of it: again when our patience has ended once more. */
	if (hung && policy->restart && facts->recent_restarts < policy->restarts_per_hour &&
		(facts->restarted_us == 0 ||
			now_us >= facts->restarted_us + patience(policy, facts)))
		verdict.action = ENGINE_ACTION_RESTART;
	return verdict;
}

const char *daemon_state_name(enum daemon_state state)
{
	switch (state) {
	case DAEMON_STATE_DOWN:
		return "down";
	case DAEMON_STATE_STARTING:
		return "starting";
	case DAEMON_STATE_READY:
		return "ready";
	case DAEMON_STATE_SLOW:
		return "slow";
	case DAEMON_STATE_HUNG:
		return "hung";
	case DAEMON_STATE_FAILED:
		return "failed";
	}
	return "?";
}
