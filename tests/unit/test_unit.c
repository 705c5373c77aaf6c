/* SPDX-License-Identifier: MIT
 *
 * test_unit.c - the unit-file parser: every key, quoting, times, limits, what is refused and where.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/unit.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "tests/unit/unit_test.h"

/* What the parser said about one text. */
static struct {
	unsigned int bad, warnings;
	char where[128], message[256]; /* of the first */
} said;

static void on_problem(void *ctx, bool bad, const char *where, const char *message)
{
	(void)ctx;
	if (said.bad + said.warnings == 0) {
		(void)snprintf(said.where, sizeof(said.where), "%s", where);
		(void)snprintf(said.message, sizeof(said.message), "%s", message);
	}
	if (bad)
		said.bad++;
	else
		said.warnings++;
}

static struct unit unit;

/* Of the first command of a phase. */
static char *const *words_of(enum unit_phase phase)
{
	const struct unit_command *command = unit_first_command(&unit, phase);

	assert_non_null(command);
	return unit.words + command->first;
}

static int parse_as(const char *name, const char *text, const char *dropin)
{
	struct unit_reader reader;
	char path[64];

	memset(&said, 0, sizeof(said));
	(void)snprintf(path, sizeof(path), "/etc/keel/units/%.40s", name);
	unit_begin(&reader, &unit, name, on_problem, NULL);
	unit_read(&reader, path, text);
	if (dropin)
		unit_read(&reader, "/etc/keel/units/x.service.d/a.conf", dropin);
	return unit_end(&reader);
}

static int parse(const char *text)
{
	return parse_as("x.service", text, NULL);
}

/* Parses a unit that is whole but for `lines` of its [Service] section, which begin at line 3. Lines that
 * begin with an ExecStart= of their own get no other. */
static int parse_service(const char *lines)
{
	char text[16384];

	assert_in_range(snprintf(text, sizeof(text), "[Service]\n%s\n%s\n",
				strncmp(lines, "ExecStart=", 10) == 0 ? "" : "ExecStart=/bin/x",
				lines),
		0, sizeof(text) - 1);
	return parse(text);
}

static void assert_good(const char *lines)
{
	if (parse_service(lines) != 0 || said.bad + said.warnings > 0)
		fail_msg("%s: %s %s", lines, said.where, said.message);
}

/* Refused, with the line that holds the culprit, and with a word of the reason. */
static void assert_bad(const char *lines, int line, const char *word)
{
	char where[64];

	assert_int_equal(parse_service(lines), -EINVAL);
	(void)snprintf(where, sizeof(where), "/etc/keel/units/x.service:%d", line);
	assert_string_equal(said.where, where);
	if (!strstr(said.message, word))
		fail_msg("\"%s\" does not mention \"%s\"", said.message, word);
}

