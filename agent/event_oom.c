/* SPDX-License-Identifier: MIT
 *
 * event_oom.c - see event_oom.h. Caller: event_watch.c.
 */
#include "agent/event_oom.h"

#include "agent/common/document_memory.h"
#include "agent/event_json.h"

static void add_kill(const struct event_json *json, const struct memory_oom_kill *kill)
{
	document_add_ms(json->doc, json->root, "killed_ms", kill->at_us);
	(void)yyjson_mut_obj_add_str(json->doc, json->root, "process", kill->process);
	(void)yyjson_mut_obj_add_int(json->doc, json->root, "pid", kill->pid);
	(void)yyjson_mut_obj_add_bool(json->doc, json->root, "global", kill->global);
	(void)yyjson_mut_obj_add_str(json->doc, json->root, "group", kill->group);
	(void)yyjson_mut_obj_add_str(json->doc, json->root, "container", kill->container);
	(void)yyjson_mut_obj_add_str(json->doc, json->root, "container_id", kill->container_id);
}

static void on_refill(struct loop_timer *timer)
{
	event_oom_update(timer->ctx);
}

/* With `kill` NULL only what was left out is told. False: not now, and all that waits is looked at again when it may be. */
static bool tell(struct event_oom *oom, const struct memory_oom_kill *kill)
{
	struct event_json json;

	if (!event_flood_take(&oom->flood, clock_now_us())) {
		loop_timer_set(oom->events->loop, &oom->refill, event_flood_next_us(&oom->flood),
			on_refill, oom);
		return false;
	}
	event_json_begin(&json);
	if (kill)
		add_kill(&json, kill);
	if (oom->flood.left_out > 0)
		(void)yyjson_mut_obj_add_uint(json.doc, json.root, "left_out", oom->flood.left_out);
	event_json_end(&json, oom->events, EVENT_OOM);
	oom->flood.left_out = 0;
	return true;
}

/* The list is newest first. NULL: it was pushed out. */
static const struct memory_oom_kill *find(const struct event_oom *oom, uint64_t number)
{
	uint64_t age = oom->seen->oom_kills - number;

	return age < oom->seen->oom_kept ? &oom->seen->oom_kill[age] : NULL;
}

static bool lacks_name(const struct memory_oom_kill *kill)
{
	return kill->container_id[0] && !kill->container[0];
}

static void on_patience_over(struct loop_timer *timer)
{
	struct event_oom *oom = timer->ctx;

	oom->patient = false;
	event_oom_update(oom);
}

static void tell_late_names(struct event_oom *oom)
{
	for (size_t i = 0; i < ARRAY_SIZE(oom->nameless); i++) {
		const struct memory_oom_kill *kill =
			oom->nameless[i] > 0 ? find(oom, oom->nameless[i]) : NULL;

		if (kill && lacks_name(kill))
			continue;
		if (!kill || tell(oom, kill))
			oom->nameless[i] = 0;
	}
}

void event_oom_update(struct event_oom *oom)
{
	tell_late_names(oom);
	while (oom->told < oom->seen->oom_kills) {
		uint64_t number = oom->told + 1;
		const struct memory_oom_kill *kill = find(oom, number);

		if (kill && lacks_name(kill) && oom->patient) {
			if (oom->timer.at_us == 0)
				loop_timer_set(oom->events->loop, &oom->timer,
					clock_now_us() + EVENT_OOM_PATIENCE_US, on_patience_over,
					oom);
			return;
		}
		if (!kill || !tell(oom, kill))
			oom->flood.left_out++;
		else if (lacks_name(kill))
			oom->nameless[number % MEMORY_OOM_KILLS] = number;
		oom->told = number;
	}
	if (oom->flood.left_out > 0)
		(void)!tell(oom, NULL);
	loop_timer_cancel(oom->events->loop, &oom->timer);
	oom->patient = true;
}

void event_oom_init(struct event_oom *oom, struct events *events, const struct memory_seen *seen)
{
	*oom = (struct event_oom){.events = events, .seen = seen, .patient = true};
	event_flood_init(&oom->flood, clock_now_us());
}

void event_oom_stop(struct event_oom *oom)
{
	loop_timer_cancel(oom->events->loop, &oom->timer);
	loop_timer_cancel(oom->events->loop, &oom->refill);
}
