/* SPDX-License-Identifier: MIT
 *
 * verb_table.c - see verb_table.h. Callers: command_line.c, usage.c, complete.c, main.c.
 */
#include "agent/ctl/verb_table.h"

#include <string.h>

const struct ctl_option_row ctl_options[CTL_OPTIONS] = {
	[CTL_OPTION_VM] = {"vm", "ADDRESS", "vsock:CID, hvsock:PATH, unix:PATH or none",
		"unix: vsock: hvsock: none",
		"the guest, from its host (default $KEEL_VM; none: we are in it): vsock:CID, a virtual machine of "
		"this host; hvsock:PATH, the unix socket of Firecracker, Cloud Hypervisor or vhost-device-vsock; "
		"unix:PATH, the socket itself",
		0},
	[CTL_OPTION_API_PORT] = {"api-port", "PORT", "a number from 1 on", NULL,
		"of the API in the guest (700)", 0},
	[CTL_OPTION_DOCKER_PORT] = {"docker-port", "PORT", "a number from 1 on", NULL,
		"of Docker's API in the guest (701)", 0},
	[CTL_OPTION_COLOR] = {"color", "WHEN", "auto, always or never", "auto always never",
		"auto (on a terminal, without NO_COLOR), always or never", 0},
	[CTL_OPTION_HELP] = {"help", NULL, NULL, NULL, "of keelctl, or of the verb", 'h'},
	[CTL_OPTION_VERSION] = {"version", NULL, NULL, NULL, "of keelctl", 0},
	[CTL_OPTION_TIMEOUT] = {"timeout", "SECONDS", "a number from 1 on", NULL, NULL, 0},
	[CTL_OPTION_JSON] = {"json", NULL, NULL, NULL, NULL, 0},
	[CTL_OPTION_BRIEF] = {"brief", NULL, NULL, NULL, NULL, 0},
	[CTL_OPTION_WATCH] = {"watch", NULL, NULL, NULL, NULL, 0},
	[CTL_OPTION_ONCE] = {"once", NULL, NULL, NULL, NULL, 0},
	[CTL_OPTION_FOLLOW] = {"follow", NULL, NULL, NULL, NULL, 'f'},
	[CTL_OPTION_LINES] = {"lines", "N", "a number, or all", "10 100 1000 all", NULL, 'n'},
	[CTL_OPTION_KINDS] = {"kinds", "KIND,KIND", "kinds of events",
		"status service stage engine disk memory oom clock kernel", NULL, 0},
	[CTL_OPTION_SINCE] = {"since", "ID", "the id of an event", NULL, NULL, 0},
	[CTL_OPTION_UUID] = {"uuid", "IDENTITY", "what disk list shows", NULL, NULL, 0},
	[CTL_OPTION_NO_BLOCK] = {"no-block", NULL, NULL, NULL, NULL, 0},
	[CTL_OPTION_READY_FD] = {"ready-fd", "FD", "the number of an open descriptor", NULL, NULL,
		0},
	[CTL_OPTION_OUTPUT] = {"output", "FILE", "a file, or -", NULL, NULL, 'o'},
	[CTL_OPTION_TTY] = {"tty", NULL, NULL, NULL, NULL, 't'},
	[CTL_OPTION_NO_TTY] = {"no-tty", NULL, NULL, NULL, NULL, 'T'},
};

/* ---- options of verbs ----------------------------------------------------------------------------- */

#define ANSWER_TIMEOUT {CTL_OPTION_TIMEOUT, "for an answer (10)"}

static const struct ctl_use status_options[] = {
	{CTL_OPTION_BRIEF, "what matters now, within a second"},
	{CTL_OPTION_JSON, "the health document"},
	{CTL_OPTION_WATCH, "again at each change, until it is interrupted"}, ANSWER_TIMEOUT, {0}};
static const struct ctl_use answer_options[] = {ANSWER_TIMEOUT, {0}};
static const struct ctl_use json_options[] = {
	{CTL_OPTION_JSON, "the guest's answer"}, ANSWER_TIMEOUT, {0}};
static const struct ctl_use top_options[] = {
	{CTL_OPTION_ONCE, "one page and no keys; also when the output is not a terminal"},
	{CTL_OPTION_JSON, "one sample: the documents health and memory"}, ANSWER_TIMEOUT, {0}};
static const struct ctl_use wait_options[] = {
	{CTL_OPTION_TIMEOUT, "before it gives up (120)"}, {0}};
static const struct ctl_use order_options[] = {
	{CTL_OPTION_NO_BLOCK, "only until the order is accepted"},
	{CTL_OPTION_TIMEOUT, "until it is carried out (90)"}, {0}};
static const struct ctl_use logs_options[] = {{CTL_OPTION_FOLLOW, "go on as lines come"},
	{CTL_OPTION_LINES, "only the last N lines"},
	{CTL_OPTION_TIMEOUT, "for the first line, with --vm (10)"}, {0}};
