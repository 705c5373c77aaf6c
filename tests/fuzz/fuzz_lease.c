/* SPDX-License-Identifier: MIT
 *
 * fuzz_lease.c - what a DHCP server can make udhcpc put into our environment. Input: lines
 * NAME=VALUE.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "init/net/net_settings.h"

#define VARIABLES_MAX 16

static char text[4096];
static char *variables[VARIABLES_MAX];
static size_t variable_count;

static char *get_variable(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < variable_count; i++)
		if (strncmp(variables[i], name, len) == 0 && variables[i][len] == '=')
			return variables[i] + len + 1;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_settings settings;
	char ip[NET_IP_TEXT];

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	variable_count = 0;
	for (char *line = strtok(text, "\n"); line && variable_count < VARIABLES_MAX;
		line = strtok(NULL, "\n"))
		variables[variable_count++] = line;
	if (net_settings_from_lease(get_variable, &settings) < 0)
		return 0;
	if (settings.address.family != AF_INET || settings.prefix > 32 ||
		settings.dns_count > NET_DNS_MAX ||
		(settings.mtu != 0 && (settings.mtu < 576 || settings.mtu > 65535)))
		abort();
	for (size_t i = 0; i < settings.dns_count; i++)
		if (strcmp(net_ip_format(&settings.dns[i], ip), "none") == 0)
			abort();
	return 0;
}
