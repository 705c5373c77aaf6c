/* SPDX-License-Identifier: MIT
 *
 * fuzz_memory_read.c - the kernel's texts about memory, of which names of groups are a container's choice.
 * All parsers see each text, as it is and cut.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/common/memory_read.h"
#include "tests/fuzz/fuzz.h"

/* A parser that has failed, or a line that is cut, leaves nothing that was not in the text. */
static void read_all(const char *text)
{
	struct memory_stat stat, rest;
	struct memory_pressure pressure;
	struct memory_info info;
	uint64_t blocks[MEMORY_ORDERS], number = 7, other = 7, pages, older;
	int rc;

	rc = memory_read_stat(text, &stat);
	FUZZ_CHECK(rc == 0 || rc == -EPROTO);
	rest = stat;
	memory_stat_subtract(&rest, &stat);
	FUZZ_CHECK(memory_stat_cache(&rest) == 0 && rest.anon == 0 && rest.refault_file == 0);
	FUZZ_CHECK(memory_stat_cache(&stat) >= stat.inactive_file);
	rc = memory_read_key(text, "anon", &number);
	FUZZ_CHECK(rc == 0 ? number == stat.anon : rc == -ENOENT && number == 7 && stat.anon == 0);

	rc = memory_read_pressure(text, &pressure);
	FUZZ_CHECK(rc == 0 || rc == -EPROTO);
	FUZZ_CHECK(pressure.some_avg10_permille <= 1000 && pressure.full_avg10_permille <= 1000);

	rc = memory_read_info(text, &info);
	FUZZ_CHECK(rc == 0 ? info.total > 0 : rc == -EPROTO && info.total == 0);
	FUZZ_CHECK(info.total % 1024 == 0 && info.cached % 1024 == 0);

	rc = memory_read_buddyinfo(text, blocks);
	FUZZ_CHECK(rc == 0 || rc == -EPROTO);
	rc = memory_read_zoneinfo(text, &pages);
	FUZZ_CHECK(rc == 0 || (rc == -EPROTO && pages == 0));

	rc = memory_read_lru_gen(text, "/", 1000, &older);
	FUZZ_CHECK(rc == 0 || (rc == -ENOENT && older == 0));
	FUZZ_CHECK(memory_read_lru_gen(text, "/", 0, &pages) == rc && pages >= older);
	rc = memory_read_lru_gen(text, "/a", 0, &older);
	FUZZ_CHECK(older <= pages && (rc == 0 || rc == -ENOENT));

	rc = memory_read_cpu(text, &number, &other);
	FUZZ_CHECK(rc == 0 ? other <= number : rc == -EPROTO && number == 0 && other == 0);
	rc = memory_read_number(text, &number);
	FUZZ_CHECK(rc == 0 || rc == -EPROTO);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As long as the input: what is read past its end is seen. */
	char *text = malloc(size + 1);

	FUZZ_CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	read_all(text);
	/* As a read into a buffer that is too small leaves it. */
	if (size > 1) {
		char *cut = malloc(size);

		FUZZ_CHECK(cut);
		memcpy(cut, data, size - 1);
		cut[size - 1] = '\0';
		read_all(cut);
		free(cut);
	}
	free(text);
	return 0;
}
