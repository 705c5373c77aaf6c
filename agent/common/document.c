/* SPDX-License-Identifier: MIT
 *
 * document.c - see document.h. Callers: api.c, report.c, keelctl (when the agent does not answer).
 *
 * yyjson builds a tree and then the text. Both come from a pool of fixed size, so that a document can
 * neither fragment nor exhaust the heap; what does not fit is a NULL at the end, never a cut text.
 */
#include "agent/common/document.h"

#include <string.h>
#include <yyjson.h>

#include "agent/common/document_clock.h"
#include "agent/common/document_components.h"
#include "agent/common/document_disk.h"
#include "agent/common/document_memory.h"

/* The largest document (every table full, every text at its limit and escaped) takes about a third;
 * test_document.c builds it. Untouched pages of a static array cost nothing. */
static _Alignas(16) char pool[768 * 1024];
static _Alignas(16) char check_pool[512 * 1024];

static yyjson_mut_doc *open_document(yyjson_alc *alc)
{
	return yyjson_alc_pool_init(alc, pool, sizeof(pool)) ? yyjson_mut_doc_new(alc) : NULL;
}

static const char *write_document(yyjson_mut_doc *doc, const yyjson_alc *alc, size_t *len)
{
	char *text = doc ? yyjson_mut_write_opts(doc, YYJSON_WRITE_NOFLAG, alc, len, NULL) : NULL;

	if (!text)
		*len = 0;
	return text;
}

static void add_stages(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct facts *facts,
	uint64_t now_us)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "stages");

	for (size_t i = 0; i < CONTROL_STAGES_MAX; i++) {
		const struct control_stage *stage = &facts->stages[i];
		uint64_t end_us = stage->end_us ? stage->end_us : now_us;
		yyjson_mut_val *item;

		if (!stage->name[0])
			continue;
		item = yyjson_mut_arr_add_obj(doc, list);
		(void)yyjson_mut_obj_add_str(doc, item, "name", stage->name);
		(void)yyjson_mut_obj_add_str(doc, item, "state", stage_state_name(stage->state));
		document_add_ms(doc, item, "start_ms", stage->start_us);
		document_add_ms(doc, item, "ms",
			stage->start_us && end_us > stage->start_us ? end_us - stage->start_us : 0);
		(void)yyjson_mut_obj_add_str(doc, item, "reason", stage->reason);
	}
}

/* The lines lie in `facts` until the document is written. */
static void add_log(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct facts_log *log)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, item, "log");
	const char *line = log->text;

	for (size_t i = 0; i < log->lines; i++) {
		(void)yyjson_mut_arr_add_str(doc, list, line);
		line += strlen(line) + 1;
	}
}

static void add_services(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct facts *facts)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "services");

	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++) {
		const struct control_service *service = &facts->services[i];
		yyjson_mut_val *item;

		if (!service->name[0])
			continue;
		item = yyjson_mut_arr_add_obj(doc, list);
		(void)yyjson_mut_obj_add_str(doc, item, "name", service->name);
		(void)yyjson_mut_obj_add_str(doc, item, "state",
			service_state_name(service->state));
		(void)yyjson_mut_obj_add_bool(doc, item, "wanted", service->wanted != 0);
		(void)yyjson_mut_obj_add_bool(doc, item, "essential", service->essential != 0);
		(void)yyjson_mut_obj_add_int(doc, item, "pid", service->pid);
		(void)yyjson_mut_obj_add_uint(doc, item, "restarts", service->restarts);
		document_add_ms(doc, item, "exec_ms", service->exec_us);
		document_add_ms(doc, item, "ready_ms", service->ready_us);
		document_add_ms(doc, item, "since_ms", service->since_us);
		(void)yyjson_mut_obj_add_str(doc, item, "reason", service->reason);
		(void)yyjson_mut_obj_add_str(doc, item, "status", service->status);
		add_log(doc, item, &facts->logs[i]);
	}
}

