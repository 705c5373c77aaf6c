/* SPDX-License-Identifier: MIT
 *
 * environment.c - see environment.h.
 */
#include "init/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void environment_make(const struct init *init, const struct service *service,
	struct environment_pool *pool, char *environment[ENVIRONMENT_MAX + 1])
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char home[] = "HOME=/root", lang[] = "LANG=C.UTF-8", wsl[] = "container=wsl";
	static char notify[] = "NOTIFY_SOCKET=/run/keel/notify", term[] = "TERM=linux";
	size_t n = 0;

	(void)snprintf(pool->cgroup, sizeof(pool->cgroup), "KEEL_CGROUP=%s", init->cgroup.path);
	(void)snprintf(pool->mode, sizeof(pool->mode), "KEEL_MODE=%s", boot_mode_name(init->mode));
	environment[n++] = path;
	environment[n++] = home;
	environment[n++] = lang;
	environment[n++] = pool->cgroup;
	environment[n++] = pool->mode;
	if (init->mode == BOOT_MODE_WSL)
		environment[n++] = wsl;
	if (service && service->unit.type == UNIT_TYPE_NOTIFY)
		environment[n++] = notify;
	if (service && service->unit.tty_path)
		environment[n++] = term;
	for (size_t i = 0; service && service->unit.environment[i]; i++)
		environment[n++] = service->unit.environment[i];
	environment[n] = NULL;
}

/* The value of the `len` bytes at `name`, or "". */
static const char *lookup(char *const *environment, const char *name, size_t len,
	const char *main_pid)
{
	if (len == 7 && strncmp(name, "MAINPID", len) == 0)
		return main_pid;
	for (size_t i = 0; environment[i]; i++)
		if (strncmp(environment[i], name, len) == 0 && environment[i][len] == '=')
			return environment[i] + len + 1;
	return "";
}

int environment_expand(char *const *args, char *const *environment, pid_t main_pid, char *text,
	size_t size, char *expanded[UNIT_ARGS_MAX + 1])
{
	char number[16];
	size_t n = 0, used = 0;

	(void)snprintf(number, sizeof(number), "%d", (int)main_pid);
	for (; args[n]; n++) {
		const char *in = args[n];

		expanded[n] = text + used;
		if (strcmp(in, "$MAINPID") == 0)
			in = "${MAINPID}";
		while (*in) {
			const char *end = in[0] == '$' && in[1] == '{' ? strchr(in, '}') : NULL;
			const char *value = in;
			size_t len = 1;

			if (end) {
				value = lookup(environment, in + 2, (size_t)(end - in - 2), number);
				len = strlen(value);
			}
			if (len + 1 > size - used)
				return -E2BIG;
			memcpy(text + used, value, len);
			used += len;
			in = end ? end + 1 : in + 1;
		}
		if (used == size)
			return -E2BIG;
		text[used++] = '\0';
	}
	expanded[n] = NULL;
	return 0;
}
