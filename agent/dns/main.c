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
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "agent/common/dockerd.h"
#include "agent/common/resolv_conf.h"
#include "agent/ctl/control_link.h"
#include "agent/dns/dns_address.h"
#include "agent/dns/dns_forward.h"
#include "agent/notify.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/stop_signals.h"

/* Where dockerd looks if resolv.conf names 127.0.0.53 alone: for the search domains. */
#define RESOLVED_DIR  "/run/systemd/resolve"
#define RESOLVED_CONF RESOLVED_DIR "/resolv.conf"
#define EVENTS        (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM)
#define CONTROL_MS    5000
/* Files that are saved in several steps are looked at after the last one, as a rule. */
#define SETTLE_US    (300 * USEC_PER_MSEC)
#define RETRY_MIN_US (1 * USEC_PER_SEC)
#define RETRY_MAX_US (30 * USEC_PER_SEC)

static struct keel_dns {
	struct loop loop;
	struct loop_source events, signals;
	struct loop_timer settle, retry;
	uint64_t retry_us;
	struct dns_forward forward;
	bool own; /* daemon.json has resolvers of its own */
	bool started;
	bool wanted;      /* containers have our address, or will have it */
	bool restart_due; /* dockerd runs without it, perhaps */
	int error;        /* why we do not listen, 0 or -errno */
	char told[320];
} keel_dns;

/* ---- dockerd -------------------------------------------------------------------------------------- */

/* Its process, 0: none; or -errno. */
static pid_t dockerd_pid(void)
{
	_cleanup_close_ int fd = control_link_open(CONTROL_MS);
	int rc = fd < 0 ? fd : control_send(fd, CONTROL_VERB_SNAPSHOT, NULL);
	struct control_record record;

	while (rc == 0) {
		rc = control_link_next(fd, &record);
		if (rc == 0 && record.type == CONTROL_RECORD_RESULT)
			return record.result;
		if (rc == 0 && record.type == CONTROL_RECORD_END)
			return 0;
		if (rc == 0 && record.type == CONTROL_RECORD_SERVICE &&
			strcmp(record.service.name, DOCKERD_UNIT) == 0)
			return record.service.pid;
	}
	return rc;
}

/* 1: dockerd runs and has our address, 0: it runs without, -ESRCH: it does not run, or another -errno. */
static int dockerd_has_us(void)
{
	static char block[DOCKERD_ENVIRON_MAX];
	pid_t pid = dockerd_pid();
	ssize_t len = pid < 0 ? pid : dockerd_environment(pid, block);

	if (len < 0 && len != -EFBIG)
		return (int)len;
	return dockerd_asks_keel_dns(block, len < 0 ? sizeof(block) - 1 : (size_t)len) ? 1 : 0;
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
	rc = file_replace(RESOLV_ENVIRONMENT, text);
	if (rc < 0)
		log_error("write " RESOLV_ENVIRONMENT ": %s", strerror(-rc));
	/* An operator's own `dns` comes with a restart of the operator's. */
	keel_dns.restart_due = rc == 0 && text[0] != '\0';
	if (keel_dns.restart_due)
		log_info("dockerd gives containers the resolver " RESOLV_FORWARD_IP " from now on");
}

/* At boot dockerd waits for us, and there is nothing to restart. False: it is to be tried again. */
static bool restart_dockerd(void)
{
	int rc = dockerd_has_us();

	if (rc == 0)
		rc = control_link_order(CONTROL_MS, CONTROL_VERB_TRY_RESTART, DOCKERD_UNIT);
	if (rc >= 0 || rc == -ESRCH)
		return true;
	log_error("restart " DOCKERD_UNIT ": %s", strerror(-rc));
	return false;
}

/* ---- resolv.conf ---------------------------------------------------------------------------------- */

static int start_forwarding(void)
{
	int rc = dns_address_change(RESOLV_FORWARD_IP, true);

	if (rc == 0)
		rc = dns_forward_open(&keel_dns.forward, RESOLV_FORWARD_IP, RESOLV_FORWARD_PORT);
	if (file_make_dirs(RESOLVED_DIR) == 0)
		(void)!symlink(RESOLV_CONF, RESOLVED_CONF);
	return rc;
}

static void describe(char text[320])
{
	const struct resolv_conf *conf = &keel_dns.forward.conf;
	char servers[RESOLV_SERVERS * RESOLV_SERVER_TEXT];

	(void)resolv_conf_list(conf, servers, sizeof(servers));
	if (keel_dns.own)
		(void)snprintf(text, 320, "containers ask daemon.json's own dns");
	else if (keel_dns.error < 0)
		(void)snprintf(text, 320, "containers get no answer: cannot listen on %s: %s",
			RESOLV_FORWARD_IP, strerror(-keel_dns.error));
	else if (keel_dns.wanted)
		(void)snprintf(text, 320, "%s %s%s", RESOLV_STATUS_ANSWERS,
			conf->count > 0 ? "that is " : "who knows nobody: resolv.conf names none",
			servers);
	else
		(void)snprintf(text, 320, "containers ask %s",
			conf->count > 0 ? servers : "public resolvers: resolv.conf names none");
}

