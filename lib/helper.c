/* SPDX-License-Identifier: MIT
 *
 * helper.c - the common start of the stage helpers.
 */
#include "lib/helper.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/control.h"
#include "lib/log.h"

static void log_config_warning(void *ctx, const char *where, const char *message)
{
	(void)ctx;
	log_warning("%s: %s", where, message);
}

/* True if PID 1 handed a socket over. Leaves STAGE_REPORT_FD open in any case. */
static bool reserve_report_fd(void)
{
	struct stat st;
	int fd, high;

	if (fstat(STAGE_REPORT_FD, &st) == 0) {
		(void)fcntl(STAGE_REPORT_FD, F_SETFD, FD_CLOEXEC);
		return S_ISSOCK(st.st_mode);
	}
	/* By way of a number that is certainly another one: 3 may be the next free. */
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	high = fcntl(fd, F_DUPFD_CLOEXEC, STAGE_REPORT_FD + 1);
	close_p(&fd);
	if (high >= 0)
		(void)dup3(high, STAGE_REPORT_FD, O_CLOEXEC);
	close_p(&high);
	return false;
}

bool helper_start(const char *name, struct config *config)
{
	bool child = reserve_report_fd();
	int kmsg = child ? open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY) : -1;

	if (kmsg >= 0)
		log_open(name, kmsg, true);
	else
		log_open(name, STDERR_FILENO, false);
	config_load(config, log_config_warning, NULL);
	return child;
}

int helper_set_option(struct config *config, const char *option)
{
	char section[32], key[32];
	const char *dot = strchr(option, '.');
	const char *equals = strchr(option, '=');

	if (!dot || !equals || dot > equals || (size_t)(dot - option) >= sizeof(section) ||
		(size_t)(equals - dot) > sizeof(key))
		return -EINVAL;
	(void)snprintf(section, sizeof(section), "%.*s", (int)(dot - option), option);
	(void)snprintf(key, sizeof(key), "%.*s", (int)(equals - dot - 1), dot + 1);
	return config_set(config, section, key, equals + 1);
}
