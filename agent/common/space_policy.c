/* SPDX-License-Identifier: MIT
 *
 * space_policy.c - see space_policy.h. Caller: disk_space.c.
 */
#include "agent/common/space_policy.h"

#include <assert.h>

#include "lib/clock.h"

/* The pace is an average that forgets: a sample weighs as much as the time that it stands for does beside this. */
#define PACE_S       300.0
#define FULL_SOON_S  3600
#define FULL_LATER_S (2 * FULL_SOON_S)          /* to get better again */
#define FULL_MAX_S   (UINT64_C(30) * 24 * 3600) /* further than that is not foreseen */
/* Only with less than that free: a large image that is unpacked into much room is no trend. */
#define FULL_PERCENT   25
#define BETTER_PERCENT 1 /* points above a threshold to get better */
/* Between two looks the disk comes a quarter of the way to where the word changes. */
#define LOOKS       4
#define LOOK_MIN_US (1 * USEC_PER_SEC)

static bool is_below(uint64_t part, uint64_t whole, unsigned int percent)
{
	/* In double: the bytes of the largest disk times 100 do not fit 64 bits. */
	return whole > 0 && (double)part * 100.0 < (double)whole * percent;
}

/* Is the word justified, with `more` percentage points added to its threshold? */
static bool is_short(const struct space_sample *sample, unsigned int percent, unsigned int more)
{
	unsigned int limit = percent > 0 ? percent + more : 0;

	return is_below(sample->free, sample->used + sample->free, limit) ||
	       is_below(sample->inodes_free, sample->inodes, limit);
}

static double pace_of(const struct space_state *state, const struct space_sample *sample)
{
	double seconds = (double)(sample->at_us - state->last.at_us) / USEC_PER_SEC;
	double now = ((double)state->last.free - (double)sample->free) / seconds;

	return state->pace + (now - state->pace) * seconds / (seconds + PACE_S);
}

/* Two samples at one time, or out of order, say nothing about the pace. */
static void take_sample(struct space_state *state, const struct space_sample *sample)
{
	if (state->begun && state->last.total == sample->total) {
		if (sample->at_us <= state->last.at_us)
			return;
		state->pace = pace_of(state, sample);
	} else {
		state->pace = 0;
	}
	state->begun = true;
	state->last = *sample;
}

static void foresee(const struct space_state *state, struct space_verdict *verdict)
{
	double seconds = state->pace > 0 ? (double)state->last.free / state->pace : -1;

	verdict->full_known = seconds >= 0 && seconds <= (double)FULL_MAX_S;
	verdict->full_in_s = verdict->full_known ? (uint64_t)seconds : 0;
}

static enum space_word judge(const struct space_policy *policy, const struct space_state *state,
	const struct space_verdict *seen)
{
	const struct space_sample *last = &state->last;
	uint64_t soon_s = state->word >= SPACE_LOW ? FULL_LATER_S : FULL_SOON_S;

	if (is_short(last, policy->critical_percent,
		    state->word >= SPACE_CRITICAL ? BETTER_PERCENT : 0))
		return SPACE_CRITICAL;
	if (is_short(last, policy->low_percent, state->word >= SPACE_LOW ? BETTER_PERCENT : 0))
		return SPACE_LOW;
	if (seen->full_known && seen->full_in_s < soon_s &&
		is_below(last->free, last->used + last->free, FULL_PERCENT))
		return SPACE_LOW;
	return SPACE_OK;
}

/* Seconds until the next worse word at the present pace, less than 0: never. */
static double until_worse(const struct space_policy *policy, const struct space_state *state)
{
	unsigned int percent =
		state->word == SPACE_OK ? policy->low_percent : policy->critical_percent;
	double whole = (double)(state->last.used + state->last.free);
	double left = (double)state->last.free - whole * percent / 100.0;

	if (state->word == SPACE_CRITICAL || state->pace <= 0)
		return -1;
	return left > 0 ? left / state->pace : 0;
}

static uint64_t next_look(const struct space_policy *policy, const struct space_state *state)
{
	double seconds = until_worse(policy, state);
	uint64_t pause_us = policy->calm_us;

	if (seconds >= 0 && seconds * USEC_PER_SEC / LOOKS < (double)policy->calm_us)
		pause_us = (uint64_t)(seconds * USEC_PER_SEC / LOOKS);
	return state->last.at_us + (pause_us > LOOK_MIN_US ? pause_us : LOOK_MIN_US);
}

void space_policy(const struct space_policy *policy, struct space_state *state,
	const struct space_sample *sample, struct space_verdict *verdict)
{
	take_sample(state, sample);
	foresee(state, verdict);
	state->word = judge(policy, state, verdict);
	verdict->word = state->word;
	verdict->next_us = next_look(policy, state);
}

const char *space_word_name(enum space_word word)
{
	static const char *const names[] = {"ok", "low", "critical"};

	static_assert(ARRAY_SIZE(names) == SPACE_CRITICAL + 1, "a name for each word");
	return (unsigned int)word < ARRAY_SIZE(names) ? names[word] : "?";
}
