/* SPDX-License-Identifier: MIT
 *
 * test_view.c - the status page and what it advises, from documents; the network line from the kernel's texts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/ctl/advice.h"
#include "agent/ctl/guest_network.h"
#include "agent/ctl/view.h"
#include "lib/control.h"

/* The page for a document; valid until the next call. */
static const char *page_of(const char *json, const struct view_style *style,
	const struct view_notes *notes)
{
	static char *page;
	size_t len;
	FILE *out;

	free(page);
	out = open_memstream(&page, &len);
	assert_non_null(out);
	assert_int_equal(view_print_status(out, json, strlen(json), style, notes), 0);
	assert_int_equal(fclose(out), 0);
	return page;
}

static const struct view_style brief = {.brief = true};
static const struct view_notes in_guest = {.network = "eth0 10.0.0.2"};

#define UP(name_) "{\"name\":\"" name_ "\",\"state\":\"active\",\"wanted\":true,\"essential\":true}"

static void test_ready(void **state)
{
	static const char json[] =
		"{\"version\":\"1.2\",\"mode\":\"wsl\",\"status\":\"ready\",\"ready\":true,\"reason\":\"\","
		"\"uptime_ms\":70000,\"init_ms\":10000,\"engine\":{\"state\":\"ready\",\"api_version\":\"1.45\"},"
		"\"disk\":{\"state\":\"mounted\",\"situation\":\"ok\",\"device\":\"/dev/sdc\",\"forecast\":\"ok\","
		"\"free_bytes\":1073741824,\"size_bytes\":8589934592,\"reason\":\"it is mounted\"},"
		"\"memory\":{\"available_bytes\":1024,\"total_bytes\":2048},\"stages\":[{\"name\":\"disk\","
		"\"state\":\"done\"}],\"services\":[" UP("a") "," UP("b") "]}";

	(void)state;
	assert_string_equal(page_of(json, &brief, &in_guest),
		"keel 1.2 is ready  (wsl mode, up 1 min 0 s)\n\n"
		"Engine      ready, API 1.45\n"
		"Data disk   mounted, /dev/sdc, 1.0 GiB of 8.0 GiB free (ok)\n"
		"Memory      1.0 KiB of 2.0 KiB available\n"
		"Network     eth0 10.0.0.2\n"
		"Services    2 up\n");
	/* The agent is mute: what PID 1 sees is not all there is to see. */
	const char *page = page_of(json, &brief, &(struct view_notes){.agent = "timeout"});

	assert_non_null(strstr(page, "keel 1.2 is degraded, the engine can be used  ("));
	assert_non_null(strstr(page,
		"Agent       silent: keel-agent does not answer (timeout); this"));
	assert_non_null(strstr(page, "\nTry\n  keelctl logs -n 20 keel-agent  its last words\n"));
	assert_null(strstr(page, "Network"));
	/* The whole page has tables. */
	page = page_of(json, &(struct view_style){.colour = true}, &in_guest);
	assert_non_null(strstr(page, "\nBoot stages\n"));
	assert_non_null(strstr(page, ": it is mounted\n"));
	assert_non_null(strstr(page, "Kernel      "));
	assert_non_null(strstr(page, "is \033[32mready\033[0m"));
}

