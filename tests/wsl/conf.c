/* SPDX-License-Identifier: MIT
 *
 * conf.c - see conf.h.
 */
#include "tests/wsl/conf.h"

#include "tests/wsl/base.h"

#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum kind { KIND_BOOL, KIND_INT, KIND_OCTAL, KIND_TEXT };

static const struct key {
	const char *section, *name;
	enum kind kind;
	size_t offset, size;
} keys[] = {
#define KEY(section, name, kind, field) \
	{section, name, kind, offsetof(struct conf, field), sizeof(((struct conf *)0)->field)}
	KEY("boot", "systemd", KIND_BOOL, systemd),
	KEY("boot", "command", KIND_TEXT, command),
	KEY("boot", "initTimeout", KIND_INT, init_timeout),
	KEY("boot", "protectBinfmt", KIND_BOOL, protect_binfmt),
	KEY("automount", "enabled", KIND_BOOL, automount),
	KEY("automount", "mountFsTab", KIND_BOOL, mount_fstab),
	KEY("automount", "ldconfig", KIND_BOOL, ldconfig),
	KEY("network", "generateHosts", KIND_BOOL, hosts),
	KEY("network", "generateResolvConf", KIND_BOOL, resolv_conf),
	KEY("network", "hostname", KIND_TEXT, hostname),
	KEY("interop", "enabled", KIND_BOOL, interop),
	KEY("gpu", "enabled", KIND_BOOL, gpu),
	KEY("gpu", "appendLibPath", KIND_BOOL, append_gpu_path),
	KEY("filesystem", "umask", KIND_OCTAL, umask),
	KEY("user", "default", KIND_TEXT, user),
#undef KEY
};

static int take(void *data, const char *section, const char *name, const char *value, int line)
{
	(void)line;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		char *field = (char *)data + keys[i].offset;
		int number;

		if (strcasecmp(section, keys[i].section) != 0 ||
			strcasecmp(name, keys[i].name) != 0)
			continue;
		switch (keys[i].kind) {
		case KIND_BOOL:
			*(bool *)field =
				strcasecmp(value, "true") == 0 || strcasecmp(value, "1") == 0;
			break;
		case KIND_INT:
		case KIND_OCTAL:
			number = (int)strtol(value, NULL, keys[i].kind == KIND_OCTAL ? 8 : 10);
			memcpy(field, &number, sizeof(number));
			break;
		case KIND_TEXT:
			(void)snprintf(field, keys[i].size, "%s", value);
			break;
		}
	}
	return 1; /* WSL skips what it does not know */
}

void conf_load(const char *path, struct conf *conf)
{
	*conf = (struct conf){
		.protect_binfmt = true,
		.automount = true,
		.mount_fstab = true,
		.ldconfig = true,
		.hosts = true,
		.resolv_conf = true,
		.interop = true,
		.gpu = true,
		.append_gpu_path = true,
		.init_timeout = 10000,
		.umask = 0022,
	};
	(void)ini_parse(path, take, conf);
}
