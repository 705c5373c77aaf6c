/* SPDX-License-Identifier: MIT
 *
 * libmnl-compat.c - the two glibc symbols that Debian's libmnl.a wants and musl does not have.
 *
 * recipes/libmnl.sh puts this into the libmnl.a that keel-net links. Both are used by
 * mnl_nlmsg_fprintf() alone, which prints a message for debugging and which keel does not call; but
 * the linker takes whole objects. They do what glibc's do for that caller.
 */
#include <stdarg.h>
#include <stdio.h>

/* glibc's <ctype.h>: the bit of isprint() in the table behind __ctype_b_loc(), little-endian. */
#define GLIBC_ISPRINT 0x4000U

int __fprintf_chk(FILE *stream, int flag, const char *format, ...);
const unsigned short **__ctype_b_loc(void);

int __fprintf_chk(FILE *stream, int flag, const char *format, ...)
{
	va_list args;
	int ret;

	(void)flag; /* how strictly glibc checks %n: there is none */
	va_start(args, format);
	ret = vfprintf(stream, format, args);
	va_end(args);
	return ret;
}

/* The table is indexed from -128 to 255. */
const unsigned short **__ctype_b_loc(void)
{
	static unsigned short table[384];
	static const unsigned short *zero = table + 128;

	for (int c = ' '; c <= '~'; c++)
		table[128 + c] = GLIBC_ISPRINT;
	return &zero;
}
