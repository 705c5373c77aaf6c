/* SPDX-License-Identifier: MIT
 *
 * disk_list.c - the scan and the decision as a table for people. Changes nothing, and does not read
 * a disk for blankness.
 */
#include "init/disk/disk_list.h"

#include <stdio.h>
#include <string.h>

static void format_size(uint64_t bytes, char *text, size_t size)
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes / 1024;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) - 1) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(text, size, "%.*f %ciB", value < 10 ? 1 : 0, value, units[unit]);
}

static const char *content_word(const struct disk_facts *disk)
{
	switch (disk->content) {
	case DISK_CONTENT_NOTHING:
		return disk->exclusion == DISK_EXCLUSION_EMPTY ? "-" : "unknown";
	case DISK_CONTENT_DATA:
	case DISK_CONTENT_PARTITIONS:
		return disk->type;
	case DISK_CONTENT_AMBIVALENT:
		return "ambivalent";
	case DISK_CONTENT_UNREADABLE:
		return "unreadable";
	}
	return "?";
}

/* A label is whatever the disk says: nothing of it may reach a terminal as a command. */
static void print_label(const char *label)
{
	char clean[sizeof(((struct disk_facts *)0)->label)];
	size_t i;

	for (i = 0; i < sizeof(clean) - 1 && label[i]; i++)
		clean[i] = (label[i] >= ' ' && label[i] <= '~') ? label[i] : '?';
	clean[i] = '\0';
	(void)printf(" %-16s", clean[0] ? clean : "-");
}

static void print_disk(const struct disk_facts *disk)
{
	char size[32];

	format_size(disk->size_bytes, size, sizeof(size));
	(void)printf("%-14s %9s %-11s", disk->device, size, content_word(disk));
	print_label(disk->label);
	(void)printf(" %-36s %s%s%s%s\n", disk->uuid[0] ? disk->uuid : "-",
		disk_exclusion_name(disk->exclusion), disk->exclusion_detail[0] ? ": " : "",
		disk->exclusion_detail, disk->superblock.error ? ", carries the error flag" : "");
}

int disk_list_print(const struct config *config, const struct disk_scan_options *options)
{
	static struct disk_scan scan; /* too large for the stack */
	struct disk_policy_input input = {
		.label = config->disk.label,
		.uuid = config->disk.uuid,
		.mountpoint = config->disk.mountpoint,
		.format_blank = config->disk.format == CONFIG_DISK_FORMAT_BLANK,
		.settled = true,
		.deadline_passed = true,
	};
	struct disk_decision decision;
	int rc = disk_scan_run(options, &scan);

	if (rc < 0)
		return rc;
	(void)printf("%-14s %9s %-11s %-16s %-36s %s\n", "DEVICE", "SIZE", "CONTENT", "LABEL",
		"UUID", "STATE");
	for (size_t i = 0; i < scan.count; i++)
		if (scan.disks[i].exclusion != DISK_EXCLUSION_EMPTY)
			print_disk(&scan.disks[i]);
	input.mounted_source = scan.mounted_source;
	input.disks = scan.disks;
	input.count = scan.count;
	disk_policy_decide(&input, &decision);
	(void)printf("Decision: %s: %s.\n", disk_action_name(decision.action), decision.reason);
	return 0;
}
