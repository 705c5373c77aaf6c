/* SPDX-License-Identifier: MIT
 *
 * config.c - one table of keys; the file (inih) and the kernel command line both end in config_set().
 */
#include "lib/config.h"

#include <ctype.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cmdline.h"
#include "lib/file.h"
#include "lib/uuid.h"

/* KEY_INTERVAL: a KEY_UINT of at least 1, something is done that often. */
/* KEY_DATA: which disk, sets label and uuid. */
enum key_type { KEY_STRING, KEY_UINT, KEY_INTERVAL, KEY_BOOL, KEY_WORD, KEY_DATA };

struct key {
	const char *section, *name;
	enum key_type type;
	size_t offset;
	size_t size; /* KEY_STRING: of the array; KEY_UINT, KEY_INTERVAL: largest value */
	const char *const *words; /* KEY_WORD: the enum's words, NULL-terminated */
};

static const char *const format_words[] = {"never", "blank", NULL};
static const char *const damaged_words[] = {"refuse", "read-only", NULL};
static const char *const net_words[] = {"auto", "dhcp", "static", "none", NULL};
static const char *const clock_words[] = {"auto", "yes", "no", NULL};

#define OFFSET(member)    offsetof(struct config, member)
#define STRING_OF(member) KEY_STRING, OFFSET(member), sizeof(((struct config *)0)->member), NULL

static const struct key keys[] = {
	{"disk", "data", KEY_DATA, 0, 0, NULL},
	{"disk", "enabled", KEY_BOOL, OFFSET(disk.enabled), 0, NULL},
	{"disk", "format", KEY_WORD, OFFSET(disk.format), 0, format_words},
	{"disk", "damaged", KEY_WORD, OFFSET(disk.damaged), 0, damaged_words},
	{"disk", "trim", KEY_BOOL, OFFSET(disk.trim), 0, NULL},
	{"disk", "low", KEY_UINT, OFFSET(disk.low_percent), 100, NULL},
	{"disk", "critical", KEY_UINT, OFFSET(disk.critical_percent), 100, NULL},
	{"disk", "wait", KEY_UINT, OFFSET(disk.wait_s), 3600, NULL},
	{"disk", "mountpoint", STRING_OF(disk.mountpoint)},
	{"net", "mode", KEY_WORD, OFFSET(net.mode), 0, net_words},
	{"net", "interface", STRING_OF(net.interface)},
	{"net", "address", STRING_OF(net.address)},
	{"net", "gateway", STRING_OF(net.gateway)},
	{"net", "dns", STRING_OF(net.dns)},
	{"net", "wait", KEY_UINT, OFFSET(net.wait_s), 3600, NULL},
	{"proxy", "http", STRING_OF(proxy.http)},
	{"proxy", "https", STRING_OF(proxy.https)},
	{"proxy", "no", STRING_OF(proxy.no)},
	{"vsock", "api_port", KEY_UINT, OFFSET(vsock.api_port), INT32_MAX, NULL},
	{"vsock", "docker_port", KEY_UINT, OFFSET(vsock.docker_port), INT32_MAX, NULL},
	{"vsock", "report_port", KEY_UINT, OFFSET(vsock.report_port), INT32_MAX, NULL},
	{"health", "heartbeat", KEY_INTERVAL, OFFSET(health.heartbeat_s), 86400, NULL},
	{"health", "probe", KEY_INTERVAL, OFFSET(health.probe_s), 86400, NULL},
	{"engine", "restart", KEY_BOOL, OFFSET(engine.restart), 0, NULL},
	{"engine", "hung_after_s", KEY_INTERVAL, OFFSET(engine.hung_after_s), 86400, NULL},
	{"engine", "restarts_per_hour", KEY_UINT, OFFSET(engine.restarts_per_hour),
		CONFIG_ENGINE_RESTARTS_MAX, NULL},
	{"memory", "mode", KEY_WORD, OFFSET(memory.mode), 0, memory_mode_words},
	{"memory", "reserve", KEY_UINT, OFFSET(memory.reserve_mib), CONFIG_MIB_MAX, NULL},
	{"memory", "floor", KEY_UINT, OFFSET(memory.floor_mib), CONFIG_MIB_MAX, NULL},
	{"memory", "pressure", KEY_INTERVAL, OFFSET(memory.pressure_permille), 1000, NULL},
	{"memory", "refaults", KEY_INTERVAL, OFFSET(memory.refaults_permille), 1000, NULL},
	{"memory", "target", KEY_UINT, OFFSET(memory.target_mib), CONFIG_MIB_MAX, NULL},
	{"memory", "reporting_order", KEY_UINT, OFFSET(memory.reporting_order), 10, NULL},
	{"memory", "pids", KEY_INTERVAL, OFFSET(memory.pids_percent), 100, NULL},
	{"memory", "zram", KEY_UINT, OFFSET(memory.zram_percent), 200, NULL},
	{"memory", "zswap", KEY_BOOL, OFFSET(memory.zswap), 0, NULL},
	{"memory", "swap", KEY_BOOL, OFFSET(memory.swap), 0, NULL},
	{"clock", "manage", KEY_WORD, OFFSET(clock.manage), 0, clock_words},
	{"clock", "step_ms", KEY_INTERVAL, OFFSET(clock.step_ms), 3600000, NULL},
	{"clock", "dead_ms", KEY_UINT, OFFSET(clock.dead_ms), 3600000, NULL},
	{"clock", "other_ms", KEY_UINT, OFFSET(clock.other_ms), 3600000, NULL},
	{"boot", "console_shell", KEY_BOOL, OFFSET(boot.console_shell), 0, NULL},
	{"boot", "shutdown", KEY_UINT, OFFSET(boot.shutdown_s), 3600, NULL},
	{"boot", "grace", KEY_UINT, OFFSET(boot.grace_s), 3600, NULL},
	{"share", "enabled", KEY_BOOL, OFFSET(share.enabled), 0, NULL},
	{"share", "gid", KEY_UINT, OFFSET(share.gid), INT32_MAX, NULL},
	{"debug", "shell", KEY_BOOL, OFFSET(debug.shell), 0, NULL},
};

