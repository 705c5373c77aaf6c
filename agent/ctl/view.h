/* SPDX-License-Identifier: MIT
 *
 * view.h - the health document for people. Everything printed comes from the document, so that the same
 * page is shown in the guest, on the host, and when the agent is down.
 */
#pragma once

#include <stdio.h>

#include "lib/base.h"

/* Prints the page for a document of `len` bytes. 0 or -EINVAL (not a health document). */
int view_print_status(FILE *out, const char *json, size_t len, bool colour) MUST_CHECK;
/* The table of services only; takes a health or a services document. */
int view_print_services(FILE *out, const char *json, size_t len, bool colour) MUST_CHECK;

/* True for a terminal that wants colours (no-color.org). */
bool view_wants_colour(FILE *out);
/* 8589934592 -> "8.0 GiB". Returns `buffer`. */
const char *view_format_bytes(uint64_t bytes, char *buffer, size_t size);
/* 61001 -> "1 min 1 s". Returns `buffer`. */
const char *view_format_ms(double ms, char *buffer, size_t size);
