/* SPDX-License-Identifier: MIT
 *
 * disk_request.h - what somebody wants of the data disk: the path and body of a request, strictly read, and the words
 * for keel-disk. Pure; fuzzed. Nothing of it ever goes through a shell.
 */
#pragma once

#include "lib/base.h"

#define DISK_UUID_MAX   64 /* an identity too: keel-disk(8) */
#define DISK_DEVICE_MAX 64

enum disk_verb {
	DISK_VERB_LIST,
	DISK_VERB_TRIM,
	DISK_VERB_GROW,
	DISK_VERB_REPAIR,
	DISK_VERB_RELEASE,
	DISK_VERB_INIT,
	DISK_VERB_ADOPT,
};

struct disk_request {
	enum disk_verb verb;
	bool gentle;                  /* TRIM: give way to others' I/O */
	char uuid[DISK_UUID_MAX];     /* "": not said */
	char device[DISK_DEVICE_MAX]; /* "/dev/...", "": not said */
};

#define DISK_ARGUMENTS_MAX 9

const char *disk_verb_name(enum disk_verb verb);
/* 0, or -ENOENT for a word that is none. */
int disk_verb_find(const char *word, size_t len, enum disk_verb *verb) MUST_CHECK;
/* The body of a POST: empty, or an object with "uuid" and "device" and nothing else, as far as the verb takes
 * them. 0, or -EINVAL and a sentence in *why. */
int disk_request_parse(enum disk_verb verb, const char *body, size_t len,
	struct disk_request *request, const char **why) MUST_CHECK;
/* The same words where they come from a process that is not trusted (runner.h): false if they are not of a request that
 * disk_request_parse makes. The texts need not end. */
bool disk_request_check(uint32_t verb, bool gentle, const char *uuid, size_t uuid_size,
	const char *device, size_t device_size, struct disk_request *request) MUST_CHECK;
/* argv for keel-disk, NULL-terminated; the words are those of `request` and `program`. */
void disk_request_arguments(const struct disk_request *request, const char *program,
	const char *arguments[DISK_ARGUMENTS_MAX]);
