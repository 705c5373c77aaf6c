/* SPDX-License-Identifier: MIT
 *
 * unit_order.h - orders about one service, followed until they are carried out.
 */
#pragma once

#include "lib/base.h"
#include "lib/control.h"

#define UNIT_ORDER_WAIT_S 90 /* as long as systemd's default start timeout */

enum unit_order_outcome { UNIT_ORDER_PENDING, UNIT_ORDER_DONE, UNIT_ORDER_FAILED };

/* Pure: given the service before the order and now, how far is START, STOP, RESTART or RELOAD? */
enum unit_order_outcome unit_order_judge(enum control_verb verb,
	const struct control_service *before, const struct control_service *now);

/* "docker" -> "docker.service". 0 or -ENAMETOOLONG. */
int unit_order_complete_name(const char *name, char unit[CONTROL_NAME_MAX]) MUST_CHECK;

/* Gives the order and, unless `no_block`, waits for the outcome. *last is the service as last seen. 0;
 * -ESRCH (no such unit); -EREMOTEIO (it failed; see last->reason); -ETIMEDOUT; or -errno. */
int unit_order_run(enum control_verb verb, const char *unit, bool no_block, unsigned int timeout_s,
	struct control_service *last) MUST_CHECK;
