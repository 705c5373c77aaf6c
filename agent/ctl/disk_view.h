/* SPDX-License-Identifier: MIT
 *
 * disk_view.h - what the API says about disks, for people. A field that is missing is shown as empty.
 */
#pragma once

#include <stdio.h>
#include <yyjson.h>

#include "agent/common/job_line.h"
#include "lib/base.h"

/* The page of `keelctl disk status`: the body of GET /v1/disk. */
void disk_view_status(FILE *out, yyjson_val *disk);
/* The table of `keelctl disk list`: the body of GET /v1/disk/list. */
void disk_view_list(FILE *out, yyjson_val *list);
/* What a job has done. */
void disk_view_result(FILE *out, const char *verb, yyjson_val *result);
/* A line on a terminal that is written over and over; disk_view_progress_end clears it. */
void disk_view_progress(FILE *out, const struct job_line *line);
void disk_view_progress_end(FILE *out);
