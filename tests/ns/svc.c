/* SPDX-License-Identifier: MIT
 *
 * svc.c - the service (and stage helper) that tests start under PID 1: it does, in order, what its
 * arguments say, and ends with status 0. Called as keel-NAME without arguments it takes them from
 * /etc/test/keel-NAME, a word each; without that file it reports its stage as done.
 *
 *   event:TEXT      appends "TEXT pid microseconds" (CLOCK_BOOTTIME) to /var/test/events
 *   record:FILE     writes what it was given (signals, descriptors, environment, limits...) to FILE
 *   delay:MS        sleeps
 *   ready status:T  sd_notify(3) messages;  child-ready: READY=1 from a child process
 *   say-notify:T    any other message ("+" is a newline, "@" our own pid);  onhup:T says it at SIGHUP
 *   feed:N:MS       N times WATCHDOG=1, MS apart
 *   become-main     a child goes on with the next words; the parent says MAINPID=child and ends;  with :MS it lives
 *                   on for so long (become-main:0 = for ever)
 *   lock:PATH       event "double" unless it gets an exclusive lock that lasts as long as it lives
 *   serve:N         answers N connections of the socket that it was handed (fd 3) with its pid
 *   ignore:N        ignores signal N
 *   onterm:TEXT[:MS]  at SIGTERM: sleeps MS, event TEXT, exit 0
 *   fork:N          N children that sleep for ever;  daemon: one that left our session and parent
 *   leave:TEXT[:MS] a child in a session of its own that does what onterm says
 *   notify-flood:N  N status messages as fast as they are taken
 *   orphans:N       N grandchildren that die as orphans, then waits for their parents
 *   flood:BYTES     writes lines to stdout until that many bytes are written or an error comes
 *   say:TEXT err:TEXT part:TEXT  a line to stdout, to stderr, to stdout without its end; "_" is a space
 *   count:N[:MS]    N numbered lines, in turns to stdout and stderr, with a pause of MS after each
 *   torrent:BYTES   numbered lines of 64 bytes in blocks of 64 KiB to stdout as fast as it goes, errors or not; then the event
 *                   wrote:BYTES:LINES:REFUSED:SLOWEST (lines that are whole; refused or short writes; microseconds)
 *   rewrite:TEXT    what a shell's "echo TEXT >/dev/stdout" does: opens the file anew, truncates it, writes
 *   mount:PATH      a tmpfs, in the namespace of everybody
 *   hog:MB          takes memory and writes to every page of it
 *   fifo:PATH       makes a named pipe;  await:PATH waits until somebody opens it for writing
 *   report:STATE[:REASON]  a frame for PID 1 on fd 3 (done degraded failed skipped running); "_" is a space
 *   nonsense:N      N frames of random length and content on fd 3
 *   abort, exit:N, sleep (for ever), exec:PATH
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/control.h"

static char term_text[64];
static long term_delay_ms;

static void fail(const char *what)
{
	(void)fprintf(stderr, "svc: %s: %s\n", what, strerror(errno));
	_exit(99);
}

static void sleep_ms(long ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static void event(const char *text)
{
	struct timespec now;
	char line[160];
	int fd = open("/var/test/events", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666), len;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	len = snprintf(line, sizeof(line), "%s %d %lld\n", text, (int)getpid(),
		(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	if (fd < 0 || write(fd, line, (size_t)len) != len)
		fail("/var/test/events");
	(void)close(fd);
}

static void notify(const char *message)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!path)
		path = "/run/keel/notify"; /* a stranger knows it too */
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || sendto(fd, message, strlen(message), 0, (struct sockaddr *)&address,
			      sizeof(address)) < 0)
		fail("notify");
	(void)close(fd);
}

static void on_term(int number)
{
	(void)number;
	sleep_ms(term_delay_ms);
	event(term_text);
	_exit(0);
}

static void copy_lines(FILE *out, const char *path)
{
	char line[512];
	FILE *in = fopen(path, "re");

	while (in && fgets(line, sizeof(line), in))
		(void)fprintf(out, "%s%s", line, strchr(line, '\n') ? "" : "\n");
	if (in)
		(void)fclose(in);
}

static void record_fds(FILE *out)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char link[300], target[256];
		ssize_t len;
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || fd == dirfd(dir) || fd == fileno(out))
			continue;
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%s", entry->d_name);
		len = readlink(link, target, sizeof(target) - 1);
		target[len < 0 ? 0 : len] = '\0';
		(void)fprintf(out, "fd:%s=%s\n", entry->d_name, target);
	}
	if (dir)
		(void)closedir(dir);
}

