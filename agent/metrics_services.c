/* SPDX-License-Identifier: MIT
 *
 * metrics_services.c - see metrics_services.h. Caller: metrics.c.
 */
#include "agent/metrics_services.h"

#include <string.h>

#include "agent/common/health.h"

static uint64_t is_up(const struct control_service *service)
{
	return service->state == SERVICE_STATE_ACTIVE || service->state == SERVICE_STATE_RELOADING;
}

static uint64_t is_wanted(const struct control_service *service)
{
	return service->wanted != 0;
}

static uint64_t is_failed(const struct control_service *service)
{
	return service->state == SERVICE_STATE_FAILED;
}

static uint64_t restarts(const struct control_service *service)
{
	return service->restarts;
}

static void put_each(struct metrics_text *text, const struct facts *facts)
{
	static const struct {
		const char *name, *type, *help;
		uint64_t (*value)(const struct control_service *);
	} fields[] = {
		{"keel_service_up", "gauge", "1 if the service is up: active or reloading.", is_up},
		{"keel_service_wanted", "gauge", "1 if it should be up.", is_wanted},
		{"keel_service_failed", "gauge", "1 if it was given up.", is_failed},
		{"keel_service_restarts_total", "counter", "Automatic restarts since boot.",
			restarts},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		metrics_put_head(text, fields[i].name, fields[i].type, fields[i].help);
		for (size_t k = 0; k < CONTROL_SERVICES_MAX; k++)
			if (facts->services[k].name[0])
				metrics_put_sample(text, fields[i].name, "name",
					facts->services[k].name,
					fields[i].value(&facts->services[k]));
	}
}

static void put_counts(struct metrics_text *text, const struct facts *facts)
{
	static const char name[] = "keel_services";
	uint64_t counts[SERVICE_STATE_FAILED + 1] = {0};

	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++)
		if (facts->services[i].name[0] && facts->services[i].state < ARRAY_SIZE(counts))
			counts[facts->services[i].state]++;
	metrics_put_head(text, name, "gauge", "How many services are in each state.");
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++)
		metrics_put_sample(text, name, "state", service_state_name(i), counts[i]);
}

static bool has_services(const struct facts *facts)
{
	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++)
		if (facts->services[i].name[0])
			return true;
	return false;
}

static bool is_over(const struct control_stage *stage)
{
	return stage->name[0] && stage->end_us > 0 && stage->end_us >= stage->start_us;
}

static void put_stages(struct metrics_text *text, const struct facts *facts)
{
	static const char name[] = "keel_boot_stage_seconds";
	bool headed = false;

	for (size_t i = 0; i < CONTROL_STAGES_MAX; i++) {
		const struct control_stage *stage = &facts->stages[i];
		const struct metrics_label labels[] = {
			{"stage", stage->name}, {"state", stage_state_name(stage->state)}};
		uint64_t us = stage->end_us - stage->start_us;

		if (!is_over(stage))
			continue;
		if (!headed)
			metrics_put_head(text, name, "gauge",
				"How long a stage of the boot took that is over.");
		headed = true;
		metrics_put_labels(text, name, labels, ARRAY_SIZE(labels));
		metrics_put(text, " %llu.%06llu\n", (unsigned long long)(us / 1000000),
			(unsigned long long)(us % 1000000));
	}
	if (facts->boot_known)
		metrics_put_seconds(text, "keel_boot_init_seconds", "gauge",
			"From the kernel's start to the first instruction of PID 1.",
			facts->boot.start_us);
}

static void put_engine(struct metrics_text *text, const struct facts_engine *engine)
{
	static const char up[] = "keel_engine_up", restarted[] = "keel_engine_restarts_total";

	metrics_put_head(text, up, "gauge", "1 if the daemon answered its last question.");
	for (size_t i = 0; i < ENGINE_DAEMONS; i++)
		metrics_put_sample(text, up, "daemon", engine_daemon_name((enum engine_daemon_id)i),
			engine->daemons[i].known && engine->daemons[i].state == DAEMON_STATE_READY);
	metrics_put_head(text, restarted, "counter",
		"Restarts of a daemon that did not answer, since the agent started.");
	for (size_t i = 0; i < ENGINE_DAEMONS; i++)
		metrics_put_sample(text, restarted, "daemon",
			engine_daemon_name((enum engine_daemon_id)i), engine->daemons[i].restarts);
}

static void put_health(struct metrics_text *text, const struct facts *facts)
{
	static const char name[] = "keel_status";
	struct health health;

	health_judge(facts, &health);
	metrics_put_number(text, "keel_ready", "gauge", "1 if the engine can be used.",
		health.ready);
	metrics_put_head(text, name, "gauge", "1 for the status of health.");
	for (int i = HEALTH_STATUS_STARTING; i <= HEALTH_STATUS_STOPPING; i++)
		metrics_put_sample(text, name, "status", health_status_name((enum health_status)i),
			i == (int)health.status);
}

void metrics_put_services(struct metrics_text *text, const struct facts *facts)
{
	put_health(text, facts);
	put_engine(text, &facts->engine);
	put_stages(text, facts);
	if (has_services(facts)) {
		put_counts(text, facts);
		put_each(text, facts);
	}
}
