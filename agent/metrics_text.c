/* SPDX-License-Identifier: MIT
 *
 * metrics_text.c - see metrics_text.h. tests/unit/test_metrics.c reads what is made of it back with a strict parser.
 */
#include "agent/metrics_text.h"

#include <stdarg.h>
#include <stdio.h>

#include "agent/common/facts.h"

#define MICRO 1e-6

void metrics_put(struct metrics_text *text, const char *format, ...)
{
	va_list args;
	int n;

	if (text->full)
		return;
	va_start(args, format);
	n = vsnprintf(text->buffer + text->len, text->size - text->len, format, args);
	va_end(args);
	text->full = (size_t)n >= text->size - text->len; /* also for an error, which is below 0 */
	if (!text->full)
		text->len += (size_t)n;
}

void metrics_put_head(struct metrics_text *text, const char *name, const char *type,
	const char *help)
{
	metrics_put(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Clean and with the escapes that the format knows. */
static void put_value(struct metrics_text *text, const char *value)
{
	char clean[METRICS_LABEL_MAX];

	(void)snprintf(clean, sizeof(clean), "%s", value);
	text_sanitize(clean);
	for (const char *p = clean; *p; p++)
		metrics_put(text, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
}

void metrics_put_labels(struct metrics_text *text, const char *name,
	const struct metrics_label *labels, size_t count)
{
	metrics_put(text, "%s", name);
	for (size_t i = 0; i < count; i++) {
		metrics_put(text, "%c%s=\"", i == 0 ? '{' : ',', labels[i].name);
		put_value(text, labels[i].value);
		metrics_put(text, "\"");
	}
	metrics_put(text, "}");
}

void metrics_put_labelled(struct metrics_text *text, const char *name,
	const struct metrics_label *labels, size_t count, uint64_t number)
{
	metrics_put_labels(text, name, labels, count);
	metrics_put(text, " %llu\n", (unsigned long long)number);
}

void metrics_put_sample(struct metrics_text *text, const char *name, const char *label,
	const char *value, uint64_t number)
{
	const struct metrics_label one = {.name = label, .value = value};

	metrics_put_labelled(text, name, &one, 1, number);
}

void metrics_put_number(struct metrics_text *text, const char *name, const char *type,
	const char *help, uint64_t number)
{
	metrics_put_head(text, name, type, help);
	metrics_put(text, "%s %llu\n", name, (unsigned long long)number);
}

void metrics_put_seconds(struct metrics_text *text, const char *name, const char *type,
	const char *help, uint64_t us)
{
	metrics_put_head(text, name, type, help);
	metrics_put(text, "%s %.6f\n", name, (double)us * MICRO);
}
