/* SPDX-License-Identifier: MIT
 *
 * test_redact.c - every known form of a secret, and what is none.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/common/redact.h"
#include "lib/base.h"

#define KEY_LINE "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
/* Without the parentheses a comma would seem to be missing. */
#define KEY_UNTIL(text) (KEY_LINE text)

/* An exact copy on the heap: a byte too far is seen. */
static void check(const char *text, const char *want)
{
	size_t len = strlen(text), n;
	char *copy = malloc(len ? len : 1), *got = malloc(len + 1);

	assert_non_null(copy);
	assert_non_null(got);
	memcpy(copy, text, len);
	n = redact_text(copy, len);
	assert_true(n <= len);
	memcpy(got, copy, n);
	got[n] = '\0';
	assert_string_equal(got, want);
	free(copy);
	free(got);
}

static void pairs(const char *const (*list)[2], size_t count)
{
	for (size_t i = 0; i < count; i++)
		check(list[i][0], list[i][1]);
}

static void urls(void **state)
{
	static const char *const list[][2] = {
		{"http = http://me:hunter2@proxy:3128/", "http = http://***@proxy:3128/"},
		{"x https://ghtoken@host/a?b", "x https://***@host/a?b"},
		{"\"http-proxy\": \"http://u:p@h:1\", \"n\": 1",
			"\"http-proxy\": \"http://***@h:1\", \"n\": 1"},
		{"http://u:p@ss@h http://h2", "http://***@h http://h2"},
		{"http://u:p/ss@h:1", "http://***@h:1"},
		{"http://u:p/a/b c", "http://*** c"},
		{"http://u:p'a@h c", "http://***@h c"},
		{"http://u:pa'a c", "http://***'a c"},
		{"http://u:p#?@h", "http://***@h"},
		{"http:\\/\\/u:p@h", "***@h"},
		{"HTTP_PROXY=me:pw@host:3128", "HTTP_PROXY=***@host:3128"},
		{"me:pw@host", "***@host"},
		{"(me:pw@host)", "(***@host)"},
		{"<http://u:p@h> x", "<http://***@h> x"},
		{"http://u:!x y", "http://*** y"},
		{"http://x@sha256:1", "http://*@sha256:1"},
		{"1@x://u:po-a:1@sha256:0", "1@x://***@sha256:0"},
		{"[me:pw@host", "[***@host"},
		{"a://b://u:p@h", "a://b://***@h"},
		{"dial //me:hunter2@host/a: refused", "dial //***@host/a: refused"},
		{"//me:hunter2@host", "//***@host"},
	};
	static const char *const same[] = {"http://host:80/path@x", "http://[::1]:80/",
		"http://[fe80::1]/a@b", "http://", "://", "x://@",
		"docker.io/library/a:1@sha256:0123", "https://r/a:1@sha512:9", "git@github.com:a/b",
		"user@host", "//user@host", "//host:80/a", "// a:b c@d", ":x@y", "a/b:c@d", "a:@b",
		"12:00:01", "http://h/?a=b@c", "@", "a=b@c"};

	(void)state;
	pairs(list, ARRAY_SIZE(list));
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		if (i != 5)
			check(same[i], same[i]);
}