static void test_trouble(void **state)
{
	static const char json[] =
		"{\"version\":\"1\",\"mode\":\"vm\",\"status\":\"failed\",\"reason\":\"d failed: it died; see\","
		"\"engine\":{\"state\":\"unknown\"},\"stages\":[{\"name\":\"net\",\"state\":\"degraded\",\"reason\":\"no link\"},"
		"{\"name\":\"services\",\"state\":\"running\"},{\"name\":\"disk\",\"state\":\"running\"}],"
		"\"disk\":{\"state\":\"refused\",\"situation\":\"two-disks\",\"size_bytes\":1024,\"read_only\":true,\"formatted\":true},"
		"\"services\":[" UP(
			"a") ",{\"name\":\"off\",\"state\":\"inactive\"},"
			     "{\"name\":\"w\",\"state\":\"waiting\",\"essential\":true,\"wanted\":true},"
			     "{\"name\":\"x\",\"state\":\"failed\",\"reason\":\"no\"},"
			     "{\"name\":\"d\",\"state\":\"failed\",\"essential\":true,\"wanted\":true,\"reason\":\"it died\",\"log\":"
			     "[\"1\",\"2\",\"3\",\"4\",\"5\\u001b[2J\"]}]}";
	const char *page;

	(void)state;
	page = page_of(json, &brief, &(struct view_notes){0});
	assert_non_null(strstr(page,
		"keel 1 is failed  (vm mode, up 0.0 ms)\n  d failed: it died; see\n"));
	/* What the top says is not said again. */
	assert_non_null(strstr(page, "Engine      failed (d)\n"));
	assert_non_null(strstr(page,
		"Data disk   refused, two-disks, 1.0 KiB, READ-ONLY, formatted by this boot\n"));
	assert_non_null(strstr(page,
		"Services    1 up\n            w waiting\n            x failed: no\n            d failed\n"));
	assert_non_null(strstr(page,
		"Boot stage  net degraded: no link\nBoot stage  disk running\n"));
	/* The last four lines, and nothing that a terminal would obey. */
	assert_non_null(strstr(page, "\nLast words of d\n  | 2\n  | 3\n  | 4\n  | 5?[2J\n"));
	assert_non_null(strstr(page, "\nTry\n  keelctl disk list "));
	assert_null(strstr(page, "off"));
}

static void test_container_dns(void **state)
{
	static const char public[] =
		"{\"status\":\"ready\",\"network\":{\"container_dns\":\"public\"}}";
	static const char dockerd[] =
		"{\"status\":\"ready\",\"network\":{\"container_dns\":\"dockerd\"}}";
	static const char silent[] =
		"{\"status\":\"ready\",\"network\":{\"container_dns\":\"unanswered\"}}";
	static const char direct[] =
		"{\"status\":\"ready\",\"network\":{\"container_dns\":\"direct\"}}";

	(void)state;
	assert_non_null(strstr(page_of(public, &brief, &in_guest),
		"Network     eth0 10.0.0.2; containers ask public servers for names\n"));
	assert_non_null(strstr(page_of(dockerd, &brief, &in_guest),
		"Network     eth0 10.0.0.2; containers ask whom dockerd chooses\n"));
	assert_non_null(strstr(page_of(silent, &brief, &in_guest), "containers get no names: "));
	assert_non_null(strstr(page_of(direct, &brief, &in_guest), "Network     eth0 10.0.0.2\n"));
}

static void test_agent_on_its_way(void **state)
{
	static const char json[] =
		"{\"status\":\"starting\",\"services\":[{\"name\":\"keel-agent.service\","
		"\"state\":\"starting\"}]}";
	const char *page;

	(void)state;
	page = page_of(json, &brief, &(struct view_notes){.agent = "refused"});
	assert_non_null(strstr(page,
		"Agent       starting: keel-agent does not answer yet (refused)"));
	assert_null(strstr(page, "keelctl restart keel-agent"));
}

static void test_width(void **state)
{
	static const char json[] =
		"{\"version\":\"1\",\"mode\":\"vm\",\"status\":\"degraded\",\"reason\":\"one two three four five six "
		"s\xc3\xa9v\xc3\xa9n eight nine\",\"engine\":{\"state\":\"unreachable\",\"reason\":\"nobody listens on its "
		"socket at all\"},\"disk\":{\"state\":\"none\"},\"services\":[{\"name\":\"d\",\"state\":\"failed\","
		"\"log\":[\"a line that is longer than the terminal is wide\"]}]}";
	char *page = strdup(page_of(json, &(struct view_style){.brief = true, .width = 32},
		&(struct view_notes){0}));

	(void)state;
	assert_non_null(page);
	assert_non_null(strstr(page,
		"\n  one two three four five six\n  s\xc3\xa9v\xc3\xa9n eight nine\n"));
	assert_non_null(strstr(page,
		"Engine      unreachable: nobody\n            listens on its\n            socket at all\n"));
	assert_non_null(strstr(page, "  | a line that is longer than t\n"));
	free(page);
}

