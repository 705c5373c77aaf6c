/* SPDX-License-Identifier: MIT
 *
 * exec_body.c - see exec_body.h. Caller: exec_api.c.
 */
#include "agent/exec_body.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#define TERM_MAX 32

static const char bad_argv[] =
	"argv must be a list of at least one string, 60 at most and 4000 bytes in all, "
	"the first not empty";
static const char bad_size[] = "rows and cols must be whole numbers from 1 to 65535";
static const char bad_term[] = "term must be 1 to 32 letters, digits and .+-_";

/* 0 or -E2BIG. */
static int add_word(struct runner_session_request *session, const char *word, size_t len)
{
	if (len + 1 > sizeof(session->words) - session->words_len)
		return -E2BIG;
	memcpy(session->words + session->words_len, word, len);
	session->words[session->words_len + len] = '\0';
	session->words_len += (uint32_t)len + 1;
	return 0;
}

static bool is_term(const char *term, size_t len)
{
	if (len == 0 || len > TERM_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!term[i] ||
			!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+-_",
				term[i]))
			return false;
	return true;
}

/* The runner's sessions have a TERM of their own: env(1) puts the client's in its place. */
static int take_term(yyjson_val *term, struct runner_session_request *session)
{
	char word[sizeof("TERM=") + TERM_MAX];

	if (!term)
		return 0;
	if (!yyjson_is_str(term) || !is_term(yyjson_get_str(term), yyjson_get_len(term)))
		return -EINVAL;
	if (!session->tty)
		return 0;
	(void)snprintf(word, sizeof(word), "TERM=%s", yyjson_get_str(term));
	(void)!add_word(session, "env", 3); /* the first of all: there is room */
	(void)!add_word(session, word, strlen(word));
	return 0;
}

static int take_argv(yyjson_val *argv, struct runner_session_request *session)
{
	size_t count = yyjson_arr_size(argv);

	if (!argv) {
		(void)!add_word(session, "/bin/sh", strlen("/bin/sh"));
		(void)!add_word(session, "-l", 2);
		return 0;
	}
	if (count < 1 || count > 60)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		yyjson_val *word = yyjson_arr_get(argv, i);
		size_t len = yyjson_get_len(word);

		if (!yyjson_is_str(word) || (i == 0 && len == 0) ||
			strlen(yyjson_get_str(word)) != len ||
			add_word(session, yyjson_get_str(word), len) < 0)
			return -EINVAL;
	}
	return 0;
}

static int take_number(yyjson_val *value, uint16_t *number)
{
	if (!value)
		return 0;
	if (!yyjson_is_uint(value) || yyjson_get_uint(value) < 1 ||
		yyjson_get_uint(value) > UINT16_MAX)
		return -EINVAL;
	*number = (uint16_t)yyjson_get_uint(value);
	return 0;
}

/* Another member, or one twice, would run something else than was meant: a login shell instead of a command. */
static bool has_only_ours(yyjson_val *root)
{
	static const char *const ours[] = {"argv", "tty", "rows", "cols", "term"};
	size_t known = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		known += yyjson_obj_get(root, ours[i]) != NULL;
	return known == yyjson_obj_size(root);
}

int exec_body_parse(const char *body, size_t len, struct runner_session_request *session,
	const char **wrong)
{
	static _Alignas(16) char pool[64 * 1024];
	yyjson_val *root, *tty;
	yyjson_doc *doc;
	yyjson_alc alc;

	*session = (struct runner_session_request){.rows = 24, .columns = 80};
	*wrong =
		"the body must be a JSON object with argv, tty, rows, cols and term, all optional, 8 KiB at most";
	if (len > 8192 || !yyjson_alc_pool_init(&alc, pool, sizeof(pool)))
		return -EINVAL;
	doc = len == 0 ? NULL
		       : yyjson_read_opts((char *)(uintptr_t)body, len, YYJSON_READ_NOFLAG, &alc,
				 NULL);
	root = yyjson_doc_get_root(doc);
	if (len > 0 && (!yyjson_is_obj(root) || !has_only_ours(root)))
		return -EINVAL;
	tty = yyjson_obj_get(root, "tty");
	*wrong = "tty must be true or false";
	if (tty && !yyjson_is_bool(tty))
		return -EINVAL;
	session->tty = yyjson_get_bool(tty);
	*wrong = bad_size;
	if (take_number(yyjson_obj_get(root, "rows"), &session->rows) < 0 ||
		take_number(yyjson_obj_get(root, "cols"), &session->columns) < 0)
		return -EINVAL;
	*wrong = bad_term;
	if (take_term(yyjson_obj_get(root, "term"), session) < 0)
		return -EINVAL;
	*wrong = bad_argv;
	return take_argv(yyjson_obj_get(root, "argv"), session);
}
