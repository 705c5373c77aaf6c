/* SPDX-License-Identifier: MIT
 *
 * service_load.c - finds and reads the unit files: once before the loop, and again at daemon-reload.
 *
 * /etc/keel/units wins over /usr/lib/keel/units by file name; an empty file there masks a unit. To a unit NAME belong
 * the files NAME.d/...conf of both directories, read after it in the order of their names. All names are taken in
 * their order, so that two boots of one image are alike. Nothing is allocated.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/service.h"
#include "init/text.h"
#include "lib/file.h"
#include "lib/log.h"

static const char *const unit_dirs[] = {"/etc/keel/units", "/usr/lib/keel/units"};

#define NAMES_MAX   512
#define DROPINS_MAX 32

struct names {
	unsigned int count, max;
	char (*list)[CONTROL_NAME_MAX];
};

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), end = strlen(suffix);

	return len > end && strcmp(name + len - end, suffix) == 0;
}

static void insert_name(struct names *names, const char *name)
{
	unsigned int at = names->count;

	while (at > 0 && strcmp(names->list[at - 1], name) > 0)
		at--;
	if (at > 0 && strcmp(names->list[at - 1], name) == 0)
		return; /* of the directory before: that one won */
	memmove(names->list + at + 1, names->list + at,
		(names->count - at) * sizeof(names->list[0]));
	(void)snprintf(names->list[at], sizeof(names->list[at]), "%s", name);
	names->count++;
}

/* Adds the file names of a directory that end in one of the suffixes, sorted. */
static void list_names(const char *path, const char *const *suffixes, struct names *names)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_dir dir = {.fd = fd};
	const char *name;
	unsigned char type;

	while (fd >= 0 && (name = file_dir_next(&dir, &type))) {
		bool fits = false;

		for (size_t i = 0; suffixes[i]; i++)
			fits = fits || ends_with(name, suffixes[i]);
		if (!fits || name[0] == '.')
			continue;
		if (strlen(name) >= CONTROL_NAME_MAX)
			log_error("%s/%s: the name is longer than %d bytes; ignored", path, name,
				CONTROL_NAME_MAX - 1);
		else if (names->count == names->max)
			log_error("%s/%s: more than %u files; ignored", path, name, names->max);
		else
			insert_name(names, name);
	}
}

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

static void on_known_problem(void *ctx, bool bad, const char *where, const char *message)
{
	(void)ctx;
	(void)bad;
	(void)where;
	(void)message;
}

/* ---- one unit ---------------------------------------------------------------------------------- */

static void read_dropins(struct unit_reader *reader, const char *name, char *text, size_t size)
{
	static const char *const suffixes[] = {".conf", NULL};
	static char list[DROPINS_MAX + 1][CONTROL_NAME_MAX];
	struct names names = {.max = DROPINS_MAX, .list = list};

	for (size_t d = 0; d < ARRAY_SIZE(unit_dirs); d++) {
		char path[160];

		(void)snprintf(path, sizeof(path), "%s/%s.d", unit_dirs[d], name);
		list_names(path, suffixes, &names);
	}
	for (unsigned int i = 0; i < names.count; i++) {
		for (size_t d = 0; d < ARRAY_SIZE(unit_dirs); d++) {
			char path[192];
			ssize_t len;

			(void)snprintf(path, sizeof(path), "%s/%s.d/%s", unit_dirs[d], name,
				names.list[i]);
			len = file_read(path, text, size);
			if (len == -ENOENT)
				continue;
			if (len < 0)
				log_error("%s: %s; ignored", path, strerror((int)-len));
			else
				unit_read(reader, path, text);
			break;
		}
	}
}

enum load_result { LOAD_GOOD, LOAD_BAD, LOAD_MASKED, LOAD_MISSING };

/* Reads the unit `name` with its drop-ins into *unit. */
static enum load_result read_unit(const char *name, struct unit *unit, unit_problem_fn *fn,
	struct problem *problem)
{
	static char text[UNIT_FILE_MAX];
	struct unit_reader reader;
	char path[96] = "";
	ssize_t len = -ENOENT;

	for (size_t d = 0; d < ARRAY_SIZE(unit_dirs) && len == -ENOENT; d++) {
		(void)snprintf(path, sizeof(path), "%s/%s", unit_dirs[d], name);
		len = file_read(path, text, sizeof(text));
	}
	unit_begin(&reader, unit, name, fn, problem);
	if (len == -ENOENT)
		return LOAD_MISSING;
	if (len < 0) {
		fn(problem, true, path, strerror((int)-len));
		return LOAD_BAD;
	}
	if (len == 0)
		return LOAD_MASKED;
	unit_read(&reader, path, text);
	read_dropins(&reader, name, text, sizeof(text));
	return unit_end(&reader) < 0 ? LOAD_BAD : LOAD_GOOD;
}

