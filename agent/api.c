/* SPDX-License-Identifier: MIT
 *
 * api.c - request in, response out. To add a route: a function and a line in `routes`.
 */
#include "agent/api.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "agent/clock_api.h"
#include "agent/common/document.h"
#include "agent/diagnostics_api.h"
#include "agent/disk_api.h"
#include "agent/exec_api.h"
#include "agent/memory_api.h"
#include "lib/log.h"

/* Too large for a small stack, and one request is handled at a time. */
static struct system_facts system_facts;

static void respond_json(struct http_response *response, int status, const char *text, size_t len)
{
	if (!text) {
		http_response_problem(response, 500, "too_large",
			"the document does not fit its buffer");
		return;
	}
	*response = (struct http_response){
		.status = status, .type = "application/json", .body = text, .body_len = len};
}

static void respond_text(struct http_response *response, int status, const char *text)
{
	*response = (struct http_response){.status = status,
		.type = "text/plain; charset=utf-8",
		.body = text,
		.body_len = strlen(text)};
}

/* Who asks for figures is to have fresh ones. */
static void look_at_memory(const struct api *api)
{
	if (api->memory)
		memory_look(api->memory);
}

/* Only for answers that tell of the disk: it costs a question to the runner. */
static void look_at_disk(const struct api *api)
{
	if (api->disk)
		disk_refresh(api->disk);
}

/* Only for answers that tell of health: it has the engine asked again, and judges each component. */
static void look_at_health(const struct api *api)
{
	if (api->health)
		api->health(api->ctx);
	look_at_disk(api);
}

static void get_health(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	struct health health;
	size_t len;
	const char *text;

	(void)request;
	look_at_health(api);
	look_at_memory(api);
	health_judge(api->facts, &health);
	system_read_facts(&system_facts, api->facts);
	text = document_write_health(api->facts, &health, &system_facts, &len);
	respond_json(response, health.ready ? 200 : 503, text, len);
}

static void get_livez(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	(void)api;
	(void)request;
	respond_text(response, 200, "ok\n");
}

static void get_readyz(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	static char text[sizeof(((struct health *)0)->reason) + 32];
	struct health health;

	(void)request;
	look_at_health(api);
	health_judge(api->facts, &health);
	if (health.ready) {
		respond_text(response, 200, "ok\n");
		return;
	}
	(void)snprintf(text, sizeof(text), "%s: %s\n", health_status_name(health.status),
		health.reason);
	respond_text(response, 503, text);
}

static void get_services(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	size_t len;
	const char *text = document_write_services(api->facts, &len);

	(void)request;
	respond_json(response, 200, text, len);
}

/* 0, or -EINVAL for anything but {"action":"poweroff"} or {"action":"reboot"}. */
static int parse_action(const char *body, size_t len, enum control_verb *verb)
{
	static _Alignas(16) char pool[8192];
	yyjson_alc alc;
	yyjson_doc *doc;
	yyjson_val *root, *action;

	if (!yyjson_alc_pool_init(&alc, pool, sizeof(pool)))
		return -EINVAL;
	doc = yyjson_read_opts((char *)(uintptr_t)body, len, YYJSON_READ_NOFLAG, &alc, NULL);
	root = yyjson_doc_get_root(doc);
	action = yyjson_obj_get(root, "action");
	if (yyjson_obj_size(root) != 1)
		return -EINVAL;
	if (yyjson_equals_str(action, "poweroff"))
		*verb = CONTROL_VERB_POWEROFF;
	else if (yyjson_equals_str(action, "reboot"))
		*verb = CONTROL_VERB_REBOOT;
	else
		return -EINVAL;
	return 0;
}

static void post_shutdown(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	enum control_verb verb;
	int rc;

	if (parse_action(request->body, request->body_len, &verb) < 0) {
		http_response_problem(response, 400, "bad_action",
			"the body must be a JSON object whose action is poweroff or reboot, and nothing else");
		return;
	}
	rc = api->command(api->ctx, verb);
	if (rc < 0) {
		log_warning("shutdown asked for, but PID 1 cannot be told: %s", strerror(-rc));
		http_response_problem(response, 503, "init_unreachable",
			"PID 1 does not answer on its control socket");
		return;
	}
	log_info("shutdown asked for by an API client");
	respond_json(response, 202, "{\"accepted\":true}", strlen("{\"accepted\":true}"));
}

/* The one route whose path has a name in it. */
static void get_log(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	struct log_query query;
	int rc = api->logs ? log_query_parse(request, &query) : -ENOENT;

	if (rc == -ENOENT)
		http_response_problem(response, 404, "no_log", "that is not the name of a service");
	else if (rc < 0)
		http_response_problem(response, 400, "bad_query",
			"the query may have lines=NUMBER, follow=0 or 1, since_us=NUMBER");
	else
		log_streams_answer(api->logs, &query, response);
}

static void get_disk(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	size_t len;
	const char *text;

	(void)request;
	look_at_disk(api);
	text = document_write_disk(api->facts, &len);
	respond_json(response, 200, text, len);
}

static void run_disk(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	disk_api_answer(api->disk, request, response);
}

static void respond_memory(struct api *api, struct http_response *response)
{
	size_t len;
	const char *text;

	look_at_memory(api);
	system_read_facts(&system_facts, api->facts);
	system_read_pressure(&system_facts);
	text = document_write_memory(api->facts, &system_facts, &len);
	respond_json(response, 200, text, len);
}