/* ---- whole files --------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse("[Service]\nExecStart=/bin/x\n"), 0);
	assert_string_equal(unit.name, "x.service");
	assert_int_equal(unit.type, UNIT_TYPE_SIMPLE);
	assert_int_equal(unit.restart, UNIT_RESTART_NO);
	assert_int_equal(unit.kill_mode, UNIT_KILL_CONTROL_GROUP);
	assert_int_equal(unit.mode, UNIT_MODE_ANY);
	assert_int_equal(unit.kill_signal, SIGTERM);
	assert_int_equal(unit.oom_score_adj, 0);
	assert_int_equal(unit.start_limit_burst, 5);
	assert_int_equal(unit.start_limit_us, 10 * USEC_PER_SEC);
	assert_int_equal(unit.restart_us, 100 * USEC_PER_MSEC);
	assert_int_equal(unit.timeout_start_us, 90 * USEC_PER_SEC);
	assert_int_equal(unit.timeout_stop_us, 90 * USEC_PER_SEC);
	assert_string_equal(unit.slice, "system");
	assert_false(unit.enabled || unit.essential);
	assert_null(unit.working_directory);
	assert_null(unit.tty_path);
	assert_null(words_of(UNIT_PHASE_START)[1]);
	assert_null(unit.after[0]);
	assert_int_equal(unit.limit_count, 0);
}

static void test_every_key(void **state)
{
	static const char text[] = "# a comment\n"
				   "[Unit]\n"
				   "Description=whatever it says\n"
				   "Documentation=https://example.org\n"
				   "After=a.service b.target\n"
				   "After=c.service\n"
				   "Requires=a.service\n"
				   "Wants=w.service\n"
				   "ConditionVirtualization=wsl\n"
				   "StartLimitIntervalSec=1min\n"
				   "X-Essential=yes\n"
				   "; another comment\n"
				   "[Service]\n"
				   "Type=notify\n"
				   "ExecStart=-/bin/x --flag\n"
				   "ExecReload=/bin/kill -HUP $MAINPID\n"
				   "Restart=on-failure\n"
				   "RestartSec=2\n"
				   "TimeoutStartSec=0\n"
				   "TimeoutStopSec=1min 30s\n"
				   "StartLimitBurst=7\n"
				   "KillMode=process\n"
				   "KillSignal=SIGINT\n"
				   "OOMScoreAdjust=-999\n"
				   "Environment=A=1 \"B=two words\"\n"
				   "WorkingDirectory=/root\n"
				   "StandardInput=tty\n"
				   "TTYPath=/dev/ttyS0\n"
				   "Slice=engine.slice\n"
				   "Delegate=yes\n"
				   "TasksMax=infinity\n"
				   "LimitNOFILE=1024:4096\n"
				   "LimitNPROC=infinity\n"
				   "LimitCORE=1M\n"
				   "LimitMEMLOCK=64K\n"
				   "LimitSTACK=1G\n"
				   "[Install]\n"
				   "WantedBy=multi-user.target\n";

	(void)state;
	if (parse(text) != 0 || said.warnings)
		fail_msg("%s %s", said.where, said.message);
	assert_string_equal(unit.after[0], "a.service");
	assert_string_equal(unit.after[1], "b.target");
	assert_string_equal(unit.after[2], "c.service");
	assert_null(unit.after[3]);
	assert_string_equal(unit.requires[0], "a.service");
	assert_string_equal(unit.wants[0], "w.service");
	assert_int_equal(unit.mode, UNIT_MODE_WSL);
	assert_int_equal(unit.start_limit_us, 60 * USEC_PER_SEC);
	assert_int_equal(unit.start_limit_burst, 7);
	assert_true(unit.essential && unit.enabled);
	assert_int_equal(unit.type, UNIT_TYPE_NOTIFY);
	assert_string_equal(words_of(UNIT_PHASE_START)[0], "/bin/x");
	assert_string_equal(words_of(UNIT_PHASE_START)[1], "--flag");
	assert_string_equal(words_of(UNIT_PHASE_RELOAD)[2], "$MAINPID");
	assert_int_equal(unit.restart, UNIT_RESTART_ON_FAILURE);
	assert_int_equal(unit.restart_us, 2 * USEC_PER_SEC);
	assert_int_equal(unit.timeout_start_us, 0);
	assert_int_equal(unit.timeout_stop_us, 90 * USEC_PER_SEC);
	assert_int_equal(unit.kill_mode, UNIT_KILL_PROCESS);
	assert_int_equal(unit.kill_signal, SIGINT);
	assert_int_equal(unit.oom_score_adj, -999);
	assert_string_equal(unit.environment[0], "A=1");
	assert_string_equal(unit.environment[1], "B=two words");
	assert_null(unit.environment[2]);
	assert_string_equal(unit.working_directory, "/root");
	assert_string_equal(unit.tty_path, "/dev/ttyS0");
	assert_string_equal(unit.slice, "engine");
	assert_int_equal(unit.limit_count, 5);
	assert_int_equal(unit.limits[0].resource, RLIMIT_NOFILE);
	assert_int_equal(unit.limits[0].value.rlim_cur, 1024);
	assert_int_equal(unit.limits[0].value.rlim_max, 4096);
	assert_true(unit.limits[1].value.rlim_cur == RLIM_INFINITY);
	assert_int_equal(unit.limits[2].value.rlim_cur, 1 << 20);
	assert_int_equal(unit.limits[2].value.rlim_max, 1 << 20);
	assert_int_equal(unit.limits[3].value.rlim_cur, 64 << 10);
	assert_int_equal(unit.limits[4].value.rlim_cur, 1 << 30);
}

/* The keys of the files that Docker's own packages install for systemd. */
static void test_upstream_docker(void **state)
{
	static const char text[] =
		"[Unit]\n"
		"Description=Docker Application Container Engine\n"
		"Documentation=https://docs.docker.com\n"
		"After=network-online.target nss-lookup.target docker.socket firewalld.service "
		"containerd.service time-set.target\n"
		"Wants=network-online.target containerd.service\n"
		"Requires=docker.socket\n"
		"StartLimitBurst=3\n"
		"StartLimitIntervalSec=60\n"
		"\n"
		"[Service]\n"
		"Type=notify\n"
		"ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock\n"
		"ExecReload=/bin/kill -s HUP $MAINPID\n"
		"TimeoutStartSec=0\n"
		"RestartSec=2\n"
		"Restart=always\n"
		"LimitNPROC=infinity\n"
		"LimitCORE=infinity\n"
		"TasksMax=infinity\n"
		"Delegate=yes\n"
		"KillMode=process\n"
		"OOMScoreAdjust=-500\n"
		"\n"
		"[Install]\n"
		"WantedBy=multi-user.target\n";

	(void)state;
	assert_int_equal(parse(text), 0);
	assert_int_equal(said.warnings, 0);
	assert_string_equal(words_of(UNIT_PHASE_START)[2], "fd://");
	assert_string_equal(unit.after[5], "time-set.target");
	assert_int_equal(unit.start_limit_burst, 3);
	assert_int_equal(unit.timeout_start_us, 0);
	assert_int_equal(unit.restart, UNIT_RESTART_ALWAYS);
}

