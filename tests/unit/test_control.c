/* SPDX-License-Identifier: MIT
 *
 * test_control.c - the frames between PID 1 and the rest: what is valid, what words say, what is sent.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/control.h"
#include "tests/unit/unit_test.h"

static struct control_record make_record(unsigned int type)
{
	struct control_record record;

	memset(&record, 0, sizeof(record));
	record.magic = CONTROL_MAGIC;
	record.version = CONTROL_VERSION;
	record.type = (uint8_t)type;
	return record;
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(boot_state_name(BOOT_STATE_STARTING), "starting");
	assert_string_equal(boot_state_name(BOOT_STATE_STOPPING), "stopping");
	assert_string_equal(boot_state_name(BOOT_STATE_STOPPING + 1), "?");
	assert_string_equal(boot_mode_name(BOOT_MODE_VM), "vm");
	assert_string_equal(boot_mode_name(BOOT_MODE_WSL), "wsl");
	assert_string_equal(boot_mode_name(BOOT_MODE_WSL + 1), "?");
	assert_string_equal(stage_state_name(STAGE_STATE_PENDING), "pending");
	assert_string_equal(stage_state_name(STAGE_STATE_SKIPPED), "skipped");
	assert_string_equal(stage_state_name(STAGE_STATE_SKIPPED + 1), "?");
	assert_string_equal(service_state_name(SERVICE_STATE_ACTIVE), "active");
	assert_string_equal(service_state_name(SERVICE_STATE_FAILED), "failed");
	assert_string_equal(service_state_name(SERVICE_STATE_FAILED + 1), "?");
	assert_string_equal(disk_state_name(DISK_STATE_MOUNTED), "mounted");
	assert_string_equal(disk_state_name(DISK_STATE_NONE), "none");
	assert_string_equal(disk_state_name(UINT32_MAX), "?");
}

static void test_record_head(void **state)
{
	struct control_record record = make_record(CONTROL_RECORD_END);

	(void)state;
	assert_true(control_record_valid(&record, sizeof(record)));
	assert_false(control_record_valid(&record, sizeof(record) - 1));
	assert_false(control_record_valid(&record, sizeof(record) + 1));
	assert_false(control_record_valid(&record, 0));
	record.magic ^= 1;
	assert_false(control_record_valid(&record, sizeof(record)));
	record = make_record(CONTROL_RECORD_END);
	record.version++;
	assert_false(control_record_valid(&record, sizeof(record)));
	for (unsigned int type = 0; type < 256; type++) {
		record = make_record(type);
		assert_int_equal(control_record_valid(&record, sizeof(record)),
			type >= CONTROL_RECORD_RESULT && type <= CONTROL_RECORD_END);
	}
}

static void test_record_index(void **state)
{
	struct control_record record = make_record(CONTROL_RECORD_STAGE);

	(void)state;
	record.index = CONTROL_STAGES_MAX - 1;
	assert_true(control_record_valid(&record, sizeof(record)));
	record.index = CONTROL_STAGES_MAX;
	assert_false(control_record_valid(&record, sizeof(record)));
	record = make_record(CONTROL_RECORD_SERVICE);
	record.index = CONTROL_SERVICES_MAX - 1;
	assert_true(control_record_valid(&record, sizeof(record)));
	record.index = CONTROL_SERVICES_MAX;
	assert_false(control_record_valid(&record, sizeof(record)));
}

/* Every string of every record must end inside its own array. */
static void test_record_strings_end(void **state)
{
#define STRING(type, member)                            \
	{type, offsetof(struct control_record, member), \
		sizeof(((struct control_record *)0)->member)}
	static const struct {
		unsigned int type;
		size_t offset, size;
	} strings[] = {
		STRING(CONTROL_RECORD_BOOT, boot.reason),
		STRING(CONTROL_RECORD_STAGE, stage.name),
		STRING(CONTROL_RECORD_STAGE, stage.reason),
		STRING(CONTROL_RECORD_SERVICE, service.name),
		STRING(CONTROL_RECORD_SERVICE, service.reason),
		STRING(CONTROL_RECORD_SERVICE, service.status),
		STRING(CONTROL_RECORD_DISK, disk.device),
		STRING(CONTROL_RECORD_DISK, disk.uuid),
		STRING(CONTROL_RECORD_DISK, disk.label),
		STRING(CONTROL_RECORD_DISK, disk.mountpoint),
		STRING(CONTROL_RECORD_DISK, disk.reason),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		struct control_record record = make_record(strings[i].type);
		char *text = (char *)&record + strings[i].offset;

		memset(text, 'x', strings[i].size);
		assert_false(control_record_valid(&record, sizeof(record)));
		text[strings[i].size - 1] = '\0';
		assert_true(control_record_valid(&record, sizeof(record)));
	}
}

