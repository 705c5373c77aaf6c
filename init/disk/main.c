/* SPDX-License-Identifier: MIT
 *
 * keel-disk - the data disk: the helper of the disk stage, and the jobs that people and the agent start.
 *
 * As the stage's helper (`mount`) it waits for the disk, decides (disk_policy.h), checks, formats if it is provably blank and
 * that is allowed, mounts it and binds what Docker keeps on it. Started once by PID 1; may be started again at any
 * time and then only verifies. Ends with DONE and status 0 once the disk is mounted; until then it reports RUNNING or
 * FAILED and goes on waiting. It is a process of its own because it reads what is on untrusted disks: a crash
 * here fails one stage.
 *
 * The other verbs (verbs.h) are jobs: one at a time on the machine, with a result and an end.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "init/disk/data_disk.h"
#include "init/disk/disk_stage.h"
#include "init/disk/verbs.h"
#include "lib/control.h"
#include "lib/helper.h"

static const char usage[] =
	"usage: keel-disk [OPTION...] [VERB]\n"
	"  mount                          wait for the data disk, check it, mount it, bind Docker's\n"
	"                                 directories (default)\n"
	"  list                           every block device, why it is or is not a candidate, what\n"
	"                                 would be done\n"
	"  status                         the data disk as it is\n"
	"  trim                           give free space back to the host\n"
	"  grow                           enlarge the file system to its device\n"
	"  repair [--uuid UUID] [DEVICE]  repair it, with an undo file; stops the engine if it must\n"
	"  release                        let go of a mounted disk that was taken away; stops the engine\n"
	"  init --uuid IDENTITY DEVICE    format DEVICE, whatever is on it; IDENTITY is what list shows\n"
	"  adopt --uuid UUID DEVICE       make an ext4 of somebody else a data disk\n"
	"Options:\n"
	"  -o, --option=SECTION.KEY=VALUE  override keel.conf(5), e.g. -o disk.data=LABEL=other\n"
	"      --only=DEVICE               consider this device only (may be repeated); a loop\n"
	"                                  device named so counts as a disk\n"
	"      --json                      results and progress as JSON, one object a line\n"
	"      --gentle                    trim: give up when the engine waits for the disk\n"
	"      --no-undo                   repair: without a way back\n"
	"  -h, --help                      this text\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage. For mount, a disk that is missing or refused is\n"
	"reported and waited for; it does not end the program.\n";

enum verb_device { DEVICE_NONE, DEVICE_MAY, DEVICE_MUST };

static const struct {
	const char *name;
	int (*run)(struct job *job); /* NULL: not a job */
	bool changes;                /* only one of these runs at a time */
	bool interruptible;
	enum verb_device device; /* MUST: and the UUID too */
} verbs[] = {
	{"mount", NULL, false, false, DEVICE_NONE},
	{"list", verb_list, false, true, DEVICE_NONE},
	{"status", verb_status, false, true, DEVICE_NONE},
	{"trim", verb_trim, true, true, DEVICE_NONE},
	{"grow", verb_grow, true, false, DEVICE_NONE},
	{"repair", verb_repair, true, false, DEVICE_MAY},
	{"release", verb_release, true, false, DEVICE_NONE},
	{"init", verb_init, true, false, DEVICE_MUST},
	{"adopt", verb_adopt, true, false, DEVICE_MUST},
};

static int add_only(struct disk_scan_options *scan, const char *device)
{
	if (scan->only_count == DISK_ONLY_MAX) {
		(void)fprintf(stderr, "keel-disk: more than %d --only\n", DISK_ONLY_MAX);
		return -EINVAL;
	}
	scan->only[scan->only_count++] = device;
	return 0;
}

static int set_option(struct config *config, const char *text)
{
	int rc = helper_set_option(config, text);

	if (rc < 0)
		(void)fprintf(stderr, "keel-disk: %s: %s\n", text,
			rc == -ENOENT ? "no such key, see keel.conf(5)" : "bad value");
	return rc;
}

/* 0, 1 (done: help) or -EINVAL (told). */
static int parse_options(int argc, char **argv, struct config *config, struct job *job)
{
	enum { OPTION_ONLY = 256, OPTION_JSON, OPTION_GENTLE, OPTION_NO_UNDO, OPTION_UUID };
	static const struct option names[] = {
		{"option", required_argument, NULL, 'o'},
		{"only", required_argument, NULL, OPTION_ONLY},
		{"json", no_argument, NULL, OPTION_JSON},
		{"gentle", no_argument, NULL, OPTION_GENTLE},
		{"no-undo", no_argument, NULL, OPTION_NO_UNDO},
		{"uuid", required_argument, NULL, OPTION_UUID},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option, rc = 0;

	while (rc == 0 && (option = getopt_long(argc, argv, "o:h", names, NULL)) >= 0) {
		switch (option) {
		case 'o':
			rc = set_option(config, optarg);
			break;
		case OPTION_ONLY:
			rc = add_only(&job->scan, optarg);
			break;
		case OPTION_JSON:
			job->options.json = true;
			break;
		case OPTION_GENTLE:
			job->options.gentle = true;
			break;
		case OPTION_NO_UNDO:
			job->options.no_undo = true;
			break;
		case OPTION_UUID:
			job->options.uuid = optarg;
			break;
		case 'h':
			(void)fputs(usage, stdout);
			return 1;
		default:
			(void)fputs(usage, stderr);
			return -EINVAL;
		}
	}
	return rc < 0 ? -EINVAL : 0;
}

static int run_mount(const struct config *config, const struct disk_scan_options *scan)
{
	struct control_disk none = {.state = DISK_STATE_NONE};

	if (config->disk.enabled)
		return disk_stage_run(config, scan) < 0;
	data_disk_unguard(config->disk.mountpoint);
	(void)snprintf(none.reason, sizeof(none.reason),
		"disk.enabled=no: data is on the root file system");
	stage_report_send(STAGE_STATE_SKIPPED, &none, "%s", none.reason);
	return 0;
}

static int run_verb(size_t index, struct job *job)
{
	if (!verbs[index].run)
		return run_mount(job->config, &job->scan);
	if (verbs[index].changes && !job_begin(job, verbs[index].interruptible))
		return 1;
	return verbs[index].run(job);
}

/* The index of the verb whose arguments are right, or ARRAY_SIZE(verbs). */
static size_t find_verb(int argc, char **argv, struct job *job)
{
	const char *name = optind < argc ? argv[optind] : "mount";
	const int operands = optind < argc ? argc - optind - 1 : 0;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, name) != 0)
			continue;
		if (operands > (verbs[i].device == DEVICE_NONE ? 0 : 1) ||
			(verbs[i].device == DEVICE_MUST && (operands == 0 || !job->options.uuid)))
			break;
		job->options.device = operands ? argv[optind + 1] : NULL;
		return i;
	}
	return ARRAY_SIZE(verbs);
}

int main(int argc, char **argv)
{
	struct job job = {0};
	struct config config;
	size_t verb;
	int rc;

	(void)helper_start("keel-disk", &config);
	job.config = &config;
	rc = parse_options(argc, argv, &config, &job);
	if (rc != 0)
		return rc < 0 ? 2 : 0;
	job.scan.label = config.disk.label;
	job.scan.uuid = config.disk.uuid;
	job.scan.mountpoint = config.disk.mountpoint;
	verb = find_verb(argc, argv, &job);
	if (verb < ARRAY_SIZE(verbs))
		return run_verb(verb, &job);
	(void)fputs(usage, stderr);
	return 2;
}
