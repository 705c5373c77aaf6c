/* SPDX-License-Identifier: MIT
 *
 * fuzz_kernel_text.c - the text of others that keel-disk, keel-modules, the child that unmounts and keelctl read: a
 * mountinfo line (a container's mounts are in it), a uevent, a modules-load.d file, routes, a list of processors.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/common/system.h"
#include "agent/ctl/guest_network.h"
#include "init/disk/mount_table.h"
#include "lib/netlink/uevent.h"
#include "init/modules/module_list.h"
#include "init/unmount.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct module_list list;
	static struct unmount_entry mounted;
	struct mount_entry entry;
	char device[16], gateway[16];
	/* As long as the input, so that the sanitizer sees every byte read beyond it. */
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	(void)uevent_is_of((const char *)data, size, "block");
	list.count = 0;
	(void)!module_list_parse(&list, (const char *)data, size);
	for (size_t i = 0; i < list.count; i++)
		if (list.names[i][0] == '\0' || strlen(list.names[i]) >= MODULE_NAME_MAX ||
			strchr(list.names[i], '/'))
			abort();
	text[size] = '\0';
	(void)!mount_entry_parse(&entry, text);
	if (unmount_parse_line(text, &mounted) &&
		(mounted.point[0] != '/' || strlen(mounted.point) >= sizeof(mounted.point) ||
			strlen(mounted.device) >= sizeof(mounted.device)))
		abort();
	if (guest_network_find_route(text, device, gateway) && strlen(gateway) >= sizeof(gateway))
		abort();
	if (system_count_cpus(text) > 65536)
		abort();
	free(text);
	return 0;
}
