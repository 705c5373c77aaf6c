/* SPDX-License-Identifier: MIT
 *
 * test_memory_read.c - the kernel's texts about memory: as Linux 6.12 and 6.18 write them, cut, and hostile.
 */
#include <string.h>

#include "agent/common/memory_read.h"
#include "unit_test.h"

/* A container's after it has written and read 64 MiB, Linux 6.12; some lines between left out. */
static const char stat_text[] = "anon 28672\n"
				"file 67112960\n"
				"kernel 2285568\n"
				"kernel_stack 16384\n"
				"shmem 4096\n"
				"file_mapped 8192\n"
				"file_dirty 12288\n"
				"file_writeback 16384\n"
				"swapcached 0\n"
				"inactive_anon 0\n"
				"active_anon 24576\n"
				"inactive_file 67108864\n"
				"active_file 20480\n"
				"unevictable 0\n"
				"slab_reclaimable 2139680\n"
				"slab_unreclaimable 45192\n"
				"slab 2184872\n"
				"workingset_refault_anon 1\n"
				"workingset_refault_file 2\n"
				"workingset_activate_file 3\n"
				"workingset_restore_file 4\n"
				"pgfault 3077\n";

static void test_stat(void **state)
{
	struct memory_stat stat;

	(void)state;
	assert_int_equal(memory_read_stat(stat_text, &stat), 0);
	assert_int_equal(stat.anon, 28672);
	assert_int_equal(stat.file, 67112960);
	assert_int_equal(stat.shmem, 4096);
	assert_int_equal(stat.file_mapped, 8192);
	assert_int_equal(stat.file_dirty, 12288);
	assert_int_equal(stat.file_writeback, 16384);
	assert_int_equal(stat.inactive_file, 67108864);
	assert_int_equal(stat.active_file, 20480);
	assert_int_equal(stat.slab_reclaimable, 2139680);
	assert_int_equal(stat.slab_unreclaimable, 45192);
	assert_int_equal(stat.refault_file, 2);
	assert_int_equal(stat.restore_file, 4);
	assert_int_equal(memory_stat_cache(&stat), 67108864 + 20480 + 2139680);

	/* Either is enough; a v1 group has neither. */
	assert_int_equal(memory_read_stat("anon 1\n", &stat), 0);
	assert_int_equal(memory_read_stat("file 1\n", &stat), 0);
	assert_int_equal(memory_read_stat("cache 4096\nrss 0\ninactive_file 4096\n", &stat),
		-EPROTO);
	assert_int_equal(memory_read_stat("", &stat), -EPROTO);
	assert_int_equal(stat.inactive_file, 0);
}

/* A text that was cut: a part of a number is none. */
static void test_cut_and_hostile(void **state)
{
	static const char *const hostile[] = {
		"file 18446744073709551616\n",             /* one too many */
		"file 99999999999999999999999999999999\n", /* many too many */
		"file -1\n", "file 0x10\n", "file 12a\n", "file\n12\n", "file ", "file",
		"file12 12\n", " file 12\n", "xfile 12\n", "file:12\n", "file max\n", "\n\n\n",
		"file 12", /* cut */
	};
	struct memory_stat stat;
	char text[sizeof(stat_text)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		assert_int_equal(memory_read_stat(hostile[i], &stat), -EPROTO);
		assert_int_equal(stat.file, 0);
	}
	assert_int_equal(memory_read_stat("file 18446744073709551615\n", &stat), 0);
	assert_true(stat.file == UINT64_MAX);
	stat.active_file = 1;
	stat.inactive_file = UINT64_MAX;
	assert_true(memory_stat_cache(&stat) == UINT64_MAX);
	assert_int_equal(memory_read_stat("file\t7\nfile 8\t9\n", &stat), 0);
	assert_int_equal(stat.file, 8);
	for (size_t len = 0; len < sizeof(text); len++) {
		memcpy(text, stat_text, len);
		text[len] = '\0';
		if (memory_read_stat(text, &stat) < 0)
			continue;
		assert_true(stat.anon == 28672);
		assert_true(stat.inactive_file == 0 || stat.inactive_file == 67108864);
		assert_true(stat.slab_reclaimable == 0 || stat.slab_reclaimable == 2139680);
	}
}

static void test_subtract(void **state)
{
	struct memory_stat whole, part, zero = {0};

	(void)state;
	assert_int_equal(memory_read_stat(stat_text, &whole), 0);
	part = whole;
	memory_stat_subtract(&part, &whole);
	assert_memory_equal(&part, &zero, sizeof(zero));
	/* Read at another time: what is larger leaves nothing. */
	part = whole;
	part.inactive_file++;
	part.active_file--;
	memory_stat_subtract(&whole, &part);
	assert_int_equal(whole.inactive_file, 0);
	assert_int_equal(whole.active_file, 1);
}

