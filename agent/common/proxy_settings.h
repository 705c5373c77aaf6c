/* SPDX-License-Identifier: MIT
 *
 * proxy_settings.h - the proxies that dockerd fetches images through, as programs are told them: by the variables
 * HTTP_PROXY, HTTPS_PROXY and NO_PROXY, or the same in lower case. Pure.
 */
#pragma once

#include "lib/base.h"

/* What keelctl proxy keeps; docker.service has it as EnvironmentFile=. Readable by root only: it may have a password. */
#define PROXY_SETTINGS_FILE  "/etc/keel/proxy.env"
#define PROXY_SETTINGS_VALUE 512 /* longer values are not taken */
#define PROXY_SETTINGS_TEXT  8192

enum proxy_kind { PROXY_HTTP, PROXY_HTTPS, PROXY_NO };
#define PROXY_KINDS 3

struct proxy_settings {
	char value[PROXY_KINDS][PROXY_SETTINGS_VALUE]; /* "" is none */
};

/* "HTTP_PROXY" */
const char *proxy_settings_variable(enum proxy_kind kind);

/* From an environment: `len` bytes of NAME=value, each ended by NUL, as /proc/PID/environ has them. Upper case goes
 * before lower case, as with dockerd. -EINVAL: a value is too long or has control characters;
 * no settings then. */
int proxy_settings_from_environment(const char *block, size_t len,
	struct proxy_settings *settings) MUST_CHECK;
/* From the text of an EnvironmentFile= (what proxy_settings_write makes, or people). The same. */
int proxy_settings_from_file(const char *text, struct proxy_settings *settings) MUST_CHECK;
/* Its text, in both cases of letters: programs differ. 0 or -ENOSPC. */
int proxy_settings_write(const struct proxy_settings *settings, char *text, size_t size) MUST_CHECK;

bool proxy_settings_any(const struct proxy_settings *settings);
/* The value with "***" for user and password, for people. Returns `text`. */
const char *proxy_settings_mask(const char *value, char text[PROXY_SETTINGS_VALUE]);