static void test_upstream_containerd(void **state)
{
	static const char text[] = "[Unit]\n"
				   "Description=containerd container runtime\n"
				   "After=network.target dbus.service\n"
				   "[Service]\n"
				   "ExecStartPre=-/sbin/modprobe overlay\n"
				   "ExecStart=/usr/bin/containerd\n"
				   "Type=notify\n"
				   "Delegate=yes\n"
				   "KillMode=process\n"
				   "Restart=always\n"
				   "RestartSec=5\n"
				   "LimitNPROC=infinity\n"
				   "LimitCORE=infinity\n"
				   "LimitNOFILE=infinity\n"
				   "TasksMax=infinity\n"
				   "OOMScoreAdjust=-999\n"
				   "[Install]\n"
				   "WantedBy=multi-user.target\n";

	(void)state;
	assert_int_equal(parse(text), 0);
	assert_int_equal(said.warnings, 0);
	assert_string_equal(words_of(UNIT_PHASE_START_PRE)[1], "overlay");
	assert_true(unit.commands[0].ignore_failure);
	assert_int_equal(unit.notify_access, UNIT_NOTIFY_MAIN);
}

/* What we ship must parse without a word. */
static void test_shipped_units(void **state)
{
	static const char *const names[] = {"console-shell", "containerd", "docker", "keel-agent"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[128], text[8192];

		(void)snprintf(path, sizeof(path), "rootfs/usr/lib/keel/units/%s.service",
			names[i]);
		assert_in_range(file_read(path, text, sizeof(text)), 1, sizeof(text));
		if (parse(text) != 0 || said.warnings > 0)
			fail_msg("%s: %s %s", path, said.where, said.message);
		assert_true(unit.enabled);
	}
}

static void test_problems_name_their_line(void **state)
{
	(void)state;
	assert_int_equal(parse("[Service]\nExecStart=/bin/x\n\nNoSuch=1\n"), 0);
	assert_int_equal(said.warnings, 1);
	assert_string_equal(said.where, "/etc/keel/units/x.service:4");
	/* A key of another section is unknown too. */
	assert_int_equal(parse("[Unit]\nExecStart=/bin/x\n[Service]\nExecStart=/bin/x\n"), 0);
	assert_string_equal(said.where, "/etc/keel/units/x.service:2");
	assert_int_equal(parse("[Service]\nExecStart=/bin/x\nneither nor\n"), -EINVAL);
	assert_string_equal(said.where, "/etc/keel/units/x.service:3");
	assert_int_equal(parse("[Service\nExecStart=/bin/x\n"), -EINVAL);
	assert_int_equal(parse(""), -EINVAL);
	assert_non_null(strstr(said.message, "no ExecStart="));
	assert_int_equal(parse("[Service]\nExecStart=/bin/x\nExecStart=\n"), -EINVAL);
}

static void test_line_too_long(void **state)
{
	char line[2200];

	(void)state;
	memset(line, 'a', sizeof(line));
	memcpy(line, "Delegate=", strlen("Delegate="));
	line[sizeof(line) - 1] = '\0';
	assert_bad(line, 3, "2047");
}

