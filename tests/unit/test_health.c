/* SPDX-License-Identifier: MIT
 *
 * test_health.c - every combination of component states, judged, and the promises of health.h checked
 * on each; then the words of the cases that people meet.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/common/health.h"

static void set_stage(struct facts *facts, int index, const char *name, enum stage_state state)
{
	(void)snprintf(facts->stages[index].name, sizeof(facts->stages[index].name), "%s", name);
	facts->stages[index].state = (uint8_t)state;
}

static void set_service(struct facts *facts, int index, const char *name, enum service_state state)
{
	struct control_service *service = &facts->services[index];

	(void)snprintf(service->name, sizeof(service->name), "%s", name);
	service->state = (uint8_t)state;
	service->wanted = 1;
	service->essential = 1;
}

/* A guest in which all is well. */
static struct facts well(void)
{
	struct facts facts = {.link = FACTS_LINK_UP, .boot_known = true};

	facts.boot.state = BOOT_STATE_RUNNING;
	facts.disk.state = DISK_STATE_MOUNTED;
	facts.engine.state = ENGINE_STATE_READY;
	facts.engine.was_ready = true;
	set_stage(&facts, 0, "disk", STAGE_STATE_DONE);
	set_stage(&facts, 1, "net", STAGE_STATE_DONE);
	set_service(&facts, 0, "containerd.service", SERVICE_STATE_ACTIVE);
	set_service(&facts, 1, "docker.service", SERVICE_STATE_ACTIVE);
	return facts;
}

static bool up(const struct control_service *service)
{
	return service->state == SERVICE_STATE_ACTIVE || service->state == SERVICE_STATE_RELOADING;
}

/* The definition of ready, written down a second time and independently. */
static bool should_be_ready(const struct facts *facts)
{
	return !(facts->disk_seen.watched && facts->disk.state == DISK_STATE_MOUNTED &&
		       (facts->disk_seen.vanished || facts->disk_seen.unmounted ||
			       facts->disk_seen.read_only)) &&
	       !facts->agent_stopping && facts->link == FACTS_LINK_UP && facts->boot_known &&
	       facts->boot.state != BOOT_STATE_STOPPING &&
	       (facts->disk.state == DISK_STATE_MOUNTED || facts->disk.state == DISK_STATE_NONE) &&
	       up(&facts->services[0]) && up(&facts->services[1]) &&
	       facts->engine.state == ENGINE_STATE_READY &&
	       facts->docker.state != DOCKER_API_CLOSED;
}

static void check_promises(const struct facts *facts)
{
	struct health health, again;
	bool stopping = facts->agent_stopping ||
			(facts->boot_known && facts->boot.state == BOOT_STATE_STOPPING);

	health_judge(facts, &health);
	health_judge(facts, &again);
	assert_memory_equal(&health, &again, sizeof(health));
	assert_int_equal(health.ready, should_be_ready(facts));
	assert_int_equal(health.status == HEALTH_STATUS_STOPPING, stopping);
	assert_int_equal(health.reason[0] == '\0', health.status == HEALTH_STATUS_READY);
	if (health.status == HEALTH_STATUS_READY)
		assert_true(health.ready);
	if (health.status == HEALTH_STATUS_STARTING || health.status == HEALTH_STATUS_FAILED ||
		health.status == HEALTH_STATUS_STOPPING)
		assert_false(health.ready);
	assert_string_not_equal(health_status_name(health.status), "?");
	assert_null(strchr(health.reason, '\n'));
	if (stopping || facts->link != FACTS_LINK_UP || !facts->boot_known)
		return;
	/* Failed for good and nothing to hide it: failed. */
	if (facts->disk.state == DISK_STATE_MOUNTED && !health.ready &&
		(facts->services[0].state == SERVICE_STATE_FAILED ||
			facts->services[1].state == SERVICE_STATE_FAILED))
		assert_int_equal(health.status, HEALTH_STATUS_FAILED);
	/* Without its data disk the guest is up, without the engine. */
	if (facts->disk.state == DISK_STATE_REFUSED || facts->disk.state == DISK_STATE_RESCUE)
		assert_int_equal(health.status, HEALTH_STATUS_DEGRADED);
}

