/* SPDX-License-Identifier: MIT
 *
 * main.c - keel-dns: sees to it that containers ask the resolvers that resolv.conf names. A service of PID 1's.
 *
 * As long as one of them can be reached from a container it does nothing but watch resolv.conf. When all are on
 * loopback, or IPv6, it listens on RESOLV_FORWARD_IP, has dockerd started with --dns (ENVIRONMENT, read by
 * docker.service) and passes queries on (dns_forward.c); from then on also whatever resolv.conf names later, because
 * containers have that address. docs/network.md says why it is done so.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "agent/common/resolv_conf.h"
#include "agent/ctl/control_link.h"
#include "agent/dns/dns_address.h"
#include "agent/dns/dns_forward.h"
#include "agent/notify.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/stop_signals.h"

#define DOCKER_SERVICE  "docker.service"
#define DAEMON_JSON     "/etc/docker/daemon.json"
#define DAEMON_JSON_MAX 65536
/* Where dockerd looks if resolv.conf names 127.0.0.53 alone: for the search domains. */
#define RESOLVED_DIR  "/run/systemd/resolve"
#define RESOLVED_CONF RESOLVED_DIR "/resolv.conf"
#define EVENTS        (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM)
#define CONTROL_MS    5000

static struct keel_dns {
	struct loop loop;
	struct loop_source events, signals;
	struct dns_forward forward;
	bool own; /* daemon.json has resolvers of its own */
	bool started, failed;
} keel_dns;

/* ---- dockerd -------------------------------------------------------------------------------------- */

/* Both a flag and a key would keep dockerd from starting. */
static bool dockerd_has_own(void)
{
	static char text[DAEMON_JSON_MAX];

	return file_read(DAEMON_JSON, text, sizeof(text)) > 0 && strstr(text, "\"dns\"") != NULL;
}

