/* SPDX-License-Identifier: MIT
 *
 * kernel_message.c - see kernel_message.h. Caller: disk_kmsg.c.
 *
 * The words are the kernel's: block/blk-core.c and blk-mq.c (blk_print_req_error), fs/buffer.c, fs/ext4/super.c,
 * fs/jbd2/journal.c; the same from Linux 5.10 to 6.18. A line that is not known costs nothing: ext4's errors are
 * watched too (disk_watch.c).
 */
#include "agent/common/kernel_message.h"

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

/* "6,1234,5678,-;" with the facility 0: LOG_KERN. */
static bool skip_prefix(struct text *text)
{
	unsigned int priority = starts(text, ",") ? 1000 : 0;

	while (text->len > 0 && text->p[0] >= '0' && text->p[0] <= '9' && priority < 1000) {
		priority = priority * 10 + (unsigned int)(text->p[0] - '0');
		text->p++;
		text->len--;
	}
	return priority < 8 && starts(text, ",") && seek(text, ";");
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
	struct text text = {.p = record, .len = len};
	const char *end;
	enum kernel_message verdict;

	if (!skip_prefix(&text))
		return KERNEL_MESSAGE_OTHER;
	/* Behind the first line come properties, which drivers fill in. */
	end = memchr(text.p, '\n', text.len);
	if (end)
		text.len = (size_t)(end - text.p);
	verdict = judge_ext4(text, device);
	if (verdict == KERNEL_MESSAGE_OTHER)
		verdict = judge_journal(text, device);
	if (verdict == KERNEL_MESSAGE_OTHER)
		verdict = judge_buffer(text, device, disk);
	if (verdict == KERNEL_MESSAGE_OTHER)
		verdict = judge_request(text, disk);
	return verdict;
}
