/* SPDX-License-Identifier: MIT
 *
 * test_component.c - what component.h promises, on every combination of what the whole depends on; then the words, and since
 * when a state is what it is. tests/fuzz/fuzz_health.c checks the same promises on any facts.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "tests/lib/component_promises.h"

static struct facts facts;

static void set_stage(int index, const char *name, enum stage_state state)
{
	(void)snprintf(facts.stages[index].name, sizeof(facts.stages[index].name), "%s", name);
	facts.stages[index].state = (uint8_t)state;
}

static void set_service(int index, const char *name, enum service_state state, bool essential)
{
	struct control_service *service = &facts.services[index];

	(void)snprintf(service->name, sizeof(service->name), "%s", name);
	service->state = (uint8_t)state;
	service->wanted = 1;
	service->essential = essential;
}

enum { CONTAINERD, DOCKER, EXTRA };

/* A guest in which all is well. */
static void set_well(void)
{
	static const char *const stages[] = {"mounts", "memory", "disk", "net", "services"};

	memset(&facts, 0, sizeof(facts));
	facts.link = FACTS_LINK_UP;
	facts.boot_known = true;
	facts.boot.state = BOOT_STATE_RUNNING;
	facts.disk.state = DISK_STATE_MOUNTED;
	facts.memory_seen.known = true;
	facts.clock.known = true;
	facts.engine.state = ENGINE_STATE_READY;
	facts.engine.was_ready = true;
	for (size_t i = 0; i < ENGINE_DAEMONS; i++)
		facts.engine.daemons[i] =
			(struct facts_daemon){.known = true, .state = DAEMON_STATE_READY};
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		set_stage((int)i, stages[i], STAGE_STATE_DONE);
	set_service(CONTAINERD, "containerd.service", SERVICE_STATE_ACTIVE, true);
	set_service(DOCKER, "docker.service", SERVICE_STATE_ACTIVE, true);
	set_service(EXTRA, "keel-log.service", SERVICE_STATE_ACTIVE, false);
}

static int set_up(void **state)
{
	(void)state;
	set_well();
	return 0;
}

static void check(void)
{
	const char *broken = component_broken_promise(&facts);

	if (broken)
		fail_msg("%s: link %d boot %d disk %d services %d %d %d engine %d culprit %d",
			broken, (int)facts.link, facts.boot.state, facts.disk.state,
			facts.services[0].state, facts.services[1].state, facts.services[2].state,
			(int)facts.engine.state, (int)facts.engine.culprit);
}

static unsigned long vary_stages(void)
{
	unsigned long n = 0;

	for (int stage = 0; stage < 5; stage++)
		for (int value = 0; value <= STAGE_STATE_SKIPPED; value++) {
			facts.stages[stage].state = (uint8_t)value;
			check();
			facts.stages[stage].state = STAGE_STATE_DONE;
			n++;
		}
	return n;
}

static void test_every_boot(void **state)
{
	unsigned long n = 0;

	(void)state;
	for (int link = 0; link <= FACTS_LINK_LOST; link++)
		for (int boot = 0; boot <= BOOT_STATE_STOPPING; boot++)
			for (int disk = 0; disk <= DISK_STATE_RESCUE + 1; disk++)
				for (int bits = 0; bits < 4; bits++) {
					facts.link = (enum facts_link)link;
					facts.boot.state = (uint8_t)boot;
					facts.disk.state = (uint8_t)disk;
					facts.agent_stopping = (bits & 1) != 0;
					facts.boot_known = (bits & 2) != 0;
					facts.memory_seen.known = bits != 3;
					n += vary_stages();
				}
	assert_int_equal(n, 3UL * 4 * 9 * 4 * 30);
}

static void test_every_service(void **state)
{
	unsigned long n = 0;

	(void)state;
	for (int a = 0; a <= SERVICE_STATE_FAILED; a++)
		for (int b = 0; b <= SERVICE_STATE_FAILED; b++)
			for (int bits = 0; bits < 64; bits++) {
				facts.services[(bits & 1) ? DOCKER : EXTRA].state = (uint8_t)a;
				facts.services[CONTAINERD].state = (uint8_t)b;
				facts.services[DOCKER].essential = (bits & 2) != 0;
				facts.services[DOCKER].wanted = (bits & 4) != 0;
				facts.services[EXTRA].essential = (bits & 8) != 0;
				facts.services[CONTAINERD].restarts = (bits & 16) != 0;
				facts.engine.state =
					(bits & 32) ? ENGINE_STATE_READY : ENGINE_STATE_UNKNOWN;
				check();
				set_well();
				n++;
			}
	assert_int_equal(n, 8UL * 8 * 64);
}

