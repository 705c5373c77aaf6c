/* SPDX-License-Identifier: MIT
 *
 * memory_read.c - see memory_read.h. Callers: memory_gather.c, system.c, pressure.c, disk_trim.c.
 *
 * One walk over each text. A number is taken only if it ends where a word may end, so that what a bounded read has
 * cut off is never taken for a smaller one.
 */
#include "agent/common/memory_read.h"

#include <string.h>

#define KIB 1024

/* A field of a struct and the key that its value has in a text of "key value" lines. */
struct field {
	const char *key;
	size_t offset;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *skip_blanks(const char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	return text;
}

/* The decimal number at `text`, behind blanks. What follows it, or NULL: there is none, it is too large, or what follows is
 * neither a blank nor the line's end. */
static const char *read_number(const char *text, uint64_t *value)
{
	uint64_t number = 0;

	text = skip_blanks(text);
	if (!is_digit(*text))
		return NULL;
	for (; is_digit(*text); text++)
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			return NULL;
	if (*text != ' ' && *text != '\t' && *text != '\n')
		return NULL;
	*value = number;
	return text;
}

/* The next line's begin, NULL if `line` is the last one. */
static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end && end[1] != '\0' ? end + 1 : NULL;
}

/* What follows the word, or NULL if the text does not begin with it. */
static const char *skip_word(const char *text, const char *word)
{
	for (; *word != '\0'; text++, word++)
		if (*text != *word)
			return NULL;
	return text;
}

/* Sums never wrap: a hostile text makes them as large as they get. */
static void add(uint64_t *sum, uint64_t more)
{
	if (__builtin_add_overflow(*sum, more, sum))
		*sum = UINT64_MAX;
}

/* The number behind a line's first word, if that is the key. */
static bool read_value(const char *line, const char *key, uint64_t *value)
{
	const char *text = skip_word(line, key);

	return text && (*text == ' ' || *text == '\t') && read_number(text, value);
}

/* Fills in the struct at `base`. Which of the fields were found, a bit each. */
static unsigned int read_fields(const char *text, const struct field *fields, size_t count,
	uint64_t unit, void *base)
{
	unsigned int found = 0;

	for (const char *line = text; line; line = next_line(line)) {
		for (size_t i = 0; i < count; i++) {
			uint64_t number;

			if (!read_value(line, fields[i].key, &number) ||
				__builtin_mul_overflow(number, unit, &number))
				continue;
			memcpy((char *)base + fields[i].offset, &number, sizeof(number));
			found |= 1U << i;
			break;
		}
	}
	return found;
}

int memory_read_stat(const char *text, struct memory_stat *stat)
{
#define FIELD(name) offsetof(struct memory_stat, name)
	static const struct field fields[] = {
		/* The first two are of cgroup v2 only. */
		{"anon", FIELD(anon)},
		{"file", FIELD(file)},
		{"shmem", FIELD(shmem)},
		{"file_mapped", FIELD(file_mapped)},
		{"file_dirty", FIELD(file_dirty)},
		{"file_writeback", FIELD(file_writeback)},
		{"inactive_file", FIELD(inactive_file)},
		{"active_file", FIELD(active_file)},
		{"slab_reclaimable", FIELD(slab_reclaimable)},
		{"slab_unreclaimable", FIELD(slab_unreclaimable)},
		{"workingset_refault_file", FIELD(refault_file)},
		{"workingset_restore_file", FIELD(restore_file)},
	};
#undef FIELD

	*stat = (struct memory_stat){0};
	return read_fields(text, fields, ARRAY_SIZE(fields), 1, stat) & 3 ? 0 : -EPROTO;
}

static void subtract(uint64_t *from, uint64_t part)
{
	*from -= part < *from ? part : *from;
}

void memory_stat_subtract(struct memory_stat *from, const struct memory_stat *part)
{
	subtract(&from->anon, part->anon);
	subtract(&from->file, part->file);
	subtract(&from->shmem, part->shmem);
	subtract(&from->file_mapped, part->file_mapped);
	subtract(&from->file_dirty, part->file_dirty);
	subtract(&from->file_writeback, part->file_writeback);
	subtract(&from->inactive_file, part->inactive_file);
	subtract(&from->active_file, part->active_file);
	subtract(&from->slab_reclaimable, part->slab_reclaimable);
	subtract(&from->slab_unreclaimable, part->slab_unreclaimable);
	subtract(&from->refault_file, part->refault_file);
	subtract(&from->restore_file, part->restore_file);
}

uint64_t memory_stat_cache(const struct memory_stat *stat)
{
	uint64_t sum = stat->inactive_file;

	add(&sum, stat->active_file);
	add(&sum, stat->slab_reclaimable);
	return sum;
}

/* "some avg10=1.25 avg60=0.00 avg300=0.00 total=123": the two numbers of a line. */
static bool read_pressure_line(const char *line, const char *word, unsigned int *permille,
	uint64_t *total_us)
{
	const char *text = skip_word(line, word);
	unsigned int value = 0;

	text = text ? skip_word(text, " avg10=") : NULL;
	if (!text || !is_digit(*text))
		return false;
	for (; is_digit(*text); text++) {
		value = value * 10 + (unsigned int)(*text - '0');
		if (value > 100)
			return false;
	}
	if (text[0] != '.' || !is_digit(text[1]) || !is_digit(text[2]))
		return false;
	value = value * 10 + (unsigned int)(text[1] - '0');
	if (value > 1000)
		return false;
	/* Up to the line's end, not beyond it: the next one has a total of its own. */
	for (; *text != '\0' && *text != '\n'; text++) {
		const char *total = skip_word(text, " total=");

		if (total && is_digit(*total) && read_number(total, total_us)) {
			*permille = value;
			return true;
		}
	}
	return false;
}

