/* SPDX-License-Identifier: MIT
 *
 * view.c - see view.h. Caller: status.c. A field that is missing is shown as empty: a newer or older guest
 * may know more or less than this program.
 */
#include "agent/ctl/view.h"

#include <inttypes.h>
#include <string.h>
#include <yyjson.h>

#include "agent/ctl/advice.h"
#include "agent/ctl/page.h"

#define LAST_WORDS  4 /* lines of a service that failed */
#define TROUBLE_MAX 6 /* services that are named one by one */

static const char *text_of(yyjson_val *object, const char *key)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, key));

	return text ? text : "";
}

/* JSON has no bounds, the integers that a number of milliseconds becomes have (the limit is 30,000 years). Nothing
 * that is shown is negative. */
static double number_of(yyjson_val *object, const char *key)
{
	const double limit = 1e15;
	double number = yyjson_get_num(yyjson_obj_get(object, key));

	if (!(number > 0))
		return 0;
	return number < limit ? number : limit;
}

static void print_stages(struct page *page, yyjson_val *root)
{
	yyjson_val *stage;
	yyjson_arr_iter iter;
	char took[32];

	(void)fputs("\nBoot stages\n", page->out);
	yyjson_arr_iter_init(yyjson_obj_get(root, "stages"), &iter);
	while ((stage = yyjson_arr_iter_next(&iter))) {
		page_put_cell(page, "", 2);
		page_put_cell(page, text_of(stage, "name"), 26);
		page_put_state_cell(page, text_of(stage, "state"), 10);
		if (number_of(stage, "start_ms") > 0)
			(void)fprintf(page->out, " %9s",
				view_format_ms(number_of(stage, "ms"), took, sizeof(took)));
		else
			(void)fprintf(page->out, " %9s", "");
		page_put_remark(page, text_of(stage, "reason"));
	}
}

static void print_service(struct page *page, yyjson_val *service)
{
	const char *state = text_of(service, "state"), *status = text_of(service, "status");
	double exec_ms = number_of(service, "exec_ms"), ready_ms = number_of(service, "ready_ms");
	int restarts = yyjson_get_int(yyjson_obj_get(service, "restarts"));
	int pid = yyjson_get_int(yyjson_obj_get(service, "pid"));
	char took[32];

	page_put_cell(page, "", 2);
	page_put_cell(page, text_of(service, "name"), 26);
	page_put_state_cell(page, state, 10);
	if (pid > 0)
		(void)fprintf(page->out, " %9d", pid);
	else
		(void)fprintf(page->out, " %9s", "-");
	if (ready_ms > exec_ms && exec_ms > 0 && strcmp(state, "active") == 0)
		(void)fprintf(page->out, "  ready in %s",
			view_format_ms(ready_ms - exec_ms, took, sizeof(took)));
	if (restarts > 0)
		(void)fprintf(page->out, "  restarted %d time%s", restarts,
			restarts == 1 ? "" : "s");
	page_put_remark(page, text_of(service, "reason"));
	if (status[0]) {
		page_put_cell(page, "", 2 + 26);
		page_put_cell(page, status, 0);
		page_put_newline(page);
	}
}

static void print_services(struct page *page, yyjson_val *root)
{
	yyjson_val *service;
	yyjson_arr_iter iter;

	(void)fprintf(page->out, "  %-26s%-10s %9s\n", "UNIT", "STATE", "PID");
	yyjson_arr_iter_init(yyjson_obj_get(root, "services"), &iter);
	while ((service = yyjson_arr_iter_next(&iter)))
		print_service(page, service);
}

/* ---- the lines ------------------------------------------------------------------------------- */

static bool is_up(yyjson_val *service)
{
	const char *state = text_of(service, "state");

	return strcmp(state, "active") == 0 || strcmp(state, "reloading") == 0;
}

/* One that failed, before one that waits for it; NULL if all are up. */
static yyjson_val *find_essential_that_is_not_up(yyjson_val *root)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "services"));
	yyjson_val *service, *found = NULL;

	while ((service = yyjson_arr_iter_next(&iter))) {
		const char *state = text_of(service, "state");

		if (!yyjson_get_bool(yyjson_obj_get(service, "essential")) || is_up(service))
			continue;
		if (strcmp(state, "failed") == 0 || strcmp(state, "backoff") == 0)
			return service;
		found = found ? found : service;
	}
	return found;
}