static void test_name_too_long(void **state)
{
	static const char text[] = "[Service]\nExecStart=/bin/x\n";

	(void)state;
	assert_int_equal(parse_as("of-twenty-three-letters.service", text, NULL), 0);
	assert_string_equal(unit.name, "of-twenty-three-letters.service");
	assert_int_equal(parse_as("of-twenty-three-letters1.service", text, NULL), -EINVAL);
	assert_non_null(strstr(said.message, "31"));
}

/* ---- words and quotes ---------------------------------------------------------------------- */

static void test_quoting(void **state)
{
	(void)state;
	assert_good("ExecStart=/bin/sh -c \"exec a 'b' > c\" 'd \"e\"' f\\ g \"h\\\"i\" '\\n' x\"y "
		    "z\"w \"\"");
	assert_string_equal(words_of(UNIT_PHASE_START)[2], "exec a 'b' > c");
	assert_string_equal(words_of(UNIT_PHASE_START)[3], "d \"e\"");
	assert_string_equal(words_of(UNIT_PHASE_START)[4], "f g");
	assert_string_equal(words_of(UNIT_PHASE_START)[5], "h\"i");
	assert_string_equal(words_of(UNIT_PHASE_START)[6], "\\n");
	assert_string_equal(words_of(UNIT_PHASE_START)[7], "xy zw");
	assert_string_equal(words_of(UNIT_PHASE_START)[8], "");
	assert_null(words_of(UNIT_PHASE_START)[9]);
	assert_int_equal(parse("[Service]\nExecStart=/bin/x end\\"), 0);
	assert_string_equal(words_of(UNIT_PHASE_START)[1], "end\\");
	assert_bad("ExecStart=/bin/x \"open", 3, "quotes");
	assert_bad("Environment='A=1", 3, "quotes");
}

static void test_exec_replaces(void **state)
{
	(void)state;
	assert_good("ExecStart=\nExecStart=/bin/d");
	assert_string_equal(words_of(UNIT_PHASE_START)[0], "/bin/d");
	assert_null(words_of(UNIT_PHASE_START)[1]);
	assert_bad("ExecStart=bin/x", 3, "absolute");
	assert_bad("ExecStart=@/bin/x x", 3, "absolute");
	assert_bad("ExecStart=+/bin/x", 3, "absolute");
	assert_bad("ExecReload=kill", 3, "absolute");
	assert_bad("ExecStart=\"\"", 3, "absolute");
}

static void test_empty_value_clears_a_list(void **state)
{
	(void)state;
	assert_good("Environment=A=1 B=2\nEnvironment=\nEnvironment=C=3");
	assert_string_equal(unit.environment[0], "C=3");
	assert_null(unit.environment[1]);
	assert_bad("Environment=novalue", 3, "NAME=value");
}

/* ---- values -------------------------------------------------------------------------------- */

static void test_enums(void **state)
{
	(void)state;
	assert_good("Type=exec");
	assert_int_equal(unit.type, UNIT_TYPE_EXEC);
	assert_good("Type=oneshot");
	assert_int_equal(unit.type, UNIT_TYPE_ONESHOT);
	assert_good("Restart=always\nKillMode=control-group");
	assert_bad("Type=forking", 3, "forking");
	assert_bad("Restart=sometimes", 3, "sometimes");
	assert_bad("KillMode=all", 3, "all");
	assert_bad("Type=", 3, "Type");
	assert_bad("KillSignal=SIGNONE", 3, "SIGNONE");
	assert_bad("KillSignal=0", 3, "0");
	assert_bad("KillSignal=65", 3, "65");
	assert_bad("KillSignal=RTMIN+31", 3, "RTMIN+31");
	assert_bad("KillSignal=RTMIN+", 3, "RTMIN+");
	assert_good("KillSignal=SIGKILL");
	assert_int_equal(unit.kill_signal, SIGKILL);
	assert_good("KillSignal=USR1\nWatchdogSignal=15\nReloadSignal=SIGRTMIN+4");
	assert_int_equal(unit.kill_signal, SIGUSR1);
	assert_int_equal(unit.watchdog_signal, SIGTERM);
	assert_int_equal(unit.reload_signal, 38);
	assert_good("Type=idle");
	assert_int_equal(unit.type, UNIT_TYPE_SIMPLE);
	assert_good("KillMode=mixed\nNotifyAccess=all");
	assert_int_equal(unit.kill_mode, UNIT_KILL_MIXED);
	assert_int_equal(unit.notify_access, UNIT_NOTIFY_ALL);
	assert_bad("NotifyAccess=some", 3, "some");
	assert_bad("Type=oneshot\nRestart=always", 4, "oneshot");
	assert_bad("StandardInput=socket", 3, "null and tty");
	assert_good("StandardInput=null");
	assert_null(unit.tty_path);
	assert_good("StandardInput=tty");
	assert_string_equal(unit.tty_path, "/dev/console");
	assert_bad("TTYPath=console", 3, "absolute");
	assert_bad("WorkingDirectory=~", 3, "absolute");
}

