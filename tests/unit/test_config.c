/* SPDX-License-Identifier: MIT
 *
 * test_config.c - defaults, file, kernel command line; what is wrong is said and changes nothing.
 */
#include <stdio.h>
#include <string.h>

#include "lib/config.h"
#include "lib/file.h"
#include "lib/helper.h"
#include "tests/unit/unit_test.h"

static struct config config, defaults;
static unsigned int warnings;
static char last_where[128], last_message[256];

static void on_warning(void *ctx, const char *where, const char *message)
{
	assert_ptr_equal(ctx, &config);
	warnings++;
	(void)snprintf(last_where, sizeof(last_where), "%s", where);
	(void)snprintf(last_message, sizeof(last_message), "%s", message);
}

static int setup(void **state)
{
	(void)state;
	/* Compared byte by byte: padding must be alike. */
	memset(&config, 0, sizeof(config));
	memset(&defaults, 0, sizeof(defaults));
	config_set_defaults(&config);
	defaults = config;
	memcpy(&defaults, &config, sizeof(config));
	warnings = 0;
	return 0;
}

static void parse_file(const char *text)
{
	config_parse_file_text(&config, "/etc/keel/keel.conf", text, strlen(text), on_warning,
		&config);
}

static void parse_cmdline(const char *text)
{
	config_parse_cmdline(&config, text, strlen(text), on_warning, &config);
}

static void assert_unchanged(void)
{
	assert_memory_equal(&config, &defaults, sizeof(config));
}

static void test_defaults(void **state)
{
	(void)state;
	assert_string_equal(config.disk.label, "keel-data");
	assert_string_equal(config.disk.uuid, "");
	assert_true(config.disk.enabled);
	assert_int_equal(config.disk.format, CONFIG_DISK_FORMAT_NEVER);
	assert_int_equal(config.disk.wait_s, 30);
	assert_string_equal(config.disk.mountpoint, "/data");
	assert_int_equal(config.net.mode, CONFIG_NET_AUTO);
	assert_int_equal(config.net.wait_s, 10);
	assert_int_equal(config.vsock.api_port, 700);
	assert_int_equal(config.vsock.docker_port, 701);
	assert_int_equal(config.vsock.report_port, 702);
	assert_int_equal(config.health.heartbeat_s, 30);
	assert_int_equal(config.health.probe_s, 30);
	assert_true(config.engine.restart);
	assert_int_equal(config.engine.hung_after_s, 30);
	assert_int_equal(config.engine.restarts_per_hour, 3);
	assert_int_equal(config.clock.manage, CONFIG_CLOCK_AUTO);
	assert_int_equal(config.clock.step_ms, 128);
	assert_int_equal(config.clock.dead_ms, 5);
	assert_int_equal(config.clock.other_ms, 1000);
	assert_true(config.boot.console_shell);
	assert_int_equal(config.boot.shutdown_s, 60);
	assert_int_equal(config.boot.grace_s, 25);
	assert_true(config.share.enabled);
	assert_int_equal(config.share.gid, 0);
	assert_false(config.debug.shell);
}

