/* SPDX-License-Identifier: MIT
 *
 * complete.c - keelctl __complete WORD...: what the last of the words can become, for completion.bash and completion.zsh.
 *
 * A line for each candidate: the word, a tab, its help. A candidate that ends in ":" goes on. Instead of candidates, "files":
 * the shell's own files, in what follows "--NAME=", "unix:" and
 * "hvsock:". The words are those after "keelctl"; nothing is asked but PID 1 or the agent
 * for the names of the services.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "agent/ctl/command_line.h"

#define ASK_MS 1000

struct state {
	const char *word; /* that is being written */
	const struct ctl_verb *verb;
	unsigned int operands;    /* whole ones before it, without the verb */
	const char *first;        /* operand */
	bool ended;               /* by -- */
	enum ctl_option value_of; /* the word is the value of that; CTL_OPTION_END: it is not */
	bool nowhere;             /* --vm is no address: nobody can be asked */
	struct ctl ctl;
};

static void offer(const struct state *state, const char *word, size_t len, const char *help)
{
	size_t begun = strlen(state->word);

	if (len >= begun && memcmp(word, state->word, begun) == 0)
		(void)printf("%.*s\t%s\n", (int)len, word, help);
}

static void offer_words(const struct state *state, const char *words)
{
	while (words && *words) {
		size_t len = strcspn(words, " ");

		offer(state, words, len, "");
		words += len + strspn(words + len, " ");
	}
}

/* unix:PATH and hvsock:PATH */
static bool offer_files(const struct state *state)
{
	if (strncmp(state->word, "unix:", 5) != 0 && strncmp(state->word, "hvsock:", 7) != 0)
		return false;
	(void)puts("files");
	return true;
}

static enum ctl_option find_option(const char *word)
{
	for (enum ctl_option i = CTL_OPTION_END + 1; i < CTL_OPTIONS; i++) {
		const char letter[] = {'-', ctl_options[i].letter, '\0'};

		if ((word[1] == '-' && strcmp(word + 2, ctl_options[i].name) == 0) ||
			(ctl_options[i].letter && strcmp(word, letter) == 0))
			return i;
	}
	return CTL_OPTION_END;
}

/* ---- what stands before --------------------------------------------------------------------------- */

static void take_vm(struct state *state, const char *text)
{
	if (command_line_parse_vm(text, &state->ctl.vm) < 0)
		state->nowhere = true;
}

static void take_word(struct state *state, const char *word)
{
	if (!state->ended && strcmp(word, "--") == 0) {
		state->ended = true;
	} else if (!state->ended && word[0] == '-' && word[1]) {
		enum ctl_option option = find_option(word);

		if (option != CTL_OPTION_END && ctl_options[option].argument)
			state->value_of = option;
		if (strncmp(word, "--vm=", 5) == 0)
			take_vm(state, word + 5);
	} else if (!state->verb) {
		state->verb = ctl_find_verb(word);
	} else {
		if (state->operands++ == 0)
			state->first = word;
		state->ended = state->ended || state->verb->verbatim;
	}
}

static void take_words(struct state *state, char **words, int count)
{
	for (int i = 0; i < count; i++) {
		if (state->value_of == CTL_OPTION_VM)
			take_vm(state, words[i]);
		if (state->value_of != CTL_OPTION_END)
			state->value_of = CTL_OPTION_END;
		else
			take_word(state, words[i]);
	}
}

/* ---- what can stand here -------------------------------------------------------------------------- */

static void offer_verbs(const struct state *state)
{
	for (const struct ctl_verb *verb = ctl_verbs; verb->word; verb++)
		offer(state, verb->word, strlen(verb->word), verb->help);
}

static void offer_options(const struct state *state)
{
	for (enum ctl_option i = CTL_OPTION_END + 1; i < CTL_OPTIONS; i++) {
		const char *help = ctl_option_help(state->verb, i);
		char word[32];
		int len = snprintf(word, sizeof(word), "--%s", ctl_options[i].name);

		if (help)
			offer(state, word, (size_t)len, help);
	}
}

