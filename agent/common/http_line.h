/* SPDX-License-Identifier: MIT
 *
 * http_line.h - a look at the first line of an HTTP message before picohttpparser sees it: the version that is
 * packaged adds up any number of digits in an int, which overflows.
 */
#pragma once

#include "lib/base.h"

/* True if every number that the parser would read has the length that RFC 9112 gives it: one digit after
 * "HTTP/1.", three in a status. The text may be incomplete. */
bool http_line_request_sane(const char *text, size_t len);
bool http_line_status_sane(const char *text, size_t len);
