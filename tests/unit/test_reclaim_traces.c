/* SPDX-License-Identifier: MIT
 *
 * test_reclaim_traces.c - replays what was seen in VMs (tests/unit/traces/NAME.trace) and demands what the policy has to
 * make of it. A trace is lines of words; sizes in MiB, what comes back in pages:
 *
 *   vm TOTAL KERNEL                               the VM, and what of it is no cache
 *   has lru_gen | lacks psi|compaction            abilities; else all but lru_gen
 *   group dead|own|rest|live INACTIVE ACTIVE SLAB DIRTY
 *   stranded MIB, compaction MIB                  free blocks too small to be reported; what one compaction after the other gives
 *   back CLASS UP_TO PAGES, grows CLASS UP_TO MIB while from the dead so much in all is taken, so many pages of CLASS come
 *                                                 back, or its cache grows again without being counted
 *   wait MS, event ended|tick                     an event, and all that follows from it
 *   expect reason nothing|refaults|pressure       how that ended
 *   expect taken CLASS MIN MAX                    since the last event (several in a row are one)
 *   expect steps|ms|refaults|flushes|compactions MAX   (flushes, compactions: exactly)
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/reclaim_model.h"

#define TRACES      "tests/unit/traces"
#define STRETCHES   16
#define COMPACTIONS 4

struct stretch {
	struct model_group *group;
	bool grows;
	uint64_t up_to, amount; /* bytes; pages, or bytes that come again */
};

struct trace {
	const char *name;
	unsigned int line;
	struct model model, before; /* before: the last event */
	struct stretch stretch[STRETCHES];
	unsigned int stretches;
	uint64_t gives[COMPACTIONS];
	unsigned int compactions, compacted;
	uint64_t from_dead;
	bool expecting; /* the last line was one */
};

static const char *const class_names[] = {[RECLAIM_DEAD] = "dead",
	[RECLAIM_LIVE] = "live",
	[RECLAIM_ENGINE] = "engine",
	[RECLAIM_OWN] = "own",
	[RECLAIM_REST] = "rest"};

static unsigned int find(const struct trace *trace, const char *const names[], unsigned int count,
	const char *word)
{
	for (unsigned int i = 0; i < count; i++)
		if (names[i] != NULL && strcmp(names[i], word) == 0)
			return i;
	fail_msg("%s:%u: what is \"%s\"?", trace->name, trace->line, word);
	return 0;
}

static struct model_group *group_of(struct trace *trace, const char *word)
{
	enum reclaim_class class =
		(enum reclaim_class)find(trace, class_names, ARRAY_SIZE(class_names), word);

	for (unsigned int i = 0; i < trace->model.groups; i++)
		if (trace->model.group[i].class == class)
			return &trace->model.group[i];
	fail_msg("%s:%u: there is no group %s", trace->name, trace->line, word);
	return NULL;
}

/* --- what happens ----------------------------------------------------------------------------------------------- */

/* From the dead so much was taken before, and so much now. */
static void come_back(struct trace *trace, uint64_t before, uint64_t now)
{
	uint64_t begin[2] = {0, 0};

	for (unsigned int i = 0; i < trace->stretches; i++) {
		const struct stretch *stretch = &trace->stretch[i];
		uint64_t from = reclaim_max(begin[stretch->grows], before);
		uint64_t part = reclaim_less(reclaim_min(stretch->up_to, now), from);
		uint64_t amount = stretch->amount * (part / RECLAIM_PAGE) /
				  ((stretch->up_to - begin[stretch->grows]) / RECLAIM_PAGE);

		begin[stretch->grows] = stretch->up_to;
		if (stretch->grows)
			stretch->group->active_cold += amount;
		else
			stretch->group->refaults += amount;
	}
}

static void play(struct trace *trace, enum reclaim_event event)
{
	struct model *model = &trace->model;

	if (trace->expecting)
		trace->before = *model;
	trace->expecting = false;
	model_call(model, event);
	for (;;) {
		if (model->step.action == RECLAIM_COMPACT)
			model->compaction_gives = trace->gives[++trace->compacted % COMPACTIONS];
		if (model->step.action == RECLAIM_WAIT && !model->state.working)
			return;
		if (model->step.action == RECLAIM_WAIT) {
			come_back(trace, trace->from_dead, model->group[0].taken);
			trace->from_dead = model->group[0].taken;
			model_pass(model, model->step.again_us - model->facts.now_us);
		}
		model_call(model, RECLAIM_EVENT_NONE);
		assert_true(model->calls < 10000);
	}
}

/* --- what was expected ------------------------------------------------------------------------------------------ */

static void expect_number(struct trace *trace, const char *what, uint64_t most)
{
	static const char *const names[] = {"steps", "ms", "refaults", "flushes", "compactions"};
	const struct model *now = &trace->model, *before = &trace->before;
	unsigned int at = find(trace, names, ARRAY_SIZE(names), what);
	uint64_t value[ARRAY_SIZE(names)] = {now->takes - before->takes,
		(now->facts.now_us - before->facts.now_us) / USEC_PER_MSEC, 0,
		now->flushes - before->flushes, now->compactions - before->compactions};

	for (unsigned int i = 0; i < now->groups; i++)
		value[2] += now->group[i].refaults - before->group[i].refaults;
	if (at < 3 ? value[at] > most : value[at] != most)
		fail_msg("%s:%u: %s: %llu", trace->name, trace->line, what,
			(unsigned long long)value[at]);
}

