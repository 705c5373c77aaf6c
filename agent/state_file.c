/* SPDX-License-Identifier: MIT
 *
 * state_file.c - see state_file.h. Callers: agent.c, at every change of a fact. A reader finds the old word or the
 * new one, whole: the file is replaced.
 */
#include "agent/state_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/common/health.h"
#include "lib/file.h"
#include "lib/log.h"

#define STATE_FILE_NEW "/run/keel/.state"

static int replace(const char *word)
{
	_cleanup_close_ int fd =
		open(STATE_FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	char line[16];
	int rc, len = snprintf(line, sizeof(line), "%s\n", word);

	if (fd < 0)
		return -errno;
	rc = file_write_all(fd, line, (size_t)len);
	if (rc == 0 && rename(STATE_FILE_NEW, STATE_FILE) < 0)
		rc = -errno;
	return rc;
}

void state_file_update(const struct facts *facts)
{
	static enum health_status written;
	static bool ever, complained;
	struct health health;
	int rc;

	health_judge(facts, &health);
	if (ever && health.status == written)
		return;
	rc = replace(health_status_name(health.status));
	if (rc < 0 && !complained)
		log_warning("%s: %s; prompts do not show the state", STATE_FILE, strerror(-rc));
	complained = rc < 0;
	ever = rc == 0;
	written = health.status;
}
