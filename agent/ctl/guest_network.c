/* SPDX-License-Identifier: MIT
 *
 * guest_network.c - see guest_network.h. Callers: verbs.c (the status page).
 */
#include "agent/ctl/guest_network.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "agent/common/resolv_conf.h"
#include "agent/common/route_line.h"
#include "lib/file.h"

#define TEXT_MAX 16384

/* The next line of a text, without its newline, cut to `size`; NULL at the end. */
static const char *take_line(const char *text, char *line, size_t size)
{
	size_t len = strcspn(text, "\n"), kept = len < size ? len : size - 1;

	if (*text == '\0')
		return NULL;
	memcpy(line, text, kept);
	line[kept] = '\0';
	return text + len + (text[len] == '\n');
}

bool guest_network_find_route(const char *routes, char device[16], char gateway[16])
{
	struct route_line route;
	char line[160];

	while ((routes = take_line(routes, line, sizeof(line)))) {
		if (!route_line_parse(line, &route) || route.destination != 0 || route.mask != 0)
			continue;
		memcpy(device, route.interface, sizeof(route.interface));
		gateway[0] = '\0';
		if ((route.flags & RTF_GATEWAY) != 0)
			(void)inet_ntop(AF_INET, &route.gateway, gateway, 16);
		return true;
	}
	return false;
}

/* "" if it has none. */
static void read_address(const char *device, char address[16])
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};
	struct sockaddr_in in;

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	address[0] = '\0';
	if (fd < 0 || ioctl(fd, SIOCGIFADDR, &request) < 0)
		return;
	memcpy(&in, &request.ifr_addr, sizeof(in));
	(void)inet_ntop(AF_INET, &in.sin_addr, address, 16);
}

/* The beginning will do. */
static bool read_text(const char *path, char *text, size_t size)
{
	ssize_t len = file_read(path, text, size);

	return len >= 0 || len == -EFBIG;
}

void guest_network_describe(char line[GUEST_NETWORK_MAX])
{
	char text[TEXT_MAX], device[16], gateway[16], address[16];
	char servers[RESOLV_SERVERS * RESOLV_SERVER_TEXT];
	struct resolv_conf conf;
	int len = 0;

	if (read_text("/proc/net/route", text, sizeof(text)) &&
		guest_network_find_route(text, device, gateway)) {
		read_address(device, address);
		len = snprintf(line, GUEST_NETWORK_MAX, "%s %s%s%s", device,
			address[0] ? address : "without an address", gateway[0] ? ", gateway " : "",
			gateway);
	} else {
		len = snprintf(line, GUEST_NETWORK_MAX, "no way out (no default route)");
	}
	servers[0] = '\0';
	if (read_text(RESOLV_CONF, text, sizeof(text))) {
		resolv_conf_parse(text, &conf);
		(void)resolv_conf_list(&conf, servers, sizeof(servers));
	}
	(void)snprintf(line + len, GUEST_NETWORK_MAX - (size_t)len, "%s%s",
		servers[0] ? ", names by " : ", nobody resolves names (/etc/resolv.conf)", servers);
}