static void keys(void **state)
{
	static const char *const list[][2] = {
		{"x password=hunter2 y", "x password=*** y"},
		{"x PASSWORD: hunter2 y", "x PASSWORD: *** y"},
		{"x password := hunter2", "x password := ***"},
		{"x password => hunter2 y", "x password => *** y"},
		{"x ENCRYPTION_KEY=abc y", "x ENCRYPTION_KEY=*** y"},
		{"x passcode=123 psk=abc", "x passcode=*** psk=***"},
		{"x https://h/a?X-Amz-Signature=abc&b", "x https://h/a?X-Amz-Signature=***"},
		{"x https://h/data?verify=1-abc%3D y", "x https://h/data?verify=*** y"},
		{"x DB_PASSWORD='a b' y", "x DB_PASSWORD='***' y"},
		{"x MY_API-KEY=\"a\\\"b\" y", "x MY_API-KEY=\"***\" y"},
		{"x FOO_TOKEN=`abc` y", "x FOO_TOKEN=`***` y"},
		{"password = a b c\nnext", "password = ***\nnext"},
		{"  password = \"a b\" c\nnext", "  password = \"***\"**\nnext"},
		{"x pw=1", "x pw=*"},
		{"x pwd=12", "x pwd=**"},
		{"x token=", "x token="},
		{"x token", "x token"},
		{"x --password hunter2 y", "x --password *** y"},
		{"x --password=hunter2 y", "x --password=*** y"},
		{"x --token", "x --token"},
		{"x --token\ny", "x --token\ny"},
		{"x /a?sig=abc&b=c y", "x /a?sig=*** y"},
		{"x \\npwd=abc", "x \\npwd=***"},
		{"x \\u0026sig=abc", "x \\u0026sig=***"},
		{"x \\u0026a=abc", "x \\u0026a=abc"},
		{"x \\ba=abc", "x \\ba=abc"},
		{"x token=\"\"\"a\nb\"\"\" y", "x token=\"\"\"***\"\"\" y"},
		{"x token='''a\nb", "x token='''***"},
		{"x token=\"\"\"a\"\"\"", "x token=\"\"\"*\"\"\""},
		{"x token=\"abc\ny", "x token=\"***\ny"},
		{"x token=\"", "x token=\""},
		{"x token=\\\"abc", "x token=\\\"***"},
		{"x token=\\", "x token=*"},
		{"x token=[a b\nc", "x token=[***\nc"},
		{"x token=[a", "x token=[*"},
		{"x token:\tabc", "x token:\t***"},
		{"x token=[a\n", "x token=[*\n"},
		{"x token=[a\\", "x token=[**"},
		{"x token=[a\\\n b]", "x token=[***]"},
		{"password = \"abc\"", "password = \"***\""},
		{"x a=1&password%3Dhunter2 y", "x a=1&password%3D*** y"},
		{"x ?a%26pw%3dhunter2 y", "x ?a%26pw%3d*** y"},
		{"x ?a%2526pw%253Dhunter2 y", "x ?a%2526pw%253D*** y"},
		{"x token%3Aabc", "x token%3A***"},
		{"x token%25", "x token%25"},
		{"x token%", "x token%"},
		{"x token%3", "x token%3"},
		{"x token%3B", "x token%3B"},
		{"x token[0]=abc y", "x token[0]=*** y"},
		{"x token[a][\"b\"] = abc y", "x token[a][\"b\"] = *** y"},
		{"x user[password]=abc y", "x user[password]=*** y"},
		{"x $c['password'] = 'abc'; y", "x $c['password'] = '***'; y"},
		{"x token%5B0%5D%3Dabc y", "x token%5B0%5D%3D*** y"},
		{"x environment:map[A:b C:d]e] f\ny", "x environment:***\ny"},
		{"x Env:&map[A:b]", "x Env:***"},
		{"x auth:&[a b] c", "x auth:***"},
		{"x auth:&{me hunter2 x} y\nz", "x auth:***\nz"},
		{"{\"log\":[\"x auth:map[a:b c] d\",\"e\"]}", "{\"log\":[\"x auth:***\",\"e\"]}"},
		{"docker login -u me -p hunter2 h", "docker login -u me -p *** h"},
		{"docker login -p 'hunter 2' h", "docker login -p '***' h"},
		{"docker login -phunter2 h", "docker login -p*** h"},
		{"docker login -p 1234", "docker login -p ***"},
		{"/usr/bin/mysqldump -phunter2 db", "/usr/bin/mysqldump -p*** db"},
		{"mariadb -phunter2 db", "mariadb -p*** db"},
		{"sshpass -p hunter2 ssh", "sshpass -p *** ssh"},
	};
	static const char *const same[] = {"tokens are counted", "the password was wrong",
		"author: me", "passing=1", "bypass_x=1", "token", "environment: production",
		"environment", "env=1", "env: x", "docker_host=a", "a_b=c", "keys=1", "monkey=1",
		"/a.key", "docker run -p 8080:80 x", "run --name mysql -p 127.0.0.1:80:80 x",
		"run --name mysql -p3306:3306 x", "mysql -p db", "login -p", "login -p ",
		"mysql\n-phunter2", "login x-p y", "login \"-p x\"", "token[0]", "token[",
		"token[\n]=x", "[auth]\nx", "token[0", "token[0][",
		"token[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]=x",
		"token%5B", "[\"token\",\"x\"]"};

	(void)state;
	pairs(list, ARRAY_SIZE(list));
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		check(same[i], same[i]);
}

