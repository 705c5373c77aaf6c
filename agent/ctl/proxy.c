/* SPDX-License-Identifier: MIT
 *
 * proxy.c - keelctl proxy: which proxies dockerd has and where from; a session's own handed on to it; taken back.
 *
 * What dockerd has is read from its process. What it gets at its next start is keel.conf's [proxy], which PID 1 gives to
 * all services, and over that PROXY_SETTINGS_FILE. Dockerd is restarted after a change: containers live on.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/common/dockerd.h"
#include "agent/common/facts.h"
#include "agent/common/proxy_settings.h"
#include "agent/ctl/control_link.h"
#include "agent/ctl/ctl.h"
#include "agent/ctl/unit_order.h"
#include "lib/config.h"
#include "lib/file.h"

#define LINK_MS     5000
#define ENVIRON_MAX 65536

static const char *const labels[PROXY_KINDS] = {"http", "https", "no"};

/* ---- what there is -------------------------------------------------------------------------------- */

static void ignore_warning(void *ctx, const char *where, const char *message)
{
	(void)ctx;
	(void)where;
	(void)message;
}

static void read_configured(struct proxy_settings *configured)
{
	static struct config config;

	config_load(&config, ignore_warning, NULL);
	*configured = (struct proxy_settings){0};
	memcpy(configured->value[PROXY_HTTP], config.proxy.http, sizeof(config.proxy.http));
	memcpy(configured->value[PROXY_HTTPS], config.proxy.https, sizeof(config.proxy.https));
	memcpy(configured->value[PROXY_NO], config.proxy.no, sizeof(config.proxy.no));
}

/* Nothing if there is none. */
static int read_kept(struct proxy_settings *kept)
{
	char text[PROXY_SETTINGS_TEXT];
	ssize_t len = file_read(PROXY_SETTINGS_FILE, text, sizeof(text));

	*kept = (struct proxy_settings){0};
	if (len < 0)
		return len == -ENOENT ? 0 : (int)len;
	return proxy_settings_from_file(text, kept);
}

/* -ESRCH: dockerd does not run. */
static int read_dockerd(struct proxy_settings *settings)
{
	static struct facts facts;
	static char block[DOCKERD_ENVIRON_MAX];
	const struct control_service *service;
	ssize_t len;
	int rc = control_link_snapshot(LINK_MS, &facts);

	if (rc < 0)
		return rc;
	service = facts_find_service(&facts, DOCKERD_UNIT);
	len = dockerd_environment(service ? service->pid : 0, block);
	return len < 0 ? (int)len : proxy_settings_from_environment(block, (size_t)len, settings);
}

static const char *source_of(const char *value, const char *kept, const char *configured)
{
	if (!value[0])
		return "";
	if (strcmp(value, kept) == 0)
		return PROXY_SETTINGS_FILE;
	return strcmp(value, configured) == 0 ? CONFIG_FILE
					      : "the environment that it was started with";
}

static int show(const struct ctl *ctl)
{
	struct proxy_settings dockerd, kept, configured;
	int rc = read_kept(&kept), running = read_dockerd(&dockerd);
	bool stale = false;

	if (rc < 0)
		(void)ctl_fail(ctl, PROXY_SETTINGS_FILE ": %s", strerror(-rc));
	read_configured(&configured);
	for (size_t i = 0; i < PROXY_KINDS; i++) {
		const char *next = kept.value[i][0] ? kept.value[i] : configured.value[i];
		const char *value = running == 0 ? dockerd.value[i] : next;
		char masked[PROXY_SETTINGS_VALUE];

		stale |= strcmp(value, next) != 0;
		(void)printf("%-5s  %s  %s\n", labels[i],
			value[0] ? proxy_settings_mask(value, masked) : "-",
			source_of(value, kept.value[i], configured.value[i]));
	}
	if (running == -ESRCH)
		(void)puts("dockerd does not run; it gets these when it starts");
	else if (running < 0)
		(void)printf(
			"what dockerd has cannot be told (%s); it gets these when it starts again\n",
			running == -EINVAL ? "a value is too long or has control characters"
					   : strerror(-running));
	if (stale)
		(void)puts("dockerd gets others when it is restarted: keelctl restart docker");
	if (dockerd_json_has("proxies"))
		(void)puts(DOCKERD_JSON " has \"proxies\", which dockerd prefers");
	return CTL_EXIT_OK;
}