static void get_memory(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	(void)request;
	respond_memory(api, response);
}

static void post_memory_reclaim(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	memory_api_reclaim(api->memory, api->http, request, response);
}

static void post_memory_target(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	if (memory_api_set_target(api->memory, request, response) == 0)
		respond_memory(api, response);
}

static void post_memory_mode(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	if (memory_api_set_mode(api->memory, request, response) == 0)
		respond_memory(api, response);
}

static void get_clock(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	(void)request;
	clock_api_get(api->clock, api->facts, response);
}

static void post_clock(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	clock_api_post(api->clock, request, response);
}

static void get_metrics(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	size_t len;
	const char *text;
	bool camel_case;

	if (metrics_parse_query(request->query, request->query_len, &camel_case) < 0) {
		http_response_problem(response, 400, "bad_query",
			"the query may be names=node-exporter");
		return;
	}
	look_at_health(api);
	look_at_memory(api);
	text = metrics_answer(api->metrics, camel_case, &len);
	respond_json(response, 200, text, len);
	if (text)
		response->type = METRICS_TYPE;
}

static void get_events(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	events_answer(api->events, request, response);
}

static void get_diagnostics(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	(void)request;
	look_at_health(api);
	look_at_memory(api);
	diagnostics_api_answer(api->facts, api->events ? &api->events->ring : NULL, response);
}

static void post_exec(struct api *api, const struct http_request *request,
	struct http_response *response)
{
	exec_api_answer(api->sessions, request, response);
}

static const struct {
	const char *path;
	const char *method, *allow;
	void (*fn)(struct api *, const struct http_request *, struct http_response *);
	enum { NO_QUERY, QUERY } query; /* NO_QUERY: one that is not empty is refused */
} routes[] = {
	{"/v1/health", "GET", "GET, HEAD", get_health, NO_QUERY},
	{"/v1/services", "GET", "GET, HEAD", get_services, NO_QUERY},
	{LOG_QUERY_PREFIX, "GET", "GET, HEAD", get_log, QUERY},
	{"/v1/shutdown", "POST", "POST", post_shutdown, NO_QUERY},
	{"/v1/disk", "GET", "GET, HEAD", get_disk, NO_QUERY},
	{DISK_API_PREFIX "list", "GET", "GET, HEAD", run_disk, QUERY},
	{DISK_API_PREFIX "trim", "POST", "POST", run_disk, QUERY},
	{DISK_API_PREFIX "grow", "POST", "POST", run_disk, QUERY},
	{DISK_API_PREFIX "release", "POST", "POST", run_disk, QUERY},
	{DISK_API_PREFIX "repair", "POST", "POST", run_disk, QUERY},
	{DISK_API_PREFIX "init", "POST", "POST", run_disk, QUERY},
	{DISK_API_PREFIX "adopt", "POST", "POST", run_disk, QUERY},
	{"/v1/memory", "GET", "GET, HEAD", get_memory, NO_QUERY},
	{"/v1/memory/reclaim", "POST", "POST", post_memory_reclaim, NO_QUERY},
	{"/v1/memory/target", "POST", "POST", post_memory_target, NO_QUERY},
	{"/v1/memory/mode", "POST", "POST", post_memory_mode, NO_QUERY},
	{"/v1/clock", "GET", "GET, HEAD, POST", get_clock, NO_QUERY},
	{"/v1/clock", "POST", "GET, HEAD, POST", post_clock, NO_QUERY},
	{"/v1/events", "GET", "GET, HEAD", get_events, QUERY},
	{"/v1/diagnostics", "GET", "GET, HEAD", get_diagnostics, NO_QUERY},
	{"/v1/exec", "POST", "POST", post_exec, NO_QUERY},
	{"/metrics", "GET", "GET, HEAD", get_metrics, QUERY},
	{"/livez", "GET", "GET, HEAD", get_livez, NO_QUERY},
	{"/readyz", "GET", "GET, HEAD", get_readyz, NO_QUERY},
};

/* A route whose path ends in a slash has everything below it. */
static bool is_for(const struct http_request *request, const char *path)
{
	size_t len = strlen(path);

	if (path[len - 1] == '/')
		return request->path_len > len && memcmp(request->path, path, len) == 0;
	return http_request_path_is(request, path);
}

static void run_route(struct api *api, size_t i, const struct http_request *request,
	struct http_response *response)
{
	if (routes[i].query == NO_QUERY && request->query_len > 0) {
		http_response_problem(response, 400, "bad_query", "this path knows no query");
	} else {
		routes[i].fn(api, request, response);
	}
}

static bool knows_method(size_t i, const struct http_request *request)
{
	return http_request_method_is(request, routes[i].method) ||
	       (request->head && strcmp(routes[i].method, "GET") == 0);
}

/* A path with two methods has two lines. */
void api_handle_request(void *ctx, const struct http_request *request,
	struct http_response *response)
{
	const char *allow = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!is_for(request, routes[i].path))
			continue;
		if (knows_method(i, request)) {
			run_route(ctx, i, request, response);
			return;
		}
		allow = routes[i].allow;
	}
	if (allow)
		http_response_problem(response, 405, "method_not_allowed",
			"this path does not know that method; see the Allow header");
	else
		http_response_problem(response, 404, "not_found",
			"no such path; see docs/api.md for those there are");
	response->allow = allow;
}
