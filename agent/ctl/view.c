/* SPDX-License-Identifier: MIT
 *
 * view.c - see view.h. Callers: verbs.c. A field that is missing is shown as empty: a newer or older guest
 * may know more or less than this program.
 */
#include "agent/ctl/view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define RESET "\033[0m"

struct page {
	FILE *out;
	bool colour;
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

	if (!page->colour)
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

static void print_state(const struct page *page, const char *state, int width)
{
	(void)fprintf(page->out, "%s%-*s%s", colour_of(page, state), width, state,
		page->colour ? RESET : "");
}

bool view_wants_colour(FILE *out)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(fileno(out)) && !(no && no[0]) && term && strcmp(term, "dumb") != 0;
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

static void print_stages(const struct page *page, yyjson_val *root)
{
	yyjson_val *stage;
	yyjson_arr_iter iter;
	char took[32];

	(void)fputs("\nBoot stages\n", page->out);
	yyjson_arr_iter_init(yyjson_obj_get(root, "stages"), &iter);
	while ((stage = yyjson_arr_iter_next(&iter))) {
		const char *state = text_of(stage, "state"), *reason = text_of(stage, "reason");

		(void)fprintf(page->out, "  %-26s", text_of(stage, "name"));
		print_state(page, state, 10);
		if (number_of(stage, "start_ms") > 0)
			(void)fprintf(page->out, " %9s",
				view_format_ms(number_of(stage, "ms"), took, sizeof(took)));
		else
			(void)fprintf(page->out, " %9s", "");
		(void)fprintf(page->out, "%s%s\n", reason[0] ? "  " : "", reason);
	}
}

static void print_service(const struct page *page, yyjson_val *service)
{
	const char *state = text_of(service, "state"), *reason = text_of(service, "reason");
	const char *status = text_of(service, "status");
	double exec_ms = number_of(service, "exec_ms"), ready_ms = number_of(service, "ready_ms");
	int restarts = yyjson_get_int(yyjson_obj_get(service, "restarts"));
	int pid = yyjson_get_int(yyjson_obj_get(service, "pid"));
	char took[32];

	(void)fprintf(page->out, "  %-26s", text_of(service, "name"));
	print_state(page, state, 10);
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
	(void)fprintf(page->out, "%s%s\n", reason[0] ? "  " : "", reason);
	if (status[0])
		(void)fprintf(page->out, "  %-26s%s\n", "", status);
}

static void print_services(const struct page *page, yyjson_val *root)
{
	yyjson_val *service;
	yyjson_arr_iter iter;

	(void)fprintf(page->out, "  %-26s%-10s %9s\n", "UNIT", "STATE", "PID");
	yyjson_arr_iter_init(yyjson_obj_get(root, "services"), &iter);
	while ((service = yyjson_arr_iter_next(&iter)))
		print_service(page, service);
}

static void print_disk(const struct page *page, yyjson_val *disk)
{
	const char *state = text_of(disk, "state"), *reason = text_of(disk, "reason");
	uint64_t bytes = yyjson_get_uint(yyjson_obj_get(disk, "size_bytes"));
	const char *situation = text_of(disk, "situation"), *forecast = text_of(disk, "forecast");
	char size[32];

	(void)fputs("\nData disk   ", page->out);
	print_state(page, state, 0);
	if (situation[0] && strcmp(situation, "ok") != 0)
		(void)fprintf(page->out, ", %s", situation);
	if (text_of(disk, "device")[0])
		(void)fprintf(page->out, "  %s", text_of(disk, "device"));
	if (bytes > 0)
		(void)fprintf(page->out, ", %s", view_format_bytes(bytes, size, sizeof(size)));
	if (text_of(disk, "label")[0])
		(void)fprintf(page->out, ", label %s", text_of(disk, "label"));
	if (text_of(disk, "mountpoint")[0])
		(void)fprintf(page->out, ", on %s", text_of(disk, "mountpoint"));
	if (forecast[0])
		(void)fprintf(page->out, ", %s free (%s)",
			view_format_bytes(yyjson_get_uint(yyjson_obj_get(disk, "free_bytes")), size,
				sizeof(size)),
			forecast);
	if (yyjson_get_bool(yyjson_obj_get(disk, "read_only")))
		(void)fputs(", READ-ONLY", page->out);
	if (yyjson_get_bool(yyjson_obj_get(disk, "formatted")))
		(void)fputs(", formatted by this boot", page->out);
	(void)fprintf(page->out, "%s%s\n", reason[0] ? "\n            " : "", reason);
}

static void print_rest(const struct page *page, yyjson_val *root)
{
	yyjson_val *engine = yyjson_obj_get(root, "engine"),
		   *memory = yyjson_obj_get(root, "memory");
	yyjson_val *swap = yyjson_obj_get(memory, "swap_total_bytes");
	yyjson_val *cpus = yyjson_obj_get(yyjson_obj_get(root, "kernel"), "cpus");
	char a[32], b[32];

	(void)fputs("Engine      ", page->out);
	print_state(page, text_of(engine, "state"), 0);
	if (text_of(engine, "api_version")[0])
		(void)fprintf(page->out, ", API %s", text_of(engine, "api_version"));
	if (text_of(engine, "reason")[0])
		(void)fprintf(page->out, ": %s", text_of(engine, "reason"));
	(void)fprintf(page->out, "\nMemory      %s of %s available",
		view_format_bytes(yyjson_get_uint(yyjson_obj_get(memory, "available_bytes")), a,
			sizeof(a)),
		view_format_bytes(yyjson_get_uint(yyjson_obj_get(memory, "total_bytes")), b,
			sizeof(b)));
	if (yyjson_get_uint(swap) > 0)
		(void)fprintf(page->out, ", swap %s of %s free",
			view_format_bytes(yyjson_get_uint(yyjson_obj_get(memory,
						  "swap_free_bytes")),
				a, sizeof(a)),
			view_format_bytes(yyjson_get_uint(swap), b, sizeof(b)));
	(void)fprintf(page->out, "\nKernel      %s",
		text_of(yyjson_obj_get(root, "kernel"), "release"));
	if (yyjson_get_uint(cpus) > 0)
		(void)fprintf(page->out, ", %" PRIu64 " CPUs", yyjson_get_uint(cpus));
	(void)fprintf(page->out, "%s\n",
		yyjson_is_null(yyjson_obj_get(yyjson_obj_get(root, "kernel"), "check"))
			? ""
			: "  (checked: keelctl kernel)");
}

int view_print_status(FILE *out, const char *json, size_t len, bool colour)
{
	const struct page page = {.out = out, .colour = colour};
	yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc);
	char up[32];

