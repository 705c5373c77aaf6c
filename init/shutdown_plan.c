/* SPDX-License-Identifier: MIT
 *
 * shutdown_plan.c - see shutdown_plan.h. A table of wishes and shares; the tests walk through all of it.
 */
#include "init/shutdown_plan.h"

#include "lib/clock.h"

#define STUCK_MAX_US (10 * USEC_PER_SEC)
#define PERMILLE     1000

static const struct {
	uint64_t wish_us;   /* as long as it is worth waiting; services: see wish_of() */
	unsigned int share; /* of the grace, permille: left to it whatever comes before */
} phases[] = {
	[SHUTDOWN_SERVICES] = {0, 660}, /* 16.5 s of 25: a container has 10 s (docker stop) */
	[SHUTDOWN_KEEL] = {5 * USEC_PER_SEC, 40},
	[SHUTDOWN_GROUPS] = {2 * USEC_PER_SEC, 80},
	[SHUTDOWN_PROCESSES] = {2 * USEC_PER_SEC, 40},
	[SHUTDOWN_KILLED] = {2 * USEC_PER_SEC, 20},
	[SHUTDOWN_UNMOUNT] = {120 * USEC_PER_SEC, 160},
};

/* Between SIGTERM and SIGKILL: what docker stop gives a container. */
#define CONTAINERS_US (10 * USEC_PER_SEC)

_Static_assert(ARRAY_SIZE(phases) == SHUTDOWN_END, "a row for each phase that expires");

struct shutdown_plan shutdown_plan_make(enum boot_mode mode, const struct config *config,
	uint64_t now_us)
{
	return (struct shutdown_plan){
		.start_us = now_us,
		.shutdown_s = config->boot.shutdown_s,
		.grace_s = mode == BOOT_MODE_WSL ? config->boot.grace_s : 0,
	};
}

static uint64_t wish_of(const struct shutdown_plan *plan, enum shutdown_phase phase,
	uint64_t now_us)
{
	uint64_t services_end = plan->start_us + plan->shutdown_s * USEC_PER_SEC;

	if (phase == SHUTDOWN_SERVICES)
		return plan->shutdown_s * USEC_PER_SEC;
	if (phase == SHUTDOWN_GROUPS && plan->patient)
		return CONTAINERS_US;
	/* What the services have left: the agent tells the host to the end. */
	if (phase == SHUTDOWN_KEEL && services_end > now_us + phases[phase].wish_us)
		return services_end - now_us;
	return phases[phase].wish_us;
}

static uint64_t share_of(const struct shutdown_plan *plan, unsigned int permille)
{
	return plan->grace_s * USEC_PER_SEC * permille / PERMILLE;
}

uint64_t shutdown_plan_end(const struct shutdown_plan *plan, enum shutdown_phase phase,
	uint64_t now_us)
{
	uint64_t end, latest, least;
	unsigned int later = 0;

	if (phase == SHUTDOWN_NONE || phase == SHUTDOWN_END)
		return UINT64_MAX;
	end = now_us + wish_of(plan, phase, now_us);
	if (plan->grace_s == 0)
		return end;
	for (unsigned int i = phase + 1; i < SHUTDOWN_END; i++)
		later += phases[i].share;
	latest = plan->start_us + share_of(plan, PERMILLE - later);
	/* Its own share also when the clock leapt over it (a host that slept meanwhile). */
	least = now_us + share_of(plan, phases[phase].share);
	if (latest < least)
		latest = least;
	return end < latest ? end : latest;
}

uint64_t shutdown_plan_stuck(uint64_t left_us)
{
	return left_us / 3 < STUCK_MAX_US ? left_us / 3 : STUCK_MAX_US;
}
