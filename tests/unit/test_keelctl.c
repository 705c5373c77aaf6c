/* SPDX-License-Identifier: MIT
 *
 * test_keelctl.c - command lines, the word that was meant, quoting for a shell, what is a change, the page of keelctl top.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/ctl/change.h"
#include "agent/ctl/command_line.h"
#include "agent/ctl/docker_host.h"
#include "agent/ctl/logs.h"
#include "agent/ctl/nearest.h"
#include "agent/ctl/shell_quote.h"
#include "agent/ctl/top_view.h"
#include "agent/ctl/view.h"

/* ---- command lines ---------------------------------------------------------------------------------- */

static struct command_line line;
static char words[256];
static char *argv[16];

/* Splits at spaces; "_" is an empty word. */
static int parse(const char *text, const char *vm)
{
	int argc = 0;

	(void)snprintf(words, sizeof(words), "keelctl %s", text);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = strcmp(word, "_") == 0 ? word + 1 : word;
	argv[argc] = NULL;
	return command_line_parse(&line, argc, argv, vm);
}

static void check_wrong(const char *text, const char *problem)
{
	assert_int_equal(parse(text, NULL), -EINVAL);
	assert_string_equal(line.problem, problem);
}

static void test_options(void **state)
{
	const struct ctl *ctl = &line.ctl;

	(void)state;
	assert_int_equal(parse("status", NULL), 0);
	assert_true(!ctl->json && !ctl->watch && !ctl->brief && ctl->vm.kind == ADDRESS_NONE &&
		    ctl->timeout_s == 0 && ctl->api_port == 700 && ctl->docker_port == 701 &&
		    ctl->lines == LOGS_ALL && ctl->ready_fd == -1);
	assert_string_equal(ctl->word, "status");
	assert_int_equal(parse("--json --brief status --watch --timeout=7", NULL), 0);
	assert_true(ctl->json && ctl->watch && ctl->brief && ctl->timeout_s == 7 && ctl->argc == 0);
	assert_int_equal(parse("top --once --vm vsock:4 --api-port 1 --docker-port=2 --color auto",
				 NULL),
		0);
	assert_true(ctl->once && ctl->vm.kind == ADDRESS_VSOCK && ctl->vm.cid == 4 &&
		    ctl->api_port == 1 && ctl->docker_port == 2);
	assert_int_equal(parse("logs -fn5 docker", NULL), 0);
	assert_true(ctl->follow && ctl->lines == 5 && ctl->argc == 1);
	assert_string_equal(ctl->argv[0], "docker");
	assert_int_equal(parse("-n 5 logs -f docker --lines all", NULL), 0);
	assert_true(ctl->follow && ctl->lines == LOGS_ALL);
	assert_int_equal(parse("start --no-block a b -- --json", NULL), 0);
	assert_true(ctl->no_block && ctl->argc == 3);
	assert_string_equal(ctl->argv[2], "--json");
	assert_int_equal(parse("disk repair --uuid x-y /dev/sdz", NULL), 0);
	assert_string_equal(ctl->uuid, "x-y");
	assert_string_equal(ctl->word, "disk repair");
	assert_int_equal(parse("wait failed", NULL), 0);
	assert_string_equal(ctl->word, "wait");
	assert_int_equal(parse("disk other", NULL), 0);
	assert_string_equal(ctl->word, "disk");
	assert_int_equal(parse("forward --ready-fd 0 unix:/x", NULL), 0);
	assert_int_equal(ctl->ready_fd, 0);
	assert_int_equal(parse("help -", NULL), 0);
	assert_string_equal(ctl->argv[0], "-");
	assert_int_equal(parse("events --kinds disk,oom --since 7f-3", NULL), 0);
	assert_string_equal(ctl->kinds, "disk,oom");
	assert_string_equal(ctl->since, "7f-3");
	assert_int_equal(parse("diagnose --output -", NULL), 0);
	assert_string_equal(ctl->output, "-");
	/* The options behind a foreign command are its own. */
	assert_int_equal(parse("shell -t ls -T --json", NULL), 0);
	assert_true(ctl->tty && !ctl->no_tty && !ctl->json && ctl->argc == 3);
	assert_int_equal(parse("shell --no-tty", NULL), 0);
	assert_true(!ctl->tty && ctl->no_tty);
	/* The environment's machine, and one that is named. */
	assert_int_equal(parse("status", "hvsock:/x"), 0);
	assert_int_equal(ctl->vm.kind, ADDRESS_HVSOCK);
	assert_int_equal(parse("status --vm none", "hvsock:/x"), 0);
	assert_int_equal(ctl->vm.kind, ADDRESS_NONE);
	assert_int_equal(parse("status", ""), 0);
	/* Help is given, whatever else is missing. */
	assert_int_equal(parse("--help", NULL), 0);
	assert_true(ctl->help && !line.verb);
	assert_int_equal(parse("logs -h", NULL), 0);
	assert_true(ctl->help && line.verb);
	assert_int_equal(parse("--version", NULL), 0);
	assert_int_equal(parse("--version logs", NULL), 0);
	assert_true(ctl->version);
}

