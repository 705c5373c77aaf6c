/* SPDX-License-Identifier: MIT
 *
 * module_loader.h - loads modules with their dependencies, in this process (libkmod).
 */
#pragma once

#include "lib/base.h"

struct module_loader;

enum module_result {
	MODULE_RESULT_LOADED,  /* inserted now, with what it depends on */
	MODULE_RESULT_PRESENT, /* was loaded already or is built in */
	MODULE_RESULT_BLOCKED, /* blacklisted in modprobe.d: somebody's decision, no error */
	MODULE_RESULT_MISSING, /* this kernel has no such module */
	MODULE_RESULT_FAILED,  /* has it, but it did not load; logged */
};

/* `dir` is the directory of the running kernel's modules, NULL for /lib/modules/$(uname -r). With
 * `dry_run` nothing is inserted and MODULE_RESULT_LOADED means "would be". Returns 0 or -errno;
 * free with module_loader_free_p(). */
int module_loader_new(struct module_loader **loader, const char *dir, bool dry_run) MUST_CHECK;
/* For _cleanup_. */
void module_loader_free_p(struct module_loader **loader);

/* `alias` is a module's name or a device's modalias. An alias may stand for several modules: all
 * are loaded and the worst result counts. Blocks until the modules' init functions have returned.
 */
enum module_result module_loader_load(struct module_loader *loader, const char *alias);

/* How many modules were inserted (or would be), dependencies included. */
size_t module_loader_count(const struct module_loader *loader);
/* Where modules are looked for. */
const char *module_loader_dir(const struct module_loader *loader);
