/* SPDX-License-Identifier: MIT
 *
 * log_print.c - see log_print.h. Callers: logs.c, journalctl.c.
 */
#include "agent/ctl/log_print.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"

int log_format_parse(const char *word, enum log_format *format)
{
	static const char *const words[] = {
		[LOG_FORMAT_STORED] = "stored",
		[LOG_FORMAT_SHORT] = "short",
		[LOG_FORMAT_SHORT_ISO] = "short-iso",
		[LOG_FORMAT_SHORT_MONOTONIC] = "short-monotonic",
		[LOG_FORMAT_CAT] = "cat",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(word, words[i]) == 0) {
			*format = (enum log_format)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_print_init(struct log_print *print, FILE *out, enum log_format format)
{
	*print = (struct log_print){.out = out, .format = format};
	print->harmless = isatty(fileno(out)) == 1;
	if (gethostname(print->host, sizeof(print->host) - 1) < 0 || !print->host[0])
		(void)snprintf(print->host, sizeof(print->host), "keel");
}

/* "docker" for docker.service, as journalctl's identifiers are. */
static int short_length(const char *name)
{
	const char *suffix = strstr(name, ".service");

	return suffix && suffix[strlen(".service")] == '\0' ? (int)(suffix - name)
							    : (int)strlen(name);
}

static void print_head(const struct log_print *print, const char *name, const struct log_line *line)
{
	time_t seconds = (time_t)(line->wall_us / USEC_PER_SEC);
	char text[LOG_PREFIX_MAX] = "";
	struct tm tm = {0};

	(void)localtime_r(&seconds, &tm);
	switch (print->format) {
	case LOG_FORMAT_CAT:
		return;
	case LOG_FORMAT_STORED:
		(void)log_line_stamp(text, line->wall_us, line->boot_us);
		(void)fputs(text, print->out);
		return;
	case LOG_FORMAT_SHORT:
		(void)strftime(text, sizeof(text), "%b %d %H:%M:%S", &tm);
		break;
	case LOG_FORMAT_SHORT_ISO:
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z", &tm);
		break;
	case LOG_FORMAT_SHORT_MONOTONIC:
		(void)snprintf(text, sizeof(text), "[%5llu.%06llu]",
			(unsigned long long)(line->boot_us / USEC_PER_SEC),
			(unsigned long long)(line->boot_us % USEC_PER_SEC));
		break;
	}
	(void)fprintf(print->out, "%s %s %.*s: ", text, print->host, short_length(name), name);
}

void log_print_line(struct log_print *print, const char *name, const struct log_line *line)
{
	char safe[4 * LOG_LINE_MAX];
	size_t len = line->len < LOG_LINE_MAX ? line->len : LOG_LINE_MAX;

	print_head(print, name, line);
	if (print->harmless) {
		len = log_line_harmless(safe, line->text, len);
		(void)fwrite(safe, 1, len, print->out);
	} else {
		(void)fwrite(line->text, 1, line->len, print->out);
	}
	(void)fputc('\n', print->out);
	print->printed++;
}

/* ---- the last lines -------------------------------------------------------------------------- */

struct kept {
	char name[LOG_NAME_MAX];
	struct log_line line; /* its text is malloc'ed */
};

struct log_tail {
	size_t max, count, next;
	struct kept *kept;
};

struct log_tail *log_tail_new(size_t max)
{
	struct log_tail *tail = calloc(1, sizeof(*tail));

	if (!tail)
		return NULL;
	tail->max = max;
	tail->kept = calloc(max ? max : 1, sizeof(*tail->kept));
	if (tail->kept)
		return tail;
	free(tail);
	return NULL;
}

void log_tail_add(struct log_tail *tail, const char *name, const struct log_line *line)
{
	struct kept *kept = &tail->kept[tail->next];
	char *text = tail->max ? malloc(line->len + 1) : NULL;

	if (!text)
		return;
	memcpy(text, line->text, line->len);
	free((void *)(uintptr_t)kept->line.text);
	kept->line = *line;
	kept->line.text = text;
	(void)snprintf(kept->name, sizeof(kept->name), "%s", name);
	tail->next = (tail->next + 1) % tail->max;
	tail->count += tail->count < tail->max;
}

void log_tail_print(struct log_tail *tail, struct log_print *print)
{
	for (size_t i = 0; i < tail->count; i++) {
		struct kept *kept =
			&tail->kept[(tail->next + tail->max - tail->count + i) % tail->max];

		log_print_line(print, kept->name, &kept->line);
		free((void *)(uintptr_t)kept->line.text);
	}
	free(tail->kept);
	free(tail);
}
