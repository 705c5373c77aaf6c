/* SPDX-License-Identifier: MIT
 *
 * log_line.h - one line of a stored log: "2026-11-25T19:15:38.123456Z 12.345678 text".
 *
 * Both times are when the line was written, to the kernel's tick: wall clock (UTC), for people and other
 * machines, and CLOCK_BOOTTIME, which never jumps and is the clock of PID 1's records and of the health
 * document. Within a log the second never goes back. The text is the service's own bytes. Pure; fuzzed.
 */
#pragma once

#include "lib/base.h"

#define LOG_TEXT_MAX   4096 /* of one line; a longer one is stored as several */
#define LOG_PREFIX_MAX 64   /* both times, with spaces and NUL */
#define LOG_LINE_MAX   (LOG_PREFIX_MAX + LOG_TEXT_MAX)
#define LOG_NAME_MAX   64 /* of a unit, with NUL; lib/control.h allows fewer */

struct log_line {
	uint64_t wall_us; /* since 1970, UTC */
	uint64_t boot_us; /* CLOCK_BOOTTIME */
	const char *text; /* into the parsed data; not NUL-terminated */
	size_t len;
};

/* Writes both times and the space after them. Returns the length; there is a NUL behind it. */
size_t log_line_stamp(char prefix[LOG_PREFIX_MAX], uint64_t wall_us, uint64_t boot_us);
/* Takes a line without its newline apart. 0 or -EINVAL. */
int log_line_parse(const char *data, size_t len, struct log_line *line) MUST_CHECK;

/* Copies text with what a terminal would obey (control characters, bytes that are not UTF-8) as "\xNN".
 * Tabs stay. Returns the length; `out` has room for 4 * len bytes. */
size_t log_line_harmless(char *out, const char *text, size_t len);

/* Is it the name of a unit that may have a log: letters, digits, "@_.:-", no dot in front, ".service"
 * at the end. The same characters that unit files may have. */
bool log_name_valid(const char *name, size_t len);
/* "docker" -> "docker.service", checked. 0 or -EINVAL. */
int log_name_complete(const char *name, size_t len, char full[LOG_NAME_MAX]) MUST_CHECK;