static unsigned long vary_services(struct facts *facts)
{
	unsigned long n = 0;

	for (int a = 0; a <= SERVICE_STATE_FAILED; a++)
		for (int b = 0; b <= SERVICE_STATE_FAILED; b++)
			for (int bits = 0; bits < 8; bits++)
				for (int engine = 0; engine <= ENGINE_STATE_UNREACHABLE; engine++) {
					facts->services[0].state = (uint8_t)a;
					facts->services[1].state = (uint8_t)b;
					facts->services[1].wanted = (bits & 1) != 0;
					facts->services[1].ready_us = (bits & 2) ? 5 : 0;
					facts->engine.was_ready = (bits & 4) != 0;
					facts->engine.state = (enum engine_state)engine;
					check_promises(facts);
					n++;
				}
	return n;
}

static void test_every_combination(void **state)
{
	unsigned long n = 0;

	(void)state;
	for (int link = 0; link <= FACTS_LINK_LOST; link++)
		for (int boot = 0; boot <= BOOT_STATE_STOPPING; boot++)
			for (int disk = 0; disk <= DISK_STATE_RESCUE; disk++)
				for (int stage = 0; stage <= STAGE_STATE_SKIPPED; stage++) {
					struct facts facts = well();

					facts.link = (enum facts_link)link;
					facts.boot.state = (uint8_t)boot;
					facts.disk.state = (uint8_t)disk;
					facts.stages[0].state = (uint8_t)stage;
					n += vary_services(&facts);
				}
	assert_int_equal(n, 3UL * 4 * 8 * 6 * 8 * 8 * 8 * 3);
}

static void expect(const struct facts *facts, enum health_status status, bool ready,
	const char *part)
{
	struct health health;

	health_judge(facts, &health);
	assert_string_equal(health_status_name(health.status), health_status_name(status));
	assert_int_equal(health.ready, ready);
	if (!strstr(health.reason, part))
		fail_msg("\"%s\" is not in \"%s\"", part, health.reason);
}

static void test_nothing_known_is_starting(void **state)
{
	struct facts facts = {0};

	(void)state;
	expect(&facts, HEALTH_STATUS_STARTING, false, "PID 1");
}

static void test_all_well(void **state)
{
	struct facts facts = well();

	(void)state;
	expect(&facts, HEALTH_STATUS_READY, true, "");
	facts.boot.state =
		BOOT_STATE_STARTING; /* something that is not essential is still on its way */
	expect(&facts, HEALTH_STATUS_READY, true, "");
	facts.services[1].state = SERVICE_STATE_RELOADING;
	expect(&facts, HEALTH_STATUS_READY, true, "");
}

static void test_disk_words(void **state)
{
	struct facts facts = well();

	(void)state;
	facts.disk.state = DISK_STATE_REFUSED;
	strcpy(facts.disk.reason, "two disks are labelled keel-data");
	facts.services[0].state = SERVICE_STATE_FAILED; /* a consequence, not the cause */
	expect(&facts, HEALTH_STATUS_DEGRADED, false,
		"the data disk was refused: two disks are labelled keel-data");
	facts.disk.state = DISK_STATE_RESCUE;
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "read-only for rescue, without the engine");

	facts.disk.state = DISK_STATE_WAITING;
	strcpy(facts.disk.reason, "");
	facts.stages[0].state = STAGE_STATE_RUNNING;
	expect(&facts, HEALTH_STATUS_STARTING, false, "waiting for the data disk");
	strcpy(facts.stages[0].reason, "no disk appeared within 30 s");
	facts.stages[0].state = STAGE_STATE_FAILED;
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "no disk appeared within 30 s");
	facts.stages[0].state = STAGE_STATE_DEGRADED;
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "no disk appeared within 30 s");
	facts.disk.state = 200;
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "does not know");
}

