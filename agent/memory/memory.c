/* SPDX-License-Identifier: MIT
 *
 * memory.c - see memory.h. Callers: agent.c, memory_api.c.
 *
 * One turn (`advance`): look, ask the policy, and either have a step done, whose end is the next turn, or wait. Between
 * episodes there is no timer, unless the policy wants one: then the events of memory_watch.c, the engine's and the agent's
 * own wake-ups are all that comes.
 */
#include "agent/memory/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/common/health.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/memory_limits.h"

/* Ends come in groups (a process, its exec, its network, its group), and a group's cache is charged to its parent only when
 * it is gone. Checks of health end by the second: not more often than that is looked. */
#define ENDED_US      (500 * USEC_PER_MSEC)
#define ENDED_REST_US (2 * USEC_PER_SEC)
#define FRESH_US      (100 * USEC_PER_MSEC) /* no other look for who asks */
#define SAMPLE_US     (2 * USEC_PER_SEC)
#define OVERDUE_US    (500 * USEC_PER_MSEC) /* for a step that does not end with its request's time */

#define MIB(bytes_) ((bytes_) >> 20)

static void wake(struct memory *memory, enum reclaim_event event, uint64_t at_us);
static void answer(struct memory *memory, enum reclaim_reason reason);

/* ---- what is seen -------------------------------------------------------------------------------- */

static int find_group(const struct memory *memory, uint64_t id)
{
	for (unsigned int i = 0; i < memory->now.groups; i++)
		if (memory->now.group[i].id == id)
			return (int)i;
	return -1;
}

static void take_sample(struct memory *memory)
{
	struct memory_seen *seen = &memory->facts->memory_seen;
	const struct memory_sample sample = {.at_us = memory->now.now_us,
		.used = seen->total - seen->free,
		.cache = memory->now.cache};

	if (seen->history > 0 && sample.at_us < seen->sample[seen->history - 1].at_us + SAMPLE_US)
		return;
	if (seen->history == MEMORY_HISTORY_MAX) {
		memmove(&seen->sample[0], &seen->sample[1],
			sizeof(seen->sample) - sizeof(seen->sample[0]));
		seen->history--;
	}
	seen->sample[seen->history++] = sample;
}

/* What the policy knows of the groups that documents show. */
static void add_estimates(struct memory *memory)
{
	struct memory_seen *seen = &memory->facts->memory_seen;

	for (unsigned int i = 0; i < seen->groups; i++) {
		struct memory_group *group = &seen->group[i];

		for (unsigned int k = 0; k < memory->now.groups; k++) {
			const struct reclaim_group *known = &memory->now.group[k];

			if (strcmp(memory->names.name[k], group->name) != 0)
				continue;
			group->floor =
				reclaim_floor(&memory->state, &memory->options.limits, known->id);
			group->cold = reclaim_cold(known, &memory->options.limits, group->floor);
		}
	}
}

static void log_limit(void *ctx, const char *file, int error)
{
	(void)ctx;
	log_warning("%s: %s", file, strerror(-error));
}

/* Memory was added or removed, or this is the first look of an agent that may have been killed. */
static void follow_size(struct memory *memory)
{
	struct memory_limits limits;

	/* 0: it could not be read, which is no reason to lift all limits. */
	if (memory->now.total == 0 || memory->now.total == memory->sized ||
		memory->paths.base_fd < 0)
		return;
	if (memory->sized != 0)
		log_info("the VM has %" PRIu64 " MiB of memory, it had %" PRIu64
			 ": the groups' limits follow",
			MIB(memory->now.total), MIB(memory->sized));
	memory->sized = memory->now.total;
	memory_limits(memory->now.total, memory->options.reserve, memory->options.zram_percent,
		&limits);
	(void)memory_limits_apply(&limits, memory->paths.base_fd, log_limit, NULL);
}

/* Health is degraded for a while after some kills: its end is no event, it is seen in the agent's wake-ups. */
static void follow_kills(struct memory *memory)
{
	const bool before = memory->oom_recent;

	memory->oom_recent = health_oom_recent(memory->facts);
	if (before && !memory->oom_recent)
		memory->changed(memory->ctx);
}