static void test_file_sets_every_key(void **state)
{
	(void)state;
	parse_file("# comment\n; comment\n"
		   "[disk]\ndata = LABEL=sixteen-bytes-16\n"
		   "enabled=off\nformat=blank\nwait=3600\nmountpoint=/mnt/x\n"
		   "damaged=read-only\ntrim=no\nlow=20\ncritical=0\n"
		   "[net]\nmode=static\ninterface=eth0\naddress=192.0.2.2/24\ngateway=192.0.2.1\n"
		   "dns=192.0.2.53 192.0.2.54\nwait=0\n"
		   "[vsock]\napi_port=1\ndocker_port=2147483647\nreport_port=0\n"
		   "[health]\nheartbeat=5\nprobe=86400\n"
		   "[engine]\nrestart=no\nhung_after_s=7\nrestarts_per_hour=16\n"
		   "[proxy]\nhttp=http://u:p@h:1\nhttps=https://h\nno=a, b\n"
		   "[clock]\nmanage=no\nstep_ms=1\ndead_ms=0\nother_ms=3600000\n"
		   "[boot]\nconsole_shell=no\nshutdown=10\ngrace=7\n"
		   "[share]\nenabled=no\ngid=1001\n"
		   "[debug]\nshell=yes\n");
	assert_int_equal(warnings, 0);
	assert_string_equal(config.disk.label, "sixteen-bytes-16");
	assert_false(config.disk.enabled);
	assert_int_equal(config.disk.format, CONFIG_DISK_FORMAT_BLANK);
	assert_int_equal(config.disk.wait_s, 3600);
	assert_int_equal(config.disk.damaged, CONFIG_DISK_DAMAGED_READ_ONLY);
	assert_false(config.disk.trim);
	assert_int_equal(config.disk.low_percent, 20);
	assert_int_equal(config.disk.critical_percent, 0);
	assert_string_equal(config.disk.mountpoint, "/mnt/x");
	assert_int_equal(config.net.mode, CONFIG_NET_STATIC);
	assert_string_equal(config.net.interface, "eth0");
	assert_string_equal(config.net.address, "192.0.2.2/24");
	assert_string_equal(config.net.gateway, "192.0.2.1");
	assert_string_equal(config.net.dns, "192.0.2.53 192.0.2.54");
	assert_int_equal(config.net.wait_s, 0);
	assert_int_equal(config.vsock.api_port, 1);
	assert_int_equal(config.vsock.docker_port, INT32_MAX);
	assert_int_equal(config.vsock.report_port, 0);
	assert_int_equal(config.health.heartbeat_s, 5);
	assert_int_equal(config.health.probe_s, 86400);
	assert_false(config.engine.restart);
	assert_int_equal(config.engine.hung_after_s, 7);
	assert_int_equal(config.engine.restarts_per_hour, 16);
	assert_string_equal(config.proxy.http, "http://u:p@h:1");
	assert_string_equal(config.proxy.https, "https://h");
	assert_string_equal(config.proxy.no, "a, b");
	assert_int_equal(config.clock.manage, CONFIG_CLOCK_NO);
	assert_int_equal(config.clock.step_ms, 1);
	assert_int_equal(config.clock.dead_ms, 0);
	assert_int_equal(config.clock.other_ms, 3600000);
	assert_false(config.boot.console_shell);
	assert_int_equal(config.boot.shutdown_s, 10);
	assert_int_equal(config.boot.grace_s, 7);
	assert_false(config.share.enabled);
	assert_int_equal(config.share.gid, 1001);
	assert_true(config.debug.shell);
}

static void test_shipped_file(void **state)
{
	char text[8192];

	(void)state;
	assert_in_range(file_read("rootfs/etc/keel/keel.conf", text, sizeof(text)), 1,
		sizeof(text));
	parse_file(text);
	if (warnings > 0)
		fail_msg("%s: %s", last_where, last_message);
}

static void test_proxies_are_not_told(void **state)
{
	char text[1024] = "[proxy]\nhttp=http://user:secret@h";

	(void)state;
	memset(text + strlen(text), 'x', 600);
	parse_file(text);
	assert_int_equal(warnings, 1);
	assert_string_equal(last_message, "bad value for proxy.http ignored");
}

static void test_file_problems_name_their_line(void **state)
{
	(void)state;
	parse_file("[disk]\n\nlable=x\n");
	assert_int_equal(warnings, 1);
	assert_string_equal(last_where, "/etc/keel/keel.conf:3");
	assert_string_equal(last_message, "unknown key disk.lable ignored");
	parse_file("[disk]\nwait=soon\n");
	assert_string_equal(last_where, "/etc/keel/keel.conf:2");
	assert_string_equal(last_message, "bad value \"soon\" for disk.wait ignored");
	parse_file("label=x\n"); /* no section */
	assert_int_equal(warnings, 3);
	parse_file("[disk]\nneither nor\n");
	assert_int_equal(warnings, 4);
	assert_string_equal(last_where, "/etc/keel/keel.conf:2");
	assert_unchanged();
	parse_file("[disk]\nneither nor\ndata=LABEL=after\n"); /* what is good still counts */
	assert_string_equal(config.disk.label, "after");
}

