/* SPDX-License-Identifier: MIT
 *
 * crash_log.c - see crash_log.h. Callers: agent.c, keelctl when the agent does not answer.
 */
#include "agent/common/crash_log.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/common/log_reader.h"

/* Looked at from the end of the log: a service that was restarted has written since. */
#define LINES_LOOKED_AT 200

bool crash_log_wanted(const struct control_service *service)
{
	int status = service->exit_status;

	if (!service->name[0] || service->exit_us == 0 || status < 0)
		return false;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) != 0;
	/* As in PID 1: these end a service that was asked to, or asked itself, to stop. */
	return WTERMSIG(status) != SIGTERM && WTERMSIG(status) != SIGHUP &&
	       WTERMSIG(status) != SIGINT && WTERMSIG(status) != SIGPIPE;
}

/* Adds a line, at the expense of the oldest ones. */
static void add_line(struct facts_log *log, const char *text, size_t len)
{
	char line[FACTS_LOG_LINE_MAX];

	if (len >= sizeof(line))
		len = sizeof(line) - 1;
	memcpy(line, text, len);
	line[len] = '\0';
	for (char *p = line; p < line + len; p++)
		if (*p == '\0' || *p == '\t')
			*p = ' ';
	text_sanitize(line);
	while (log->lines == FACTS_LOG_LINES || log->len + len + 1 > sizeof(log->text)) {
		size_t first = strlen(log->text) + 1;

		memmove(log->text, log->text + first, log->len - first);
		log->len -= first;
		log->lines--;
	}
	memcpy(log->text + log->len, line, len + 1);
	log->len += len + 1;
	log->lines++;
}

static void read_one(int dir_fd, const struct control_service *service, struct facts_log *log)
{
	static struct log_reader reader;
	struct log_line line;

	if (log_reader_open(&reader, dir_fd, service->name) < 0)
		return;
	log_reader_seek_tail(&reader, LINES_LOOKED_AT);
	while (log_reader_next(&reader, &line) > 0 && line.boot_us <= service->exit_us)
		add_line(log, line.text, line.len);
	log_reader_close(&reader);
}

/* The document has a bound: only those that ended last are in it. */
static bool is_recent(const struct facts *facts, const struct control_service *service)
{
	unsigned int later = 0;

	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++)
		if (crash_log_wanted(&facts->services[i]) &&
			(facts->services[i].exit_us > service->exit_us ||
				(facts->services[i].exit_us == service->exit_us &&
					&facts->services[i] < service)))
			later++;
	return later < FACTS_LOGS_MAX;
}

bool crash_log_read(struct facts *facts)
{
	int dir_fd = -1;
	bool changed = false;

	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++) {
		struct facts_log fresh = {0};

		if (crash_log_wanted(&facts->services[i]) &&
			is_recent(facts, &facts->services[i])) {
			if (dir_fd < 0)
				dir_fd = log_reader_open_directory();
			if (dir_fd >= 0)
				read_one(dir_fd, &facts->services[i], &fresh);
		}
		if (facts->logs[i].lines == fresh.lines && facts->logs[i].len == fresh.len &&
			memcmp(facts->logs[i].text, fresh.text, fresh.len) == 0)
			continue;
		facts->logs[i] = fresh;
		changed = true;
	}
	close_p(&dir_fd);
	return changed;
}
