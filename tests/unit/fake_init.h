/* SPDX-License-Identifier: MIT
 *
 * fake_init.h - the other end of the control socket, for tests: records to send, requests to look at.
 */
#pragma once

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/unit_test.h"

#include "lib/base.h"
#include "lib/control.h"

static inline int fake_init_listen(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	(void)unlink(path);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static inline struct control_record fake_init_record(enum control_record_type type)
{
	return (struct control_record){
		.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .type = (uint8_t)type};
}

static inline struct control_record fake_init_service(int index, const char *name,
	enum service_state state)
{
	struct control_record record = fake_init_record(CONTROL_RECORD_SERVICE);

	record.index = (uint8_t)index;
	(void)snprintf(record.service.name, sizeof(record.service.name), "%s", name);
	record.service.state = (uint8_t)state;
	record.service.wanted = record.service.essential = record.service.loaded = 1;
	record.service.exit_status = -1;
	return record;
}

static inline struct control_record fake_init_boot(enum boot_state state)
{
	struct control_record record = fake_init_record(CONTROL_RECORD_BOOT);

	record.boot.state = (uint8_t)state;
	return record;
}

static inline struct control_record fake_init_result(int result)
{
	struct control_record record = fake_init_record(CONTROL_RECORD_RESULT);

	record.result = result;
	return record;
}

/* For a child or a test that may not use cmocka: false if the peer is gone. */
static inline bool fake_init_send(int fd, struct control_record record)
{
	return send(fd, &record, sizeof(record), MSG_NOSIGNAL) == (ssize_t)sizeof(record);
}