static bool right_mode(const struct init *init, const struct unit *unit)
{
	return unit->mode == UNIT_MODE_ANY ||
	       (unit->mode == UNIT_MODE_WSL) == (init->mode == BOOT_MODE_WSL);
}

static struct service *add_service(struct init *init, const char *name)
{
	struct service *service;

	if (init->service_count == CONTROL_SERVICES_MAX) {
		log_error("%s: more than %d units; ignored", name, CONTROL_SERVICES_MAX);
		return NULL;
	}
	service = &init->services[init->service_count++];
	memset(service, 0, sizeof(*service));
	service->init = init;
	service->cgroup_fd = service->main.pidfd = service->command.pidfd = -1;
	service->exec.fd = service->group.fd = service->foreign.fd = -1;
	text_copy(service->unit.name, sizeof(service->unit.name), name);
	text_copy(service->record.name, sizeof(service->record.name), name);
	service->record.exit_status = -1;
	return service;
}

static void finish_service(struct service *service, bool good, const struct problem *problem)
{
	service->usable = good && right_mode(service->init, &service->unit);
	service->record.essential = service->unit.essential;
	service->record.loaded = service->usable;
	if (problem->first[0]) {
		service->sm.state = SERVICE_STATE_FAILED;
		service->record.state = SERVICE_STATE_FAILED;
		text_copy(service->record.reason, sizeof(service->record.reason), problem->first);
	}
}

static void load_service(struct init *init, const char *name)
{
	struct service *service = add_service(init, name);
	struct problem problem = {.first = ""};

	if (service)
		finish_service(service,
			read_unit(name, &service->unit, on_problem, &problem) == LOAD_GOOD,
			&problem);
}

void service_add(struct init *init, const char *name, const char *text)
{
	struct service *service = add_service(init, name);
	struct problem problem = {.first = ""};
	struct unit_reader reader;

	if (!service)
		return;
	unit_begin(&reader, &service->unit, name, on_problem, &problem);
	unit_read(&reader, "built in", text);
	service->built_in = true;
	finish_service(service, unit_end(&reader) == 0, &problem);
}

/* ---- sockets ----------------------------------------------------------------------------------- */

