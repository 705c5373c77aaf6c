/* SPDX-License-Identifier: MIT
 *
 * hint.c - see hint.h. Callers: component.c, ctl/advice.c.
 */
#include "agent/common/hint.h"

#include <stdio.h>
#include <string.h>

#include "lib/control.h"

static bool is(const char *text, const char *word)
{
	return strcmp(text, word) == 0;
}

static bool is_situation(const char *text, enum disk_situation situation)
{
	return is(text, disk_situation_name(situation));
}

/* `unit`: put behind the command; "" for none. */
static void add(struct hints *hints, const char *command, const char *unit, const char *about)
{
	struct hint *hint = &hints->hint[hints->count];

	if (hints->count == HINTS_MAX)
		return;
	(void)snprintf(hint->command, sizeof(hint->command), "%s%.31s", command, unit);
	hint->about = about;
	for (size_t i = 0; i < hints->count; i++)
		if (is(hints->hint[i].command, hint->command))
			return;
	hints->count++;
}

void hints_for_silent_agent(struct hints *hints)
{
	add(hints, "keelctl logs -n 20 ", "keel-agent", "its last words");
	add(hints, "keelctl restart ", "keel-agent", "containers do not notice");
}

void hints_for_disk(struct hints *hints, const char *mode, const char *state, const char *situation,
	const char *forecast)
{
	if (is(mode, "wsl") && (is_situation(situation, DISK_SITUATION_NO_DISK) ||
				       is_situation(situation, DISK_SITUATION_VANISHED)))
		add(hints, "wsl --mount --vhd PATH --bare", "",
			"in Windows: attaches the data disk");
	if (is_situation(situation, DISK_SITUATION_FS_ERRORS) ||
		is_situation(situation, DISK_SITUATION_IO_ERRORS)) {
		add(hints, "keelctl disk status", "",
			"what went wrong with the data disk, and when");
		add(hints, "keelctl disk repair", "",
			"checks and mends it; containers are stopped");
	} else if (is_situation(situation, DISK_SITUATION_UNMOUNTED)) {
		add(hints, "keelctl reboot", "",
			"mounts the data disk again; containers are stopped");
	} else if (is(state, "refused") || is(state, "rescue") ||
		   (situation[0] && !is_situation(situation, DISK_SITUATION_OK))) {
		add(hints, "keelctl disk list", "", "every disk, and what is on it");
		add(hints, "man keel-disk", "", "the way out of each situation");
	}
	if (is(forecast, "critical") || is(forecast, "low")) {
		add(hints, "docker system df", "", "what takes the space of the data disk");
		add(hints, "docker system prune", "", "removes what no container uses");
	}
}

void hints_for_service(struct hints *hints, const char *name, const char *state, bool essential,
	bool wanted)
{
	if (is(state, "failed") || is(state, "backoff")) {
		add(hints, "keelctl logs -n 20 ", name, "its last words");
		add(hints, "keelctl restart ", name, "starts it again, now");
	} else if (is(state, "inactive") && essential && !wanted) {
		add(hints, "keelctl start ", name, "somebody stopped it");
	}
}

void hints_for_daemon(struct hints *hints, const char *name)
{
	add(hints, "keelctl logs -n 20 ", name,
		is(name, "docker") ? "what dockerd says" : "what containerd says");
	add(hints, "keelctl restart ", name, "containers go on");
}

void hints_for_docker_api(struct hints *hints)
{
	add(hints, "keelctl logs -n 20 ", "keel-agent", "why it does not listen");
	add(hints, "keelctl restart ", "keel-agent", "listens anew; containers do not notice");
}

void hints_for_stage(struct hints *hints, const char *name, const char *state)
{
	if (!is(state, "failed") && !is(state, "degraded"))
		return;
	if (is(name, "modules"))
		add(hints, "keelctl kernel", "", "what this kernel lacks");
	if (is(name, "net"))
		add(hints, "ip address; ip route", "", "the network as it is");
	add(hints, "journalctl -k", "", "what PID 1 and the kernel said");
}

void hints_for_memory(struct hints *hints)
{
	add(hints, "keelctl memory", "", "what uses the memory, and what was killed");
}

void hints_for_clock(struct hints *hints)
{
	add(hints, "keelctl clock", "", "how far it is off, and why it is left so");
	add(hints, "keelctl clock sync", "", "on the host, with --vm: sets it by the host's");
}

void hints_for_start(struct hints *hints)
{
	add(hints, "keelctl wait", "", "comes back when the engine is ready");
	add(hints, "keelctl logs -f ", "docker", "what dockerd does meanwhile");
}

void hints_write(const struct hints *hints, char text[HINT_SENTENCE_MAX])
{
	const struct hint *first = &hints->hint[0], *second = &hints->hint[1];

	text[0] = '\0';
	if (hints->count == 1)
		(void)snprintf(text, HINT_SENTENCE_MAX, "Run %s (%s).", first->command,
			first->about);
	else if (hints->count > 1)
		(void)snprintf(text, HINT_SENTENCE_MAX, "Run %s (%s), then %s (%s).",
			first->command, first->about, second->command, second->about);
}
