/* SPDX-License-Identifier: MIT
 *
 * main.c - keel-log: takes what services write (lib/log_files.h) into their logs. A service of PID 1's.
 *
 * One inotify watch on the spool's directory wakes it; when nothing is written it sleeps. Services take turns, a
 * bounded amount each, so that one that floods does not keep the others waiting. It may be killed or
 * stopped at any time: the spool waits, services do not notice, no line is lost or stored twice.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>

#include "agent/log/collector.h"
#include "agent/notify.h"
#include "lib/clock.h"
#include "lib/control.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/log_files.h"
#include "lib/stop_signals.h"

/* PID 1's services, and some that were removed since. */
#define COLLECTORS_MAX (CONTROL_SERVICES_MAX + 32)
/* After a round the next wake-up waits so long: a service that writes often is read in pieces, not by the line. */
#define PACE_US (2 * USEC_PER_MSEC)
#define EVENTS  (IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM)

static struct keel_log {
	struct loop loop;
	struct loop_source events, signals;
	struct loop_timer round, watchdog;
	uint64_t watchdog_us; /* 0: nobody watches */
	int spool_dir, log_dir;
	bool complained;
	struct collector collectors[COLLECTORS_MAX];
} keel_log;

static void want_round(void *ctx);

static struct collector *find(const char *name)
{
	for (size_t i = 0; i < COLLECTORS_MAX; i++)
		if (strcmp(keel_log.collectors[i].name, name) == 0)
			return &keel_log.collectors[i];
	return NULL;
}

/* Its own output is a log like others: it must not say a word for each word. */
static void complain_once(const char *name, const char *what)
{
	if (!keel_log.complained)
		log_warning("%s: %s", name, what);
	keel_log.complained = true;
}

/* The collector of a spool file, made if it is new. NULL: it is none, or cannot be opened. */
static struct collector *take_in(const char *name)
{
	struct collector *collector = find(name);
	int rc;

	if (collector || !log_name_valid(name, strlen(name)))
		return collector;
	collector = find("");
	if (!collector) {
		complain_once(name, "too many services have a log");
		return NULL;
	}
	rc = collector_open(collector, &keel_log.loop, keel_log.spool_dir, keel_log.log_dir, name,
		want_round, NULL);
	if (rc < 0 && rc != -ENOENT)
		complain_once(name, strerror(-rc));
	return rc < 0 ? NULL : collector;
}

static void take_in_all(void)
{
	DIR *dir = opendir(LOG_SPOOL_DIR);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct collector *collector = take_in(entry->d_name);

		if (collector)
			collector->waiting = true;
	}
	if (dir)
		(void)closedir(dir);
}

/* ---- rounds --------------------------------------------------------------------------------- */

/* Everybody once. Returns true if somebody has more. */
static bool run_round(void)
{
	bool more = false;

	for (size_t i = 0; i < COLLECTORS_MAX; i++) {
		struct collector *collector = &keel_log.collectors[i];

		if (collector->name[0] == '\0' || !collector->waiting)
			continue;
		collector_pass(collector);
		more |= collector->waiting;
	}
	return more;
}

static void on_round(struct loop_timer *timer)
{
	if (run_round())
		loop_timer_set(&keel_log.loop, timer, clock_now_us(), on_round, NULL);
	else
		(void)!loop_modify(&keel_log.loop, &keel_log.events, EPOLLIN);
}

/* Now if nothing runs yet. */
static void want_round(void *ctx)
{
	(void)ctx;
	if (keel_log.round.at_us == 0)
		loop_timer_set(&keel_log.loop, &keel_log.round, clock_now_us(), on_round, NULL);
}

static void take_event(const struct inotify_event *event)
{
	struct collector *collector;

	if (event->mask & IN_Q_OVERFLOW) {
		take_in_all();
		return;
	}
	if (event->len == 0)
		return;
	if (event->mask & (IN_DELETE | IN_MOVED_FROM)) {
		/* Somebody removed it; the next start of the service makes a new one. */
		collector = event->name[0] ? find(event->name) : NULL;
		if (collector)
			collector_close(collector);
		return;
	}
	collector = take_in(event->name);
	if (!collector)
		return;
	collector->waiting = true;
	collector->ended |= (event->mask & IN_CLOSE_WRITE) != 0;
}

