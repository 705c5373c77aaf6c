/* SPDX-License-Identifier: MIT
 *
 * disk_list.c - `keel-disk list`: the scan and the decision, for people and for programs.
 */
#include "init/disk/disk_list.h"

#include <stdio.h>
#include <string.h>

#include "init/disk/identity.h"
#include "init/disk/verbs.h"

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

	(void)snprintf(clean, sizeof(clean), "%s", label);
	job_clean_text(clean);
	(void)printf(" %-16s", clean[0] ? clean : "-");
}

static void print_disk(const struct disk_facts *disk)
{
	char size[32], identity[IDENTITY_TEXT];

	/* Nobody is to overwrite what cannot even be read: it has no identity. */
	if (identity_read(disk, identity) < 0)
		identity[0] = '\0';
	job_clean_text(identity);
	format_size(disk->size_bytes, size, sizeof(size));
	(void)printf("%-14s %9s %-11s", disk->device, size, content_word(disk));
	print_label(disk->label);
	(void)printf(" %-36s %s%s%s%s\n", identity[0] ? identity : "-",
		disk_exclusion_name(disk->exclusion), disk->exclusion_detail[0] ? ": " : "",
		disk->exclusion_detail, disk->superblock.error ? ", carries the error flag" : "");
}

static const char *marker_word(enum disk_marker marker)
{
	switch (marker) {
	case DISK_MARKER_UNCHECKED:
		return "";
	case DISK_MARKER_NONE:
		return "none";
	case DISK_MARKER_VALID:
		return "valid";
	case DISK_MARKER_NEWER:
		return "newer";
	case DISK_MARKER_BAD:
		return "bad";
	}
	return "?";
}

static void add_disk(yyjson_mut_doc *doc, yyjson_mut_val *disks, const struct disk_facts *disk)
{
	yyjson_mut_val *entry = yyjson_mut_arr_add_obj(doc, disks);
	char identity[IDENTITY_TEXT] = "";

	if (!entry)
		return;
	if (disk->exclusion == DISK_EXCLUSION_EMPTY || identity_read(disk, identity) < 0)
		identity[0] = '\0';
	job_add_text(doc, entry, "device", disk->device);
	(void)yyjson_mut_obj_add_uint(doc, entry, "size_bytes", disk->size_bytes);
	(void)yyjson_mut_obj_add_bool(doc, entry, "partition", disk->partition);
	job_add_text(doc, entry, "content", content_word(disk));
	job_add_text(doc, entry, "label", disk->label);
	job_add_text(doc, entry, "uuid", disk->uuid);
	job_add_text(doc, entry, "identity", identity);
	job_add_text(doc, entry, "state", disk_exclusion_name(disk->exclusion));
	job_add_text(doc, entry, "detail", disk->exclusion_detail);
	job_add_text(doc, entry, "marker", marker_word(disk->marker));
	(void)yyjson_mut_obj_add_bool(doc, entry, "error", disk->superblock.error);
}

static int print_json(struct job *job, const struct disk_scan *scan,
	const struct disk_decision *decision)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *result = job_result_new(&doc);
	yyjson_mut_val *disks = result ? yyjson_mut_obj_add_arr(doc, result, "disks") : NULL;
	yyjson_mut_val *verdict = disks ? yyjson_mut_obj_add_obj(doc, result, "decision") : NULL;

	for (size_t i = 0; verdict && i < scan->count; i++)
		add_disk(doc, disks, &scan->disks[i]);
	if (verdict) {
		job_add_text(doc, verdict, "action", disk_action_name(decision->action));
		job_add_text(doc, verdict, "situation", disk_situation_name(decision->situation));
		job_add_text(doc, verdict, "reason", decision->reason);
	}
	return job_succeed(job, doc, "%s", "");
}

int disk_list_decide(const struct job *job, struct disk_scan *scan, struct disk_decision *decision)
{
	const struct config *config = job->config;
	struct disk_policy_input input = {
		.label = config->disk.label,
		.uuid = config->disk.uuid,
		.mountpoint = config->disk.mountpoint,
		.format_blank = config->disk.format == CONFIG_DISK_FORMAT_BLANK,
		.rescue_read_only = config->disk.damaged == CONFIG_DISK_DAMAGED_READ_ONLY,
		.settled = true,
		.deadline_passed = true,
	};
	int rc = disk_scan_run(&job->scan, scan);

	if (rc < 0)
		return rc;
	input.mounted_source = scan->mounted_source;
	input.disks = scan->disks;
	input.count = scan->count;
	disk_policy_decide(&input, decision);
	return 0;
}

int verb_list(struct job *job)
{
	static struct disk_scan scan; /* too large for the stack */
	struct disk_decision decision;
	int rc = disk_list_decide(job, &scan, &decision);

	if (rc < 0)
		return job_fail(job, "failed", "/sys/class/block cannot be read: %s",
			strerror(-rc));
	if (job->options.json)
		return print_json(job, &scan, &decision);
	(void)printf("%-14s %9s %-11s %-16s %-36s %s\n", "DEVICE", "SIZE", "CONTENT", "LABEL",
		"IDENTITY", "STATE");
	for (size_t i = 0; i < scan.count; i++)
		if (scan.disks[i].exclusion != DISK_EXCLUSION_EMPTY)
			print_disk(&scan.disks[i]);
	(void)printf("Decision: %s (%s): %s.\n", disk_action_name(decision.action),
		disk_situation_name(decision.situation), decision.reason);
	return fflush(stdout) != 0;
}