static void json(void **state)
{
	static const char *const list[][2] = {
		{"{\"password\":\"a\\\"b\",\"x\":1}", "{\"password\":\"***\",\"x\":1}"},
		{"{\"password\" : \"abc\"}", "{\"password\" : \"***\"}"},
		{"{\"password\":\"ab\\\\\",\"x\":\"y\"}", "{\"password\":\"***\"x\":\"y\"}"},
		{"{\"token\":null,\"auth\":true,\"pin_pw\":12345}",
			"{\"token\":null,\"auth\":true,\"pin_pw\":0}"},
		{"{\"token\":false}", "{\"token\":false}"},
		{"{\"token\":falseness}", "{\"token\":***"},
		{"{\"token\":12", "{\"token\":0"},
		{"{\"token\":$x y", "{\"token\":** y"},
		{"{\"token\":1x}", "{\"token\":***"},
		{"{\"auths\":{\"h\":{\"auth\":\"abc}\"}},\"x\":1}", "{\"auths\":{***},\"x\":1}"},
		{"{\"auths\": {\n  \"h\": {\n    \"auth\": \"a\\\"}\"\n  }\n},\n\"x\":1}",
			"{\"auths\": {***},\n\"x\":1}"},
		{"{\"log\":[\"2026 a token=abc\",\"b\"]}",
			"{\"log\":[\"2026 a token=***\",\"b\"]}"},
		{"{\"log\":[\"Authorization: Digest a=\\\"b\\\"\",\"b\"]}",
			"{\"log\":[\"Authorization: ***\",\"b\"]}"},
		{"{\"m\":\"{\\\"password\\\":\\\"a\\\\\\\"b\\\",\\\"x\\\":1}\"}",
			"{\"m\":\"{\\\"password\\\":\\\"***\\\",\\\"x\\\":1}\"}"},
		{"{\"Env\":[\"A=b\",\"C=d\"],\"x\":1}", "{\"Env\":[***],\"x\":1}"},
		{"{\"environment\":{\"A\":\"b\"},\"x\":1}", "{\"environment\":{***},\"x\":1}"},
		{"{\"Env\":\"A\"}", "{\"Env\":\"A\"}"},
		{"{\"Env\":", "{\"Env\":"},
		{"{\"token\":1$x y", "{\"token\":*** y"},
		{"{\"token\":,\"x\":1}", "{\"token\":***"},
		{"{'token': 'abc'}", "{'token': '***'}"},
	};

	(void)state;
	pairs(list, ARRAY_SIZE(list));
}

