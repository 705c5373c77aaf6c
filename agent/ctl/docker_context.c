/* SPDX-License-Identifier: MIT
 *
 * docker_context.c - keelctl docker-context [NAME]: prints the command that makes a Docker context for the guest. Docker's
 * client knows no vsock: from a host it is a local socket, and a second command that forwards it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ctl/ctl.h"
#include "agent/ctl/docker_host.h"
#include "agent/ctl/shell_quote.h"

#define NAME_DEFAULT "keel"
#define HOST_MAX     1200
#define QUOTED_MAX   4096

/* As Docker wants them. */
static bool is_context_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
	size_t len = strlen(name);

	return len >= 2 && len <= 64 && !strchr("_.+-", name[0]) && strcmp(name, "default") != 0 &&
	       strspn(name, letters) == len;
}

/* Where only this user can make files: the name is foreseeable. */
static int choose_socket(const char *name, struct address *socket)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");
	char text[HOST_MAX];
	int len;

	if (runtime && runtime[0] == '/')
		len = snprintf(text, sizeof(text), "unix:%s/keel-%s.sock", runtime, name);
	else if (geteuid() == 0)
		len = snprintf(text, sizeof(text), "unix:/run/keel-%s.sock", name);
	else if (home && home[0] == '/')
		len = snprintf(text, sizeof(text), "unix:%s/.keel-%s.sock", home, name);
	else
		return -ENOENT;
	return (size_t)len < sizeof(text) ? address_parse(text, socket) : -ENAMETOOLONG;
}

/* "keelctl", or the path that it was called by. */
static int print_forward(const struct ctl *ctl, const struct address *socket)
{
	char vm[ADDRESS_TEXT_MAX], listen[ADDRESS_TEXT_MAX], port[32] = "";
	char program_word[QUOTED_MAX], vm_word[QUOTED_MAX], listen_word[QUOTED_MAX];
	int rc;

	if (ctl->vm.kind == ADDRESS_VSOCK)
		(void)snprintf(vm, sizeof(vm), "vsock:%u", ctl->vm.cid);
	else
		(void)address_format(&ctl->vm, vm, sizeof(vm));
	if (ctl->docker_port != CTL_DOCKER_PORT)
		(void)snprintf(port, sizeof(port), "--docker-port %u ", ctl->docker_port);
	rc = shell_quote(program_invocation_name, program_word, sizeof(program_word));
	if (rc == 0)
		rc = shell_quote(vm, vm_word, sizeof(vm_word));
	if (rc == 0)
		rc = shell_quote(address_format(socket, listen, sizeof(listen)), listen_word,
			sizeof(listen_word));
	if (rc == 0)
		(void)printf("%s --vm %s %sforward %s </dev/null >/dev/null &\n", program_word,
			vm_word, port, listen_word);
	return rc;
}

static int print_create(const char *name, const struct address *socket)
{
	char host[HOST_MAX], text[HOST_MAX + 8], word[QUOTED_MAX];
	int rc = docker_host_format(socket, host, sizeof(host));

	if (rc < 0)
		return rc;
	(void)snprintf(text, sizeof(text), "host=%s", host);
	rc = shell_quote(text, word, sizeof(word));
	if (rc == 0)
		(void)printf("docker context create %s --docker %s\n", name, word);
	return rc;
}

int ctl_docker_context(const struct ctl *ctl)
{
	const char *name = ctl->argc > 0 ? ctl->argv[0] : NAME_DEFAULT;
	struct address socket = ctl_docker_address(ctl);
	int rc = 0;

	if (!is_context_name(name))
		return ctl_usage(ctl,
			"%s: a context's name has two letters or digits or more, and _ . + - in it",
			name);
	if (socket.kind != ADDRESS_UNIX) {
		rc = choose_socket(name, &socket);
		if (rc == 0)
			rc = print_forward(ctl, &socket);
	}
	if (rc == 0)
		rc = print_create(name, &socket);
	if (rc == -ENOENT)
		return ctl_fail(ctl, "there is no place for a socket: set XDG_RUNTIME_DIR or HOME");
	return rc < 0 ? ctl_fail(ctl, "%s", strerror(-rc)) : CTL_EXIT_OK;
}