/* What a unit calls itself and says reaches the terminal as letters only, in both pages and the table alone. */
static void test_control_characters(void **state)
{
	static const char json[] =
		"{\"status\":\"re\\u001bady\",\"services\":[{\"name\":\"a\\u001b[2J\",\"state\":\"fai\\u009bled\",\"wanted\":true,"
		"\"reason\":\"b\\u0007\",\"status\":\"c\\u0080\\u009f\\u00a0\\u007f\"}],"
		"\"stages\":[{\"name\":\"d\\u0085\",\"state\":\"failed\\n\",\"reason\":\"e\\u001b]0;\"}]}";
	char *table = NULL;
	size_t len;
	FILE *out = open_memstream(&table, &len);
	const char *page = page_of(json, &(struct view_style){0}, &in_guest);

	(void)state;
	assert_non_null(out);
	assert_int_equal(view_print_services(out, json, strlen(json), false), 0);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(table, "\n  a?[2J                     fai?led            -  b?\n"));
	assert_non_null(strstr(table, "\n                            c??\xc2\xa0?\n"));
	assert_non_null(strstr(page, table));
	assert_non_null(strstr(page,
		"\n  d?                        failed?               e?]0;\n"));
	free(table);
	page = page_of(json, &brief, &in_guest);
	assert_non_null(strstr(page, "            a?[2J fai?led: b?\n"));
	assert_null(strpbrk(page, "\033\007\177"));
}

static void test_silence(void **state)
{
	char *page = NULL;
	size_t len;
	FILE *out = open_memstream(&page, &len);

	(void)state;
	assert_non_null(out);
	view_print_silence(out, "b", &brief, &(struct view_notes){.agent = "a", .network = "n"});
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(page,
		"unreachable\n  neither keel-agent (a) nor PID 1 (b) answers\n\nNetwork     n\n\nTry\n"));
	free(page);
}

/* The commands that a document leads to, joined by "; ". */
static const char *advice_for(const char *json, bool agent_silent)
{
	static char text[HINTS_MAX * 80];
	struct hints hints;
	yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);

	assert_non_null(doc);
	advice_give(yyjson_doc_get_root(doc), agent_silent, &hints);
	text[0] = '\0';
	for (size_t i = 0; i < hints.count; i++) {
		assert_true(strlen(hints.hint[i].about) > 0);
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			i > 0 ? "; " : "", hints.hint[i].command);
	}
	yyjson_doc_free(doc);
	return text;
}

#define DISK(state_, situation_) \
	"\"disk\":{\"state\":\"" state_ "\",\"situation\":\"" situation_ "\"}"
#define SERVICES(text_) "{\"status\":\"failed\",\"services\":[{\"name\":\"d\"," text_ "}]}"
#define LIST            "keelctl disk list; man keel-disk"
#define REPAIR          "keelctl disk status; keelctl disk repair"