int memory_read_pressure(const char *text, struct memory_pressure *pressure)
{
	const char *full = next_line(text);

	*pressure = (struct memory_pressure){0};
	if (!read_pressure_line(text, "some", &pressure->some_avg10_permille, &pressure->some_us))
		return -EPROTO;
	if (full)
		(void)read_pressure_line(full, "full", &pressure->full_avg10_permille,
			&pressure->full_us);
	return 0;
}

int memory_read_info(const char *text, struct memory_info *info)
{
#define FIELD(name) offsetof(struct memory_info, name)
	static const struct field fields[] = {
		{"MemTotal:", FIELD(total)},
		{"MemFree:", FIELD(free)},
		{"MemAvailable:", FIELD(available)},
		{"Buffers:", FIELD(buffers)},
		{"Cached:", FIELD(cached)},
		{"SwapTotal:", FIELD(swap_total)},
		{"SwapFree:", FIELD(swap_free)},
		{"Dirty:", FIELD(dirty)},
		{"Writeback:", FIELD(writeback)},
		{"AnonPages:", FIELD(anon)},
		{"Shmem:", FIELD(shmem)},
		{"SReclaimable:", FIELD(slab_reclaimable)},
		{"SUnreclaim:", FIELD(slab_unreclaimable)},
	};
#undef FIELD

	*info = (struct memory_info){0};
	(void)read_fields(text, fields, ARRAY_SIZE(fields), KIB, info);
	return info->total > 0 ? 0 : -EPROTO;
}

/* "Node 0, zone      DMA  ": what follows, or NULL. */
static const char *skip_zone(const char *line)
{
	const char *text = skip_word(line, "Node ");
	size_t len = text ? strspn(text, "0123456789") : 0;

	text = len > 0 ? skip_word(text + len, ", zone ") : NULL;
	if (!text)
		return NULL;
	text = skip_blanks(text);
	len = strcspn(text, " \t\n");
	return len > 0 ? text + len : NULL;
}

int memory_read_buddyinfo(const char *text, uint64_t blocks[MEMORY_ORDERS])
{
	unsigned int zones = 0;

	memset(blocks, 0, MEMORY_ORDERS * sizeof(blocks[0]));
	for (const char *line = text; line; line = next_line(line)) {
		const char *at = skip_zone(line);
		uint64_t count;

		for (size_t order = 0; at && order < MEMORY_ORDERS; order++) {
			at = read_number(at, &count);
			if (!at)
				break;
			add(&blocks[order], count);
			zones += order == 0;
		}
	}
	return zones > 0 ? 0 : -EPROTO;
}

int memory_read_zoneinfo(const char *text, uint64_t *pcp_pages)
{
	bool found = false;

	*pcp_pages = 0;
	for (const char *line = text; line; line = next_line(line)) {
		uint64_t count;

		if (skip_zone(line))
			found = true;
		else if (found && read_value(skip_blanks(line), "count:", &count))
			add(pcp_pages, count);
	}
	return found ? 0 : -EPROTO;
}

/* "memcg    12 /containers/ID": is it the group at `path`, or one below it? */
static bool is_group(const char *line, const char *path)
{
	size_t len = strlen(path);
	uint64_t id;
	const char *name = read_number(line + strlen("memcg"), &id);

	if (!name)
		return false;
	name = skip_blanks(name);
	/* Of the root "/" all others are below. */
	if (strcmp(path, "/") == 0)
		return *name == '/';
	return strncmp(name, path, len) == 0 &&
	       (name[len] == '/' || name[len] == '\n' || name[len] == '\0');
}

/* "  3  61000  12  345": a generation's number, age in ms, anonymous and file pages. */
static void add_generation(const char *line, uint64_t age_ms, uint64_t *pages)
{
	uint64_t number[4] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(number); i++) {
		line = read_number(line, &number[i]);
		if (!line)
			return;
	}
	if (number[1] >= age_ms)
		add(pages, number[3]);
}

int memory_read_lru_gen(const char *text, const char *path, uint64_t age_ms, uint64_t *pages)
{
	bool inside = false, found = false;

	*pages = 0;
	for (const char *line = text; line; line = next_line(line)) {
		if (skip_word(line, "memcg")) {
			inside = is_group(line, path);
			found |= inside;
		} else if (inside) {
			add_generation(line, age_ms, pages);
		}
	}
	return found ? 0 : -ENOENT;
}

int memory_read_cpu(const char *text, uint64_t *total, uint64_t *busy)
{
	/* user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already (proc_stat(5)). */
	enum { IDLE = 3, IOWAIT = 4, COLUMNS = 8 };
	uint64_t number[COLUMNS] = {0};

	*total = 0;
	*busy = 0;
	text = skip_word(text, "cpu ");
	for (size_t i = 0; i < COLUMNS; i++) {
		text = text ? read_number(text, &number[i]) : NULL;
		if (!text)
			return -EPROTO;
	}
	for (size_t i = 0; i < COLUMNS; i++) {
		add(total, number[i]);
		if (i != IDLE && i != IOWAIT)
			add(busy, number[i]);
	}
	return 0;
}

int memory_read_key(const char *text, const char *key, uint64_t *value)
{
	uint64_t found;
	const struct field field = {key, 0};

	if (!read_fields(text, &field, 1, 1, &found))
		return -ENOENT;
	*value = found;
	return 0;
}

int memory_read_number(const char *text, uint64_t *value)
{
	uint64_t number;
	const char *end = read_number(text, &number);

	if (!end || strcmp(end, "\n") != 0)
		return -EPROTO;
	*value = number;
	return 0;
}