static void tell(void)
{
	char text[320], message[340];

	describe(text);
	if (strcmp(text, keel_dns.told) == 0)
		return;
	memcpy(keel_dns.told, text, sizeof(text));
	(void)snprintf(message, sizeof(message), "STATUS=%s", text);
	(void)!notify_send(message);
	log_info("%s", text);
}

/* What is to be done and may fail, and then is tried again. */
static void act(struct loop_timer *timer)
{
	(void)timer;
	if (keel_dns.wanted && !dns_forward_is_open(&keel_dns.forward))
		keel_dns.error = start_forwarding();
	if (keel_dns.restart_due)
		keel_dns.restart_due = !restart_dockerd();
	tell();
	if (keel_dns.error == 0 && !keel_dns.restart_due) {
		keel_dns.retry_us = 0;
		loop_timer_cancel(&keel_dns.loop, &keel_dns.retry);
		return;
	}
	keel_dns.retry_us = keel_dns.retry_us == 0 ? RETRY_MIN_US : keel_dns.retry_us * 2;
	if (keel_dns.retry_us > RETRY_MAX_US)
		keel_dns.retry_us = RETRY_MAX_US;
	loop_timer_set(&keel_dns.loop, &keel_dns.retry, clock_now_us() + keel_dns.retry_us, act,
		NULL);
}

/* Our predecessor's containers have its address. */
static bool has_predecessor(void)
{
	char before[128];

	return file_read(RESOLV_ENVIRONMENT, before, sizeof(before)) > 0 || dockerd_has_us() == 1;
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
	struct resolv_conf conf;
	bool own = dockerd_json_has("dns");

	if (file_read(RESOLV_CONF, text, sizeof(text)) == -ENOENT)
		text[0] = '\0';
	resolv_conf_parse(text, &conf);
	if (keel_dns.started && own == keel_dns.own && same_servers(&conf, &keel_dns.forward.conf))
		return;
	keel_dns.own = own;
	keel_dns.forward.conf = conf;
	keel_dns.wanted |= !own && resolv_conf_reach(&conf) == RESOLV_REACH_LOCAL;
	if (!keel_dns.started)
		keel_dns.wanted |= has_predecessor();
	keel_dns.started = true;
	/* Also when nobody can listen: containers without DNS are noticed, public resolvers are not. */
	set_environment(keel_dns.wanted && !own ? RESOLV_OPTION "\n" : "");
	act(NULL);
}

/* ---- what wakes it -------------------------------------------------------------------------------- */

static void watch_directory(const char *path)
{
	if (inotify_add_watch(keel_dns.events.fd, path, EVENTS | IN_ONLYDIR) < 0 && errno != ENOENT)
		log_warning("watch %s: %s", path, strerror(errno));
}

static void watch_directory_of(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return;
	*slash = '\0';
	watch_directory(path);
}

/* resolv.conf itself may be exchanged, what it links to (under WSL /mnt/wsl/resolv.conf, which may be missing yet), and
 * the file at the end of several links. */
static void watch_all(void)
{
	char target[256], path[PATH_MAX];
	ssize_t len = readlink(RESOLV_CONF, target, sizeof(target) - 1);

	watch_directory("/etc");
	watch_directory("/etc/docker");
	if (len <= 0)
		return;
	target[len] = '\0';
	(void)snprintf(path, sizeof(path), "%s%s", target[0] == '/' ? "" : "/etc/", target);
	watch_directory_of(path);
	if (realpath(RESOLV_CONF, path))
		watch_directory_of(path);
}

static void on_settled(struct loop_timer *timer)
{
	(void)timer;
	watch_all();
	look();
}

static void on_events(struct loop_source *source, uint32_t events)
{
	static _Alignas(struct inotify_event) char buffer[8192];

	(void)events;
	while (read(source->fd, buffer, sizeof(buffer)) > 0)
		;
	if (keel_dns.settle.at_us == 0)
		loop_timer_set(&keel_dns.loop, &keel_dns.settle, clock_now_us() + SETTLE_US,
			on_settled, NULL);
}

static int start(void)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), rc = loop_init(&keel_dns.loop);

	if (fd < 0 || rc < 0)
		return fd < 0 ? -errno : rc;
	dns_forward_init(&keel_dns.forward, &keel_dns.loop);
	rc = stop_signals_watch(&keel_dns.loop, &keel_dns.signals, stop_signals_end_loop,
		&keel_dns.loop);
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
	/* dockerd waits for the decision, not for its success. */
	(void)!notify_send("READY=1");
	while (!keel_dns.loop.stop && rc == 0)
		rc = loop_once(&keel_dns.loop);
	dns_forward_close(&keel_dns.forward);
	if (rc < 0)
		return 1;
	/* Stopped for good, perhaps: the next dockerd is not to hand out an address that nobody answers at. */
	(void)unlink(RESOLV_ENVIRONMENT);
	if (keel_dns.wanted)
		(void)!dns_address_change(RESOLV_FORWARD_IP, false);
	return 0;
}
