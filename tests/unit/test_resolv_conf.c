/* SPDX-License-Identifier: MIT
 *
 * What of resolv.conf is for containers.
 */
#include "tests/unit/unit_test.h"

#include "agent/common/resolv_conf.h"

static const struct {
	const char *text;
	unsigned int count;
	enum resolv_reach reach;
	const char *list;
} cases[] = {
	{"", 0, RESOLV_REACH_NONE, ""},
	{"nameserver", 0, RESOLV_REACH_NONE, ""},
	{"nameserver \n", 0, RESOLV_REACH_NONE, ""},
	{"nameservers 192.0.2.1\nnameserver192.0.2.1\n", 0, RESOLV_REACH_NONE, ""},
	{"# nameserver 192.0.2.1\nsearch a.test\noptions ndots:1\n", 0, RESOLV_REACH_NONE, ""},
	{"nameserver 192.0.2.1\n", 1, RESOLV_REACH_DIRECT, "192.0.2.1"},
	{"nameserver\t192.0.2.1 # the host\r\n", 1, RESOLV_REACH_DIRECT, "192.0.2.1"},
	{"nameserver 192.0.2.1", 1, RESOLV_REACH_DIRECT, "192.0.2.1"},
	{"nameserver 10.255.255.254\nsearch x\n", 1, RESOLV_REACH_DIRECT, "10.255.255.254"},
	{"nameserver 127.0.0.53\noptions edns0\n", 1, RESOLV_REACH_LOCAL, "127.0.0.53"},
	{"nameserver 0.0.0.0\n", 1, RESOLV_REACH_LOCAL, "0.0.0.0"},
	{"nameserver ::1\nnameserver fe80::1%eth0\n", 2, RESOLV_REACH_LOCAL, "::1 fe80::1%eth0"},
	{"nameserver 2001:db8::1\n", 1, RESOLV_REACH_LOCAL, "2001:db8::1"},
	{"nameserver 127.0.0.1\nnameserver 192.0.2.1\n", 2, RESOLV_REACH_DIRECT,
		"127.0.0.1 192.0.2.1"},
	{"nameserver 127.0.0.1\nnameserver 127.0.0.2\nnameserver 127.0.0.3\nnameserver 192.0.2.1\n",
		3, RESOLV_REACH_LOCAL, "127.0.0.1 127.0.0.2 127.0.0.3"},
	{"nameserver " RESOLV_FORWARD_IP "\n", 0, RESOLV_REACH_NONE, ""},
	{"nameserver ::ffff:" RESOLV_FORWARD_IP "\nnameserver ::FFFF:AFF:FFFD%eth0\n", 0,
		RESOLV_REACH_NONE, ""},
	{"nameserver ::ffff:10.255.255.254\n", 1, RESOLV_REACH_LOCAL, "::ffff:10.255.255.254"},
	{"nameserver resolver.test\nnameserver 192.0.2\nnameserver 1.2.3.4.5\n", 0,
		RESOLV_REACH_NONE, ""},
	{"nameserver fe80::1%\377\n", 0, RESOLV_REACH_NONE, ""},
	{"nameserver fe80::1%a-name-that-is-too-long\nnameserver x%y\n", 0, RESOLV_REACH_NONE, ""},
	{"nameserver 11111111111111111111111111111111111111111111111111111111111111111\n", 0,
		RESOLV_REACH_NONE, ""},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char list[RESOLV_SERVERS * RESOLV_SERVER_TEXT];
		struct resolv_conf conf;

		resolv_conf_parse(cases[i].text, &conf);
		assert_int_equal(conf.count, cases[i].count);
		assert_int_equal(resolv_conf_reach(&conf), cases[i].reach);
		assert_string_equal(resolv_conf_list(&conf, list, sizeof(list)), cases[i].list);
	}
}

static void test_short_list(void **state)
{
	struct resolv_conf conf;
	char list[12];

	(void)state;
	resolv_conf_parse("nameserver 127.0.0.1\nnameserver 127.0.0.2\nnameserver 127.0.0.3\n",
		&conf);
	assert_string_equal(resolv_conf_list(&conf, list, sizeof(list)), "127.0.0.1 1");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_cases),
	cmocka_unit_test(test_short_list),
};

UNIT_TEST_MAIN(tests)
