/* SPDX-License-Identifier: MIT
 *
 * view.c - see view.h. Callers: verbs.c. A field that is missing is shown as empty: a newer or older guest
 * may know more or less than this program.
 */
#include "agent/ctl/view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <yyjson.h>

#include "agent/ctl/advice.h"

#define RESET "\033[0m"

#define LABEL_WIDTH 12
#define WIDTH_LEAST 30 /* of a terminal: below that wrapping makes it worse */
#define LAST_WORDS  4  /* lines of a service that failed */
#define TROUBLE_MAX 6  /* services that are named one by one */

struct page {
	FILE *out;
	struct view_style style;
	const char *reason; /* at the top of the page: not said again below */
	unsigned int column;
};

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

/* Green for what is well, red for what failed, yellow for what is on its way or wrong. */
static const char *colour_of(const struct page *page, const char *state)
{
	static const char *const good[] = {"ready", "done", "active", "mounted", "running"};
	static const char *const bad[] = {"failed", "refused", "unreachable"};
	static const char *const quiet[] = {"skipped", "inactive", "none", "pending", "unknown"};

	if (!page->style.colour)
		return "";
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (strcmp(state, good[i]) == 0)
			return "\033[32m";
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (strcmp(state, bad[i]) == 0)
			return "\033[31m";
	for (size_t i = 0; i < ARRAY_SIZE(quiet); i++)
		if (strcmp(state, quiet[i]) == 0)
			return "\033[2m";
	return "\033[33m";
}

static bool colour_always, colour_never;

int view_set_colour(const char *when)
{
	colour_always = strcmp(when, "always") == 0;
	colour_never = strcmp(when, "never") == 0;
	return colour_always || colour_never || strcmp(when, "auto") == 0 ? 0 : -EINVAL;
}

bool view_wants_colour(FILE *out)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	if (colour_always || colour_never)
		return colour_always;
	return isatty(fileno(out)) && !(no && no[0]) && term && strcmp(term, "dumb") != 0;
}

struct view_style view_get_style(FILE *out)
{
	struct view_style style = {.colour = view_wants_colour(out)};
	struct winsize size;

	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0)
		style.width = size.ws_col == 0 ? 80 : size.ws_col;
	if (style.width > 0 && style.width < WIDTH_LEAST)
		style.width = WIDTH_LEAST;
	return style;
}

const char *view_format_bytes(uint64_t bytes, char *buffer, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t i = 0;

	while (value >= 1024 && i < ARRAY_SIZE(units) - 1) {
		value /= 1024;
		i++;
	}
	(void)snprintf(buffer, size, i == 0 ? "%.0f %s" : "%.1f %s", value, units[i]);
	return buffer;
}

const char *view_format_ms(double ms, char *buffer, size_t size)
{
	unsigned long seconds = ms < 0 ? 0 : (unsigned long)(ms / 1000);

	if (ms < 10)
		(void)snprintf(buffer, size, "%.1f ms", ms);
	else if (ms < 1000)
		(void)snprintf(buffer, size, "%.0f ms", ms);
	else if (seconds < 60)
		(void)snprintf(buffer, size, "%.1f s", ms / 1000);
	else if (seconds < 3600)
		(void)snprintf(buffer, size, "%lu min %lu s", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		(void)snprintf(buffer, size, "%lu h %lu min", seconds / 3600, seconds / 60 % 60);
	else
		(void)snprintf(buffer, size, "%lu d %lu h", seconds / 86400, seconds / 3600 % 24);
	return buffer;
}

/* ---- lines of text, wrapped ------------------------------------------------------------------ */

static unsigned int columns_of(const char *text, size_t len)
{
	unsigned int columns = 0;

	for (size_t i = 0; i < len; i++)
		columns += ((unsigned char)text[i] & 0xc0) !=
			   0x80; /* not a continuation byte of UTF-8 */
	return columns;
}

/* Bytes of the control character that the text begins with: 1, 2 (U+0080 to U+009F in UTF-8), or 0 if it is none. */
static size_t control_character_size(const char *text, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)text;

	if (bytes[0] < ' ' || bytes[0] == 0x7f)
		return 1;
	if (len > 1 && bytes[0] == 0xc2 && bytes[1] < 0xa0)
		return 2;
	return 0;
}

/* A terminal obeys control characters, and a guest's document may have them. */
static void put_clean(struct page *page, const char *text, size_t len)
{
	for (size_t i = 0, size; i < len; i += size ? size : 1) {
		size = control_character_size(text + i, len - i);
		(void)fputc(size ? '?' : text[i], page->out);
	}
	page->column += columns_of(text, len);
}

