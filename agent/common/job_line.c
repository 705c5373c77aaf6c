/* SPDX-License-Identifier: MIT
 *
 * job_line.c - see job_line.h. Callers: disk_job.c, ctl/disk.c. keel-disk reads the content of disks that
 * others wrote: its words are bounded and cleaned here.
 */
#include "agent/common/job_line.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "agent/common/facts.h"

/* yyjson needs sixteen bytes a value, grows by halves, and writes the object from it again. Untouched pages
 * cost nothing. */
static _Alignas(16) char pool[JOB_LINE_MAX * 40];

static void copy_text(char *to, size_t size, yyjson_val *value)
{
	const char *text = yyjson_get_str(value);

	(void)snprintf(to, size, "%s", text ? text : "");
	text_sanitize(to);
}

static void take_progress(yyjson_val *value, struct job_line *line)
{
	yyjson_val *percent = yyjson_obj_get(value, "percent");
	double number = yyjson_get_num(percent);

	line->kind = JOB_LINE_PROGRESS;
	copy_text(line->step, sizeof(line->step), yyjson_obj_get(value, "step"));
	if (yyjson_is_num(percent) && number >= 0)
		line->percent = number < 100 ? number : 100;
}

static int take_result(yyjson_val *value, const yyjson_alc *alc, struct job_line *line)
{
	line->kind = JOB_LINE_RESULT;
	line->object =
		yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, alc, &line->object_len, NULL);
	line->trimmed_bytes = yyjson_get_uint(yyjson_obj_get(value, "trimmed_bytes"));
	line->new_bytes = yyjson_get_uint(yyjson_obj_get(value, "new_bytes"));
	line->stopped = yyjson_get_len(yyjson_obj_get(value, "stopped")) > 0;
	return line->object ? 0 : -EPROTO;
}

static int take_error(yyjson_val *value, struct job_line *line)
{
	line->kind = JOB_LINE_ERROR;
	copy_text(line->code, sizeof(line->code), yyjson_obj_get(value, "code"));
	copy_text(line->message, sizeof(line->message), yyjson_obj_get(value, "message"));
	return line->code[0] ? 0 : -EPROTO;
}

int job_line_parse(const char *text, size_t len, struct job_line *line)
{
	yyjson_val *root, *value;
	yyjson_alc alc;
	yyjson_doc *doc;

	*line = (struct job_line){.percent = -1};
	if (len > JOB_LINE_MAX || !yyjson_alc_pool_init(&alc, pool, sizeof(pool)))
		return -EPROTO;
	/* The reader takes a non-const text only for its in-situ mode, which is not asked for. */
	doc = yyjson_read_opts((char *)(uintptr_t)text, len, YYJSON_READ_NOFLAG, &alc, NULL);
	root = yyjson_doc_get_root(doc);
	if (yyjson_is_obj(value = yyjson_obj_get(root, "progress"))) {
		take_progress(value, line);
		return 0;
	}
	if (yyjson_is_obj(value = yyjson_obj_get(root, "result")))
		return take_result(value, &alc, line);
	if (yyjson_is_obj(value = yyjson_obj_get(root, "error")))
		return take_error(value, line);
	return -EPROTO;
}
