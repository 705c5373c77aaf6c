/* SPDX-License-Identifier: MIT
 *
 * What is told of resolvers and proxies.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* ---- whose environment, and when it is asked for --------------------------------------------------- */

static unsigned int asked;
static const char *variable;

static int open_fake_environ(pid_t pid)
{
	int fds[2];

	assert_in_range(pid, 1, 1000);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], variable, strlen(variable) + 1), strlen(variable) + 1);
	(void)close(fds[1]);
	asked++;
	return fds[0];
}

static int refuse_environ(pid_t pid)
{
	(void)pid;
	asked++;
	return -ESRCH;
}

static void expect_proxy(const struct facts *facts, const char *value, unsigned int times)
{
	struct network_facts network;

	asked = 0;
	network_read_facts(&network, facts);
	assert_string_equal(network.proxies.value[PROXY_HTTPS], value);
	assert_int_equal(asked, times);
}

static void test_environment_is_asked_for_once_a_life(void **state)
{
	static struct facts facts;
	struct control_service *dockerd = &facts.services[0];

	(void)state;
	(void)snprintf(dockerd->name, sizeof(dockerd->name), "%s", DOCKERD_UNIT);
	dockerd_open_environ = open_fake_environ;
	variable = "HTTPS_PROXY=http://a";
	expect_proxy(&facts, "", 0); /* none runs */
	/* Until it says READY=1 it may not have been executed yet. */
	dockerd->pid = 20;
	dockerd->state = SERVICE_STATE_STARTING;
	expect_proxy(&facts, "http://a", 1);
	variable = "HTTPS_PROXY=http://b";
	expect_proxy(&facts, "http://b", 1);
	dockerd->state = SERVICE_STATE_ACTIVE;
	dockerd->ready_us = 1000;
	variable = "HTTPS_PROXY=http://c";
	expect_proxy(&facts, "http://c", 1);
	expect_proxy(&facts, "http://c", 0);
	/* Another process, and another one of the same number. */
	variable = "HTTPS_PROXY=http://d";
	dockerd->pid = 21;
	expect_proxy(&facts, "http://d", 1);
	expect_proxy(&facts, "http://d", 0);
	variable = "HTTPS_PROXY=http://e";
	dockerd->ready_us = 2000;
	expect_proxy(&facts, "http://e", 1);
	/* A question without an answer is asked again. */
	dockerd->ready_us = 3000;
	dockerd_open_environ = refuse_environ;
	expect_proxy(&facts, "", 1);
	expect_proxy(&facts, "", 1);
	dockerd_open_environ = open_fake_environ;
	expect_proxy(&facts, "http://e", 1);
	dockerd->pid = 0;
	dockerd->state = SERVICE_STATE_FAILED;
	expect_proxy(&facts, "", 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_dns),
	cmocka_unit_test(test_told),
	cmocka_unit_test(test_proxies),
	cmocka_unit_test(test_environment_is_asked_for_once_a_life),
};

UNIT_TEST_MAIN(tests)
