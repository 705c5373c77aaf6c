/* SPDX-License-Identifier: MIT
 *
 * keel-net - the stage helper of the network: loopback, then the first Ethernet link with a static
 * address or DHCP. Under WSL the network belongs to WSL and is shared with all distros: not
 * touched.
 *
 * Started once by PID 1. Static: reports DONE and ends. DHCP: becomes udhcpc (lease.c says why) and
 * goes on living. A network that does not come up is DEGRADED, never more: the engine works
 * without.
 */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "init/net/lease.h"
#include "init/net/net_apply.h"
#include "lib/clock.h"
#include "lib/control.h"
#include "lib/helper.h"
#include "lib/log.h"

static const char usage[] =
	"usage: keel-net [-o SECTION.KEY=VALUE]...\n"
	"       keel-net deconfig | bound | renew | leasefail | nak   (called by udhcpc)\n"
	"Brings up loopback and one Ethernet link as keel.conf(5) says in [net]. Under WSL "
	"(environment\n"
	"variable container=wsl) nothing is touched.\n"
	"  -o, --option=SECTION.KEY=VALUE  override keel.conf, e.g. -o net.mode=none\n"
	"  -h, --help                      this text\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage. With DHCP it stays, as udhcpc.\n";

/* Waits until a link changes or `until_us`; UINT64_MAX is for ever. False: time is up. */
static bool wait_link_event(int events_fd, uint64_t until_us)
{
	struct pollfd poll_fd = {.fd = events_fd, .events = POLLIN};
	uint64_t now = clock_now_us();
	int timeout_ms = -1;
	char buffer[8192];

	if (until_us != UINT64_MAX)
		timeout_ms = until_us > now ? (int)((until_us - now) / USEC_PER_MSEC) + 1 : 0;
	if (poll(&poll_fd, 1, timeout_ms) == 0)
		return false;
	/* What changed is looked up afterwards; an overflow (ENOBUFS) means as much as a message.
	 */
	while (recv(events_fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
		;
	return true;
}

/* Waits for the link to exist, sets it up, and gives its carrier time until the deadline. */
static int bring_up_link(struct rtnl *rtnl, const struct config *config, struct rtnl_link *link)
{
	const char *name = config->net.interface;
	uint64_t deadline = clock_now_us() + config->net.wait_s * USEC_PER_SEC;
	_cleanup_close_ int events_fd = rtnl_open_link_events();
	int rc;

	if (events_fd < 0)
		return events_fd;
	while ((rc = rtnl_find_link(rtnl, name, link)) == -ENODEV) {
		stage_report_send(STAGE_STATE_RUNNING, NULL, "waiting for %s%s",
			name[0] ? "link " : "an Ethernet link", name);
		if (wait_link_event(events_fd, deadline))
			continue;
		stage_report_send(STAGE_STATE_DEGRADED, NULL,
			"no %s%s; it is taken up when it appears",
			name[0] ? "link " : "Ethernet link", name);
		deadline = UINT64_MAX;
	}
	if (rc == 0)
		rc = rtnl_set_link_up(rtnl, link->index);
	if (deadline == UINT64_MAX)
		deadline = clock_now_us() + config->net.wait_s * USEC_PER_SEC;
	while (rc == 0 && rtnl_find_link(rtnl, link->name, link) == 0 &&
		!(link->flags & IFF_RUNNING))
		if (!wait_link_event(events_fd, deadline))
			break; /* no carrier: it may come while DHCP asks */
	return rc;
}

static int set_static(struct rtnl *rtnl, const struct rtnl_link *link, const struct config *config)
{
	struct net_settings settings;
	const char *bad;
	int rc = net_settings_from_config(config, &settings, &bad);

	if (rc < 0) {
		stage_report_send(STAGE_STATE_DEGRADED, NULL,
			"net.mode=static, but %s in keel.conf is not valid", bad);
		return rc;
	}
	return net_apply_settings(rtnl, link, &settings, "");
}

static int set_loopback_up(struct rtnl *rtnl)
{
	struct rtnl_link loopback;
	int rc = rtnl_find_link(rtnl, "lo", &loopback);

	return rc < 0 ? rc : rtnl_set_link_up(rtnl, loopback.index);
}

static int run_network(const struct config *config)
{
	_cleanup_(rtnl_close_p) struct rtnl *rtnl = NULL;
	struct rtnl_link link;
	int rc = rtnl_open(&rtnl);

	if (rc == 0)
		rc = set_loopback_up(rtnl);
	if (rc < 0) {
		stage_report_send(STAGE_STATE_FAILED, NULL, "set the loopback link up: %s",
			strerror(-rc));
		return rc;
	}
	if (config->net.mode == CONFIG_NET_NONE) {
		stage_report_send(STAGE_STATE_DONE, NULL, "loopback only (net.mode=none)");
		return 0;
	}
	rc = bring_up_link(rtnl, config, &link);
	if (rc < 0) {
		stage_report_send(STAGE_STATE_DEGRADED, NULL, "set the Ethernet link up: %s",
			strerror(-rc));
		return rc;
	}
	if (config->net.mode == CONFIG_NET_STATIC)
		return set_static(rtnl, &link, config);
	rc = lease_exec_client(&link, config->net.wait_s);
	stage_report_send(STAGE_STATE_DEGRADED, NULL, "run udhcpc on %s: %s", link.name,
		strerror(-rc));
	return rc;
}

/* 0, 1 (done: help) or -EINVAL (told). */
static int parse_options(int argc, char **argv, struct config *config)
{
	static const struct option names[] = {
		{"option", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'}, {0}};
	int option;

	while ((option = getopt_long(argc, argv, "o:h", names, NULL)) >= 0) {
		if (option == 'h') {
			(void)fputs(usage, stdout);
			return 1;
		}
		if (option != 'o') {
			(void)fputs(usage, stderr);
			return -EINVAL;
		}
		if (helper_set_option(config, optarg) < 0) {
			(void)fprintf(stderr,
				"keel-net: %s: no such key or bad value, see keel.conf(5)\n",
				optarg);
			return -EINVAL;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *container = getenv("container");
	struct config config;
	int rc;

	lease_restore_report_fd();
	(void)helper_start("keel-net", &config);
	rc = parse_options(argc, argv, &config);
	if (rc != 0)
		return rc < 0 ? 2 : 0;
	if (optind + 1 == argc && lease_is_event(argv[optind]))
		return lease_handle_event(argv[optind]) < 0;
	if (optind < argc) {
		(void)fputs(usage, stderr);
		return 2;
	}
	if (container && strcmp(container, "wsl") == 0) {
		stage_report_send(STAGE_STATE_SKIPPED, NULL, "the network is WSL's");
		return 0;
	}
	return run_network(&config) < 0;
}