static void test_pressure(void **state)
{
	static const char text[] = "some avg10=20.41 avg60=1.00 avg300=0.00 total=123150\n"
				   "full avg10=0.97 avg60=0.00 avg300=0.00 total=68472\n";
	static const char *const hostile[] = {
		"",
		"some",
		"some avg10=",
		"some avg10=:",
		"some avg10=5",
		"some avg10=5 avg60=0.00 avg300=0.00 total=1\n",
		"some avg10=5. avg60=0.00 avg300=0.00 total=1\n",
		"some avg10=5.0 avg60=0.00 avg300=0.00 total=1\n",
		"some avg10=101.00 avg60=0.00 avg300=0.00 total=1\n",
		"some avg10=100.10 avg60=0.00 avg300=0.00 total=1\n",
		"some avg10=99999999999999999999.00 avg60=0.00 avg300=0.00 total=1\n",
		"some avg10=-1.00 avg60=0.00 avg300=0.00 total=1\n",
		"some avg10=1.00 avg60=0.00 avg300=0.00 total=\n",
		"some avg10=1.00 avg60=0.00 avg300=0.00 total= 1\n",
		"some avg10=1.00 avg60=0.00 avg300=0.00 total=18446744073709551616\n",
		"some avg10=1.00 avg60=0.00 avg300=0.00 total=12", /* cut */
		"some avg10=1.00\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=1\n",
		"full avg10=1.00 avg60=0.00 avg300=0.00 total=1\n",
	};
	struct memory_pressure pressure;

	(void)state;
	assert_int_equal(memory_read_pressure(text, &pressure), 0);
	assert_int_equal(pressure.some_avg10_permille, 204);
	assert_int_equal(pressure.full_avg10_permille, 9);
	assert_int_equal(pressure.some_us, 123150);
	assert_int_equal(pressure.full_us, 68472);
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		assert_int_equal(memory_read_pressure(hostile[i], &pressure), -EPROTO);
		assert_int_equal(pressure.some_avg10_permille, 0);
	}
	assert_int_equal(memory_read_pressure("some avg10=100.00 avg60=0.00 total=7\n", &pressure),
		0);
	assert_int_equal(pressure.some_avg10_permille, 1000);
	assert_int_equal(pressure.full_us, 0);
}

static void test_info(void **state)
{
	static const char text[] = "MemTotal:        2021528 kB\nMemFree:         1799084 kB\n"
				   "MemAvailable:    1804184 kB\nBuffers:            5160 kB\n"
				   "Cached:           130800 kB\nSwapCached:            9 kB\n"
				   "Active(file):     127780 kB\nSwapTotal:       1048576 kB\n"
				   "SwapFree:        1048000 kB\nDirty:                12 kB\n"
				   "Writeback:             3 kB\nAnonPages:         36384 kB\n"
				   "Shmem:               136 kB\nShmemHugePages:        5 kB\n"
				   "KReclaimable:       2181 kB\nSlab:              19068 kB\n"
				   "SReclaimable:       2180 kB\nSUnreclaim:        16888 kB\n"
				   "WritebackTmp:          7 kB\nHugePages_Total:       0\n";
	struct memory_info info;

	(void)state;
	assert_int_equal(memory_read_info(text, &info), 0);
	assert_int_equal(info.total, 2021528ULL * 1024);
	assert_int_equal(info.free, 1799084ULL * 1024);
	assert_int_equal(info.available, 1804184ULL * 1024);
	assert_int_equal(info.buffers, 5160 * 1024);
	assert_int_equal(info.cached, 130800 * 1024);
	assert_int_equal(info.swap_total, 1048576ULL * 1024);
	assert_int_equal(info.swap_free, 1048000ULL * 1024);
	assert_int_equal(info.dirty, 12 * 1024);
	assert_int_equal(info.writeback, 3 * 1024);
	assert_int_equal(info.anon, 36384 * 1024);
	assert_int_equal(info.shmem, 136 * 1024);
	assert_int_equal(info.slab_reclaimable, 2180 * 1024);
	assert_int_equal(info.slab_unreclaimable, 16888 * 1024);

	assert_int_equal(memory_read_info("", &info), -EPROTO);
	assert_int_equal(memory_read_info("MemTotal", &info), -EPROTO);
	assert_int_equal(memory_read_info("MemFree: 1 kB\n", &info), -EPROTO);
	assert_int_equal(info.free, 1024);
	/* In bytes it would be too large. */
	assert_int_equal(memory_read_info("MemTotal: 18014398509481984 kB\n", &info), -EPROTO);
	assert_int_equal(memory_read_info("MemTotal: 18014398509481983 kB\n", &info), 0);
}