static void test_unit_section_values(void **state)
{
	static const struct {
		const char *value;
		int mode;
	} conditions[] = {
		{"wsl", UNIT_MODE_WSL}, {"!wsl", UNIT_MODE_VM}, {"vm", UNIT_MODE_VM}, {"kvm", -1}};
	char text[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
		(void)snprintf(text, sizeof(text),
			"[Unit]\nConditionVirtualization=%s\n[Service]\nExecStart=/bin/x\n",
			conditions[i].value);
		assert_int_equal(parse(text), conditions[i].mode < 0 ? -EINVAL : 0);
		if (conditions[i].mode >= 0)
			assert_int_equal(unit.mode, conditions[i].mode);
	}
	assert_int_equal(parse("[Unit]\nX-Essential=maybe\n[Service]\nExecStart=/bin/x\n"),
		-EINVAL);
	assert_int_equal(parse("[Unit]\nX-Essential=off\n[Service]\nExecStart=/bin/x\n"), 0);
	assert_false(unit.essential);
	assert_int_equal(
		parse("[Unit]\nX-Essential=1\n[Service]\nExecStart=/bin/x\n[Install]\nWantedBy=\n"),
		0);
	assert_true(unit.essential);
	assert_false(unit.enabled);
}

static void test_numbers(void **state)
{
	(void)state;
	assert_good("OOMScoreAdjust=1000\nStartLimitBurst=0");
	assert_int_equal(unit.start_limit_burst, 0);
	assert_bad("OOMScoreAdjust=1001", 3, "1000");
	assert_bad("OOMScoreAdjust=-1001", 3, "1000");
	assert_bad("OOMScoreAdjust=1x", 3, "1x");
	assert_bad("OOMScoreAdjust=", 3, "OOM");
	assert_bad("OOMScoreAdjust=99999999999999999999", 3, "1000");
	assert_bad("StartLimitBurst=-1", 3, "-1");
	/* As many starts as are remembered. */
	assert_good("StartLimitBurst=16");
	assert_bad("StartLimitBurst=17", 3, "16");
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t usec; /* -1: refused */
	} cases[] = {
		{"0", 0},
		{"infinity", 0},
		{"1", 1000000},
		{"5s", 5000000},
		{"5sec", 5000000},
		{"1us", 1},
		{"100ms", 100000},
		{"1m", 60000000},
		{"1min 30s", 90000000},
		{"1min30s", 90000000},
		{"2h", INT64_C(7200000000)},
		{"1h 1min 1s 1ms 1us", INT64_C(3661001001)},
		{"1000000000", INT64_C(1000000000000000)},
		{"1s ", 1000000},
		{"", -1},
		{" 1", -1},
		{"-1", -1},
		{"1.5s", -1},
		{"s", -1},
		{"1d", -1},
		{"1 fortnight", -1},
		{"1000000001", -1},
		{"99999999999999999999999", -1},
		{"1S", -1},
		{"infinitys", -1},
		{"1000000000s 1us", -1},
		{"1000000000h", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t usec = 42;
		int rc = unit_parse_time(cases[i].text, &usec);

		if (rc != (cases[i].usec < 0 ? -EINVAL : 0))
			fail_msg("\"%s\" gives %d", cases[i].text, rc);
		if ((int64_t)usec != (rc < 0 ? 42 : cases[i].usec))
			fail_msg("\"%s\" is %llu us", cases[i].text, (unsigned long long)usec);
	}
	assert_bad("RestartSec=soon", 3, "soon");
}