static unsigned long vary_engine(void)
{
	unsigned long n = 0;

	for (int engine = 0; engine <= ENGINE_STATE_UNREACHABLE + 1; engine++)
		for (int culprit = 0; culprit < ENGINE_DAEMONS; culprit++)
			for (int daemon = 0; daemon <= DAEMON_STATE_FAILED; daemon++)
				for (int bits = 0; bits < 4; bits++) {
					facts.engine.state = (enum engine_state)engine;
					facts.engine.culprit = (enum engine_daemon_id)culprit;
					facts.engine.was_ready = (bits & 1) != 0;
					facts.engine.daemons[1 - culprit].state =
						(enum daemon_state)daemon;
					facts.engine.daemons[culprit].restarting = (bits & 2) != 0;
					strcpy(facts.engine.daemons[culprit].restart_reason, "x");
					check();
					facts.engine.daemons[1 - culprit].state =
						DAEMON_STATE_READY;
					facts.engine.daemons[culprit].restarting = false;
					n++;
				}
	return n;
}

static void test_every_engine(void **state)
{
	unsigned long n = 0;

	(void)state;
	for (int a = 0; a <= SERVICE_STATE_FAILED; a++)
		for (int essential = 0; essential < 2; essential++) {
			facts.services[DOCKER].state = (uint8_t)a;
			facts.services[DOCKER].essential = essential != 0;
			n += vary_engine();
		}
	assert_int_equal(n, 8UL * 2 * 4 * 2 * 6 * 4);
}

static void expect(enum component_id id, enum component_state state, const char *reason,
	const char *hint)
{
	struct component component;

	component_judge(&facts, id, &component);
	assert_string_equal(component_state_name(component.state), component_state_name(state));
	if (!strstr(component.reason, reason) || !strstr(component.hint, hint))
		fail_msg("\"%s\" \"%s\": expected \"%s\" \"%s\"", component.reason, component.hint,
			reason, hint);
	check();
}

static void test_all_well(void **state)
{
	(void)state;
	for (int id = 0; id < COMPONENTS; id++)
		expect((enum component_id)id, COMPONENT_STATE_OK, "", "");
	facts.boot.state = BOOT_STATE_STARTING;
	expect(COMPONENT_BOOT, COMPONENT_STATE_STARTING, "the boot goes on", "keelctl wait");
	facts.stages[3].state = STAGE_STATE_RUNNING;
	expect(COMPONENT_BOOT, COMPONENT_STATE_STARTING, "boot stage net runs", "");
	expect(COMPONENT_NETWORK, COMPONENT_STATE_STARTING, "", "keelctl wait");
}

static void test_nothing_known(void **state)
{
	(void)state;
	memset(&facts, 0, sizeof(facts));
	expect(COMPONENT_AGENT, COMPONENT_STATE_STARTING, "first word", "keelctl wait");
	expect(COMPONENT_MEMORY, COMPONENT_STATE_UNKNOWN, "looked", "");
	for (int id = COMPONENT_BOOT; id < COMPONENTS; id++)
		if (id != COMPONENT_MEMORY && id != COMPONENT_CLOCK)
			expect((enum component_id)id, COMPONENT_STATE_UNKNOWN, "PID 1", "");
	set_well();
	facts.link = FACTS_LINK_LOST;
	expect(COMPONENT_AGENT, COMPONENT_STATE_DEGRADED, "no longer", "Run journalctl -k (what");
	expect(COMPONENT_DOCKER, COMPONENT_STATE_UNKNOWN, "PID 1", "");
	expect(COMPONENT_MEMORY, COMPONENT_STATE_OK, "", "");
}

static void test_off(void **state)
{
	(void)state;
	facts.disk.state = DISK_STATE_NONE;
	expect(COMPONENT_DISK, COMPONENT_STATE_OFF, "configured away", "");
	facts.stages[3].state = STAGE_STATE_SKIPPED;
	strcpy(facts.stages[3].reason, "the network is WSL's");
	expect(COMPONENT_NETWORK, COMPONENT_STATE_OFF, "WSL's", "");
	memset(&facts.services[CONTAINERD], 0, sizeof(facts.services[0]));
	expect(COMPONENT_CONTAINERD, COMPONENT_STATE_OFF, "no service of this guest", "");
	facts.services[DOCKER].essential = 0;
	facts.services[DOCKER].wanted = 0;
	facts.services[DOCKER].state = SERVICE_STATE_INACTIVE;
	facts.services[EXTRA].essential = 1;
	expect(COMPONENT_DOCKER, COMPONENT_STATE_OFF, "", "");
	set_well();
	memset(&facts.stages, 0, sizeof(facts.stages));
	expect(COMPONENT_NETWORK, COMPONENT_STATE_UNKNOWN, "PID 1", "");
	facts.boot.state = BOOT_STATE_STOPPING;
	expect(COMPONENT_BOOT, COMPONENT_STATE_OFF, "shutting down", "");
	facts.agent_stopping = true;
	expect(COMPONENT_AGENT, COMPONENT_STATE_OFF, "being stopped", "");
}

