/* SPDX-License-Identifier: MIT
 *
 * conf.h - the distro's /etc/wsl.conf, as far as it changes what WSL does to the distro (WSL's
 * WslDistributionConfig.cpp, the same defaults).
 */
#ifndef TESTS_WSL_CONF_H
#define TESTS_WSL_CONF_H

#include <stdbool.h>

struct conf {
	bool systemd, protect_binfmt, automount, mount_fstab, ldconfig, hosts, resolv_conf, interop,
		gpu;
	bool append_gpu_path;
	int init_timeout; /* ms */
	unsigned int umask;
	char command[512], user[64], hostname[64];
};

/* Unreadable or missing: the defaults. */
void conf_load(const char *path, struct conf *conf);

#endif