static void on_events(struct loop_source *source, uint32_t events)
{
	static _Alignas(struct inotify_event) char buffer[16 * 1024];
	ssize_t n = read(source->fd, buffer, sizeof(buffer));

	(void)events;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(buffer + at);

		take_event(event);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	if (run_round()) {
		want_round(NULL);
		return;
	}
	if (loop_modify(&keel_log.loop, source, 0) == 0)
		loop_timer_set(&keel_log.loop, &keel_log.round, clock_now_us() + PACE_US, on_round,
			NULL);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_watchdog(struct loop_timer *timer)
{
	(void)!notify_send("WATCHDOG=1");
	loop_timer_set(&keel_log.loop, timer, clock_now_us() + keel_log.watchdog_us, on_watchdog,
		NULL);
}

/* sd_watchdog_enabled(3): half of what PID 1 waits. */
static void start_watchdog(void)
{
	const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned long long us = text ? strtoull(text, NULL, 10) : 0;

	keel_log.watchdog_us = us / 2;
	if (us >= 2 && (!pid || strtol(pid, NULL, 10) == getpid()))
		on_watchdog(&keel_log.watchdog);
}

static int open_directory(const char *path, int *fd)
{
	int rc = file_make_dirs(path);

	if (rc < 0)
		return rc;
	*fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

static int watch_spool(void)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0 || inotify_add_watch(fd, LOG_SPOOL_DIR, EVENTS) < 0)
		return -errno;
	return loop_add(&keel_log.loop, &keel_log.events, fd, EPOLLIN, on_events, NULL);
}

static int start(void)
{
	int rc = loop_init(&keel_log.loop);

	if (rc == 0)
		rc = open_directory(LOG_SPOOL_DIR, &keel_log.spool_dir);
	if (rc == 0)
		rc = open_directory(LOG_DIR, &keel_log.log_dir);
	if (rc == 0)
		rc = stop_signals_watch(&keel_log.loop, &keel_log.signals, stop_signals_end_loop,
			&keel_log.loop);
	if (rc == 0)
		rc = watch_spool();
	return rc;
}

/* What is in the spool now, and what is still to be told. */
static void finish(void)
{
	for (size_t i = 0; i < COLLECTORS_MAX; i++) {
		struct collector *collector = &keel_log.collectors[i];

		collector->waiting = collector->ended = true;
	}
	/* A flood cannot hold us: beyond its budget a service's spool is taken in one pass. */
	for (int rounds = 0; rounds < 1024 && run_round(); rounds++)
		;
	for (size_t i = 0; i < COLLECTORS_MAX; i++)
		if (keel_log.collectors[i].name[0] != '\0')
			collector_note(&keel_log.collectors[i]);
}

int main(int argc, char **argv)
{
	int rc;

	(void)argv;
	log_open("keel-log", STDERR_FILENO, false);
	if (argc > 1) {
		(void)fputs("usage: keel-log\nA service of keel's PID 1; docs: keel-log(8).\n",
			stderr);
		return 2;
	}
	/* A service that uses all of the CPU for its output is to be outpaced. */
	(void)setpriority(PRIO_PROCESS, 0, -10);
	rc = start();
	if (rc < 0) {
		log_error("cannot start: %s", strerror(-rc));
		return 1;
	}
	take_in_all();
	want_round(NULL);
	rc = notify_send("READY=1");
	if (rc < 0)
		log_warning("sd_notify: %s", strerror(-rc));
	start_watchdog();
	rc = loop_run(&keel_log.loop);
	finish();
	if (rc < 0)
		log_error("%s", strerror(-rc));
	return rc < 0 ? 1 : 0;
}