/* As many services as there are. */
static void test_many_operands(void **state)
{
	static char *many[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many) - 1; i++)
		many[i] = (char *)(uintptr_t)(i == 1 ? "start" : "a");
	assert_int_equal(command_line_parse(&line, ARRAY_SIZE(many) - 1, many, NULL), 0);
	assert_int_equal(line.ctl.argc, ARRAY_SIZE(many) - 3);
}

static void test_wrong_words(void **state)
{
	static const char number[] = ": it must be a number from 1 on";
	char problem[128];

	(void)state;
	check_wrong("", "which verb?");
	check_wrong("sttus", "sttus: no such verb; perhaps status?");
	check_wrong("xyzzy", "xyzzy: no such verb");
	check_wrong("status --jsn", "--jsn: no such option; perhaps --json?");
	check_wrong("status --xyzzy=5", "--xyzzy: no such option");
	check_wrong("status --=", "--: no such option");
	check_wrong("status -q", "-q: no such option");
	check_wrong("logs -fq x", "-q: no such option");
	check_wrong("status --json=", "--json takes no value");
	check_wrong("status --timeout", "--timeout: SECONDS is missing");
	check_wrong("logs -n", "--lines: N is missing");
	check_wrong("status --follow", "it takes no --follow");
	check_wrong("status --help --follow", "it takes no --follow");
	check_wrong("health x", "x: it takes no operands");
	check_wrong("memory target 1 2", "2: one word too many");
	check_wrong("start", "UNIT... is missing");
	check_wrong("--vm unix:/x start a", "it works in the guest only, not with --vm");
	check_wrong("--vm tcp:127.0.0.1:1 status",
		"--vm tcp:127.0.0.1:1: it must be vsock:CID, hvsock:PATH, unix:PATH or none");
	check_wrong("--color _ status", "--color : it must be auto, always or never");
	check_wrong("forward --ready-fd x unix:/x",
		"--ready-fd x: it must be the number of an open descriptor");
	check_wrong("x\033[0m", "x?[0m: no such verb");
	for (const char *const *bad =
			(const char *const[]){"0", "x", "5x", "-1", "+1", "_", "1234567890", NULL};
		*bad; bad++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "wait --timeout %s", *bad);
		(void)snprintf(problem, sizeof(problem), "--timeout %s%s",
			strcmp(*bad, "_") == 0 ? "" : *bad, number);
		check_wrong(text, problem);
	}
	check_wrong("status --an-option-that-is-much-longer-than-what-is-worth-being-said-again",
		"--an-option-that-is-much-longer-than-what-is-worth-being-said-ag: no such option");
	assert_int_equal(parse("status", "nonsense"), -EINVAL);
	assert_string_equal(line.problem,
		"KEEL_VM=nonsense: it must be vsock:CID, hvsock:PATH, unix:PATH or none");
}

