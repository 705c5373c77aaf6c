/* SPDX-License-Identifier: MIT
 *
 * service_load.c - finds and reads the unit files, once, before the loop.
 *
 * /etc/keel/units wins over /usr/lib/keel/units by file name; an empty file there masks a unit. The
 * files are read in the order of their names, so that two boots of one image are alike.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "init/service.h"
#include "init/text.h"
#include "lib/file.h"
#include "lib/log.h"

static const char *const unit_dirs[] = {"/etc/keel/units", "/usr/lib/keel/units"};

struct problem {
	char first[CONTROL_REASON_MAX];
};

static void on_problem(void *ctx, bool bad, const char *where, const char *message)
{
	struct problem *problem = ctx;

	log_write(bad ? LOG_ERR : LOG_WARNING, "%s: %s", where, message);
	if (bad && problem->first[0] == '\0')
		(void)snprintf(problem->first, sizeof(problem->first), "%.90s: %.95s", where,
			message);
}

static bool right_mode(const struct init *init, const struct unit *unit)
{
	return unit->mode == UNIT_MODE_ANY ||
	       (unit->mode == UNIT_MODE_WSL) == (init->mode == BOOT_MODE_WSL);
}

void service_add(struct init *init, const char *path, const char *name, const char *text)
{
	struct service *service = &init->services[init->service_count++];
	struct problem problem = {.first = ""};

	memset(service, 0, sizeof(*service));
	service->init = init;
	service->cgroup_fd = service->exec.fd = -1;
	service->usable = text[0] &&
			  unit_parse(&service->unit, path, text, on_problem, &problem) == 0 &&
			  right_mode(init, &service->unit);
	text_copy(service->unit.name, sizeof(service->unit.name), name);
	text_copy(service->record.name, sizeof(service->record.name), name);
	service->record.exit_status = -1;
	service->record.essential = service->unit.essential;
	if (problem.first[0]) {
		service->sm.state = SERVICE_STATE_FAILED;
		service->record.state = SERVICE_STATE_FAILED;
		text_copy(service->record.reason, sizeof(service->record.reason), problem.first);
	}
}

static void load_unit(struct init *init, const char *path, const char *name)
{
	char text[8192];
	ssize_t len;

	if (service_find(init, name))
		return; /* /etc came first */
	if (init->service_count == CONTROL_SERVICES_MAX) {
		log_error("%s: more than %d units; ignored", path, CONTROL_SERVICES_MAX);
		return;
	}
	len = file_read(path, text, sizeof(text));
	if (len < 0) {
		log_error("%s: %s; ignored", path, strerror((int)-len));
		return;
	}
	service_add(init, path, name, text);
}

static int is_service_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 8 && strcmp(entry->d_name + len - 8, ".service") == 0 &&
	       entry->d_name[0] != '.';
}

void service_load_all(struct init *init)
{
	for (size_t d = 0; d < ARRAY_SIZE(unit_dirs); d++) {
		struct dirent **names;
		int count = scandir(unit_dirs[d], &names, is_service_file, alphasort);

		for (int i = 0; i < count; i++) {
			char path[300];

			(void)snprintf(path, sizeof(path), "%s/%s", unit_dirs[d], names[i]->d_name);
			load_unit(init, path, names[i]->d_name);
			free(names[i]);
		}
		if (count >= 0)
			free(names);
	}
	if (init->service_count == 0)
		log_error("no unit files in %s or %s: nothing will be started", unit_dirs[0],
			unit_dirs[1]);
}