static void look(struct memory *memory)
{
	struct memory_seen *seen = &memory->facts->memory_seen;
	const bool first = !seen->known;

	memory_gather(&memory->paths, &seen->abilities, &memory->now, &memory->names, seen);
	seen->known = true;
	seen->looked_us = memory->now.now_us;
	memory->now.abilities = seen->abilities;
	follow_size(memory);
	follow_kills(memory);
	add_estimates(memory);
	take_sample(memory);
	if (first)
		memory->changed(memory->ctx); /* health knows of it now */
}

/* ---- steps --------------------------------------------------------------------------------------- */

/* What a step is measured by: its result is what that has changed by. */
static uint64_t measure(const struct memory *memory)
{
	const struct reclaim_facts *now = &memory->now;
	uint64_t sum = 0;
	int group;

	switch (memory->step.action) {
	case RECLAIM_WAIT:
		return 0;
	case RECLAIM_TAKE:
		group = find_group(memory, memory->step_id);
		return group < 0 ? 0 : reclaim_cache(&now->group[group]);
	case RECLAIM_COMPACT:
		return now->reportable;
	case RECLAIM_FLUSH:
		for (unsigned int i = 0; i < now->groups; i++)
			sum += now->group[i].dirty;
		return sum;
	case RECLAIM_DROP:
	case RECLAIM_TAKE_ROOT:
		for (unsigned int i = 0; i < now->groups; i++)
			sum += reclaim_cache(&now->group[i]);
		return now->groups > 0 ? sum : now->cache;
	}
	return 0;
}

/* A group that went away during its step has lost nothing that we know of. */
static uint64_t measure_change(const struct memory *memory)
{
	const uint64_t after = measure(memory), before = memory->step_before;

	if (memory->step.action == RECLAIM_TAKE && find_group(memory, memory->step_id) < 0)
		return 0;
	if (memory->step.action == RECLAIM_COMPACT)
		return after > before ? after - before : 0;
	return before > after ? before - after : 0;
}

/* "containers/ID" counts to its slice too. */
static void credit(struct memory *memory, const char *name, uint64_t bytes)
{
	struct memory_seen *seen = &memory->facts->memory_seen;

	for (unsigned int i = 0; i < seen->groups; i++) {
		const char *group = seen->group[i].name;
		const size_t len = strlen(group);

		if (strcmp(name, group) == 0 ||
			(strncmp(name, group, len) == 0 && name[len] == '/'))
			seen->group[i].reclaimed += bytes;
	}
}

static void note_last(struct memory *memory, uint64_t took)
{
	struct memory_seen *seen = &memory->facts->memory_seen;
	const char *name = memory->worker.name;
	char *last = seen->last;

	seen->last_us = memory->now.now_us;
	switch (memory->step.action) {
	case RECLAIM_WAIT:
		break;
	case RECLAIM_TAKE:
		(void)snprintf(last, sizeof(seen->last), "%" PRIu64 " MiB from %s", MIB(took),
			strcmp(name, ".") == 0 ? "the rest of the VM" : name);
		break;
	case RECLAIM_FLUSH:
		(void)snprintf(last, sizeof(seen->last), "%" PRIu64 " MiB of dirty cache written",
			MIB(took));
		break;
	case RECLAIM_COMPACT:
		(void)snprintf(last, sizeof(seen->last),
			"compaction: %" PRIu64 " MiB more can be reported", MIB(took));
		break;
	case RECLAIM_DROP:
		(void)snprintf(last, sizeof(seen->last), "%" PRIu64 " MiB of all caches dropped",
			MIB(took));
		break;
	case RECLAIM_TAKE_ROOT:
		(void)snprintf(last, sizeof(seen->last), "%" PRIu64 " MiB from all groups",
			MIB(took));
		break;
	}
}

static void account(struct memory *memory, const struct reclaim_result *result)
{
	struct memory_seen *seen = &memory->facts->memory_seen;

	seen->steps++;
	seen->cpu_us += result->cpu_us;
	switch (memory->step.action) {
	case RECLAIM_WAIT:
	case RECLAIM_FLUSH:
		break;
	case RECLAIM_COMPACT:
		seen->compactions++;
		seen->compacted += result->took;
		break;
	case RECLAIM_TAKE:
		credit(memory, memory->worker.name, result->took);
		seen->reclaimed += result->took;
		break;
	case RECLAIM_DROP:
	case RECLAIM_TAKE_ROOT:
		seen->reclaimed += result->took;
		break;
	}
	note_last(memory, result->took);
}