	if (!yyjson_is_str(yyjson_obj_get(root, "status"))) {
		yyjson_doc_free(doc);
		return -EINVAL;
	}
	(void)fprintf(out, "keel %s is ", text_of(root, "version"));
	print_state(&page, text_of(root, "status"), 0);
	if (yyjson_get_bool(yyjson_obj_get(root, "ready")) &&
		strcmp(text_of(root, "status"), "ready") != 0)
		(void)fputs(", the engine can be used", out);
	(void)fprintf(out, "  (%s mode, up %s)\n", text_of(root, "mode"),
		view_format_ms(number_of(root, "uptime_ms"), up, sizeof(up)));
	if (text_of(root, "reason")[0])
		(void)fprintf(out, "  %s\n", text_of(root, "reason"));
	print_stages(&page, root);
	(void)fputs("\nServices\n", out);
	print_services(&page, root);
	print_disk(&page, yyjson_obj_get(root, "disk"));
	print_rest(&page, root);
	yyjson_doc_free(doc);
	return 0;
}

int view_print_services(FILE *out, const char *json, size_t len, bool colour)
{
	const struct page page = {.out = out, .colour = colour};
	yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc);
	bool valid = yyjson_is_arr(yyjson_obj_get(root, "services"));

	if (valid)
		print_services(&page, root);
	yyjson_doc_free(doc);
	return valid ? 0 : -EINVAL;
}