static void print_engine(struct page *page, yyjson_val *root)
{
	yyjson_val *engine = yyjson_obj_get(root, "engine");
	yyjson_val *down = find_essential_that_is_not_up(root);

	page_put_label(page, "Engine");
	if (down) {
		page_put_state(page, text_of(down, "state"));
		page_put_format(page, PAGE_LABEL, " (%s)", text_of(down, "name"));
		page_put_reason(page, text_of(down, "reason"));
	} else {
		page_put_state(page, text_of(engine, "state"));
		if (text_of(engine, "api_version")[0])
			page_put_format(page, PAGE_LABEL, ", API %s",
				text_of(engine, "api_version"));
		page_put_reason(page, text_of(engine, "reason"));
	}
	page_put_newline(page);
}

static void print_disk(struct page *page, yyjson_val *disk)
{
	const char *state = text_of(disk, "state"), *situation = text_of(disk, "situation");
	uint64_t size = yyjson_get_uint(yyjson_obj_get(disk, "size_bytes"));
	uint64_t free_bytes = yyjson_get_uint(yyjson_obj_get(disk, "free_bytes"));
	bool space_known = text_of(disk, "forecast")[0] != '\0';
	char a[32], b[32];

	page_put_label(page, "Data disk");
	page_put_state(page, state);
	if (situation[0] && strcmp(situation, "ok") != 0)
		page_put_format(page, PAGE_LABEL, ", %s", situation);
	if (text_of(disk, "device")[0])
		page_put_format(page, PAGE_LABEL, ", %s", text_of(disk, "device"));
	if (space_known)
		page_put_format(page, PAGE_LABEL, ", %s of %s free (%s)",
			view_format_bytes(free_bytes, a, sizeof(a)),
			view_format_bytes(size, b, sizeof(b)), text_of(disk, "forecast"));
	else if (size > 0)
		page_put_format(page, PAGE_LABEL, ", %s", view_format_bytes(size, b, sizeof(b)));
	if (text_of(disk, "mountpoint")[0] && !page->style.brief)
		page_put_format(page, PAGE_LABEL, ", label %s, on %s", text_of(disk, "label"),
			text_of(disk, "mountpoint"));
	if (yyjson_get_bool(yyjson_obj_get(disk, "read_only")))
		page_put_text(page, PAGE_LABEL, ", READ-ONLY");
	if (yyjson_get_bool(yyjson_obj_get(disk, "formatted")))
		page_put_text(page, PAGE_LABEL, ", formatted by this boot");
	/* Of one that is mounted it says what the line says. */
	if (!page->style.brief || strcmp(state, "mounted") != 0)
		page_put_reason(page, text_of(disk, "reason"));
	page_put_newline(page);
}

static void print_memory(struct page *page, yyjson_val *memory)
{
	uint64_t swap = yyjson_get_uint(yyjson_obj_get(memory, "swap_total_bytes"));
	char a[32], b[32];

	page_put_label(page, "Memory");
	page_put_format(page, PAGE_LABEL, "%s of %s available",
		view_format_bytes(yyjson_get_uint(yyjson_obj_get(memory, "available_bytes")), a,
			sizeof(a)),
		view_format_bytes(yyjson_get_uint(yyjson_obj_get(memory, "total_bytes")), b,
			sizeof(b)));
	if (swap > 0)
		page_put_format(page, PAGE_LABEL, ", swap %s of %s free",
			view_format_bytes(yyjson_get_uint(yyjson_obj_get(memory,
						  "swap_free_bytes")),
				a, sizeof(a)),
			view_format_bytes(swap, b, sizeof(b)));
	page_put_newline(page);
}

static void print_kernel(struct page *page, yyjson_val *kernel)
{
	uint64_t cpus = yyjson_get_uint(yyjson_obj_get(kernel, "cpus"));

	page_put_label(page, "Kernel");
	page_put_text(page, PAGE_LABEL, text_of(kernel, "release"));
	if (cpus > 0)
		page_put_format(page, PAGE_LABEL, ", %" PRIu64 " CPU%s", cpus,
			cpus == 1 ? "" : "s");
	if (!yyjson_is_null(yyjson_obj_get(kernel, "check")))
		page_put_text(page, PAGE_LABEL, "  (checked: keelctl kernel)");
	page_put_newline(page);
}