/* Everything that the agent may see of a mounted disk. */
static void vary_seen(struct facts *facts, unsigned int bits)
{
	facts->disk_seen = (struct disk_seen){
		.watched = (bits & 1) != 0,
		.vanished = (bits & 2) != 0,
		.read_only = (bits & 4) != 0,
		.errors = {.count = (bits & 8) ? 3 : 0, .io_count = (bits & 16) ? 2 : 0},
		.space_known = (bits & 32) != 0,
		.unmounted = (bits & 64) ? "/data" : NULL,
	};
}

static void test_every_view_of_a_mounted_disk(void **state)
{
	static const char *const words[] = {
		"vanished", "io-errors", "file-system-errors", "unmounted"};

	(void)state;
	for (unsigned int bits = 0; bits < 128; bits++)
		for (int word = SPACE_OK; word <= SPACE_CRITICAL; word++)
			for (int disk = 0; disk <= DISK_STATE_RESCUE; disk++) {
				struct facts facts = well();
				const struct disk_seen *seen = &facts.disk_seen;
				struct health health;
				bool blemish;
				const char *situation;

				facts.disk.state = (uint8_t)disk;
				vary_seen(&facts, bits);
				facts.disk_seen.forecast.word = (enum space_word)word;
				check_promises(&facts);
				health_judge(&facts, &health);
				situation = disk_situation_name(health_disk_situation(&facts));
				assert_string_equal(situation, !seen->watched          ? "ok"
							       : seen->vanished        ? words[0]
							       : seen->unmounted       ? words[3]
							       : seen->errors.io_count ? words[1]
							       : seen->errors.count    ? words[2]
							       : seen->read_only       ? words[2]
										       : "ok");
				if (disk != DISK_STATE_MOUNTED)
					continue;
				blemish = seen->watched &&
					  (seen->errors.io_count || seen->errors.count ||
						  (seen->space_known && word == SPACE_CRITICAL));
				if (seen->watched &&
					(seen->vanished || seen->unmounted || seen->read_only))
					assert_int_equal(health.status, HEALTH_STATUS_FAILED);
				else
					assert_int_equal(health.status,
						blemish ? HEALTH_STATUS_DEGRADED
							: HEALTH_STATUS_READY);
			}
}

static void test_words_of_a_mounted_disk(void **state)
{
	struct facts facts = well();
	struct disk_seen *seen = &facts.disk_seen;

	(void)state;
	strcpy(facts.disk.device, "/dev/sdb");
	seen->watched = true;
	seen->space_known = true;
	seen->space =
		(struct space_sample){.total = 4ULL << 30, .free = 100 << 20, .inodes_free = 9};
	seen->forecast.word = SPACE_LOW;
	expect(&facts, HEALTH_STATUS_READY, true, "");
	seen->forecast.word = SPACE_CRITICAL;
	expect(&facts, HEALTH_STATUS_DEGRADED, true,
		"/dev/sdb is nearly full: 100 of 4096 MiB and 9 inodes are free; remove images");
	seen->errors.count = 1;
	expect(&facts, HEALTH_STATUS_DEGRADED, true, "errors on the data disk /dev/sdb; keelctl");
	strcpy(seen->errors.last_function, "ext4_find_entry");
	expect(&facts, HEALTH_STATUS_DEGRADED, true, "the last in ext4_find_entry; keelctl reboot");
	seen->errors.io_count = 1;
	expect(&facts, HEALTH_STATUS_DEGRADED, true, "I/O errors of the data disk /dev/sdb");
	seen->read_only = true;
	expect(&facts, HEALTH_STATUS_FAILED, false,
		"/dev/sdb became read-only: the kernel reports I/O errors of it, in ext4_find_entry");
	seen->errors.io_count = 0;
	seen->errors.last_function[0] = '\0';
	expect(&facts, HEALTH_STATUS_FAILED, false, "ext4 found it damaged; keelctl reboot");
	seen->unmounted = "/var/lib/docker";
	expect(&facts, HEALTH_STATUS_FAILED, false, "/var/lib/docker was unmounted by somebody");
	seen->vanished = true;
	expect(&facts, HEALTH_STATUS_FAILED, false, "/dev/sdb went away while mounted; attach it");
	assert_string_equal(space_word_name((enum space_word)9), "?");
}