static void test_bad_values_keep_the_old(void **state)
{
	static const char *const bad[][3] = {
		{"disk", "data", ""},
		{"disk", "data", "sda"},
		{"disk", "data", "Auto"},
		{"disk", "data", "LABEL="},
		{"disk", "data", "LABEL=seventeen-bytes17"},
		{"disk", "data", "LABEL=tab\there"},
		{"disk", "data", "UUID="},
		{"disk", "data", "UUID=12345678-1234-1234-1234-123456789ab"},
		{"disk", "data", "UUID=12345678-1234-1234-1234-123456789abcd"},
		{"disk", "data", "UUID=12345678-1234-1234-1234-123456789abg"},
		{"disk", "data", "UUID=12345678-1234-1234-123456789abc-1234"},
		{"disk", "damaged", "repair"},
		{"disk", "trim", "always"},
		{"disk", "low", "101"},
		{"disk", "critical", "-1"},
		{"disk", "mountpoint", "data"},
		{"disk", "mountpoint", ""},
		{"disk", "enabled", "maybe"},
		{"disk", "enabled", ""},
		{"disk", "format", "always"},
		{"disk", "wait", "3601"},
		{"disk", "wait", "-1"},
		{"disk", "wait", " 1"},
		{"disk", "wait", "1s"},
		{"disk", "wait", ""},
		{"disk", "wait", "99999999999999999999999"},
		{"vsock", "api_port", "2147483648"},
		{"vsock", "api_port", "0x2bc"},
		{"health", "heartbeat", "0"},
		{"health", "probe", "0"},
		{"engine", "hung_after_s", "0"},
		{"engine", "restarts_per_hour", "17"},
		{"net", "mode", "DHCP"},
		{"net", "interface", "sixteen-bytes-16"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (config_set(&config, bad[i][0], bad[i][1], bad[i][2]) != -EINVAL)
			fail_msg("%s.%s=%s was taken", bad[i][0], bad[i][1], bad[i][2]);
		assert_unchanged();
	}
	assert_int_equal(config_set(&config, "disk", "nothing", "1"), -ENOENT);
	assert_int_equal(config_set(&config, "", "label", "1"), -ENOENT);
	assert_unchanged();
}

static void test_data_chooses_a_disk(void **state)
{
	(void)state;
	assert_int_equal(config_set(&config, "disk", "data", "LABEL=other"), 0);
	assert_string_equal(config.disk.label, "other");
	assert_string_equal(config.disk.uuid, "");
	assert_int_equal(config_set(&config, "disk", "data",
				 "UUID=12345678-1234-1234-1234-123456789aBc"),
		0);
	assert_string_equal(config.disk.label, "keel-data");
	assert_string_equal(config.disk.uuid, "12345678-1234-1234-1234-123456789aBc");
	assert_int_equal(config_set(&config, "disk", "data", "LABEL=third"), 0);
	assert_string_equal(config.disk.uuid, "");
	assert_int_equal(config_set(&config, "disk", "data", "auto"), 0);
	assert_unchanged();
}

static void test_a_shorter_string_leaves_no_rest(void **state)
{
	(void)state;
	assert_int_equal(config_set(&config, "disk", "data", "LABEL=x"), 0);
	assert_memory_equal(config.disk.label, "x\0\0\0\0\0\0\0\0\0", 10);
}

static void test_cmdline(void **state)
{
	(void)state;
	parse_cmdline(
		"console=ttyS0 root=/dev/nvme0n1 keel.disk.data=LABEL=other quiet keel.net.mode=none "
		"keel.vsock.api_port=1234 init=/sbin/init\n");
	assert_int_equal(warnings, 0);
	assert_string_equal(config.disk.label, "other");
	assert_int_equal(config.net.mode, CONFIG_NET_NONE);
	assert_int_equal(config.vsock.api_port, 1234);
}

static void test_cmdline_quoting(void **state)
{
	(void)state;
	parse_cmdline("keel.net.dns=\"192.0.2.1 192.0.2.2\" \"keel.disk.data=LABEL=a b\"");
	assert_int_equal(warnings, 0);
	assert_string_equal(config.net.dns, "192.0.2.1 192.0.2.2");
	assert_string_equal(config.disk.label, "a b");
	parse_cmdline("keel.disk.data=LABEL=\"open until the end");
	assert_int_equal(warnings, 1); /* 18 bytes do not fit */
}

static void test_cmdline_problems(void **state)
{
	(void)state;
	parse_cmdline("keel.disk.lable=x");
	assert_string_equal(last_where, "kernel command line");
	assert_string_equal(last_message, "unknown key disk.lable ignored");
	parse_cmdline("keel.disk.wait=x");
	parse_cmdline("keel.disk.wait");
	parse_cmdline("keel.disk=5");
	parse_cmdline("keel.=");
	parse_cmdline("keel.disk.=1");
	assert_int_equal(warnings, 6);
	parse_cmdline("keel=1 keelson.disk.wait=5 xkeel.disk.wait=5");
	parse_cmdline("");
	parse_cmdline("   ");
	assert_int_equal(warnings, 6);
	assert_unchanged();
}

/* A word beyond any sane length is cut, and its cut value refused, without touching its neighbours. */
static void test_cmdline_oversize(void **state)
{
	char text[4096];

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "keel.net.dns=", strlen("keel.net.dns="));
	memcpy(text + sizeof(text) - 21, " keel.disk.wait=7    ", 21);
	config_parse_cmdline(&config, text, sizeof(text), on_warning, &config);
	assert_int_equal(warnings, 1);
	assert_string_equal(config.net.dns, "");
	assert_int_equal(config.disk.wait_s, 7);
}

