/* SPDX-License-Identifier: MIT
 *
 * redact.c - see redact.h. Caller: diagnostics.c.
 *
 * One pass with two places in the same memory: what is kept moves from `at` to `out`, which is never ahead of it. Every
 * rule either keeps at least a byte or drops a value, so that no text takes longer than its length.
 */
#include "agent/common/redact.h"

#include <string.h>
#include <strings.h>

struct redact {
	char *text;
	size_t len, at, out;
	size_t line;    /* where in what is kept its last line begins */
	bool in_string; /* an odd number of double quotes since the line began */
	enum {
		OPTION_NONE,
		OPTION_JOINED,
		OPTION_ANY
	} option; /* is -pX, or -p X, a password in this line? */
	size_t token_end,
		token_at; /* of the token that `at` is in: its end, its last '@' (token_end: none) */
};

#define PEM_LINE_MIN 32 /* a key's lines have 64 characters or more */
#define INDICES_MAX  4
#define INDEX_MAX    64

enum key_kind {
	KEY_PLAIN,
	KEY_SECRET,
	KEY_LINE,        /* a secret that goes to the end of the line */
	KEY_ENVIRONMENT, /* secret as a list, or when the key is exactly that of a unit */
};

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'' || c == '`';
}

/* What no URL and no unquoted value goes on behind. */
static bool ends_token(char c)
{
	return (unsigned char)c <= ' ' || is_quote(c) || c == '<' || c == '>';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool begins(const struct redact *r, size_t at, const char *word)
{
	size_t len = strlen(word);

	return r->len - at >= len && memcmp(r->text + at, word, len) == 0;
}

/* ---- what is kept, what is dropped ------------------------------------------------------------ */

static void keep_one(struct redact *r)
{
	char c = r->text[r->at++];

	if (c == '\n') {
		r->in_string = false;
		r->option = OPTION_NONE;
	}
	r->text[r->out++] = c;
	if (c == '\n')
		r->line = r->out;
}

static void keep_to(struct redact *r, size_t end)
{
	while (r->at < end)
		keep_one(r);
}

/* The value up to `end` becomes stars, as few as it had bytes. */
static void drop_to(struct redact *r, size_t end)
{
	size_t n = end - r->at < 3 ? end - r->at : 3;

	memset(r->text + r->out, '*', n);
	r->out += n;
	r->at = end;
}

/* ---- names ------------------------------------------------------------------------------------ */

static bool is_separator(char c)
{
	return c == '_' || c == '-' || c == '.';
}

/* Is the word in the name? Separators and case do not matter. */
static bool name_has(const char *name, size_t len, const char *word)
{
	for (size_t start = 0; start < len; start++) {
		const char *w = word;

		for (size_t i = start; i < len && *w && !is_separator(name[start]); i++) {
			if (is_separator(name[i]))
				continue;
			if (lower(name[i]) != *w)
				break;
			w++;
		}
		if (!*w)
			return true;
	}
	return false;
}

/* Is the word one of the parts of the name? */
static bool name_has_part(const char *name, size_t len, const char *word)
{
	size_t word_len = strlen(word);

	for (size_t start = 0, end; start < len; start = end + 1) {
		for (end = start; end < len && !is_separator(name[end]);)
			end++;
		if (end - start == word_len && strncasecmp(name + start, word, word_len) == 0)
			return true;
	}
	return false;
}

static enum key_kind judge_name(const char *name, size_t len)
{
	static const char *const lines[] = {"authorization", "cookie"};
	static const char *const words[] = {"password", "passwd", "passphrase", "secret", "token",
		"apikey", "accesskey", "privatekey", "credential", "registryauth"};
	/* "verify", "signature": what makes an address of a registry's store good for whoever has it. */
	static const char *const parts[] = {"auth", "auths", "pass", "passcode", "pwd", "pw", "psk",
		"key", "sig", "signature", "verify"};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (name_has(name, len, lines[i]))
			return KEY_LINE;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (name_has(name, len, words[i]))
			return KEY_SECRET;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (name_has_part(name, len, parts[i]))
			return KEY_SECRET;
	if ((len == 3 && strncasecmp(name, "env", len) == 0) ||
		(len == 11 && strncasecmp(name, "environment", len) == 0))
		return KEY_ENVIRONMENT;
	return KEY_PLAIN;
}

/* A name behind a backslash or percent sign may begin with what that belongs to: \n, \u0026; %26, %2526. */
static enum key_kind judge_key(const struct redact *r, size_t end)
{
	static const size_t escapes[2][2] = {{1, 5}, {2, 4}};
	enum key_kind kind = judge_name(r->text + r->at, end - r->at);
	char before = r->at > 0 ? r->text[r->at - 1] : '\0';

	if (before != '\\' && before != '%')
		return kind;
	for (size_t i = 0; i < 2 && kind == KEY_PLAIN; i++) {
		size_t skip = escapes[before == '%'][i];

		if (end - r->at > skip)
			kind = judge_name(r->text + r->at + skip, end - r->at - skip);
	}
	return kind;
}

/* ---- values ----------------------------------------------------------------------------------- */

static size_t line_end(const struct redact *r, size_t at)
{
	const char *newline = memchr(r->text + at, '\n', r->len - at);

	return newline ? (size_t)(newline - r->text) : r->len;
}

/* The end of a value without quotes. In a string of JSON it ends with the string. */
static size_t bare_end(const struct redact *r, size_t at, bool whole_line)
{
	for (; at < r->len && r->text[at] != '\n'; at++) {
		if (r->text[at] == '"' && r->in_string && r->text[at - 1] != '\\')
			break;
		if (!whole_line && (unsigned char)r->text[at] <= ' ')
			break;
	}
	return at;
}

/* The end of a unit's value: a backslash at the end of a line makes the next one part of it. */
static size_t unit_end(const struct redact *r, size_t at)
{
	size_t end = line_end(r, at);

	while (end < r->len && end > at && r->text[end - 1] == '\\')
		end = line_end(r, end + 1);
	return end;
}

/* A quoted value, `at` is on the quote or on the backslashes before it. It ends at a quote with no more backslashes
 * before it, since one more is needed to have a quote inside. */
static void drop_quoted(struct redact *r)
{
	size_t escapes = 0, run = 0, end;
	char quote;

	while (r->text[r->at] == '\\') {
		escapes++;
		keep_one(r);
	}
	quote = r->text[r->at];
	if (begins(r, r->at, quote == '"' ? "\"\"\"" : "'''")) {
		keep_to(r, r->at + 3);
		for (end = r->at; end < r->len && !begins(r, end, quote == '"' ? "\"\"\"" : "'''");)
			end++;
		drop_to(r, end);
		keep_to(r, end + 3 < r->len ? end + 3 : r->len);
		return;
	}
	keep_one(r);
	for (end = r->at; end < r->len && r->text[end] != '\n'; end++) {
		if (r->text[end] == quote && run <= escapes)
			break;
		run = r->text[end] == '\\' ? run + 1 : 0;
	}
	if (end < r->len && r->text[end] == quote)
		end -= run; /* they belong to the quote */
	drop_to(r, end);
	while (r->at < r->len && r->text[r->at] == '\\')
		keep_one(r);
	if (r->at < r->len && r->text[r->at] == quote)
		keep_one(r);
}

/* Does a list or object go on in the line that begins here? It does in what is written for people, indented. */
static bool structure_goes_on(const struct redact *r, size_t at)
{
	return at < r->len && strchr(" \t\r\n\"'}],", r->text[at]) != NULL;
}

/* A list or an object, `at` is on its first bracket: all that is in it. */
static void drop_structure(struct redact *r)
{
	size_t end = r->at + 1, depth = 1;
	bool in_string = false;

	for (; end < r->len; end++) {
		char c = r->text[end];

		if (c == '\n' && !structure_goes_on(r, end + 1))
			break;
		if (c == '\n')
			in_string = false;
		else if (c == '\\' && end + 1 < r->len && r->text[end + 1] != '\n')
			end++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']') && --depth == 0)
			break;
	}
	keep_one(r);
	drop_to(r, end < r->len ? end : r->len);
}