static void test_ways_out(void **state)
{
	(void)state;
	facts.boot.mode = BOOT_MODE_WSL;
	facts.disk.state = DISK_STATE_REFUSED;
	facts.disk.situation = DISK_SITUATION_NO_DISK;
	expect(COMPONENT_DISK, COMPONENT_STATE_DEGRADED, "refused",
		"Run wsl --mount --vhd PATH --bare (in Windows: attaches the data disk), then keelctl disk list (");
	set_well();
	facts.disk_seen.watched = facts.disk_seen.space_known = true;
	facts.disk_seen.forecast.word = SPACE_CRITICAL;
	expect(COMPONENT_DISK, COMPONENT_STATE_DEGRADED, "nearly full", "docker system prune");
	set_well();
	facts.services[DOCKER].state = SERVICE_STATE_FAILED;
	expect(COMPONENT_DOCKER, COMPONENT_STATE_FAILED, "docker.service failed",
		"Run keelctl logs -n 20 docker.service (its last words), then keelctl restart docker.service (");
	expect(COMPONENT_CONTAINERD, COMPONENT_STATE_OK, "", "");
	set_well();
	facts.services[EXTRA].state = SERVICE_STATE_BACKOFF;
	expect(COMPONENT_SERVICES, COMPONENT_STATE_DEGRADED, "died", "restart keel-log.service");
	set_well();
	set_stage(3, "net", STAGE_STATE_FAILED);
	facts.boot.state = BOOT_STATE_DEGRADED;
	expect(COMPONENT_NETWORK, COMPONENT_STATE_DEGRADED, "stage net failed", "ip address");
	expect(COMPONENT_BOOT, COMPONENT_STATE_OK, "", ""); /* net explains it */
	set_well();
	facts.boot.state = BOOT_STATE_DEGRADED;
	expect(COMPONENT_BOOT, COMPONENT_STATE_DEGRADED, "the boot is degraded", "journalctl -k");
	set_well();
	set_stage(4, "services", STAGE_STATE_FAILED);
	expect(COMPONENT_BOOT, COMPONENT_STATE_FAILED, "the boot failed", "journalctl -k");
	set_well();
	set_stage(1, "memory", STAGE_STATE_DEGRADED);
	expect(COMPONENT_MEMORY, COMPONENT_STATE_DEGRADED, "stage memory", "journalctl -k");
}

/* One is the engine's trouble, the other has its own. */
static void test_daemons(void **state)
{
	struct facts_daemon *dockerd = &facts.engine.daemons[ENGINE_DOCKERD];

	(void)state;
	/* It is well, and another start of it would change nothing. */
	facts.docker.state = DOCKER_API_CLOSED;
	facts.docker.error = -EADDRINUSE;
	expect(COMPONENT_DOCKER, COMPONENT_STATE_DEGRADED, "not offered to the host",
		"keelctl restart keel-agent (");
	facts.docker.state = DOCKER_API_OPEN;
	facts.engine.state = ENGINE_STATE_UNREACHABLE;
	facts.engine.culprit = ENGINE_CONTAINERD;
	expect(COMPONENT_CONTAINERD, COMPONENT_STATE_DEGRADED, "does not answer",
		"keelctl restart containerd (containers go on)");
	expect(COMPONENT_DOCKER, COMPONENT_STATE_OK, "", "");
	dockerd->state = DAEMON_STATE_HUNG;
	expect(COMPONENT_DOCKER, COMPONENT_STATE_DEGRADED, "does not answer", "restart docker");
	strcpy(dockerd->reason, "no answer within 10 s");
	expect(COMPONENT_DOCKER, COMPONENT_STATE_DEGRADED, "no answer within 10 s",
		"restart docker");
	dockerd->state = DAEMON_STATE_STARTING;
	expect(COMPONENT_DOCKER, COMPONENT_STATE_STARTING, "not answered yet", "keelctl wait");
	facts.services[DOCKER].essential = 0;
	facts.services[DOCKER].state = SERVICE_STATE_STARTING;
	strcpy(facts.services[DOCKER].reason, "slow");
	expect(COMPONENT_DOCKER, COMPONENT_STATE_STARTING, "slow", "");
	facts.services[DOCKER].state = SERVICE_STATE_RELOADING;
	dockerd->known = false;
	expect(COMPONENT_DOCKER, COMPONENT_STATE_OK, "", "");
}