/* A boot that starts no services: its reason before all that follows from it. */
static void test_failed_boot(void **state)
{
	struct facts facts = well();

	(void)state;
	facts.disk.state = DISK_STATE_UNKNOWN;
	facts.services[0].state = facts.services[1].state = SERVICE_STATE_INACTIVE;
	set_stage(&facts, 2, "services", STAGE_STATE_FAILED);
	strcpy(facts.stages[2].reason, "stage mounts failed: no tmpfs");
	expect(&facts, HEALTH_STATUS_FAILED, false,
		"the boot failed: stage mounts failed: no tmpfs");
	facts.boot.state = BOOT_STATE_STOPPING;
	expect(&facts, HEALTH_STATUS_STOPPING, false, "shutting down");
	/* One that ended with a service failed is no such boot. */
	facts = well();
	set_stage(&facts, 2, "services", STAGE_STATE_DEGRADED);
	expect(&facts, HEALTH_STATUS_DEGRADED, true, "services");
}

static void test_service_words(void **state)
{
	struct facts facts = well();
	struct control_service *docker = &facts.services[1];

	(void)state;
	facts.engine.state = ENGINE_STATE_UNKNOWN;
	docker->state = SERVICE_STATE_STARTING;
	facts.engine.was_ready = false;
	expect(&facts, HEALTH_STATUS_STARTING, false, "docker.service is starting");
	docker->restarts = 1;
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "docker.service is starting again");
	docker->state = SERVICE_STATE_BACKOFF;
	strcpy(docker->reason, "killed by signal 9");
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "killed by signal 9");
	docker->state = SERVICE_STATE_FAILED;
	expect(&facts, HEALTH_STATUS_FAILED, false, "keelctl restart docker.service");
	docker->state = SERVICE_STATE_INACTIVE;
	docker->wanted = 0;
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "keelctl start docker.service");
	/* The worse of two decides, whatever their order. */
	docker->state = SERVICE_STATE_WAITING;
	docker->wanted = 1;
	docker->restarts = 0;
	facts.services[0].state = SERVICE_STATE_FAILED;
	expect(&facts, HEALTH_STATUS_FAILED, false, "containerd.service failed");
}

static void test_engine_words(void **state)
{
	struct facts facts = well();

	(void)state;
	facts.engine.state = ENGINE_STATE_UNKNOWN;
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "again");
	facts.engine.was_ready = false;
	expect(&facts, HEALTH_STATUS_STARTING, false, "first answer");
	facts.engine.state = ENGINE_STATE_UNREACHABLE;
	strcpy(facts.engine.reason, "no answer to a ping within 10 s");
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "no answer to a ping within 10 s");
}