/* A word or a number of JSON, which stays one. False: it is something else. */
static bool drop_literal(struct redact *r)
{
	size_t end = r->at;
	bool word, number = true;

	for (; end < r->len && is_word(r->text[end]); end++)
		number &= r->text[end] <= '9';
	if (end == r->at || (end < r->len && !strchr(",}] \t\r\n", r->text[end])))
		return false;
	word = begins(r, r->at, "null") || begins(r, r->at, "true") || begins(r, r->at, "false");
	if (word && end - r->at <= strlen("false")) {
		keep_to(r, end);
		return true;
	}
	if (!number)
		return false;
	r->text[r->out++] = '0';
	r->at = end;
	return true;
}

static bool at_quote(const struct redact *r)
{
	size_t at = r->at;

	while (at < r->len && r->text[at] == '\\')
		at++;
	return at < r->len && is_quote(r->text[at]);
}

/* As Go prints what is in a map or behind a pointer: without quotes, so that nothing in it tells its end. */
static bool is_go_value(const struct redact *r, size_t at)
{
	return begins(r, at, "map[") || begins(r, at, "&map[") || begins(r, at, "&{") ||
	       begins(r, at, "&[");
}

/* `at` is on the value. */
static void drop_value(struct redact *r, bool json, bool whole_line)
{
	if (r->at == r->len)
		return;
	if (at_quote(r)) {
		drop_quoted(r);
		if (!whole_line)
			return;
	}
	if (r->at == r->len)
		return;
	if (r->text[r->at] == '{' || r->text[r->at] == '[')
		drop_structure(r);
	else if (is_go_value(r, r->at))
		drop_to(r, bare_end(r, r->at, true));
	else if (!json || !drop_literal(r))
		drop_to(r, bare_end(r, r->at, whole_line));
}

