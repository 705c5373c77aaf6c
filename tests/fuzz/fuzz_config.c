/* SPDX-License-Identifier: MIT
 *
 * fuzz_config.c - the configuration file.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/config.h"
#include "tests/fuzz/fuzz.h"

static void on_warning(void *ctx, const char *where, const char *message)
{
	(void)ctx;
	FUZZ_CHECK(where[0] && message[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config;
	char *text = malloc(size);

	memcpy(text, data, size);
	config_set_defaults(&config);
	config_parse_file_text(&config, "/etc/keel/keel.conf", text, size, on_warning, NULL);
	free(text);
	FUZZ_CHECK(strnlen(config.disk.label, sizeof(config.disk.label)) <
		   sizeof(config.disk.label));
	FUZZ_CHECK(strnlen(config.net.dns, sizeof(config.net.dns)) < sizeof(config.net.dns));
	FUZZ_CHECK(config.disk.mountpoint[0] == '/');
	FUZZ_CHECK(config.disk.format <= CONFIG_DISK_FORMAT_BLANK &&
		   config.net.mode <= CONFIG_NET_NONE);
	FUZZ_CHECK(config.disk.wait_s <= 3600 && config.vsock.api_port <= INT32_MAX);
	return 0;
}