/* ---- words ------------------------------------------------------------------------------------------ */

static unsigned int distance(const char *a, const char *b)
{
	return nearest_distance(a, strlen(a), b, strlen(b));
}

static void test_nearest(void **state)
{
	static const char *const verbs[] = {"status", "start", "stop", "restart", "reload", "disk"};
	static const struct {
		const char *word, *meant;
	} cases[] = {{"statsu", "status"}, {"strat", "start"}, {"sto", "stop"},
		{"relaod", "reload"}, {"dsik", "disk"}, {"re", "restart"}, {"s", NULL},
		{"xy", NULL}, {"banana", NULL}, {"", NULL},
		{"a-word-that-is-longer-than-any-verb-will-be", NULL}};

	(void)state;
	assert_int_equal(distance("", ""), 0);
	assert_int_equal(distance("abc", "abc"), 0);
	assert_int_equal(distance("abc", "ac"), 1);
	assert_int_equal(distance("ac", "abc"), 1);
	assert_int_equal(distance("abc", "acb"), 1);
	assert_int_equal(distance("abc", "axc"), 1);
	assert_int_equal(distance("abcd", "dcba"), NEAREST_MOST);
	assert_int_equal(distance("", "ab"), 2);
	assert_int_equal(distance("ab", "a-word-that-is-longer-than-any-verb-will-be"),
		NEAREST_MOST);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *near = NULL;
		unsigned int best = NEAREST_MOST;

		for (size_t k = 0; k < ARRAY_SIZE(verbs); k++)
			nearest_take(cases[i].word, strlen(cases[i].word), verbs[k], &best, &near);
		if (!cases[i].meant)
			assert_null(near);
		else
			assert_string_equal(near, cases[i].meant);
	}
}

static void test_shell_quote(void **state)
{
	static const struct {
		const char *text, *quoted;
	} cases[] = {{"abc", "abc"}, {"", "''"}, {"a b", "'a b'"},
		{"host=unix:///x", "host=unix:///x"}, {"=x", "'=x'"}, {"it's", "'it'\\''s'"},
		{"$HOME", "'$HOME'"}, {"`a`\n", "'`a`\n'"}, {"~", "'~'"}, {"a;b", "'a;b'"},
		{"A-Z_09@%+,./:", "A-Z_09@%+,./:"}};
	char buffer[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(shell_quote(cases[i].text, buffer, sizeof(buffer)), 0);
		assert_string_equal(buffer, cases[i].quoted);
		/* Every size that is too small. */
		for (size_t size = 1; size <= strlen(cases[i].quoted); size++)
			assert_int_equal(shell_quote(cases[i].text, buffer, size), -ENAMETOOLONG);
	}
}

static void test_docker_host(void **state)
{
	struct address address;
	char text[1200], wanted[1200], directory[1024];

	(void)state;
	assert_int_equal(address_parse("unix:/a b", &address), 0);
	assert_int_equal(docker_host_format(&address, text, sizeof(text)), 0);
	assert_string_equal(text, "unix:///a b");
	assert_int_equal(docker_host_format(&address, text, 11), -ENAMETOOLONG);
	assert_int_equal(address_parse("unix:x", &address), 0);
	assert_int_equal(docker_host_format(&address, text, sizeof(text)), 0);
	assert_non_null(getcwd(directory, sizeof(directory)));
	(void)snprintf(wanted, sizeof(wanted), "unix://%s/x", directory);
	assert_string_equal(text, wanted);
	assert_int_equal(address_parse("tcp:127.0.0.1:5", &address), 0);
	assert_int_equal(docker_host_format(&address, text, sizeof(text)), 0);
	assert_string_equal(text, "tcp://127.0.0.1:5");
	assert_int_equal(docker_host_format(&address, text, 17), -ENAMETOOLONG);
	assert_int_equal(address_parse("hvsock:/x", &address), 0);
	assert_int_equal(docker_host_format(&address, text, sizeof(text)), -EINVAL);
}

