/* SPDX-License-Identifier: MIT
 *
 * fuzz.h - what every fuzzer needs: libFuzzer's entry point, and a check that is no assert (NDEBUG).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A broken promise ends the run; libFuzzer keeps the input. */
#define FUZZ_CHECK(condition)             \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)