static void test_advice(void **state)
{
	static const struct {
		const char *json;
		bool agent_silent;
		const char *commands;
	} cases[] = {
		{"{}", false, ""},
		{"{\"status\":\"ready\"}", false, ""},
		{"{\"status\":\"stopping\"," DISK("refused", "no-disk") "}", true, ""},
		{"{\"status\":\"starting\"}", false, "keelctl wait; keelctl logs -f docker"},
		{"{\"status\":\"ready\"}", true,
			"keelctl logs -n 20 keel-agent; keelctl restart keel-agent"},
		{"{\"mode\":\"wsl\"," DISK("waiting", "no-disk") "}", false,
			"wsl --mount --vhd PATH --bare; " LIST},
		{"{\"mode\":\"vm\"," DISK("waiting", "no-disk") "}", false, LIST},
		{"{\"mode\":\"wsl\"," DISK("mounted", "vanished") "}", false,
			"wsl --mount --vhd PATH --bare; " LIST},
		{"{" DISK("mounted", "file-system-errors") "}", false, REPAIR},
		{"{" DISK("mounted", "io-errors") "}", false, REPAIR},
		{"{" DISK("mounted", "unmounted") "}", false, "keelctl reboot"},
		{"{" DISK("refused", "two-disks") "}", false, LIST},
		{"{" DISK("refused", "ok") "}", false, LIST},
		{"{" DISK("rescue", "ok") "}", false, LIST},
		{"{" DISK("mounted", "ok") "}", false, ""},
		{"{\"status\":\"starting\"," DISK("waiting", "not-found") "}", false, LIST},
		{"{\"disk\":{\"forecast\":\"low\"}}", false,
			"docker system df; docker system prune"},
		{"{\"disk\":{\"forecast\":\"critical\"}}", false,
			"docker system df; docker system prune"},
		{SERVICES("\"state\":\"failed\""), false,
			"keelctl logs -n 20 d; keelctl restart d"},
		{SERVICES("\"state\":\"backoff\",\"essential\":true"), false,
			"keelctl logs -n 20 d; keelctl restart d"},
		{SERVICES("\"state\":\"inactive\",\"essential\":true"), false, "keelctl start d"},
		{SERVICES("\"state\":\"inactive\",\"essential\":true,\"wanted\":true"), false, ""},
		{SERVICES("\"state\":\"inactive\""), false, ""},
		{SERVICES("\"state\":\"active\",\"essential\":true"), false, ""},
		{"{\"engine\":{\"state\":\"unreachable\"}}", false,
			"keelctl logs -n 20 docker; keelctl restart docker"},
		{"{\"engine\":{\"state\":\"ready\"},\"docker_api\":{\"state\":\"closed\"}}", false,
			"keelctl logs -n 20 keel-agent; keelctl restart keel-agent"},
		{"{\"engine\":{\"state\":\"ready\"},\"docker_api\":{\"state\":\"open\"}}", false,
			""},
		{"{\"engine\":{\"state\":\"unknown\"},\"docker_api\":{\"state\":\"closed\"}}",
			false, ""},
		{"{\"reason\":\"the clock is 9 s behind what the host says: x; see keelctl clock\"}",
			false, "keelctl clock; keelctl clock sync"},
		{"{\"stages\":[{\"name\":\"modules\",\"state\":\"degraded\"},{\"name\":\"net\",\"state\":"
		 "\"failed\"},{\"name\":\"cgroup\",\"state\":\"degraded\"},{\"name\":\"x\",\"state\":\"done\"}]}",
			false, "keelctl kernel; journalctl -k; ip address; ip route"},
		{"{\"reason\":\"the guest ran out of memory\"}", false, "keelctl memory"},
		{"{\"reason\":\"for want of memory in its group\"}", false, "keelctl memory"},
		/* No more than fit, the nearest first. */
		{"{" DISK("mounted",
			 "file-system-errors") ",\"engine\":{\"state\":\"unreachable\"},\"stages\":["
					       "{\"name\":\"net\",\"state\":\"failed\"}]}",
			true,
			"keelctl logs -n 20 keel-agent; keelctl restart keel-agent; " REPAIR
			"; keelctl logs -n 20 docker; keelctl restart docker"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(advice_for(cases[i].json, cases[i].agent_silent),
			cases[i].commands);
}

/* The words are those that the document has. */
static void test_advice_has_the_documents_words(void **state)
{
	static const struct {
		enum disk_situation situation;
		const char *commands;
	} cases[] = {
		{DISK_SITUATION_OK, ""},
		{DISK_SITUATION_FS_ERRORS, REPAIR},
		{DISK_SITUATION_IO_ERRORS, REPAIR},
		{DISK_SITUATION_VANISHED, LIST},
		{DISK_SITUATION_UNMOUNTED, "keelctl reboot"},
	};
	char json[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		(void)snprintf(json, sizeof(json), "{\"disk\":{\"situation\":\"%s\"}}",
			disk_situation_name(cases[i].situation));
		assert_string_equal(advice_for(json, false), cases[i].commands);
	}
}

#define HEAD        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define LOCAL_ROUTE "eth1\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"

static void test_network(void **state)
{
	char device[16], gateway[16];

	(void)state;
	assert_false(guest_network_find_route("", device, gateway));
	assert_false(guest_network_find_route(HEAD LOCAL_ROUTE, device, gateway));
	assert_false(guest_network_find_route(HEAD
		"eth0\t00000000\t010011AC\t0002\t0\t0\t0\t00000000\t0\t0\t0\n",
		device, gateway));
	assert_true(guest_network_find_route(HEAD LOCAL_ROUTE
		"eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
		device, gateway));
	assert_string_equal(device, "eth0");
	assert_string_equal(gateway, "172.17.0.1");
	assert_true(guest_network_find_route("tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000",
		device, gateway));
	assert_string_equal(gateway, "");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_ready),
	cmocka_unit_test(test_trouble),
	cmocka_unit_test(test_agent_on_its_way),
	cmocka_unit_test(test_container_dns),
	cmocka_unit_test(test_width),
	cmocka_unit_test(test_control_characters),
	cmocka_unit_test(test_silence),
	cmocka_unit_test(test_advice),
	cmocka_unit_test(test_advice_has_the_documents_words),
	cmocka_unit_test(test_network),
};

UNIT_TEST_MAIN(tests)
