/* SPDX-License-Identifier: MIT
 *
 * metrics_services.h - the boot, services, the engine and the verdict of health as metrics. Pure. A service has four
 * series whatever its state is: as many as CONTROL_SERVICES_MAX allows are no burden to who stores them.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/metrics_text.h"

void metrics_put_services(struct metrics_text *text, const struct facts *facts);
