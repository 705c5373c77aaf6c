/* SPDX-License-Identifier: MIT
 *
 * disk.c - keelctl disk VERB: asks the agent about the data disk, and has it do what is to be done. In the guest, when the
 * agent does not answer, list and status come from keel-disk itself.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ctl/ctl.h"
#include "agent/ctl/disk_view.h"
#include "agent/ctl/http_client.h"

#define PROGRAM "/usr/lib/keel/keel-disk"
#define LIST_S  60 /* every disk is read a little */

static const struct {
	const char *word;
	bool post, takes_device, needs_names;
} verbs[] = {
	{"status", false, false, false},
	{"list", false, false, false},
	{"trim", true, false, false},
	{"grow", true, false, false},
	{"repair", true, true, false},
	{"init", true, true, true},
	{"adopt", true, true, true},
};

/* What comes of a question. */
struct disk_answer {
	const struct ctl *ctl;
	const char *verb;
	int status;
	bool done;   /* the last line was there */
	bool failed; /* and it was an error */
	bool shown;  /* a line of progress is on the terminal */
	size_t len;
	char text[JOB_LINE_MAX + 1];
};

/* ---- answers ------------------------------------------------------------------------------------ */

static void print_object(const struct disk_answer *answer, const char *text, size_t len)
{
	yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc);

	if (answer->ctl->json)
		ctl_print_json(stdout, text, len);
	else if (strcmp(answer->verb, "status") == 0)
		disk_view_status(stdout, root);
	else
		disk_view_result(stdout, answer->verb, root);
	yyjson_doc_free(doc);
}

static void take_line(struct disk_answer *answer, const char *text, size_t len)
{
	struct job_line line;

	if (job_line_parse(text, len, &line) < 0)
		return;
	if (line.kind == JOB_LINE_PROGRESS) {
		if (!answer->ctl->json && isatty(STDERR_FILENO)) {
			answer->shown = true;
			disk_view_progress(stderr, &line);
		}
		return;
	}
	if (answer->shown)
		disk_view_progress_end(stderr);
	answer->done = true;
	answer->failed = line.kind == JOB_LINE_ERROR;
	if (line.kind == JOB_LINE_RESULT) {
		print_object(answer, line.object, line.object_len);
		return;
	}
	if (answer->ctl->json)
		ctl_print_json(stdout, text, len);
	(void)ctl_fail(answer->ctl, "%s", line.message);
}

/* An http_client_piece_fn: collects; of a stream, takes each line when it is whole. */
static int take_piece(void *ctx, int status, const char *data, size_t len)
{
	struct disk_answer *answer = ctx;
	char *newline;

	answer->status = status;
	if (len > sizeof(answer->text) - answer->len)
		return -EFBIG;
	memcpy(answer->text + answer->len, data, len);
	answer->len += len;
	while (status == 200 && strcmp(answer->verb, "status") != 0 &&
		strcmp(answer->verb, "list") != 0 &&
		(newline = memchr(answer->text, '\n', answer->len))) {
		size_t used = (size_t)(newline - answer->text) + 1;

		take_line(answer, answer->text, used - 1);
		answer->len -= used;
		memmove(answer->text, newline + 1, answer->len);
	}
	return 0;
}

static int conclude(struct disk_answer *answer, bool post)
{
	if (answer->status != 200)
		return ctl_refused(answer->ctl, answer->status, answer->text, answer->len);
	if (!post) {
		print_object(answer, answer->text, answer->len);
		return CTL_EXIT_OK;
	}
	if (!answer->done) {
		return ctl_fail(answer->ctl,
			"the connection ended before the job; it goes on in the guest (keelctl disk status)");
	}
	return answer->failed ? CTL_EXIT_NO : CTL_EXIT_OK;
}

/* ---- questions ---------------------------------------------------------------------------------- */

/* {"uuid":…,"device":…} with what was said. Free it; NULL without memory. */
static char *make_body(const struct ctl *ctl)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);
	char *text;

	yyjson_mut_doc_set_root(doc, root);
	if (ctl->uuid)
		(void)yyjson_mut_obj_add_str(doc, root, "uuid", ctl->uuid);
	if (ctl->argc > 1)
		(void)yyjson_mut_obj_add_str(doc, root, "device", ctl->argv[1]);
	text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
	yyjson_mut_doc_free(doc);
	return text;
}

/* The agent does not answer: keel-disk can still look. Comes back only if it cannot. */
static void ask_the_program(const struct ctl *ctl, const char *verb, int error)
{
	const char *arguments[] = {PROGRAM, verb, ctl->json ? "--json" : NULL, NULL};

	if (access(PROGRAM, X_OK) < 0)
		return;
	(void)ctl_fail(ctl, "keel-agent does not answer (%s); this is what keel-disk says",
		strerror(-error));
	(void)fflush(NULL);
	(void)execv(PROGRAM, (char *const *)(uintptr_t)arguments);
}

static int ask(const struct ctl *ctl, const char *verb, bool post)
{
	static struct disk_answer answer;
	const struct address address = ctl_api_address(ctl);
	char path[64];
	unsigned int seconds = ctl->timeout_s ? ctl->timeout_s : post ? CTL_ANSWER_S : LIST_S;
	_cleanup_free_ char *body = post ? make_body(ctl) : NULL;
	int rc;

	answer.ctl = ctl;
	answer.verb = verb;
	(void)snprintf(path, sizeof(path), "/v1/disk%s%s%s", strcmp(verb, "status") == 0 ? "" : "/",
		strcmp(verb, "status") == 0 ? "" : verb, post ? "?progress=1" : "");
	rc = http_client_stream(&address, post ? "POST" : "GET", path, body, seconds * 1000,
		post && ctl->timeout_s == 0 ? HTTP_CLIENT_FOREVER : HTTP_CLIENT_WHOLE,
		STDOUT_FILENO, take_piece, &answer);
	if (rc == -EPIPE) /* who reads our output has gone: no fault */
		return CTL_EXIT_OK;
	if (rc == 0 || (post && answer.status == 200))
		return conclude(&answer, post);
	if (answer.status != 0)
		return ctl_fail(ctl, "the answer broke off: %s", strerror(-rc));
	if (!post && ctl->vm.kind == ADDRESS_NONE)
		ask_the_program(ctl, verb, rc);
	return ctl_unreachable(ctl, rc);
}

int ctl_disk(const struct ctl *ctl)
{
	const char *word = ctl->argc > 0 ? ctl->argv[0] : "";
	size_t i = 0;

	while (i < ARRAY_SIZE(verbs) && strcmp(word, verbs[i].word) != 0)
		i++;
	if (i == ARRAY_SIZE(verbs)) {
		return ctl_unknown_word(ctl, word);
	}
	if (verbs[i].needs_names && (ctl->argc < 2 || !ctl->uuid))
		return ctl_usage(ctl,
			"it needs --uuid IDENTITY and DEVICE, both as disk list shows them");
	if (!verbs[i].takes_device && (ctl->argc > 1 || ctl->uuid))
		return ctl_usage(ctl, "%s: it takes no device",
			ctl->argc > 1 ? ctl->argv[1] : "--uuid");
	(void)signal(SIGPIPE, SIG_IGN);
	return ask(ctl, word, verbs[i].post);
}
