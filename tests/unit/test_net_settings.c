/* SPDX-License-Identifier: MIT
 *
 * test_net_settings.c - addresses from keel.conf and from a DHCP lease.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "init/net/lease.h"
#include "init/net/net_settings.h"
#include "lib/helper.h"

static const char *(*lease)[2]; /* NAME, VALUE; ends with NULL */

static char *get_variable(const char *name)
{
	for (size_t i = 0; lease[i][0]; i++)
		if (strcmp(lease[i][0], name) == 0)
			return (char *)lease[i][1];
	return NULL;
}

static void assert_ip(const struct net_ip *ip, const char *expected)
{
	char text[NET_IP_TEXT];

	assert_string_equal(net_ip_format(ip, text), expected);
}

static void test_whole_lease(void **state)
{
	static const char *variables[][2] = {{"interface", "eth0"}, {"ip", "192.0.2.50"},
		{"mask", "24"}, {"subnet", "255.255.255.0"}, {"router", "192.0.2.1 192.0.2.2"},
		{"dns", "192.0.2.3 9.9.9.9"}, {"mtu", "1400"}, {"domain", "x; rm -rf /"},
		{NULL, NULL}};
	struct net_settings settings;

	(void)state;
	lease = variables;
	assert_int_equal(net_settings_from_lease(get_variable, &settings), 0);
	assert_ip(&settings.address, "192.0.2.50");
	assert_int_equal(settings.prefix, 24);
	assert_ip(&settings.gateway, "192.0.2.1");
	assert_int_equal(settings.dns_count, 2);
	assert_ip(&settings.dns[1], "9.9.9.9");
	assert_int_equal(settings.mtu, 1400);
}

static void test_malformed_options_are_left_out(void **state)
{
	static const char *variables[][2] = {{"ip", "192.0.2.50"}, {"mask", "33"},
		{"subnet", "255.255.254.0"}, {"router", "nonsense"},
		{"dns", "1.1.1.1 bad 2.2.2.2 3.3.3.3 4.4.4.4"}, {"mtu", "68"}, {NULL, NULL}};
	struct net_settings settings;

	(void)state;
	lease = variables;
	assert_int_equal(net_settings_from_lease(get_variable, &settings), 0);
	assert_int_equal(settings.prefix, 23);
	assert_ip(&settings.gateway, "none");
	assert_int_equal(settings.dns_count, 3);
	assert_ip(&settings.dns[2], "3.3.3.3");
	assert_int_equal(settings.mtu, 0);
}

static void test_lease_without_an_address(void **state)
{
	static const char *const bad[][3] = {/* ip, mask, subnet */
		{"", "24", "255.255.255.0"}, {"1.2.3", "24", NULL}, {"::1", "64", NULL},
		{"1.2.3.4", "-1", NULL}, {"1.2.3.4", "2 4", NULL}, {"1.2.3.4", "", "255.0.255.0"},
		{"1.2.3.4", NULL, NULL}};
	struct net_settings settings;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *variables[][2] = {{"ip", bad[i][0]},
			{bad[i][1] ? "mask" : "-", bad[i][1]},
			{bad[i][2] ? "subnet" : "-", bad[i][2]}, {NULL, NULL}};

		lease = variables;
		assert_int_equal(net_settings_from_lease(get_variable, &settings), -EINVAL);
	}
}

static void test_every_mask(void **state)
{
	(void)state;
	for (unsigned int prefix = 0; prefix <= 32; prefix++) {
		uint32_t mask = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
		const char *variables[][2] = {{"ip", "192.0.2.50"}, {"subnet", NULL}, {NULL, NULL}};
		struct net_settings settings;
		char text[16];

		(void)snprintf(text, sizeof(text), "%u.%u.%u.%u", mask >> 24, mask >> 16 & 255,
			mask >> 8 & 255, mask & 255);
		variables[1][1] = text;
		lease = variables;
		assert_int_equal(net_settings_from_lease(get_variable, &settings), 0);
		assert_int_equal(settings.prefix, prefix);
	}
}

