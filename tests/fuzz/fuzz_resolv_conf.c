/* SPDX-License-Identifier: MIT
 *
 * fuzz_resolv_conf.c - resolv.conf, proxy.env and the table of routes.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/common/proxy_settings.h"
#include "agent/common/resolv_conf.h"
#include "agent/common/route_overlap.h"
#include "tests/fuzz/fuzz.h"

static void try_proxies(const char *text, size_t size)
{
	struct proxy_settings settings, again;
	char file[PROXY_SETTINGS_TEXT], shown[PROXY_SETTINGS_VALUE];

	FUZZ_CHECK(proxy_settings_from_file(text, &settings) <= 0);
	if (proxy_settings_from_environment(text, size, &settings) < 0)
		return;
	for (size_t i = 0; i < PROXY_KINDS; i++)
		FUZZ_CHECK(strlen(proxy_settings_mask(settings.value[i], shown)) < sizeof(shown));
	FUZZ_CHECK(proxy_settings_write(&settings, file, sizeof(file)) == 0);
	FUZZ_CHECK(proxy_settings_from_file(file, &again) == 0);
	FUZZ_CHECK(memcmp(&settings, &again, sizeof(again)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char list[RESOLV_SERVERS * RESOLV_SERVER_TEXT], *text = malloc(size + 1);
	char overlap[ROUTE_OVERLAP_TEXT];
	struct resolv_conf conf;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	resolv_conf_parse(text, &conf);
	FUZZ_CHECK(conf.count <= RESOLV_SERVERS && resolv_conf_reach(&conf) <= RESOLV_REACH_LOCAL);
	FUZZ_CHECK(strlen(resolv_conf_list(&conf, list, sizeof(list))) < sizeof(list));
	FUZZ_CHECK(strlen(route_overlap_find(text, overlap)) < sizeof(overlap));
	try_proxies(text, size);
	free(text);
	return 0;
}