static int start_step(struct memory *memory, const struct reclaim_step *step)
{
	const bool takes = step->action == RECLAIM_TAKE && step->group < memory->now.groups;
	const struct reclaim_group *group = &memory->now.group[takes ? step->group : 0];
	const struct facts *facts = memory->facts;

	if (step->action == RECLAIM_TAKE && !takes)
		return -EINVAL;
	memory->step = *step;
	memory->step_id = group->id;
	memory->step_before = measure(memory);
	memory->worker.data =
		facts->disk.state == DISK_STATE_MOUNTED ? facts->disk.mountpoint : "/";
	return reclaim_worker_start(&memory->worker, step, group->class,
		takes ? memory->names.name[step->group] : ".");
}

/* ---- an episode ---------------------------------------------------------------------------------- */

static void begin_episode(struct memory *memory)
{
	const struct memory_seen *seen = &memory->facts->memory_seen;

	memory->episode_reclaimed = seen->reclaimed;
	memory->episode_steps = seen->steps;
	memory->episode_cpu_us = seen->cpu_us;
	memory_watch_arm_stall(&memory->watch, true);
}

static void end_episode(struct memory *memory, enum reclaim_reason reason)
{
	const struct memory_seen *seen = &memory->facts->memory_seen;
	const uint64_t steps = seen->steps - memory->episode_steps;

	memory_watch_arm_stall(&memory->watch, false);
	if (steps > 0)
		log_info("memory: %" PRIu64 " MiB given back in %" PRIu64 " steps, %" PRIu64
			 " ms of CPU time: %s",
			MIB(seen->reclaimed - memory->episode_reclaimed), steps,
			(seen->cpu_us - memory->episode_cpu_us) / USEC_PER_MSEC,
			reason == RECLAIM_REASON_NONE ? "the mode is another"
						      : reclaim_reason_text(reason));
	if (steps > 0)
		memory->changed(memory->ctx);
}

/* STALL first: it gives up what the others would begin. */
static enum reclaim_event next_event(struct memory *memory)
{
	static const enum reclaim_event order[] = {RECLAIM_EVENT_STALL, RECLAIM_EVENT_REQUEST,
		RECLAIM_EVENT_ENDED, RECLAIM_EVENT_TICK};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (!(memory->pending & 1U << order[i]))
			continue;
		memory->pending &= ~(1U << order[i]);
		return order[i];
	}
	return RECLAIM_EVENT_NONE;
}

static void on_again(struct loop_timer *timer);

static void set_again(struct memory *memory, uint64_t again_us)
{
	if (memory->request && (again_us == 0 || again_us > memory->request->until_us))
		again_us = memory->request->until_us;
	if (again_us > 0)
		loop_timer_set(memory->loop, &memory->again, again_us, on_again, memory);
}

static bool ends_request(const struct memory *memory, const struct reclaim_step *step)
{
	return memory->request && step->action == RECLAIM_WAIT &&
	       (!memory->state.working || step->reason == RECLAIM_REASON_DONE ||
		       step->reason == RECLAIM_REASON_TIME);
}

static void decide(struct memory *memory, struct reclaim_step *step)
{
	struct memory_seen *seen = &memory->facts->memory_seen;
	struct reclaim_facts *now = &memory->now;
	const bool worked = memory->state.working;

	*step = (struct reclaim_step){0};
	now->event = next_event(memory);
	now->mode = memory->options.mode;
	now->limits = memory->options.limits;
	now->target = memory->options.target;
	now->request = memory->request ? memory->request->bytes : 0;
	now->request_until_us = memory->request ? memory->request->until_us : 0;
	if (now->event == RECLAIM_EVENT_ENDED)
		memory->ended_us = now->now_us;
	reclaim_policy(&memory->state, now, step);
	now->result.fresh = false;
	seen->working = memory->state.working;
	(void)snprintf(seen->waiting, sizeof(seen->waiting), "%s",
		step->action == RECLAIM_WAIT ? reclaim_reason_text(step->reason) : "");
	if (memory->state.working && !worked)
		begin_episode(memory);
	else if (worked && !memory->state.working)
		end_episode(memory, step->reason);
}