static void test_limit_values(void **state)
{
	(void)state;
	assert_good("LimitNOFILE=10:infinity");
	assert_int_equal(unit.limits[0].value.rlim_cur, 10);
	assert_true(unit.limits[0].value.rlim_max == RLIM_INFINITY);
	assert_bad("LimitNOFILE=20:10", 3, "limit");
	assert_bad("LimitNOFILE=", 3, "limit");
	assert_bad("LimitNOFILE=:", 3, "limit");
	assert_bad("LimitNOFILE=1:", 3, "limit");
	assert_bad("LimitNOFILE=-1", 3, "limit");
	assert_bad("LimitNOFILE=1KB", 3, "limit");
	assert_bad("LimitNOFILE=1T", 3, "limit");
	assert_bad("LimitNOFILE=1KM", 3, "limit");
	assert_bad("LimitNOFILE=99999999999999999999", 3, "limit");
	assert_bad("LimitCORE=99999999999999G", 3, "limit"); /* more than 64 bits */
	assert_bad("LimitNOFILE=1111111111111111111111111111111111", 3, "limit");
}

static void test_slices(void **state)
{
	(void)state;
	assert_good("Slice=keel.slice");
	assert_string_equal(unit.slice, "keel");
	assert_good("Slice=user");
	assert_string_equal(unit.slice, "user");
	assert_bad("Slice=../up", 3, "slice");
	assert_bad("Slice=a/b.slice", 3, "slice");
	assert_bad("Slice=", 3, "slice");
	assert_bad("Slice=abcdefghijklmnopqrstuvwxyzabcdef", 3, "31");
}

/* ---- bounds -------------------------------------------------------------------------------- */

/* `count` times `word`, separated by blanks, after `key=`. */
static const char *many(const char *key, const char *word, unsigned int count)
{
	static char text[12000];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s=", key);

	while (count-- > 0)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ", word);
	return text;
}

static void test_lists_are_bounded(void **state)
{
	char lines[16000];

	(void)state;
	assert_good(many("ExecStart", "/a", UNIT_ARGS_MAX));
	assert_bad(many("ExecStart", "/a", UNIT_ARGS_MAX + 1), 3, "more than");
	assert_good(many("Environment", "A=b", UNIT_ENV_MAX));
	assert_bad(many("Environment", "A=b", UNIT_ENV_MAX + 1), 3, "more than");
	assert_int_equal(parse(many("[Unit]\nAfter", "a.service", UNIT_NAMES_MAX + 1)), -EINVAL);
	assert_good("LimitNOFILE=1\nLimitNOFILE=2"); /* the last line counts */
	assert_int_equal(unit.limit_count, 1);
	assert_int_equal(unit.limits[0].value.rlim_cur, 2);
	lines[0] = '\0';
	for (unsigned int i = 0; i < UNIT_COMMANDS_MAX - 1; i++)
		strcat(lines, "ExecStop=/x\n");
	assert_good(lines);
	strcat(lines, "ExecStop=/x");
	assert_bad(lines, 3 + UNIT_COMMANDS_MAX - 1, "more than");
	assert_good(many("SuccessExitStatus", "1", UNIT_STATUS_MAX));
	assert_bad(many("SuccessExitStatus", "1", UNIT_STATUS_MAX + 1), 3, "more than");
	assert_bad(many("EnvironmentFile", "/a", UNIT_ENV_FILES_MAX + 1), 3, "more than");
}

static void test_pool_is_bounded(void **state)
{
	char word[1100], lines[16000];

	(void)state;
	memset(word, 'a', sizeof(word));
	word[1023] = '\0';
	(void)snprintf(lines, sizeof(lines), "ExecStart=/x %s", word);
	assert_good(lines);
	assert_int_equal(strlen(words_of(UNIT_PHASE_START)[1]), 1023);
	word[1023] = 'a';
	word[1024] = '\0';
	(void)snprintf(lines, sizeof(lines), "ExecStart=/x %s", word);
	assert_bad(lines, 3, "1023");
	word[1000] = '\0';
	(void)snprintf(lines, sizeof(lines),
		"Environment=A=%s\nEnvironment=B=%s\nEnvironment=C=%s\nEnvironment=D=%s\nEnvironment=E=%s",
		word, word, word, word, word);
	assert_bad(lines, 7, "4096");
	/* Full to the last byte: the name of the default slice has no room left. */
	word[1000] = 'a';
	word[1023] = '\0';
	(void)snprintf(lines, sizeof(lines),
		"Environment=A=%.1021s\nEnvironment=B=%.1021s\nEnvironment=C=%.1021s\nEnvironment=D=%.1014s",
		word, word, word, word);
	assert_int_equal(parse_service(lines), -EINVAL);
	assert_int_equal(unit.pool_used, UNIT_POOL_SIZE);
	assert_null(unit.slice);
}

