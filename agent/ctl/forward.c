/* SPDX-License-Identifier: MIT
 *
 * forward.c - keelctl forward: a local socket becomes the guest's Docker API, until SIGINT or SIGTERM.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/common/proxy.h"
#include "agent/ctl/ctl.h"
#include "agent/ctl/docker_host.h"
#include "lib/log.h"
#include "lib/stop_signals.h"

#define CONNECT_MS  10000
#define SOCKET_MODE 0600

/* What a dead forward left is taken away; what somebody listens on, or what is no socket, is not. */
static int clear_path(const struct ctl *ctl, const struct address *listen)
{
	struct stat st;
	int fd, rc;

	if (listen->kind != ADDRESS_UNIX || lstat(listen->path, &st) < 0)
		return CTL_EXIT_OK;
	if (!S_ISSOCK(st.st_mode))
		return ctl_fail(ctl, "%s is there and no socket; choose another path",
			listen->path);
	rc = address_connect(listen, &fd);
	close_p(&fd);
	if (rc == -ECONNREFUSED)
		return CTL_EXIT_OK;
	return ctl_fail(ctl, "%s is in use; choose another path", listen->path);
}

static int announce(const struct ctl *ctl, const struct address *listen)
{
	char host[1200];
	int rc = docker_host_format(listen, host, sizeof(host));

	if (rc < 0)
		return rc;
	if (listen->kind == ADDRESS_TCP)
		(void)ctl_fail(ctl,
			"warning: everybody on this machine can use it, and Docker's API is root in the guest");
	(void)printf("forwarding; use it with: docker -H %s\n", host);
	(void)fflush(stdout);
	if (ctl->ready_fd >= 0) {
		rc = write(ctl->ready_fd, "\n", 1) == 1 ? 0 : -errno;
		(void)close(ctl->ready_fd);
	}
	return rc;
}

static int forward(const struct ctl *ctl, struct loop *loop, const struct address *listen)
{
	static struct proxy proxy;
	const struct address target = ctl_docker_address(ctl);
	struct loop_source signals = {.fd = -1};
	int rc;

	proxy_init(&proxy, loop, listen, SOCKET_MODE, &target, CONNECT_MS,
		"the guest does not answer on its Docker port; keelctl status --vm ADDRESS says more");
	rc = stop_signals_watch(loop, &signals, stop_signals_end_loop, loop);
	if (rc == 0)
		rc = proxy_open(&proxy);
	if (rc == 0)
		rc = announce(ctl, listen);
	if (rc == 0)
		rc = loop_run(loop);
	proxy_close(&proxy);
	return rc;
}

int ctl_forward(const struct ctl *ctl)
{
	struct address listen;
	struct loop loop;
	int rc;

	if (address_parse(ctl->argv[0], &listen) < 0 ||
		(listen.kind != ADDRESS_UNIX && listen.kind != ADDRESS_TCP))
		return ctl_usage(ctl, "%s: it must be unix:PATH or tcp:127.0.0.1:PORT",
			ctl->argv[0]);
	if (ctl->ready_fd >= 0 && fcntl(ctl->ready_fd, F_GETFD) < 0)
		return ctl_usage(ctl, "--ready-fd %d: it is not open", ctl->ready_fd);
	rc = clear_path(ctl, &listen);
	if (rc != CTL_EXIT_OK)
		return rc;
	(void)signal(SIGPIPE, SIG_IGN);
	log_open("keelctl", STDERR_FILENO, false);
	rc = loop_init(&loop);
	if (rc == 0) {
		rc = forward(ctl, &loop, &listen);
		loop_fini(&loop);
	}
	return rc < 0 ? ctl_fail(ctl, "%s: %s", ctl->argv[0], strerror(-rc)) : CTL_EXIT_OK;
}