static int from_config(const char *address, const char *gateway, const char *dns,
	struct net_settings *settings, const char **bad)
{
	struct config config;

	config_set_defaults(&config);
	assert_int_equal(config_set(&config, "net", "address", address), 0);
	assert_int_equal(config_set(&config, "net", "gateway", gateway), 0);
	assert_int_equal(config_set(&config, "net", "dns", dns), 0);
	return net_settings_from_config(&config, settings, bad);
}

static void test_static_settings(void **state)
{
	struct net_settings settings;
	const char *bad;

	(void)state;
	assert_int_equal(from_config("2001:db8::2/64", "fe80::1", "", &settings, &bad), 0);
	assert_ip(&settings.address, "2001:db8::2");
	assert_int_equal(settings.prefix, 64);
	assert_int_equal(from_config("10.0.0.2/8", "", "10.0.0.1 2001:db8::1", &settings, &bad), 0);
	assert_int_equal(settings.gateway.family, AF_UNSPEC);
	assert_int_equal(settings.dns_count, 2);
	assert_int_equal(from_config("10.0.0.2", "", "", &settings, &bad), -EINVAL);
	assert_string_equal(bad, "net.address");
	assert_int_equal(from_config("10.0.0.2/33", "", "", &settings, &bad), -EINVAL);
	assert_int_equal(from_config("10.0.0.2/8", "2001:db8::1", "", &settings, &bad), -EINVAL);
	assert_string_equal(bad, "net.gateway");
	assert_int_equal(from_config("10.0.0.2/8", "10.0.0.1", "10.0.0.1 x", &settings, &bad),
		-EINVAL);
	assert_string_equal(bad, "net.dns");
}

static bool in_network(const char *address, unsigned int prefix, const char *peer)
{
	struct net_ip a, p;

	assert_int_equal(net_ip_parse(address, &a), 0);
	assert_int_equal(net_ip_parse(peer, &p), 0);
	return net_ip_in_network(&a, prefix, &p);
}

static void test_network_membership(void **state)
{
	(void)state;
	assert_true(in_network("192.0.2.2", 24, "192.0.2.254"));
	assert_false(in_network("192.0.2.2", 24, "192.0.3.1"));
	assert_false(in_network("192.0.2.2", 32, "192.0.2.1"));
	assert_true(in_network("192.0.2.2", 0, "8.8.8.8"));
	assert_true(in_network("2001:db8::1", 64, "2001:db8::ffff"));
	assert_false(in_network("2001:db8::1", 24, "192.0.2.1"));
	assert_false(in_network("192.0.2.2", 33, "192.0.2.2"));
}

static void test_events(void **state)
{
	(void)state;
	assert_true(lease_is_event("bound"));
	assert_true(lease_is_event("deconfig"));
	assert_false(lease_is_event("boundx"));
	assert_false(lease_is_event(""));
}

static void test_options_on_the_command_line(void **state)
{
	struct config config;

	(void)state;
	config_set_defaults(&config);
	assert_int_equal(helper_set_option(&config, "disk.data=LABEL=other"), 0);
	assert_string_equal(config.disk.label, "other");
	assert_int_equal(helper_set_option(&config, "disk.data=LABEL=a=b.c"), 0);
	assert_string_equal(config.disk.label, "a=b.c");
	assert_int_equal(helper_set_option(&config, "disk.nothing=1"), -ENOENT);
	assert_int_equal(helper_set_option(&config, "disk.wait=x"), -EINVAL);
	assert_int_equal(helper_set_option(&config, "disk"), -EINVAL);
	assert_int_equal(helper_set_option(&config, "a=b.c"), -EINVAL);
	assert_int_equal(helper_set_option(&config, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b=c"),
		-EINVAL);
	assert_int_equal(helper_set_option(&config, "b.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=c"),
		-EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_lease),
		cmocka_unit_test(test_malformed_options_are_left_out),
		cmocka_unit_test(test_lease_without_an_address),
		cmocka_unit_test(test_every_mask),
		cmocka_unit_test(test_static_settings),
		cmocka_unit_test(test_network_membership),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_options_on_the_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
