/* SPDX-License-Identifier: MIT
 *
 * module_loader.c - the only file that knows libkmod. One context for all modules: the indexes are
 * mapped once and no process is started, which is what makes this faster than modprobe in a loop.
 * Compressed modules are handed to the kernel as they are (finit_module(2) with
 * MODULE_INIT_COMPRESSED_FILE) if /sys/module/compression says that it can decompress them.
 */
#include "init/modules/module_loader.h"

#include <libkmod.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "lib/log.h"

struct module_loader {
	struct kmod_ctx *ctx;
	size_t count;
	bool dry_run;
	char dir[256];
	char dry_names[256][64]; /* dry run: what would be loaded by now */
};

/* libkmod calls print_action without a context: there is one loader a process. */
static struct module_loader *active_loader;

static void log_from_kmod(void *data, int priority, const char *file, int line,
	const char *function, const char *format, va_list args)
{
	char text[256];

	(void)data, (void)file, (void)line, (void)function;
	(void)vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	/* What counts as an error is decided by module_loader_load(), which names the module. */
	log_write(priority <= LOG_ERR ? LOG_INFO : LOG_DEBUG, "libkmod: %s", text);
}

/* A dry run changes nothing, so libkmod names a shared dependency again for every user of it. */
static bool dry_run_has(const struct module_loader *loader, const char *name)
{
	for (size_t i = 0; i < loader->count && i < ARRAY_SIZE(loader->dry_names); i++)
		if (strcmp(loader->dry_names[i], name) == 0)
			return true;
	return false;
}

static void count_action(struct kmod_module *module, bool install, const char *options)
{
	struct module_loader *loader = active_loader;
	const char *name = kmod_module_get_name(module);

	(void)install;
	if (loader->dry_run) {
		if (dry_run_has(loader, name))
			return;
		if (loader->count < ARRAY_SIZE(loader->dry_names))
			(void)snprintf(loader->dry_names[loader->count],
				sizeof(loader->dry_names[0]), "%s", name);
		(void)printf("%s%s%s\n", kmod_module_get_path(module), options ? " " : "",
			options ? options : "");
	}
	loader->count++;
}

int module_loader_new(struct module_loader **out, const char *dir, bool dry_run)
{
	struct module_loader *loader = calloc(1, sizeof(*loader));
	struct utsname kernel;

	if (!loader)
		return -ENOMEM;
	if (dir)
		(void)snprintf(loader->dir, sizeof(loader->dir), "%s", dir);
	else if (uname(&kernel) == 0)
		(void)snprintf(loader->dir, sizeof(loader->dir), "/lib/modules/%s", kernel.release);
	loader->dry_run = dry_run;
	loader->ctx = kmod_new(loader->dir, NULL);
	if (!loader->ctx) {
		free(loader);
		return -ENOMEM;
	}
	kmod_set_log_fn(loader->ctx, log_from_kmod, NULL);
	/* Without the indexes every look-up below finds nothing, which is reported there. */
	(void)kmod_load_resources(loader->ctx);
	active_loader = loader;
	*out = loader;
	return 0;
}

void module_loader_free_p(struct module_loader **loader)
{
	if (!*loader)
		return;
	kmod_unref((*loader)->ctx);
	active_loader = NULL;
	free(*loader);
	*loader = NULL;
}

/* A kernel whose module directory is missing altogether can still have it built in: parts that have
 * parameters or a version show up in /sys/module. */
static bool module_in_sysfs(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/sys/module/%s", name);
	return strchr(name, '/') == NULL && access(path, F_OK) == 0;
}

static enum module_result load_module(struct module_loader *loader, struct kmod_module *module)
{
	unsigned int flags =
		KMOD_PROBE_APPLY_BLACKLIST | (loader->dry_run ? KMOD_PROBE_DRY_RUN : 0);
	size_t before = loader->count;
	int state = kmod_module_get_initstate(module);
	int rc;

	if (state == KMOD_MODULE_BUILTIN || state == KMOD_MODULE_LIVE)
		return MODULE_RESULT_PRESENT;
	rc = kmod_module_probe_insert_module(module, flags, NULL, NULL, NULL, count_action);
	if (rc == KMOD_PROBE_APPLY_BLACKLIST)
		return MODULE_RESULT_BLOCKED;
	if (rc < 0) {
		loader->count = before;
		log_warning("load module %s: %s", kmod_module_get_name(module), strerror(-rc));
		return MODULE_RESULT_FAILED;
	}
	return loader->count > before ? MODULE_RESULT_LOADED : MODULE_RESULT_PRESENT;
}

enum module_result module_loader_load(struct module_loader *loader, const char *alias)
{
	struct kmod_list *list = NULL, *item;
	enum module_result worst = MODULE_RESULT_LOADED;
	int rc = kmod_module_new_from_lookup(loader->ctx, alias, &list);

	if (rc < 0 || !list)
		return module_in_sysfs(alias) ? MODULE_RESULT_PRESENT : MODULE_RESULT_MISSING;
	kmod_list_foreach(item, list)
	{
		struct kmod_module *module = kmod_module_get_module(item);
		enum module_result result = load_module(loader, module);

		kmod_module_unref(module);
		if (result > worst)
			worst = result;
	}
	kmod_module_unref_list(list);
	return worst;
}

size_t module_loader_count(const struct module_loader *loader)
{
	return loader->count;
}

const char *module_loader_dir(const struct module_loader *loader)
{
	return loader->dir;
}
