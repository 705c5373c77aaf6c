/* SPDX-License-Identifier: MIT
 *
 * main.c - keelctl: one table of verbs. Under the names systemctl, poweroff, halt and reboot it is systemctl, under the
 * name journalctl that.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ctl/ctl.h"
#include "agent/ctl/logs.h"

static const struct {
	const char *word, *operands, *help;
	int (*fn)(const struct ctl *ctl);
} verbs[] = {
	{"status", "", "a page about the guest (--brief: short; --json: the health document)",
		ctl_status},
	{"health", "", "the health document; exit 0 if the engine is ready, 1 if not", ctl_health},
	{"wait", "[STATUS]", "wait until it is ready (or starting, degraded, failed, stopping)",
		ctl_wait},
	{"services", "", "the services", ctl_services},
	{"start", "UNIT...", "start services and wait until they are up", ctl_start},
	{"stop", "UNIT...", "stop services", ctl_stop},
	{"restart", "UNIT...", "restart services", ctl_restart},
	{"reload", "UNIT...", "make services read their configuration again", ctl_reload},
	{"logs", "UNIT", "what a service wrote (-f: and writes; -n N: the last N lines)", ctl_logs},
	{"disk", "VERB", "the data disk: status, list, trim, grow, repair, init, adopt", ctl_disk},
	{"memory", "[VERB]", "the guest's memory: status, reclaim, target, mode", ctl_memory},
	{"proxy", "[VERB]", "the proxies of dockerd: show, from-environment, clear", ctl_proxy},
	{"kernel", "", "what the kernel check found", ctl_kernel},
	{"forward", "LISTEN", "offer the guest's Docker API on unix:PATH or tcp:127.0.0.1:PORT",
		ctl_forward},
	{"shutdown", "", "shut the guest down", ctl_shutdown},
	{"reboot", "", "reboot the guest", ctl_reboot},
};

static void print_help(void)
{
	(void)puts("usage: keelctl [--vm ADDRESS] VERB [OPTION]...\n"
		   "Asks and orders keel's guest, from inside or from its host.\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		(void)printf("  %-9s %-9s %s\n", verbs[i].word, verbs[i].operands, verbs[i].help);
	(void)puts(
		"\n"
		"  --vm ADDRESS       the guest, from its host (default $KEEL_VM; none: we are in it):\n"
		"                       vsock:CID     a virtual machine of this host\n"
		"                       hvsock:PATH   Firecracker's or vhost-device-vsock's unix socket\n"
		"                       unix:PATH     the socket itself\n"
		"  --timeout SECONDS  for wait (default 120), start and its like (90), questions, reclaim (10)\n"
		"  --json             status, services, disk, memory: JSON\n"
		"  --brief            status: what matters now, within a second\n"
		"  --watch            memory: redrawn every 2 seconds\n"
		"  -f, --follow       logs: go on as lines come\n"
		"  -n, --lines N      logs: only the last N lines\n"
		"  --uuid IDENTITY    disk repair, init, adopt: the disk, as disk list shows it\n"
		"  --no-block         start, stop, restart, reload: do not wait\n"
		"  --api-port PORT, --docker-port PORT   in the guest (defaults 700, 701)\n"
		"  --help, --version\n"
		"\n"
		"Exit: 0 yes or done; 1 no, failed or not in time; 2 wrong usage; 3 nobody answers.\n"
		"start, stop, restart and reload work in the guest only. More: keelctl(1).");
}

/* What getopt_long returns for each long option. */
enum ctl_option {
	CTL_OPTION_VM = 256,
	CTL_OPTION_TIMEOUT,
	CTL_OPTION_JSON,
	CTL_OPTION_BRIEF,
	CTL_OPTION_WATCH,
	CTL_OPTION_NO_BLOCK,
	CTL_OPTION_UUID,
	CTL_OPTION_API_PORT,
	CTL_OPTION_DOCKER_PORT,
	CTL_OPTION_HELP,
	CTL_OPTION_VERSION,
};

