/* SPDX-License-Identifier: MIT
 *
 * test_systemctl.c - systemctl's words and exit codes against a fake PID 1 in a child process; the outcome
 * of an order over every pair of states; the client's reading of an HTTP answer.
 */
#include <stdlib.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/fake_init.h"

#include "agent/ctl/ctl.h"
#include "agent/ctl/http_client.h"
#include "agent/ctl/unit_order.h"
#include "agent/ctl/view.h"

static char path[64];
static pid_t child;
static enum boot_state boot_state;

/* --- the fake PID 1 --- */

static enum service_state states[3];
static const char *const names[] = {"docker.service", "broken.service", "idle.service"};

static void send_service(int fd, int i, uint64_t time)
{
	struct control_record record = fake_init_service(i, names[i], states[i]);

	record.service.since_us = record.service.exec_us = time;
	(void)snprintf(record.service.reason, sizeof(record.service.reason), "%s",
		states[i] == SERVICE_STATE_FAILED ? "exit status 7" : "");
	(void)fake_init_send(fd, record);
}

static void obey(int fd, const struct control_request *request)
{
	for (int i = 0; i < 3; i++) {
		if (strcmp(request->unit, names[i]) != 0)
			continue;
		(void)fake_init_send(fd, fake_init_result(0));
		if (request->verb == CONTROL_VERB_RESET_FAILED ||
			(request->verb == CONTROL_VERB_TRY_RESTART &&
				states[i] == SERVICE_STATE_INACTIVE))
			return;
		if (request->verb == CONTROL_VERB_STOP) {
			states[i] = SERVICE_STATE_STOPPING;
			send_service(fd, i, 10);
			states[i] = SERVICE_STATE_INACTIVE;
		} else if (i == 1) {
			states[i] = SERVICE_STATE_FAILED;
		} else {
			states[i] = SERVICE_STATE_STARTING;
			send_service(fd, i, 10);
			states[i] = SERVICE_STATE_ACTIVE;
		}
		send_service(fd, i, 11);
		(void)fake_init_send(fd, fake_init_record(CONTROL_RECORD_END));
		return;
	}
	(void)fake_init_send(fd, fake_init_result(-ENOENT));
}

static void serve(int fd)
{
	struct control_request request;

	while (recv(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request)) {
		if (request.verb == CONTROL_VERB_POWEROFF || request.verb == CONTROL_VERB_REBOOT) {
			(void)fake_init_send(fd, fake_init_result(0));
			boot_state = BOOT_STATE_STOPPING;
		} else if (request.verb == CONTROL_VERB_DAEMON_RELOAD) {
			(void)fake_init_send(fd, fake_init_result(0));
		} else if (request.verb > CONTROL_VERB_SUBSCRIBE) {
			obey(fd, &request);
		} else {
			(void)fake_init_send(fd, fake_init_boot(boot_state));
			for (int i = 0; i < 3; i++)
				send_service(fd, i, 1);
			(void)fake_init_send(fd, fake_init_record(CONTROL_RECORD_END));
		}
	}
}

static void start_init(enum boot_state state)
{
	int listener;

	boot_state = state;
	states[0] = SERVICE_STATE_ACTIVE;
	states[1] = SERVICE_STATE_FAILED;
	states[2] = SERVICE_STATE_INACTIVE;
	listener = fake_init_listen(path);
	child = fork();
	assert_true(child >= 0);
	if (child > 0) {
		close_p(&listener);
		return;
	}
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			_exit(0);
		serve(fd);
		close_p(&fd);
	}
}

static void stop_init(void)
{
	if (child > 0) {
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, 0);
	}
	child = 0;
	(void)unlink(path);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(path, "/tmp/test_systemctl.XXXXXX");
	assert_non_null(mkdtemp(path));
	strcat(path, "/control");
	assert_int_equal(setenv("KEEL_CONTROL", path, 1), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stop_init();
	*strrchr(path, '/') = '\0';
	(void)rmdir(path);
	return 0;
}

/* Runs `systemctl WORDS` in a child (it is a program, and keeps its facts); returns its exit code and
 * leaves what it wrote to stdout in `output`. */
static char output[4096];

static int run(const char *words)
{
	char copy[256], *argv[16] = {(char *)(uintptr_t)"systemctl"};
	int pipes[2], argc = 1, status;
	ssize_t n, len = 0;
	pid_t pid;

	(void)snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	assert_int_equal(pipe(pipes), 0);
	(void)fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(pipes[1], STDOUT_FILENO);
		(void)close(pipes[0]);
		(void)close(pipes[1]);
		status = systemctl_run(argc, argv);
		(void)fflush(stdout);
		_exit(status);
	}
	(void)close(pipes[1]);
	while ((n = read(pipes[0], output + len, sizeof(output) - 1 - (size_t)len)) > 0)
		len += n;
	output[len] = '\0';
	(void)close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void expect(const char *words, int code, const char *text)
{
	int got = run(words);

	if (got != code)
		fail_msg("systemctl %s: exit code %d, not %d", words, got, code);
	if (text)
		assert_string_equal(output, text);
}

