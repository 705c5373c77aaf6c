/* SPDX-License-Identifier: MIT
 *
 * notify.h - sd_notify(3) to whoever started us.
 */
#pragma once

#include "lib/base.h"

/* Sends e.g. "READY=1" to $NOTIFY_SOCKET; without that variable nothing happens. 0 or -errno. */
int notify_send(const char *message);