/* dockerd is well; can the host get there? */
static void test_docker_api_words(void **state)
{
	static const struct address vsock = {
		.kind = ADDRESS_VSOCK, .cid = (unsigned int)-1, .port = 701};
	static const struct address local = {.kind = ADDRESS_UNIX, .path = "/x"};
	static const struct address nowhere = {.kind = ADDRESS_NONE};
	struct facts facts = well();

	(void)state;
	docker_facts_add(&facts.docker, &nowhere, 0);
	assert_int_equal(facts.docker.state, DOCKER_API_NONE);
	docker_facts_add(&facts.docker, &local, 0);
	assert_int_equal(facts.docker.state, DOCKER_API_OPEN);
	check_promises(&facts);
	expect(&facts, HEALTH_STATUS_READY, true, "");
	/* A guest without vsock is as well as it can be. */
	docker_facts_add(&facts.docker, &vsock, -EAFNOSUPPORT);
	assert_int_equal(facts.docker.state, DOCKER_API_ABSENT);
	assert_string_equal(facts.docker.address, "vsock:701");
	check_promises(&facts);
	expect(&facts, HEALTH_STATUS_READY, true, "");
	docker_facts_add(&facts.docker, &vsock, -EADDRINUSE);
	check_promises(&facts);
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "listens on vsock:701");
	/* The first of the worst is told, and a dockerd that does not answer before all of them. */
	docker_facts_add(&facts.docker, &local, -EACCES);
	assert_int_equal(facts.docker.error, -EADDRINUSE);
	facts.docker.error = -EACCES;
	check_promises(&facts);
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "vsock:701: listen: Permission denied");
	facts.engine.state = ENGINE_STATE_UNREACHABLE;
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "dockerd does not answer");
	assert_string_equal(docker_api_state_name(DOCKER_API_ABSENT), "absent");
	assert_string_equal(docker_api_state_name((enum docker_api_state)9), "?");
}

/* The reason of a restart by policy outlives the daemon that gave it. */
static void test_restart_by_policy(void **state)
{
	struct facts facts = well();

	(void)state;
	facts.services[1].state = SERVICE_STATE_STOPPING;
	facts.engine.daemons[ENGINE_DOCKERD].restarting = true;
	strcpy(facts.engine.daemons[ENGINE_DOCKERD].restart_reason,
		"dockerd did not answer for 60 s");
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "did not answer for 60 s");
}

/* A word of a newer PID 1, or none where one is expected. */
static void test_words_that_are_missing(void **state)
{
	struct facts facts = well();

	(void)state;
	facts.engine.state = (enum engine_state)99;
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "does not know");
	facts = well();
	facts.services[1].state = 99;
	expect(&facts, HEALTH_STATUS_STARTING, false, "docker.service is ?");
	facts = well();
	facts.boot_known = false;
	expect(&facts, HEALTH_STATUS_STARTING, false, "first word of PID 1");
	facts = well();
	facts.boot.state = BOOT_STATE_STOPPING;
	strcpy(facts.boot.reason, "by signal");
	expect(&facts, HEALTH_STATUS_STOPPING, false, "shutting down: by signal");
	facts = well();
	set_stage(&facts, 2, "services", STAGE_STATE_FAILED);
	expect(&facts, HEALTH_STATUS_FAILED, false, "the boot failed");
	facts = well();
	facts.disk.state = DISK_STATE_WAITING;
	facts.stages[0].state = STAGE_STATE_RUNNING;
	strcpy(facts.disk.reason, "its own reason");
	strcpy(facts.stages[0].reason, "the stage's");
	expect(&facts, HEALTH_STATUS_STARTING, false, "its own reason");
	facts = well();
	memset(&facts.stages[0], 0, sizeof(facts.stages[0])); /* no stage for the disk */
	facts.disk.state = DISK_STATE_WAITING;
	expect(&facts, HEALTH_STATUS_STARTING, false, "waiting for the data disk");
	strcpy(facts.disk.reason, "no disk yet");
	expect(&facts, HEALTH_STATUS_STARTING, false, "waiting for the data disk: no disk yet");
	facts = well();
	facts.services[1].state = SERVICE_STATE_STARTING;
	strcpy(facts.services[1].reason, "slow");
	expect(&facts, HEALTH_STATUS_STARTING, false, "docker.service is starting: slow");
	facts.services[1].restarts = 1;
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "docker.service is starting again: slow");
	assert_string_equal(health_status_name((enum health_status)99), "?");
}

static void test_no_engine_at_all(void **state)
{
	struct facts facts = well();

	(void)state;
	memset(facts.services, 0, sizeof(facts.services));
	facts.boot.state = BOOT_STATE_STARTING;
	expect(&facts, HEALTH_STATUS_STARTING, false, "not started yet");
	facts.boot.state = BOOT_STATE_RUNNING;
	expect(&facts, HEALTH_STATUS_FAILED, false, "/usr/lib/keel/units");
}

