/* SPDX-License-Identifier: MIT
 *
 * tar.h - headers of a tar archive that is written as a stream: POSIX ustar (IEEE 1003.1, pax), regular files only. Pure.
 *
 * An archive: for each file its header, its bytes, zeros up to a whole block; at the end two blocks of zeros.
 */
#pragma once

#include "lib/base.h"

#define TAR_BLOCK    512
#define TAR_END      (2 * TAR_BLOCK)
#define TAR_NAME_MAX 100                       /* without a NUL */
#define TAR_SIZE_MAX ((UINT64_C(1) << 33) - 1) /* eleven octal digits */

/* A file of root's, mode 0600; `mtime_s` is Unix time. 0; -EINVAL: an empty name; -ENAMETOOLONG, -EFBIG. */
int tar_header(char block[TAR_BLOCK], const char *name, uint64_t size, uint64_t mtime_s) MUST_CHECK;
/* How many zeros follow a file of that size. */
size_t tar_padding(uint64_t size);