static void record(const char *path)
{
	static const struct {
		const char *name;
		__typeof__(RLIMIT_NOFILE) resource;
	} limits[] = {{"NOFILE", RLIMIT_NOFILE}, {"NPROC", RLIMIT_NPROC}, {"CORE", RLIMIT_CORE}};
	char cwd[256], temporary[300];
	FILE *out;

	(void)snprintf(temporary, sizeof(temporary), "%s.new", path);
	out = fopen(temporary, "we");
	if (!out)
		fail(path);
	record_fds(out);
	for (char **e = environ; *e; e++)
		(void)fprintf(out, "env:%s\n", *e);
	(void)fprintf(out, "cwd=%s\npid=%d\nsid=%d\npgid=%d\n",
		getcwd(cwd, sizeof(cwd)) ? cwd : "?", (int)getpid(), (int)getsid(0),
		(int)getpgid(0));
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit = {0, 0};

		(void)getrlimit(limits[i].resource, &limit);
		(void)fprintf(out, "limit:%s=%llu:%llu\n", limits[i].name,
			(unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
	}
	copy_lines(out, "/proc/self/status");
	(void)fprintf(out, "oom=");
	copy_lines(out, "/proc/self/oom_score_adj");
	copy_lines(out, "/proc/self/cgroup");
	if (fclose(out) != 0 || rename(temporary, path) < 0)
		fail(path);
}

static void fork_sleepers(long count)
{
	for (long i = 0; i < count; i++) {
		if (fork() == 0) {
			(void)signal(SIGTERM, SIG_DFL);
			for (;;)
				(void)pause();
		}
	}
}

static void make_daemon(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)setsid();
		fork_sleepers(1);
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
}

static void make_orphans(long count)
{
	for (long i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			if (fork() == 0) {
				sleep_ms(20); /* its parent is gone by then */
				_exit((int)(i & 0x7f));
			}
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			fail("orphans");
	}
}

static void flood(long bytes)
{
	static char line[128];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (long done = 0; done < bytes;) {
		ssize_t n = write(STDOUT_FILENO, line, sizeof(line));

		if (n < 0)
			return;
		done += n;
	}
}

static void say(int fd, const char *text, const char *end)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "%s%s", text, end);

	for (int i = 0; i < len; i++)
		if (line[i] == '_')
			line[i] = ' ';
	if (write(fd, line, (size_t)len) != len)
		fail("say");
}

static void count_lines(const char *value)
{
	const char *colon = strchr(value, ':');
	long count = atol(value), pause_ms = colon ? atol(colon + 1) : 0;

	for (long i = 0; i < count; i++) {
		char line[32];

		(void)snprintf(line, sizeof(line), "line %ld", i);
		say(i % 2 ? STDERR_FILENO : STDOUT_FILENO, line, "\n");
		if (pause_ms)
			sleep_ms(pause_ms);
	}
}

static long now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void torrent(long bytes)
{
	static char block[64 * 1024 + 1];
	long wrote = 0, refused = 0, slowest = 0, lines = 0, number = 0;
	char text[128];

	while (number * 64 < bytes) {
		long start, spent;
		ssize_t n;

		for (size_t at = 0; at < sizeof(block) - 1; at += 64)
			(void)snprintf(block + at, 65, "%063ld\n", number++);
		start = now_us();
		n = write(STDOUT_FILENO, block, sizeof(block) - 1);
		spent = now_us() - start;
		slowest = spent > slowest ? spent : slowest;
		if (n < (ssize_t)sizeof(block) - 1)
			refused++;
		wrote += n > 0 ? n : 0;
		lines += n > 0 ? n / 64 : 0;
	}
	(void)snprintf(text, sizeof(text), "wrote:%ld:%ld:%ld:%ld", wrote, lines, refused, slowest);
	event(text);
}

static void rewrite(const char *text)
{
	int fd = open("/proc/self/fd/1", O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		fail("rewrite");
	say(fd, text, "\n");
	(void)close(fd);
}

static void hog(long megabytes)
{
	for (long i = 0; i < megabytes; i++) {
		char *block = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (block == MAP_FAILED)
			fail("hog");
		memset(block, 1, 1 << 20); /* kept for good */
	}
}

static void await(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, &byte, 1) < 0)
		fail(path);
	(void)close(fd);
}

