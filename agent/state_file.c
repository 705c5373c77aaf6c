/* SPDX-License-Identifier: MIT
 *
 * state_file.c - see state_file.h. Callers: agent.c, at every change of a fact. A reader finds the old word or the
 * new one, whole: the file is replaced.
 */
#include "agent/state_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/common/health.h"
#include "lib/file.h"
#include "lib/log.h"

void state_file_update(const struct facts *facts)
{
	static enum health_status written;
	static bool ever, complained;
	struct health health;
	char line[16];
	int rc;

	health_judge(facts, &health);
	if (ever && health.status == written)
		return;
	(void)snprintf(line, sizeof(line), "%s\n", health_status_name(health.status));
	rc = file_replace(STATE_FILE, line);
	if (rc < 0 && !complained)
		log_warning("%s: %s; prompts do not show the state", STATE_FILE, strerror(-rc));
	complained = rc < 0;
	ever = rc == 0;
	written = health.status;
}
