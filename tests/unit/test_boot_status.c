/* SPDX-License-Identifier: MIT
 *
 * test_boot_status.c - one word for the whole system: every single cause, and which one wins.
 */
#include <string.h>

#include "init/boot_status.h"
#include "init/stage.h"
#include "tests/unit/unit_test.h"

static struct init init;
static char reason[CONTROL_REASON_MAX];

/* A system that is up: every stage done, three services running. */
static int setup(void **state)
{
	static const char *const names[] = {"a.service", "b.service", "c.service"};

	(void)state;
	memset(&init, 0, sizeof(init));
	stage_init_all(&init);
	for (unsigned int i = 0; i < STAGE_COUNT; i++) {
		init.stages[i].record.state = STAGE_STATE_DONE;
		init.stages[i].record.start_us = 1;
		init.stages[i].record.end_us = 2;
	}
	init.service_count = ARRAY_SIZE(names);
	for (unsigned int i = 0; i < init.service_count; i++) {
		strcpy(init.services[i].unit.name, names[i]);
		init.services[i].sm.state = SERVICE_STATE_ACTIVE;
		init.services[i].sm.wanted = true;
	}
	return 0;
}

static enum boot_state status(void)
{
	memset(reason, 'x', sizeof(reason));
	return boot_status(&init, reason, sizeof(reason));
}

static void assert_status(enum boot_state state, const char *why)
{
	assert_int_equal(status(), state);
	assert_string_equal(reason, why);
}

static void test_running(void **state)
{
	(void)state;
	assert_status(BOOT_STATE_RUNNING, "");
}

/* The stages inside PID 1 are waited for; helpers and services are not (see boot_status.h). */
static void test_stages_of_pid_1_are_waited_for(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < STAGE_COUNT; i++) {
		bool waited = i <= STAGE_MEMORY;

		init.stages[i].record.state = STAGE_STATE_RUNNING;
		init.stages[i].record.end_us = 0;
		assert_status(waited ? BOOT_STATE_STARTING : BOOT_STATE_RUNNING,
			waited ? init.stages[i].record.name : "");
		init.stages[i].record.end_us = 2;
	}
}

static void test_a_failed_stage_degrades(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < STAGE_COUNT; i++) {
		init.stages[i].record.state = i % 2 ? STAGE_STATE_FAILED : STAGE_STATE_DEGRADED;
		strcpy(init.stages[i].record.reason, "why");
		assert_int_equal(status(), BOOT_STATE_DEGRADED);
		assert_int_equal(strncmp(reason, init.stages[i].record.name,
					 strlen(init.stages[i].record.name)),
			0);
		assert_string_equal(reason + strlen(reason) - 5, ": why");
		init.stages[i].record.state = STAGE_STATE_SKIPPED;
		assert_status(BOOT_STATE_RUNNING, "");
	}
}

static void test_a_failed_service_degrades(void **state)
{
	(void)state;
	init.services[1].sm.state = SERVICE_STATE_FAILED;
	strcpy(init.services[1].record.reason, "died too often");
	assert_status(BOOT_STATE_DEGRADED, "b.service: died too often");
	for (unsigned int s = 0; s < SERVICE_STATE_FAILED; s++) {
		init.services[1].sm.state = (enum service_state)s;
		assert_status(BOOT_STATE_RUNNING, "");
	}
}

static void test_which_cause_wins(void **state)
{
	(void)state;
	/* Something failed while the boot goes on: say that. */
	init.stages[STAGE_MEMORY].record.end_us = 0;
	init.services[0].sm.state = SERVICE_STATE_FAILED;
	assert_status(BOOT_STATE_DEGRADED, "a.service: ");
	/* A stage before a service: it is nearer to the cause. */
	init.stages[STAGE_DISK].record.state = STAGE_STATE_FAILED;
	assert_status(BOOT_STATE_DEGRADED, "disk: ");
	/* Why there are no services at all. */
	strcpy(init.rescue, "stage mounts failed: x");
	assert_status(BOOT_STATE_DEGRADED, "stage mounts failed: x");
	for (unsigned int s = SHUTDOWN_SERVICES; s <= SHUTDOWN_END; s++) {
		init.shutdown = (enum shutdown_phase)s;
		assert_status(BOOT_STATE_STOPPING, "shutting down");
	}
	strcpy(init.crash, "PID 1 crashed: SIGSEGV");
	assert_status(BOOT_STATE_STOPPING, "PID 1 crashed: SIGSEGV");
}

static void test_long_reasons_fit(void **state)
{
	(void)state;
	init.services[2].sm.state = SERVICE_STATE_FAILED;
	memset(init.services[2].record.reason, 'r', sizeof(init.services[2].record.reason) - 1);
	assert_int_equal(status(), BOOT_STATE_DEGRADED);
	assert_in_range(strlen(reason), 150, sizeof(reason) - 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_running, setup),
	cmocka_unit_test_setup(test_stages_of_pid_1_are_waited_for, setup),
	cmocka_unit_test_setup(test_a_failed_stage_degrades, setup),
	cmocka_unit_test_setup(test_a_failed_service_degrades, setup),
	cmocka_unit_test_setup(test_which_cause_wins, setup),
	cmocka_unit_test_setup(test_long_reasons_fit, setup),
};

UNIT_TEST_MAIN(tests)
