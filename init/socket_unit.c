/* SPDX-License-Identifier: MIT
 *
 * socket_unit.c - the listening sockets of .socket units: made by PID 1 when the service starts, kept over its
 * restarts, so that clients wait in the queue meanwhile; closed when it is down for good, so that they fail.
 *
 * Unlike systemd's a socket does not start its service: who wants the engine has it started at boot.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "init/service.h"
#include "lib/log.h"

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

static struct socket_unit *find(const struct init *init, const struct service *service)
{
	for (unsigned int i = 0; i < init->socket_count; i++)
		if (strcmp(init->sockets[i].service, service->unit.name) == 0)
			return (struct socket_unit *)(uintptr_t)&init->sockets[i];
	return NULL;
}

const struct socket_unit *socket_unit_find(const struct init *init, const struct service *service)
{
	return find(init, service);
}

bool socket_unit_exists(const struct init *init, const char *name)
{
	for (unsigned int i = 0; i < init->socket_count; i++)
		if (strcmp(init->sockets[i].name, name) == 0)
			return true;
	return false;
}

/* 0 or -errno. */
static int listen_on(struct socket_unit *unit)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int rc;

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, unit->path, strlen(unit->path));
	(void)unlink(unit->path);
	mask = umask(0777); /* nobody may connect before the mode is right */
	rc = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (rc < 0)
		return rc;
	if (chown(unit->path, 0, unit->group) < 0 || chmod(unit->path, unit->mode) < 0 ||
		listen(fd, BACKLOG) < 0)
		return -errno;
	unit->fd = TAKE_FD(fd);
	return 0;
}

int socket_unit_open(struct init *init, const struct service *service)
{
	struct socket_unit *unit = find(init, service);
	int rc = 0;

	if (!unit)
		return -1;
	if (unit->fd < 0)
		rc = listen_on(unit);
	if (rc < 0)
		log_error("%s: cannot listen on %s: %s", unit->name, unit->path, strerror(-rc));
	return unit->fd;
}

void socket_unit_close(struct init *init, const struct service *service)
{
	struct socket_unit *unit = find(init, service);

	if (!unit || unit->fd < 0)
		return;
	close_p(&unit->fd);
	(void)unlink(unit->path);
}