void config_set_defaults(struct config *config)
{
	*config = (struct config){
		.disk = {.label = CONFIG_DISK_LABEL,
			.enabled = true,
			.trim = true,
			.wait_s = 30,
			.low_percent = 10,
			.critical_percent = 3,
			.mountpoint = "/data"},
		.net = {.wait_s = 10},
		.vsock = {.api_port = 700, .docker_port = 701, .report_port = 702},
		.health = {.heartbeat_s = 30, .probe_s = 30},
		.engine = {.restart = true, .hung_after_s = 30, .restarts_per_hour = 3},
		.memory = {.floor_mib = 16,
			.pressure_permille = 10,
			.refaults_permille = 10,
			.reporting_order = 5,
			.pids_percent = 90,
			.swap = true},
		.clock = {.step_ms = 128, .dead_ms = 5, .other_ms = 1000},
		.boot = {.console_shell = true, .shutdown_s = 60, .grace_s = 25},
		.share = {.enabled = true},
	};
}

static int parse_uint(const char *value, size_t min, size_t max, unsigned int *out)
{
	char *end;
	unsigned long n;

	if (!isdigit((unsigned char)value[0]))
		return -EINVAL;
	errno = 0;
	n = strtoul(value, &end, 10);
	if (errno != 0 || *end != '\0' || n < min || n > max)
		return -EINVAL;
	*out = (unsigned int)n;
	return 0;
}