/* One turn, on what was just looked at. Not while a step is under way: its end comes here. */
static void advance(struct memory *memory)
{
	struct reclaim_step step;
	int rc = 0;

	loop_timer_cancel(memory->loop, &memory->again);
	decide(memory, &step);
	if (step.action != RECLAIM_WAIT)
		rc = start_step(memory, &step);
	if (rc < 0) {
		/* As a step that ended at once; not in the same turn, which has to end. */
		memory->now.result = (struct reclaim_result){.fresh = true, .error = rc};
		log_warning("reclaim: cannot begin a step: %s", strerror(-rc));
		set_again(memory, memory->now.now_us + USEC_PER_SEC);
		return;
	}
	if (step.action != RECLAIM_WAIT)
		return;
	if (ends_request(memory, &step))
		answer(memory, step.reason);
	set_again(memory, step.again_us);
	if (memory->pending && memory->event.at_us == 0)
		wake(memory, RECLAIM_EVENT_NONE, memory->now.now_us);
}

static void on_step_end(void *ctx, const struct reclaim_result *result)
{
	struct memory *memory = ctx;
	struct memory_seen *seen = &memory->facts->memory_seen;

	look(memory);
	memory->now.result = *result;
	memory->now.result.took = measure_change(memory);
	account(memory, &memory->now.result);
	log_debug("memory: %s: asked for %" PRIu64 " MiB, error %d, %" PRIu64 " us", seen->last,
		MIB(memory->step.bytes), -result->error, result->cpu_us);
	memory->now.result.fresh = !memory->disowned;
	memory->disowned = false;
	if (memory->worker.no_swappiness && seen->abilities.swappiness) {
		log_info(
			"this kernel's memory.reclaim does not know swappiness=: swap is held meanwhile");
		seen->abilities.swappiness = memory->now.abilities.swappiness = false;
		memory->changed(memory->ctx);
	}
	advance(memory);
}

static void on_again(struct loop_timer *timer)
{
	struct memory *memory = timer->ctx;

	if (reclaim_worker_is_busy(&memory->worker))
		return;
	look(memory);
	advance(memory);
}

/* The policy hears of it then, or when the present step has ended. */
static void wake(struct memory *memory, enum reclaim_event event, uint64_t at_us)
{
	if (!memory->started)
		return;
	if (event != RECLAIM_EVENT_NONE)
		memory->pending |= 1U << event;
	if (memory->event.at_us == 0 || at_us < memory->event.at_us)
		loop_timer_set(memory->loop, &memory->event, at_us, on_again, memory);
}

/* ---- events -------------------------------------------------------------------------------------- */

void memory_event(struct memory *memory)
{
	const uint64_t soon_us = clock_now_us() + ENDED_US,
		       rested_us = memory->ended_us + ENDED_REST_US;

	if (!memory->started)
		return;
	memory_watch_start(&memory->watch);
	wake(memory, RECLAIM_EVENT_ENDED, soon_us > rested_us ? soon_us : rested_us);
}

static void on_watch(void *ctx, enum memory_watch_event event)
{
	struct memory *memory = ctx;

	switch (event) {
	case MEMORY_WATCH_ENDED:
		memory_event(memory);
		return;
	case MEMORY_WATCH_STALL:
		reclaim_worker_interrupt(&memory->worker);
		wake(memory, RECLAIM_EVENT_STALL, clock_now_us());
		return;
	case MEMORY_WATCH_SIZE: /* in blocks of 128 MiB, one event each */
		wake(memory, RECLAIM_EVENT_TICK, clock_now_us() + ENDED_US);
		return;
	}
}

void memory_tick(struct memory *memory)
{
	wake(memory, RECLAIM_EVENT_TICK, clock_now_us());
}

void memory_look(struct memory *memory)
{
	const struct memory_seen *seen = &memory->facts->memory_seen;

	if (memory->started && clock_now_us() >= seen->looked_us + FRESH_US)
		look(memory);
}

/* ---- requests ------------------------------------------------------------------------------------ */

static void answer(struct memory *memory, enum reclaim_reason reason)
{
	const struct memory_request *request = memory->request;
	const struct memory_seen *seen = &memory->facts->memory_seen;
	const struct memory_answer result = {
		.reclaimed = seen->reclaimed - memory->request_reclaimed,
		.free_before = memory->request_free,
		.free_after = seen->free,
		.reason = reason,
		.took_us = clock_now_us() - memory->request_us};

	memory->request = NULL;
	loop_timer_cancel(memory->loop, &memory->overdue);
	request->fn(request->ctx, &result);
}

