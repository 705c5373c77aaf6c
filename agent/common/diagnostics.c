/* SPDX-License-Identifier: MIT
 *
 * diagnostics.c - see diagnostics.h. To add a member: a line in `steps`.
 */
#include "agent/common/diagnostics.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/common/diagnostics_part.h"
#include "agent/common/redact.h"

#define DIRECTORY "keel-diagnostics/"

static const char manifest_head[] =
	"What is in this archive. Secrets were replaced by ***: user and password in URLs, values of keys that are called\n"
	"password, token, secret, auth and the like, Authorization, environments, private keys. ~/.docker and\n"
	"environments of processes were not read. A log that was cut has its newest part, another file its first.\n\n";

/* ---- filling a member ------------------------------------------------------------------------- */

size_t diagnostics_room(const struct diagnostics *d)
{
	return DIAGNOSTICS_MEMBER_MAX - d->len;
}

void diagnostics_put_bytes(struct diagnostics *d, const char *bytes, size_t len)
{
	if (len > diagnostics_room(d)) {
		len = diagnostics_room(d);
		d->cut = true;
	}
	memcpy(d->data + TAR_BLOCK + d->len, bytes, len);
	d->len += len;
}

void diagnostics_put(struct diagnostics *d, const char *format, ...)
{
	char text[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len > 0)
		diagnostics_put_bytes(d, text,
			(size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

int diagnostics_put_fd(struct diagnostics *d, int fd)
{
	char more;

	while (diagnostics_room(d) > 0) {
		ssize_t n = read(fd, d->data + TAR_BLOCK + d->len, diagnostics_room(d));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		d->len += (size_t)n;
	}
	d->cut |= read(fd, &more, 1) == 1;
	return 0;
}

int diagnostics_put_file(struct diagnostics *d, const char *path)
{
	/* Not blocking: whatever lies there. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : diagnostics_put_fd(d, fd);
}

void diagnostics_put_section(struct diagnostics *d, const char *path)
{
	int rc;

	diagnostics_put(d, "==> %s <==\n", path);
	rc = diagnostics_put_file(d, path);
	if (rc < 0)
		diagnostics_put(d, "(%s)", strerror(-rc));
	diagnostics_put(d, "\n");
}

/* ---- the members ------------------------------------------------------------------------------ */

/* The caller's documents, one after the other. */
static int fill_document(struct diagnostics *d)
{
	const struct diagnostics_document *document;
	const char *text;
	size_t len = 0;

	if (d->document == DIAGNOSTICS_DOCUMENTS || !d->source.documents[d->document].name)
		return -ENODATA;
	document = &d->source.documents[d->document++];
	(void)snprintf(d->name, sizeof(d->name), "%s", document->name);
	text = document->write(d->source.ctx, &len);
	if (!text)
		return -ENOENT;
	diagnostics_put_bytes(d, text, len);
	diagnostics_put(d, "\n");
	return 0;
}

static int fill_events(struct diagnostics *d)
{
	if (!d->source.write_events)
		return -ENOENT;
	d->len = d->source.write_events(d->source.ctx, d->data + TAR_BLOCK, diagnostics_room(d));
	return 0;
}

static int fill_mounts(struct diagnostics *d)
{
	_cleanup_close_ int fd = d->source.open_mounts
					 ? d->source.open_mounts()
					 : open("/proc/1/mountinfo", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return d->source.open_mounts ? fd : -errno;
	return diagnostics_put_fd(d, fd);
}

static int fill_pressure(struct diagnostics *d)
{
	diagnostics_put_section(d, "/proc/pressure/cpu");
	diagnostics_put_section(d, "/proc/pressure/memory");
	diagnostics_put_section(d, "/proc/pressure/io");
	return 0;
}

static int fill_network(struct diagnostics *d)
{
	static const char *const files[] = {"/etc/resolv.conf", "/etc/hosts", "/proc/net/dev",
		"/proc/net/route", "/proc/net/fib_trie", "/proc/net/if_inet6",
		"/proc/net/ipv6_route", "/proc/net/sockstat"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		diagnostics_put_section(d, files[i]);
	return 0;
}

static int fill_manifest(struct diagnostics *d)
{
	diagnostics_put_bytes(d, manifest_head, sizeof(manifest_head) - 1);
	diagnostics_put_bytes(d, d->manifest, d->manifest_len);
	return 0;
}

static const struct {
	const char *name; /* NULL: the function sets it, and is called until it says -ENODATA */
	const char *path; /* a file as it is, or */
	int (*fill)(struct diagnostics *d);
} steps[] = {
	{NULL, NULL, fill_document},
	{"events.json", NULL, fill_events},
	{"versions.txt", NULL, diagnostics_fill_versions},
	{NULL, NULL, diagnostics_fill_log},
	{"kernel.log", NULL, diagnostics_fill_kernel},
	{"config/keel.conf", "/etc/keel/keel.conf", NULL},
	{"config/units.txt", NULL, diagnostics_fill_units},
	{"config/proxy.env", "/etc/keel/proxy.env", NULL},
	{"config/daemon.json", "/etc/docker/daemon.json", NULL},
	{"config/containerd.toml", "/etc/containerd/config.toml", NULL},
	{"config/wsl.conf", "/etc/wsl.conf", NULL},
	{"config/kernel-command-line", "/proc/cmdline", NULL},
	{"kernel-check.json", "/run/keel/kernel.json", NULL},
	{"mounts", NULL, fill_mounts},
	{"storage.txt", NULL, diagnostics_fill_storage},
	{"network.txt", NULL, fill_network},
	{"cgroups.txt", NULL, diagnostics_fill_groups},
	{"processes.txt", NULL, diagnostics_fill_processes},
	{"proc/pressure", NULL, fill_pressure},
	{"proc/meminfo", "/proc/meminfo", NULL},
	{"proc/vmstat", "/proc/vmstat", NULL},
	{"proc/buddyinfo", "/proc/buddyinfo", NULL},
	{"proc/zoneinfo", "/proc/zoneinfo", NULL},
	{"proc/loadavg", "/proc/loadavg", NULL},
	{"proc/swaps", "/proc/swaps", NULL},
	{"proc/modules", "/proc/modules", NULL},
	{"proc/diskstats", "/proc/diskstats", NULL},
	{"MANIFEST.txt", NULL, fill_manifest},
};

/* ---- the archive ------------------------------------------------------------------------------ */

PRINTF(2, 3)
static void note(struct diagnostics *d, const char *format, ...)
{
	size_t room = sizeof(d->manifest) - d->manifest_len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(d->manifest + d->manifest_len, room, format, args);
	va_end(args);
	if (len > 0 && (size_t)len < room)
		d->manifest_len += (size_t)len;
}

/* What was cut within a line could have lost what says that it is a secret. */
static void cut_at_line(struct diagnostics *d)
{
	char *text = d->data + TAR_BLOCK;
	char *newline = memrchr(text, '\n', d->len);

	d->len = newline ? (size_t)(newline + 1 - text) : 0;
}

/* Makes a file of the archive of the member's text. */
static void finish_member(struct diagnostics *d)
{
	char path[TAR_NAME_MAX + 1];
	size_t padding;

	if (d->cut)
		cut_at_line(d);
	d->len = redact_text(d->data + TAR_BLOCK, d->len);
	note(d, "%-40s %8zu bytes%s\n", d->name, d->len, d->cut ? ", cut" : "");
	(void)snprintf(path, sizeof(path), DIRECTORY "%s", d->name);
	if (tar_header(d->data, path, d->len, d->realtime_s) < 0)
		return; /* no name here is so long */
	padding = tar_padding(d->len);
	memset(d->data + TAR_BLOCK + d->len, 0, padding);
	d->have = TAR_BLOCK + d->len + padding;
}

/* Fills `data` with the next member, or the end. 0, or -EAGAIN: that goes on. */
static int next_member(struct diagnostics *d)
{
	if (!d->unfinished) {
		d->sent = d->have = d->len = 0;
		d->cut = false;
	}
	while (d->have == 0 && d->step < ARRAY_SIZE(steps)) {
		const char *name = steps[d->step].name;
		int rc;

		if (name)
			(void)snprintf(d->name, sizeof(d->name), "%s", name);
		rc = steps[d->step].fill ? steps[d->step].fill(d)
					 : diagnostics_put_file(d, steps[d->step].path);
		d->unfinished = rc == -EINPROGRESS;
		if (d->unfinished)
			return -EAGAIN;
		if (name || rc == -ENODATA)
			d->step++;
		if (rc == 0)
			finish_member(d);
		else if (name || rc != -ENODATA)
			note(d, "%-40s missing: %s\n", d->name, strerror(-rc));
		if (rc != 0)
			d->len = 0;
	}
	if (d->have > 0)
		return 0;
	memset(d->data, 0, TAR_END);
	d->have = d->ended ? 0 : TAR_END;
	d->ended = true;
	return 0;
}

int diagnostics_open(const struct diagnostics_source *source, struct diagnostics **result)
{
	struct diagnostics *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->source = *source;
	d->realtime_s = (uint64_t)time(NULL);
	d->logs_fd = d->kmsg_fd = -1;
	*result = d;
	return 0;
}

ssize_t diagnostics_read(struct diagnostics *d, char *buffer, size_t size)
{
	size_t n;

	if (d->sent == d->have && next_member(d) < 0)
		return -EAGAIN;
	n = d->have - d->sent < size ? d->have - d->sent : size;
	if (n == 0)
		return -ENODATA;
	memcpy(buffer, d->data + d->sent, n);
	d->sent += n;
	return (ssize_t)n;
}

void diagnostics_close(struct diagnostics *d)
{
	close_p(&d->logs_fd);
	close_p(&d->kmsg_fd);
	free(d);
}

void diagnostics_file_name(char *name, size_t size)
{
	char boot_id[40] = "";
	time_t now = time(NULL);
	struct tm tm;

	if (file_read("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id)) < 8 ||
		!gmtime_r(&now, &tm))
		(void)snprintf(name, size, "keel-diagnostics.tar");
	else
		(void)snprintf(name, size, "keel-diagnostics-%.8s-%04d%02d%02dT%02d%02d%02dZ.tar",
			boot_id, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
			tm.tm_min, tm.tm_sec);
}
