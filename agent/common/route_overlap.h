/* SPDX-License-Identifier: MIT
 *
 * route_overlap.h - does a network of dockerd's share addresses with one of the machine's? dockerd avoids that when it makes a
 * network, but the host's network may change later. Pure.
 */
#pragma once

#include "lib/base.h"

#define ROUTE_OVERLAP_TEXT 128
#define ROUTE_OVERLAP_MAX  256 /* routes that are looked at */

/* `table` is the text of /proc/net/route (proc_pid_net(5)). Writes the first overlap, for people, or "". dockerd's are docker0
 * and br-*; default routes do not count. Returns `text`. */
const char *route_overlap_find(const char *table, char text[ROUTE_OVERLAP_TEXT]);