static int parse_bool(const char *value, bool *out)
{
	static const char *const words[] = {"no", "yes", "false", "true", "0", "1", "off", "on"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(value, words[i]) == 0) {
			*out = i % 2 == 1;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_word(const char *value, const char *const *words, unsigned int *out)
{
	for (unsigned int i = 0; words[i]; i++) {
		if (strcmp(value, words[i]) == 0) {
			*out = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_string(const char *value, char *out, size_t size)
{
	size_t len = strlen(value);

	if (len >= size)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)value[i]))
			return -EINVAL;
	memset(out, 0, size);
	memcpy(out, value, len + 1);
	return 0;
}

/* auto, LABEL=... or UUID=...; fstab(5)'s words for the last two. */
static int parse_data(struct config *config, const char *value)
{
	const char *uuid = value + strlen("UUID=");

	if (strcmp(value, "auto") == 0) {
		(void)parse_string(CONFIG_DISK_LABEL, config->disk.label,
			sizeof(config->disk.label));
		(void)parse_string("", config->disk.uuid, sizeof(config->disk.uuid));
		return 0;
	}
	if (strncmp(value, "LABEL=", strlen("LABEL=")) == 0 && value[strlen("LABEL=")] != '\0') {
		if (parse_string(value + strlen("LABEL="), config->disk.label,
			    sizeof(config->disk.label)) < 0)
			return -EINVAL;
		return parse_string("", config->disk.uuid, sizeof(config->disk.uuid));
	}
	if (strncmp(value, "UUID=", strlen("UUID=")) != 0 ||
		!uuid_text_valid(uuid, strlen(uuid), NULL))
		return -EINVAL;
	(void)parse_string(CONFIG_DISK_LABEL, config->disk.label, sizeof(config->disk.label));
	return parse_string(uuid, config->disk.uuid, sizeof(config->disk.uuid));
}

int config_set(struct config *config, const char *section, const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct key *key = &keys[i];
		void *field = (char *)config + key->offset;

		if (strcmp(key->section, section) != 0 || strcmp(key->name, name) != 0)
			continue;
		switch (key->type) {
		case KEY_STRING:
			/* Used as a path by several programs: relative would mean "depends on cwd". */
			if (field == config->disk.mountpoint && value[0] != '/')
				return -EINVAL;
			return parse_string(value, field, key->size);
		case KEY_UINT:
			return parse_uint(value, 0, key->size, field);
		case KEY_INTERVAL:
			return parse_uint(value, 1, key->size, field);
		case KEY_BOOL:
			return parse_bool(value, field);
		case KEY_WORD:
			return parse_word(value, key->words, field);
		case KEY_DATA:
			return parse_data(config, value);
		}
	}
	return -ENOENT;
}

struct parse {
	struct config *config;
	config_warn_fn *warn;
	void *ctx;
	const char *where; /* of the file, or NULL: the kernel command line */
};

static void parse_set(struct parse *parse, int line, const char *section, const char *name,
	const char *value)
{
	int rc = config_set(parse->config, section, name, value);
	char where[128], message[256];

	if (rc == 0)
		return;
	if (parse->where)
		(void)snprintf(where, sizeof(where), "%s:%d", parse->where, line);
	else
		(void)snprintf(where, sizeof(where), "kernel command line");
	if (rc == -ENOENT)
		(void)snprintf(message, sizeof(message), "unknown key %.40s.%.40s ignored", section,
			name);
	else if (strcmp(section, "proxy") == 0) /* there may be a password in it */
		(void)snprintf(message, sizeof(message), "bad value for %.40s.%.40s ignored",
			section, name);
	else
		(void)snprintf(message, sizeof(message),
			"bad value \"%.80s\" for %.40s.%.40s ignored", value, section, name);
	parse->warn(parse->ctx, where, message);
}

static int on_ini_line(void *user, const char *section, const char *name, const char *value,
	int line)
{
	parse_set(user, line, section, name, value);
	return 1;
}

void config_parse_file_text(struct config *config, const char *path, const char *text, size_t len,
	config_warn_fn *warn, void *ctx)
{
	struct parse parse = {config, warn, ctx, path};
	char copy[8192], where[128];
	int line;

	if (len >= sizeof(copy)) {
		warn(ctx, path, "longer than 8191 bytes: the rest is ignored");
		len = sizeof(copy) - 1;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	line = ini_parse_string(copy, on_ini_line, &parse);
	if (line > 0) {
		(void)snprintf(where, sizeof(where), "%s:%d", path, line);
		warn(ctx, where, "neither [section] nor key = value; ignored");
	}
}

/* One word of the command line: keel.SECTION.KEY=VALUE. Others are somebody else's. */
static void parse_cmdline_word(struct parse *parse, char *word)
{
	static const char prefix[] = "keel.";
	char *section, *name, *value;

	if (strncmp(word, prefix, sizeof(prefix) - 1) != 0)
		return;
	section = word + sizeof(prefix) - 1;
	value = strchr(section, '=');
	if (value)
		*value++ = '\0';
	name = strchr(section, '.');
	if (!name || !value) {
		parse->warn(parse->ctx, "kernel command line", "expected keel.SECTION.KEY=VALUE");
		return;
	}
	*name++ = '\0';
	parse_set(parse, 0, section, name, value);
}

void config_parse_cmdline(struct config *config, const char *text, size_t len, config_warn_fn *warn,
	void *ctx)
{
	struct parse parse = {config, warn, ctx, NULL};
	char word
		[512]; /* the kernel's own limit for all is 2048 bytes (COMMAND_LINE_SIZE on x86) */

	for (const char *at = text; cmdline_next(&at, text + len, word, sizeof(word));)
		parse_cmdline_word(&parse, word);
}

void config_load(struct config *config, config_warn_fn *warn, void *ctx)
{
	char text[8192];
	ssize_t len;

	config_set_defaults(config);
	len = file_read(CONFIG_FILE, text, sizeof(text));
	if (len < 0 && len != -ENOENT && len != -EFBIG)
		warn(ctx, CONFIG_FILE, "cannot be read; using defaults");
	if (len > 0 || len == -EFBIG)
		config_parse_file_text(config, CONFIG_FILE, text, strlen(text), warn, ctx);
	if (len == -EFBIG)
		warn(ctx, CONFIG_FILE, "longer than 8191 bytes: the rest is ignored");
	len = file_read("/proc/cmdline", text, sizeof(text));
	if (len > 0)
		config_parse_cmdline(config, text, (size_t)len, warn, ctx);
}
