/* SPDX-License-Identifier: MIT
 *
 * main.c - keel-agent: options over configuration over defaults, then agent_run (agent.c).
 *
 * PID 1 starts it as a Type=notify service; it may crash and is started again. Exit codes:
 * 0 stopped by a signal, 1 could not start or lost its event loop, 2 wrong usage.
 */
#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vm_sockets.h>

#include "agent/agent.h"
#include "agent/vmm_notify.h"
#include "lib/clock.h"
#include "lib/config.h"
#include "lib/control.h"
#include "lib/log.h"

static const char usage[] =
	"usage: keel-agent [OPTION]...\n"
	"Serves the keel API and Docker's API to the host and reports health to it. docs: keel-agent(8).\n"
	"\n"
	"  --api ADDRESS            listen here for the API (repeatable; default unix:" AGENT_API_SOCKET
	"\n"
	"                           and vsock:PORT, from vsock.api_port)\n"
	"  --docker-listen ADDRESS  offer Docker's API here (repeatable; default vsock:PORT, from\n"
	"                           vsock.docker_port)\n"
	"  --docker ADDRESS         dockerd's socket (default unix:/run/docker.sock)\n"
	"  --containerd ADDRESS     containerd's (default unix:/run/containerd/containerd.sock)\n"
	"  --report ADDRESS         report to there (default vsock:2:PORT, from vsock.report_port)\n"
	"  --control PATH           PID 1's control socket (default " CONTROL_SOCKET ")\n"
	"  --heartbeat SECONDS      default from health.heartbeat_s\n"
	"  --probe SECONDS          default from health.probe_s\n"
	"  --help, --version\n"
	"\n"
	"ADDRESS: none, unix:PATH, vsock:PORT (to listen), vsock:CID:PORT (to connect).\n"
	"The defaults come from " CONFIG_FILE " and the kernel command line: keel.conf(5).\n";

static void on_config_warning(void *ctx, const char *where, const char *message)
{
	(void)ctx;
	log_warning("%s: %s", where, message);
}

static_assert((int)CONFIG_CLOCK_AUTO == (int)CLOCK_MANAGE_AUTO &&
		      (int)CONFIG_CLOCK_YES == (int)CLOCK_MANAGE_YES &&
		      (int)CONFIG_CLOCK_NO == (int)CLOCK_MANAGE_NO,
	"the configuration's words are the policy's");

static void set_defaults(struct agent_options *options)
{
	static struct config config;

	config_load(&config, on_config_warning, NULL);
	options->api[0] = (struct address){.kind = ADDRESS_UNIX, .path = AGENT_API_SOCKET};
	options->api[1] = (struct address){
		.kind = ADDRESS_VSOCK, .cid = VMADDR_CID_ANY, .port = config.vsock.api_port};
	options->docker[0] = (struct address){
		.kind = ADDRESS_VSOCK, .cid = VMADDR_CID_ANY, .port = config.vsock.docker_port};
	options->engine.address[ENGINE_DOCKERD] =
		(struct address){.kind = ADDRESS_UNIX, .path = "/run/docker.sock"};
	options->engine.address[ENGINE_CONTAINERD] =
		(struct address){.kind = ADDRESS_UNIX, .path = "/run/containerd/containerd.sock"};
	options->engine.policy = (struct engine_policy){
		.restart = config.engine.restart,
		.restarts_per_hour = config.engine.restarts_per_hour,
		.hung_after_us = config.engine.hung_after_s * USEC_PER_SEC,
		.calm_us = config.health.probe_s * USEC_PER_SEC,
	};
	options->disk = (struct disk_options){
		.trim = config.disk.trim,
		.space = {.low_percent = config.disk.low_percent,
			.critical_percent = config.disk.critical_percent},
	};
	options->memory = (struct memory_options){
		.mode = config.memory.mode,
		.limits = {.floor = (uint64_t)config.memory.floor_mib << 20,
			.pressure_permille = config.memory.pressure_permille,
			.refault_permille = config.memory.refaults_permille},
		.target = (uint64_t)config.memory.target_mib << 20,
		.reserve = (uint64_t)config.memory.reserve_mib << 20,
		.zram_percent = config.memory.zram_percent,
		.swap = config.memory.swap,
	};
	options->clock = (struct clock_limits){
		.manage = (enum clock_manage)config.clock.manage,
		.step_us = config.clock.step_ms * USEC_PER_MSEC,
		.dead_us = config.clock.dead_ms * USEC_PER_MSEC,
		.other_us = config.clock.other_ms * USEC_PER_MSEC,
	};
	if (config.vsock.report_port != 0)
		options->report = (struct address){.kind = ADDRESS_VSOCK,
			.cid = VMADDR_CID_HOST,
			.port = config.vsock.report_port};
	options->control = CONTROL_SOCKET;
	options->data = config.disk.mountpoint;
	options->shell = config.debug.shell;
	options->heartbeat_s = config.health.heartbeat_s;
}

/* Only what the sandbox lets the agent open (agent/filter/calls.h). */
static int parse_address(const char *text, struct address *address)
{
	int rc = address_parse(text, address);

	if (rc == 0 && (address->kind == ADDRESS_TCP || address->kind == ADDRESS_HVSOCK))
		rc = -EINVAL;
	return rc;
}