static void add_daemons(yyjson_mut_doc *doc, yyjson_mut_val *engine, const struct facts *facts)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, engine, "daemons");

	for (size_t i = 0; i < ENGINE_DAEMONS; i++) {
		const struct facts_daemon *daemon = &facts->engine.daemons[i];
		yyjson_mut_val *item;

		if (!daemon->known)
			continue;
		item = yyjson_mut_arr_add_obj(doc, list);
		(void)yyjson_mut_obj_add_str(doc, item, "name",
			engine_daemon_unit((enum engine_daemon_id)i));
		(void)yyjson_mut_obj_add_str(doc, item, "state", daemon_state_name(daemon->state));
		(void)yyjson_mut_obj_add_str(doc, item, "reason", daemon->reason);
		(void)yyjson_mut_obj_add_uint(doc, item, "restarts", daemon->restarts);
		document_add_ms(doc, item, "restarted_ms", daemon->restarted_us);
		(void)yyjson_mut_obj_add_str(doc, item, "restart_reason", daemon->restart_reason);
	}
}

static void add_engine(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct facts *facts)
{
	yyjson_mut_val *item = yyjson_mut_obj_add_obj(doc, root, "engine");

	(void)yyjson_mut_obj_add_str(doc, item, "state", engine_state_name(facts->engine.state));
	(void)yyjson_mut_obj_add_str(doc, item, "api_version", facts->engine.api_version);
	(void)yyjson_mut_obj_add_str(doc, item, "version", facts->engine.version);
	(void)yyjson_mut_obj_add_str(doc, item, "reason", facts->engine.reason);
	add_daemons(doc, item, facts);
}

static void add_docker_api(yyjson_mut_doc *doc, yyjson_mut_val *root,
	const struct docker_facts *docker)
{
	yyjson_mut_val *item = yyjson_mut_obj_add_obj(doc, root, "docker_api");

	(void)yyjson_mut_obj_add_str(doc, item, "state", docker_api_state_name(docker->state));
	(void)yyjson_mut_obj_add_str(doc, item, "address", docker->address);
	(void)yyjson_mut_obj_add_str(doc, item, "reason",
		docker->error < 0 ? strerror(-docker->error) : "");
}

/* The check is another program's file: it is parsed, so that what is not JSON cannot break ours. */
static void add_kernel(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct system_facts *system,
	bool with_check)
{
	yyjson_mut_val *item = yyjson_mut_obj_add_obj(doc, root, "kernel");
	yyjson_mut_val *copy = NULL;
	yyjson_alc alc;
	yyjson_doc *check = NULL;

	(void)yyjson_mut_obj_add_str(doc, item, "release", system->release);
	(void)yyjson_mut_obj_add_uint(doc, item, "cpus", system->cpus);
	/* The reader takes a non-const text only for its in-situ mode, which is not asked for. */
	if (with_check && system->kernel_check_len > 0 &&
		yyjson_alc_pool_init(&alc, check_pool, sizeof(check_pool)))
		check = yyjson_read_opts((char *)(uintptr_t)system->kernel_check,
			system->kernel_check_len, YYJSON_READ_NOFLAG, &alc, NULL);
	if (check)
		copy = yyjson_val_mut_copy(doc, yyjson_doc_get_root(check));
	if (copy)
		(void)yyjson_mut_obj_add_val(doc, item, "check", copy);
	else
		(void)yyjson_mut_obj_add_null(doc, item, "check");
}

static void add_machine(yyjson_mut_doc *doc, yyjson_mut_val *root,
	const struct system_facts *system)
{
	yyjson_mut_val *item = yyjson_mut_obj_add_obj(doc, root, "machine");

	(void)yyjson_mut_obj_add_uint(doc, item, "cpus_online", system->cpus);
	(void)yyjson_mut_obj_add_uint(doc, item, "cpus_usable", system->cpus_usable);
	(void)yyjson_mut_obj_add_uint(doc, item, "cpus_present", system->cpus_present);
	(void)yyjson_mut_obj_add_uint(doc, item, "memory_bytes", system->memory.total);
	(void)yyjson_mut_obj_add_uint(doc, item, "swap_bytes", system->memory.swap_total);
}