static void put_newline(struct page *page)
{
	(void)fputc('\n', page->out);
	page->column = 0;
}

static void put_indent(struct page *page, unsigned int indent)
{
	(void)fprintf(page->out, "%*s", (int)indent, "");
	page->column += indent;
}

/* Goes on in the line; what does not fit goes on below, from column `indent` on. */
static void put_text(struct page *page, unsigned int indent, const char *text)
{
	while (*text) {
		size_t space = strspn(text, " "), len = strcspn(text + space, " ");
		unsigned int columns = columns_of(text + space, len);

		if (page->style.width > 0 && page->column > indent &&
			page->column + space + columns > page->style.width) {
			put_newline(page);
			put_indent(page, indent);
			space = 0;
			text += strspn(text, " ");
		}
		put_clean(page, text, space + len);
		text += space + len;
	}
}

PRINTF(3, 4)
static void put_format(struct page *page, unsigned int indent, const char *format, ...)
{
	char text[640];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put_text(page, indent, text);
}

static void put_label(struct page *page, const char *label)
{
	(void)fprintf(page->out, "%-*s", LABEL_WIDTH, label);
	page->column = LABEL_WIDTH;
}

static void put_state(struct page *page, const char *state)
{
	(void)fputs(colour_of(page, state), page->out);
	put_clean(page, state, strlen(state));
	(void)fputs(page->style.colour ? RESET : "", page->out);
}

/* ": reason", unless the top of the page has it. */
static void put_reason(struct page *page, const char *reason)
{
	if (reason[0] && !strstr(page->reason, reason))
		put_format(page, LABEL_WIDTH, ": %s", reason);
}

/* ---- tables, not wrapped --------------------------------------------------------------------- */

static void put_cell(struct page *page, const char *text, unsigned int width)
{
	unsigned int columns = columns_of(text, strlen(text));

	put_clean(page, text, strlen(text));
	put_indent(page, columns < width ? width - columns : 0);
}

static void put_state_cell(struct page *page, const char *state, unsigned int width)
{
	(void)fputs(colour_of(page, state), page->out);
	put_cell(page, state, width);
	(void)fputs(page->style.colour ? RESET : "", page->out);
}

/* The end of a row. */
static void put_remark(struct page *page, const char *reason)
{
	(void)fputs(reason[0] ? "  " : "", page->out);
	put_cell(page, reason, 0);
	put_newline(page);
}

static void print_stages(struct page *page, yyjson_val *root)
{
	yyjson_val *stage;
	yyjson_arr_iter iter;
	char took[32];

	(void)fputs("\nBoot stages\n", page->out);
	yyjson_arr_iter_init(yyjson_obj_get(root, "stages"), &iter);
	while ((stage = yyjson_arr_iter_next(&iter))) {
		put_cell(page, "", 2);
		put_cell(page, text_of(stage, "name"), 26);
		put_state_cell(page, text_of(stage, "state"), 10);
		if (number_of(stage, "start_ms") > 0)
			(void)fprintf(page->out, " %9s",
				view_format_ms(number_of(stage, "ms"), took, sizeof(took)));
		else
			(void)fprintf(page->out, " %9s", "");
		put_remark(page, text_of(stage, "reason"));
	}
}

