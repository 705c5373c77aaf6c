/* SPDX-License-Identifier: MIT
 *
 * coldplug.c - walks /sys/bus/BUS/devices/.../modalias of a few buses. There is no udev, so nobody
 * else answers the kernel's "a device has appeared" by loading its driver.
 *
 * Only the buses of virtual hardware are walked. The others (pci, acpi, cpu, platform) would bring
 * in drivers that no keel guest needs: on QEMU's q35 ahci with libata, and one crypto module for
 * every feature of the processor, each with its self-test.
 *
 * Devices that appear later are not seen: virtual hardware is there at boot; hot-plugged disks sit
 * on a controller that is.
 */
#include "init/modules/coldplug.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "lib/file.h"
#include "lib/log.h"

/* Worked off row by row. A device's alias must begin with `prefix`; `also` is a module that goes with the
 * device though no alias says so. */
static const struct coldplug_rule {
	const char *bus, *prefix, *also;
} rules[] = {
	/* The engine waits for the data disk: its controller first, and the driver of the disks, so that
	 * the SCSI bus is scanned in the background while the rest is loaded. */
	{"virtio", "virtio:d00000008", "sd_mod"},
	/* The VMBus itself is an ACPI device; the devices behind it exist once hv_vmbus runs. */
	{"acpi", "acpi:VMB", NULL},
	/* hv_storvsc, hv_netvsc, hv_utils, hv_balloon. hv_sock has no alias: it serves offers that
	 * come at run time (net/vmw_vsock/hyperv_transport.c has an empty id table). */
	{"vmbus", "vmbus:", "hv_sock"},
	/* virtio_net, the vsock transport, virtio_balloon, virtio_blk, virtio_rng. */
	{"virtio", "virtio:", NULL},
	/* The power button, one of two kinds (drivers/acpi/button.c), and the way that the agent hears it. */
	{"acpi", "acpi:LNXPWRBN:", "evdev"},
	{"acpi", "acpi:PNP0C0C:", "evdev"},
};

/* Aliases already done, so that a second walk costs a few reads of sysfs and nothing else. Full:
 * what comes then is taken as seen, which ends the walk. */
struct coldplug_seen {
	size_t count;
	char aliases[64][64];
};

static bool seen_before(struct coldplug_seen *seen, const char *alias)
{
	for (size_t i = 0; i < seen->count; i++)
		if (strncmp(seen->aliases[i], alias, sizeof(seen->aliases[i]) - 1) == 0)
			return true;
	if (seen->count == ARRAY_SIZE(seen->aliases))
		return true;
	(void)snprintf(seen->aliases[seen->count], sizeof(seen->aliases[0]), "%.63s", alias);
	seen->count++;
	return false;
}

static size_t load_alias(struct module_loader *loader, const char *alias)
{
	enum module_result result = module_loader_load(loader, alias);

	if (result == MODULE_RESULT_MISSING)
		log_debug("no driver for %s in this kernel", alias);
	else if (result == MODULE_RESULT_LOADED)
		log_debug("loaded the driver of %s", alias);
	return result == MODULE_RESULT_FAILED;
}

/* Returns the number of failures; *fresh says whether there was anything new. */
static size_t walk_bus(struct module_loader *loader, const char *sysfs,
	const struct coldplug_rule *rule, struct coldplug_seen *seen, bool *fresh)
{
	char path[512], alias[256];
	const struct dirent *entry;
	size_t failed = 0;
	DIR *bus;

	(void)snprintf(path, sizeof(path), "%s/bus/%s/devices", sysfs, rule->bus);
	bus = opendir(path);
	if (!bus)
		return 0; /* a kernel without that bus */
	while ((entry = readdir(bus))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/bus/%s/devices/%.128s/modalias", sysfs,
			rule->bus, entry->d_name);
		if (file_read(path, alias, sizeof(alias)) <= 0)
			continue;
		alias[strcspn(alias, "\n")] = '\0';
		if (strncmp(alias, rule->prefix, strlen(rule->prefix)) != 0 ||
			seen_before(seen, alias))
			continue;
		*fresh = true;
		failed += load_alias(loader, alias);
		if (rule->also && !seen_before(seen, rule->also))
			failed += load_alias(loader, rule->also);
	}
	(void)closedir(bus);
	return failed;
}

size_t coldplug_load_drivers(struct module_loader *loader, const char *sysfs)
{
	struct coldplug_seen seen = {0};
	size_t failed = 0;
	bool fresh;

	do {
		fresh = false;
		for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
			failed += walk_bus(loader, sysfs, &rules[i], &seen, &fresh);
	} while (fresh);
	return failed;
}