static int write_environment(const char *text)
{
	_cleanup_close_ int fd = open(RESOLV_ENVIRONMENT ".new",
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int rc = fd < 0 ? -errno : file_write_all(fd, text, strlen(text));

	if (rc == 0 && rename(RESOLV_ENVIRONMENT ".new", RESOLV_ENVIRONMENT) < 0)
		rc = -errno;
	return rc;
}

/* What dockerd is started with from now on. If it runs with something else it is restarted: containers live on. */
static void set_environment(const char *text)
{
	char before[128];
	int rc;

	if (file_read(RESOLV_ENVIRONMENT, before, sizeof(before)) < 0)
		before[0] = '\0';
	if (strcmp(before, text) == 0)
		return;
	rc = write_environment(text);
	if (rc < 0)
		log_error("write " RESOLV_ENVIRONMENT ": %s", strerror(-rc));
	/* An operator's own `dns` comes with a restart of the operator's. At boot dockerd waits for us, and PID 1 has
	 * nothing to restart. */
	if (rc < 0 || text[0] == '\0')
		return;
	log_info("dockerd gives containers the resolver " RESOLV_FORWARD_IP " from now on");
	rc = control_link_order(CONTROL_MS, CONTROL_VERB_TRY_RESTART, DOCKER_SERVICE);
	if (rc < 0)
		log_error("restart " DOCKER_SERVICE ": %s", strerror(-rc));
}

/* ---- resolv.conf ---------------------------------------------------------------------------------- */

static int start_forwarding(void)
{
	int rc = dns_address_change(RESOLV_FORWARD_IP, true);

	if (rc < 0) {
		log_error("add " RESOLV_FORWARD_IP " to lo: %s", strerror(-rc));
		return rc;
	}
	rc = dns_forward_open(&keel_dns.forward, RESOLV_FORWARD_IP, RESOLV_FORWARD_PORT);
	if (rc < 0)
		log_error("listen on " RESOLV_FORWARD_IP ": %s", strerror(-rc));
	if (file_make_dirs(RESOLVED_DIR) == 0)
		(void)!symlink(RESOLV_CONF, RESOLVED_CONF);
	return rc;
}

static void tell(enum resolv_reach reach)
{
	char servers[RESOLV_SERVERS * RESOLV_SERVER_TEXT], text[320];
	const char *list = resolv_conf_list(&keel_dns.forward.conf, servers, sizeof(servers));

	if (keel_dns.own)
		list = "daemon.json's own dns";
	(void)snprintf(text, sizeof(text), "STATUS=containers ask %s%s",
		dns_forward_is_open(&keel_dns.forward) && !keel_dns.own ? RESOLV_FORWARD_IP
			", that is "
									: "",
		reach == RESOLV_REACH_NONE && !keel_dns.own
			? "public resolvers: resolv.conf names none"
			: list);
	(void)!notify_send(text);
	log_info("%s", text + sizeof("STATUS=") - 1);
}

static bool same_servers(const struct resolv_conf *a, const struct resolv_conf *b)
{
	bool same = a->count == b->count;

	for (unsigned int i = 0; same && i < a->count; i++)
		same = strcmp(a->servers[i].text, b->servers[i].text) == 0;
	return same;
}

static void look(void)
{
	static char text[RESOLV_CONF_TEXT];
	char before[128];
	struct resolv_conf conf;
	enum resolv_reach reach;
	bool forwarding = dns_forward_is_open(&keel_dns.forward), own = dockerd_has_own();

	if (file_read(RESOLV_CONF, text, sizeof(text)) == -ENOENT)
		text[0] = '\0';
	resolv_conf_parse(text, &conf);
	reach = resolv_conf_reach(&conf);
	if (keel_dns.started && own == keel_dns.own && same_servers(&conf, &keel_dns.forward.conf))
		return;
	keel_dns.own = own;
	keel_dns.forward.conf = conf;
	/* Our predecessor's containers have its address. */
	if (!forwarding && (reach == RESOLV_REACH_LOCAL ||
				   file_read(RESOLV_ENVIRONMENT, before, sizeof(before)) > 0)) {
		keel_dns.failed = start_forwarding() < 0;
		forwarding = true;
	}
	set_environment(forwarding && !own ? "KEEL_DNS=--dns=" RESOLV_FORWARD_IP "\n" : "");
	tell(reach);
}

/* ---- what wakes it -------------------------------------------------------------------------------- */

static void watch_directory(const char *path)
{
	if (inotify_add_watch(keel_dns.events.fd, path, EVENTS | IN_ONLYDIR) < 0 && errno != ENOENT)
		log_warning("watch %s: %s", path, strerror(errno));
}

/* resolv.conf itself may be exchanged, and what it links to (under WSL /mnt/wsl/resolv.conf). */
static void watch_all(void)
{
	char target[256];
	ssize_t len = readlink(RESOLV_CONF, target, sizeof(target) - 1);
	char *slash;

	watch_directory("/etc");
	watch_directory("/etc/docker");
	target[len > 0 ? len : 0] = '\0';
	slash = strrchr(target, '/');
	if (target[0] != '/' || !slash || slash == target)
		return;
	*slash = '\0';
	watch_directory(target);
}

static void on_events(struct loop_source *source, uint32_t events)
{
	static _Alignas(struct inotify_event) char buffer[8192];

	(void)events;
	while (read(source->fd, buffer, sizeof(buffer)) > 0)
		;
	watch_all();
	look();
}

static void on_signal(struct loop_source *source, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) == sizeof(info))
		keel_dns.loop.stop = true;
}

static int start(void)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), rc = loop_init(&keel_dns.loop);

	if (fd < 0 || rc < 0)
		return fd < 0 ? -errno : rc;
	dns_forward_init(&keel_dns.forward, &keel_dns.loop);
	rc = stop_signals_watch(&keel_dns.loop, &keel_dns.signals, on_signal, NULL);
	if (rc == 0)
		rc = loop_add(&keel_dns.loop, &keel_dns.events, fd, EPOLLIN, on_events, NULL);
	return rc;
}

int main(void)
{
	int rc;

	log_open("keel-dns", STDERR_FILENO, false);
	rc = start();
	if (rc < 0) {
		log_error("cannot start: %s", strerror(-rc));
		return 1;
	}
	watch_all();
	look();
	/* dockerd has its --dns all the same: containers without DNS are noticed, public resolvers are not. */
	if (keel_dns.failed)
		return 1;
	(void)!notify_send("READY=1");
	keel_dns.started = true;
	while (!keel_dns.loop.stop && !keel_dns.failed && rc == 0)
		rc = loop_once(&keel_dns.loop);
	if (dns_forward_is_open(&keel_dns.forward)) {
		dns_forward_close(&keel_dns.forward);
		(void)!dns_address_change(RESOLV_FORWARD_IP, false);
	}
	return rc < 0 || keel_dns.failed ? 1 : 0;
}