static void test_blemishes_keep_it_usable(void **state)
{
	struct facts facts = well();

	(void)state;
	facts.stages[1].state = STAGE_STATE_FAILED;
	strcpy(facts.stages[1].reason, "no lease");
	expect(&facts, HEALTH_STATUS_DEGRADED, true, "net failed: no lease");
	facts = well();
	set_service(&facts, 2, "extra.service", SERVICE_STATE_FAILED);
	facts.services[2].essential = 0;
	expect(&facts, HEALTH_STATUS_DEGRADED, true, "extra.service failed");
	facts.services[2].state = SERVICE_STATE_BACKOFF;
	expect(&facts, HEALTH_STATUS_DEGRADED, true, "extra.service died");
	facts.services[2].state = SERVICE_STATE_ACTIVE;
	expect(&facts, HEALTH_STATUS_READY, true, "");
	facts = well();
	facts.boot.state = BOOT_STATE_DEGRADED;
	strcpy(facts.boot.reason, "something");
	expect(&facts, HEALTH_STATUS_DEGRADED, true, "something");
}

static void set_kill(struct facts *facts, const char *group, bool global)
{
	struct memory_oom_kill *kill = &facts->memory_seen.oom_kill[0];

	*kill = (struct memory_oom_kill){.at_us = 1000, .pid = 7, .global = global};
	strcpy(kill->process, "dockerd");
	(void)snprintf(kill->group, sizeof(kill->group), "%s", group);
	facts->memory_seen.oom_kept = 1;
	facts->memory_seen.looked_us = 2000;
}

/* What a container did to itself is no blemish of the guest. */
static void test_oom_kills(void **state)
{
	static const char *const theirs[] = {
		"containers", "containers/engine", "engineer", "keeler/x", "user", ""};
	static const char *const ours[] = {"engine", "engine/docker.service", "keel", "keel/x"};
	struct facts facts = well();

	(void)state;
	assert_false(health_oom_recent(&facts));
	for (size_t i = 0; i < ARRAY_SIZE(theirs); i++) {
		set_kill(&facts, theirs[i], false);
		assert_false(health_oom_recent(&facts));
		expect(&facts, HEALTH_STATUS_READY, true, "");
		set_kill(&facts, theirs[i], true);
		assert_true(health_oom_recent(&facts));
		expect(&facts, HEALTH_STATUS_DEGRADED, true, "the guest ran out of memory");
	}
	expect(&facts, HEALTH_STATUS_DEGRADED, true, "the kernel killed dockerd; give");
	strcpy(facts.memory_seen.oom_kill[0].container, "web");
	expect(&facts, HEALTH_STATUS_DEGRADED, true, "killed dockerd of container web; give");
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		set_kill(&facts, ours[i], false);
		assert_true(health_oom_recent(&facts));
		expect(&facts, HEALTH_STATUS_DEGRADED, true, "the kernel killed dockerd of ");
	}
}

static void set_clock(struct facts *facts, enum clock_action action, enum clock_reason reason,
	int64_t offset_us)
{
	facts->clock = (struct clock_seen){.known = true,
		.judged = {.action = action,
			.reason = reason,
			.source = CLOCK_SOURCE_HOST,
			.offset_us = offset_us}};
}

/* Only what is far off, and cannot be put right although it should be. */
static void test_clock(void **state)
{
	struct facts facts = well();

	(void)state;
	for (int action = CLOCK_ACTION_NONE; action <= CLOCK_ACTION_REFUSED; action++)
		for (int reason = CLOCK_REASON_WITHIN; reason <= CLOCK_REASON_FAILED; reason++) {
			bool bad = action == CLOCK_ACTION_REFUSED &&
				   reason != CLOCK_REASON_MANAGE && reason != CLOCK_REASON_ABSURD;

			for (int sign = -1; sign <= 1; sign += 2) {
				set_clock(&facts, (enum clock_action)action,
					(enum clock_reason)reason, sign * HEALTH_CLOCK_US);
				expect(&facts, HEALTH_STATUS_READY, true, "");
				facts.clock.judged.offset_us += sign;
				expect(&facts, bad ? HEALTH_STATUS_DEGRADED : HEALTH_STATUS_READY,
					true,
					!bad ? ""
					: sign < 0
						? "the clock is 1 s ahead of what the host says: "
						: "the clock is 1 s behind what the host says: ");
			}
		}
}