/* ---- changes ---------------------------------------------------------------------------------------- */

static uint64_t mark(const char *json)
{
	return change_mark(json, strlen(json));
}

static void test_change_mark(void **state)
{
	static const char base[] =
		"{\"status\":\"ready\",\"ready\":true,\"uptime_ms\":1,\"disk\":{\"state\":\"mounted\"},"
		"\"services\":[{\"name\":\"a\",\"state\":\"active\",\"pid\":1}]}";
	static const char same[] =
		"{\"status\":\"ready\",\"ready\":true,\"uptime_ms\":2,\"disk\":{\"state\":\"mounted\",\"free_bytes\":9},"
		"\"services\":[{\"name\":\"a\",\"state\":\"active\",\"pid\":2}]}";
	static const char *const others[] = {
		"{\"status\":\"ready\",\"ready\":false,\"disk\":{\"state\":\"mounted\"},\"services\":[{\"name\":\"a\",\"state\":\"active\"}]}",
		"{\"status\":\"ready\",\"ready\":true,\"disk\":{\"state\":\"refused\"},\"services\":[{\"name\":\"a\",\"state\":\"active\"}]}",
		"{\"status\":\"ready\",\"ready\":true,\"disk\":{\"state\":\"mounted\"},\"services\":[{\"name\":\"a\",\"state\":\"failed\"}]}",
		"{\"status\":\"ready\",\"ready\":true,\"disk\":{\"state\":\"mounted\"},\"services\":[]}",
		"nonsense"};

	(void)state;
	assert_true(mark(base) == mark(same));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_true(mark(base) != mark(others[i]));
}

/* ---- top -------------------------------------------------------------------------------------------- */

static const char health[] =
	"{\"version\":\"1\",\"status\":\"degraded\",\"reason\":\"a is \\u001b[31mlow\",\"uptime_ms\":61000,\"disk\":{\"state\":\"none\"},"
	"\"services\":[{\"name\":\"a\",\"state\":\"active\",\"wanted\":true},{\"name\":\"b\",\"state\":\"failed\",\"wanted\":true},"
	"{\"name\":\"c\",\"state\":\"inactive\",\"wanted\":false}]}";
static const char memory[] =
	"{\"total_bytes\":1024,\"free_bytes\":512,\"cache_bytes\":256,\"mode\":\"off\",\"working\":true,\"target_bytes\":2048,"
	"\"pressure\":{\"cpu\":{\"some_percent\":100.0},\"memory\":{\"some_percent\":-5},\"io\":{\"some_percent\":1e300}},"
	"\"groups\":[{\"name\":\"containers\"},{\"name\":\"containers/0123456789abcdef\",\"current_bytes\":7,\"cache_bytes\":9},"
	"{\"name\":\"containers/ab\",\"current_bytes\":8}],\"history\":[[0,1,0],[1000,2,1]]}";

static const char *page(const struct top_view *wanted)
{
	static char *text;
	yyjson_doc *first = yyjson_read(health, strlen(health), 0),
		   *second = yyjson_read(memory, strlen(memory), 0);
	struct top_view top = *wanted;
	size_t len;
	FILE *out;

	free(text);
	out = open_memstream(&text, &len);
	assert_non_null(out);
	top.view.out = out;
	top_view_page(&top, yyjson_doc_get_root(first), yyjson_doc_get_root(second));
	assert_int_equal(fclose(out), 0);
	yyjson_doc_free(first);
	yyjson_doc_free(second);
	return text;
}