static void add_network(yyjson_mut_doc *doc, yyjson_mut_val *root,
	const struct network_facts *network)
{
	static const char *const kinds[PROXY_KINDS] = {"http", "https", "no"};
	yyjson_mut_val *item = yyjson_mut_obj_add_obj(doc, root, "network");
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, item, "resolvers"), *proxy;

	for (unsigned int i = 0; i < network->resolvers.count; i++)
		(void)yyjson_mut_arr_add_str(doc, list, network->resolvers.servers[i].text);
	(void)yyjson_mut_obj_add_str(doc, item, "container_dns", network_dns_name(network->dns));
	(void)yyjson_mut_obj_add_str(doc, item, "overlap", network->overlap);
	proxy = yyjson_mut_obj_add_obj(doc, item, "proxy");
	for (size_t i = 0; i < PROXY_KINDS; i++)
		(void)yyjson_mut_obj_add_str(doc, proxy, kinds[i], network->proxies.value[i]);
}

static void fill_health(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct facts *facts,
	const struct health *health, const struct system_facts *system)
{
	yyjson_mut_val *clock;

	(void)yyjson_mut_obj_add_uint(doc, root, "schema", DOCUMENT_SCHEMA);
	(void)yyjson_mut_obj_add_str(doc, root, "version", KEEL_VERSION);
	(void)yyjson_mut_obj_add_str(doc, root, "boot_id", system->boot_id);
	(void)yyjson_mut_obj_add_str(doc, root, "mode", boot_mode_name(facts->boot.mode));
	(void)yyjson_mut_obj_add_str(doc, root, "status", health_status_name(health->status));
	(void)yyjson_mut_obj_add_bool(doc, root, "ready", health->ready);
	(void)yyjson_mut_obj_add_str(doc, root, "reason", health->reason);
	document_fill_components(doc, yyjson_mut_obj_add_arr(doc, root, "components"), facts);
	document_add_ms(doc, root, "uptime_ms", system->uptime_us);
	document_add_ms(doc, root, "init_ms", facts->boot.start_us);
	add_stages(doc, root, facts, system->uptime_us);
	add_services(doc, root, facts);
	document_fill_disk(doc, yyjson_mut_obj_add_obj(doc, root, "disk"), facts);
	add_engine(doc, root, facts);
	add_docker_api(doc, root, &facts->docker);
	document_fill_memory(doc, yyjson_mut_obj_add_obj(doc, root, "memory"), facts, system,
		false);
	add_machine(doc, root, system);
	add_network(doc, root, &system->network);
	clock = yyjson_mut_obj_add_obj(doc, root, "clock");
	(void)yyjson_mut_obj_add_uint(doc, clock, "realtime_ms", system->realtime_ms);
	document_add_ms(doc, clock, "boottime_ms", system->uptime_us);
	document_fill_clock(doc, clock, &facts->clock);
	document_add_ms(doc, clock, "monotonic_ms", system->monotonic_us);
	(void)yyjson_mut_obj_add_sint(doc, clock, "boot_realtime_ms",
		(int64_t)system->realtime_ms - (int64_t)(system->uptime_us / USEC_PER_MSEC));
}

static yyjson_mut_val *open_object(yyjson_mut_doc *doc)
{
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;

	if (doc)
		yyjson_mut_doc_set_root(doc, root);
	return root;
}

/* `type` NULL: the bare document. */
static const char *build_health(const char *type, const struct facts *facts,
	const struct health *health, const struct system_facts *system, bool with_check,
	size_t *len)
{
	yyjson_alc alc;
	yyjson_mut_doc *doc = open_document(&alc);
	yyjson_mut_val *root = open_object(doc);

	if (type) {
		(void)yyjson_mut_obj_add_str(doc, root, "type", type);
		root = yyjson_mut_obj_add_obj(doc, root, "health");
	}
	fill_health(doc, root, facts, health, system);
	add_kernel(doc, root, system, with_check);
	return write_document(doc, &alc, len);
}

