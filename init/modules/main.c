/* SPDX-License-Identifier: MIT
 *
 * keel-modules - the stage helper that loads kernel modules: first the drivers of the devices that
 * are there (disk, network and the host's line wait for those), then the modules that no device
 * asks for, by name from modules-load.d(5); then compressed swap, which comes with a module, if the configuration
 * wants it.
 *
 * Started once by PID 1, ends with one report: DONE, DEGRADED naming what is missing, or SKIPPED on
 * a kernel without module support. Nothing here can stop a boot.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "init/modules/coldplug.h"
#include "init/modules/module_list.h"
#include "init/modules/module_loader.h"
#include "init/modules/zram.h"
#include "lib/clock.h"
#include "lib/control.h"
#include "lib/helper.h"
#include "lib/log.h"

static const char usage[] =
	"usage: keel-modules [--dry-run] [--modules=DIR] [--sysfs=DIR] [LIST-DIR...]\n"
	"Loads the drivers of the virtual hardware that is present, then every module named in\n"
	"/etc/modules-load.d/*.conf, /run/modules-load.d/*.conf and /usr/lib/modules-load.d/*.conf "
	"(or in\n"
	"LIST-DIR), with dependencies.\n"
	"  -n, --dry-run      print what would be loaded, load nothing\n"
	"      --modules=DIR  directory of this kernel's modules (default /lib/modules/$(uname "
	"-r))\n"
	"      --sysfs=DIR    where devices are looked up (default /sys)\n"
	"  -h, --help         this text\n"
	"Exit status: 0 all loaded or nothing to do, 1 something is missing, 2 wrong usage.\n";

struct options {
	bool dry_run;
	const char *modules_dir, *sysfs;
	const char *const *list_dirs;
	size_t list_dir_count;
};

/* The sentence that names what went wrong, cut to what a report can hold. */
struct problems {
	size_t count;
	char names[CONTROL_REASON_MAX / 2];
};

static void add_problem(struct problems *problems, const char *name)
{
	size_t used = strlen(problems->names);

	(void)snprintf(problems->names + used, sizeof(problems->names) - used, "%s%s",
		problems->count > 0 ? ", " : "", name);
	problems->count++;
}

static void load_listed(struct module_loader *loader, const struct module_list *list,
	struct problems *missing, struct problems *failed)
{
	for (size_t i = 0; i < list->count; i++) {
		switch (module_loader_load(loader, list->names[i])) {
		case MODULE_RESULT_LOADED:
		case MODULE_RESULT_PRESENT:
			break;
		case MODULE_RESULT_BLOCKED:
			log_info("module %s is blacklisted in modprobe.d", list->names[i]);
			break;
		case MODULE_RESULT_MISSING:
			add_problem(missing, list->names[i]);
			break;
		case MODULE_RESULT_FAILED:
			add_problem(failed, list->names[i]);
			break;
		}
	}
}

/* 0 if all is well. */
static int report_result(const struct module_loader *loader, const struct module_list *list,
	size_t drivers_failed, const struct problems *missing, const struct problems *failed,
	const char *no_zram, uint64_t start_us)
{
	unsigned long long ms = (clock_now_us() - start_us) / USEC_PER_MSEC;
	const char *dir = module_loader_dir(loader);

	if (missing->count > 0 && access(dir, F_OK) < 0)
		stage_report_send(STAGE_STATE_DEGRADED, NULL, "no %s, and not built in: %s", dir,
			missing->names);
	else if (missing->count > 0)
		stage_report_send(STAGE_STATE_DEGRADED, NULL, "not in this kernel (%s): %s", dir,
			missing->names);
	else if (failed->count > 0)
		stage_report_send(STAGE_STATE_DEGRADED, NULL, "did not load (see dmesg): %s",
			failed->names);
	else if (drivers_failed > 0)
		stage_report_send(STAGE_STATE_DEGRADED, NULL,
			"%zu device drivers did not load (see dmesg)", drivers_failed);
	else if (no_zram[0])
		stage_report_send(STAGE_STATE_DEGRADED, NULL, "%s", no_zram);
	else
		stage_report_send(STAGE_STATE_DONE, NULL,
			"%zu modules loaded in %llu ms; all %zu listed are there",
			module_loader_count(loader), ms, list->count);
	return missing->count + failed->count + drivers_failed > 0 || no_zram[0];
}

static int load_all(const struct options *options, unsigned int zram_percent)
{
	static struct module_list list;
	_cleanup_(module_loader_free_p) struct module_loader *loader = NULL;
	struct problems missing = {0}, failed = {0};
	char no_zram[CONTROL_REASON_MAX / 2] = "";
	uint64_t start_us = clock_now_us();
	size_t drivers_failed;
	int rc;

	if (!options->dry_run && access("/proc/modules", F_OK) < 0) {
		if (zram_percent > 0)
			(void)!zram_swap_on(NULL, zram_percent, no_zram, sizeof(no_zram));
		stage_report_send(no_zram[0] ? STAGE_STATE_DEGRADED : STAGE_STATE_SKIPPED, NULL,
			"%s", no_zram[0] ? no_zram : "this kernel has no loadable modules");
		return no_zram[0] ? 1 : 0;
	}
	rc = module_loader_new(&loader, options->modules_dir, options->dry_run);
	if (rc < 0) {
		stage_report_send(STAGE_STATE_FAILED, NULL, "start libkmod: %s", strerror(-rc));
		return 1;
	}
	module_list_read(&list, options->list_dirs, options->list_dir_count);
	stage_report_send(STAGE_STATE_RUNNING, NULL, "loading device drivers");
	drivers_failed = coldplug_load_drivers(loader, options->sysfs);
	stage_report_send(STAGE_STATE_RUNNING, NULL, "loading %zu listed modules", list.count);
	load_listed(loader, &list, &missing, &failed);
	if (zram_percent > 0 && !options->dry_run)
		(void)!zram_swap_on(loader, zram_percent, no_zram, sizeof(no_zram));
	return report_result(loader, &list, drivers_failed, &missing, &failed, no_zram, start_us);
}

static int parse_options(int argc, char **argv, struct options *options)
{
	enum { OPTION_MODULES = 256, OPTION_SYSFS };
	static const struct option names[] = {
		{"dry-run", no_argument, NULL, 'n'},
		{"modules", required_argument, NULL, OPTION_MODULES},
		{"sysfs", required_argument, NULL, OPTION_SYSFS},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "nh", names, NULL)) >= 0) {
		switch (option) {
		case 'n':
			options->dry_run = true;
			break;
		case OPTION_MODULES:
			options->modules_dir = optarg;
			break;
		case OPTION_SYSFS:
			options->sysfs = optarg;
			break;
		case 'h':
			(void)fputs(usage, stdout);
			return 1;
		default:
			(void)fputs(usage, stderr);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		options->list_dirs = (const char *const *)&argv[optind];
		options->list_dir_count = (size_t)(argc - optind);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const list_dirs[] = {
		"/etc/modules-load.d", "/run/modules-load.d", "/usr/lib/modules-load.d"};
	struct options options = {
		.sysfs = "/sys", .list_dirs = list_dirs, .list_dir_count = ARRAY_SIZE(list_dirs)};
	struct config config;
	int rc = parse_options(argc, argv, &options);

	if (rc != 0)
		return rc < 0 ? 2 : 0;
	(void)helper_start("keel-modules", &config);
	return load_all(&options, config.memory.zram_percent);
}
