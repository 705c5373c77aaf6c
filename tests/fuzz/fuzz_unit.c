/* SPDX-License-Identifier: MIT
 *
 * fuzz_unit.c - unit files. A unit that parses is then used as service.c uses it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/environment.h"
#include "tests/fuzz/fuzz.h"

static unsigned int bad;

static void on_problem(void *ctx, bool is_bad, const char *where, const char *message)
{
	(void)ctx;
	FUZZ_CHECK(where[0] && message[0]);
	bad += is_bad;
}

/* Every list ends, and every word lies in the unit's own pool. */
static void check_list(const struct unit *unit, char *const *list, size_t max)
{
	size_t n = 0;

	for (; list[n]; n++) {
		FUZZ_CHECK(n < max);
		FUZZ_CHECK(list[n] >= unit->pool &&
			   list[n] + strlen(list[n]) < unit->pool + unit->pool_used);
	}
}

static void check_unit(const struct unit *unit)
{
	FUZZ_CHECK(unit->command_count <= UNIT_COMMANDS_MAX);
	FUZZ_CHECK(unit->word_count <= UNIT_WORDS_MAX);
	for (unsigned int i = 0; i < unit->command_count; i++) {
		FUZZ_CHECK(unit->commands[i].first < unit->word_count);
		check_list(unit, unit->words + unit->commands[i].first, UNIT_ARGS_MAX);
		FUZZ_CHECK(unit->words[unit->commands[i].first][0] == '/');
	}
	check_list(unit, unit->environment, UNIT_ENV_MAX);
	check_list(unit, unit->after, UNIT_NAMES_MAX);
	check_list(unit, unit->requires, UNIT_NAMES_MAX);
	check_list(unit, unit->wants, UNIT_NAMES_MAX);
	FUZZ_CHECK(unit_next_command(unit, UNIT_PHASE_START, 0));
	FUZZ_CHECK(unit->pool_used <= sizeof(unit->pool));
	FUZZ_CHECK(unit->limit_count <= UNIT_LIMITS_MAX);
	FUZZ_CHECK(unit->start_limit_burst <= UNIT_STARTS_MAX);
	FUZZ_CHECK(unit->oom_score_adj >= -1000 && unit->oom_score_adj <= 1000);
	FUZZ_CHECK(unit->slice && unit->slice[0] && !strchr(unit->slice, '/') &&
		   !strchr(unit->slice, '.'));
	FUZZ_CHECK(!unit->tty_path || unit->tty_path[0] == '/');
	FUZZ_CHECK(!unit->working_directory || unit->working_directory[0] == '/');
}

static void use_unit(struct service *service)
{
	static struct init init;
	static char text[UNIT_POOL_SIZE + 1024];
	char *environment[ENVIRONMENT_MAX + 1], *argv[UNIT_ARGS_MAX + 1];
	struct environment_pool pool;

	environment_make(&init, service, &pool, environment);
	const struct unit_command *start = unit_next_command(&service->unit, UNIT_PHASE_START, 0);

	if (environment_expand(service->unit.words + start->first, environment, 42, text,
		    sizeof(text), argv) == 0)
		for (size_t i = 0; argv[i]; i++)
			FUZZ_CHECK(argv[i] + strlen(argv[i]) < text + sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct service service;
	char *text = malloc(size + 1); /* its own block: ASan sees a read past the end */
	int rc;

	memcpy(text, data, size);
	text[size] = '\0';
	bad = 0;
	rc = unit_parse(&service.unit, "/etc/keel/units/fuzz.service", text, on_problem, NULL);
	free(text);
	FUZZ_CHECK((rc == 0) == (bad == 0));
	if (rc == 0) {
		check_unit(&service.unit);
		use_unit(&service);
	}
	return 0;
}
