/* SPDX-License-Identifier: MIT
 *
 * container_names.h - Docker's names of the containers that run, by id. Pure.
 */
#pragma once

#include "lib/base.h"

#define CONTAINER_NAMES_MAX 64 /* the ones beyond have their id only */

struct container_names {
	unsigned int count;
	struct {
		char id[65], name[64];
	} entry[CONTAINER_NAMES_MAX];
};

/* The body of Docker's GET /containers/json. 0 or -EPROTO. */
int container_names_parse(struct container_names *names, const char *json, size_t len) MUST_CHECK;
/* NULL if it is not known. */
const char *container_names_find(const struct container_names *names, const char *id);