static void others(void **state)
{
	static const char *const list[][2] = {
		{"x Authorization: Basic abc def\ny", "x Authorization: ***\ny"},
		{"x Proxy-Authorization:[Bearer abc] y", "x Proxy-Authorization:[***] y"},
		{"x -H \"Authorization: Digest a\" y", "x -H \"Authorization: ***\" y"},
		{"x Set-Cookie: a=b; c\ny", "x Set-Cookie: ***\ny"},
		{"got bearer abc.def y", "got bearer *** y"},
		{"got Basic dXNlcjpwYXNz y", "got Basic *** y"},
		{"got Basic abcdefgh= y", "got Basic *** y"},
		{"Environment=A=b \"C=d e\"\nExec=/x", "Environment=***\nExec=/x"},
		{"Environment=A=b \\\n  C=d\nExec=/x", "Environment=***\nExec=/x"},
		{"Environment=A \\", "Environment=***"},
		{"Environment=\nA=b", "Environment=\nA=b"},
		{"-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nx",
			"-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----\nx"},
		{"-----BEGIN RSA PRIVATE KEY-----\nabc", "-----BEGIN RSA PRIVATE KEY-----***"},
		{"-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc\n-----END PGP PRIVATE KEY BLOCK-----\nx",
			"-----BEGIN PGP PRIVATE KEY BLOCK-----***-----END PGP PRIVATE KEY BLOCK-----\nx"},
		/* Its beginning was cut off: at a line, within one, within the first line. */
		{KEY_LINE "\n" KEY_LINE "\nabc=\n-----END PRIVATE KEY-----\nx",
			"***-----END PRIVATE KEY-----\nx"},
		{"ab\n" KEY_LINE "\r\nabc=\r\n-----END EC PRIVATE KEY-----",
			"***-----END EC PRIVATE KEY-----"},
		{"RIVATE KEY-----\n" KEY_LINE "\nabc=\n-----END PRIVATE KEY-----",
			"RIVATE KEY-----\n***-----END PRIVATE KEY-----"},
		{"it said\n1 err " KEY_LINE "\n1 err abc=\n1 err -----END PRIVATE KEY-----",
			"it said\n1 err ***-----END PRIVATE KEY-----"},
		{"{\"a\":\"" KEY_LINE "\\nabc=\\n-----END PRIVATE KEY-----\\n\"}",
			"{\"a\":\"***-----END PRIVATE KEY-----\\n\"}"},
		{"it\n{\"a\":\"" KEY_LINE "\\n-----END PRIVATE KEY-----",
			"it\n{\"a\":\"***-----END PRIVATE KEY-----"},
		{KEY_LINE "\n-----END PRIVATE KEY-----\n" KEY_LINE "\n-----END PRIVATE KEY-----",
			"***-----END PRIVATE KEY-----\n***-----END PRIVATE KEY-----"},
		{"a ghp_0123456789abcdefXYZ b", "a ghp_*** b"},
		{"a SWMKEY-1-0123456789abcdefXYZ b", "a SWMKEY-*** b"},
		{"a AKIA0123456789ABCDEF b", "a AKIA*** b"},
		{"a eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.abc b", "a eyJ*** b"},
	};
	static const char *const same[] = {"basic authentication failed", "Basic", "Bearer",
		"Bearer ", "Basic a,bcdefgh1", "Basic abc", "Basic abcdefg~", "ghp_short", "eyJabc",
		"", "\n", "-----END PRIVATE KEY-----", "x.\n-----END PRIVATE KEY-----", "-----END ",
		KEY_UNTIL("\n-----END CERTIFICATE-----"), "-----END AB", "-----END AB\n",
		"-----END AB\"", "-----END ab", "-----END PRIVATE KEY", "PassEnvironment=A",
		"EnvironmentFile=/x"};

	(void)state;
	pairs(list, ARRAY_SIZE(list));
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		check(same[i], same[i]);
}

/* Every text that is long and nasty takes no longer than its length: this ends at once or never. */
static void long_texts(void **state)
{
	static const char *const parts[] = {"://", "=", ",", "a:", "\"", "\\", "[", "{", "token=[",
		"a://", "token", "-", " ", "\n", "'", "PRIVATE KEY-----", "-----END",
		"token=\"\"\"", "@", "x:@", "password=x ", "env", "_-", "token[", "[token]",
		"token[token]", "%25", "token%25", "token%5B", "-----END PRIVATE KEY-----",
		"A -----END PRIVATE KEY-----", "A\n-----END PRIVATE KEY-----", "A", "-----END A",
		"login -p ", "mysql -p", "//x:", "auth:map[", KEY_UNTIL(" \n"),
		KEY_UNTIL("\nA -----END PRIVATE KEY-----")};
	size_t len = 256 * 1024;
	char *text = malloc(len);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t part = strlen(parts[i]);

		for (size_t k = 0; k < len; k++)
			text[k] = parts[i][k % part];
		assert_true(redact_text(text, len) <= len);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls),
		cmocka_unit_test(keys),
		cmocka_unit_test(json),
		cmocka_unit_test(others),
		cmocka_unit_test(long_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
