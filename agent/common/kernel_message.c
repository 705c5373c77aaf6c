/* SPDX-License-Identifier: MIT
 *
 * kernel_message.c - see kernel_message.h. Callers: disk_kmsg.c, memory/oom_watch.c, event_kernel.c.
 *
 * The words are the kernel's: block/blk-core.c and blk-mq.c (blk_print_req_error), fs/buffer.c, fs/ext4/super.c,
 * fs/jbd2/journal.c, mm/oom_kill.c; the same from Linux 5.10 to 6.18. A line that is not known costs nothing: ext4's errors are
 * watched too (disk_watch.c).
 */
#include "agent/common/kernel_message.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The line that is left to read, never NUL-terminated. */
struct text {
	const char *p;
	size_t len;
};

static bool starts(const struct text *text, const char *word)
{
	size_t len = strlen(word);

	return text->len >= len && memcmp(text->p, word, len) == 0;
}

static bool skip(struct text *text, const char *word)
{
	if (!starts(text, word))
		return false;
	text->p += strlen(word);
	text->len -= strlen(word);
	return true;
}

/* Goes behind the word, wherever it is. */
static bool seek(struct text *text, const char *word)
{
	const char *found = memmem(text->p, text->len, word, strlen(word));

	if (!found)
		return false;
	text->len -= (size_t)(found - text->p);
	text->p = found;
	return skip(text, word);
}

static bool has(const struct text *text, const char *word)
{
	return memmem(text->p, text->len, word, strlen(word)) != NULL;
}

/* The name, and nothing more of a name behind it. */
static bool skip_name(struct text *text, const char *name)
{
	struct text rest = *text;

	if (name[0] == '\0' || !skip(&rest, name))
		return false;
	if (rest.len > 0 &&
		((rest.p[0] >= '0' && rest.p[0] <= '9') || (rest.p[0] >= 'a' && rest.p[0] <= 'z') ||
			(rest.p[0] >= 'A' && rest.p[0] <= 'Z')))
		return false;
	*text = rest;
	return true;
}

/* False if there is no digit, or the number does not fit. */
static bool skip_number(struct text *text, uint64_t *number)
{
	size_t digits = 0;

	*number = 0;
	for (; text->len > 0 && text->p[0] >= '0' && text->p[0] <= '9'; digits++) {
		if (digits == 18)
			return false;
		*number = *number * 10 + (uint64_t)(text->p[0] - '0');
		text->p++;
		text->len--;
	}
	return digits > 0;
}

/* "6,1234,5678,-;" */
struct prefix {
	uint64_t priority; /* the facility times 8, and the level */
	uint64_t sequence, at_us;
};

static bool skip_prefix(struct text *text, struct prefix *prefix)
{
	return skip_number(text, &prefix->priority) && skip(text, ",") &&
	       skip_number(text, &prefix->sequence) && skip(text, ",") &&
	       skip_number(text, &prefix->at_us) && skip(text, ",") && seek(text, ";");
}

/* The record's first line, if its facility is 0 (LOG_KERN); behind it come properties, which drivers fill in. */
static bool take_line(const char *record, size_t len, struct text *text, struct prefix *prefix)
{
	const char *end;

	*text = (struct text){.p = record, .len = len};
	if (!skip_prefix(text, prefix) || prefix->priority >= 8)
		return false;
	end = memchr(text->p, '\n', text->len);
	if (end)
		text->len = (size_t)(end - text->p);
	return true;
}

/* "EXT4-fs (sda1): ..." and "EXT4-fs error (device sda1): ..." */
static enum kernel_message judge_ext4(struct text text, const char *device)
{
	static const char *const lost[] = {"data will be lost", "potential data loss", "I/O error"};

