/* SPDX-License-Identifier: MIT
 *
 * clock_api.h - GET and POST /v1/clock over HTTP.
 */
#pragma once

#include "agent/clock_keeper.h"
#include "agent/common/facts.h"
#include "agent/http.h"
#include "lib/base.h"

/* `keeper` NULL: what is known without one. */
void clock_api_get(struct clock_keeper *keeper, const struct facts *facts,
	struct http_response *response);
/* `keeper` NULL: 503. */
void clock_api_post(struct clock_keeper *keeper, const struct http_request *request,
	struct http_response *response);