/* How many are up, and each that should be and is not. */
static void print_services_in_brief(struct page *page, yyjson_val *root)
{
	unsigned int up = 0, named = 0;
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "services"));
	yyjson_val *service;

	while ((service = yyjson_arr_iter_next(&iter)))
		up += is_up(service);
	page_put_label(page, "Services");
	page_put_format(page, PAGE_LABEL, "%u up", up);
	iter = yyjson_arr_iter_with(yyjson_obj_get(root, "services"));
	while ((service = yyjson_arr_iter_next(&iter)) && named < TROUBLE_MAX) {
		if (is_up(service) || (!yyjson_get_bool(yyjson_obj_get(service, "wanted")) &&
					      strcmp(text_of(service, "state"), "failed") != 0))
			continue;
		page_put_newline(page);
		page_put_indent(page, PAGE_LABEL);
		page_put_format(page, PAGE_LABEL, "%s ", text_of(service, "name"));
		page_put_state(page, text_of(service, "state"));
		page_put_reason(page, text_of(service, "reason"));
		named++;
	}
	page_put_newline(page);
}

/* What did not go well at boot, or goes on; the services have lines of their own. */
static void print_stages_in_brief(struct page *page, yyjson_val *root)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "stages"));
	yyjson_val *stage;

	while ((stage = yyjson_arr_iter_next(&iter))) {
		const char *state = text_of(stage, "state");

		if (strcmp(state, "failed") != 0 && strcmp(state, "degraded") != 0 &&
			(strcmp(state, "running") != 0 ||
				strcmp(text_of(stage, "name"), "services") == 0))
			continue;
		page_put_label(page, "Boot stage");
		page_put_format(page, PAGE_LABEL, "%s ", text_of(stage, "name"));
		page_put_state(page, state);
		page_put_reason(page, text_of(stage, "reason"));
		page_put_newline(page);
	}
}

static void print_last_words(struct page *page, yyjson_val *service)
{
	yyjson_val *log = yyjson_obj_get(service, "log");
	size_t count = yyjson_arr_size(log), i = count > LAST_WORDS ? count - LAST_WORDS : 0;

	if (count == 0 || is_up(service))
		return;
	(void)fprintf(page->out, "\nLast words of ");
	page_put_text(page, 0, text_of(service, "name"));
	page_put_newline(page);
	for (; i < count; i++) {
		const char *line = yyjson_get_str(yyjson_arr_get(log, i));

		page_put_words(page, line ? line : "");
	}
}

static void print_all_last_words(struct page *page, yyjson_val *root)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "services"));
	yyjson_val *service;

	while ((service = yyjson_arr_iter_next(&iter)))
		print_last_words(page, service);
}

static void print_advice(struct page *page, const struct advice *advice, size_t count)
{
	unsigned int wide = 0;

	for (size_t i = 0; i < count; i++)
		if (strlen(advice[i].command) > wide)
			wide = (unsigned int)strlen(advice[i].command);
	if (count > 0)
		(void)fputs("\nTry\n", page->out);
	for (size_t i = 0; i < count; i++) {
		page_put_indent(page, 2);
		page_put_clean(page, advice[i].command, strlen(advice[i].command));
		page_put_indent(page, 2 + wide - (unsigned int)strlen(advice[i].command));
		page_put_text(page, 4, advice[i].about);
		page_put_newline(page);
	}
}

/* `document`: NULL if there is none. Containers that do not ask whom the guest asks are worth a word. */
static void print_network(struct page *page, yyjson_val *document, const struct view_notes *notes)
{
	const char *dns = text_of(yyjson_obj_get(document, "network"), "container_dns");

	if (!notes->network)
		return;
	page_put_label(page, "Network");
	page_put_text(page, PAGE_LABEL, notes->network);
	if (strcmp(dns, "public") == 0)
		page_put_text(page, PAGE_LABEL, "; containers ask public servers for names");
	else if (strcmp(dns, "dockerd") == 0)
		page_put_text(page, PAGE_LABEL, "; containers ask whom dockerd chooses");
	else if (strcmp(dns, "unanswered") == 0)
		page_put_text(page, PAGE_LABEL,
			"; containers get no names: keel-dns does not answer");
	page_put_newline(page);
}

/* Early in the boot there is nothing wrong with an agent that does not answer. */
static bool is_agent_on_its_way(yyjson_val *root)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "services"));
	yyjson_val *service;

	while ((service = yyjson_arr_iter_next(&iter)))
		if (strcmp(text_of(service, "name"), "keel-agent.service") == 0)
			return strcmp(text_of(service, "state"), "waiting") == 0 ||
			       strcmp(text_of(service, "state"), "starting") == 0;
	return false;
}

