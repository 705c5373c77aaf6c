/* SPDX-License-Identifier: MIT
 *
 * resolv_conf.c - see resolv_conf.h. Callers: keel-dns, the agent, keelctl.
 */
#include "agent/common/resolv_conf.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Of an interface's name, as far as it can be shown as it is. */
#define SCOPE_LETTERS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_"
#define BLANKS        " \t\r"

/* True if the `len` bytes at `text` are an address. */
static bool parse_server(const char *text, size_t len, struct resolv_server *server)
{
	char address[RESOLV_SERVER_TEXT], *scope;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	*server = (struct resolv_server){.family = AF_INET};
	memcpy(server->text, address, len + 1);
	if (inet_pton(AF_INET, address, &server->v4) == 1)
		return true;
	scope = strchr(address, '%');
	if (scope) {
		*scope++ = '\0';
		if (strlen(scope) >= sizeof(server->scope) ||
			scope[strspn(scope, SCOPE_LETTERS)] != '\0')
			return false;
		memcpy(server->scope, scope, strlen(scope) + 1);
	}
	server->family = AF_INET6;
	return inet_pton(AF_INET6, address, &server->v6) == 1;
}

/* RESOLV_FORWARD_IP, however it is written. */
static bool is_ourselves(const struct resolv_server *server)
{
	static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct in_addr own = {0}, v4 = server->v4;

	if (server->family == AF_INET6) {
		if (memcmp(&server->v6, v4_mapped, sizeof(v4_mapped)) != 0)
			return false;
		memcpy(&v4, &server->v6.s6_addr[sizeof(v4_mapped)], sizeof(v4));
	}
	(void)inet_pton(AF_INET, RESOLV_FORWARD_IP, &own);
	return own.s_addr == v4.s_addr;
}

static void parse_line(const char *line, size_t len, struct resolv_conf *conf)
{
	static const char keyword[] = "nameserver";
	const char *end = line + len;
	struct resolv_server server;

	if (len <= sizeof(keyword) - 1 || strncmp(line, keyword, sizeof(keyword) - 1) != 0)
		return;
	line += sizeof(keyword) - 1;
	if (!strchr(BLANKS, *line))
		return;
	line += strspn(line, BLANKS);
	if (line >= end || conf->count == RESOLV_SERVERS)
		return;
	if (parse_server(line, strcspn(line, BLANKS "\n"), &server) && !is_ourselves(&server))
		conf->servers[conf->count++] = server;
}

void resolv_conf_parse(const char *text, struct resolv_conf *conf)
{
	*conf = (struct resolv_conf){0};
	while (*text) {
		size_t len = strcspn(text, "\n");

		parse_line(text, len, conf);
		text += len + (text[len] == '\n' ? 1 : 0);
	}
}

enum resolv_reach resolv_conf_reach(const struct resolv_conf *conf)
{
	for (unsigned int i = 0; i < conf->count; i++) {
		uint32_t ip = ntohl(conf->servers[i].v4.s_addr);

		/* 0.0.0.0 is this host as well. */
		if (conf->servers[i].family == AF_INET && ip != 0 && ip >> 24 != 127)
			return RESOLV_REACH_DIRECT;
	}
	return conf->count > 0 ? RESOLV_REACH_LOCAL : RESOLV_REACH_NONE;
}

const char *resolv_conf_list(const struct resolv_conf *conf, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < conf->count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? " " : "",
			conf->servers[i].text);
	return text;
}
