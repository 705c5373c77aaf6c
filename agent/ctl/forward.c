/* SPDX-License-Identifier: MIT
 *
 * forward.c - keelctl forward: a local socket becomes the guest's Docker API, until SIGINT or SIGTERM.
 */
#include <stdio.h>
#include <string.h>

#include "agent/common/proxy.h"
#include "agent/ctl/ctl.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/stop_signals.h"

#define CONNECT_MS  10000
#define SOCKET_MODE 0600

int ctl_forward(const struct ctl *ctl)
{
	static struct proxy proxy;
	const struct address target = ctl_docker_address(ctl);
	struct loop_source signals = {.fd = -1};
	struct address listen;
	struct loop loop;
	int rc;

	if (ctl->argc != 1 || address_parse(ctl->argv[0], &listen) < 0 ||
		(listen.kind != ADDRESS_UNIX && listen.kind != ADDRESS_TCP)) {
		(void)fputs("keelctl: forward needs unix:PATH or tcp:127.0.0.1:PORT to listen on\n",
			stderr);
		return CTL_EXIT_USAGE;
	}
	log_open("keelctl", STDERR_FILENO, false);
	descriptors_raise(PROXY_DESCRIPTORS);
	rc = loop_init(&loop);
	if (rc < 0)
		return CTL_EXIT_NO;
	proxy_init(&proxy, &loop, &listen, SOCKET_MODE, &target, CONNECT_MS,
		"the guest does not answer on its Docker port; keelctl status --vm ADDRESS says more");
	rc = stop_signals_watch(&loop, &signals, stop_signals_end_loop, &loop);
	if (rc == 0)
		rc = proxy_open(&proxy);
	if (rc < 0) {
		(void)fprintf(stderr, "keelctl: %s: %s\n", ctl->argv[0], strerror(-rc));
		loop_fini(&loop);
		return CTL_EXIT_NO;
	}
	(void)printf("forwarding; use it with: docker -H %s%s\n",
		listen.kind == ADDRESS_UNIX ? "unix://" : "tcp://",
		ctl->argv[0] + (listen.kind == ADDRESS_UNIX ? strlen("unix:") : strlen("tcp:")));
	(void)fflush(stdout);
	rc = loop_run(&loop);
	proxy_close(&proxy);
	loop_fini(&loop);
	return rc < 0 ? CTL_EXIT_NO : CTL_EXIT_OK;
}
