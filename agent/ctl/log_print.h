/* SPDX-License-Identifier: MIT
 *
 * log_print.h - lines of logs for people: formats, the last N of many, nothing that a terminal obeys.
 */
#pragma once

#include <stdio.h>

#include "agent/common/log_line.h"
#include "lib/base.h"

/* The words of journalctl -o; STORED is the line as it is kept. */
enum log_format {
	LOG_FORMAT_STORED,
	LOG_FORMAT_SHORT,
	LOG_FORMAT_SHORT_ISO,
	LOG_FORMAT_SHORT_MONOTONIC,
	LOG_FORMAT_CAT,
};

/* 0 or -EINVAL. */
int log_format_parse(const char *word, enum log_format *format) MUST_CHECK;

struct log_print {
	FILE *out;
	enum log_format format;
	bool harmless; /* `out` is a terminal */
	char host[65];
	size_t printed;
};

void log_print_init(struct log_print *print, FILE *out, enum log_format format);
/* `name` is the unit, or "kernel". */
void log_print_line(struct log_print *print, const char *name, const struct log_line *line);

/* Keeps the last `max` lines that it is given; prints them in the end. */
struct log_tail;
/* NULL: no memory. */
struct log_tail *log_tail_new(size_t max);
void log_tail_add(struct log_tail *tail, const char *name, const struct log_line *line);
/* Prints and frees. */
void log_tail_print(struct log_tail *tail, struct log_print *print);