/* The kernel check is the only part without a bound of its own: it gives way. */
static const char *fit_health(const char *type, const struct facts *facts,
	const struct health *health, const struct system_facts *system, size_t *len)
{
	const char *text = build_health(type, facts, health, system, true, len);

	return text ? text : build_health(type, facts, health, system, false, len);
}

const char *document_write_health(const struct facts *facts, const struct health *health,
	const struct system_facts *system, size_t *len)
{
	return fit_health(NULL, facts, health, system, len);
}

const char *document_write_services(const struct facts *facts, size_t *len)
{
	yyjson_alc alc;
	yyjson_mut_doc *doc = open_document(&alc);
	yyjson_mut_val *root = open_object(doc);

	add_services(doc, root, facts);
	return write_document(doc, &alc, len);
}

const char *document_write_disk(const struct facts *facts, size_t *len)
{
	yyjson_alc alc;
	yyjson_mut_doc *doc = open_document(&alc);
	yyjson_mut_val *root = open_object(doc);

	document_fill_disk(doc, root, facts);
	return write_document(doc, &alc, len);
}

const char *document_write_memory(const struct facts *facts, const struct system_facts *system,
	size_t *len)
{
	yyjson_alc alc;
	yyjson_mut_doc *doc = open_document(&alc);
	yyjson_mut_val *root = open_object(doc);

	document_fill_memory(doc, root, facts, system, true);
	return write_document(doc, &alc, len);
}

const char *document_write_clock(const struct facts *facts, uint64_t realtime_us,
	uint64_t boottime_us, size_t *len)
{
	yyjson_alc alc;
	yyjson_mut_doc *doc = open_document(&alc);
	yyjson_mut_val *root = open_object(doc);

	(void)yyjson_mut_obj_add_uint(doc, root, "realtime_ms", realtime_us / 1000);
	(void)yyjson_mut_obj_add_uint(doc, root, "realtime_us", realtime_us);
	document_add_ms(doc, root, "boottime_ms", boottime_us);
	document_fill_clock(doc, root, &facts->clock);
	return write_document(doc, &alc, len);
}

const char *document_write_report_hello(const struct facts *facts,
	const struct system_facts *system, size_t *len)
{
	yyjson_alc alc;
	yyjson_mut_doc *doc = open_document(&alc);
	yyjson_mut_val *root = open_object(doc);

	(void)yyjson_mut_obj_add_str(doc, root, "type", "hello");
	(void)yyjson_mut_obj_add_uint(doc, root, "schema", DOCUMENT_SCHEMA);
	(void)yyjson_mut_obj_add_str(doc, root, "version", KEEL_VERSION);
	(void)yyjson_mut_obj_add_str(doc, root, "boot_id", system->boot_id);
	(void)yyjson_mut_obj_add_str(doc, root, "mode", boot_mode_name(facts->boot.mode));
	(void)yyjson_mut_obj_add_str(doc, root, "kernel", system->release);
	(void)yyjson_mut_obj_add_str(doc, root, "engine", facts->engine.version);
	return write_document(doc, &alc, len);
}

const char *document_write_report_health(const struct facts *facts, const struct health *health,
	const struct system_facts *system, size_t *len)
{
	return fit_health("health", facts, health, system, len);
}

const char *document_write_report_heartbeat(const struct health *health, uint64_t uptime_us,
	size_t *len)
{
	yyjson_alc alc;
	yyjson_mut_doc *doc = open_document(&alc);
	yyjson_mut_val *root = open_object(doc);

	(void)yyjson_mut_obj_add_str(doc, root, "type", "heartbeat");
	document_add_ms(doc, root, "uptime_ms", uptime_us);
	(void)yyjson_mut_obj_add_str(doc, root, "status", health_status_name(health->status));
	return write_document(doc, &alc, len);
}