/* ---- what only some units have --------------------------------------------------------------- */

static void test_phases_and_statuses(void **state)
{
	(void)state;
	assert_good(
		"ExecStartPre=/a\nExecStartPre=-/b\nExecStartPost=/c\nExecStop=/d\nExecStopPost=/e\n"
		"SuccessExitStatus=3 SIGUSR1\nRestartPreventExitStatus=255\nRemainAfterExit=yes\n"
		"SendSIGHUP=yes\nSendSIGKILL=no\nUMask=0077\nWatchdogSec=5s\nRestartMaxDelaySec=1min");
	assert_int_equal(unit.command_count, 6);
	assert_int_equal(unit_next_command(&unit, UNIT_PHASE_START_PRE, 0), 1);
	assert_int_equal(unit_next_command(&unit, UNIT_PHASE_START_PRE, 2), 2);
	assert_int_equal(unit_next_command(&unit, UNIT_PHASE_START_PRE, 3), -1);
	assert_true(unit.commands[2].ignore_failure);
	assert_true(unit_statuses_have(&unit.success, 3 << 8));
	assert_true(unit_statuses_have(&unit.success, SIGUSR1));
	assert_false(unit_statuses_have(&unit.success, 4 << 8));
	assert_true(unit_statuses_have(&unit.no_restart, 255 << 8));
	assert_true(unit.remain_after_exit && unit.send_sighup && !unit.send_sigkill);
	assert_int_equal(unit.umask, 077);
	assert_int_equal(unit.watchdog_us, 5 * USEC_PER_SEC);
	assert_int_equal(unit.notify_access,
		UNIT_NOTIFY_MAIN); /* who has a watchdog must be heard */
	assert_int_equal(unit.restart_max_us, 60 * USEC_PER_SEC);
	assert_bad("SuccessExitStatus=256", 3, "256");
	assert_bad("SuccessExitStatus=\"", 3, "SuccessExitStatus");
	assert_bad("UMask=999", 3, "0777");
	assert_good("SuccessExitStatus=1\nSuccessExitStatus=\nSuccessExitStatus=2");
	assert_int_equal(unit.success.count, 1);
}

static void test_timeouts(void **state)
{
	(void)state;
	assert_good("TimeoutSec=7");
	assert_int_equal(unit.timeout_start_us, 7 * USEC_PER_SEC);
	assert_int_equal(unit.timeout_stop_us, 7 * USEC_PER_SEC);
	/* What runs once may take its time, unless somebody said how much. */
	assert_good("Type=oneshot");
	assert_int_equal(unit.timeout_start_us, 0);
	assert_good("Type=oneshot\nTimeoutStartSec=3");
	assert_int_equal(unit.timeout_start_us, 3 * USEC_PER_SEC);
}

static void test_output(void **state)
{
	(void)state;
	assert_good("StandardOutput=null\nStandardError=inherit");
	assert_int_equal(unit.output, UNIT_OUTPUT_LOG);
	assert_good("StandardOutput=null");
	assert_int_equal(unit.output, UNIT_OUTPUT_NULL);
	assert_good("StandardOutput=tty");
	assert_int_equal(unit.output, UNIT_OUTPUT_TTY);
	assert_string_equal(unit.tty_path, "/dev/console");
	assert_bad("StandardOutput=file:/x", 3, "file:/x");
}

static void test_environment_files(void **state)
{
	(void)state;
	assert_good("EnvironmentFile=-/etc/default/docker\nWorkingDirectory=-/nowhere");
	assert_string_equal(unit.environment_files[0], "-/etc/default/docker");
	assert_string_equal(unit.working_directory, "-/nowhere");
	assert_bad("EnvironmentFile=etc/x", 3, "absolute");
	assert_bad("EnvironmentFile=-", 3, "absolute");
}