/* The last look at memory is the clock, and a kill may be younger. */
static void test_oom_kills_go_by(void **state)
{
	struct facts facts = well();
	struct memory_seen *seen = &facts.memory_seen;

	(void)state;
	set_kill(&facts, "engine", false);
	seen->looked_us = 0;
	assert_true(health_oom_recent(&facts));
	seen->looked_us = 1000 + HEALTH_OOM_US - 1;
	assert_true(health_oom_recent(&facts));
	seen->looked_us = 1000 + HEALTH_OOM_US;
	assert_false(health_oom_recent(&facts));
	expect(&facts, HEALTH_STATUS_READY, true, "");
	/* One that matters behind others that do not. */
	for (unsigned int i = 0; i < MEMORY_OOM_KILLS; i++) {
		seen->oom_kill[i] = seen->oom_kill[0];
		strcpy(seen->oom_kill[i].group, "containers/x");
	}
	seen->looked_us = 2000;
	seen->oom_kept = UINT_MAX;
	assert_false(health_oom_recent(&facts));
	seen->oom_kill[MEMORY_OOM_KILLS - 1].global = true;
	assert_true(health_oom_recent(&facts));
}

static void test_stopping_and_lost(void **state)
{
	struct facts facts = well();

	(void)state;
	facts.link = FACTS_LINK_LOST;
	expect(&facts, HEALTH_STATUS_DEGRADED, false, "PID 1");
	facts.boot.state = BOOT_STATE_STOPPING;
	expect(&facts, HEALTH_STATUS_STOPPING, false, "shutting down");
	facts = well();
	facts.agent_stopping = true;
	expect(&facts, HEALTH_STATUS_STOPPING, false, "agent");
}

/* Every text at its limit must still give a terminated, valid one. */
static void test_long_texts_are_cut_cleanly(void **state)
{
	struct facts facts = well();
	struct health health;
	char copy[sizeof(health.reason)];

	(void)state;
	facts.services[1].state = SERVICE_STATE_FAILED;
	memset(facts.services[1].name, 'n', sizeof(facts.services[1].name) - 1);
	for (size_t i = 0; i + 2 < sizeof(facts.services[1].reason); i += 2)
		memcpy(facts.services[1].reason + i, "\xc3\xa4", 2);
	health_judge(&facts, &health);
	assert_true(strlen(health.reason) < sizeof(health.reason));
	strcpy(copy, health.reason);
	text_sanitize(copy);
	assert_string_equal(copy, health.reason);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_combination),
		cmocka_unit_test(test_nothing_known_is_starting),
		cmocka_unit_test(test_all_well),
		cmocka_unit_test(test_disk_words),
		cmocka_unit_test(test_every_view_of_a_mounted_disk),
		cmocka_unit_test(test_words_of_a_mounted_disk),
		cmocka_unit_test(test_failed_boot),
		cmocka_unit_test(test_service_words),
		cmocka_unit_test(test_engine_words),
		cmocka_unit_test(test_docker_api_words),
		cmocka_unit_test(test_restart_by_policy),
		cmocka_unit_test(test_words_that_are_missing),
		cmocka_unit_test(test_no_engine_at_all),
		cmocka_unit_test(test_blemishes_keep_it_usable),
		cmocka_unit_test(test_stopping_and_lost),
		cmocka_unit_test(test_oom_kills),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_oom_kills_go_by),
		cmocka_unit_test(test_long_texts_are_cut_cleanly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