static void expect_reason(struct trace *trace, const char *word)
{
	static const char *const names[] = {[RECLAIM_REASON_NOTHING] = "nothing",
		[RECLAIM_REASON_REFAULTS] = "refaults",
		[RECLAIM_REASON_PRESSURE] = "pressure"};

	if (trace->model.step.reason != find(trace, names, ARRAY_SIZE(names), word))
		fail_msg("%s:%u: not %s but %s", trace->name, trace->line, word,
			reclaim_reason_text(trace->model.step.reason));
}

static void expect_taken(struct trace *trace, const char *word, uint64_t least, uint64_t most)
{
	const struct model_group *group = group_of(trace, word);
	uint64_t mib = (group->taken - trace->before.group[group - trace->model.group].taken) / MIB;

	if (mib < least || mib > most)
		fail_msg("%s:%u: %llu MiB were taken from %s", trace->name, trace->line,
			(unsigned long long)mib, word);
}

/* --- the file --------------------------------------------------------------------------------------------------- */

static void set_ability(struct trace *trace, const char *word, bool has)
{
	static const char *const names[] = {"lru_gen", "psi", "compaction"};
	struct memory_abilities *abilities = &trace->model.facts.abilities;
	bool *const ability[] = {&abilities->lru_gen, &abilities->psi, &abilities->compaction};

	*ability[find(trace, names, ARRAY_SIZE(names), word)] = has;
}

static void add_group(struct trace *trace, const char *word, const unsigned long long n[4])
{
	struct model_group *group = model_add(&trace->model,
		(enum reclaim_class)find(trace, class_names, ARRAY_SIZE(class_names), word), n[0],
		n[1], 0);

	group->slab = n[2] * MIB;
	group->dirty = n[3] * MIB;
}

static void add_stretch(struct trace *trace, const char *word, bool grows,
	const unsigned long long n[4])
{
	assert_true(trace->stretches < STRETCHES);
	trace->stretch[trace->stretches++] = (struct stretch){.group = group_of(trace, word),
		.grows = grows,
		.up_to = n[0] * MIB,
		.amount = grows ? n[1] * MIB : n[1]};
}

static void expect(struct trace *trace, const char *what, const char *word,
	const unsigned long long n[4])
{
	if (strcmp(what, "reason") == 0)
		expect_reason(trace, word);
	else if (strcmp(what, "taken") == 0)
		expect_taken(trace, word, n[0], n[1]);
	else
		expect_number(trace, what, strtoull(word, NULL, 10));
	trace->expecting = true;
}

static void read_line(struct trace *trace, const char *line)
{
	static const char *const verbs[] = {"vm", "has", "lacks", "group", "stranded", "compaction",
		"back", "grows", "wait", "event", "expect"};
	static const char *const events[] = {
		[RECLAIM_EVENT_ENDED] = "ended", [RECLAIM_EVENT_TICK] = "tick"};
	char verb[16] = "", a[16] = "", b[16] = "";
	unsigned long long n[4] = {0}, number;
	int words = sscanf(line, "%15s %15s %15s", verb, a, b);

	if (words <= 0 || verb[0] == '#')
		return;
	number = strtoull(a, NULL, 10);
	(void)sscanf(line, "%*s %*s %llu %llu %llu %llu", &n[0], &n[1], &n[2], &n[3]);
	switch (find(trace, verbs, ARRAY_SIZE(verbs), verb)) {
	case 0:
		trace->model = model_make(number * MIB);
		trace->model.kernel = n[0] * MIB;
		break;
	case 1:
		set_ability(trace, a, true);
		break;
	case 2:
		set_ability(trace, a, false);
		break;
	case 3:
		add_group(trace, a, n);
		break;
	case 4:
		trace->model.facts.stranded = number * MIB;
		break;
	case 5:
		trace->gives[trace->compactions++ % COMPACTIONS] = number * MIB;
		trace->model.compaction_gives = trace->gives[0];
		break;
	case 6:
		add_stretch(trace, a, false, n);
		break;
	case 7:
		add_stretch(trace, a, true, n);
		break;
	case 8:
		model_pass(&trace->model, number * USEC_PER_MSEC);
		break;
	case 9:
		play(trace, (enum reclaim_event)find(trace, events, ARRAY_SIZE(events), a));
		break;
	default:
		(void)sscanf(line, "%*s %*s %*s %llu %llu", &n[0], &n[1]);
		expect(trace, a, b, n);
		break;
	}
}

static void replay(const char *name)
{
	struct trace trace = {.name = name, .expecting = true};
	char path[512], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", TRACES, name);
	file = fopen(path, "re");
	if (file == NULL)
		fail_msg("%s: cannot be read", path);
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		trace.line++;
		read_line(&trace, line);
	}
	if (file != NULL)
		fclose(file);
	/* One that expects nothing proves nothing. */
	assert_true(trace.expecting);
}

static void test_traces(void **state)
{
	DIR *dir = opendir(TRACES);
	const struct dirent *entry;
	unsigned int found = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		if (strstr(entry->d_name, ".trace") != NULL) {
			replay(entry->d_name);
			found++;
		}
	closedir(dir);
	assert_true(found >= 6);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_traces),
};

UNIT_TEST_MAIN(tests)