static void test_specifiers(void **state)
{
	(void)state;
	assert_good("ExecStart=/bin/x 100%% %n --name=%p");
	assert_string_equal(words_of(UNIT_PHASE_START)[1], "100%");
	assert_string_equal(words_of(UNIT_PHASE_START)[2], "x.service");
	assert_string_equal(words_of(UNIT_PHASE_START)[3], "--name=x");
	assert_bad("ExecStart=/bin/x %i", 3, "%n");
	assert_bad("ExecStart=/bin/x %", 3, "%n");
}

/* systemd.syntax(7): a backslash at the end of a line. */
static void test_continued_lines(void **state)
{
	(void)state;
	assert_good("ExecStart=/bin/x one \\\n  two \\\n  three");
	assert_string_equal(words_of(UNIT_PHASE_START)[1], "one");
	assert_string_equal(words_of(UNIT_PHASE_START)[3], "three");
	/* Line numbers stay those of the file. */
	assert_bad("ExecStart=/bin/x \\\n  two\nType=odd", 5, "odd");
	assert_int_equal(parse("[Service]\nExecStart=/bin/x\\"), 0);
}

static void test_dropins(void **state)
{
	(void)state;
	assert_int_equal(parse_as("x.service", "[Service]\nExecStart=/bin/x\nEnvironment=A=1\n",
				 "[Service]\nExecStart=\nExecStart=/bin/y\nEnvironment=B=2\n"),
		0);
	assert_string_equal(words_of(UNIT_PHASE_START)[0], "/bin/y");
	assert_string_equal(unit.environment[1], "B=2");
	assert_int_equal(parse_as("x.service", "[Service]\nExecStart=/bin/x\n",
				 "[Service]\nType=odd\n"),
		-EINVAL);
	assert_string_equal(said.where, "/etc/keel/units/x.service.d/a.conf:2");
}

static void test_socket_units(void **state)
{
	(void)state;
	assert_int_equal(parse_as("docker.socket",
				 "[Unit]\nDescription=x\n[Socket]\nListenStream=/run/docker.sock\n"
				 "SocketMode=0660\nSocketUser=root\nSocketGroup=docker\n"
				 "[Install]\nWantedBy=sockets.target\n",
				 NULL),
		0);
	assert_int_equal(said.warnings, 0);
	assert_string_equal(unit.listen_path, "/run/docker.sock");
	assert_int_equal(unit.socket_mode, 0660);
	assert_string_equal(unit.socket_group, "docker");
	assert_int_equal(parse_as("a.socket", "[Socket]\nListenStream=80\n", NULL), -EINVAL);
	assert_int_equal(parse_as("a.socket", "[Socket]\n", NULL), -EINVAL);
}

static void test_file_too_long(void **state)
{
	static char text[UNIT_FILE_MAX + 1];

	(void)state;
	memset(text, '\n', UNIT_FILE_MAX);
	assert_int_equal(parse(text), -EINVAL);
	assert_non_null(strstr(said.message, "8191"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_phases_and_statuses),
	cmocka_unit_test(test_timeouts),
	cmocka_unit_test(test_output),
	cmocka_unit_test(test_environment_files),
	cmocka_unit_test(test_specifiers),
	cmocka_unit_test(test_continued_lines),
	cmocka_unit_test(test_dropins),
	cmocka_unit_test(test_socket_units),
	cmocka_unit_test(test_file_too_long),
	cmocka_unit_test(test_defaults),
	cmocka_unit_test(test_every_key),
	cmocka_unit_test(test_upstream_docker),
	cmocka_unit_test(test_upstream_containerd),
	cmocka_unit_test(test_shipped_units),
	cmocka_unit_test(test_problems_name_their_line),
	cmocka_unit_test(test_line_too_long),
	cmocka_unit_test(test_name_too_long),
	cmocka_unit_test(test_quoting),
	cmocka_unit_test(test_exec_replaces),
	cmocka_unit_test(test_empty_value_clears_a_list),
	cmocka_unit_test(test_enums),
	cmocka_unit_test(test_unit_section_values),
	cmocka_unit_test(test_numbers),
	cmocka_unit_test(test_times),
	cmocka_unit_test(test_limit_values),
	cmocka_unit_test(test_slices),
	cmocka_unit_test(test_lists_are_bounded),
	cmocka_unit_test(test_pool_is_bounded),
};

UNIT_TEST_MAIN(tests)