/* The first use of a repeatable option replaces the defaults. */
static int add_address(struct address *list, unsigned int *count, const char *text)
{
	if (*count == AGENT_LISTENERS_MAX)
		return -E2BIG;
	if (*count == 0)
		memset(list, 0, sizeof(*list) * AGENT_LISTENERS_MAX);
	return parse_address(text, &list[(*count)++]);
}

static int parse_seconds(const char *text, unsigned int *seconds)
{
	char end;

	return sscanf(text, "%5u%c", seconds, &end) == 1 && *seconds > 0 ? 0 : -EINVAL;
}

/* What getopt_long returns for each long option. */
enum agent_option {
	AGENT_OPTION_API = 256,
	AGENT_OPTION_DOCKER_LISTEN,
	AGENT_OPTION_DOCKER,
	AGENT_OPTION_CONTAINERD,
	AGENT_OPTION_REPORT,
	AGENT_OPTION_CONTROL,
	AGENT_OPTION_HEARTBEAT,
	AGENT_OPTION_PROBE,
	AGENT_OPTION_HELP,
	AGENT_OPTION_VERSION,
};

static const struct option option_table[] = {
	{"api", required_argument, NULL, AGENT_OPTION_API},
	{"docker-listen", required_argument, NULL, AGENT_OPTION_DOCKER_LISTEN},
	{"docker", required_argument, NULL, AGENT_OPTION_DOCKER},
	{"containerd", required_argument, NULL, AGENT_OPTION_CONTAINERD},
	{"report", required_argument, NULL, AGENT_OPTION_REPORT},
	{"control", required_argument, NULL, AGENT_OPTION_CONTROL},
	{"heartbeat", required_argument, NULL, AGENT_OPTION_HEARTBEAT},
	{"probe", required_argument, NULL, AGENT_OPTION_PROBE},
	{"help", no_argument, NULL, AGENT_OPTION_HELP},
	{"version", no_argument, NULL, AGENT_OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

/* One option. 0, -errno for a bad value, 1 if the program has done what was asked, 2 for no such option. */
static int take_option(struct agent_options *options, int option, unsigned int counts[2])
{
	unsigned int seconds;
	int rc;

	switch (option) {
	case AGENT_OPTION_API:
		return add_address(options->api, &counts[0], optarg);
	case AGENT_OPTION_DOCKER_LISTEN:
		return add_address(options->docker, &counts[1], optarg);
	case AGENT_OPTION_DOCKER:
		return parse_address(optarg, &options->engine.address[ENGINE_DOCKERD]);
	case AGENT_OPTION_CONTAINERD:
		return parse_address(optarg, &options->engine.address[ENGINE_CONTAINERD]);
	case AGENT_OPTION_REPORT:
		return parse_address(optarg, &options->report);
	case AGENT_OPTION_CONTROL:
		options->control = strcmp(optarg, "none") == 0 ? NULL : optarg;
		return 0;
	case AGENT_OPTION_HEARTBEAT:
		return parse_seconds(optarg, &options->heartbeat_s);
	case AGENT_OPTION_PROBE:
		rc = parse_seconds(optarg, &seconds);
		if (rc == 0)
			options->engine.policy.calm_us = seconds * USEC_PER_SEC;
		return rc;
	case AGENT_OPTION_HELP:
		(void)fputs(usage, stdout);
		return 1;
	case AGENT_OPTION_VERSION:
		(void)puts("keel-agent " KEEL_VERSION);
		return 1;
	default:
		return 2;
	}
}

/* -1: go on; else exit with that. */
static int parse_options(struct agent_options *options, int argc, char **argv)
{
	unsigned int counts[2] = {0};
	int option, index = 0, rc;

	while ((option = getopt_long(argc, argv, "", option_table, &index)) != -1) {
		rc = take_option(options, option, counts);
		if (rc < 0)
			(void)fprintf(stderr,
				"keel-agent: --%s %s: not a valid value; see --help\n",
				option_table[index].name, optarg);
		if (rc != 0)
			return rc == 1 ? 0 : 2;
	}
	if (optind < argc) {
		(void)fprintf(stderr, "keel-agent: %s: no arguments are expected; see --help\n",
			argv[optind]);
		return 2;
	}
	return -1;
}

int main(int argc, char **argv)
{
	static struct agent_options options;
	const char *mode = getenv("KEEL_MODE");
	int rc;

	log_open("keel-agent", STDERR_FILENO, false);
	set_defaults(&options);
	rc = parse_options(&options, argc, argv);
	if (rc >= 0)
		return rc;
	options.disk.space.calm_us = options.engine.policy.calm_us;
	/* A VM's only: under WSL firmware and command line are other people's, and all distros'. */
	if (mode && strcmp(mode, "vm") == 0)
		vmm_notify_find(&options.vmm);
	rc = agent_run(&options);
	if (rc < 0)
		log_error("cannot run: %s", strerror(-rc));
	return rc < 0 ? 1 : 0;
}
