/* SPDX-License-Identifier: MIT
 *
 * clock_policy.c - see clock_policy.h. Callers: clock_keeper.c; the names: documents, metrics, keelctl.
 * tests/unit/test_clock_policy.c goes through every combination.
 */
#include "agent/common/clock_policy.h"

static uint64_t magnitude(int64_t value)
{
	return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/* realtime + offset is a time that there can be; without overflow. */
static bool is_sane(int64_t realtime_us, int64_t offset_us)
{
	int64_t target;

	return !__builtin_add_overflow(realtime_us, offset_us, &target) &&
	       target >= CLOCK_EARLIEST_US && target < CLOCK_LATEST_US;
}

/* The order is what people are told when several things are true. */
static enum clock_reason judge(const struct clock_limits *limits,
	const struct clock_question *question)
{
	uint64_t off = magnitude(question->offset_us);

	if (!is_sane(question->realtime_us, question->offset_us))
		return CLOCK_REASON_ABSURD;
	if (off <= limits->dead_us)
		return CLOCK_REASON_WITHIN;
	if (off <= question->uncertainty_us)
		return CLOCK_REASON_UNSURE;
	if (limits->manage == CLOCK_MANAGE_NO)
		return CLOCK_REASON_MANAGE;
	if (limits->manage == CLOCK_MANAGE_AUTO && question->other && off <= limits->other_us)
		return CLOCK_REASON_OTHER;
	if (!question->may_set)
		return CLOCK_REASON_RIGHTS;
	/* Beside another's discipline there is no slewing: two hands on one wheel. */
	if (off < limits->step_us && !(limits->manage == CLOCK_MANAGE_AUTO && question->other))
		return CLOCK_REASON_SMALL;
	return question->may_step ? CLOCK_REASON_LARGE : CLOCK_REASON_TOO_OFTEN;
}

void clock_policy_decide(const struct clock_limits *limits, const struct clock_question *question,
	enum clock_action *action, enum clock_reason *reason)
{
	static const enum clock_action actions[] = {
		[CLOCK_REASON_WITHIN] = CLOCK_ACTION_LEFT,
		[CLOCK_REASON_UNSURE] = CLOCK_ACTION_LEFT,
		[CLOCK_REASON_OTHER] = CLOCK_ACTION_LEFT,
		[CLOCK_REASON_SMALL] = CLOCK_ACTION_SLEWED,
		[CLOCK_REASON_LARGE] = CLOCK_ACTION_STEPPED,
		[CLOCK_REASON_MANAGE] = CLOCK_ACTION_REFUSED,
		[CLOCK_REASON_RIGHTS] = CLOCK_ACTION_REFUSED,
		[CLOCK_REASON_ABSURD] = CLOCK_ACTION_REFUSED,
		[CLOCK_REASON_TOO_OFTEN] = CLOCK_ACTION_REFUSED,
		[CLOCK_REASON_FAILED] = CLOCK_ACTION_REFUSED,
	};

	*reason = judge(limits, question);
	*action = actions[*reason];
}

bool clock_budget_has(struct clock_budget *budget, uint64_t now_us)
{
	uint64_t refills;

	if (budget->at_us == 0) {
		*budget = (struct clock_budget){.left = CLOCK_STEPS_MAX, .at_us = now_us};
		return true;
	}
	refills = now_us > budget->at_us ? (now_us - budget->at_us) / CLOCK_STEP_REFILL_US : 0;
	if (refills >= CLOCK_STEPS_MAX - budget->left) {
		budget->left = CLOCK_STEPS_MAX;
		budget->at_us = now_us;
	} else {
		budget->left += (unsigned int)refills;
		budget->at_us += refills * CLOCK_STEP_REFILL_US;
	}
	return budget->left > 0;
}

void clock_budget_take(struct clock_budget *budget)
{
	if (budget->left > 0)
		budget->left--;
}

bool clock_policy_other(const struct clock_kernel *before, const struct clock_kernel *now,
	uint64_t now_us, uint64_t *other_us)
{
	if (!now->known)
		return false;
	if ((now->synchronised && now->max_error_us < CLOCK_OTHER_ERROR_US) ||
		(before->known &&
			(before->frequency != now->frequency || before->tick_us != now->tick_us)))
		*other_us = now_us;
	return *other_us != 0 && now_us - *other_us < CLOCK_OTHER_MEMORY_US;
}

int64_t clock_policy_coarse(int64_t seconds, int64_t realtime_us)
{
	int64_t first = seconds * (int64_t)USEC_PER_SEC, end = first + (int64_t)USEC_PER_SEC;

	if (realtime_us < first)
		return first - realtime_us;
	return realtime_us >= end ? end - realtime_us : 0;
}

/* ---- words ------------------------------------------------------------------------------------------- */

const char *clock_manage_name(enum clock_manage manage)
{
	static const char *const names[] = {"auto", "yes", "no"};

	return names[manage];
}

const char *clock_source_name(enum clock_source source)
{
	static const char *const names[] = {"none", "ptp", "rtc", "host"};

	return names[source];
}

const char *clock_discipline_name(enum clock_discipline discipline)
{
	static const char *const names[] = {"nobody", "keel", "other"};

	return names[discipline];
}

const char *clock_action_name(enum clock_action action)
{
	static const char *const names[] = {"none", "left", "slewed", "stepped", "refused"};

	return names[action];
}

static const struct {
	const char *name, *text;
} reasons[] = {
	[CLOCK_REASON_WITHIN] = {"within", "the offset is within clock.dead_ms"},
	[CLOCK_REASON_UNSURE] = {"unsure", "the offset is smaller than its uncertainty"},
	[CLOCK_REASON_OTHER] = {"other", "another time service keeps the clock"},
	[CLOCK_REASON_SMALL] = {"small", "the offset is below clock.step_ms"},
	[CLOCK_REASON_LARGE] = {"large", "the offset is too large to be slewed"},
	[CLOCK_REASON_MANAGE] = {"manage", "clock.manage is no"},
	[CLOCK_REASON_RIGHTS] = {"rights", "the agent may not set the clock here (CAP_SYS_TIME)"},
	[CLOCK_REASON_ABSURD] = {"absurd", "that would be before 2020 or after 2100"},
	[CLOCK_REASON_TOO_OFTEN] = {"too_often", "the clock was stepped too often lately"},
	[CLOCK_REASON_FAILED] = {"failed", "the kernel refused to set the clock"},
};

const char *clock_reason_name(enum clock_reason reason)
{
	return reasons[reason].name;
}

const char *clock_reason_text(enum clock_reason reason)
{
	return reasons[reason].text;
}