static void report(const char *value)
{
	static const char *const names[] = {
		"pending", "running", "done", "degraded", "failed", "skipped"};
	struct stage_report frame = {.magic = CONTROL_MAGIC, .version = CONTROL_VERSION};
	size_t len = strcspn(value, ":");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && strncmp(names[i], value, len) == 0)
			frame.state = (uint8_t)i;
	if (value[len] == ':')
		(void)snprintf(frame.reason, sizeof(frame.reason), "%s", value + len + 1);
	for (char *p = frame.reason; *p; p++)
		if (*p == '_')
			*p = ' ';
	if (send(STAGE_REPORT_FD, &frame, sizeof(frame), MSG_NOSIGNAL) < 0)
		fail("report");
}

static void nonsense(long count)
{
	unsigned char frame[2048];
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	for (long i = 0; i < count; i++) {
		if (fd < 0 || read(fd, frame, sizeof(frame)) < 0)
			fail("/dev/urandom");
		/* Also frames of the right length, and with the right head. */
		if (i % 3 == 0)
			memcpy(frame,
				&(struct stage_report){
					.magic = CONTROL_MAGIC, .version = CONTROL_VERSION},
				8);
		(void)!send(STAGE_REPORT_FD, frame,
			i % 2 ? sizeof(struct stage_report) : 1 + frame[9] * 8U, MSG_NOSIGNAL);
	}
	(void)close(fd);
}

static void arm_term(const char *value)
{
	struct sigaction action = {.sa_handler = on_term};
	size_t len = strcspn(value, ":");

	(void)snprintf(term_text, sizeof(term_text), "%.*s", (int)len, value);
	term_delay_ms = value[len] == ':' ? atol(value + len + 1) : 0;
	(void)sigaction(SIGTERM, &action, NULL);
}

static void leave(const char *value)
{
	int armed[2];
	char byte;

	if (pipe(armed) < 0)
		fail("leave");
	if (fork() == 0) {
		(void)setsid();
		arm_term(value);
		(void)!write(armed[1], "", 1);
		for (;;)
			(void)pause();
	}
	if (read(armed[0], &byte, 1) != 1)
		fail("leave");
	(void)close(armed[0]);
	(void)close(armed[1]);
}

static void say_notify(const char *value)
{
	char text[256];
	size_t len = 0;

	for (const char *p = value; *p && len < sizeof(text) - 12; p++) {
		if (*p == '@')
			len += (size_t)snprintf(text + len, 12, "%d", (int)getpid());
		else
			text[len++] = *p == '+' ? '\n' : *p;
	}
	text[len] = '\0';
	notify(text);
}

static char hup_text[128];

static void on_hup(int number)
{
	(void)number;
	say_notify(hup_text);
	event("hup");
}

static void arm_hup(const char *value)
{
	struct sigaction action = {.sa_handler = on_hup, .sa_flags = SA_RESTART};

	(void)snprintf(hup_text, sizeof(hup_text), "%s", value);
	(void)sigaction(SIGHUP, &action, NULL);
}

static void feed(const char *value)
{
	const char *colon = strchr(value, ':');

	for (long i = 0; i < atol(value); i++) {
		sleep_ms(colon ? atol(colon + 1) : 100);
		notify("WATCHDOG=1");
	}
}

static void become_main(long live_ms)
{
	pid_t parent = getpid(), pid = fork();
	char text[64];

	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		/* The rest is said by the main process, which we are once the parent has said so. */
		while (live_ms < 0 && getppid() == parent)
			sleep_ms(1);
		sleep_ms(live_ms < 0 ? 0 : 50);
		return;
	}
	(void)snprintf(text, sizeof(text), "MAINPID=%d", (int)pid);
	notify(text);
	if (live_ms == 0)
		for (;;)
			(void)pause();
	sleep_ms(live_ms < 0 ? 0 : live_ms);
	_exit(0);
}

static void lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		fail(path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		event("double");
	/* Open for as long as we live. */
}

static void serve(long count)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");

	if (!fds || !pid || atoi(fds) != 1 || atoi(pid) != (int)getpid())
		fail("LISTEN_FDS, LISTEN_PID");
	(void)fcntl(3, F_SETFL, 0);
	for (long i = 0; i < count; i++) {
		int fd = accept4(3, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
			fail("serve");
		(void)close(fd);
	}
}

static void notify_flood(long count)
{
	for (long i = 0; i < count; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "STATUS=%ld of %ld", i + 1, count);
		notify(text);
	}
}

static void notify_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		notify("READY=1");
		/* Who sent it is looked up when it is read. */
		sleep_ms(500);
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
}

static void do_mount(const char *path)
{
	if (mount("test", path, "tmpfs", 0, NULL) < 0)
		fail(path);
}

