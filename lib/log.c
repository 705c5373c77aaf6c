/* SPDX-License-Identifier: MIT
 *
 * log.c - one line, one write(2).
 */
#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>

static const char *log_name = "keel";
static int log_fd = STDERR_FILENO;
static bool log_kmsg;
static int log_level = LOG_INFO;

void log_open(const char *name, int fd, bool kmsg)
{
	log_name = name;
	log_fd = fd;
	log_kmsg = kmsg;
}

void log_set_level(int level)
{
	log_level = level;
}

void log_write(int level, const char *format, ...)
{
	char line[512];
	int saved = errno;
	int head, body;
	size_t len;
	va_list args;

	if (level > log_level)
		return;
	/* kmsg: without a facility the kernel takes the line for LOG_KERN; 3 is LOG_DAEMON (printk). */
	if (log_kmsg)
		head = snprintf(line, sizeof(line), "<%d>%s: ", LOG_DAEMON | level, log_name);
	else
		head = snprintf(line, sizeof(line), "%s: ", log_name);
	va_start(args, format);
	body = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, format, args);
	va_end(args);
	len = (size_t)head + (size_t)(body < 0 ? 0 : body);
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	(void)!write(log_fd, line, len);
	errno = saved;
}
