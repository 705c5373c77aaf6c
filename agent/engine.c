/* SPDX-License-Identifier: MIT
 *
 * engine.c - see engine.h. Caller: agent.c. What is decided is in engine_policy.c; here are the effects.
 */
#include "agent/engine.h"

#include <stdio.h>
#include <string.h>

#include "agent/common/pressure.h"
#include "lib/clock.h"
#include "lib/log.h"

#define HOUR_US (3600 * USEC_PER_SEC)
/* Whoever asks for health every second does not have the daemons probed every second. */
#define FRESH_US (5 * USEC_PER_SEC)
/* Probes due within so long are made in one wake-up. */
#define TOGETHER_US (2 * USEC_PER_SEC)

/* For how long it has been silent is another number at each probe, and no news. */
static bool same_daemon(const struct facts_daemon *a, const struct facts_daemon *b)
{
	return a->known == b->known && a->state == b->state && a->restarting == b->restarting &&
	       a->restarts == b->restarts && a->restarted_us == b->restarted_us &&
	       strcmp(a->restart_reason, b->restart_reason) == 0 &&
	       text_same_words(a->reason, b->reason);
}

static bool same_facts(const struct facts_engine *a, const struct facts_engine *b)
{
	for (size_t i = 0; i < ENGINE_DAEMONS; i++) {
		if (!same_daemon(&a->daemons[i], &b->daemons[i]))
			return false;
	}
	return a->state == b->state && a->culprit == b->culprit && a->was_ready == b->was_ready &&
	       strcmp(a->api_version, b->api_version) == 0 && strcmp(a->version, b->version) == 0 &&
	       text_same_words(a->reason, b->reason);
}

static void judge_all(struct engine *engine);

static struct facts_daemon *facts_of(const struct engine_daemon *daemon)
{
	return &daemon->engine->facts->engine.daemons[daemon->id];
}

/* ---- restarts ------------------------------------------------------------------------------ */

static unsigned int recent_restarts(const struct engine_daemon *daemon, uint64_t now_us)
{
	unsigned int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(daemon->restarts_us); i++)
		if (daemon->restarts_us[i] != 0 && now_us - daemon->restarts_us[i] < HOUR_US)
			count++;
	return count;
}

static void restart(struct engine_daemon *daemon, uint64_t now_us)
{
	struct facts_daemon *facts = facts_of(daemon);
	const char *unit = engine_daemon_unit(daemon->id);
	int rc = daemon->engine->restart(daemon->engine->ctx, unit);

	daemon->seen.restarted_us = now_us;
	if (rc < 0) {
		log_warning("%s: PID 1 cannot be asked for a restart: %s", unit, strerror(-rc));
		return;
	}
	daemon->restarts_us[facts->restarts % ARRAY_SIZE(daemon->restarts_us)] = now_us;
	facts->restarts++;
	facts->restarted_us = now_us;
	facts->restarting = true;
	(void)snprintf(facts->restart_reason, sizeof(facts->restart_reason),
		"%s did not answer for %u s: restarted by policy", engine_daemon_name(daemon->id),
		(unsigned int)((now_us - daemon->seen.silent_us) / USEC_PER_SEC));
	log_warning("%s: %s (%s)", unit, facts->restart_reason, daemon->answer);
}

/* ---- facts --------------------------------------------------------------------------------- */

static void tell_why(struct engine_daemon *daemon, enum daemon_state state, uint64_t now_us)
{
	const struct engine_policy *policy = &daemon->engine->policy;
	struct facts_daemon *facts = facts_of(daemon);
	const char *more = "";

	if (state != DAEMON_STATE_HUNG) {
		(void)snprintf(facts->reason, sizeof(facts->reason), "%s", daemon->answer);
		return;
	}
	if (facts->restarting)
		more = "; its restart is under way";
	else if (!policy->restart)
		more = "; engine.restart is off";
	else if (daemon->seen.recent_restarts >= policy->restarts_per_hour)
		more = "; restarted too often within the hour, not again";
	(void)snprintf(facts->reason, sizeof(facts->reason), "it did not answer for %u s%s",
		(unsigned int)((now_us - daemon->seen.silent_us) / USEC_PER_SEC), more);
}

