/* SPDX-License-Identifier: MIT
 *
 * vm_options.c - the words of `wsl-launcher run`.
 */
#include "tests/wsl/base.h"
#include "tests/wsl/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void usage(const char *word)
{
	(void)fprintf(stderr, "wsl-launcher run: what is '%s'? See wsl-launcher --help\n", word);
	exit(2);
}

static struct vm_distro *add_distro(struct vm *vm, const char *name)
{
	struct vm_distro *distro;

	if (vm->count == VM_DISTROS_MAX)
		die("too many distros");
	distro = &vm->distros[vm->count++];
	if (vm->count > 1)
		*distro = vm->distros[0]; /* profile, cgroup and time-outs given before */
	distro->launch.root = NULL;
	distro->launch.lab = (struct lab){.kmsg = NULL};
	(void)snprintf(distro->launch.start.name, sizeof(distro->launch.start.name), "%s", name);
	return distro;
}

static bool take_flag(struct vm *vm, struct start *start, const char *word)
{
	const struct {
		const char *word;
		bool *flag;
	} flags[] = {
		{"--elevated", &start->elevated},
		{"--no-systemd", &start->no_systemd},
		{"--mirrored", &start->mirrored},
		{"--detach", &vm->detach},
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (strcmp(word, flags[i].word) != 0)
			continue;
		*flags[i].flag = true;
		return true;
	}
	return false;
}

static bool take_path(struct vm *vm, struct launch *launch, const char *word, const char *value)
{
	const struct {
		const char *word;
		const char **field;
	} paths[] = {
		{"--control", &vm->control},
		{"--share", &vm->share},
		{"--nameserver", &vm->nameserver},
		{"--root", &launch->root},
		{"--lower", &launch->lab.lower},
		{"--upper", &launch->lab.upper},
		{"--work", &launch->lab.work},
		{"--kmsg", &launch->lab.kmsg},
		{"--modules", &launch->modules},
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (strcmp(word, paths[i].word) != 0)
			continue;
		*paths[i].field = value;
		return true;
	}
	return false;
}

static bool take_value(struct vm *vm, struct launch *launch, const char *word, const char *value)
{
	struct start *start = &launch->start;

	if (strcmp(word, "--profile") == 0 && profile_find(value))
		(void)snprintf(start->profile, sizeof(start->profile), "%s", value);
	else if (strcmp(word, "--cgroup") == 0)
		(void)snprintf(start->cgroup, sizeof(start->cgroup), "%s", value);
	else if (strcmp(word, "--init-timeout") == 0)
		start->init_timeout = atoi(value);
	else if (strcmp(word, "--retry-ms") == 0)
		start->retry_ms = atoi(value);
	else if (strcmp(word, "--host-timeout") == 0)
		vm->host_timeout_ms = atoll(value);
	else if (strcmp(word, "--dev") == 0 && launch->lab.dev_count < LAB_DEVS_MAX)
		launch->lab.devs[launch->lab.dev_count++] = value;
	else
		return false;
	return true;
}

/* What is not covered is a VM's own: somebody's machine must not lose its disks and settings by a wrong word. */
static void refuse_on_a_machine(const struct vm *vm)
{
	if (getpid() == 1)
		return;
	if (vm->detach)
		usage("--detach where we are not PID 1 of a VM");
	for (unsigned int i = 0; i < vm->count; i++)
		if (!vm->distros[i].launch.start.lab)
			usage("missing --kmsg where we are not PID 1 of a VM");
}

void vm_parse(struct vm *vm, int argc, char **argv)
{
	const struct start standard = {.profile = "2.9", .hostname = "windows-pc", .retry_ms = 250};
	struct vm_distro *distro = NULL;

	vm->distros[0].launch.start = standard;
	for (int i = 0; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		struct launch *launch = distro ? &distro->launch : &vm->distros[0].launch;

		if (take_flag(vm, &launch->start, argv[i]))
			continue;
		if (strcmp(argv[i], "--distro") == 0)
			distro = add_distro(vm, value);
		else if (!take_path(vm, launch, argv[i], value) &&
			 !take_value(vm, launch, argv[i], value))
			usage(argv[i]);
		i++;
	}
	if (!vm->count || !vm->control || !vm->share)
		usage("missing --distro, --control or --share");
	for (unsigned int i = 0; i < vm->count; i++) {
		struct launch *launch = &vm->distros[i].launch;

		if (!launch->root)
			usage("missing --root");
		launch->share = vm->share;
		launch->start.lab = launch->lab.kmsg != NULL;
		vm->lab |= launch->start.lab;
	}
	refuse_on_a_machine(vm);
}