static void test_request(void **state)
{
	struct control_request request = {.magic = CONTROL_MAGIC, .version = CONTROL_VERSION};

	(void)state;
	assert_true(control_request_valid(&request, sizeof(request)));
	assert_false(control_request_valid(&request, sizeof(request) - 1));
	memset(request.unit, 'x', sizeof(request.unit));
	assert_false(control_request_valid(&request, sizeof(request)));
	request.unit[sizeof(request.unit) - 1] = '\0';
	assert_true(control_request_valid(&request, sizeof(request)));
	request.version = 0;
	assert_false(control_request_valid(&request, sizeof(request)));
	request.version = CONTROL_VERSION;
	request.magic = 0;
	assert_false(control_request_valid(&request, sizeof(request)));
}

static void test_stage_report(void **state)
{
	struct stage_report report = {.magic = CONTROL_MAGIC, .version = CONTROL_VERSION};

	(void)state;
	assert_true(stage_report_valid(&report, sizeof(report)));
	assert_false(stage_report_valid(&report, sizeof(report) - 1));
	report.state = STAGE_STATE_SKIPPED + 1;
	assert_false(stage_report_valid(&report, sizeof(report)));
	report.state = STAGE_STATE_DONE;
	/* Without a disk its bytes do not matter. */
	memset(&report.disk, 'x', sizeof(report.disk));
	assert_true(stage_report_valid(&report, sizeof(report)));
	report.has_disk = 1;
	assert_false(stage_report_valid(&report, sizeof(report)));
	memset(&report.disk, 0, sizeof(report.disk));
	assert_true(stage_report_valid(&report, sizeof(report)));
	memset(report.reason, 'x', sizeof(report.reason));
	assert_false(stage_report_valid(&report, sizeof(report)));
}

static void test_send(void **state)
{
	struct control_request request;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(control_send(pair[0], CONTROL_VERB_STOP, "docker.service"), 0);
	assert_int_equal(recv(pair[1], &request, sizeof(request), 0), sizeof(request));
	assert_true(control_request_valid(&request, sizeof(request)));
	assert_int_equal(request.verb, CONTROL_VERB_STOP);
	assert_string_equal(request.unit, "docker.service");
	assert_int_equal(control_send(pair[0], CONTROL_VERB_SNAPSHOT, NULL), 0);
	assert_int_equal(recv(pair[1], &request, sizeof(request), 0), sizeof(request));
	assert_string_equal(request.unit, "");
	assert_int_equal(control_send(pair[0], CONTROL_VERB_START,
				 "a-name-of-thirty-two-bytes-xxxxx"),
		-ENAMETOOLONG);
	close_p(&pair[1]);
	assert_int_equal(control_send(pair[0], CONTROL_VERB_START, "x"),
		-EPIPE); /* and no SIGPIPE */
	close_p(&pair[0]);
}

/* What a helper says arrives as a valid frame; a text that is too long is cut, never refused. */
static void test_stage_report_send(void **state)
{
	struct control_disk disk = {.state = DISK_STATE_MOUNTED, .device = "/dev/sda"};
	int saved_err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STAGE_REPORT_FD + 1), null, pair[2];
	struct stage_report report;

	(void)state;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_true(saved_err >= 0 && null >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	/* Wherever the pair landed, PID 1's end is out of the way and the helper's end is fd 3. */
	int ours = fcntl(pair[1], F_DUPFD_CLOEXEC, STAGE_REPORT_FD + 1);

	(void)dup2(null, STDERR_FILENO);
	assert_int_equal(dup2(pair[0], STAGE_REPORT_FD), STAGE_REPORT_FD);
	stage_report_send(STAGE_STATE_RUNNING, NULL, "%0250d", 7);
	stage_report_send(STAGE_STATE_DONE, &disk, "mounted");
	(void)dup2(saved_err, STDERR_FILENO);
	assert_int_equal(recv(ours, &report, sizeof(report), 0), sizeof(report));
	assert_true(stage_report_valid(&report, sizeof(report)));
	assert_int_equal(report.state, STAGE_STATE_RUNNING);
	assert_int_equal(report.has_disk, 0);
	assert_int_equal(strlen(report.reason), sizeof(report.reason) - 1);
	assert_int_equal(recv(ours, &report, sizeof(report), 0), sizeof(report));
	assert_true(stage_report_valid(&report, sizeof(report)));
	assert_string_equal(report.reason, "mounted");
	assert_string_equal(report.disk.device, "/dev/sda");
	close_p(&saved_err);
	close_p(&ours);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_names),
	cmocka_unit_test(test_record_head),
	cmocka_unit_test(test_record_index),
	cmocka_unit_test(test_record_strings_end),
	cmocka_unit_test(test_request),
	cmocka_unit_test(test_stage_report),
	cmocka_unit_test(test_send),
	cmocka_unit_test(test_stage_report_send),
};

UNIT_TEST_MAIN(tests)