static const struct option option_table[] = {
	{"vm", required_argument, NULL, CTL_OPTION_VM},
	{"timeout", required_argument, NULL, CTL_OPTION_TIMEOUT},
	{"json", no_argument, NULL, CTL_OPTION_JSON},
	{"brief", no_argument, NULL, CTL_OPTION_BRIEF},
	{"watch", no_argument, NULL, CTL_OPTION_WATCH},
	{"follow", no_argument, NULL, 'f'},
	{"lines", required_argument, NULL, 'n'},
	{"no-block", no_argument, NULL, CTL_OPTION_NO_BLOCK},
	{"uuid", required_argument, NULL, CTL_OPTION_UUID},
	{"api-port", required_argument, NULL, CTL_OPTION_API_PORT},
	{"docker-port", required_argument, NULL, CTL_OPTION_DOCKER_PORT},
	{"help", no_argument, NULL, CTL_OPTION_HELP},
	{"version", no_argument, NULL, CTL_OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

static int parse_vm(const char *text, struct address *vm)
{
	int rc = address_parse(text, vm);

	if (rc < 0 || vm->kind == ADDRESS_TCP)
		return -EINVAL;
	/* Here the only number of vsock:N is the machine; the port is the verb's. */
	if (vm->kind == ADDRESS_VSOCK)
		vm->cid = vm->port;
	return 0;
}

static int parse_number(const char *text, unsigned int *number)
{
	char end;

	return sscanf(text, "%9u%c", number, &end) == 1 && *number > 0 ? 0 : -EINVAL;
}

/* 0, -EINVAL (bad value), 1 (done), 2 (no such option). */
static int take_option(struct ctl *ctl, int option)
{
	switch (option) {
	case CTL_OPTION_VM:
		return parse_vm(optarg, &ctl->vm);
	case CTL_OPTION_TIMEOUT:
		return parse_number(optarg, &ctl->timeout_s);
	case CTL_OPTION_JSON:
		ctl->json = true;
		return 0;
	case CTL_OPTION_BRIEF:
		ctl->brief = true;
		return 0;
	case CTL_OPTION_WATCH:
		ctl->watch = true;
		return 0;
	case 'f':
		ctl->follow = true;
		return 0;
	case 'n':
		return logs_parse_lines(optarg, &ctl->lines);
	case CTL_OPTION_NO_BLOCK:
		ctl->no_block = true;
		return 0;
	case CTL_OPTION_UUID:
		ctl->uuid = optarg;
		return 0;
	case CTL_OPTION_API_PORT:
		return parse_number(optarg, &ctl->api_port);
	case CTL_OPTION_DOCKER_PORT:
		return parse_number(optarg, &ctl->docker_port);
	case CTL_OPTION_HELP:
		print_help();
		return 1;
	case CTL_OPTION_VERSION:
		(void)puts("keelctl " KEEL_VERSION);
		return 1;
	default:
		return 2;
	}
}

static const char *option_name(int option)
{
	for (size_t i = 0; option_table[i].name; i++)
		if (option_table[i].val == option)
			return option_table[i].name;
	return "?";
}

/* -1: go on; else exit with that. */
static int parse_options(struct ctl *ctl, int argc, char **argv)
{
	const char *vm = getenv("KEEL_VM");
	int option, rc;

	if (vm && vm[0] && parse_vm(vm, &ctl->vm) < 0) {
		(void)fprintf(stderr, "keelctl: KEEL_VM=%s: not an address; see --help\n", vm);
		return CTL_EXIT_USAGE;
	}
	while ((option = getopt_long(argc, argv, "fn:", option_table, NULL)) != -1) {
		rc = take_option(ctl, option);
		if (rc < 0)
			(void)fprintf(stderr, "keelctl: --%s %s: not a valid value; see --help\n",
				option_name(option), optarg);
		if (rc != 0)
			return rc == 1 ? CTL_EXIT_OK : CTL_EXIT_USAGE;
	}
	return -1;
}

/* Several names, one program; the verb is the name. */
static int run_as_systemctl(const char *name, int argc, char **argv)
{
	char *verb_argv[] = {argv[0], (char *)(uintptr_t)name, NULL};

	if (strcmp(name, "systemctl") == 0)
		return systemctl_run(argc, argv);
	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		verb_argv[1] = argv[1];
	return systemctl_run(2, verb_argv);
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.api_port = 700, .docker_port = 701, .lines = LOGS_ALL};
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";
	const char *word;
	int rc;

	if (strcmp(name, "systemctl") == 0 || strcmp(name, "poweroff") == 0 ||
		strcmp(name, "halt") == 0 || strcmp(name, "reboot") == 0)
		return run_as_systemctl(name, argc, argv);
	if (strcmp(name, "journalctl") == 0)
		return journalctl_run(argc, argv);
	rc = parse_options(&ctl, argc, argv);
	if (rc >= 0)
		return rc;
	if (optind == argc) {
		(void)fputs("keelctl: which verb? See --help\n", stderr);
		return CTL_EXIT_USAGE;
	}
	word = argv[optind++];
	ctl.argc = argc - optind;
	ctl.argv = argv + optind;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(word, verbs[i].word) != 0)
			continue;
		if (verbs[i].operands[0] == '\0' && ctl.argc > 0) {
			(void)fprintf(stderr, "keelctl: %s takes no operands; see --help\n", word);
			return CTL_EXIT_USAGE;
		}
		return verbs[i].fn(&ctl);
	}
	(void)fprintf(stderr, "keelctl: %s: no such verb; see --help\n", word);
	return CTL_EXIT_USAGE;
}