/* ---- rules: each is asked at the beginning of what it is about, true if it took something ------- */

static void find_token(struct redact *r, size_t at)
{
	if (at < r->token_end)
		return;
	r->token_end = at;
	while (r->token_end < r->len && !ends_token(r->text[r->token_end]))
		r->token_end++;
	r->token_at = r->token_end;
	for (size_t i = r->token_end; i-- > at && r->token_at == r->token_end;)
		if (r->text[i] == '@' && !begins(r, i, "@sha256:") && !begins(r, i, "@sha512:"))
			r->token_at = i;
}

/* What looks like a port is none: it is a password with something in it that should not be there. Its end is the last '@'
 * before a space, whatever is between. */
static size_t broken_user_end(const struct redact *r)
{
	size_t end = r->at, last = 0;

	for (; end < r->len && (unsigned char)r->text[end] > ' '; end++)
		if (r->text[end] == '@')
			last = end;
	return last ? last : r->token_end;
}

/* scheme://user:password@host */
static bool take_url(struct redact *r)
{
	size_t start = r->at + 3, colon = 0, end;
	bool user = false, port = true;

	if (!begins(r, r->at, "://"))
		return false;
	find_token(r, r->at);
	for (end = start; end < r->token_end && !strchr("/?#", r->text[end]); end++) {
		user |= r->text[end] == '@';
		if (r->text[end] == ':')
			colon = end;
		else if (colon && (r->text[end] < '0' || r->text[end] > '9'))
			port = false;
	}
	if (end == start || (!user && (port || r->text[start] == '[')))
		return false;
	keep_to(r, start);
	/* The token may have begun before the URL, and its '@' too. */
	user = user && r->token_at >= start && r->token_at < r->token_end;
	drop_to(r, user ? r->token_at : broken_user_end(r));
	return true;
}

/* Behind "//", an address without its scheme; one with it is take_url's. */
static bool is_behind_slashes(const struct redact *r)
{
	const char *before = r->text + r->at;

	return r->at >= 2 && before[-1] == '/' && before[-2] == '/' &&
	       (r->at == 2 || before[-3] != ':');
}

/* user:password@host, as proxies are written too. */
static bool take_bare_user(struct redact *r)
{
	size_t i = r->at;

	if (r->at > 0 && !ends_token(r->text[r->at - 1]) && !strchr("=([{,;", r->text[r->at - 1]) &&
		!is_behind_slashes(r))
		return false;
	find_token(r, r->at);
	while (i < r->token_end && !strchr(":=([{,;/", r->text[i]))
		i++;
	if (i == r->at || i == r->token_end || r->text[i] != ':' || begins(r, i, "://") ||
		r->token_at == r->token_end || r->token_at <= i + 1)
		return false;
	if (r->at > 0 && r->text[r->at - 1] == '[' && memchr(r->text + i, ']', r->token_at - i))
		return false; /* an address */
	drop_to(r, r->token_at);
	return true;
}

/* The length of the end of a private key's first or last line, 0: it is none. PGP has a BLOCK there. */
static size_t pem_length(const struct redact *r, size_t at)
{
	static const char *const ends[] = {"PRIVATE KEY-----", "PRIVATE KEY BLOCK-----"};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (begins(r, at, ends[i]))
			return strlen(ends[i]);
	return 0;
}

/* Where a run of base64 begins that ends there, or of it in a string with escapes. */
static size_t base64_start(const char *text, size_t end)
{
	while (end > 0 && (is_word(text[end - 1]) || strchr("+/=\\", text[end - 1])) &&
		!is_separator(text[end - 1]))
		end--;
	return end;
}

/* A key whose beginning was cut off has been kept as far as it was there: lines that end in base64. Whatever stands before it in
 * them goes too. */
