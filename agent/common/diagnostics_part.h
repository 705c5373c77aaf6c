/* SPDX-License-Identifier: MIT
 *
 * diagnostics_part.h - how a member of the archive is filled: diagnostics.c with what is about the whole guest,
 * diagnostics_guest.c, diagnostics_logs.c.
 */
#pragma once

#include "agent/common/diagnostics.h"

/* Each adds to the member; what does not fit is dropped and makes it `cut`. */
PRINTF(2, 3) void diagnostics_put(struct diagnostics *d, const char *format, ...);
void diagnostics_put_bytes(struct diagnostics *d, const char *bytes, size_t len);
/* A descriptor up to its end, a file. 0 or -errno (then nothing was added). */
int diagnostics_put_fd(struct diagnostics *d, int fd);
int diagnostics_put_file(struct diagnostics *d, const char *path);
/* The file under a heading with its name, or the reason why not. */
void diagnostics_put_section(struct diagnostics *d, const char *path);
/* Room for text; 0: full. */
size_t diagnostics_room(const struct diagnostics *d);

/* A record as read(2) gives it of /dev/kmsg; makes room for it at the expense of the oldest. */
void diagnostics_put_record(struct diagnostics *d, const char *record, size_t len);

/* The members. 0 or -errno: not to be had; -EINPROGRESS: to be called again for the rest. */
int diagnostics_fill_kernel(struct diagnostics *d);
/* The next service's log; sets the name. -ENODATA: that was the last. */
int diagnostics_fill_log(struct diagnostics *d);
int diagnostics_fill_units(struct diagnostics *d);
int diagnostics_fill_groups(struct diagnostics *d);
int diagnostics_fill_processes(struct diagnostics *d);
int diagnostics_fill_storage(struct diagnostics *d);
int diagnostics_fill_versions(struct diagnostics *d);