	if (skip(&text, "EXT4-fs error (device "))
		return skip_name(&text, device) && starts(&text, ")") ? KERNEL_MESSAGE_FS_ERROR
								      : KERNEL_MESSAGE_OTHER;
	if (!skip(&text, "EXT4-fs (") && !skip(&text, "EXT4-fs warning (device "))
		return KERNEL_MESSAGE_OTHER;
	if (!skip_name(&text, device) || !skip(&text, "): "))
		return KERNEL_MESSAGE_OTHER;
	if (starts(&text, "mounted filesystem"))
		return KERNEL_MESSAGE_MOUNTED;
	if (starts(&text, "Remounting filesystem read-only") ||
		starts(&text, "shut down requested"))
		return KERNEL_MESSAGE_READ_ONLY;
	for (size_t i = 0; i < ARRAY_SIZE(lost); i++)
		if (has(&text, lost[i]))
			return KERNEL_MESSAGE_IO_ERROR;
	return KERNEL_MESSAGE_OTHER;
}

/* "I/O error, dev sda, sector 2048 op 0x1:(WRITE) ...", "critical medium error, dev sda, ...". A discard that
 * the device does not take loses nothing. */
static enum kernel_message judge_request(struct text text, const char *disk)
{
	if (starts(&text, "operation not supported error") || has(&text, ":(DISCARD)") ||
		!seek(&text, " error, dev ") || !skip_name(&text, disk) || !starts(&text, ","))
		return KERNEL_MESSAGE_OTHER;
	return KERNEL_MESSAGE_IO_ERROR;
}

/* A journal's name is the device's with the number of its inode: "sda1-8". */
static enum kernel_message judge_journal(struct text text, const char *device)
{
	bool jbd = starts(&text, "JBD2: ");

	if (skip(&text, "Aborting journal on device "))
		return skip_name(&text, device) && starts(&text, "-") ? KERNEL_MESSAGE_READ_ONLY
								      : KERNEL_MESSAGE_OTHER;
	if (jbd && (has(&text, "I/O error") || has(&text, "IO error")) &&
		(seek(&text, " for ") || seek(&text, " on ")) && skip_name(&text, device) &&
		starts(&text, "-"))
		return KERNEL_MESSAGE_IO_ERROR;
	return KERNEL_MESSAGE_OTHER;
}

static enum kernel_message judge_buffer(struct text text, const char *device, const char *disk)
{
	if (!skip(&text, "Buffer I/O error on dev ") ||
		(!skip_name(&text, device) && !skip_name(&text, disk)) || !starts(&text, ","))
		return KERNEL_MESSAGE_OTHER;
	return KERNEL_MESSAGE_IO_ERROR;
}

enum kernel_message kernel_message_judge(const char *record, size_t len, const char *device,
	const char *disk)
{
	struct text text;
	enum kernel_message verdict;
	struct prefix prefix;

	if (!take_line(record, len, &text, &prefix))
		return KERNEL_MESSAGE_OTHER;
	verdict = judge_ext4(text, device);
	if (verdict == KERNEL_MESSAGE_OTHER)
		verdict = judge_journal(text, device);
	if (verdict == KERNEL_MESSAGE_OTHER)
		verdict = judge_buffer(text, device, disk);
	if (verdict == KERNEL_MESSAGE_OTHER)
		verdict = judge_request(text, disk);
	return verdict;
}

/* ---- killed for want of memory -------------------------------------------------------------------- */

/* What is before the last such word, which is where the kernel goes on: a process may have it in its name. */
static bool cut_last(struct text *text, const char *word, struct text *rest)
{
	size_t len = strlen(word);

	for (size_t at = text->len; at >= len; at--) {
		if (memcmp(text->p + at - len, word, len) != 0)
			continue;
		*rest = (struct text){.p = text->p + at, .len = text->len - at};
		text->len = at - len;
		return true;
	}
	return false;
}

static void copy(char *to, size_t size, const struct text *text)
{
	(void)snprintf(to, size, "%.*s", text->len < size ? (int)text->len : (int)size - 1,
		text->p);
}