static void test_before_init_listens(void **state)
{
	(void)state;
	expect("is-system-running", 1, "starting\n");
	expect("is-active user@1000.service", 0, "active\n");
	expect("is-active docker.service", 3, "inactive\n");
	expect("poweroff", 1, "");
	expect("start docker", 1, "");
	expect("status", 1, "");
}

/* Somebody listens but never answers: the question comes back all the same. */
static void test_init_that_hangs(void **state)
{
	int listener;

	(void)state;
	listener = fake_init_listen(path);
	expect("is-system-running", 1, "starting\n");
	close_p(&listener);
}

static void test_system_state(void **state)
{
	(void)state;
	start_init(BOOT_STATE_RUNNING);
	expect("is-system-running", 0, "running\n");
	expect("is-system-running --quiet", 0, "");
	expect("poweroff --no-wall", 0, "");
	expect("is-system-running", 1, "stopping\n");
	stop_init();
	start_init(BOOT_STATE_DEGRADED);
	expect("is-system-running", 1, "degraded\n");
	expect("reboot", 0, "");
	stop_init();
	start_init(BOOT_STATE_STARTING);
	expect("--no-pager is-system-running --wait", 1, "starting\n");
	expect("halt", 0, "");
}

static void test_questions_about_units(void **state)
{
	(void)state;
	start_init(BOOT_STATE_RUNNING);
	expect("is-active docker", 0, "active\n");
	expect("is-active docker.service", 0, "active\n");
	expect("is-active broken", 3, "failed\n");
	expect("is-active idle", 3, "inactive\n");
	expect("is-active nothing", 4, "inactive\n");
	expect("is-active user@0.service", 0, "active\n");
	expect("is-active idle docker", 0, "inactive\nactive\n");
	expect("is-active -q docker", 0, "");
	expect("is-active", 1, "");
	expect("is-failed broken", 0, "failed\n");
	expect("is-failed docker", 1, "active\n");
	expect("status docker", 0, NULL);
	assert_non_null(strstr(output, "Active: active"));
	expect("status broken", 3, NULL);
	assert_non_null(strstr(output, "exit status 7"));
	expect("status nothing", 4, "");
	expect("status", 0, NULL);
	assert_non_null(strstr(output, "State: running"));
	expect("list-units", 0, NULL);
	assert_non_null(strstr(output, "idle.service"));
	expect("", 0, NULL);
	assert_non_null(strstr(output, "idle.service"));
}

static void test_orders(void **state)
{
	(void)state;
	start_init(BOOT_STATE_RUNNING);
	expect("start idle", 0, "");
	expect("is-active idle", 0, "active\n");
	expect("stop idle", 0, "");
	expect("is-active idle", 3, "inactive\n");
	expect("start docker", 0, ""); /* is up already */
	expect("restart docker", 0, "");
	expect("start broken", 1, "");
	expect("start nothing", 5, "");
	expect("stop nothing idle", 5, "");
	expect("start --no-block idle", 0, "");
	expect("stop", 1, "");
	expect("start user@1000.service", 0, "");
}

static void test_words_it_does_not_know(void **state)
{
	(void)state;
	expect("daemon-reload", 1, "");
	expect("mask docker", 1, "");
	expect("--help", 0, NULL);
	assert_non_null(strstr(output, "is-system-running"));
	expect("--version", 0, NULL);
}

/* ---- unit files ---- */

static char root[64];

static void put(const char *dir, const char *name, const char *text)
{
	char file[256];
	FILE *out;

	(void)snprintf(file, sizeof(file), "mkdir -p %s/%s", root, dir);
	assert_int_equal(system(file), 0); /* NOLINT(cert-env33-c): a test's own words */
	(void)snprintf(file, sizeof(file), "%s/%s/%s", root, dir, name);
	out = fopen(file, "we");
	assert_non_null(out);
	if (out && fputs(text, out) >= 0)
		(void)fclose(out);
}

