/* SPDX-License-Identifier: MIT
 *
 * share_policy.c - see share_policy.h.
 */
#include "agent/share/share_policy.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"

/* The first loss is made good at once: a distro that shut down. Whoever does it again and again gets rest between. */
#define PAUSE_US     (1 * USEC_PER_SEC)
#define PAUSE_MAX_US (60 * USEC_PER_SEC)
/* There for so long: what was before is forgotten. */
#define CALM_US (60 * USEC_PER_SEC)

/* ---- the table of mounts -------------------------------------------------------------------------- */

static bool is_word(const char *start, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(start, word, len) == 0;
}

/* "36 35 98:0 /root /mount/point options... - type source options" (proc_pid_mountinfo(5)): what is looked for has no
 * character that is escaped there. Lower lines of a stack come first. */
void share_table_line(struct share_table *table, const char *line)
{
	const char *field[5];
	size_t len[5];

	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		field[i] = line;
		len[i] = strcspn(line, " \n");
		if (line[len[i]] != ' ')
			return;
		line += len[i] + 1;
	}
	if (is_word(field[4], len[4], SHARE_TOP))
		table->has_place = true;
	if (!is_word(field[4], len[4], SHARE_POINT))
		return;
	if (!is_word(field[3], len[3], SHARE_ROOT))
		table->top = SHARE_FOREIGN;
	else
		table->top = is_word(field[2], len[2], table->device) ? SHARE_OURS : SHARE_LIVE;
}

enum share_top share_table_top(const struct share_table *table)
{
	if (!table->has_place)
		return SHARE_NO_PLACE;
	return table->top == SHARE_NO_PLACE ? SHARE_NOTHING : table->top;
}

/* ---- what to do ----------------------------------------------------------------------------------- */

static void back_off(struct share_state *state, uint64_t now_us)
{
	uint64_t pause = 0;

	if (state->streak > 0)
		pause = state->streak > 6 ? PAUSE_MAX_US : PAUSE_US << (state->streak - 1);
	state->streak++;
	state->retry_us = now_us + pause;
}

static void note_loss(struct share_state *state, uint64_t now_us)
{
	if (now_us - state->published_us >= CALM_US)
		state->streak = 0;
	state->published = false;
	state->lost++;
	back_off(state, now_us);
}

enum share_action share_policy_step(struct share_state *state, enum share_top top, uint64_t now_us,
	uint64_t *again_us)
{
	*again_us = 0;
	if (top == SHARE_OURS) {
		if (!state->published)
			state->published_us = now_us; /* one before us published it */
		state->published = true;
		return SHARE_WAIT;
	}
	if (state->published)
		note_loss(state, now_us);
	if (top != SHARE_NOTHING && top != SHARE_DEAD)
		return SHARE_WAIT;
	if (now_us < state->retry_us) {
		*again_us = state->retry_us;
		return SHARE_WAIT;
	}
	return top == SHARE_DEAD ? SHARE_CLEAR : SHARE_PUBLISH;
}

void share_policy_done(struct share_state *state, enum share_action action, int rc, uint64_t now_us)
{
	state->error = rc;
	if (rc < 0) {
		back_off(state, now_us);
	} else if (action == SHARE_PUBLISH) {
		state->published = true;
		state->published_us = now_us;
	}
}

void share_policy_text(const struct share_state *state, enum share_top top, uint64_t now_us,
	char *text, size_t size)
{
	char more[64] = "";

	if (state->lost > 0)
		(void)snprintf(more, sizeof(more), "; taken away and published again %u times",
			state->lost);
	switch (top) {
	case SHARE_NO_PLACE:
		(void)snprintf(text, size, "no %s here: nothing is published", SHARE_TOP);
		return;
	case SHARE_OURS:
		(void)snprintf(text, size, "the engine is at %s%s", SHARE_POINT, more);
		return;
	case SHARE_LIVE:
		(void)snprintf(text, size, "another keel is at %s: this one is not published",
			SHARE_POINT);
		return;
	case SHARE_FOREIGN:
		(void)snprintf(text, size, "something else is mounted on %s: not published",
			SHARE_POINT);
		return;
	case SHARE_NOTHING:
	case SHARE_DEAD:
		break;
	}
	if (state->error < 0)
		(void)snprintf(text, size, "cannot publish on %s: %s", SHARE_POINT,
			strerror(-state->error));
	else
		(void)snprintf(text, size,
			"somebody unmounts %s again and again (%u times): next try in %u s",
			SHARE_POINT, state->lost,
			state->retry_us > now_us
				? (unsigned int)((state->retry_us - now_us + USEC_PER_SEC - 1) /
						 USEC_PER_SEC)
				: 0);
}
