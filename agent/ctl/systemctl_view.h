/* SPDX-License-Identifier: MIT
 *
 * systemctl_view.h - what systemctl prints about services, in systemd's words.
 */
#pragma once

#include "agent/common/facts.h"

/* systemd's ActiveState and SubState; NULL: no such service. */
const char *systemctl_active_state(const struct control_service *service);
const char *systemctl_sub_state(const struct control_service *service);

void systemctl_print_unit(const struct control_service *service);
/* The table of list-units; with `failed` only those. Returns how many lines. */
unsigned int systemctl_print_units(const struct facts *facts, bool failed);
/* systemctl show: the properties in the comma-separated `wanted` (NULL: all), one a line, with or without names. */
void systemctl_print_properties(const struct control_service *service, const char *wanted,
	bool value_only);
