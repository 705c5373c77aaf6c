/* SPDX-License-Identifier: MIT
 *
 * docker_host.h - an address as Docker's clients write it.
 */
#pragma once

#include "agent/common/address.h"

/* "unix:///run/docker.sock", "tcp://127.0.0.1:2375"; a relative path becomes absolute. 0, -EINVAL (another kind of address), or
 * -errno: it does not fit, or there is no working directory. */
int docker_host_format(const struct address *address, char *buffer, size_t size) MUST_CHECK;