static void print_service(struct page *page, yyjson_val *service)
{
	const char *state = text_of(service, "state"), *status = text_of(service, "status");
	double exec_ms = number_of(service, "exec_ms"), ready_ms = number_of(service, "ready_ms");
	int restarts = yyjson_get_int(yyjson_obj_get(service, "restarts"));
	int pid = yyjson_get_int(yyjson_obj_get(service, "pid"));
	char took[32];

	put_cell(page, "", 2);
	put_cell(page, text_of(service, "name"), 26);
	put_state_cell(page, state, 10);
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
	put_remark(page, text_of(service, "reason"));
	if (status[0]) {
		put_cell(page, "", 2 + 26);
		put_cell(page, status, 0);
		put_newline(page);
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

	put_label(page, "Engine");
	if (down) {
		put_state(page, text_of(down, "state"));
		put_format(page, LABEL_WIDTH, " (%s)", text_of(down, "name"));
		put_reason(page, text_of(down, "reason"));
	} else {
		put_state(page, text_of(engine, "state"));
		if (text_of(engine, "api_version")[0])
			put_format(page, LABEL_WIDTH, ", API %s", text_of(engine, "api_version"));
		put_reason(page, text_of(engine, "reason"));
	}
	put_newline(page);
}

static void print_disk(struct page *page, yyjson_val *disk)
{
	const char *state = text_of(disk, "state"), *situation = text_of(disk, "situation");
	uint64_t size = yyjson_get_uint(yyjson_obj_get(disk, "size_bytes"));
	uint64_t free_bytes = yyjson_get_uint(yyjson_obj_get(disk, "free_bytes"));
	bool space_known = text_of(disk, "forecast")[0] != '\0';
	char a[32], b[32];

	put_label(page, "Data disk");
	put_state(page, state);
	if (situation[0] && strcmp(situation, "ok") != 0)
		put_format(page, LABEL_WIDTH, ", %s", situation);
	if (text_of(disk, "device")[0])
		put_format(page, LABEL_WIDTH, ", %s", text_of(disk, "device"));
	if (space_known)
		put_format(page, LABEL_WIDTH, ", %s of %s free (%s)",
			view_format_bytes(free_bytes, a, sizeof(a)),
			view_format_bytes(size, b, sizeof(b)), text_of(disk, "forecast"));
	else if (size > 0)
		put_format(page, LABEL_WIDTH, ", %s", view_format_bytes(size, b, sizeof(b)));
	if (text_of(disk, "mountpoint")[0] && !page->style.brief)
		put_format(page, LABEL_WIDTH, ", label %s, on %s", text_of(disk, "label"),
			text_of(disk, "mountpoint"));
	if (yyjson_get_bool(yyjson_obj_get(disk, "read_only")))
		put_text(page, LABEL_WIDTH, ", READ-ONLY");
	if (yyjson_get_bool(yyjson_obj_get(disk, "formatted")))
		put_text(page, LABEL_WIDTH, ", formatted by this boot");
	/* Of one that is mounted it says what the line says. */
	if (!page->style.brief || strcmp(state, "mounted") != 0)
		put_reason(page, text_of(disk, "reason"));
	put_newline(page);
}

static void print_memory(struct page *page, yyjson_val *memory)
{
	uint64_t swap = yyjson_get_uint(yyjson_obj_get(memory, "swap_total_bytes"));
	char a[32], b[32];

	put_label(page, "Memory");
	put_format(page, LABEL_WIDTH, "%s of %s available",
		view_format_bytes(yyjson_get_uint(yyjson_obj_get(memory, "available_bytes")), a,
			sizeof(a)),
		view_format_bytes(yyjson_get_uint(yyjson_obj_get(memory, "total_bytes")), b,
			sizeof(b)));
	if (swap > 0)
		put_format(page, LABEL_WIDTH, ", swap %s of %s free",
			view_format_bytes(yyjson_get_uint(yyjson_obj_get(memory,
						  "swap_free_bytes")),
				a, sizeof(a)),
			view_format_bytes(swap, b, sizeof(b)));
	put_newline(page);
}

static void print_kernel(struct page *page, yyjson_val *kernel)
{
	uint64_t cpus = yyjson_get_uint(yyjson_obj_get(kernel, "cpus"));

	put_label(page, "Kernel");
	put_text(page, LABEL_WIDTH, text_of(kernel, "release"));
	if (cpus > 0)
		put_format(page, LABEL_WIDTH, ", %" PRIu64 " CPU%s", cpus, cpus == 1 ? "" : "s");
	if (!yyjson_is_null(yyjson_obj_get(kernel, "check")))
		put_text(page, LABEL_WIDTH, "  (checked: keelctl kernel)");
	put_newline(page);
}

/* How many are up, and each that should be and is not. */
static void print_services_in_brief(struct page *page, yyjson_val *root)
{
	unsigned int up = 0, named = 0;
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "services"));
	yyjson_val *service;

	while ((service = yyjson_arr_iter_next(&iter)))
		up += is_up(service);
	put_label(page, "Services");
	put_format(page, LABEL_WIDTH, "%u up", up);
	iter = yyjson_arr_iter_with(yyjson_obj_get(root, "services"));
	while ((service = yyjson_arr_iter_next(&iter)) && named < TROUBLE_MAX) {
		if (is_up(service) || (!yyjson_get_bool(yyjson_obj_get(service, "wanted")) &&
					      strcmp(text_of(service, "state"), "failed") != 0))
			continue;
		put_newline(page);
		put_indent(page, LABEL_WIDTH);
		put_format(page, LABEL_WIDTH, "%s ", text_of(service, "name"));
		put_state(page, text_of(service, "state"));
		put_reason(page, text_of(service, "reason"));
		named++;
	}
	put_newline(page);
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
		put_label(page, "Boot stage");
		put_format(page, LABEL_WIDTH, "%s ", text_of(stage, "name"));
		put_state(page, state);
		put_reason(page, text_of(stage, "reason"));
		put_newline(page);
	}
}