static void test_no_engine_at_all(void **state)
{
	(void)state;
	memset(facts.services, 0, sizeof(facts.services));
	expect(COMPONENT_DOCKER, COMPONENT_STATE_FAILED, "no engine service", "Run ");
	expect(COMPONENT_SERVICES, COMPONENT_STATE_OK, "", "");
	expect(COMPONENT_CONTAINERD, COMPONENT_STATE_OFF, "", "");
	/* The whole is a component of nothing: its verdict, and no hint of its own. */
	expect(COMPONENTS, COMPONENT_STATE_FAILED, "no engine service", "journalctl -k");
}

static void test_oom(void **state)
{
	(void)state;
	facts.memory_seen.looked_us = 2000;
	facts.memory_seen.oom_kept = 1;
	facts.memory_seen.oom_kill[0] =
		(struct memory_oom_kill){.at_us = 1000, .global = true, .process = "x"};
	expect(COMPONENT_MEMORY, COMPONENT_STATE_DEGRADED, "out of memory",
		"Run keelctl memory (what uses the memory, and what was killed).");
}

static void test_clock(void **state)
{
	(void)state;
	facts.clock.judged = (struct clock_decision){.action = CLOCK_ACTION_REFUSED,
		.reason = CLOCK_REASON_RIGHTS,
		.source = CLOCK_SOURCE_HOST,
		.offset_us = 2 * HEALTH_CLOCK_US};
	expect(COMPONENT_CLOCK, COMPONENT_STATE_DEGRADED, "the clock is 2 s behind",
		"keelctl clock");
	facts.clock.known = false;
	facts.clock.judged.action = CLOCK_ACTION_NONE;
	expect(COMPONENT_CLOCK, COMPONENT_STATE_UNKNOWN, "nobody looks after it", "");
}

/* Only a change of the state moves it, and only that component's. */
static void test_since(void **state)
{
	(void)state;
	component_follow(&facts, 100, 5000);
	for (int id = 0; id < COMPONENTS; id++) {
		assert_int_equal(facts.since[id].boot_us, 100);
		assert_int_equal(facts.since[id].realtime_ms, 5000);
	}
	component_follow(&facts, 200, 6000);
	assert_int_equal(facts.since[COMPONENT_DOCKER].boot_us, 100);
	facts.services[DOCKER].state = SERVICE_STATE_BACKOFF;
	component_follow(&facts, 300, 7000);
	assert_int_equal(facts.since[COMPONENT_DOCKER].boot_us, 300);
	assert_int_equal(facts.since[COMPONENT_DOCKER].realtime_ms, 7000);
	assert_int_equal(facts.since[COMPONENT_DISK].boot_us, 100);
	strcpy(facts.services[DOCKER].reason, "another reason");
	component_follow(&facts, 400, 8000);
	assert_int_equal(facts.since[COMPONENT_DOCKER].boot_us, 300);
	set_well();
	facts.since[COMPONENT_DOCKER] = (struct component_since){
		.known = true, .state = COMPONENT_STATE_DEGRADED, .boot_us = 300};
	component_follow(&facts, 500, 1); /* the wall clock may go back */
	assert_int_equal(facts.since[COMPONENT_DOCKER].boot_us, 500);
	assert_int_equal(facts.since[COMPONENT_DOCKER].realtime_ms, 1);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(component_name(COMPONENT_AGENT), "agent");
	assert_string_equal(component_name(COMPONENT_SERVICES), "services");
	assert_string_equal(component_name(COMPONENTS), "?");
	assert_string_equal(component_state_name(COMPONENT_STATE_OFF), "off");
	assert_string_equal(component_state_name((enum component_state)9), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_every_boot, set_up),
		cmocka_unit_test_setup(test_every_service, set_up),
		cmocka_unit_test_setup(test_every_engine, set_up),
		cmocka_unit_test_setup(test_all_well, set_up),
		cmocka_unit_test_setup(test_nothing_known, set_up),
		cmocka_unit_test_setup(test_off, set_up),
		cmocka_unit_test_setup(test_ways_out, set_up),
		cmocka_unit_test_setup(test_daemons, set_up),
		cmocka_unit_test_setup(test_no_engine_at_all, set_up),
		cmocka_unit_test_setup(test_oom, set_up),
		cmocka_unit_test_setup(test_clock, set_up),
		cmocka_unit_test_setup(test_since, set_up),
		cmocka_unit_test_setup(test_names, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