static const struct ctl_use events_options[] = {
	{CTL_OPTION_KINDS,
		"only these: status, service, stage, engine, disk, memory, oom, clock, kernel"},
	{CTL_OPTION_LINES, "begin with the last N of those that the guest has kept"},
	{CTL_OPTION_SINCE, "begin behind the event with that id, which --json shows"},
	{CTL_OPTION_ONCE, "only what was kept (all, or the last N), and end"},
	{CTL_OPTION_FOLLOW, "go on as they come: the default"},
	{CTL_OPTION_JSON, "one object a line, with id and event"},
	{CTL_OPTION_TIMEOUT, "for the connection (10)"}, {0}};
static const struct ctl_use disk_options[] = {
	{CTL_OPTION_UUID, "repair, init, adopt: the disk, as disk list shows it"},
	{CTL_OPTION_JSON, "the guest's answer, or the error"},
	{CTL_OPTION_TIMEOUT,
		"to watch a job, which goes on in the guest (no limit); list, status (60)"},
	{0}};
static const struct ctl_use memory_options[] = {{CTL_OPTION_JSON, "the guest's answer"},
	{CTL_OPTION_WATCH,
		"status: on a terminal drawn again every 2 seconds, until it is interrupted"},
	{CTL_OPTION_TIMEOUT, "reclaim: to work (10, at most 600); else for an answer (10)"}, {0}};
static const struct ctl_use diagnose_options[] = {
	{CTL_OPTION_OUTPUT, "the file, which must not exist yet; -: the standard output"},
	{CTL_OPTION_TIMEOUT, "for all of it (120)"}, {0}};
static const struct ctl_use shell_options[] = {
	{CTL_OPTION_TTY, "on a terminal in the guest, whatever is here"},
	{CTL_OPTION_NO_TTY, "on pipes, also when this is a terminal"},
	{CTL_OPTION_TIMEOUT, "for the guest to answer (10)"}, {0}};
static const struct ctl_use forward_options[] = {
	{CTL_OPTION_READY_FD, "a newline is written there, and it is closed, once it listens"},
	{0}};

/* ---- words of verbs ------------------------------------------------------------------------------- */

static const struct ctl_word wait_words[] = {
	{"ready", "the engine can be used (the default)", NULL},
	{"starting", "it is on its way", NULL}, {"degraded", "something is wrong", NULL},
	{"failed", "it will not become ready by itself", NULL},
	{"stopping", "it is going down", NULL}, {0}};
static const struct ctl_word disk_words[] = {{"status", "what is known of the data disk", NULL},
	{"list", "every disk, what is on it, and what is decided", NULL},
	{"trim", "give free space back to the host", NULL},
	{"grow", "let the file system follow its device", NULL},
	{"repair", "check and repair in full; the engine is stopped for it", NULL},
	{"init", "erase a disk and make a data disk of it", NULL},
	{"adopt", "take a data disk that keel did not make", NULL}, {0}};
static const struct ctl_word memory_words[] = {
	{"status", "what uses it, what went back to the host (the default)", NULL},
	{"reclaim", "give cache back now: BYTES (512M) or all", "all"},
	{"target", "what the guest is to use at most: BYTES (2G) or none", "none"},
	{"mode", "how reclaim decides: adaptive, gradual, dropcache or off",
		"adaptive gradual dropcache off"},
	{0}};
static const struct ctl_word clock_words[] = {
	{"status", "what time it is there, how far that is off, who keeps it (the default)", NULL},
	{"sync", "on the host, with --vm: set it by the host's clock", NULL}, {0}};
static const struct ctl_word proxy_words[] = {
	{"show", "those of dockerd and where they come from (the default)", NULL},
	{"from-environment", "this session's, from now on", NULL},
	{"clear", "none of a session's any more", NULL}, {0}};

/* ---- verbs ---------------------------------------------------------------------------------------- */

