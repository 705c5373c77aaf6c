/* SPDX-License-Identifier: MIT
 *
 * coldplug.h - the drivers of the devices that are there: what udev's coldplug does, for the buses
 * that a virtual machine has.
 */
#pragma once

#include "init/modules/module_loader.h"

/* Loads what the devices of the paravirtual buses below `sysfs` ("/sys") ask for, again as long as
 * a driver made new devices appear. A device without a driver in this kernel is not an error.
 * Returns how many drivers failed to load. */
size_t coldplug_load_drivers(struct module_loader *loader, const char *sysfs);
