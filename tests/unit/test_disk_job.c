/* SPDX-License-Identifier: MIT
 *
 * test_disk_job.c - jobs on the data disk through the HTTP API, with a script that speaks keel-disk's lines: what it says
 * becomes the answer, whatever the client does. Every step of the script waits for the test: nothing depends on time.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/loop_test.h"

#include "agent/api.h"
#include "agent/common/farewell.h"
#include "agent/disk.h"
#include "agent/runner.h"

static struct loop loop;
static struct http_server server;
static struct facts facts;
static struct disk disk;
static struct api api;
static char directory[64], program[96], fifo[96], record[96];
static unsigned int changes;

static void on_change(void *ctx)
{
	(void)ctx;
	changes++;
}

static void on_heard(void *ctx)
{
	(void)ctx;
	http_server_wake(&server);
}

/* Writes its words to `record`; a line "wait" means: until the test writes to the fifo. */
static void write_script(const char *body)
{
	FILE *file = fopen(program, "we");

	assert_non_null(file);
	if (!file)
		return;
	(void)fprintf(file, "#!/bin/sh\necho \"$*\" >> %s\nwait() { read -r x < %s; }\n%s\n",
		record, fifo, body);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(program, 0755), 0);
}

static int set_up(void **state)
{
	const struct disk_options options = {.trim = true, .space = {.calm_us = 30 * USEC_PER_SEC}};

	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/keel-job-XXXXXX");
	assert_non_null(mkdtemp(directory));
	(void)snprintf(program, sizeof(program), "%s/keel-disk", directory);
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
	(void)snprintf(record, sizeof(record), "%s/record", directory);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	runner_use(&(struct runner_options){
		.disk_program = program, .data = "/proc", .root_fd = -1, .base_fd = -1});
	assert_int_equal(loop_init(&loop), 0);
	memset(&facts, 0, sizeof(facts));
	changes = 0;
	http_server_init(&server, &loop, api_handle_request, &api);
	disk_init(&disk, &loop, &options, &facts, on_change, on_heard, NULL);
	api = (struct api){.facts = &facts, .disk = &disk};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	http_server_close(&server);
	assert_int_equal(server.count, 0);
	disk_stop(&disk);
	while (loop.timers)
		assert_int_equal(loop_once(&loop), 0);
	loop_fini(&loop);
	(void)unlink(program);
	(void)unlink(fifo);
	(void)unlink(record);
	assert_int_equal(rmdir(directory), 0);
	return 0;
}