static void print_agent(struct page *page, yyjson_val *root, const struct view_notes *notes)
{
	if (!notes->agent)
		return;
	page_put_label(page, "Agent");
	page_put_state(page, is_agent_on_its_way(root) ? "starting" : "silent");
	page_put_format(page, PAGE_LABEL,
		": keel-agent does not answer%s (%s); this is what PID 1 says",
		is_agent_on_its_way(root) ? " yet" : "", notes->agent);
	page_put_newline(page);
}

static void print_head(struct page *page, yyjson_val *root, const struct view_notes *notes)
{
	const char *status = text_of(root, "status");
	bool ready = yyjson_get_bool(yyjson_obj_get(root, "ready"));
	/* Of this guest: WSL's machine may be older, and have others in it. */
	double up_ms = number_of(root, "uptime_ms") - number_of(root, "init_ms");
	char up[32];

	/* PID 1 does not know that the agent is mute: it only sees that it lives. */
	if (notes->agent && strcmp(status, "ready") == 0)
		status = "degraded";
	page_put_format(page, 2, "keel %s is ", text_of(root, "version"));
	page_put_state(page, status);
	if (ready && strcmp(status, "ready") != 0)
		page_put_text(page, 2, ", the engine can be used");
	page_put_format(page, 2, "  (%s mode, up %s)", text_of(root, "mode"),
		view_format_ms(up_ms, up, sizeof(up)));
	page_put_newline(page);
	if (page->reason[0]) {
		page_put_indent(page, 2);
		page_put_text(page, 2, page->reason);
		page_put_newline(page);
	}
	page_put_newline(page);
}

int view_print_status(FILE *out, const char *json, size_t len, const struct view_style *style,
	const struct view_notes *notes)
{
	struct page page = {.out = out, .style = *style};
	yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc);
	struct advice advice[ADVICE_MAX] = {0};
	size_t count;

	if (!yyjson_is_str(yyjson_obj_get(root, "status"))) {
		yyjson_doc_free(doc);
		return -EINVAL;
	}
	page.reason = text_of(root, "reason");
	print_head(&page, root, notes);
	print_agent(&page, root, notes);
	print_engine(&page, root);
	print_disk(&page, yyjson_obj_get(root, "disk"));
	print_memory(&page, yyjson_obj_get(root, "memory"));
	print_network(&page, root, notes);
	if (style->brief) {
		print_services_in_brief(&page, root);
		print_stages_in_brief(&page, root);
	} else {
		print_kernel(&page, yyjson_obj_get(root, "kernel"));
		(void)fputs("\nServices\n", out);
		print_services(&page, root);
		print_stages(&page, root);
	}
	print_all_last_words(&page, root);
	count = advice_give(root, notes->agent && !is_agent_on_its_way(root), advice);
	print_advice(&page, advice, count);
	yyjson_doc_free(doc);
	return 0;
}

void view_print_silence(FILE *out, const char *init, const struct view_style *style,
	const struct view_notes *notes)
{
	static const struct advice advice[] = {
		{"journalctl -k -n 30", "what PID 1 and the kernel said"},
		{"ps", "what runs; PID 1 should be init"},
		{"docker ps", "the engine may work all the same"},
	};
	struct page page = {.out = out, .style = *style, .reason = ""};

	page_put_text(&page, 2, "keel " KEEL_VERSION " is ");
	page_put_state(&page, "unreachable");
	page_put_newline(&page);
	page_put_indent(&page, 2);
	if (init)
		page_put_format(&page, 2, "neither keel-agent (%s) nor PID 1 (%s) answers",
			notes->agent, init);
	else
		page_put_format(&page, 2, "keel-agent does not answer: %s", notes->agent);
	page_put_newline(&page);
	page_put_newline(&page);
	print_network(&page, NULL, notes);
	if (init)
		print_advice(&page, advice, ARRAY_SIZE(advice));
}

int view_print_services(FILE *out, const char *json, size_t len, bool colour)
{
	struct page page = {.out = out, .style.colour = colour};
	yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc);
	bool valid = yyjson_is_arr(yyjson_obj_get(root, "services"));

	if (valid)
		print_services(&page, root);
	yyjson_doc_free(doc);
	return valid ? 0 : -EINVAL;
}