/* KIND,KIND: the last one, behind those that stand there. */
static void offer_kinds(const struct state *state)
{
	const char *comma = strrchr(state->word, ','),
		   *words = ctl_options[CTL_OPTION_KINDS].values;
	int before = comma ? (int)(comma + 1 - state->word) : 0;

	while (*words) {
		char list[256];
		int len = (int)strcspn(words, " ");

		if (before < (int)sizeof(list) / 2) {
			(void)snprintf(list, sizeof(list), "%.*s%.*s", before, state->word, len,
				words);
			offer(state, list, strlen(list), "");
		}
		words += len + (int)strspn(words + len, " ");
	}
}

static void offer_value(const struct state *state)
{
	if (state->value_of == CTL_OPTION_KINDS)
		offer_kinds(state);
	else if (state->value_of == CTL_OPTION_OUTPUT)
		(void)puts("files");
	else if (state->value_of != CTL_OPTION_VM || !offer_files(state))
		offer_words(state, ctl_options[state->value_of].values);
}

static void offer_units(const struct state *state)
{
	struct http_answer answer = {0};
	yyjson_doc *doc = NULL;
	yyjson_val *service;
	yyjson_arr_iter iter;
	int agent_error;

	if (state->nowhere)
		return;
	if (ctl_ask_health(&state->ctl, ASK_MS, &answer, &agent_error) == 0)
		doc = yyjson_read(answer.body, answer.body_len, YYJSON_READ_NOFLAG);
	iter = yyjson_arr_iter_with(yyjson_obj_get(yyjson_doc_get_root(doc), "services"));
	while ((service = yyjson_arr_iter_next(&iter))) {
		const char *name = yyjson_get_str(yyjson_obj_get(service, "name"));
		const char *now = yyjson_get_str(yyjson_obj_get(service, "state"));

		if (name)
			offer(state, name, strlen(name), now ? now : "");
	}
	yyjson_doc_free(doc);
	free(answer.body);
}

static void offer_operands(const struct state *state)
{
	for (const struct ctl_word *word = state->verb->words; word && word->word; word++) {
		if (state->operands == 0)
			offer(state, word->word, strlen(word->word), word->help);
		else if (state->operands == 1 && strcmp(state->first, word->word) == 0)
			offer_words(state, word->next);
	}
	if (state->operands >= state->verb->most)
		return;
	switch (state->verb->kind) {
	case CTL_OPERANDS_NONE:
		break;
	case CTL_OPERANDS_UNITS:
		offer_units(state);
		break;
	case CTL_OPERANDS_LISTEN:
		if (!offer_files(state))
			offer_words(state, "unix: tcp:127.0.0.1:");
		break;
	case CTL_OPERANDS_VERB:
		offer_verbs(state);
		break;
	}
}

int ctl_complete(const struct ctl *ctl)
{
	struct state state = {.word = ctl->argc > 0 ? ctl->argv[ctl->argc - 1] : "", .ctl = *ctl};
	char joined[64];
	const char *equals = strchr(state.word, '='), *vm = getenv("KEEL_VM");

	if (vm && vm[0])
		take_vm(&state, vm);
	take_words(&state, ctl->argv, ctl->argc - 1);
	/* --color=al: the value, with the option before it. */
	if (!state.ended && state.value_of == CTL_OPTION_END && strncmp(state.word, "--", 2) == 0 &&
		equals && (size_t)(equals - state.word) < sizeof(joined)) {
		(void)snprintf(joined, sizeof(joined), "%.*s", (int)(equals - state.word),
			state.word);
		state.value_of = find_option(joined);
		state.word = equals + 1;
	}
	if (state.value_of != CTL_OPTION_END)
		offer_value(&state);
	else if (!state.ended && state.word[0] == '-')
		offer_options(&state);
	else if (state.verb)
		offer_operands(&state);
	else
		offer_verbs(&state);
	return CTL_EXIT_OK;
}