static void do_simple(const char *verb)
{
	if (strcmp(verb, "ready") == 0) {
		notify("READY=1");
	} else if (strcmp(verb, "child-ready") == 0) {
		notify_child();
	} else if (strcmp(verb, "become-main") == 0) {
		become_main(-1);
	} else if (strcmp(verb, "daemon") == 0) {
		make_daemon();
	} else if (strcmp(verb, "abort") == 0) {
		abort();
	} else if (strcmp(verb, "sleep") == 0) {
		for (;;)
			(void)pause();
	} else {
		(void)fprintf(stderr, "svc: unknown word %s\n", verb);
		_exit(98);
	}
}

static void do_word(const char *word)
{
	const char *colon = strchr(word, ':'), *value = colon ? colon + 1 : "";
	size_t len = colon ? (size_t)(colon - word) : strlen(word);
	char verb[32], text[128];

	(void)snprintf(verb, sizeof(verb), "%.*s", (int)len, word);
	if (!colon) {
		do_simple(verb);
	} else if (strcmp(verb, "event") == 0) {
		event(value);
	} else if (strcmp(verb, "record") == 0) {
		record(value);
	} else if (strcmp(verb, "delay") == 0) {
		sleep_ms(atol(value));
	} else if (strcmp(verb, "status") == 0) {
		(void)snprintf(text, sizeof(text), "STATUS=%s", value);
		notify(text);
	} else if (strcmp(verb, "ignore") == 0) {
		(void)signal(atoi(value), SIG_IGN);
	} else if (strcmp(verb, "onterm") == 0) {
		arm_term(value);
	} else if (strcmp(verb, "nonsense") == 0) {
		nonsense(atol(value));
	} else if (strcmp(verb, "leave") == 0) {
		leave(value);
	} else if (strcmp(verb, "say-notify") == 0) {
		say_notify(value);
	} else if (strcmp(verb, "onhup") == 0) {
		arm_hup(value);
	} else if (strcmp(verb, "feed") == 0) {
		feed(value);
	} else if (strcmp(verb, "become-main") == 0) {
		become_main(atol(value));
	} else if (strcmp(verb, "lock") == 0) {
		lock(value);
	} else if (strcmp(verb, "serve") == 0) {
		serve(atol(value));
	} else if (strcmp(verb, "notify-flood") == 0) {
		notify_flood(atol(value));
	} else if (strcmp(verb, "fork") == 0) {
		fork_sleepers(atol(value));
	} else if (strcmp(verb, "orphans") == 0) {
		make_orphans(atol(value));
	} else if (strcmp(verb, "flood") == 0) {
		flood(atol(value));
	} else if (strcmp(verb, "say") == 0) {
		say(STDOUT_FILENO, value, "\n");
	} else if (strcmp(verb, "err") == 0) {
		say(STDERR_FILENO, value, "\n");
	} else if (strcmp(verb, "part") == 0) {
		say(STDOUT_FILENO, value, "");
	} else if (strcmp(verb, "count") == 0) {
		count_lines(value);
	} else if (strcmp(verb, "torrent") == 0) {
		torrent(atol(value));
	} else if (strcmp(verb, "rewrite") == 0) {
		rewrite(value);
	} else if (strcmp(verb, "hog") == 0) {
		hog(atol(value));
	} else if (strcmp(verb, "fifo") == 0) {
		if (mkfifo(value, 0600) < 0)
			fail(value);
	} else if (strcmp(verb, "mount") == 0) {
		do_mount(value);
	} else if (strcmp(verb, "await") == 0) {
		await(value);
	} else if (strcmp(verb, "report") == 0) {
		report(value);
	} else if (strcmp(verb, "exit") == 0) {
		_exit(atoi(value));
	} else if (strcmp(verb, "exec") == 0) {
		(void)execl(value, value, (char *)NULL);
		fail(value);
	} else {
		do_simple(verb);
	}
}

static int run_helper(const char *name)
{
	char path[128], text[1024], *rest = text;
	int fd, len;

	(void)snprintf(path, sizeof(path), "/etc/test/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : (int)read(fd, text, sizeof(text) - 1);
	text[len < 0 ? 0 : len] = '\0';
	if (fd < 0)
		do_word("report:done");
	else
		(void)close(fd);
	for (char *word; (word = strtok_r(rest, " \n", &rest));)
		do_word(word);
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];

	if (argc < 2 && strncmp(name, "keel-", 5) == 0)
		return run_helper(name);
	for (int i = 1; i < argc; i++)
		do_word(argv[i]);
	return 0;
}
