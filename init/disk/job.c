/* SPDX-License-Identifier: MIT
 *
 * job.c - see job.h. Called by main.c and by every verb but `mount`. Failing to tell somebody is no
 * failure of the job: the disk is what counts.
 */
#include "init/disk/job.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "lib/file.h"
#include "lib/log.h"

#define PERMILLE_STEP 5

static void end_progress(struct job *job)
{
	if (job->shown)
		(void)fputc('\n', stderr);
	job->shown = false;
}

static void print_line(const char *line, size_t len)
{
	int rc = file_write_all(STDOUT_FILENO, line, len);

	if (rc < 0)
		log_debug("the reader of the results has gone: %s", strerror(-rc));
}

static void print_json(yyjson_mut_doc *doc)
{
	static const char no_memory[] =
		"{\"error\":{\"code\":\"internal\",\"message\":\"no memory\"}}\n";
	size_t len = 0;
	char *text = doc ? yyjson_mut_write(doc, YYJSON_WRITE_NEWLINE_AT_END, &len) : NULL;

	if (!text)
		print_line(no_memory, sizeof(no_memory) - 1);
	else
		print_line(text, len);
	free(text);
	yyjson_mut_doc_free(doc);
}

bool job_begin(struct job *job, bool interruptible)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

	job->terminal = !job->options.json && isatty(STDERR_FILENO);
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		(void)signal(numbers[i], interruptible ? SIG_DFL : SIG_IGN);
	job->lock_fd = -1;
	if (file_make_dirs("/run/keel") == 0)
		job->lock_fd = open(JOB_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (job->lock_fd < 0) {
		(void)job_fail(job, "failed", "%s cannot be opened: %s", JOB_LOCK, strerror(errno));
		return false;
	}
	if (flock(job->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno == EWOULDBLOCK)
		(void)job_fail(job, "busy",
			"another job works on the data disk; wait until it has ended");
	else
		(void)job_fail(job, "failed", "%s cannot be locked: %s", JOB_LOCK, strerror(errno));
	return false;
}

void job_progress(struct job *job, const char *step, unsigned int permille)
{
	char line[128];
	int len;

	if (job->step && strcmp(job->step, step) == 0 && permille < job->permille + PERMILLE_STEP)
		return;
	if (job->step && strcmp(job->step, step) != 0)
		end_progress(job);
	job->step = step;
	job->permille = permille;
	if (job->options.json) {
		len = snprintf(line, sizeof(line),
			"{\"progress\":{\"step\":\"%s\",\"percent\":%u.%u}}\n", step, permille / 10,
			permille % 10);
		print_line(line, (size_t)len);
	} else if (job->terminal) {
		(void)fprintf(stderr, "\r%s: %u.%u %%  ", step, permille / 10, permille % 10);
		job->shown = true;
	}
}

int job_fail(struct job *job, const char *code, const char *format, ...)
{
	char message[JOB_MESSAGE];
	yyjson_mut_val *root, *error;
	yyjson_mut_doc *doc;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	job_clean_text(message);
	end_progress(job);
	if (!job->options.json) {
		(void)fprintf(stderr, "keel-disk: %s\n", message);
		return 1;
	}
	root = job_result_new(&doc);
	error = root ? yyjson_mut_obj_add_obj(doc, root, "error") : NULL;
	if (error) {
		(void)yyjson_mut_obj_add_str(doc, error, "code", code);
		(void)yyjson_mut_obj_add_str(doc, error, "message", message);
	}
	print_json(doc);
	return 1;
}

void job_clean_text(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void job_add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text)
{
	char clean[JOB_MESSAGE];

	(void)snprintf(clean, sizeof(clean), "%s", text);
	job_clean_text(clean);
	(void)yyjson_mut_obj_add_strcpy(doc, object, key, clean);
}

yyjson_mut_val *job_result_new(yyjson_mut_doc **result)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;

	*result = doc;
	if (root)
		yyjson_mut_doc_set_root(doc, root);
	return root;
}

int job_succeed(struct job *job, yyjson_mut_doc *result, const char *format, ...)
{
	yyjson_mut_val *root = result ? yyjson_mut_doc_get_root(result) : NULL;
	yyjson_mut_val *outer = root ? yyjson_mut_obj(result) : NULL;
	va_list args;

	end_progress(job);
	if (job->options.json) {
		if (outer && yyjson_mut_obj_add_val(result, outer, "result", root))
			yyjson_mut_doc_set_root(result, outer);
		print_json(result);
		return 0;
	}
	yyjson_mut_doc_free(result);
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	return fflush(stdout) != 0;
}