static void drop_kept_key(struct redact *r)
{
	size_t start = r->out, line = r->line, end = r->out;

	/* In the line of the mark there is nothing, what a log has before each line, or the key in one line. */
	if (line > 0 && (end == line || is_space(r->text[end - 1])))
		end = line - 1;
	for (;;) {
		size_t from;

		if (end > 0 && (is_space(r->text[end - 1]) || r->text[end - 1] == '\r'))
			end--;
		from = base64_start(r->text, end);
		/* The last line of a key may be short, the first may have been cut. */
		if (from == end || (end - from < PEM_LINE_MIN && start != r->out && from > 0))
			break;
		start = from;
		for (line = from < line ? from : line; line > 0 && r->text[line - 1] != '\n';)
			line--;
		r->line = line;
		/* Behind a quote the key begins; behind a space is what a log has before each line. */
		if (line == 0 || (from > line && !is_space(r->text[from - 1])))
			break;
		end = line - 1;
	}
	memset(r->text + start, '*', r->out - start < 3 ? r->out - start : 3);
	r->out = r->out - start < 3 ? r->out : start + 3;
}

/* The last line of a private key, met outside of one. */
static bool take_pem_end(struct redact *r)
{
	size_t at = r->at + strlen("-----END ");

	if (!begins(r, r->at, "-----END "))
		return false;
	while (at < r->len && pem_length(r, at) == 0 && r->text[at] >= ' ' && r->text[at] <= 'Z' &&
		r->text[at] != '-')
		at++;
	if (at == r->len || pem_length(r, at) == 0)
		return false;
	drop_kept_key(r);
	keep_to(r, at + pem_length(r, at));
	return true;
}

static bool take_pem(struct redact *r)
{
	size_t begin = pem_length(r, r->at), end;

	if (begin == 0)
		return take_pem_end(r);
	keep_to(r, r->at + begin);
	for (end = r->at; end < r->len && !begins(r, end, "-----END");)
		end++;
	drop_to(r, end);
	return true;
}

static bool looks_like_base64(const char *text, size_t len)
{
	bool odd = false;

	for (size_t i = 0; i < len; i++) {
		bool letter = lower(text[i]) >= 'a' && lower(text[i]) <= 'z';

		if (!letter && !strchr("0123456789+/=", text[i]))
			return false;
		odd |= !letter || (i > 0 && text[i] < 'a');
	}
	return len >= 8 && odd;
}

/* "Bearer X", "Basic X"; `end` is that of the first word. */
static bool take_scheme(struct redact *r, size_t end)
{
	size_t len = end - r->at, value = end, value_end;
	bool bearer = len == 6 && strncasecmp(r->text + r->at, "bearer", len) == 0;

	if (!bearer && !(len == 5 && strncasecmp(r->text + r->at, "basic", len) == 0))
		return false;
	while (value < r->len && is_space(r->text[value]))
		value++;
	for (value_end = value; value_end < r->len && !ends_token(r->text[value_end]);)
		value_end++;
	if (value == end || value_end == value ||
		(!bearer && !looks_like_base64(r->text + value, value_end - value)))
		return false;
	keep_to(r, value);
	drop_to(r, value_end);
	return true;
}

/* Tokens that say themselves what they are. */
static bool take_shape(struct redact *r, size_t end)
{
	static const char *const shapes[] = {"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
		"glpat-", "dckr_pat_", "dckr_oat_", "xoxb-", "xoxp-", "SWMTKN-", "SWMKEY-", "AKIA",
		"npm_", "hf_", "eyJ"};

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		size_t len = strlen(shapes[i]);

		if (!begins(r, r->at, shapes[i]) || end - r->at < len + 16)
			continue;
		keep_to(r, r->at + len);
		drop_to(r, end);
		return true;
	}
	return false;
}

/* Only spaces before it in its line. */
static bool is_first_in_line(const struct redact *r)
{
	size_t at = r->at;

	while (at > 0 && is_space(r->text[at - 1]))
		at--;
	return at == 0 || r->text[at - 1] == '\n';
}

/* The length of a sign that a URL may have escaped, once or more often, 0: it is not there. */
static size_t sign_length(const struct redact *r, size_t at, char sign)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t i = at + 1;

	if (at < r->len && r->text[at] == sign)
		return 1;
	if (at >= r->len || r->text[at] != '%')
		return 0;
	while (begins(r, i, "25"))
		i += 2;
	if (r->len - i < 2 || r->text[i] != digits[sign >> 4 & 15] ||
		(r->text[i + 1] | 0x20) != (digits[sign & 15] | 0x20))
		return 0;
	return i + 2 - at;
}

