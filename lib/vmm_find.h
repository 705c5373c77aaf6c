/* SPDX-License-Identifier: MIT
 *
 * vmm_find.h - looks where the host may have written the address of struct vmm_address: the firmware's table, then the kernel
 * command line. Blocking reads of sysfs and procfs. Not for PID 1 itself: it is the host's word.
 */
#pragma once

#include "lib/vmm_address.h"

/* 0; -ENOENT: nobody wants to hear; -EINVAL: `value`, which is then for a message, is no address. */
int vmm_find(struct vmm_address *address, char value[VMM_VALUE_MAX]) MUST_CHECK;
