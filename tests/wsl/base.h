/* SPDX-License-Identifier: MIT
 *
 * base.h - what the programs that start guests have in common: they end with a sentence when something
 * cannot be done. A failure here is the lab's, never the tested system's.
 */
#ifndef TESTS_WSL_BASE_H
#define TESTS_WSL_BASE_H

#include <stdbool.h>
#include <sys/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Prints "PROGRAM: what: errno's text" to stderr and exits with 125. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

void write_file(const char *path, const char *text);  /* the file exists */
void create_file(const char *path, const char *text); /* text may be NULL: an empty file */
void make_dir(const char *path, mode_t mode);         /* may exist */
void make_dirs(const char *path);                     /* with its parents, 0755 */
void do_mount(const char *source, const char *target, const char *type, unsigned long flags,
	const char *data);
void bind_node(const char *source, const char *target); /* target is made, a file */
bool find_cgroup2(char path[256]); /* where the unified hierarchy is; false: nowhere */

/* An event of the harness on descriptor EVENTS_FD, in one write:
 * "EVENT distro [key=value]... t=MICROSECONDS" with the time of CLOCK_MONOTONIC. */
#define EVENTS_FD 101
void say(const char *distro, const char *format, ...) __attribute__((format(printf, 2, 3)));
long long now_us(void);

#endif
