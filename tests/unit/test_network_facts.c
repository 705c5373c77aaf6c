/* SPDX-License-Identifier: MIT
 *
 * What is told of resolvers and proxies.
 */
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/common/dockerd.h"
#include "agent/common/network_facts.h"

#define BLOCK(text) text, sizeof(text) - 1

static void test_dns(void **state)
{
	static const struct {
		struct network_dns_facts facts;
		enum network_dns dns;
	} cases[] = {
		{{.reach = RESOLV_REACH_NONE}, NETWORK_DNS_PUBLIC},
		{{.reach = RESOLV_REACH_DIRECT}, NETWORK_DNS_DIRECT},
		{{.reach = RESOLV_REACH_LOCAL}, NETWORK_DNS_DOCKERD},
		{{.reach = RESOLV_REACH_LOCAL, .answered = true}, NETWORK_DNS_DOCKERD},
		{{.reach = RESOLV_REACH_LOCAL, .told = true}, NETWORK_DNS_UNANSWERED},
		{{.reach = RESOLV_REACH_DIRECT, .told = true, .answered = true},
			NETWORK_DNS_FORWARDED},
		{{.own = true, .told = true, .answered = true}, NETWORK_DNS_DOCKERD},
		{{.own = true, .reach = RESOLV_REACH_DIRECT}, NETWORK_DNS_DOCKERD},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(network_judge_dns(&cases[i].facts), cases[i].dns);
}

static void test_told(void **state)
{
	(void)state;
	assert_true(dockerd_asks_keel_dns(BLOCK("A=b\0" RESOLV_OPTION "\0C=d\0")));
	assert_true(dockerd_asks_keel_dns(BLOCK(RESOLV_OPTION)));
	assert_false(dockerd_asks_keel_dns(BLOCK("A=" RESOLV_OPTION "\0KEEL_DNS=\0")));
	assert_false(dockerd_asks_keel_dns(BLOCK(RESOLV_OPTION "4\0")));
	assert_false(dockerd_asks_keel_dns("", 0));
	assert_int_equal(dockerd_environment(0, NULL), -ESRCH);
}

static void test_proxies(void **state)
{
	struct proxy_settings shown;

	(void)state;
	network_show_proxies(BLOCK("HTTPS_PROXY=http://u:secret@h\0NO_PROXY=\377\0"), &shown);
	assert_string_equal(shown.value[PROXY_HTTPS], "http://***@h");
	assert_string_equal(shown.value[PROXY_NO], "?");
	/* A bad one hides all, and nothing of the others is there unmasked. */
	network_show_proxies(BLOCK("HTTPS_PROXY=http://u:secret@h\0NO_PROXY=a\1\0"), &shown);
	assert_false(proxy_settings_any(&shown));
	assert_null(memmem(&shown, sizeof(shown), "secret", 6));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_dns),
	cmocka_unit_test(test_told),
	cmocka_unit_test(test_proxies),
};

UNIT_TEST_MAIN(tests)