/* What was begun for it does not end in time: its answer does not wait. */
static void on_overdue(struct loop_timer *timer)
{
	struct memory *memory = timer->ctx;

	reclaim_worker_interrupt(&memory->worker);
	look(memory);
	answer(memory, RECLAIM_REASON_TIME);
}

int memory_submit(struct memory *memory, struct memory_request *request)
{
	if (memory->request)
		return -EBUSY;
	if (!memory->started)
		return -EAGAIN;
	look(memory);
	memory->request = request;
	memory->request_us = memory->now.now_us;
	memory->request_free = memory->facts->memory_seen.free;
	memory->request_reclaimed = memory->facts->memory_seen.reclaimed;
	loop_timer_set(memory->loop, &memory->overdue, request->until_us + OVERDUE_US, on_overdue,
		memory);
	wake(memory, RECLAIM_EVENT_REQUEST, memory->request_us);
	return 0;
}

void memory_ignore(struct memory *memory, const struct memory_request *request)
{
	if (memory->request != request)
		return;
	memory->request = NULL;
	memory->pending &= ~(1U << RECLAIM_EVENT_REQUEST);
	loop_timer_cancel(memory->loop, &memory->overdue);
	reclaim_worker_interrupt(&memory->worker);
	wake(memory, RECLAIM_EVENT_NONE, clock_now_us());
}

/* ---- settings ------------------------------------------------------------------------------------ */

/* Another algorithm begins with nothing known. */
void memory_set_mode(struct memory *memory, enum memory_mode mode)
{
	if (memory->options.mode == mode)
		return;
	memory->options.mode = mode;
	memory->facts->memory_seen.mode = mode;
	reclaim_worker_interrupt(&memory->worker);
	memory->disowned = reclaim_worker_is_busy(&memory->worker);
	if (memory->state.working)
		end_episode(memory, RECLAIM_REASON_NONE);
	memset(&memory->state, 0, sizeof(memory->state));
	wake(memory, RECLAIM_EVENT_ENDED, clock_now_us());
	memory->changed(memory->ctx);
}

void memory_set_target(struct memory *memory, uint64_t bytes)
{
	memory->options.target = bytes;
	memory->facts->memory_seen.target = bytes;
	wake(memory, RECLAIM_EVENT_TICK, clock_now_us());
	memory->changed(memory->ctx);
}

void memory_init(struct memory *memory, struct loop *loop, const struct memory_options *options,
	struct facts *facts, memory_change_fn *changed, void *ctx)
{
	*memory = (struct memory){.loop = loop,
		.facts = facts,
		.options = *options,
		.paths = {.root_fd = -1, .base_fd = -1},
		.changed = changed,
		.ctx = ctx};
	facts->memory_seen.mode = options->mode;
	facts->memory_seen.target = options->target;
	memory_watch_init(&memory->watch, loop, &memory->paths,
		options->limits.pressure_permille * USEC_PER_MSEC, on_watch, memory);
	reclaim_worker_init(&memory->worker, loop, &memory->paths, on_step_end, memory);
}

void memory_start(struct memory *memory)
{
	memory_paths_open(&memory->paths);
	memory_find_abilities(&memory->paths, &memory->facts->memory_seen.abilities);
	reclaim_worker_recover(&memory->paths, memory->options.swap);
	memory->started = true;
	/* First the watch, then the look: nothing falls between. What ended before is taken up when the engine's events come:
	 * in the middle of a boot nothing is cold. */
	memory_watch_start(&memory->watch);
	look(memory);
	wake(memory, RECLAIM_EVENT_NONE, memory->now.now_us); /* it says why it waits */
}

void memory_stop(struct memory *memory)
{
	memory->started = false;
	loop_timer_cancel(memory->loop, &memory->again);
	loop_timer_cancel(memory->loop, &memory->event);
	loop_timer_cancel(memory->loop, &memory->overdue);
	reclaim_worker_stop(&memory->worker);
	memory_watch_stop(&memory->watch);
	memory_paths_close(&memory->paths);
}
