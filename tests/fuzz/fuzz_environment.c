/* SPDX-License-Identifier: MIT
 *
 * fuzz_environment.c - EnvironmentFile= texts, and words that are expanded with what was read from them. The first line
 * is a command's words, one a blank; the rest is the file.
 */
#include <stdlib.h>
#include <string.h>

#include "init/environment.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct environment *environment)
{
	const char *end = environment->text + sizeof(environment->text);

	FUZZ_CHECK(environment->count <= ENVIRONMENT_MAX);
	FUZZ_CHECK(environment->used <= sizeof(environment->text));
	FUZZ_CHECK(environment->list[environment->count] == NULL);
	for (unsigned int i = 0; i < environment->count; i++) {
		const char *entry = environment->list[i];

		FUZZ_CHECK(entry >= environment->text && entry + strlen(entry) < end);
		FUZZ_CHECK(strchr(entry, '=') != NULL && entry[0] != '=');
		/* One of a name. */
		for (unsigned int j = 0; j < i; j++)
			FUZZ_CHECK(strncmp(entry, environment->list[j], strcspn(entry, "=") + 1) !=
				   0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct environment environment;
	char *text = malloc(size + 1); /* its own block: ASan sees a read past the end */
	char *words[UNIT_ARGS_MAX + 1] = {NULL}, *rest;
	size_t count = 0;

	memcpy(text, data, size);
	text[size] = '\0';
	environment.count = 0;
	environment.used = 0;
	environment.list[0] = NULL;
	rest = strchr(text, '\n');
	if (rest)
		*rest++ = '\0';
	if (rest && environment_read_text(&environment, rest) == 0)
		check(&environment);
	for (char *word = strtok(text, " "); word && count < UNIT_ARGS_MAX;
		word = strtok(NULL, " "))
		words[count++] = word;
	if (environment_expand(&environment, words) == 0) {
		check(&environment);
		FUZZ_CHECK(environment.args[0] != NULL);
		for (size_t i = 0; environment.args[i]; i++)
			FUZZ_CHECK(i < ENVIRONMENT_ARGS_MAX &&
				   environment.args[i] + strlen(environment.args[i]) <
					   environment.text + sizeof(environment.text));
	}
	free(text);
	return 0;
}
