/* SPDX-License-Identifier: MIT
 *
 * resolv.h - /etc/resolv.conf.
 */
#pragma once

#include "init/net/net_settings.h"

/* Replaces `path` ("/etc/resolv.conf") by one that names the resolvers, atomically. A link into
 * /mnt/wsl is WSL's and stays; without resolvers nothing is changed. 0 or -errno. */
int resolv_write(const char *path, const struct net_settings *settings) MUST_CHECK;
