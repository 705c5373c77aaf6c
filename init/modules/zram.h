/* SPDX-License-Identifier: MIT
 *
 * zram.h - compressed swap in memory (Documentation/admin-guide/blockdev/zram.rst), if the configuration wants it.
 */
#pragma once

#include "init/modules/module_loader.h"
#include "lib/base.h"

/* Makes a device of `percent` of the memory and swaps to it; half of that is the most it may take, for which
 * lib/memory_limits.h makes room. Nothing is done if there is one already: under WSL it outlives the distro.
 * `loader` may be NULL: then the kernel has to have zram built in. 0, or -errno with the reason in `why`. */
int zram_swap_on(struct module_loader *loader, unsigned int percent, char *why,
	size_t size) MUST_CHECK;

/* Pure: the first page of a swap area of `pages` pages (mm/swapfile.c, union swap_header). */
void zram_write_header(unsigned char *page, size_t page_size, uint32_t pages);
