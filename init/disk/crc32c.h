/* SPDX-License-Identifier: MIT
 *
 * crc32c.h - the checksum of ext4's metadata and of our own records (RFC 3720, appendix B.4).
 */
#pragma once

#include "lib/base.h"

/* Goes on with `crc`; nothing is inverted at either end. ext4 begins with ~0 and takes the result as it
 * is; the checksum of the RFC is ~crc32c_update(~0, ...). */
uint32_t crc32c_update(uint32_t crc, const void *data, size_t len);
