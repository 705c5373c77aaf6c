/* SPDX-License-Identifier: MIT
 *
 * metrics_disk.c - see metrics_disk.h. Caller: metrics.c.
 */
#include "agent/metrics_disk.h"

#include <string.h>

#include "agent/common/health.h"

static void put_file_system(struct metrics_text *text, const struct facts *facts)
{
	const struct disk_seen *seen = &facts->disk_seen;
	const struct space_sample *space = &seen->space;
	const struct metrics_label labels[] = {{"device", facts->disk.device}, {"fstype", "ext4"},
		{"mountpoint", facts->disk.mountpoint}};
	const struct {
		const char *name, *help;
		uint64_t value;
	} fields[] = {
		{"node_filesystem_size_bytes", "Size of the file system.", space->total},
		{"node_filesystem_free_bytes", "What is free of it.", space->total - space->used},
		{"node_filesystem_avail_bytes", "What is free of it for everybody.", space->free},
		{"node_filesystem_files", "How many files it can have.", space->inodes},
		{"node_filesystem_files_free", "How many more files it can have.",
			space->inodes_free},
		{"node_filesystem_readonly", "1 if it is not written.",
			facts->disk.state == DISK_STATE_RESCUE || seen->read_only},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		metrics_put_head(text, fields[i].name, "gauge", fields[i].help);
		metrics_put_labelled(text, fields[i].name, labels, ARRAY_SIZE(labels),
			fields[i].value);
	}
}

static void put_forecast(struct metrics_text *text, const struct space_verdict *forecast)
{
	static const char name[] = "keel_disk_forecast";

	metrics_put_head(text, name, "gauge", "1 for the word that is foreseen for its space.");
	for (int word = SPACE_OK; word <= SPACE_CRITICAL; word++)
		metrics_put_sample(text, name, "forecast", space_word_name((enum space_word)word),
			word == (int)forecast->word);
	if (forecast->full_known)
		metrics_put_number(text, "keel_disk_full_in_seconds", "gauge",
			"Until it is full, at the present pace.", forecast->full_in_s);
}

static void put_errors(struct metrics_text *text, const struct disk_errors *errors)
{
	metrics_put_number(text, "keel_disk_filesystem_errors", "gauge",
		"Errors that ext4 has noted since its last check.", errors->count);
	metrics_put_number(text, "keel_disk_io_errors", "gauge",
		"Failed I/O that the kernel's log tells of, since the mount.", errors->io_count);
}

static void put_trims(struct metrics_text *text, const struct disk_trims *trims)
{
	metrics_put_number(text, "keel_disk_trimmed_bytes_total", "counter",
		"Given back to the host since the agent started.", trims->total_bytes);
	if (trims->last_at > 0)
		metrics_put_number(text, "keel_disk_last_trim_timestamp_seconds", "gauge",
			"When the last of it was given back, Unix time.", trims->last_at);
}

void metrics_put_disk(struct metrics_text *text, const struct facts *facts)
{
	const struct disk_seen *seen = &facts->disk_seen;

	metrics_put_number(text, "keel_disk_mounted", "gauge", "1 if the data disk is mounted.",
		facts->disk.state == DISK_STATE_MOUNTED);
	metrics_put_number(text, "keel_disk_ok", "gauge",
		"1 if nothing is the matter with it, its situation is ok.",
		health_disk_situation(facts) == DISK_SITUATION_OK);
	if (!seen->watched)
		return;
	metrics_put_number(text, "keel_disk_size_bytes", "gauge", "Size of the block device.",
		seen->size_bytes);
	if (seen->space_known) {
		put_file_system(text, facts);
		put_forecast(text, &seen->forecast);
	}
	put_errors(text, &seen->errors);
	put_trims(text, &seen->trims);
}
