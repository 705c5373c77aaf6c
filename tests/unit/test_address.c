/* SPDX-License-Identifier: MIT
 *
 * test_address.c - the language of addresses, there and back.
 */
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "tests/unit/unit_test.h"

#include "agent/common/address.h"

static void test_valid_ones_come_back(void **state)
{
	static const char *const texts[] = {"none", "unix:/run/x.sock", "hvsock:/tmp/v",
		"vsock:700", "vsock:2:702", "tcp:127.0.0.1:2375", "tcp:127.8.9.1:65535"};
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct address address;

		assert_int_equal(address_parse(texts[i], &address), 0);
		assert_string_equal(address_format(&address, text, sizeof(text)), texts[i]);
	}
}

static void test_numbers(void **state)
{
	struct address address;

	(void)state;
	assert_int_equal(address_parse("vsock:700", &address), 0);
	assert_int_equal(address.cid, VMADDR_CID_ANY);
	assert_int_equal(address.port, 700);
	assert_int_equal(address_parse("vsock:3:4294967295", &address), 0);
	assert_int_equal(address.cid, 3);
	assert_int_equal(address.port, 4294967295U);
}

static void test_invalid_ones(void **state)
{
	static const char *const texts[] = {"", "unix:", "unix", "hvsock:", "vsock:", "vsock:x",
		"vsock:1:", "vsock::1", "vsock:1:2:3", "vsock:4294967296", "vsock:-1", "vsock: 1",
		"tcp:127.0.0.1", "tcp:127.0.0.1:", "tcp:127.0.0.1:65536", "tcp:0.0.0.0:1",
		"tcp:192.0.2.1:1", "tcp:localhost:1", "http://x", "None"};
	struct address address;
	char text[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (address_parse(texts[i], &address) != -EINVAL)
			fail_msg("%s: not refused", texts[i]);
	memset(text, 'a', sizeof(text));
	memcpy(text, "unix:", 5);
	text[5 + 108] = '\0';
	assert_int_equal(address_parse(text, &address), -ENAMETOOLONG);
	text[5 + 107] = '\0';
	assert_int_equal(address_parse(text, &address), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid_ones_come_back),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_invalid_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
