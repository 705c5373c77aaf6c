/* SPDX-License-Identifier: MIT
 *
 * metrics_text.h - the words of the Prometheus text format, version 0.0.4 (prometheus.io, "Exposition formats"), put one
 * behind the other into a buffer. Pure. Used by metrics_*.c.
 *
 * Each name has its HELP, its TYPE and all its samples together, and comes once. What node-exporter or cAdvisor has too
 * has its name, so that dashboards fit; the rest begins with keel_.
 */
#pragma once

#include "lib/base.h"

#define METRICS_LABEL_MAX 128 /* a label's value, with NUL; what is longer is cut */

struct metrics_text {
	char *buffer;
	size_t size, len;
	bool full; /* something did not fit: all of it is to be thrown away */
};

struct metrics_label {
	const char *name, *value;
};

void metrics_put(struct metrics_text *text, const char *format, ...) PRINTF(2, 3);
/* `type`: "gauge", "counter" (of a name that ends in _total) or "untyped". */
void metrics_put_head(struct metrics_text *text, const char *name, const char *type,
	const char *help);
/* A sample of the name whose head was put last. Label values may be any text. */
void metrics_put_sample(struct metrics_text *text, const char *name, const char *label,
	const char *value, uint64_t number);
/* With several labels; or without the value, which the caller puts behind it (" 1.5\n"). */
void metrics_put_labelled(struct metrics_text *text, const char *name,
	const struct metrics_label *labels, size_t count, uint64_t number);
void metrics_put_labels(struct metrics_text *text, const char *name,
	const struct metrics_label *labels, size_t count);
/* Head and the one sample without labels. */
void metrics_put_number(struct metrics_text *text, const char *name, const char *type,
	const char *help, uint64_t number);
void metrics_put_seconds(struct metrics_text *text, const char *name, const char *type,
	const char *help, uint64_t us);