/* ---- changes -------------------------------------------------------------------------------------- */

static int restart_dockerd(const struct ctl *ctl)
{
	struct control_service last = {0};
	int rc = unit_order_run(CONTROL_VERB_TRY_RESTART, DOCKERD_UNIT, ctl->no_block,
		ctl->timeout_s ? ctl->timeout_s : UNIT_ORDER_WAIT_S, &last);

	if (rc == 0)
		return show(ctl);
	return ctl_fail(ctl, "the proxies are kept, but dockerd was not restarted: %s",
		rc == -EREMOTEIO ? last.reason : strerror(-rc));
}

static int fail(const struct ctl *ctl, const char *what, int rc)
{
	return ctl_fail(ctl, "cannot %s " PROXY_SETTINGS_FILE ": %s", what, strerror(-rc));
}

static int keep(const char *text)
{
	_cleanup_close_ int fd = -1;
	int rc = file_make_dirs("/etc/keel");

	if (rc < 0)
		return rc;
	(void)unlink(PROXY_SETTINGS_FILE ".new");
	fd = open(PROXY_SETTINGS_FILE ".new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	rc = fd < 0 ? -errno : file_write_all(fd, text, strlen(text));
	if (rc == 0 &&
		(fsync(fd) < 0 || rename(PROXY_SETTINGS_FILE ".new", PROXY_SETTINGS_FILE) < 0))
		rc = -errno;
	return rc;
}

/* The session's environment as one block. -E2BIG if it is very large. */
static int session_settings(struct proxy_settings *settings)
{
	static char block[ENVIRON_MAX];
	size_t used = 0;

	for (char **entry = environ; *entry; entry++) {
		size_t len = strlen(*entry) + 1;

		if (len > sizeof(block) - used)
			return -E2BIG;
		memcpy(block + used, *entry, len);
		used += len;
	}
	return proxy_settings_from_environment(block, used, settings);
}

static int from_environment(const struct ctl *ctl)
{
	struct proxy_settings settings, kept;
	char text[PROXY_SETTINGS_TEXT];
	int rc = session_settings(&settings);

	if (rc < 0)
		return ctl_fail(ctl, "a proxy variable of this session is not usable: %s",
			strerror(-rc));
	if (!proxy_settings_any(&settings))
		return ctl_fail(ctl,
			"this session has no HTTP_PROXY, HTTPS_PROXY or NO_PROXY; to have dockerd use none: "
			"keelctl proxy clear");
	if (read_kept(&kept) == 0 && memcmp(&kept, &settings, sizeof(kept)) == 0)
		return show(ctl);
	rc = proxy_settings_write(&settings, text, sizeof(text));
	if (rc == 0)
		rc = keep(text);
	return rc < 0 ? fail(ctl, "write", rc) : restart_dockerd(ctl);
}

static int clear(const struct ctl *ctl)
{
	if (unlink(PROXY_SETTINGS_FILE) < 0)
		return errno == ENOENT ? show(ctl) : fail(ctl, "remove", -errno);
	return restart_dockerd(ctl);
}

int ctl_proxy(const struct ctl *ctl)
{
	static const struct {
		const char *word;
		int (*fn)(const struct ctl *ctl);
	} verbs[] = {{"show", show}, {"from-environment", from_environment}, {"clear", clear}};
	const char *word = ctl->argc > 0 ? ctl->argv[0] : "show";

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(word, verbs[i].word) == 0)
			return verbs[i].fn(ctl);
	return ctl_unknown_word(ctl, word);
}
