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
	FUZZ_CHECK(unit_first_command(unit, UNIT_PHASE_START));
	check_list(unit, unit->environment_files, UNIT_ENV_FILES_MAX);
	check_list(unit, unit->before, UNIT_NAMES_MAX);
	FUZZ_CHECK(unit->success.count <= UNIT_STATUS_MAX);
	FUZZ_CHECK(unit->no_restart.count <= UNIT_STATUS_MAX);
	FUZZ_CHECK(unit->kill_signal > 0 && unit->kill_signal <= 64);
	FUZZ_CHECK(unit->pool_used <= sizeof(unit->pool));
	FUZZ_CHECK(unit->limit_count <= UNIT_LIMITS_MAX);
	FUZZ_CHECK(unit->start_limit_burst <= UNIT_STARTS_MAX);
	FUZZ_CHECK(unit->oom_score_adj >= -1000 && unit->oom_score_adj <= 1000);
	FUZZ_CHECK(unit->slice && unit->slice[0] && !strchr(unit->slice, '/') &&
		   !strchr(unit->slice, '.'));
	FUZZ_CHECK(!unit->tty_path || unit->tty_path[0] == '/');
	FUZZ_CHECK(!unit->working_directory || unit->working_directory[0] == '/' ||
		   unit->working_directory[0] == '-');
}

/* As service_process.c does it in a new process. */
static void use_unit(const struct unit *unit)
{
	static struct environment environment;

	environment.count = 0;
	environment.used = 0;
	for (size_t i = 0; unit->environment[i]; i++)
		if (environment_set(&environment, "%s", unit->environment[i]) < 0)
			return;
	for (unsigned int c = 0; c < unit->command_count; c++) {
		if (environment_expand(&environment, unit->words + unit->commands[c].first) < 0)
			return;
		for (size_t i = 0; environment.args[i]; i++)
			FUZZ_CHECK(environment.args[i] + strlen(environment.args[i]) <
				   environment.text + sizeof(environment.text));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct unit unit;
	char *text = malloc(size + 1); /* its own block: ASan sees a read past the end */
	struct unit_reader reader;
	int rc;

	memcpy(text, data, size);
	text[size] = '\0';
	bad = 0;
	unit_begin(&reader, &unit, "fuzz.service", on_problem, NULL);
	unit_read(&reader, "/etc/keel/units/fuzz.service", text);
	/* A drop-in may say everything once more. */
	if (size % 2)
		unit_read(&reader, "/etc/keel/units/fuzz.service.d/a.conf", text);
	free(text);
	rc = unit_end(&reader);
	FUZZ_CHECK((rc == 0) == (bad == 0));
	if (rc == 0) {
		check_unit(&unit);
		use_unit(&unit);
	}
	return 0;
}
