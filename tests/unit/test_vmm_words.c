/* SPDX-License-Identifier: MIT
 *
 * test_vmm_words.c - a boot, a degraded one, a way down: what the monitor is told, in which order, and each thing once.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/vmm_words.h"

static struct facts facts;
static struct health health;
static struct vmm_identity identity;
static struct vmm_said said;

static int set_up(void **state)
{
	static const char *const stages[] = {
		"console", "mounts", "cgroup", "memory", "modules", "disk", "net", "services"};

	(void)state;
	memset(&facts, 0, sizeof(facts));
	memset(&health, 0, sizeof(health));
	memset(&identity, 0, sizeof(identity));
	memset(&said, 0, sizeof(said));
	facts.boot_known = true;
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		strcpy(facts.stages[i].name, stages[i]);
	strcpy(health.reason, "booting");
	return 0;
}

static void set_stages(size_t first, size_t end, enum stage_state state)
{
	for (size_t i = first; i < end; i++)
		facts.stages[i].state = (uint8_t)state;
}

static void set_service(size_t place, const char *name, enum service_state state)
{
	(void)snprintf(facts.services[place].name, CONTROL_NAME_MAX, "%s", name);
	facts.services[place].state = (uint8_t)state;
}

static void set_health(enum health_status status, const char *reason)
{
	health.status = status;
	(void)snprintf(health.reason, sizeof(health.reason), "%s", reason);
}

static void expect(const char *const *messages, size_t count)
{
	char text[VMM_WORDS_MAX];

	for (size_t i = 0; i < count; i++) {
		assert_true(vmm_words_next(&facts, &health, &identity, &said, text));
		assert_string_equal(text, messages[i]);
	}
	assert_false(vmm_words_next(&facts, &health, &identity, &said, text));
}

#define EXPECT(...)                                                   \
	do {                                                          \
		static const char *const messages_[] = {__VA_ARGS__}; \
		expect(messages_, ARRAY_SIZE(messages_));             \
	} while (0)

#define ACTIVE   "X_SYSTEMD_UNIT_ACTIVE="
#define INACTIVE "X_SYSTEMD_UNIT_INACTIVE="

static void test_nothing_is_known(void **state)
{
	(void)state;
	facts.boot_known = false;
	strcpy(identity.hostname, "keel");
	expect(NULL, 0);
}

static void test_a_boot(void **state)
{
	(void)state;
	strcpy(identity.hostname, "keel");
	strcpy(identity.machine_id, "0123456789abcdef0123456789abcdef");
	set_stages(0, 4, STAGE_STATE_DONE);
	set_service(0, "keel-agent.service", SERVICE_STATE_ACTIVE);
	EXPECT("X_SYSTEMD_MACHINE_ID=0123456789abcdef0123456789abcdef", "X_SYSTEMD_HOSTNAME=keel",
		ACTIVE "keel-agent.service", "STATUS=starting: booting");
	set_stages(4, 5, STAGE_STATE_DEGRADED); /* a module is missing: good enough */
	EXPECT(ACTIVE "sysinit.target");
	set_stages(5, 6, STAGE_STATE_DONE);
	EXPECT(ACTIVE "local-fs.target");
	set_stages(6, 7, STAGE_STATE_DONE);
	set_service(3, "docker.service", SERVICE_STATE_STARTING);
	EXPECT(ACTIVE "network.target", ACTIVE "network-online.target", ACTIVE "basic.target");
	set_service(3, "docker.service", SERVICE_STATE_ACTIVE);
	set_stages(7, 8, STAGE_STATE_DONE);
	set_health(HEALTH_STATUS_READY, "");
	EXPECT(ACTIVE "docker.service", "READY=1\nSTATUS=Ready.", ACTIVE "multi-user.target");
	/* A reload is no end; a crash and its restart are one. */
	set_service(3, "docker.service", SERVICE_STATE_RELOADING);
	expect(NULL, 0);
	set_service(3, "docker.service", SERVICE_STATE_BACKOFF);
	set_health(HEALTH_STATUS_STARTING, "docker.service is starting");
	EXPECT(INACTIVE "docker.service", "STATUS=starting: docker.service is starting");
	set_service(3, "docker.service", SERVICE_STATE_ACTIVE);
	set_health(HEALTH_STATUS_READY, "");
	EXPECT(ACTIVE "docker.service", "STATUS=Ready.");
	/* The way down. */
	facts.boot.state = BOOT_STATE_STOPPING;
	set_health(HEALTH_STATUS_STOPPING, "shutting down");
	EXPECT("STATUS=stopping: shutting down", INACTIVE "multi-user.target",
		ACTIVE "shutdown.target");
}

