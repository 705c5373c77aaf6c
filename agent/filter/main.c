/* SPDX-License-Identifier: MIT
 *
 * main.c - makes keel-agent's filter of system calls out of the table in calls.h: run at build time, with libseccomp, so that the
 * static agent needs none. Writes C to stdout: the instructions of a classic BPF program (seccomp(2)).
 *
 *   agent-filter [log]     log: what is not in the table is done and noted in the kernel's log instead (HACKING.md)
 *
 * What is not allowed is answered with SIGSYS (SCMP_ACT_TRAP), whose handler says which call it was and ends the agent;
 * a call that would take the handler away, and calls of another architecture, end it without that.
 */
#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

#include "agent/filter/calls.h"

#if !defined(__x86_64__)
#error "the table of system calls is for x86-64"
#endif

static int add_row(scmp_filter_ctx filter, const struct call *row)
{
	struct scmp_arg_cmp tests[2];
	unsigned int count = 0;
	int number = seccomp_syscall_resolve_name(row->name);

	for (size_t i = 0; i < 2 && row->tests[i].mask != 0; i++)
		tests[count++] = SCMP_CMP64(row->tests[i].number, SCMP_CMP_MASKED_EQ,
			row->tests[i].mask, row->tests[i].value);
	return number < 0 ? -ENOSYS
			  : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, count, tests);
}

static int add_rows(scmp_filter_ctx filter)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(calls) / sizeof(calls[0]); i++) {
		rc = add_row(filter, &calls[i]);
		if (rc < 0)
			(void)fprintf(stderr, "%s: %s\n", calls[i].name, strerror(-rc));
	}
	return rc;
}

/* Any signal's action may be set but SIGSYS's. */
static int add_sigaction(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp is = SCMP_A0_64(SCMP_CMP_MASKED_EQ, ALL, SIGSYS);
	const struct scmp_arg_cmp is_not = SCMP_A0_64(SCMP_CMP_NE, SIGSYS);
	int rc = seccomp_rule_add_array(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(rt_sigaction), 1,
		&is);

	return rc < 0 ? rc
		      : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(rt_sigaction), 1,
				&is_not);
}

static int print(scmp_filter_ctx filter)
{
	struct sock_filter instruction;
	FILE *file = tmpfile();
	int rc;

	if (!file)
		return -EIO;
	rc = seccomp_export_bpf(filter, fileno(file));
	if (rc == 0 && fseek(file, 0, SEEK_SET) < 0)
		rc = -EIO;
	(void)puts("/* Made by agent/filter/main.c. */\n"
		   "static const struct sock_filter sandbox_filter[] = {");
	while (rc == 0 && fread(&instruction, sizeof(instruction), 1, file) == 1)
		(void)printf("\t{%#x, %u, %u, %#x},\n", instruction.code, instruction.jt,
			instruction.jf, instruction.k);
	(void)puts("};");
	(void)fclose(file);
	return rc < 0 || (fflush(stdout) == 0 && !ferror(stdout)) ? rc : -EIO;
}

int main(int argc, char **argv)
{
	const uint32_t otherwise =
		argc > 1 && strcmp(argv[1], "log") == 0 ? SCMP_ACT_LOG : SCMP_ACT_TRAP;
	scmp_filter_ctx filter = seccomp_init(otherwise);
	int rc = filter ? seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS)
			: -ENOMEM;

	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree */
	if (rc == 0)
		rc = add_rows(filter);
	if (rc == 0)
		rc = add_sigaction(filter);
	if (rc == 0)
		rc = print(filter);
	if (rc < 0)
		(void)fprintf(stderr, "agent-filter: %s\n", strerror(-rc));
	return rc < 0 ? 1 : 0;
}
