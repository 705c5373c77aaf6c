/* SPDX-License-Identifier: MIT
 *
 * guest_network.h - one line about the network of the guest that we are in: the way out, our address, who resolves names.
 */
#pragma once

#include "lib/base.h"

#define GUEST_NETWORK_MAX 200

/* Asks the kernel, reads /etc/resolv.conf. Never blocks: no name is resolved, nobody is asked. */
void guest_network_describe(char line[GUEST_NETWORK_MAX]);

/* Pure: the device and gateway of the default route in the text of /proc/net/route; false if there is none. */
bool guest_network_find_route(const char *routes, char device[16], char gateway[16]);
