/* SPDX-License-Identifier: MIT
 *
 * fuzz_runner.c - frames to the agent's runner: a count of descriptors, then the bytes of a request. What is believed of
 * them has ends, is in range and does not climb.
 */
#include <signal.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#include "agent/runner_check.h"

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static void look_at_words(const struct runner_order *order)
{
	size_t n = 0;

	while (order->words[n]) {
		FUZZ_CHECK(n < RUNNER_ARGS_MAX);
		FUZZ_CHECK(ends(order->words[n],
			(size_t)(order->text + sizeof(order->text) - order->words[n])));
		n++;
	}
	FUZZ_CHECK(n > 0 && order->words[0][0] != '\0');
}

static void look_at(const struct runner_order *order)
{
	const char *arguments[DISK_ARGUMENTS_MAX];

	FUZZ_CHECK(ends(order->path, sizeof(order->path)) && !strstr(order->path, "/../"));
	FUZZ_CHECK(ends(order->step.name, sizeof(order->step.name)));
	switch (order->verb) {
	case RUNNER_DISK:
		disk_request_arguments(&order->disk, "keel-disk", arguments);
		for (size_t i = 3; arguments[i]; i++)
			FUZZ_CHECK(arguments[i][0] != '-' ||
				   strcmp(arguments[i], "--gentle") == 0 ||
				   strcmp(arguments[i], "--uuid") == 0);
		break;
	case RUNNER_STEP:
		FUZZ_CHECK(order->step.step < RUNNER_STEPS);
		FUZZ_CHECK((order->step.name[0] == '/') == (order->step.step == RUNNER_STEP_FLUSH));
		break;
	case RUNNER_SESSION:
		look_at_words(order);
		break;
	case RUNNER_SIGNAL:
		FUZZ_CHECK(order->signal > 0 && order->signal <= SIGSYS && order->pid > 0);
		break;
	case RUNNER_WAIT:
	case RUNNER_ABANDON:
		FUZZ_CHECK(order->pid > 0);
		break;
	case RUNNER_OPEN:
		FUZZ_CHECK(order->file < RUNNER_FILES);
		break;
	case RUNNER_LOOK:
		FUZZ_CHECK(order->path[0] == '/');
		break;
	case RUNNER_VERBS:
		FUZZ_CHECK(false);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct runner_request request;
	static struct runner_order order;

	if (size == 0)
		return 0;
	memset(&request, 0, sizeof(request));
	memcpy(&request, data + 1, size - 1 < sizeof(request) ? size - 1 : sizeof(request));
	if (runner_check(&request, data[0] & 3, "/data", &order) == 0)
		look_at(&order);
	return 0;
}