/* The engine is as well as the daemon that is worst off; containerd first, dockerd needs it. */
static void sum_up(struct facts_engine *facts)
{
	bool unknown = !facts->daemons[ENGINE_DOCKERD].known;

	facts->state = ENGINE_STATE_READY;
	facts->culprit = ENGINE_DOCKERD;
	facts->reason[0] = '\0';
	for (int i = ENGINE_DAEMONS - 1; i >= 0; i--) {
		const struct facts_daemon *daemon = &facts->daemons[i];

		if (!daemon->known || daemon->state == DAEMON_STATE_READY)
			continue;
		if (!unknown)
			facts->culprit = (enum engine_daemon_id)i;
		unknown = true;
		if (!daemon->reason[0])
			continue;
		facts->culprit = (enum engine_daemon_id)i;
		facts->state = ENGINE_STATE_UNREACHABLE;
		memcpy(facts->reason, daemon->reason, sizeof(facts->reason));
		return;
	}
	if (unknown)
		facts->state = ENGINE_STATE_UNKNOWN;
	facts->was_ready |= facts->state == ENGINE_STATE_READY;
}

/* ---- judging ------------------------------------------------------------------------------- */

static void begin_life(struct engine_daemon *daemon, uint64_t life_us)
{
	engine_probe_cancel(&daemon->probe);
	daemon->life_us = life_us;
	daemon->seen = (struct engine_policy_facts){0};
	daemon->answer[0] = '\0';
}

static void judge(struct engine_daemon *daemon)
{
	const struct engine *engine = daemon->engine;
	const struct control_service *service =
		facts_find_service(engine->facts, engine_daemon_unit(daemon->id));
	struct facts_daemon *facts = facts_of(daemon);
	struct engine_policy_facts *seen = &daemon->seen;
	uint64_t now_us = clock_now_us();
	struct engine_verdict verdict;

	seen->unit = service ? service->state : SERVICE_STATE_INACTIVE;
	seen->stopping =
		engine->facts->agent_stopping ||
		(engine->facts->boot_known && engine->facts->boot.state == BOOT_STATE_STOPPING);
	seen->probing = daemon->probe.busy;
	seen->recent_restarts = recent_restarts(daemon, now_us);
	seen->stalled = service && seen->misses >= ENGINE_POLICY_MISSES &&
			pressure_is_stalled(service->pid);
	verdict = engine_policy(&engine->policy, seen, now_us);
	if (verdict.action == ENGINE_ACTION_RESTART)
		restart(daemon, now_us);
	if (verdict.state == DAEMON_STATE_READY || verdict.state == DAEMON_STATE_FAILED ||
		!service || !service->wanted)
		facts->restarting = false;
	facts->known = service != NULL;
	facts->state = verdict.state;
	tell_why(daemon, verdict.state, now_us);
	daemon->due_us = verdict.action == ENGINE_ACTION_NONE ? 0 : verdict.at_us;
}

static void on_probe(void *ctx, int error, const struct engine_detail *detail, const char *reason)
{
	struct engine_daemon *daemon = ctx;
	struct engine_policy_facts *seen = &daemon->seen;
	struct facts_engine *facts = &daemon->engine->facts->engine;

	seen->probed_us = clock_now_us();
	if (error == 0) {
		seen->answered = true;
		seen->misses = 0;
		daemon->answer[0] = '\0';
	} else {
		if (seen->misses++ == 0)
			seen->silent_us = daemon->begun_us;
		(void)snprintf(daemon->answer, sizeof(daemon->answer), "%s", reason);
		text_sanitize(daemon->answer);
	}
	if (error == 0 && daemon->id == ENGINE_DOCKERD) {
		(void)snprintf(facts->api_version, sizeof(facts->api_version), "%s",
			detail->api_version);
		text_sanitize(facts->api_version);
		(void)snprintf(facts->version, sizeof(facts->version), "%s", detail->version);
		text_sanitize(facts->version);
	}
	judge_all(daemon->engine);
}

