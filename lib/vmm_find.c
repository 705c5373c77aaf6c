/* SPDX-License-Identifier: MIT
 *
 * vmm_find.c - see vmm_find.h. Callers: agent/vmm_notify.c; the child in which init/shutdown.c unmounts.
 */
#include "lib/vmm_find.h"

#include "lib/file.h"

/* The table as firmware left it: there without the module dmi-sysfs (Documentation/ABI/testing/sysfs-firmware-dmi-tables).
 * One entry of it is at most 64 KiB; QEMU's whole table has a few hundred bytes. */
#define SMBIOS_TABLE "/sys/firmware/dmi/tables/DMI"
#define SMBIOS_MAX   (64 * 1024)

int vmm_find(struct vmm_address *address, char value[VMM_VALUE_MAX])
{
	static char text[SMBIOS_MAX];
	ssize_t len = file_read(SMBIOS_TABLE, text, sizeof(text));
	int rc = -ENOENT;

	*address = (struct vmm_address){0};
	value[0] = '\0';
	if (len == -EFBIG)
		len = sizeof(text) - 1;
	if (len > 0)
		rc = vmm_address_from_smbios((const uint8_t *)text, (size_t)len, value);
	if (rc == -ENOENT) {
		len = file_read("/proc/cmdline", text, sizeof(text));
		if (len > 0)
			rc = vmm_address_from_cmdline(text, (size_t)len, value);
	}
	return rc < 0 ? rc : vmm_address_parse(value, address);
}
