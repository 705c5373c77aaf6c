/* SPDX-License-Identifier: MIT
 *
 * unit_read.h - for unit.c only: what a key's value is turned into. Each function takes the key's name for its
 * message; a bad value is reported and makes the unit bad.
 */
#pragma once

#include "init/unit.h"

void unit_report(struct unit_reader *reader, bool bad, const char *format, ...) PRINTF(3, 4);
/* A copy in the unit's own pool, or NULL (reported) when it is full. */
char *unit_add_text(struct unit_reader *reader, const char *text, size_t len);
/* Appends to a NULL-terminated list of at most `max`; an empty value clears it, as in systemd. */
void unit_read_words(struct unit_reader *reader, const char *key, const char *value, char **list,
	size_t max);
void unit_read_exec(struct unit_reader *reader, const char *key, const char *value,
	enum unit_phase phase);
/* The index of `value` in a NULL-terminated list, or -EINVAL. */
int unit_read_enum(struct unit_reader *reader, const char *key, const char *value,
	const char *const *words);
void unit_read_limit(struct unit_reader *reader, const char *key, const char *value, int resource);
void unit_read_signal(struct unit_reader *reader, const char *key, const char *value, int *field);
void unit_read_statuses(struct unit_reader *reader, const char *key, const char *value,
	struct unit_statuses *statuses);
void unit_read_slice(struct unit_reader *reader, const char *key, const char *value);
void unit_read_condition(struct unit_reader *reader, const char *key, const char *value);
void unit_read_input(struct unit_reader *reader, const char *key, const char *value);
void unit_read_output(struct unit_reader *reader, const char *key, const char *value);
