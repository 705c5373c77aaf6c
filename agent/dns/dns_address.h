/* SPDX-License-Identifier: MIT
 *
 * dns_address.h - the address that containers ask: a /32 on lo, as WSL's own for DNS tunnelling is. It needs no
 * interface, and each container's gateway takes packets for it.
 */
#pragma once

#include "lib/base.h"

/* Adds (also when it is there) or removes it. 0 or -errno. */
int dns_address_change(const char *ip, bool add) MUST_CHECK;
