/* SPDX-License-Identifier: MIT
 *
 * event_kernel.c - see event_kernel.h. Caller: event_watch.c.
 */
#include "agent/event_kernel.h"

#include <string.h>

#include "agent/common/document_memory.h"
#include "agent/common/facts.h"
#include "agent/event_json.h"
#include "lib/log.h"

/* With `error` NULL only what was left out is told. */
static void tell(struct event_kernel *kernel, const struct kernel_error *error)
{
	struct event_json json;

	event_json_begin(&json);
	if (error) {
		(void)yyjson_mut_obj_add_str(json.doc, json.root, "level",
			kernel_error_level_name(error->level));
		document_add_ms(json.doc, json.root, "log_ms", error->at_us);
		(void)yyjson_mut_obj_add_str(json.doc, json.root, "text", error->text);
	}
	if (kernel->flood.left_out > 0)
		(void)yyjson_mut_obj_add_uint(json.doc, json.root, "left_out",
			kernel->flood.left_out);
	if (kernel->overwritten > 0)
		(void)yyjson_mut_obj_add_uint(json.doc, json.root, "overwritten",
			kernel->overwritten);
	event_json_end(&json, kernel->events, EVENT_KERNEL);
	kernel->flood.left_out = kernel->overwritten = 0;
}

static void on_refill(struct loop_timer *timer)
{
	event_kernel_take(timer->ctx, NULL, 0, clock_now_us());
}

/* The log is read to its end for now. What was left out is told as soon as there is a token, with or without a message. */
static void settle(struct event_kernel *kernel, uint64_t now_us)
{
	if (kernel->flood.left_out == 0 && kernel->overwritten == 0)
		return;
	if (event_flood_take(&kernel->flood, now_us))
		tell(kernel, NULL);
	else
		loop_timer_set(kernel->events->loop, &kernel->timer,
			event_flood_next_us(&kernel->flood), on_refill, kernel);
}

static void follow_sequence(struct event_kernel *kernel, uint64_t sequence)
{
	if (kernel->begun && sequence > kernel->sequence)
		kernel->overwritten += sequence - kernel->sequence;
	kernel->begun = true;
	kernel->sequence = sequence + 1;
}

void event_kernel_take(struct event_kernel *kernel, const char *record, size_t len, uint64_t now_us)
{
	struct kernel_error error;
	uint64_t sequence;

	if (!record) {
		settle(kernel, now_us);
		return;
	}
	if (kernel_message_sequence(record, len, &sequence))
		follow_sequence(kernel, sequence);
	if (!kernel_message_error(record, len, &error))
		return;
	if (!event_flood_take(&kernel->flood, now_us)) {
		kernel->flood.left_out++;
		return;
	}
	text_sanitize(error.text);
	tell(kernel, &error);
}

static void on_record(void *ctx, const char *record, size_t len)
{
	event_kernel_take(ctx, record, len, clock_now_us());
}

void event_kernel_init(struct event_kernel *kernel, struct events *events)
{
	*kernel = (struct event_kernel){.events = events};
	event_flood_init(&kernel->flood, clock_now_us());
}

void event_kernel_start(struct event_kernel *kernel)
{
	int rc = kmsg_reader_start(&kernel->kmsg, kernel->events->loop, on_record, kernel);

	if (rc < 0)
		log_info("the kernel's log: %s; its errors are no events", strerror(-rc));
}

void event_kernel_stop(struct event_kernel *kernel)
{
	loop_timer_cancel(kernel->events->loop, &kernel->timer);
	kmsg_reader_stop(&kernel->kmsg);
}