/* The end of a line does not matter enough to wrap it: cut to the terminal. */
static void print_words(struct page *page, const char *line)
{
	size_t len = strlen(line), kept = 0;

	put_text(page, 0, "  | ");
	while (kept < len && (page->style.width == 0 || page->column + columns_of(line, kept + 1) <=
								page->style.width))
		kept++;
	put_clean(page, line, kept);
	put_newline(page);
}

static void print_last_words(struct page *page, yyjson_val *service)
{
	yyjson_val *log = yyjson_obj_get(service, "log");
	size_t count = yyjson_arr_size(log), i = count > LAST_WORDS ? count - LAST_WORDS : 0;

	if (count == 0 || is_up(service))
		return;
	(void)fprintf(page->out, "\nLast words of ");
	put_text(page, 0, text_of(service, "name"));
	put_newline(page);
	for (; i < count; i++) {
		const char *line = yyjson_get_str(yyjson_arr_get(log, i));

		print_words(page, line ? line : "");
	}
}

static void print_all_last_words(struct page *page, yyjson_val *root)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "services"));
	yyjson_val *service;

	while ((service = yyjson_arr_iter_next(&iter)))
		print_last_words(page, service);
}

static void print_advice(struct page *page, const struct hint *advice, size_t count)
{
	unsigned int wide = 0;

	for (size_t i = 0; i < count; i++)
		if (strlen(advice[i].command) > wide)
			wide = (unsigned int)strlen(advice[i].command);
	if (count > 0)
		(void)fputs("\nTry\n", page->out);
	for (size_t i = 0; i < count; i++) {
		put_indent(page, 2);
		put_clean(page, advice[i].command, strlen(advice[i].command));
		put_indent(page, 2 + wide - (unsigned int)strlen(advice[i].command));
		put_text(page, 4, advice[i].about);
		put_newline(page);
	}
}

/* `document`: NULL if there is none. Containers that do not ask whom the guest asks are worth a word. */
static void print_network(struct page *page, yyjson_val *document, const struct view_notes *notes)
{
	const char *dns = text_of(yyjson_obj_get(document, "network"), "container_dns");

	if (!notes->network)
		return;
	put_label(page, "Network");
	put_text(page, LABEL_WIDTH, notes->network);
	if (strcmp(dns, "public") == 0)
		put_text(page, LABEL_WIDTH, "; containers ask public servers for names");
	else if (strcmp(dns, "dockerd") == 0)
		put_text(page, LABEL_WIDTH, "; containers ask whom dockerd chooses");
	else if (strcmp(dns, "unanswered") == 0)
		put_text(page, LABEL_WIDTH, "; containers get no names: keel-dns does not answer");
	put_newline(page);
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
	put_label(page, "Agent");
	put_state(page, is_agent_on_its_way(root) ? "starting" : "silent");
	put_format(page, LABEL_WIDTH,
		": keel-agent does not answer%s (%s); this is what PID 1 says",
		is_agent_on_its_way(root) ? " yet" : "", notes->agent);
	put_newline(page);
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
	put_format(page, 2, "keel %s is ", text_of(root, "version"));
	put_state(page, status);
	if (ready && strcmp(status, "ready") != 0)
		put_text(page, 2, ", the engine can be used");
	put_format(page, 2, "  (%s mode, up %s)", text_of(root, "mode"),
		view_format_ms(up_ms, up, sizeof(up)));
	put_newline(page);
	if (page->reason[0]) {
		put_indent(page, 2);
		put_text(page, 2, page->reason);
		put_newline(page);
	}
	put_newline(page);
}

int view_print_status(FILE *out, const char *json, size_t len, const struct view_style *style,
	const struct view_notes *notes)
{
	struct page page = {.out = out, .style = *style};
	yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc);
	struct hints hints;

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
	advice_give(root, notes->agent && !is_agent_on_its_way(root), &hints);
	print_advice(&page, hints.hint, hints.count);
	yyjson_doc_free(doc);
	return 0;
}

void view_print_silence(FILE *out, const char *init, const struct view_style *style,
	const struct view_notes *notes)
{
	static const struct hint advice[] = {
		{"journalctl -k -n 30", "what PID 1 and the kernel said"},
		{"ps", "what runs; PID 1 should be init"},
		{"docker ps", "the engine may work all the same"},
	};
	struct page page = {.out = out, .style = *style, .reason = ""};

	put_text(&page, 2, "keel " KEEL_VERSION " is ");
	put_state(&page, "unreachable");
	put_newline(&page);
	put_indent(&page, 2);
	put_format(&page, 2, "neither keel-agent (%s) nor PID 1 (%s) answers", notes->agent, init);
	put_newline(&page);
	put_newline(&page);
	print_network(&page, NULL, notes);
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