/* Lets the script go on. */
static void go_on(void)
{
	int fd = open(fifo, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x\n", 2), 2);
	close_p(&fd);
}

struct peer {
	int fd;
	bool closed;
	size_t len;
	char text[160 * 1024];
};

static struct peer first, second;

static void ask(struct peer *peer, const char *method, const char *path, const char *body)
{
	char request[512];
	int pair[2], len;

	loop_test_pair(pair);
	http_server_accept(&server, pair[1]);
	memset(peer, 0, sizeof(*peer));
	peer->fd = pair[0];
	len = snprintf(request, sizeof(request),
		"%s %s HTTP/1.1\r\nHost: k\r\nContent-Length: %zu\r\n\r\n%s", method, path,
		strlen(body), body);
	assert_int_equal(send(peer->fd, request, (size_t)len, MSG_NOSIGNAL), len);
}

static bool has(struct peer *peer, const char *text)
{
	ssize_t n;

	while ((n = recv(peer->fd, peer->text + peer->len, sizeof(peer->text) - 1 - peer->len,
			MSG_DONTWAIT)) > 0)
		peer->len += (size_t)n;
	peer->closed |= n == 0;
	peer->text[peer->len] = '\0';
	return text ? strstr(peer->text, text) != NULL : peer->closed;
}

/* The whole answer, until the server or a refusal is done with it. */
static void expect(struct peer *peer, const char *status_line, const char *part)
{
	LOOP_UNTIL(&loop, has(peer, part));
	assert_memory_equal(peer->text, status_line, strlen(status_line));
}

static void hang_up(struct peer *peer)
{
	close_p(&peer->fd);
}

static bool recorded(const char *words)
{
	char text[1024] = "";
	FILE *file = fopen(record, "re");

	if (!file)
		return false;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	(void)fclose(file);
	return strstr(text, words) != NULL;
}

#define PROGRESS "echo '{\"progress\":{\"step\":\"check\",\"percent\":40}}'\n"
#define DONE     "echo '{\"result\":{\"trimmed_bytes\":4096,\"stopped\":\"\"}}'\n"

static void test_an_answer_when_the_job_ends(void **state)
{
	(void)state;
	write_script(PROGRESS "wait\n" DONE);
	ask(&first, "POST", "/v1/disk/trim", "");
	LOOP_UNTIL(&loop, facts.disk_seen.job.percent == 40);
	assert_string_equal(facts.disk_seen.job.verb, "trim");
	assert_string_equal(facts.disk_seen.job.step, "check");
	assert_true(facts.disk_seen.trims.running);
	assert_false(has(&first, "HTTP"));
	go_on();
	expect(&first, "HTTP/1.1 200 OK\r\n", "\r\n\r\n{\"trimmed_bytes\":4096,\"stopped\":\"\"}");
	assert_non_null(strstr(first.text,
		"Content-Type: application/json\r\nContent-Length: 35\r\n"));
	LOOP_UNTIL(&loop, has(&first, NULL));
	assert_true(recorded("trim --json\n"));
	assert_string_equal(facts.disk_seen.job.verb, "");
	assert_int_equal(facts.disk_seen.trims.last_bytes, 4096);
	assert_int_equal(facts.disk_seen.trims.total_bytes, 4096);
	assert_false(facts.disk_seen.trims.running);
	assert_true(changes >= 2);
	hang_up(&first);
}

static void test_progress_as_a_stream(void **state)
{
	(void)state;
	write_script(PROGRESS
		"wait\necho '{\"error\":{\"code\":\"needs-people\",\"message\":\"so\"}}'; exit 1");
	ask(&first, "POST", "/v1/disk/repair?progress=1",
		"{\"uuid\":\"ab-1\",\"device\":\"/dev/sdb\"}");
	expect(&first, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n",
		"\r\n{\"progress\":{\"step\":\"check\",\"percent\":40}}\n\r\n");
	go_on();
	LOOP_UNTIL(&loop, has(&first, NULL));
	assert_non_null(strstr(first.text,
		"\r\n{\"error\":{\"code\":\"needs-people\",\"message\":\"so\"}}\n"));
	assert_true(recorded("repair --json --uuid ab-1 /dev/sdb\n"));
	hang_up(&first);
}

static void expect_error(const char *script, const char *status_line, const char *part)
{
	write_script(script);
	ask(&first, "POST", "/v1/disk/grow", "{}");
	expect(&first, status_line, part);
	LOOP_UNTIL(&loop, has(&first, NULL));
	hang_up(&first);
}

static void test_errors(void **state)
{
	(void)state;
	expect_error("echo '{\"error\":{\"code\":\"in-use\",\"message\":\"it is\"}}'; exit 1",
		"HTTP/1.1 409 Conflict\r\n", "\"code\":\"in-use\",\"detail\":\"it is\"");
	expect_error("echo '{\"error\":{\"code\":\"not-found\",\"message\":\"no\"}}'; exit 1",
		"HTTP/1.1 404 ", "\"code\":\"not-found\"");
	expect_error("exit 3", "HTTP/1.1 500 ", "ended without an answer, status 3");
	expect_error("kill -9 $$", "HTTP/1.1 500 ", "was killed by signal 9");
	expect_error("echo rubbish; echo '{\"a\":1}'", "HTTP/1.1 500 ", "status 0");
	/* A line without end is dropped, and what follows it is read. */
	expect_error("head -c 200000 /dev/zero | tr '\\0' x; echo; " DONE, "HTTP/1.1 200 ", "4096");
	/* What it wrote before a bad end still counts: it is the last line. */
	expect_error("exec 2>/dev/null; " DONE "kill -9 $$", "HTTP/1.1 200 ", "4096");
	/* A grandchild that keeps the pipe open keeps nobody waiting. */
	expect_error("{ wait; } 2>/dev/null & " DONE, "HTTP/1.1 200 ", "4096");
	go_on();
	/* No such program. */
	assert_int_equal(unlink(program), 0);
	ask(&first, "POST", "/v1/disk/grow", "");
	expect(&first, "HTTP/1.1 500 ", "status 1");
	hang_up(&first);
}

static void test_refusals(void **state)
{
	(void)state;
	ask(&first, "POST", "/v1/disk/init", "{\"device\":\"/dev/sdb\"}");
	expect(&first, "HTTP/1.1 400 ", "\"code\":\"bad_body\"");
	hang_up(&first);
	ask(&first, "POST", "/v1/disk/trim?progress=2", "");
	expect(&first, "HTTP/1.1 400 ", "\"code\":\"bad_query\"");
	hang_up(&first);
	ask(&first, "POST", "/v1/disk/trim?x=1", "");
	expect(&first, "HTTP/1.1 400 ", "\"code\":\"bad_query\"");
	hang_up(&first);
	ask(&first, "GET", "/v1/disk/trim", "");
	expect(&first, "HTTP/1.1 405 ", "Allow: POST\r\n");
	hang_up(&first);
	ask(&first, "POST", "/v1/disk/format", "");
	expect(&first, "HTTP/1.1 404 ", "\"code\":\"not_found\"");
	hang_up(&first);
	ask(&first, "GET", "/v1/disk", "");
	expect(&first, "HTTP/1.1 200 ", "\"situation\":\"ok\"");
	hang_up(&first);
	api.disk = NULL;
	ask(&first, "POST", "/v1/disk/trim", "");
	expect(&first, "HTTP/1.1 503 ", "\"code\":\"disk_unavailable\"");
	hang_up(&first);
	assert_int_not_equal(access(record, F_OK), 0);
}

static void test_one_at_a_time(void **state)
{
	(void)state;
	write_script(PROGRESS "wait\n" DONE);
	ask(&first, "POST", "/v1/disk/grow", "");
	LOOP_UNTIL(&loop, disk.job.facts.percent == 40);
	ask(&second, "POST", "/v1/disk/trim", "");
	expect(&second, "HTTP/1.1 409 ", "\"code\":\"busy\"");
	hang_up(&second);
	go_on();
	expect(&first, "HTTP/1.1 200 ", "4096");
	hang_up(&first);
	assert_false(recorded("trim"));
}

/* A list changes nothing: beside a job, and one for all who ask. */
static void test_lists(void **state)
{
	(void)state;
	write_script(PROGRESS
		"[ \"$1\" = list ] || exec sleep 60 2>/dev/null\nwait\necho '{\"result\":{\"disks\":[]}}'");
	ask(&first, "POST", "/v1/disk/grow", "");
	LOOP_UNTIL(&loop, disk.job.facts.percent == 40);
	hang_up(&first);
	ask(&first, "GET", "/v1/disk/list", "");
	LOOP_UNTIL(&loop, disk.list.facts.percent == 40);
	ask(&second, "GET", "/v1/disk/list", "");
	LOOP_UNTIL(&loop, disk.list.listeners && disk.list.listeners->next);
	go_on();
	expect(&first, "HTTP/1.1 200 ", "{\"disks\":[]}");
	expect(&second, "HTTP/1.1 200 ", "{\"disks\":[]}");
	hang_up(&first);
	hang_up(&second);
	assert_int_equal(kill(disk.job.pid, SIGKILL), 0);
	LOOP_UNTIL(&loop, !disk_job_runs(&disk.job));
}

/* A client that goes away ends no job; its answer is nobody's. */
static void test_a_client_goes(void **state)
{
	(void)state;
	write_script(PROGRESS "wait\n" DONE);
	ask(&first, "POST", "/v1/disk/trim", "");
	LOOP_UNTIL(&loop, disk.job.facts.percent == 40);
	hang_up(&first);
	LOOP_UNTIL(&loop, server.count == 0);
	assert_null(disk.job.listeners);
	assert_true(disk_job_runs(&disk.job));
	go_on();
	LOOP_UNTIL(&loop, facts.disk_seen.trims.last_bytes == 4096);
}

/* What nobody asked for gives way: the trim is interrupted, and what was asked for runs. */
static void test_an_automatic_trim_gives_way(void **state)
{
	const struct disk_request request = {.verb = DISK_VERB_TRIM, .gentle = true};

	(void)state;
	write_script(
		"if [ \"$1 $3\" = 'trim --gentle' ]; then\n"
		"trap 'echo \"{\\\"result\\\":{\\\"trimmed_bytes\\\":1,\\\"stopped\\\":\\\"signal\\\"}}\"; exit 0' TERM\n" PROGRESS
		"while :; do wait; done\nfi\n" DONE);
	assert_int_equal(disk_job_start(&disk.job, &request), 0);
	disk.automatic = true;
	LOOP_UNTIL(&loop, disk.job.facts.percent == 40);
	/* Held, so that it does not end before the second one asks. */
	assert_int_equal(kill(disk.job.pid, SIGSTOP), 0);
	ask(&first, "POST", "/v1/disk/grow", "");
	LOOP_UNTIL(&loop, disk.queued);
	ask(&second, "POST", "/v1/disk/trim", "");
	expect(&second, "HTTP/1.1 409 ", "busy");
	hang_up(&second);
	assert_int_equal(kill(disk.job.pid, SIGCONT), 0);
	expect(&first, "HTTP/1.1 200 ", "4096");
	hang_up(&first);
	assert_true(recorded("grow --json\n"));
	assert_int_equal(disk.trim.failures, 1);
	/* And if the client of the queued one is gone by then, it runs all the same. */
	assert_int_equal(unlink(record), 0);
	assert_int_equal(disk_job_start(&disk.job, &request), 0);
	disk.automatic = true;
	LOOP_UNTIL(&loop, disk.job.facts.percent == 40);
	assert_int_equal(kill(disk.job.pid, SIGSTOP), 0);
	ask(&first, "POST", "/v1/disk/grow", "");
	LOOP_UNTIL(&loop, disk.queued);
	hang_up(&first);
	LOOP_UNTIL(&loop, server.count == 0);
	assert_null(disk.next_listener);
	assert_int_equal(kill(disk.job.pid, SIGCONT), 0);
	LOOP_UNTIL(&loop, recorded("grow") && !disk_job_runs(&disk.job));
}

static unsigned int count_recorded(const char *word)
{
	char text[1024] = "";
	FILE *file = fopen(record, "re");
	unsigned int count = 0;

	if (!file)
		return 0;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	(void)fclose(file);
	for (const char *at = text; (at = strstr(at, word)); at++)
		count++;
	return count;
}

/* The pause is not waited for: the test sees that there is one, and ends it. */
static void end_pause(uint64_t pause_us)
{
	LOOP_UNTIL(&loop, disk.release_again.at_us != 0);
	assert_int_equal(disk.release_pause_us, pause_us);
	assert_false(disk_job_runs(&disk.job));
	loop_timer_set(&loop, &disk.release_again, 1, disk.release_again.fn, &disk);
}

/* A disk that went away while mounted is let go of in the end, whatever the first attempts came to. */
static void test_a_release_is_tried_again(void **state)
{
	static const char *const failures[] = {
		"echo '{\"error\":{\"code\":\"busy\",\"message\":\"a repair\"}}'; exit 1",
		"echo '{\"error\":{\"code\":\"failed\",\"message\":\"no\"}}'; exit 1",
		"kill -9 $$"};
	uint64_t pause_us = USEC_PER_SEC;

	(void)state;
	/* /proc is a mount whose device is not (no longer, as it seems) in sysfs. */
	facts.disk.state = DISK_STATE_MOUNTED;
	(void)strcpy(facts.disk.mountpoint, "/proc");
	write_script(failures[0]);
	disk_update(&disk);
	assert_true(facts.disk_seen.vanished);
	for (size_t i = 1; i < ARRAY_SIZE(failures); i++) {
		LOOP_UNTIL(&loop, disk.release_again.at_us != 0);
		write_script(failures[i]);
		end_pause(pause_us);
		LOOP_UNTIL(&loop, count_recorded("release --json\n") == i + 1);
		pause_us *= 2;
	}
	/* A job by hand in between: after it, the pause goes on. */
	LOOP_UNTIL(&loop, disk.release_again.at_us != 0);
	expect_error("echo '{\"error\":{\"code\":\"busy\",\"message\":\"x\"}}'; exit 1",
		"HTTP/1.1 409 ", "busy");
	assert_int_equal(count_recorded("release"), 3);
	write_script("echo '{\"result\":{\"released\":true}}'");
	end_pause(pause_us);
	LOOP_UNTIL(&loop, count_recorded("release") == 4 && !disk_job_runs(&disk.job));
	assert_false(disk.release_wanted);
	assert_int_equal(disk.release_again.at_us, 0);
	/* A life that ends takes the pause with it. */
	write_script(failures[1]);
	facts.disk.state = DISK_STATE_NONE;
	disk_update(&disk);
	facts.disk.state = DISK_STATE_MOUNTED;
	disk_update(&disk);
	LOOP_UNTIL(&loop, disk.release_again.at_us != 0);
	assert_int_equal(disk.release_pause_us, USEC_PER_SEC);
	facts.disk.state = DISK_STATE_NONE;
	disk_update(&disk);
	assert_int_equal(disk.release_again.at_us, 0);
	assert_int_equal(disk.release_pause_us, 0);
}

/* An answer that is longer than what a socket takes at once. */
static void test_a_long_answer(void **state)
{
	(void)state;
	write_script(
		"printf '{\"result\":{\"x\":\"'; head -c 60000 /dev/zero | tr '\\0' y; echo '\"}}'");
	for (int progress = 0; progress < 2; progress++) {
		ask(&first, "POST", progress ? "/v1/disk/grow?progress=1" : "/v1/disk/grow", "");
		expect(&first, "HTTP/1.1 200 ", progress ? "yyy\"}}\n" : "yyy\"}");
		LOOP_UNTIL(&loop, has(&first, NULL));
		assert_true(first.len > 60000);
		hang_up(&first);
		LOOP_UNTIL(&loop, !disk_job_runs(&disk.job));
	}
}

static bool tells(void)
{
	unsigned int before = changes;

	disk.watch.fn(disk.watch.ctx);
	return changes > before;
}

static void test_what_the_host_is_told_of_errors(void **state)
{
	struct disk_seen *seen = &facts.disk_seen;
	unsigned int told = 0;

	(void)state;
	disk.watch.device = 1;
	disk.life_us = 1;
	seen->watched = true;
	seen->size_bytes = disk.grown_bytes = 4096;
	assert_true(tells());
	assert_false(tells());
	for (unsigned int i = 1; i <= 1000; i++) {
		seen->errors.io_count = i;
		told += tells();
	}
	assert_int_equal(told, 10); /* 1, 2, 4, ... 512 */
	seen->read_only = true;
	assert_true(tells());
	assert_false(tells());
	seen->size_bytes++;
	assert_true(tells());
	seen->unmounted = "/data";
	assert_true(tells());
	seen->errors.io_count = 0; /* mounted again */
	assert_true(tells());
	disk.watch.device = 0;
}

/* The first of the other kind makes another situation; and what is told in between does not put off the next doubling. */
static void test_the_first_error_of_each_kind_is_told(void **state)
{
	struct disk_seen *seen = &facts.disk_seen;

	(void)state;
	disk.watch.device = 1;
	disk.life_us = 1;
	seen->watched = true;
	seen->errors.count = 100;
	assert_true(tells());
	seen->errors.count = 150;
	assert_false(tells());
	seen->errors.io_count = 1;
	assert_true(tells());
	seen->errors.io_count = 49;
	assert_false(tells());
	seen->errors.io_count = 50;
	assert_true(tells());
	disk.watch.device = 0;
}

/* Who works on the disk by hand has its lock: not the end of one attempt is the time for the next. */
static void test_a_busy_disk_grows_later(void **state)
{
	(void)state;
	write_script("echo '{\"error\":{\"code\":\"busy\",\"message\":\"a repair\"}}'; exit 1");
	facts.disk_seen.watched = true;
	disk.grow_wanted = true;
	disk_space_start(&disk.space, "/proc", 0);
	LOOP_UNTIL(&loop, count_recorded("grow --json\n") == 1 && !disk_job_runs(&disk.job));
	assert_true(disk.grow_wanted);
	disk_look(&disk);
	LOOP_UNTIL(&loop, count_recorded("grow --json\n") == 2 && !disk_job_runs(&disk.job));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_what_the_host_is_told_of_errors, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_the_first_error_of_each_kind_is_told, set_up,
		tear_down),
	cmocka_unit_test_setup_teardown(test_a_busy_disk_grows_later, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_an_answer_when_the_job_ends, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_progress_as_a_stream, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_one_at_a_time, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_lists, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_client_goes, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_an_automatic_trim_gives_way, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_release_is_tried_again, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_long_answer, set_up, tear_down),
};

UNIT_TEST_MAIN(tests)
