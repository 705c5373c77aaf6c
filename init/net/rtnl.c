/* SPDX-License-Identifier: MIT
 *
 * rtnl.c - the only file that knows libmnl. Used by main.c and lease.c. Each request is one message
 * and its acknowledgement.
 */
#include "init/net/rtnl.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define RTNL_BUFFER 32768 /* what the kernel packs at most into one part of a dump */

struct rtnl {
	struct mnl_socket *socket;
	unsigned int sequence;
	char buffer[RTNL_BUFFER];
};

int rtnl_open(struct rtnl **out)
{
	struct rtnl *rtnl = calloc(1, sizeof(*rtnl));
	int rc;

	if (!rtnl)
		return -ENOMEM;
	rtnl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!rtnl->socket || mnl_socket_bind(rtnl->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		rc = -errno;
		rtnl_close_p(&rtnl);
		return rc;
	}
	*out = rtnl;
	return 0;
}

void rtnl_close_p(struct rtnl **rtnl)
{
	if (!*rtnl)
		return;
	if ((*rtnl)->socket)
		(void)mnl_socket_close((*rtnl)->socket);
	free(*rtnl);
	*rtnl = NULL;
}

/* Sends the message and reads until it is acknowledged or the dump is over. */
static int talk(struct rtnl *rtnl, struct nlmsghdr *message, mnl_cb_t callback, void *data)
{
	unsigned int port = mnl_socket_get_portid(rtnl->socket);
	int rc = MNL_CB_OK;

	message->nlmsg_seq = ++rtnl->sequence;
	if (mnl_socket_sendto(rtnl->socket, message, message->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t len = mnl_socket_recvfrom(rtnl->socket, rtnl->buffer, sizeof(rtnl->buffer));

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		rc = mnl_cb_run(rtnl->buffer, (size_t)len, rtnl->sequence, port, callback, data);
	} while (rc > 0);
	return rc < 0 ? -errno : 0;
}

static struct nlmsghdr *start(char *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	return message;
}

static size_t ip_len(const struct net_ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

int rtnl_set_link_up(struct rtnl *rtnl, int index)
{
	char buffer[256];
	struct nlmsghdr *message = start(buffer, RTM_NEWLINK, NLM_F_ACK);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	info->ifi_index = index;
	info->ifi_change = info->ifi_flags = IFF_UP;
	return talk(rtnl, message, NULL, NULL);
}

int rtnl_set_link_mtu(struct rtnl *rtnl, int index, unsigned int mtu)
{
	char buffer[256];
	struct nlmsghdr *message = start(buffer, RTM_NEWLINK, NLM_F_ACK);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	info->ifi_index = index;
	mnl_attr_put_u32(message, IFLA_MTU, mtu);
	return talk(rtnl, message, NULL, NULL);
}

static int change_address(struct rtnl *rtnl, bool add, int index, const struct net_ip *address,
	unsigned int prefix)
{
	char buffer[256];
	struct nlmsghdr *message = start(buffer, add ? RTM_NEWADDR : RTM_DELADDR,
		(uint16_t)(NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0)));
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	info->ifa_family = (uint8_t)address->family;
	info->ifa_prefixlen = (uint8_t)prefix;
	info->ifa_index = (unsigned int)index;
	mnl_attr_put(message, IFA_LOCAL, ip_len(address), address->bytes);
	mnl_attr_put(message, IFA_ADDRESS, ip_len(address), address->bytes);
	if (add && address->family == AF_INET && prefix < 31) {
		uint32_t host, mask = htonl(~UINT32_C(0) >> prefix);

		memcpy(&host, address->bytes, sizeof(host));
		mnl_attr_put_u32(message, IFA_BROADCAST, host | mask);
	}
	return talk(rtnl, message, NULL, NULL);
}

#define ADDRESSES_MAX 32 /* on one link; what is left over is removed at the next change */

struct address_dump {
	int index;
	size_t count;
	struct {
		struct net_ip ip;
		unsigned int prefix;
	} found[ADDRESSES_MAX];
};

static int on_address_attribute(const struct nlattr *attribute, void *data)
{
	struct net_ip *ip = data;

	/* IFA_LOCAL comes after IFA_ADDRESS; they differ on point-to-point links only, where it is
	 * ours. */
	if (mnl_attr_get_type(attribute) != IFA_LOCAL &&
		mnl_attr_get_type(attribute) != IFA_ADDRESS)
		return MNL_CB_OK;
	if (mnl_attr_get_payload_len(attribute) == ip_len(ip))
		memcpy(ip->bytes, mnl_attr_get_payload(attribute), ip_len(ip));
	return MNL_CB_OK;
}

static int on_address(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct address_dump *dump = data;
	struct net_ip *ip;

	if ((int)info->ifa_index != dump->index || info->ifa_scope == RT_SCOPE_LINK ||
		dump->count == ARRAY_SIZE(dump->found) ||
		(info->ifa_family != AF_INET && info->ifa_family != AF_INET6))
		return MNL_CB_OK;
	ip = &dump->found[dump->count].ip;
	*ip = (struct net_ip){.family = info->ifa_family};
	dump->found[dump->count++].prefix = info->ifa_prefixlen;
	return mnl_attr_parse(message, sizeof(*info), on_address_attribute, ip);
}

/* Removes the link's addresses of one family except `keep` (which may be NULL). */
static int remove_addresses(struct rtnl *rtnl, int index, sa_family_t family,
	const struct net_ip *keep, unsigned int keep_prefix)
{
	char buffer[256];
	struct nlmsghdr *message = start(buffer, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	struct address_dump dump = {.index = index};
	int rc;

	info->ifa_family = (uint8_t)family;
	rc = talk(rtnl, message, on_address, &dump);
	for (size_t i = 0; rc == 0 && i < dump.count; i++) {
		const struct net_ip *ip = &dump.found[i].ip;

		if (keep && dump.found[i].prefix == keep_prefix &&
			memcmp(ip, keep, sizeof(*ip)) == 0)
			continue;
		rc = change_address(rtnl, false, index, ip, dump.found[i].prefix);
		/* The kernel removes secondary addresses with their primary one. */
		if (rc == -EADDRNOTAVAIL)
			rc = 0;
	}
	return rc;
}

int rtnl_set_address(struct rtnl *rtnl, int index, const struct net_ip *address,
	unsigned int prefix)
{
	int rc = remove_addresses(rtnl, index, address->family, address, prefix);

	return rc < 0 ? rc : change_address(rtnl, true, index, address, prefix);
}

int rtnl_clear_addresses(struct rtnl *rtnl, int index)
{
	return remove_addresses(rtnl, index, AF_INET, NULL, 0);
}

int rtnl_set_default_route(struct rtnl *rtnl, int index, const struct net_ip *gateway, bool onlink)
{
	char buffer[256];
	struct nlmsghdr *message =
		start(buffer, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	info->rtm_family = (uint8_t)gateway->family;
	info->rtm_table = RT_TABLE_MAIN;
	info->rtm_protocol = RTPROT_BOOT;
	info->rtm_scope = RT_SCOPE_UNIVERSE;
	info->rtm_type = RTN_UNICAST;
	info->rtm_flags = onlink ? RTNH_F_ONLINK : 0;
	mnl_attr_put(message, RTA_GATEWAY, ip_len(gateway), gateway->bytes);
	mnl_attr_put_u32(message, RTA_OIF, (uint32_t)index);
	return talk(rtnl, message, NULL, NULL);
}

static int on_link_attribute(const struct nlattr *attribute, void *data)
{
	struct rtnl_link *link = data;

	if (mnl_attr_get_type(attribute) == IFLA_IFNAME &&
		mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
		(void)snprintf(link->name, sizeof(link->name), "%.15s",
			mnl_attr_get_str(attribute));
	/* Only links that software made tell of what kind they are. */
	if (mnl_attr_get_type(attribute) == IFLA_LINKINFO)
		link->software = true;
	return MNL_CB_OK;
}

struct link_search {
	const char *name;
	struct rtnl_link found;
};

static int on_link(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct link_search *search = data;
	struct rtnl_link link = {.index = info->ifi_index,
		.flags = info->ifi_flags,
		.ethernet = info->ifi_type == ARPHRD_ETHER};
	bool match;

	(void)mnl_attr_parse(message, sizeof(*info), on_link_attribute, &link);
	match = search->name[0] ? strcmp(link.name, search->name) == 0
				: link.ethernet && !link.software;
	if (match && (search->found.index == 0 || link.index < search->found.index))
		search->found = link;
	return MNL_CB_OK;
}

int rtnl_find_link(struct rtnl *rtnl, const char *name, struct rtnl_link *link)
{
	char buffer[256];
	struct nlmsghdr *message = start(buffer, RTM_GETLINK, NLM_F_DUMP);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	struct link_search search = {.name = name};
	int rc;

	info->ifi_family = AF_UNSPEC;
	rc = talk(rtnl, message, on_link, &search);
	if (rc < 0)
		return rc;
	if (search.found.index == 0)
		return -ENODEV;
	*link = search.found;
	return 0;
}

int rtnl_open_link_events(void)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	_cleanup_close_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}