/* A number, or a name of /etc/group (group(5)). */
static int find_group(const char *name, gid_t *gid)
{
	char text[4096], *line = text;
	long number;

	if (!name || unit_parse_integer(name, 10, 0, INT32_MAX, &number) == 0) {
		*gid = name ? (gid_t)number : 0;
		return 0;
	}
	if (file_read("/etc/group", text, sizeof(text)) < 0)
		return -ENOENT;
	while (*line) {
		size_t len = strcspn(line, ":\n");
		char *colon = line[len] == ':' ? strchr(line + len + 1, ':') : NULL;

		if (colon && strlen(name) == len && strncmp(line, name, len) == 0) {
			*gid = (gid_t)strtoul(colon + 1, NULL, 10);
			return 0;
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return -ENOENT;
}

/* docker.socket is handed to docker.service. */
static void load_socket(struct init *init, const char *name)
{
	static struct unit unit;
	struct problem problem = {.first = ""};
	struct socket_unit *socket;

	if (socket_unit_exists(init, name) ||
		read_unit(name, &unit, on_problem, &problem) != LOAD_GOOD)
		return;
	if (init->socket_count == SOCKET_UNITS_MAX ||
		strlen(unit.listen_path) >= sizeof(socket->path)) {
		log_error("%s: more than %d sockets, or its path is longer than %zu bytes; ignored",
			name, SOCKET_UNITS_MAX, sizeof(socket->path) - 1);
		return;
	}
	socket = &init->sockets[init->socket_count++];
	*socket = (struct socket_unit){.mode = unit.socket_mode, .fd = -1};
	(void)snprintf(socket->name, sizeof(socket->name), "%s", name);
	(void)snprintf(socket->service, sizeof(socket->service), "%.*s.service",
		(int)(strlen(name) - strlen(".socket")), name);
	memcpy(socket->path, unit.listen_path, strlen(unit.listen_path) + 1);
	if (find_group(unit.socket_group, &socket->group) < 0)
		log_warning("%s: no group %s in /etc/group: the socket is root's alone", name,
			unit.socket_group);
}

/* ---- all --------------------------------------------------------------------------------------- */

/* Before= of one unit is After= of another. */
static void turn_before(struct init *init)
{
	for (unsigned int i = 0; i < init->service_count; i++) {
		struct unit *unit = &init->services[i].unit;

		for (size_t b = 0; unit->before[b]; b++) {
			struct service *other = service_find(init, unit->before[b]);
			size_t n = 0;

			while (other && other->unit.after[n] &&
				strcmp(other->unit.after[n], unit->name) != 0)
				n++;
			if (other && n < UNIT_NAMES_MAX)
				other->unit.after[n] = unit->name;
			else if (other)
				log_warning("%s: Before=%s: too many names there; ignored",
					unit->name, other->unit.name);
		}
	}
}

static void list_units(struct names *names)
{
	static const char *const suffixes[] = {".service", ".socket", NULL};
	static char list[NAMES_MAX + 1][CONTROL_NAME_MAX];

	*names = (struct names){.max = NAMES_MAX, .list = list};
	for (size_t d = 0; d < ARRAY_SIZE(unit_dirs); d++)
		list_names(unit_dirs[d], suffixes, names);
}

void service_load_all(struct init *init)
{
	struct names names;

	list_units(&names);
	for (unsigned int i = 0; i < names.count; i++) {
		if (unit_is_socket(names.list[i]))
			load_socket(init, names.list[i]);
		else
			load_service(init, names.list[i]);
	}
	turn_before(init);
	if (init->service_count == 0)
		log_error("no unit files in %s or %s: nothing will be started", unit_dirs[0],
			unit_dirs[1]);
}

/* ---- daemon-reload ------------------------------------------------------------------------------- */

/* Between the steps of a start, a reload or a stop the commands must stay what they are. */
static bool is_at_rest(const struct service *service)
{
	return service->sm.step == SERVICE_STEP_NONE;
}

/* The new description was read once and is good: take it. */
static void take_unit(struct service *service)
{
	struct problem problem = {.first = ""};
	char name[CONTROL_NAME_MAX];

	memcpy(name, service->unit.name, sizeof(name));
	service->reread = false;
	service->usable =
		read_unit(name, &service->unit, on_known_problem, &problem) == LOAD_GOOD &&
		right_mode(service->init, &service->unit);
	service->record.essential = service->unit.essential;
	service->record.loaded = service->usable;
	service_mark(service);
}

void service_load_late(struct service *service)
{
	if (!is_at_rest(service))
		return;
	take_unit(service);
	turn_before(service->init);
}

/* 0, or -ENOEXEC: the unit is bad now, and the old description stays. */
static int load_service_again(struct service *service)
{
	static struct unit scratch;
	struct problem problem = {.first = ""};
	bool runs = service->sm.main || service->sm.command;

	if (service->built_in)
		return 0;
	switch (read_unit(service->unit.name, &scratch, on_problem, &problem)) {
	case LOAD_BAD:
		return -ENOEXEC;
	case LOAD_MASKED:
	case LOAD_MISSING:
		if (runs)
			return 0; /* it goes on with what it was started with */
		break;
	case LOAD_GOOD:
		break;
	}
	/* Once bad, now good: what it said is over. */
	if (!service->usable && service->sm.state == SERVICE_STATE_FAILED && !service->sm.main) {
		service->sm.state = SERVICE_STATE_INACTIVE;
		service_publish(service, SERVICE_STATE_FAILED);
	}
	service->reread = true;
	service_load_late(service);
	return 0;
}

int service_load_again(struct init *init)
{
	struct names names;
	int rc = 0;

	list_units(&names);
	for (unsigned int i = 0; i < init->service_count; i++)
		if (load_service_again(&init->services[i]) < 0)
			rc = -ENOEXEC;
	for (unsigned int i = 0; i < names.count; i++) {
		if (unit_is_socket(names.list[i])) {
			load_socket(init, names.list[i]);
			continue;
		}
		if (service_find(init, names.list[i]))
			continue;
		if (init->service_count == CONTROL_SERVICES_MAX)
			rc = -E2BIG;
		load_service(init, names.list[i]);
	}
	turn_before(init);
	init->changed = true;
	/* Whoever watches learns of new services. */
	for (unsigned int i = 0; i < init->service_count; i++)
		service_mark(&init->services[i]);
	log_info("unit files were read again");
	return rc;
}
