/* SPDX-License-Identifier: MIT
 *
 * fuzz_redact.c - a secret in any of the known forms never comes out, whatever lines are around it; nothing grows; a text
 * without what makes a key or a URL stays as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/common/redact.h"
#include "tests/fuzz/fuzz.h"

#define SECRET   "Zq7-hunter2-Xw9"
#define KEY_LINE "Zq7hunter2Xw9Zq7hunter2Xw9Zq7hunter2Xw9Zq7hunter2Xw9"

static const char *const forms[] = {
	"http = http://me:" SECRET "@proxy:3128/",
	"2026 dial https://" SECRET "@host/a: refused",
	"HTTPS_PROXY=me:" SECRET "@proxy:3128",
	"\"http-proxy\": \"http://me:" SECRET "@h:1\",",
	"2026 FOO_TOKEN=" SECRET " x",
	"password = a b " SECRET " c",
	"2026 password: \"a \\\" " SECRET "\" x",
	"{\"auths\":{\"h\":{\"auth\":\"" SECRET "\"}},\"x\":1}",
	"{\"identitytoken\":\"" SECRET "\"}",
	"{\"m\":\"{\\\"password\\\":\\\"" SECRET "\\\"}\"}",
	"2026 Authorization: Basic " SECRET,
	"2026 got Bearer " SECRET " x",
	"Environment=A=" SECRET " \"B=c d\"",
	"Environment=A=b \\\n  C=" SECRET,
	"{\"Env\":[\"A=" SECRET "\"]}",
	"2026 mysql --password " SECRET " x",
	"Set-Cookie: a=" SECRET "; b",
	"2026 dckr_pat_" SECRET SECRET " x",
	"-----BEGIN PRIVATE KEY-----\n" SECRET "\n-----END PRIVATE KEY-----",
	"2026 /a?b=c&password%3D" SECRET " x",
	"2026 token[0]=" SECRET " x",
	"2026 form[password]=" SECRET " x",
	"2026 dial //me:" SECRET "@host/a: refused",
	"2026 {environment:map[A:b C:" SECRET " D:e] f",
	"2026 docker login -u me -p " SECRET " h",
	"2026 mysql -p" SECRET " db",
	KEY_LINE "\n" KEY_LINE "\n-----END RSA PRIVATE KEY-----",
	"-----BEGIN PRIVATE KEY-----\n" KEY_LINE,
};

static void check_found(unsigned int form, const char *data, size_t size)
{
	size_t cut = size / 2, len, n;
	char *text = malloc(size + 512);

	if (!text)
		return;
	memcpy(text, data, cut);
	len = cut + (size_t)sprintf(text + cut, "\n%s\n",
			    forms[form % (sizeof(forms) / sizeof(forms[0]))]);
	memcpy(text + len, data + cut, size - cut);
	len += size - cut;
	n = redact_text(text, len);
	FUZZ_CHECK(n <= len);
	FUZZ_CHECK(!memmem(text, n, SECRET, strlen(SECRET)));
	FUZZ_CHECK(!memmem(text, n, KEY_LINE, strlen(KEY_LINE)));
	free(text);
}

static void check_same(const char *data, size_t size)
{
	char *text = malloc(size + 1), *same = malloc(size + 1);

	if (!text || !same)
		abort();
	for (size_t i = 0; i < size; i++) {
		text[i] = strchr("@:=-_%", data[i]) || data[i] == 'b' || data[i] == 'B' ||
					  data[i] == 'J' || data[i] == 'K'
				  ? ' '
				  : data[i];
		same[i] = text[i];
	}
	FUZZ_CHECK(redact_text(text, size) == size && memcmp(text, same, size) == 0);
	free(text);
	free(same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;

	if (size < 1 || memmem(data, size, SECRET, strlen(SECRET)) ||
		memmem(data, size, KEY_LINE, strlen(KEY_LINE)))
		return 0;
	check_found(data[0], text, size - 1);
	check_same(text, size - 1);
	return 0;
}