static void test_buddyinfo(void **state)
{
	/* With blanks at the line's end, as it is. */
	static const char text[] =
		"Node 0, zone      DMA      0      0      0      0      0      0      0      0      1      1      3 \n"
		"Node 0, zone    DMA32      2      1      4      2      5      4      4      4      5      3    751 \n"
		"Node 0, zone   Normal   1537   1261    921   1485   1564   1069    950    388    193    138   1516 \n";
	static const uint64_t expected[MEMORY_ORDERS] = {
		1539, 1262, 925, 1487, 1569, 1073, 954, 392, 199, 142, 2270};
	static const char *const hostile[] = {
		"",
		"Node",
		"Node 0",
		"Node , zone DMA 1 \n",
		"Node x, zone DMA 1 \n",
		"Node 0 zone DMA 1 \n",
		"Node 0, zone \n",
		"Node 0, zone 1",
		"Node 0, zone DMA\n1 2 3\n",
		"Node 0, zone DMA x 2 3\n",
		"Node 0, zone DMA 18446744073709551616 2 3\n",
	};
	uint64_t blocks[MEMORY_ORDERS];

	(void)state;
	assert_int_equal(memory_read_buddyinfo(text, blocks), 0);
	assert_memory_equal(blocks, expected, sizeof(blocks));
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		assert_int_equal(memory_read_buddyinfo(hostile[i], blocks), -EPROTO);
		for (size_t order = 0; order < MEMORY_ORDERS; order++)
			assert_int_equal(blocks[order], 0);
	}
	/* Two nodes; fewer orders than here, and more, of which we know nothing; sums do not wrap. */
	assert_int_equal(memory_read_buddyinfo("Node 0, zone A 18446744073709551615 1\n"
					       "Node 12, zone B 5 2 3 4 5 6 7 8 9 10 11 12 13\n",
				 blocks),
		0);
	assert_true(blocks[0] == UINT64_MAX);
	assert_int_equal(blocks[1], 3);
	assert_int_equal(blocks[10], 11);
}

static void test_zoneinfo(void **state)
{
	/* The first as 6.12, the second as 6.18 has it, and a zone that is empty. */
	static const char text[] = "Node 0, zone      DMA\n"
				   "  per-node stats\n"
				   "      nr_inactive_anon 2803\n"
				   "  pages free     3840\n"
				   "        min      13\n"
				   "        low      16\n"
				   "        managed  3840\n"
				   "        protection: (0, 3019, 18763, 18763, 18763)\n"
				   "      nr_free_pages 3840\n"
				   "  pagesets\n"
				   "    cpu: 0\n"
				   "              count: 690\n"
				   "              high:  6986\n"
				   "              batch: 63\n"
				   "  vm stats threshold: 20\n"
				   "Node 0, zone    DMA32\n"
				   "    cpu: 0\n"
				   "              count:    9\n"
				   "              high_min: 8\n"
				   "    cpu: 1\n"
				   "              count:    54\n"
				   "Node 0, zone  Movable\n"
				   "  pages free     0\n";
	uint64_t pages;

	(void)state;
	assert_int_equal(memory_read_zoneinfo(text, &pages), 0);
	assert_int_equal(pages, 753);
	assert_int_equal(memory_read_zoneinfo("", &pages), -EPROTO);
	assert_int_equal(memory_read_zoneinfo("count: 12\n", &pages), -EPROTO);
	assert_int_equal(pages, 0);
	assert_int_equal(memory_read_zoneinfo("Node 0, zone A\ncount: 18446744073709551615\n"
					      "count: 1\ncounts: 1\ncount: x\n",
				 &pages),
		0);
	assert_true(pages == UINT64_MAX);
}