static void test_without_its_disk(void **state)
{
	(void)state;
	set_stages(0, 6, STAGE_STATE_DONE);
	set_stages(5, 6, STAGE_STATE_FAILED);
	set_stages(7, 8, STAGE_STATE_RUNNING);
	set_service(0, "docker.service", SERVICE_STATE_WAITING);
	set_service(1, "late.service", SERVICE_STATE_STARTING);
	set_health(HEALTH_STATUS_DEGRADED, "no disk");
	EXPECT(ACTIVE "sysinit.target", "STATUS=degraded: no disk");
	set_stages(6, 7, STAGE_STATE_SKIPPED);
	EXPECT(ACTIVE "network.target", ACTIVE "network-online.target", ACTIVE "basic.target");
	/* Whoever starts is waited for, whoever waits for the disk is not. */
	set_service(1, "late.service", SERVICE_STATE_ACTIVE);
	EXPECT(ACTIVE "late.service", "READY=1\nSTATUS=degraded: no disk");
	/* It comes late. */
	set_stages(5, 6, STAGE_STATE_DONE);
	set_stages(7, 8, STAGE_STATE_DONE);
	set_service(0, "docker.service", SERVICE_STATE_ACTIVE);
	set_health(HEALTH_STATUS_READY, "");
	EXPECT(ACTIVE "local-fs.target", ACTIVE "docker.service", "STATUS=Ready.",
		ACTIVE "multi-user.target");
}

/* Each of the stages that a target stands for, missing or failed. */
static void test_targets_need_their_stages(void **state)
{
	static const struct {
		size_t stage;
		const char *lacks; /* the first target that is not told, in the order of all */
	} cases[] = {{0, "sysinit.target"}, {1, "sysinit.target"}, {2, "sysinit.target"},
		{3, "sysinit.target"}, {4, "sysinit.target"}, {5, "local-fs.target"},
		{6, "network.target"}, {7, "multi-user.target"}};
	static const enum stage_state bad[] = {
		STAGE_STATE_PENDING, STAGE_STATE_RUNNING, STAGE_STATE_FAILED};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(bad); j++) {
			char text[VMM_WORDS_MAX], told[1024] = "";

			(void)set_up(state);
			set_stages(0, 8, STAGE_STATE_DONE);
			set_stages(cases[i].stage, cases[i].stage + 1, bad[j]);
			while (vmm_words_next(&facts, &health, &identity, &said, text))
				strcat(strcat(told, text), " ");
			assert_null(strstr(told, cases[i].lacks));
			assert_int_equal(strstr(told, "READY=1") != NULL,
				cases[i].stage != 7 || bad[j] == STAGE_STATE_FAILED);
			assert_int_equal(strstr(told, "multi-user.target") != NULL,
				cases[i].stage != 7);
			/* Which failed does not matter to basic.target, but that it is over. */
			assert_int_equal(strstr(told, "basic.target") != NULL,
				cases[i].stage == 7 ||
					(cases[i].stage > 4 && bad[j] == STAGE_STATE_FAILED));
		}
	}
	/* A PID 1 that has no such stage. */
	(void)set_up(state);
	set_stages(0, 8, STAGE_STATE_DONE);
	facts.stages[0].name[0] = '\0';
	EXPECT(ACTIVE "local-fs.target", ACTIVE "network.target", ACTIVE "network-online.target",
		"READY=1\nSTATUS=starting: booting", ACTIVE "multi-user.target");
}

/* After a daemon-reload a place in the table is another service's, or nobody's. */
static void test_places_change_hands(void **state)
{
	(void)state;
	set_service(0, "a.service", SERVICE_STATE_ACTIVE);
	set_service(1, "b.service", SERVICE_STATE_ACTIVE);
	EXPECT(ACTIVE "a.service", ACTIVE "b.service", "STATUS=starting: booting");
	set_service(0, "c.service", SERVICE_STATE_ACTIVE);
	memset(&facts.services[1], 0, sizeof(facts.services[1]));
	EXPECT(INACTIVE "a.service", ACTIVE "c.service", INACTIVE "b.service");
	facts.services[1].state = SERVICE_STATE_ACTIVE; /* without a name it is none */
	expect(NULL, 0);
}

static void test_the_longest_status_fits(void **state)
{
	char text[VMM_WORDS_MAX];

	(void)state;
	memset(health.reason, 'x', sizeof(health.reason) - 1);
	health.status = HEALTH_STATUS_DEGRADED;
	set_stages(0, 8, STAGE_STATE_SKIPPED);
	for (;;) {
		assert_true(vmm_words_next(&facts, &health, &identity, &said, text));
		if (strncmp(text, "READY=1", 7) == 0)
			break;
	}
	assert_int_equal(strlen(text),
		strlen("READY=1\nSTATUS=degraded: ") + sizeof(health.reason) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing_is_known, set_up),
		cmocka_unit_test_setup(test_a_boot, set_up),
		cmocka_unit_test_setup(test_without_its_disk, set_up),
		cmocka_unit_test_setup(test_targets_need_their_stages, set_up),
		cmocka_unit_test_setup(test_places_change_hands, set_up),
		cmocka_unit_test_setup(test_the_longest_status_fits, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