static void test_unit_files(void **state)
{
	static const char usr[] = "usr/lib/keel/units", etc[] = "etc/keel/units";
	char command[128], expected[512];

	(void)state;
	strcpy(root, "/tmp/test_unit_files.XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(setenv("KEEL_ROOT", root, 1), 0);
	put(usr, "docker.service", "[Unit]\nDescription=shipped\n");
	put(etc, "docker.service", "[Unit]\nDescription=own\n[Install]\nWantedBy=x");
	put("usr/lib/keel/units/docker.service.d", "20-b.conf", "[Unit]\nDescription=b\n");
	put("usr/lib/keel/units/docker.service.d", "30-c.conf", "# not this one\n");
	put("etc/keel/units/docker.service.d", "10-a.conf", "# a\n");
	put("etc/keel/units/docker.service.d", "30-c.conf", "# c\n");
	put("etc/keel/units/docker.service.d", "readme", "not a drop-in\n");
	put(etc, "broken.service", "");
	put(usr, "idle.service", "[Service]\nExecStart=/x\n");
	(void)snprintf(expected, sizeof(expected),
		"# %s/etc/keel/units/docker.service\n[Unit]\nDescription=own\n[Install]\nWantedBy=x\n\n"
		"# %s/etc/keel/units/docker.service.d/10-a.conf\n# a\n\n"
		"# %s/usr/lib/keel/units/docker.service.d/20-b.conf\n[Unit]\nDescription=b\n\n"
		"# %s/etc/keel/units/docker.service.d/30-c.conf\n# c\n",
		root, root, root, root);
	expect("cat docker", 0, expected);
	expect("cat nothing", 1, "");
	expect("cat", 1, "");
	expect("is-enabled docker", 0, "enabled\n");
	expect("is-enabled idle broken", 1, "static\nmasked\n");
	expect("is-enabled nothing.socket", 4, "not-found\n");
	start_init(BOOT_STATE_RUNNING);
	expect("show -p LoadState,ActiveState,Description docker", 0,
		"Description=b\nLoadState=loaded\nActiveState=active\n");
	expect("show --property=ActiveState --value broken nothing", 0, "failed\n\ninactive\n");
	expect("show -p LoadState nothing", 0, "LoadState=not-found\n");
	expect("list-unit-files", 0, NULL);
	assert_non_null(strstr(output, "broken.service               masked\n"));
	expect("list-units --failed", 0, NULL);
	assert_non_null(strstr(output, "1 loaded units listed"));
	assert_null(strstr(output, "docker.service"));
	expect("status docker", 0, NULL);
	assert_non_null(strstr(output, "* docker.service - b\n     Loaded: loaded (enabled)\n"));
	(void)snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
	assert_int_equal(unsetenv("KEEL_ROOT"), 0);
}

static void test_orders_without_waiting(void **state)
{
	(void)state;
	start_init(BOOT_STATE_RUNNING);
	expect("daemon-reload", 0, "");
	expect("reset-failed broken", 0, "");
	expect("reset-failed nothing", 1, "");
	expect("reset-failed", 0, "");
	expect("try-restart idle", 0, "");
	expect("is-active idle", 3, "inactive\n");
	expect("try-restart docker", 0, "");
}

static void test_outcome_of_orders(void **state)
{
	struct control_service before = {.since_us = 5, .exec_us = 4}, now;

	(void)state;
	for (int a = 0; a <= SERVICE_STATE_FAILED; a++)
		for (int b = 0; b <= SERVICE_STATE_FAILED; b++)
			for (int ran = 0; ran < 2; ran++) {
				bool up = b == SERVICE_STATE_ACTIVE,
				     bad = b == SERVICE_STATE_FAILED;

				before.state = (uint8_t)a;
				now = before;
				/* Nothing moved: only what is so already is done. */
				assert_int_equal(unit_order_judge(CONTROL_VERB_START, &before,
							 &now),
					a == SERVICE_STATE_ACTIVE ? UNIT_ORDER_DONE
								  : UNIT_ORDER_PENDING);
				assert_int_equal(unit_order_judge(CONTROL_VERB_RESTART, &before,
							 &now),
					UNIT_ORDER_PENDING);
				now.state = (uint8_t)b;
				now.since_us = 6;
				now.exec_us = ran ? 6 : 4;
				now.exit_status = -1;
				bad |= b == SERVICE_STATE_BACKOFF;
				assert_int_equal(unit_order_judge(CONTROL_VERB_RESTART, &before,
							 &now),
					bad         ? UNIT_ORDER_FAILED
					: up && ran ? UNIT_ORDER_DONE
						    : UNIT_ORDER_PENDING);
				assert_int_equal(unit_order_judge(CONTROL_VERB_START, &before,
							 &now),
					bad  ? UNIT_ORDER_FAILED
					: up ? UNIT_ORDER_DONE
					     : UNIT_ORDER_PENDING);
				assert_int_equal(unit_order_judge(CONTROL_VERB_STOP, &before,
							 &now) == UNIT_ORDER_DONE,
					b == SERVICE_STATE_INACTIVE || b == SERVICE_STATE_FAILED);
				assert_int_equal(unit_order_judge(CONTROL_VERB_TRY_RESTART, &before,
							 &now),
					a == SERVICE_STATE_INACTIVE || a == SERVICE_STATE_FAILED ||
							a == SERVICE_STATE_WAITING
						? UNIT_ORDER_DONE
					: bad       ? UNIT_ORDER_FAILED
					: up && ran ? UNIT_ORDER_DONE
						    : UNIT_ORDER_PENDING);
				assert_int_equal(unit_order_judge(CONTROL_VERB_RELOAD, &before,
							 &now) == UNIT_ORDER_DONE,
					b != SERVICE_STATE_RELOADING);
			}
	/* A oneshot that ran well is not up, but done. */
	now.state = SERVICE_STATE_INACTIVE;
	now.exec_us = 6;
	now.exit_status = 0;
	assert_int_equal(unit_order_judge(CONTROL_VERB_START, &before, &now), UNIT_ORDER_DONE);
}

static void test_unit_names(void **state)
{
	char unit[CONTROL_NAME_MAX];

	(void)state;
	assert_int_equal(unit_order_complete_name("docker", unit), 0);
	assert_string_equal(unit, "docker.service");
	assert_int_equal(unit_order_complete_name("a.b.service", unit), 0);
	assert_string_equal(unit, "a.b.service");
	assert_int_equal(unit_order_complete_name("a.b", unit), 0);
	assert_string_equal(unit, "a.b.service");
	assert_int_equal(unit_order_complete_name("a-name-that-is-longer-than-a-record", unit),
		-ENAMETOOLONG);
}

static void test_http_answers(void **state)
{
	static const char text[] = "HTTP/1.1 503 x\r\nContent-Length: 4\r\n\r\nbody";
	static const char open_ended[] = "HTTP/1.0 200 x\r\n\r\nall";
	const char *body;
	size_t len;
	int status;

	(void)state;
	for (size_t cut = 0; cut < strlen(text); cut++) {
		assert_int_equal(http_client_parse(text, cut, false, &status, &body, &len),
			-EAGAIN);
		assert_int_equal(http_client_parse(text, cut, true, &status, &body, &len), -EPROTO);
	}
	assert_int_equal(http_client_parse(text, strlen(text), false, &status, &body, &len), 0);
	assert_int_equal(status, 503);
	assert_int_equal(len, 4);
	assert_int_equal(http_client_parse(open_ended, strlen(open_ended), false, &status, &body,
				 &len),
		-EAGAIN);
	assert_int_equal(http_client_parse(open_ended, strlen(open_ended), true, &status, &body,
				 &len),
		0);
	assert_memory_equal(body, "all", len);
	assert_int_equal(http_client_parse("220 smtp\r\n", 10, false, &status, &body, &len),
		-EPROTO);
}

static void test_figures_for_people(void **state)
{
	static const char huge[] =
		"{\"status\":\"ready\",\"uptime_ms\":3e119,\"services\":[{\"name\":\"x\","
		"\"state\":\"active\",\"pid\":1e300,\"restarts\":-9e99,\"exec_ms\":1,"
		"\"ready_ms\":1e99}],\"stages\":[{\"name\":\"y\",\"state\":\"done\","
		"\"start_ms\":-1,\"ms\":1e200}]}";
	static const struct view_style plain;
	static const struct view_notes none;
	char text[32];

	(void)state;
	assert_string_equal(view_format_bytes(0, text, sizeof(text)), "0 B");
	assert_string_equal(view_format_bytes(1536, text, sizeof(text)), "1.5 KiB");
	assert_string_equal(view_format_bytes(8ULL << 30, text, sizeof(text)), "8.0 GiB");
	assert_string_equal(view_format_ms(1.25, text, sizeof(text)), "1.2 ms");
	assert_string_equal(view_format_ms(812, text, sizeof(text)), "812 ms");
	assert_string_equal(view_format_ms(1500, text, sizeof(text)), "1.5 s");
	assert_string_equal(view_format_ms(61001, text, sizeof(text)), "1 min 1 s");
	assert_string_equal(view_format_ms(3600.0 * 25 * 1000, text, sizeof(text)), "1 d 1 h");
	assert_int_equal(view_print_status(stderr, "{}", 2, &plain, &none), -EINVAL);
	assert_int_equal(view_print_status(stderr, huge, strlen(huge), &plain, &none), 0);
	assert_int_equal(view_print_status(stderr, "not json", 8, &plain, &none), -EINVAL);
	assert_int_equal(view_print_services(stderr, "[]", 2, false), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_before_init_listens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_init_that_hangs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_system_state, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_questions_about_units, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_orders, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unit_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_orders_without_waiting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_words_it_does_not_know, set_up, tear_down),
		cmocka_unit_test(test_outcome_of_orders),
		cmocka_unit_test(test_unit_names),
		cmocka_unit_test(test_http_answers),
		cmocka_unit_test(test_figures_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