static void test_lru_gen(void **state)
{
	/* As mm/vmscan.c (lru_gen_seq_show) writes it; node 1 has fewer pages. */
	static const char text[] = "memcg     1 /\n"
				   " node     0\n"
				   "          0     900123         10        100 \n"
				   "          1     600000         20        200 \n"
				   "          2      60000         30        400 \n"
				   "          3      59999         40        800 \n"
				   "memcg    57 /containers\n"
				   " node     0\n"
				   "          0     100000          0          1 \n"
				   "memcg    58 /containers/aa\n"
				   " node     0\n"
				   "          0     100000          0         16 \n"
				   "          1          5          0         32 \n"
				   " node     1\n"
				   "          0     100000          0         64 \n"
				   "memcg    59 /containers/aab\n"
				   " node     0\n"
				   "          0     100000          0       1024 \n";
	uint64_t pages;

	(void)state;
	assert_int_equal(memory_read_lru_gen(text, "/containers/aa", 60000, &pages), 0);
	assert_int_equal(pages, 80);
	assert_int_equal(memory_read_lru_gen(text, "/containers/aa", 0, &pages), 0);
	assert_int_equal(pages, 112);
	/* With those below it. */
	assert_int_equal(memory_read_lru_gen(text, "/containers", 60000, &pages), 0);
	assert_int_equal(pages, 1 + 80 + 1024);
	assert_int_equal(memory_read_lru_gen(text, "/", 60000, &pages), 0);
	assert_int_equal(pages, 700 + 1 + 80 + 1024);
	assert_int_equal(memory_read_lru_gen(text, "/container", 0, &pages), -ENOENT);
	assert_int_equal(memory_read_lru_gen(text, "/containers/a", 0, &pages), -ENOENT);
	assert_int_equal(memory_read_lru_gen("", "/", 0, &pages), -ENOENT);
	assert_int_equal(memory_read_lru_gen("memcg\n", "/", 0, &pages), -ENOENT);
	assert_int_equal(memory_read_lru_gen("memcg x /\n", "/", 0, &pages), -ENOENT);
	assert_int_equal(memory_read_lru_gen("memcg 1 a\n", "/", 0, &pages), -ENOENT);
	assert_int_equal(memory_read_lru_gen("memcg 1 /a", "/a", 0, &pages), 0);
	assert_int_equal(pages, 0);
	/* Cut in a number, too few of them, a mark of the longer form behind the last, one that wraps. */
	assert_int_equal(memory_read_lru_gen("memcg 1 /a\n 1 2 3 4\n 1 2 3\n 1 2 3 4x\n 1 2 3 44",
				 "/a", 0, &pages),
		0);
	assert_int_equal(pages, 4);
	assert_int_equal(memory_read_lru_gen("memcg 1 /a\n 1 2 3 18446744073709551615\n 1 2 3 9\n",
				 "/a", 0, &pages),
		0);
	assert_true(pages == UINT64_MAX);
}

static void test_cpu(void **state)
{
	static const char *const hostile[] = {"", "cpu", "cpu0 1 2 3 4 5 6 7 8\n", "cpu 1 2 3\n",
		"cpu 1 2 3 4 5 6 7 x\n", "cpu 1 2 3 4 5 6 7 8", "intr 1 2 3 4 5 6 7 8\n"};
	uint64_t total, busy;

	(void)state;
	assert_int_equal(
		memory_read_cpu("cpu  450 44 1059 56446 27 1 18 3 5 6\ncpu0 1 2 3 4 5 6 7 8 9 10\n",
			&total, &busy),
		0);
	assert_int_equal(total, 58048);
	assert_int_equal(busy, 1575);
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		assert_int_equal(memory_read_cpu(hostile[i], &total, &busy), -EPROTO);
		assert_int_equal(total, 0);
	}
	assert_int_equal(memory_read_cpu("cpu 18446744073709551615 1 1 0 0 0 0 0\n", &total, &busy),
		0);
	assert_true(total == UINT64_MAX && busy == UINT64_MAX);
}

static void test_key_and_number(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_int_equal(memory_read_key("usage_usec 8229950\nuser_usec 2\n", "user_usec", &value),
		0);
	assert_int_equal(value, 2);
	assert_int_equal(memory_read_key("populated 1\nfrozen 0\n", "frozen", &value), 0);
	assert_int_equal(value, 0);
	value = 7;
	assert_int_equal(memory_read_key("oom 1\noom_kill 2\n", "oom_", &value), -ENOENT);
	assert_int_equal(memory_read_key("", "oom", &value), -ENOENT);
	assert_int_equal(value, 7);
	assert_int_equal(memory_read_number("4096\n", &value), 0);
	assert_int_equal(value, 4096);
	assert_int_equal(memory_read_number("max\n", &value), -EPROTO);
	assert_int_equal(memory_read_number("5 6\n", &value), -EPROTO);
	assert_int_equal(memory_read_number("5", &value), -EPROTO);
	assert_int_equal(memory_read_number("", &value), -EPROTO);
	assert_int_equal(value, 4096);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_stat),
	cmocka_unit_test(test_cut_and_hostile),
	cmocka_unit_test(test_subtract),
	cmocka_unit_test(test_pressure),
	cmocka_unit_test(test_info),
	cmocka_unit_test(test_buddyinfo),
	cmocka_unit_test(test_zoneinfo),
	cmocka_unit_test(test_lru_gen),
	cmocka_unit_test(test_cpu),
	cmocka_unit_test(test_key_and_number),
};

UNIT_TEST_MAIN(tests)
