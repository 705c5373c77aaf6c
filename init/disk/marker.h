/* SPDX-License-Identifier: MIT
 *
 * marker.h - /.keel-disk, the file that makes an ext4 a keel data disk:
 *
 *   keel-disk 1                                  the word, the schema
 *   uuid=1b4e28ba-2fa1-11d2-883f-0016d3cca427    of the file system that it was written for
 *   made=1732567890                              seconds since 1970
 *   by=0.1.0                                     version of the keel that made or adopted the disk
 *
 * A copy of the file on another file system is no marker of that one: the UUID differs. Keys that are not
 * known are ignored within a schema; a schema more is a disk whose rules are not known here.
 */
#pragma once

#include "lib/base.h"
#include "lib/uuid.h"

#define MARKER_NAME      ".keel-disk" /* in the root directory of the file system */
#define MARKER_SCHEMA    1
#define MARKER_BYTES_MAX 512

struct marker {
	unsigned int schema;
	char uuid[UUID_TEXT_SIZE]; /* lower case; "" in a newer schema */
	uint64_t made_s;
	char by[24];
};

/* The text for a marker of our schema; `marker->schema` is not looked at. Returns its length (no NUL is added), or -EINVAL
 * for a UUID or a version that could not be read back. */
ssize_t marker_format(const struct marker *marker, char text[MARKER_BYTES_MAX]) MUST_CHECK;

/* Reads `len` bytes that need not end in NUL. 0; -ENOTSUP for a newer schema (only `schema` is filled in); -EINVAL for anything
 * that is no whole marker: cut short, too long, a key missing, twice, or with a bad value. */
int marker_parse(const char *text, size_t len, struct marker *marker) MUST_CHECK;
