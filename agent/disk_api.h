/* SPDX-License-Identifier: MIT
 *
 * disk_api.h - GET /v1/disk/list and POST /v1/disk/VERB: a request becomes a job, the job's last word the answer.
 *
 * The answer comes when the job ends; with ?progress=1 it is a stream of the job's lines. A client that goes away
 * leaves the job alone.
 */
#pragma once

#include "agent/disk.h"
#include "agent/http.h"
#include "lib/base.h"

#define DISK_API_PREFIX "/v1/disk/"

/* `disk` NULL: 503. The method has been checked. */
void disk_api_answer(struct disk *disk, const struct http_request *request,
	struct http_response *response);
/* Pure: the HTTP status for an error code of keel-disk. */
int disk_api_status(const char *code);
