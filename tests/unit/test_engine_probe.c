/* SPDX-License-Identifier: MIT
 *
 * test_engine_probe.c - the answers to a ping and to a gRPC health check, cut anywhere; pressure files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/common/grpc_health.h"
#include "agent/common/pressure.h"
#include "agent/engine_probe.h"
#include "tests/unit/unit_test.h"

static const char good[] = "HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nServer: Docker/26.1.5\r\n"
			   "Content-Length: 2\r\nConnection: close\r\n\r\nOK";

static const char other[] = "HTTP/1.1 200 OK\r\nServer: podman/5\r\n\r\n";
static const char with_system[] = "HTTP/1.1 200 OK\r\nServer: Docker/28.0.1-rc.1 (linux)\r\n\r\n";

static void test_answers(void **state)
{
	struct engine_detail detail;
	int status;

	(void)state;
	assert_int_equal(engine_parse_answer(good, strlen(good), &status, &detail), 0);
	assert_string_equal(detail.api_version, "1.45");
	assert_string_equal(detail.version, "26.1.5");
	/* The body does not matter, every byte of the header does. */
	for (size_t len = 0; len < strlen(good) - 2; len++) {
		char *copy = malloc(len ? len : 1);

		memcpy(copy, good, len);
		assert_int_equal(engine_parse_answer(copy, len, &status, &detail), -EAGAIN);
		free(copy);
	}
	assert_int_equal(engine_parse_answer("HTTP/1.1 500 no\r\n\r\n", 19, &status, &detail),
		-EREMOTEIO);
	assert_int_equal(status, 500);
	assert_int_equal(engine_parse_answer("SSH-2.0-x\r\n", 11, &status, &detail), -EPROTO);
	assert_int_equal(engine_parse_answer("HTTP/1.1 44444444444 x\r\n\r\n", 26, &status,
				 &detail),
		-EPROTO);
	assert_int_equal(
		engine_parse_answer("HTTP/1.1 200 OK\r\nApi-Version: 12345678901234567890\r\n\r\n",
			55, &status, &detail),
		0);
	assert_string_equal(detail.api_version, "123456789012345");
	assert_string_equal(detail.version, "");
	assert_int_equal(engine_parse_answer(other, strlen(other), &status, &detail), 0);
	assert_string_equal(detail.version, "");
	assert_int_equal(engine_parse_answer(with_system, strlen(with_system), &status, &detail),
		0);
	assert_string_equal(detail.version, "28.0.1-rc.1");
}

/* ---- gRPC ---------------------------------------------------------------------------------- */

#define SETTINGS     "\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0"
#define ACK          "\0\0\0\x04\x01\0\0\0\0"
#define PING         "\0\0\x08\x06\0\0\0\0\0ABCDEFGH"
#define HEADERS      "\0\0\x01\x01\x04\0\0\0\x01\x88"
#define TRAILERS     "\0\0\x01\x01\x05\0\0\0\x01\x88"
#define SERVING      "\0\0\x07\0\0\0\0\0\x01\0\0\0\0\x02\x08\x01"
#define NOT_SERVING  "\0\0\x07\0\0\0\0\0\x01\0\0\0\0\x02\x08\x02"
#define UNKNOWN      "\0\0\x05\0\0\0\0\0\x01\0\0\0\0\0"
#define EMPTY_DATA   "\0\0\0\0\0\0\0\0\x01"
#define PADDED       "\0\0\x0a\0\x08\0\0\0\x01\x02\0\0\0\0\x02\x08\x01\0\0"
#define ONLY_PADDING "\0\0\x01\0\x08\0\0\0\x01\0"
#define OTHER_STREAM "\0\0\x01\x01\x05\0\0\0\x03\x88"