/* What may be between a name and its sign: token[0]=, x["token"]=, form[token][a]=. */
static size_t skip_indices(const struct redact *r, size_t at)
{
	at += sign_length(r, at, ']');
	for (size_t n = 0; n < INDICES_MAX; n++) {
		size_t i = at + sign_length(r, at, '[');

		if (i == at)
			break;
		while (i < r->len && i - at < INDEX_MAX &&
			(is_word(r->text[i]) || is_quote(r->text[i])))
			i++;
		if (sign_length(r, i, ']') == 0)
			break;
		at = i + sign_length(r, i, ']');
	}
	return at;
}

/* KEY=VALUE and its like; `end` is that of the key. */
static bool take_key(struct redact *r, size_t end)
{
	enum key_kind kind = judge_key(r, end);
	bool option = begins(r, r->at, "--"), first = is_first_in_line(r), quoted, unit;
	size_t at = end;

	if (kind == KEY_PLAIN)
		return false;
	while (at < r->len && r->text[at] == '\\')
		at++;
	quoted = at < r->len && is_quote(r->text[at]);
	at = skip_indices(r, quoted ? at + 1 : end);
	unit = kind == KEY_ENVIRONMENT && end - r->at > 3 && at < r->len && r->text[at] == '=';
	while (at < r->len && is_space(r->text[at]))
		at++;
	if (at < r->len && (r->text[at] == '=' || r->text[at] == ':'))
		at += 1 + (size_t)(begins(r, at, ":=") || begins(r, at, "=>"));
	else if (sign_length(r, at, '=') + sign_length(r, at, ':') > 0)
		at += sign_length(r, at, '=') + sign_length(r, at, ':');
	else if (!option || at == end)
		return false;
	while (at < r->len && is_space(r->text[at]))
		at++;
	if (kind == KEY_ENVIRONMENT && !unit &&
		(at == r->len || (r->text[at] != '[' && r->text[at] != '{' && !is_go_value(r, at))))
		return false;
	if (quoted && r->text[end] == '"')
		r->in_string = !r->in_string;
	for (size_t i = r->at; i < at; i++)
		r->text[r->out++] = r->text[i];
	r->at = at;
	if (unit)
		drop_to(r, unit_end(r, r->at));
	else
		drop_value(r, quoted, !quoted && (first || kind == KEY_LINE));
	return true;
}

/* Does the word begin a command whose -p is a password? */
static void note_command(struct redact *r, size_t end)
{
	if (begins(r, r->at, "mysql") || begins(r, r->at, "mariadb"))
		r->option = OPTION_JOINED;
	else if ((end - r->at == 5 && begins(r, r->at, "login")) ||
		 (end - r->at == 7 && begins(r, r->at, "sshpass")))
		r->option = OPTION_ANY;
}

/* -pPASSWORD or -p PASSWORD, and not -p 8080:80, which is a port; `end` is that of the word. */
static bool take_option(struct redact *r, size_t end)
{
	size_t value = r->at + 2, value_end;
	bool port = true;

	if (r->option == OPTION_NONE || !begins(r, r->at, "-p") ||
		!is_space(r->text[r->at - 1])) /* there is a command before it */
		return false;
	if (value == end && r->option == OPTION_ANY)
		while (value < r->len && is_space(r->text[value]))
			value++;
	for (value_end = value; value_end < r->len && !ends_token(r->text[value_end]); value_end++)
		port &= strchr("0123456789.:", r->text[value_end]) != NULL;
	if (port && (value_end == value || memchr(r->text + value, ':', value_end - value)) &&
		(value == r->len || !is_quote(r->text[value])))
		return false;
	keep_to(r, value);
	drop_value(r, false, false);
	return true;
}

static void keep_quote(struct redact *r)
{
	if (r->text[r->at] == '"' && (r->at == 0 || r->text[r->at - 1] != '\\'))
		r->in_string = !r->in_string;
	keep_one(r);
}

/* Before all else: another rule's value may reach over the line by which a key is known. */
static size_t redact_keys(char *text, size_t len)
{
	struct redact redact = {.text = text, .len = len}, *r = &redact;

	while (r->at < r->len)
		if (!take_pem(r))
			keep_one(r);
	return r->out;
}

size_t redact_text(char *text, size_t len)
{
	struct redact redact = {.text = text, .len = redact_keys(text, len)}, *r = &redact;

	while (r->at < r->len) {
		size_t end = r->at;

		if (take_url(r) || take_bare_user(r))
			continue;
		while (end < r->len && is_word(r->text[end]))
			end++;
		if (end == r->at)
			keep_quote(r);
		else if (!take_key(r, end) && !take_scheme(r, end) && !take_shape(r, end) &&
			 !take_option(r, end)) {
			note_command(r, end);
			keep_to(r, end);
		}
	}
	return r->out;
}
