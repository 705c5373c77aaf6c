/* SPDX-License-Identifier: MIT
 *
 * lease.c - the two ends of udhcpc. It is in the rootfs anyway, has been speaking DHCP to the
 * world's routers for twenty years, and does what a client must do (retransmission, renewal,
 * rebinding, NAK): a client of our own would be 500 lines more that parse the network's answers.
 * What it hands over is text in environment variables; net_settings.c takes addresses and numbers
 * from them and nothing else (host and domain names, which could carry anything, are not used).
 */
#include "init/net/lease.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/net/net_apply.h"
#include "lib/control.h"
#include "lib/log.h"

/* udhcpc uses the descriptors 3 and 4 itself: its children find the report socket by this variable.
 */
#define REPORT_FD_VARIABLE "KEEL_REPORT_FD"
#define REPORT_FD_PARK     10

#define ROUND_TRIES   "5" /* DISCOVERs a round; a round without an answer is a leasefail event */
#define ROUND_PAUSE_S "5" /* between rounds */

int lease_exec_client(const struct rtnl_link *link, unsigned int wait_s)
{
	char self[256] = "", interval[16], variable[16];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *const argv[] = {"udhcpc", "-f", "-i", link->name, "-s", self, "-t", ROUND_TRIES,
		"-T", interval, "-A", ROUND_PAUSE_S, "-O", "mtu", NULL};
	int report_fd;

	if (len < 0)
		return -errno;
	(void)snprintf(interval, sizeof(interval), "%u", wait_s < 10 ? 1U : wait_s / 5);
	report_fd = fcntl(STAGE_REPORT_FD, F_DUPFD, REPORT_FD_PARK);
	if (report_fd < 0)
		return -errno;
	(void)snprintf(variable, sizeof(variable), "%d", report_fd);
	if (setenv(REPORT_FD_VARIABLE, variable, 1) < 0 ||
		setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 0) < 0)
		return -errno;
	(void)execvp(argv[0], (char *const *)argv);
	return -errno;
}

void lease_restore_report_fd(void)
{
	const char *variable = getenv(REPORT_FD_VARIABLE);

	if (variable)
		(void)dup2(atoi(variable),
			STAGE_REPORT_FD); /* NOLINT: inherited by nobody, see helper_start() */
}

static const char *const events[] = {"deconfig", "bound", "renew", "leasefail", "nak"};

bool lease_is_event(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (strcmp(word, events[i]) == 0)
			return true;
	return false;
}

/* At start, after a NAK and when the lease ran out: the address is not ours (any more). */
static int handle_deconfig(struct rtnl *rtnl, const struct rtnl_link *link)
{
	int rc = rtnl_clear_addresses(rtnl, link->index);

	if (rc == 0)
		rc = rtnl_set_link_up(rtnl, link->index);
	if (rc < 0)
		stage_report_send(STAGE_STATE_DEGRADED, NULL, "prepare %s for DHCP: %s", link->name,
			strerror(-rc));
	else
		stage_report_send(STAGE_STATE_RUNNING, NULL, "asking for a DHCP lease on %s",
			link->name);
	return rc;
}

static int handle_lease(struct rtnl *rtnl, const struct rtnl_link *link)
{
	struct net_settings settings;
	int rc = net_settings_from_lease(getenv, &settings);

	if (rc < 0) {
		stage_report_send(STAGE_STATE_DEGRADED, NULL,
			"the DHCP lease on %s has no usable address", link->name);
		return rc;
	}
	return net_apply_settings(rtnl, link, &settings, " from DHCP");
}

int lease_handle_event(const char *event)
{
	_cleanup_(rtnl_close_p) struct rtnl *rtnl = NULL;
	const char *name = getenv("interface");
	struct rtnl_link link = {0};
	int rc;

	if (!name || !name[0]) {
		log_error("%s: no variable `interface`: this is for udhcpc", event);
		return -EINVAL;
	}
	rc = rtnl_open(&rtnl);
	if (rc == 0)
		rc = rtnl_find_link(rtnl, name, &link);
	if (rc < 0) {
		stage_report_send(STAGE_STATE_DEGRADED, NULL, "link %.15s: %s", name,
			strerror(-rc));
		return rc;
	}
	if (strcmp(event, "deconfig") == 0)
		return handle_deconfig(rtnl, &link);
	if (strcmp(event, "bound") == 0 || strcmp(event, "renew") == 0)
		return handle_lease(rtnl, &link);
	if (strcmp(event, "leasefail") == 0)
		stage_report_send(STAGE_STATE_DEGRADED, NULL,
			"no answer from a DHCP server on %s; trying on (or set net.mode in "
			"keel.conf)",
			link.name);
	else
		log_warning("the DHCP server refused our address on %s; starting anew", link.name);
	return 0;
}