static void test_grpc_request(void **state)
{
	size_t len;
	const char *bytes = grpc_health_request(&len);

	(void)state;
	assert_int_equal(len, 24 + 9 + 9 + 75 + 9 + 5);
	assert_memory_equal(bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	assert_memory_equal(bytes + 24, "\0\0\0\x04\0\0\0\0\0", 9);
	assert_int_equal((uint8_t)bytes[33 + 2], 75);
	assert_memory_equal(bytes + 33 + 9 + 75, "\0\0\x05\0\x01\0\0\0\x01\0\0\0\0\0", 14);
}

static void test_grpc_answers(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int rc;
		unsigned int status;
	} cases[] = {
#define CASE(bytes, rc, status) {bytes, sizeof(bytes) - 1, rc, status}
		CASE(SETTINGS ACK PING HEADERS SERVING, 0, 1),
		CASE(SETTINGS HEADERS SERVING TRAILERS, 0, 1),
		CASE(SETTINGS HEADERS EMPTY_DATA ONLY_PADDING PADDED, 0, 1),
		CASE(SETTINGS HEADERS NOT_SERVING, -EREMOTEIO, 2),
		CASE(SETTINGS HEADERS UNKNOWN, -EREMOTEIO, 0),
		CASE(SETTINGS TRAILERS, -EOPNOTSUPP, 0),
		CASE(SETTINGS OTHER_STREAM, -EAGAIN, 0),
		CASE(ACK HEADERS, -EAGAIN, 0),
		CASE("HTTP/1.1 400 Bad Request\r\n\r\n", -EPROTO, 0),
		CASE(HEADERS, -EPROTO, 0),
		CASE("\0\0\0\x04\0\0\0\0\x01", -EPROTO, 0),
		CASE(SETTINGS "\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x02", -EPROTO, 0),
		CASE(SETTINGS "\0\0\0\x07\0\0\0\0\x03", -EAGAIN, 0),
		CASE(SETTINGS "\0\0\x04\x03\0\0\0\0\x01\0\0\0\x02", -EPROTO, 0),
		CASE(SETTINGS "\0\0\x04\x08\0\0\0\0\x01\0\0\0\x02", -EAGAIN, 0),
		/* bad padding, no room for the prefix, compressed, wrong length, another field, a long varint */
		CASE(SETTINGS "\0\0\0\0\x08\0\0\0\x01", -EPROTO, 0),
		CASE(SETTINGS "\0\0\x02\0\x08\0\0\0\x01\x02\0", -EPROTO, 0),
		CASE(SETTINGS "\0\0\x04\0\0\0\0\0\x01\0\0\0\0", -EPROTO, 0),
		CASE(SETTINGS "\0\0\x05\0\0\0\0\0\x01\x01\0\0\0\0", -EPROTO, 0),
		CASE(SETTINGS "\0\0\x05\0\0\0\0\0\x01\0\0\0\0\x01", -EPROTO, 0),
		CASE(SETTINGS "\0\0\x07\0\0\0\0\0\x01\0\0\0\0\x02\x10\x01", -EPROTO, 0),
		CASE(SETTINGS "\0\0\x07\0\0\0\0\0\x01\0\0\0\0\x02\x08\x81", -EPROTO, 0),
		CASE(SETTINGS "\0\0\x08\0\0\0\0\0\x01\0\0\0\0\x03\x08\x81\x00", -EPROTO, 0),
		/* larger than any frame may be */
		CASE("\0\x40\x01\x04\0\0\0\0\0", -EPROTO, 0),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned int status = 77;

		assert_int_equal(grpc_health_parse((const uint8_t *)cases[i].bytes, cases[i].len,
					 &status),
			cases[i].rc);
		assert_int_equal(status, cases[i].status);
	}
}

/* Every cut of a good answer is incomplete, read from memory that ends there. */
static void test_grpc_cuts(void **state)
{
	static const char whole[] = SETTINGS ACK PING HEADERS PADDED;
	unsigned int status;

	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		uint8_t *copy = malloc(len ? len : 1);

		memcpy(copy, whole, len);
		assert_int_equal(grpc_health_parse(copy, len, &status), -EAGAIN);
		free(copy);
	}
}

/* ---- pressure ------------------------------------------------------------------------------ */

static void test_pressure(void **state)
{
	char path[16];

	(void)state;
	assert_int_equal(pressure_find_group("0::/a/b\n", path, sizeof(path)), 0);
	assert_string_equal(path, "/a/b");
	assert_int_equal(pressure_find_group("2:cpu:/x\n0::/", path, sizeof(path)), 0);
	assert_string_equal(path, "/");
	assert_int_equal(pressure_find_group("2:cpu:/x\n10::/y\n", path, sizeof(path)), -ENOENT);
	assert_int_equal(pressure_find_group("0::/0123456789abcde\n", path, sizeof(path)),
		-ENAMETOOLONG);
	/* Of ourselves: whatever the machine says, and no process has PID -1. */
	(void)pressure_is_stalled(getpid());
	assert_false(pressure_is_stalled(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_grpc_request),
		cmocka_unit_test(test_grpc_answers),
		cmocka_unit_test(test_grpc_cuts),
		cmocka_unit_test(test_pressure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
