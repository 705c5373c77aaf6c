/* SPDX-License-Identifier: MIT
 *
 * metrics_clock.c - see metrics_clock.h. Caller: metrics.c. node_timex_* as node-exporter's timex collector has them.
 */
#include "agent/metrics_clock.h"

#include "agent/common/clock_policy.h"

#define MICRO 1e-6

static void put_signed(struct metrics_text *text, const char *name, const char *help, int64_t us)
{
	metrics_put_head(text, name, "gauge", help);
	metrics_put(text, "%s %.6f\n", name, (double)us * MICRO);
}

static void put_kernel(struct metrics_text *text, const struct clock_kernel *kernel)
{
	metrics_put_number(text, "node_timex_sync_status", "gauge",
		"1 while an NTP daemon calls the clock synchronised.", kernel->synchronised);
	put_signed(text, "node_timex_offset_seconds",
		"What the kernel still has to correct for the NTP daemon.", kernel->offset_us);
	metrics_put_seconds(text, "node_timex_maxerror_seconds", "gauge",
		"The maximum error, as the NTP daemon and the kernel reckon it.",
		kernel->max_error_us);
	metrics_put_seconds(text, "node_timex_estimated_error_seconds", "gauge",
		"The error that the NTP daemon estimates.", kernel->est_error_us);
}

static void put_words(struct metrics_text *text, const struct clock_seen *seen)
{
	static const char by[] = "keel_clock_disciplined_by", source[] = "keel_clock_source";

	metrics_put_head(text, by, "gauge", "1 for who keeps the clock right.");
	for (int i = CLOCK_DISCIPLINE_NOBODY; i <= CLOCK_DISCIPLINE_OTHER; i++)
		metrics_put_sample(text, by, "by", clock_discipline_name((enum clock_discipline)i),
			i == (int)seen->discipline);
	metrics_put_head(text, source, "gauge", "1 for what the clock is compared with.");
	for (int i = CLOCK_SOURCE_NONE; i <= CLOCK_SOURCE_RTC; i++)
		metrics_put_sample(text, source, "source", clock_source_name((enum clock_source)i),
			i == (int)seen->source);
}

void metrics_put_clock(struct metrics_text *text, const struct clock_seen *seen)
{
	if (!seen->known)
		return;
	if (seen->kernel.known)
		put_kernel(text, &seen->kernel);
	put_words(text, seen);
	if (seen->offset_source != CLOCK_SOURCE_NONE) {
		put_signed(text, "keel_clock_offset_seconds",
			"The reference minus the guest's clock, when it was measured last.",
			seen->offset_us);
		metrics_put_seconds(text, "keel_clock_offset_uncertainty_seconds", "gauge",
			"How sure that is.", seen->uncertainty_us);
	}
	metrics_put_number(text, "keel_clock_steps_total", "counter",
		"How often keel has stepped the clock since the agent started.", seen->steps);
	metrics_put_number(text, "keel_clock_set_by_others_total", "counter",
		"How often somebody else has set the clock since the agent started.",
		seen->jumps.count);
	metrics_put_number(text, "keel_clock_sleeps_total", "counter",
		"How often the machine was suspended or paused since the agent started.",
		seen->sleeps.count);
	metrics_put_seconds(text, "keel_clock_slept_seconds_total", "counter", "How long, in all.",
		seen->sleeps.total_us);
}
