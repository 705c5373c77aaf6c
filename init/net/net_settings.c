/* SPDX-License-Identifier: MIT
 *
 * net_settings.c - text to addresses. Used by main.c (static configuration) and lease.c (DHCP).
 * Bounded, allocates nothing; anything malformed is refused or left out, never guessed.
 */
#include "init/net/net_settings.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MTU_MIN 576 /* what every IPv4 host must take (RFC 791) */
#define MTU_MAX 65535

int net_ip_parse(const char *text, struct net_ip *ip)
{
	*ip = (struct net_ip){.family = AF_INET};
	if (inet_pton(AF_INET, text, ip->bytes) == 1)
		return 0;
	ip->family = AF_INET6;
	if (inet_pton(AF_INET6, text, ip->bytes) == 1)
		return 0;
	*ip = (struct net_ip){.family = AF_UNSPEC};
	return -EINVAL;
}

const char *net_ip_format(const struct net_ip *ip, char *text)
{
	if (ip->family == AF_UNSPEC || !inet_ntop(ip->family, ip->bytes, text, NET_IP_TEXT))
		(void)snprintf(text, NET_IP_TEXT, "none");
	return text;
}

static unsigned int bits_of(const struct net_ip *ip)
{
	return ip->family == AF_INET ? 32 : 128;
}

bool net_ip_in_network(const struct net_ip *address, unsigned int prefix, const struct net_ip *peer)
{
	if (address->family != peer->family || prefix > bits_of(address))
		return false;
	for (unsigned int bit = 0; bit < prefix; bit++)
		if ((address->bytes[bit / 8] ^ peer->bytes[bit / 8]) & (0x80U >> bit % 8))
			return false;
	return true;
}

/* A decimal number of at most five digits, nothing else. 0 or -EINVAL. */
static int parse_number(const char *text, unsigned int max, unsigned int *number)
{
	size_t len = strlen(text);
	unsigned long value;

	if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
		return -EINVAL;
	value = strtoul(text, NULL, 10);
	if (value > max)
		return -EINVAL;
	*number = (unsigned int)value;
	return 0;
}

/* "255.255.255.0" -> 24. 0 or -EINVAL (not a mask, or holes in it). */
static int parse_mask(const char *text, unsigned int *prefix)
{
	struct net_ip mask;
	uint32_t bits;

	if (net_ip_parse(text, &mask) < 0 || mask.family != AF_INET)
		return -EINVAL;
	memcpy(&bits, mask.bytes, sizeof(bits));
	bits = ntohl(bits);
	*prefix = bits == 0 ? 0 : 32U - (unsigned int)__builtin_ctz(bits);
	return bits == 0 || (uint32_t)(~UINT32_C(0) << (32 - *prefix)) == bits ? 0 : -EINVAL;
}

/* The next word of a space-separated list as an address: 1, 0 (end), -EINVAL (*cursor is behind
 * it). */
static int next_ip(const char **cursor, struct net_ip *ip)
{
	char word[NET_IP_TEXT];
	size_t len;

	*cursor += strspn(*cursor, " ");
	len = strcspn(*cursor, " ");
	if (len == 0)
		return 0;
	(void)snprintf(word, sizeof(word), "%.*s", (int)(len < sizeof(word) ? len : 0), *cursor);
	*cursor += len;
	return net_ip_parse(word, ip) < 0 ? -EINVAL : 1;
}

/* Returns -EINVAL if one was malformed; the others are taken. */
static int parse_dns(const char *text, struct net_settings *settings)
{
	struct net_ip ip;
	int result = 0, rc;

	while ((rc = next_ip(&text, &ip)) != 0) {
		if (rc < 0)
			result = rc;
		else if (settings->dns_count < NET_DNS_MAX)
			settings->dns[settings->dns_count++] = ip;
	}
	return result;
}

static int parse_address(const char *text, struct net_settings *settings)
{
	char address[NET_IP_TEXT];
	const char *slash = strchr(text, '/');

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return -EINVAL;
	(void)snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	if (net_ip_parse(address, &settings->address) < 0)
		return -EINVAL;
	return parse_number(slash + 1, bits_of(&settings->address), &settings->prefix);
}

int net_settings_from_config(const struct config *config, struct net_settings *settings,
	const char **bad)
{
	*settings = (struct net_settings){0};
	*bad = "net.address";
	if (parse_address(config->net.address, settings) < 0)
		return -EINVAL;
	*bad = "net.gateway";
	if (config->net.gateway[0] && (net_ip_parse(config->net.gateway, &settings->gateway) < 0 ||
					      settings->gateway.family != settings->address.family))
		return -EINVAL;
	*bad = "net.dns";
	return parse_dns(config->net.dns, settings);
}

int net_settings_from_lease(char *(*get)(const char *name), struct net_settings *settings)
{
	const char *ip = get("ip"), *mask = get("mask"), *subnet = get("subnet");
	const char *router = get("router"), *dns = get("dns"), *mtu = get("mtu");

	*settings = (struct net_settings){0};
	if (!ip || net_ip_parse(ip, &settings->address) < 0 || settings->address.family != AF_INET)
		return -EINVAL;
	if ((!mask || parse_number(mask, 32, &settings->prefix) < 0) &&
		(!subnet || parse_mask(subnet, &settings->prefix) < 0))
		return -EINVAL;
	/* Several routers are in order of preference (RFC 2132, 3.5). */
	if (router &&
		(next_ip(&router, &settings->gateway) != 1 || settings->gateway.family != AF_INET))
		settings->gateway = (struct net_ip){.family = AF_UNSPEC};
	if (dns)
		(void)parse_dns(dns, settings);
	if (mtu && (parse_number(mtu, MTU_MAX, &settings->mtu) < 0 || settings->mtu < MTU_MIN))
		settings->mtu = 0;
	return 0;
}
