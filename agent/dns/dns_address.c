/* SPDX-License-Identifier: MIT
 *
 * dns_address.c - see dns_address.h. One message of rtnetlink(7) and its acknowledgement. Caller: main.c.
 */
#include "agent/dns/dns_address.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#define PREFIX 32

static int talk(struct mnl_socket *socket, const struct nlmsghdr *message)
{
	char buffer[1024];
	ssize_t len;

	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	len = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (len < 0 || mnl_cb_run(buffer, (size_t)len, message->nlmsg_seq,
			       mnl_socket_get_portid(socket), NULL, NULL) < 0)
		return -errno;
	return 0;
}

int dns_address_change(const char *ip, bool add)
{
	char buffer[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	struct mnl_socket *socket;
	struct in_addr address;
	int rc;

	if (inet_pton(AF_INET, ip, &address) != 1)
		return -EINVAL;
	message->nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR;
	message->nlmsg_flags =
		(uint16_t)(NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0));
	message->nlmsg_seq = 1;
	info->ifa_family = AF_INET;
	info->ifa_prefixlen = PREFIX;
	info->ifa_scope = RT_SCOPE_HOST;
	info->ifa_index = if_nametoindex("lo");
	mnl_attr_put(message, IFA_LOCAL, sizeof(address), &address);
	mnl_attr_put(message, IFA_ADDRESS, sizeof(address), &address);
	socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!socket)
		return -errno;
	rc = talk(socket, message);
	(void)mnl_socket_close(socket);
	return rc;
}