static void on_engine_timer(struct loop_timer *timer)
{
	struct engine *engine = timer->ctx;
	uint64_t soon_us = clock_now_us() + TOGETHER_US;

	for (size_t i = 0; i < ENGINE_DAEMONS; i++) {
		struct engine_daemon *daemon = &engine->daemons[i];

		if (daemon->due_us == 0 || daemon->due_us > soon_us)
			continue;
		daemon->due_us = 0;
		daemon->begun_us = clock_now_us();
		engine_probe_start(&daemon->probe);
	}
	judge_all(engine);
	if (engine->tick)
		engine->tick(engine->ctx);
}

static void arm(struct engine *engine)
{
	uint64_t at_us = 0;

	for (size_t i = 0; i < ENGINE_DAEMONS; i++) {
		uint64_t due_us = engine->daemons[i].due_us;

		if (due_us != 0 && (at_us == 0 || due_us < at_us))
			at_us = due_us;
	}
	if (at_us == 0)
		loop_timer_cancel(engine->loop, &engine->timer);
	else
		loop_timer_set(engine->loop, &engine->timer, at_us, on_engine_timer, engine);
}

static void judge_all(struct engine *engine)
{
	const struct facts_engine before = engine->facts->engine;

	for (size_t i = 0; i < ENGINE_DAEMONS; i++)
		judge(&engine->daemons[i]);
	sum_up(&engine->facts->engine);
	arm(engine);
	if (!engine->updating && !same_facts(&before, &engine->facts->engine))
		engine->changed(engine->ctx);
}

void engine_init(struct engine *engine, struct loop *loop, const struct engine_options *options,
	struct facts *facts, engine_change_fn *changed, engine_restart_fn *fn, void *ctx)
{
	static const struct engine_question *const questions[] = {
		[ENGINE_DOCKERD] = &engine_question_dockerd,
		[ENGINE_CONTAINERD] = &engine_question_containerd,
	};
	/* So that as many missed probes as make a verdict fit into the time that makes it. */
	uint64_t deadline_ms = options->policy.hung_after_us / ENGINE_POLICY_MISSES / USEC_PER_MSEC;

	if (deadline_ms > ENGINE_DEADLINE_MS)
		deadline_ms = ENGINE_DEADLINE_MS;
	*engine = (struct engine){.loop = loop,
		.facts = facts,
		.policy = options->policy,
		.changed = changed,
		.restart = fn,
		.ctx = ctx};
	for (size_t i = 0; i < ENGINE_DAEMONS; i++) {
		struct engine_daemon *daemon = &engine->daemons[i];

		daemon->engine = engine;
		daemon->id = (enum engine_daemon_id)i;
		engine_probe_init(&daemon->probe, loop, &options->address[i], questions[i],
			(unsigned int)deadline_ms, on_probe, daemon);
	}
}

void engine_ask_through(struct engine *engine, engine_dial_fn *dial, void *ctx)
{
	engine->daemons[ENGINE_DOCKERD].probe.dial = dial;
	engine->daemons[ENGINE_DOCKERD].probe.dial_ctx = ctx;
}

void engine_update(struct engine *engine)
{
	for (size_t i = 0; i < ENGINE_DAEMONS; i++) {
		struct engine_daemon *daemon = &engine->daemons[i];
		const struct control_service *service =
			facts_find_service(engine->facts, engine_daemon_unit(daemon->id));
		bool active = service && (service->state == SERVICE_STATE_ACTIVE ||
						 service->state == SERVICE_STATE_RELOADING);
		/* ready_us changes with every restart, also with one that fell between two pictures. */
		uint64_t life_us = active ? service->ready_us | 1 : 0;

		if (life_us != daemon->life_us)
			begin_life(daemon, life_us);
	}
	engine->updating = true;
	judge_all(engine);
	engine->updating = false;
}

void engine_kick(struct engine *engine)
{
	uint64_t now_us = clock_now_us();

	for (size_t i = 0; i < ENGINE_DAEMONS; i++) {
		struct engine_daemon *daemon = &engine->daemons[i];

		if (daemon->due_us > now_us && now_us - daemon->seen.probed_us >= FRESH_US)
			daemon->due_us = now_us;
	}
	arm(engine);
}

void engine_stop(struct engine *engine)
{
	for (size_t i = 0; i < ENGINE_DAEMONS; i++)
		begin_life(&engine->daemons[i], 0);
	loop_timer_cancel(engine->loop, &engine->timer);
}
