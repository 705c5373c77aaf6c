/* SPDX-License-Identifier: MIT
 *
 * disk_view.c - see disk_view.h. Caller: ctl/disk.c. Labels and the like were written by whoever made the disk:
 * control characters never reach the terminal.
 */
#include "agent/ctl/disk_view.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "agent/common/facts.h"
#include "agent/ctl/view.h"

#define BAR 30

/* The member as clean text in `buffer`. */
static const char *text_of(yyjson_val *object, const char *key, char *buffer, size_t size)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, key));

	(void)snprintf(buffer, size, "%s", text ? text : "");
	text_sanitize(buffer);
	return buffer;
}

static uint64_t number_of(yyjson_val *object, const char *key)
{
	return yyjson_get_uint(yyjson_obj_get(object, key));
}

static void print_text(FILE *out, const char *title, yyjson_val *object, const char *key)
{
	char text[512];

	if (text_of(object, key, text, sizeof(text))[0])
		(void)fprintf(out, "%-12s%s\n", title, text);
}

static const char *format_time(uint64_t seconds, char *buffer, size_t size)
{
	time_t time = (time_t)seconds;
	struct tm parts;

	if (!gmtime_r(&time, &parts) ||
		strftime(buffer, size, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
		(void)snprintf(buffer, size, "%" PRIu64, seconds);
	return buffer;
}

/* ---- status ------------------------------------------------------------------------------------- */

static void print_space(FILE *out, yyjson_val *disk)
{
	char a[32], b[32], word[16];
	yyjson_val *full = yyjson_obj_get(disk, "full_in_s");

	if (!text_of(disk, "forecast", word, sizeof(word))[0])
		return;
	(void)fprintf(out, "Space       %s, %s of %s free, %" PRIu64 " of %" PRIu64 " inodes free",
		word, view_format_bytes(number_of(disk, "free_bytes"), a, sizeof(a)),
		view_format_bytes(number_of(disk, "fs_bytes"), b, sizeof(b)),
		number_of(disk, "inodes_free"), number_of(disk, "inodes_total"));
	if (yyjson_is_num(full))
		(void)fprintf(out, "; full in %s at the present pace",
			view_format_ms(yyjson_get_num(full) * 1000, a, sizeof(a)));
	(void)fputc('\n', out);
}

static void print_errors(FILE *out, yyjson_val *errors)
{
	char when[40], function[64];
	uint64_t count = number_of(errors, "count"), io = number_of(errors, "io_count");

	if (count > 0)
		(void)fprintf(out, "Errors      %" PRIu64 " by ext4, the last at %s in %s\n", count,
			format_time(number_of(errors, "last_at"), when, sizeof(when)),
			text_of(errors, "last_function", function, sizeof(function)));
	if (io > 0)
		(void)fprintf(out, "I/O errors  %" PRIu64 " lines of the kernel, the last at %s\n",
			io, format_time(number_of(errors, "io_at"), when, sizeof(when)));
}

static void print_trim(FILE *out, yyjson_val *trim)
{
	char bytes[32], when[40];
	uint64_t at = number_of(trim, "last_at");

	if (yyjson_get_bool(yyjson_obj_get(trim, "running")))
		(void)fputs("Trim        is running\n", out);
	else if (at > 0)
		(void)fprintf(out, "Trim        %s given back, the last at %s\n",
			view_format_bytes(number_of(trim, "total_bytes"), bytes, sizeof(bytes)),
			format_time(at, when, sizeof(when)));
	print_text(out, "Trim waits", trim, "waiting");
}

static void print_job(FILE *out, yyjson_val *job)
{
	char verb[32], step[48];

	if (!yyjson_is_obj(job))
		return;
	(void)fprintf(out, "Job         %s %s", text_of(job, "verb", verb, sizeof(verb)),
		text_of(job, "step", step, sizeof(step)));
	if (yyjson_is_num(yyjson_obj_get(job, "percent")))
		(void)fprintf(out, " %.0f %%", yyjson_get_num(yyjson_obj_get(job, "percent")));
	(void)fputc('\n', out);
}

static void print_identity(FILE *out, yyjson_val *disk)
{
	char text[64], by[32];
	uint64_t made_at = number_of(disk, "made_at");

	print_text(out, "Device", disk, "device");
	if (number_of(disk, "size_bytes") > 0)
		(void)fprintf(out, "Size        %s\n",
			view_format_bytes(number_of(disk, "size_bytes"), text, sizeof(text)));
	print_text(out, "Label", disk, "label");
	print_text(out, "UUID", disk, "uuid");
	if (made_at > 0)
		(void)fprintf(out, "Made        %s by keel %s\n",
			format_time(made_at, text, sizeof(text)),
			text_of(disk, "made_by", by, sizeof(by)));
	print_text(out, "Mounted on", disk, "mountpoint");
}

void disk_view_status(FILE *out, yyjson_val *disk)
{
	static const struct {
		const char *key, *words;
	} notes[] = {
		{"formatted", "formatted by this boot"},
		{"checked", "checked by this boot"},
		{"grown", "grown since this boot"},
		{"read_only", "READ-ONLY"},
	};
	char state[32], situation[48];

	(void)fprintf(out, "State       %s", text_of(disk, "state", state, sizeof(state)));
	if (strcmp(text_of(disk, "situation", situation, sizeof(situation)), "ok") != 0)
		(void)fprintf(out, ", %s", situation);
	for (size_t i = 0; i < ARRAY_SIZE(notes); i++)
		if (yyjson_get_bool(yyjson_obj_get(disk, notes[i].key)))
			(void)fprintf(out, ", %s", notes[i].words);
	(void)fputc('\n', out);
	print_text(out, "Reason", disk, "reason");
	print_identity(out, disk);
	print_space(out, disk);
	print_errors(out, yyjson_obj_get(disk, "errors"));
	print_trim(out, yyjson_obj_get(disk, "trim"));
	print_job(out, yyjson_obj_get(disk, "job"));
}

/* ---- list --------------------------------------------------------------------------------------- */

static void print_row(FILE *out, yyjson_val *disk)
{
	char device[40], content[32], label[32], identity[48], state[64], detail[256], size[32];

	(void)fprintf(out, "%-12s %10s  %-12s %-16s %-36s  %s\n",
		text_of(disk, "device", device, sizeof(device)),
		view_format_bytes(number_of(disk, "size_bytes"), size, sizeof(size)),
		text_of(disk, "content", content, sizeof(content)),
		text_of(disk, "label", label, sizeof(label)),
		text_of(disk, "identity", identity, sizeof(identity)),
		text_of(disk, "state", state, sizeof(state)));
	if (text_of(disk, "detail", detail, sizeof(detail))[0])
		(void)fprintf(out, "%-12s %s\n", "", detail);
}

void disk_view_list(FILE *out, yyjson_val *list)
{
	yyjson_val *disk, *decision = yyjson_obj_get(list, "decision");
	char action[32], reason[512];
	yyjson_arr_iter iter;

	(void)fprintf(out, "%-12s %10s  %-12s %-16s %-36s  %s\n", "DEVICE", "SIZE", "CONTENT",
		"LABEL", "IDENTITY", "STATE");
	yyjson_arr_iter_init(yyjson_obj_get(list, "disks"), &iter);
	while ((disk = yyjson_arr_iter_next(&iter)))
		print_row(out, disk);
	(void)fprintf(out, "\n%s", text_of(decision, "action", action, sizeof(action)));
	if (text_of(decision, "reason", reason, sizeof(reason))[0])
		(void)fprintf(out, ": %s", reason);
	(void)fputc('\n', out);
}

/* ---- jobs --------------------------------------------------------------------------------------- */

static void print_trimmed(FILE *out, yyjson_val *result)
{
	char bytes[32], stopped[64];

	(void)fprintf(out, "%s given back to the host",
		view_format_bytes(number_of(result, "trimmed_bytes"), bytes, sizeof(bytes)));
	if (text_of(result, "stopped", stopped, sizeof(stopped))[0])
		(void)fprintf(out, "; stopped before the end (%s)", stopped);
	(void)fputc('\n', out);
}

static void print_grown(FILE *out, yyjson_val *result)
{
	uint64_t before = number_of(result, "old_bytes"), after = number_of(result, "new_bytes");
	char a[32], b[32];

	if (after > before)
		(void)fprintf(out, "grown from %s to %s\n", view_format_bytes(before, a, sizeof(a)),
			view_format_bytes(after, b, sizeof(b)));
	else
		(void)fprintf(out, "nothing to do: the file system fills its device (%s)\n",
			view_format_bytes(after, b, sizeof(b)));
}

/* Whatever else a job has to tell, one line each. */
static void print_members(FILE *out, yyjson_val *result)
{
	yyjson_obj_iter iter;
	yyjson_val *key;
	char name[64], text[512];

	yyjson_obj_iter_init(result, &iter);
	while ((key = yyjson_obj_iter_next(&iter))) {
		yyjson_val *value = yyjson_obj_iter_get_val(key);

		(void)snprintf(name, sizeof(name), "%s", yyjson_get_str(key));
		text_sanitize(name);
		if (yyjson_is_str(value))
			(void)fprintf(out, "%s: %s\n", name,
				text_of(result, yyjson_get_str(key), text, sizeof(text)));
		else if (yyjson_is_uint(value))
			(void)fprintf(out, "%s: %" PRIu64 "\n", name, yyjson_get_uint(value));
		else if (yyjson_is_bool(value))
			(void)fprintf(out, "%s: %s\n", name, yyjson_get_bool(value) ? "yes" : "no");
	}
}

void disk_view_result(FILE *out, const char *verb, yyjson_val *result)
{
	if (strcmp(verb, "trim") == 0)
		print_trimmed(out, result);
	else if (strcmp(verb, "grow") == 0)
		print_grown(out, result);
	else if (strcmp(verb, "list") == 0)
		disk_view_list(out, result);
	else
		print_members(out, result);
}

void disk_view_progress(FILE *out, const struct job_line *line)
{
	int filled = line->percent > 0 ? (int)(line->percent * BAR / 100) : 0;
	char bar[BAR + 1];

	memset(bar, ' ', BAR);
	memset(bar, '#', (size_t)filled);
	bar[BAR] = '\0';
	if (line->percent >= 0)
		(void)fprintf(out, "\r\033[K%-16s [%s] %5.1f %%", line->step, bar, line->percent);
	else
		(void)fprintf(out, "\r\033[K%s", line->step);
	(void)fflush(out);
}

void disk_view_progress_end(FILE *out)
{
	(void)fputs("\r\033[K", out);
	(void)fflush(out);
}
