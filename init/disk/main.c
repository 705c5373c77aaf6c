/* SPDX-License-Identifier: MIT
 *
 * keel-disk - the stage helper of the data disk: waits for it, decides (disk_policy.h), checks,
 * formats if it is provably blank and that is allowed, mounts it and binds what Docker keeps on it.
 *
 * Started once by PID 1; may be started again at any time and then only verifies. It is a process
 * of its own because it reads what is on untrusted disks: a crash here fails one stage. Ends with
 * DONE and status 0 once the disk is mounted; until then it reports RUNNING or FAILED and goes on
 * waiting.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "init/disk/disk_list.h"
#include "init/disk/disk_stage.h"
#include "lib/control.h"
#include "lib/helper.h"

static const char usage[] =
	"usage: keel-disk [OPTION...] [mount | list]\n"
	"  mount  wait for the data disk, check it, mount it, bind Docker's directories (default)\n"
	"  list   show every block device, why it is or is not a candidate, and what would be "
	"done\n"
	"Options:\n"
	"  -o, --option=SECTION.KEY=VALUE  override keel.conf(5), e.g. -o disk.label=other\n"
	"      --only=DEVICE               consider this device only (may be repeated); a loop\n"
	"                                  device named so counts as a disk\n"
	"  -h, --help                      this text\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage. A disk that is missing or refused is "
	"reported\n"
	"and waited for; it does not end the program.\n";

/* 0, 1 (done: help) or -EINVAL (told). */
static int parse_options(int argc, char **argv, struct config *config,
	struct disk_scan_options *scan)
{
	enum { OPTION_ONLY = 256 };
	static const struct option names[] = {
		{"option", required_argument, NULL, 'o'},
		{"only", required_argument, NULL, OPTION_ONLY},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option, rc;

	while ((option = getopt_long(argc, argv, "o:h", names, NULL)) >= 0) {
		switch (option) {
		case 'o':
			rc = helper_set_option(config, optarg);
			if (rc == 0)
				break;
			(void)fprintf(stderr, "keel-disk: %s: %s\n", optarg,
				rc == -ENOENT ? "no such key, see keel.conf(5)" : "bad value");
			return -EINVAL;
		case OPTION_ONLY:
			if (scan->only_count == DISK_ONLY_MAX) {
				(void)fprintf(stderr, "keel-disk: more than %d --only\n",
					DISK_ONLY_MAX);
				return -EINVAL;
			}
			scan->only[scan->only_count++] = optarg;
			break;
		case 'h':
			(void)fputs(usage, stdout);
			return 1;
		default:
			(void)fputs(usage, stderr);
			return -EINVAL;
		}
	}
	return 0;
}

static int run_mount(const struct config *config, const struct disk_scan_options *scan)
{
	struct control_disk none = {.state = DISK_STATE_NONE};

	if (config->disk.enabled)
		return disk_stage_run(config, scan) < 0;
	(void)snprintf(none.reason, sizeof(none.reason),
		"disk.enabled=no: data is on the root file system");
	stage_report_send(STAGE_STATE_SKIPPED, &none, "%s", none.reason);
	return 0;
}

static int run_list(const struct config *config, const struct disk_scan_options *scan)
{
	int rc = disk_list_print(config, scan);

	if (rc < 0)
		(void)fprintf(stderr, "keel-disk: scan /sys/class/block: %s\n", strerror(-rc));
	return rc < 0;
}

int main(int argc, char **argv)
{
	struct disk_scan_options scan = {0};
	struct config config;
	const char *verb;
	int rc;

	(void)helper_start("keel-disk", &config);
	rc = parse_options(argc, argv, &config, &scan);
	if (rc != 0)
		return rc < 0 ? 2 : 0;
	scan.label = config.disk.label;
	scan.uuid = config.disk.uuid;
	scan.mountpoint = config.disk.mountpoint;
	verb = optind < argc ? argv[optind] : "mount";
	if (optind + 1 >= argc && strcmp(verb, "mount") == 0)
		return run_mount(&config, &scan);
	if (optind + 1 >= argc && strcmp(verb, "list") == 0)
		return run_list(&config, &scan);
	(void)fputs(usage, stderr);
	return 2;
}