static void test_top(void **state)
{
	static struct top_history history;
	struct container_names names = {.count = 1, .entry = {{"ab", "zoo\033"}}};
	struct top_view top = {
		.view = {.width = 100}, .rows = 40, .names = &names, .history = &history};
	yyjson_doc *doc = yyjson_read(memory, strlen(memory), 0);
	const char *text;

	(void)state;
	text = page(&top); /* nothing has been seen yet */
	assert_non_null(strstr(text, "cpu    not known\n"));
	for (unsigned int i = 0; i < TOP_SAMPLES + 3; i++)
		top_history_add(&history, yyjson_doc_get_root(doc));
	assert_int_equal(history.count, TOP_SAMPLES);
	text = page(&top);
	assert_non_null(strstr(text, "keel 1 is degraded  (up 1 min 1 s): a is ?[31mlow\n"));
	assert_non_null(strstr(text, "cpu    100.0 %  ####"));
	assert_non_null(strstr(text, "memory not known\n"));
	assert_non_null(strstr(text, "io     100.0 %"));
	assert_non_null(strstr(text, "off, 0 B given back, target 2.0 KiB; working\n"));
	assert_non_null(strstr(text, "Services    1 up, b failed\n"));
	assert_non_null(strstr(text, "\nThe last 1.0 s"));
	assert_true(strstr(text, "zoo?") < strstr(text, "0123456789ab "));
	top.sort = TOP_SORT_CACHE;
	text = page(&top);
	assert_true(strstr(text, "0123456789ab ") < strstr(text, "zoo?"));
	top.sort = TOP_SORT_NAME;
	text = page(&top);
	assert_true(strstr(text, "0123456789ab ") < strstr(text, "zoo?"));
	assert_true(top_view_lacks_name(&names, yyjson_doc_get_root(doc)));
	/* No line is wider than the terminal, where words can be parted. */
	for (unsigned int width = MEMORY_VIEW_WIDTH_MIN; width <= MEMORY_VIEW_WIDTH_MAX; width++) {
		top.view.width = width;
		text = page(&top);
		for (const char *end; *text; text = end + 1) {
			end = strchr(text, '\n');
			assert_non_null(end);
			if ((size_t)(end - text) > width)
				fail_msg("%u: %.*s", width, (int)(end - text), text);
		}
	}
	top.view.width = 20;
	top.view.utf8 = top.view.colour = true;
	text = page(&top);
	assert_non_null(strstr(text, "\033[33m100.0 %\033[0m"));
	yyjson_doc_free(doc);
}

static void test_container_names(void **state)
{
	static const char good[] =
		"[{\"Id\":\"ab\",\"Names\":[\"/one\",\"/two\"]},{\"Id\":\"cd\",\"Names\":[\"three\"]},{\"Id\":\"ef\"},"
		"{\"Names\":[\"/x\"]},{\"Id\":7},{\"Id\":\"0123456789012345678901234567890123456789012345678901234567890123456789\",\"Names\":[\"/long\"]}]";
	static const char *const bad[] = {"", "{}", "null", "[", "{\"message\":\"no\"}"};
	static struct container_names names;
	char many[16384] = "[";

	(void)state;
	assert_int_equal(container_names_parse(&names, good, strlen(good)), 0);
	assert_int_equal(names.count, 2);
	assert_string_equal(container_names_find(&names, "ab"), "one");
	assert_string_equal(container_names_find(&names, "cd"), "three");
	assert_null(container_names_find(&names, "ef"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(container_names_parse(&names, bad[i], strlen(bad[i])), -EPROTO);
	for (int i = 0; i < CONTAINER_NAMES_MAX + 9; i++)
		(void)snprintf(many + strlen(many), sizeof(many) - strlen(many),
			"%s{\"Id\":\"%d\",\"Names\":[\"/n\"]}", i ? "," : "", i);
	(void)strcat(many, "]");
	assert_int_equal(container_names_parse(&names, many, strlen(many)), 0);
	assert_int_equal(names.count, CONTAINER_NAMES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_many_operands),
		cmocka_unit_test(test_wrong_words),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_shell_quote),
		cmocka_unit_test(test_docker_host),
		cmocka_unit_test(test_change_mark),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_container_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