static void test_cmdline_beats_file(void **state)
{
	(void)state;
	parse_file("[disk]\nwait=5\ndata=LABEL=file\n");
	parse_cmdline("keel.disk.wait=6");
	assert_int_equal(config.disk.wait_s, 6);
	assert_string_equal(config.disk.label, "file");
}

static void test_file_oversize(void **state)
{
	char text[9000];

	(void)state;
	memset(text, '\n', sizeof(text));
	memcpy(text, "[disk]\nwait=5", 13);
	memcpy(text + 8500, "wait=6", 6);
	config_parse_file_text(&config, "/etc/keel/keel.conf", text, sizeof(text), on_warning,
		&config);
	assert_int_equal(warnings, 1);
	assert_int_equal(config.disk.wait_s, 5);
}

static void test_helper_option(void **state)
{
	(void)state;
	assert_int_equal(helper_set_option(&config, "disk.wait=5"), 0);
	assert_int_equal(config.disk.wait_s, 5);
	assert_int_equal(helper_set_option(&config, "disk.data=LABEL=a.b=c"), 0);
	assert_string_equal(config.disk.label, "a.b=c");
	assert_int_equal(helper_set_option(&config, "disk.wait=x"), -EINVAL);
	assert_int_equal(helper_set_option(&config, "disk.x=1"), -ENOENT);
	assert_int_equal(helper_set_option(&config, "disk"), -EINVAL);
	assert_int_equal(helper_set_option(&config, "disk=a.b"), -EINVAL);
	assert_int_equal(helper_set_option(&config, "disk.wait"), -EINVAL);
	assert_int_equal(helper_set_option(&config, "a-section-of-thirty-two-letters-.x=1"),
		-EINVAL);
	assert_int_equal(helper_set_option(&config, "disk.a-key-of-thirty-two-letters-xxxx=1"),
		-EINVAL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_defaults, setup),
	cmocka_unit_test_setup(test_file_sets_every_key, setup),
	cmocka_unit_test_setup(test_shipped_file, setup),
	cmocka_unit_test_setup(test_proxies_are_not_told, setup),
	cmocka_unit_test_setup(test_file_problems_name_their_line, setup),
	cmocka_unit_test_setup(test_bad_values_keep_the_old, setup),
	cmocka_unit_test_setup(test_data_chooses_a_disk, setup),
	cmocka_unit_test_setup(test_data_chooses_a_disk, setup),
	cmocka_unit_test_setup(test_a_shorter_string_leaves_no_rest, setup),
	cmocka_unit_test_setup(test_cmdline, setup),
	cmocka_unit_test_setup(test_cmdline_quoting, setup),
	cmocka_unit_test_setup(test_cmdline_problems, setup),
	cmocka_unit_test_setup(test_cmdline_oversize, setup),
	cmocka_unit_test_setup(test_cmdline_beats_file, setup),
	cmocka_unit_test_setup(test_file_oversize, setup),
	cmocka_unit_test_setup(test_helper_option, setup),
};

UNIT_TEST_MAIN(tests)