static void take_pid(struct text *text, struct memory_oom_kill *kill)
{
	uint64_t pid;

	if (skip_number(text, &pid) && pid <= INT_MAX)
		kill->pid = (int)pid;
}

/* Docker names a container's group by its id: "containers/ID", or what the container has made below it. */
static void take_group(struct text group, const char *base, struct memory_oom_kill *kill)
{
	size_t len = 0;

	if (base[0] != '\0' && starts(&group, base) && group.len > strlen(base) &&
		group.p[strlen(base)] == '/')
		(void)skip(&group, base);
	(void)skip(&group, "/");
	copy(kill->group, sizeof(kill->group), &group);
	if (!skip(&group, "containers/"))
		return;
	while (len < group.len && ((group.p[len] >= '0' && group.p[len] <= '9') ||
					  (group.p[len] >= 'a' && group.p[len] <= 'f')))
		len++;
	if (len != 64 || (len < group.len && group.p[len] != '/'))
		return;
	group.len = len;
	copy(kill->container_id, sizeof(kill->container_id), &group);
}

/* "oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/containers,task_memcg=/containers/ID,task=NAME,pid=1,uid=0" */
static void take_chosen(struct text text, const char *base, struct memory_oom_kill *kill)
{
	struct text name, group, rest;

	kill->global = !starts(&text, "CONSTRAINT_MEMCG,");
	if (!seek(&text, ",task_memcg="))
		return;
	group = name = text;
	if (seek(&name, ",task=")) {
		group.len = (size_t)(name.p - group.p) - strlen(",task=");
		if (cut_last(&name, ",pid=", &rest))
			take_pid(&rest, kill);
		copy(kill->process, sizeof(kill->process), &name);
	}
	take_group(group, base, kill);
}

/* "Memory cgroup out of memory: Killed process 1 (NAME) total-vm:..." */
static bool take_killed(struct text text, struct memory_oom_kill *kill)
{
	struct text rest;

	kill->global = starts(&text, "Out of memory");
	if ((!kill->global && !starts(&text, "Memory cgroup out of memory")) ||
		!seek(&text, ": Killed process "))
		return false;
	take_pid(&text, kill);
	if (skip(&text, " (") && cut_last(&text, ") total-vm:", &rest))
		copy(kill->process, sizeof(kill->process), &text);
	return true;
}

enum kernel_oom kernel_message_oom(const char *record, size_t len, const char *base,
	struct memory_oom_kill *kill)
{
	struct text text;
	struct prefix prefix;

	*kill = (struct memory_oom_kill){.pid = 0};
	if (!take_line(record, len, &text, &prefix))
		return KERNEL_OOM_OTHER;
	kill->at_us = prefix.at_us;
	if (skip(&text, "oom-kill:constraint=")) {
		take_chosen(text, base, kill);
		return KERNEL_OOM_CHOSEN;
	}
	return take_killed(text, kill) ? KERNEL_OOM_KILLED : KERNEL_OOM_OTHER;
}

/* ---- errors ----------------------------------------------------------------------------------------- */

bool kernel_message_sequence(const char *record, size_t len, uint64_t *sequence)
{
	struct text text = {.p = record, .len = len};
	struct prefix prefix;

	if (!skip_prefix(&text, &prefix))
		return false;
	*sequence = prefix.sequence;
	return true;
}

bool kernel_message_error(const char *record, size_t len, struct kernel_error *error)
{
	struct text text;
	struct prefix prefix;

	if (!take_line(record, len, &text, &prefix) || prefix.priority > KERNEL_ERROR_LEVEL)
		return false;
	error->level = (unsigned int)prefix.priority;
	error->at_us = prefix.at_us;
	copy(error->text, sizeof(error->text), &text);
	return true;
}

const char *kernel_error_level_name(unsigned int level)
{
	static const char *const names[] = {"emerg", "alert", "crit", "err"};

	return level < ARRAY_SIZE(names) ? names[level] : "";
}
