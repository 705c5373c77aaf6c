/* SPDX-License-Identifier: MIT
 *
 * Networks of dockerd's and of the machine's that share addresses.
 */
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/common/route_overlap.h"

#define HEAD "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define ROUTE(iface, destination, flags, mask) \
	iface "\t" destination "\t00000000\t" flags "\t0\t0\t0\t" mask "\t0\t0\t0\n"
#define DOCKER  ROUTE("docker0", "000011AC", "0001", "0000FFFF") /* 172.17.0.0/16 */
#define NETWORK ROUTE("br-0123456789ab", "000012AC", "0001", "0000FFFF")
#define NAT     ROUTE("eth0", "001012AC", "0001", "00F0FFFF") /* 172.18.16.0/20 */
#define DEFAULT ROUTE("eth0", "00000000", "0003", "00000000")
#define LAN     ROUTE("eth0", "0001A8C0", "0001", "00FFFFFF") /* 192.168.1.0/24 */

static void test_overlap(void **state)
{
	static char many[(ROUTE_OVERLAP_MAX + 4) * sizeof(LAN)];
	char text[ROUTE_OVERLAP_TEXT];

	(void)state;
	assert_string_equal(route_overlap_find("", text), "");
	assert_string_equal(route_overlap_find(HEAD DEFAULT DOCKER NETWORK LAN, text), "");
	assert_string_equal(route_overlap_find(HEAD DEFAULT DOCKER NAT, text), "");
	assert_string_equal(route_overlap_find(HEAD DEFAULT DOCKER NETWORK NAT, text),
		"br-0123456789ab (172.18.0.0/16) shares addresses with eth0 (172.18.16.0/20)");
	assert_string_equal(route_overlap_find(HEAD NAT NETWORK, text),
		"br-0123456789ab (172.18.0.0/16) shares addresses with eth0 (172.18.16.0/20)");
	/* A VPN's way out in two halves; the shortest that is a network. */
	assert_string_equal(route_overlap_find(HEAD DOCKER ROUTE("tun0", "00000000", "0003",
						       "00000080") ROUTE("tun0", "00000080", "0003",
						       "00000080"),
				    text),
		"");
	assert_string_equal(route_overlap_find(HEAD DOCKER ROUTE("tun0", "000000AC", "0003",
						       "000000FE"),
				    text),
		"");
	assert_string_equal(route_overlap_find(HEAD DOCKER ROUTE("tun0", "000000AC", "0003",
						       "000000FF"),
				    text),
		"docker0 (172.17.0.0/16) shares addresses with tun0 (172.0.0.0/8)");
	/* More than are looked at. */
	for (size_t i = 0; i < ROUTE_OVERLAP_MAX + 4; i++)
		memcpy(many + i * strlen(LAN), LAN, strlen(LAN) + 1);
	assert_string_equal(route_overlap_find(many, text), "");
	/* One that is not up; two of dockerd's; a line that is none. */
	assert_string_equal(route_overlap_find(HEAD DOCKER ROUTE("eth0", "000011AC", "0000",
						       "0000FFFF"),
				    text),
		"");
	assert_string_equal(route_overlap_find(HEAD DOCKER DOCKER "eth0 nonsense", text), "");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_overlap),
};

UNIT_TEST_MAIN(tests)