const struct ctl_verb ctl_verbs[] = {
	{.word = "status",
		.operands = "",
		.help = "a page about the guest",
		.fn = ctl_status,
		.options = status_options},
	{.word = "health",
		.operands = "",
		.help = "the health document; exit 0 if the engine is ready, 1 if not",
		.fn = ctl_health,
		.options = answer_options},
	{.word = "top",
		.operands = "",
		.help = "memory, pressure, containers, services and disk, live",
		.fn = ctl_top,
		.options = top_options,
		.about = "Keys: m, c and n sort the containers by memory, cache or name; q quits."},
	{.word = "wait",
		.operands = "[STATUS]",
		.help = "wait until the guest is ready, or has that status",
		.fn = ctl_wait,
		.most = 1,
		.words = wait_words,
		.options = wait_options},
	{.word = "services",
		.operands = "",
		.help = "the services",
		.fn = ctl_services,
		.options = json_options},
	{.word = "start",
		.operands = "UNIT...",
		.help = "start services and wait until they are up",
		.fn = ctl_start,
		.least = 1,
		.most = CTL_MANY,
		.guest_only = true,
		.kind = CTL_OPERANDS_UNITS,
		.options = order_options},
	{.word = "stop",
		.operands = "UNIT...",
		.help = "stop services",
		.fn = ctl_stop,
		.least = 1,
		.most = CTL_MANY,
		.guest_only = true,
		.kind = CTL_OPERANDS_UNITS,
		.options = order_options},
	{.word = "restart",
		.operands = "UNIT...",
		.help = "restart services",
		.fn = ctl_restart,
		.least = 1,
		.most = CTL_MANY,
		.guest_only = true,
		.kind = CTL_OPERANDS_UNITS,
		.options = order_options},
	{.word = "reload",
		.operands = "UNIT...",
		.help = "make services read their configuration again",
		.fn = ctl_reload,
		.least = 1,
		.most = CTL_MANY,
		.guest_only = true,
		.kind = CTL_OPERANDS_UNITS,
		.options = order_options},
	{.word = "logs",
		.operands = "UNIT",
		.help = "what a service wrote",
		.fn = ctl_logs,
		.least = 1,
		.most = 1,
		.kind = CTL_OPERANDS_UNITS,
		.options = logs_options},
	{.word = "events",
		.operands = "",
		.help = "what happens in the guest, as it happens",
		.fn = ctl_events,
		.options = events_options},
	{.word = "disk",
		.operands = "VERB [DEVICE]",
		.help = "the data disk: space, repair, another one",
		.fn = ctl_disk,
		.least = 1,
		.most = 2,
		.words = disk_words,
		.options = disk_options},
	{.word = "memory",
		.operands = "[VERB]",
		.help = "the guest's memory, and what goes back to the host",
		.fn = ctl_memory,
		.most = 2,
		.words = memory_words,
		.options = memory_options},
	{.word = "clock",
		.operands = "[VERB]",
		.help = "the guest's wall clock, and what became of it in a sleep",
		.fn = ctl_clock,
		.most = 1,
		.words = clock_words,
		.options = json_options},
	{.word = "proxy",
		.operands = "[VERB]",
		.help = "the proxies that dockerd fetches images through",
		.fn = ctl_proxy,
		.most = 1,
		.guest_only = true,
		.words = proxy_words,
		.options = order_options},
	{.word = "diagnose",
		.operands = "",
		.help = "all that helps to find a fault, without secrets, as a tar file",
		.fn = ctl_diagnose,
		.options = diagnose_options,
		.about =
			"Without -o the file is keel-diagnostics-BOOT-TIME.tar here, for its owner only. MANIFEST.txt in it "
			"says what it has and what it lacks. In the guest it works without the agent too."},
	{.word = "shell",
		.operands = "[COMMAND [ARGUMENT]...]",
		.help = "a shell in the guest, or one command (debug.shell in keel.conf)",
		.fn = ctl_shell,
		.most = CTL_MANY,
		.verbatim = true,
		.options = shell_options,
		.about =
			"Exits as the command does, with 128 and the signal's number if one killed it, and with 255 when there "
			"was no session, or it broke off."},
	{.word = "kernel",
		.operands = "",
		.help = "what the kernel check found",
		.fn = ctl_kernel,
		.options = answer_options},
	{.word = "forward",
		.operands = "LISTEN",
		.help = "offer the guest's Docker API on unix:PATH or tcp:127.0.0.1:PORT",
		.fn = ctl_forward,
		.least = 1,
		.most = 1,
		.kind = CTL_OPERANDS_LISTEN,
		.options = forward_options},
	{.word = "docker-context",
		.operands = "[NAME]",
		.help = "the commands that make a Docker context for the guest",
		.fn = ctl_docker_context,
		.most = 1,
		.about = "To have them carried out: eval \"$(keelctl docker-context)\""},
	{.word = "shutdown",
		.operands = "",
		.help = "shut the guest down",
		.fn = ctl_shutdown,
		.options = answer_options},
	{.word = "reboot",
		.operands = "",
		.help = "reboot the guest",
		.fn = ctl_reboot,
		.options = answer_options},
	{.word = "help",
		.operands = "[VERB]",
		.help = "this page, or that of a verb",
		.fn = ctl_help,
		.most = 1,
		.kind = CTL_OPERANDS_VERB},
	{0},
};

const struct ctl_verb *ctl_find_verb(const char *word)
{
	for (const struct ctl_verb *verb = ctl_verbs; verb->word; verb++)
		if (strcmp(word, verb->word) == 0)
			return verb;
	return NULL;
}

const char *ctl_option_help(const struct ctl_verb *verb, enum ctl_option option)
{
	if (ctl_options[option].help)
		return ctl_options[option].help;
	for (const struct ctl_use *use = verb ? verb->options : NULL; use && use->option; use++)
		if (use->option == option)
			return use->help;
	return NULL;
}
