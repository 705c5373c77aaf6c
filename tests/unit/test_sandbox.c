/* SPDX-License-Identifier: MIT
 *
 * test_sandbox.c - the filter of system calls, as it is shipped: a child takes it on and makes one call. The view and the
 * rights need a guest: tests/ns/scenarios_sandbox.py.
 */
#include <linux/netlink.h>
#include <linux/ptp_clock.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/unit_test.h"

#include "agent/sandbox.h"
#include "lib/log.h"

struct call {
	const char *name;
	long number, arguments[6];
};

/* The wait(2) status of a child that makes the call and ends with 7. */
static int make(const struct call *call)
{
	const long *a = call->arguments;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (sandbox_filter_calls() < 0)
			_exit(8);
		(void)syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
		(void)syscall(SYS_exit_group, 7);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#define EXEC (PROT_READ | PROT_EXEC)

static const struct call forbidden[] = {
	{"execve", SYS_execve, {0}},
	{"execveat", SYS_execveat, {0}},
	{"fork", SYS_fork, {0}},
	{"vfork", SYS_vfork, {0}},
	{"clone", SYS_clone, {SIGCHLD}},
	{"clone, a thread", SYS_clone, {CLONE_VM | CLONE_THREAD | CLONE_SIGHAND}},
	{"clone3", SYS_clone3, {0}},
	{"ptrace", SYS_ptrace, {0}},
	{"process_vm_writev", SYS_process_vm_writev, {0}},
	{"mount", SYS_mount, {0}},
	{"umount2", SYS_umount2, {0}},
	{"open_tree", SYS_open_tree, {0}},
	{"move_mount", SYS_move_mount, {0}},
	{"fsopen", SYS_fsopen, {0}},
	{"pivot_root", SYS_pivot_root, {0}},
	{"chroot", SYS_chroot, {0}},
	{"unshare", SYS_unshare, {CLONE_NEWUSER}},
	{"setns", SYS_setns, {-1}},
	{"init_module", SYS_init_module, {0}},
	{"finit_module", SYS_finit_module, {-1}},
	{"kexec_load", SYS_kexec_load, {0}},
	{"bpf", SYS_bpf, {0}},
	{"io_uring_setup", SYS_io_uring_setup, {1}},
	{"userfaultfd", SYS_userfaultfd, {0}},
	{"open_by_handle_at", SYS_open_by_handle_at, {-1}},
	{"keyctl", SYS_keyctl, {0}},
	{"setuid", SYS_setuid, {0}},
	{"capset", SYS_capset, {0}},
	{"mknodat", SYS_mknodat, {-1}},
	{"reboot", SYS_reboot, {0}},
	{"prctl", SYS_prctl, {PR_SET_DUMPABLE, 1}},
	{"memfd_create", SYS_memfd_create, {0}},
	{"tgkill", SYS_tgkill, {0}},
	{"pidfd_getfd", SYS_pidfd_getfd, {-1}},
	{"kill of another than PID 1", SYS_kill, {2, SIGTERM}},
	{"kill -9 of PID 1", SYS_kill, {1, SIGKILL}},
	{"kill of all", SYS_kill, {-1, SIGTERM}},
	{"socket of the network", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
	{"socket of packets", SYS_socket, {AF_PACKET, SOCK_RAW, 0}},
	{"netlink of routes", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE}},
	{"mmap to execute", SYS_mmap, {0, 4096, EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
	{"mprotect to execute", SYS_mprotect, {0, 4096, EXEC}},
	{"ioctl of a terminal's input", SYS_ioctl, {0, 0x5412 /* TIOCSTI */, 0}},
	{"a call that there is not", 9999, {0}},
	{"a call of x32", 0x40000000L | SYS_getpid, {0}},
};

static const struct call allowed[] = {
	{"read", SYS_read, {-1}},
	{"socket of vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}},
	{"socket in the guest", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
	{"uevents", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT}},
	{"mmap", SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
	{"keys of a device", SYS_ioctl, {-1, 0x80604521 /* EVIOCGBIT(EV_KEY, 96) */, 0}},
	{"a terminal's size", SYS_ioctl, {-1, TIOCSWINSZ, 0}},
	{"a device's clock", SYS_ioctl, {-1, (long)PTP_SYS_OFFSET_EXTENDED, 0}},
	{"another signal's action", SYS_rt_sigaction, {SIGTERM, 0, 0, 8}},
	{"splice", SYS_splice, {-1, 0, -1}},
};

static void test_forbidden(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++) {
		int status = make(&forbidden[i]);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: status %#x", forbidden[i].name, (unsigned int)status);
	}
}

static void test_allowed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		int status = make(&allowed[i]);

		if (!WIFEXITED(status) || WEXITSTATUS(status) != 7)
			fail_msg("%s: status %#x", allowed[i].name, (unsigned int)status);
	}
}

/* Its handler cannot be taken away: that would be a way to survive what is forbidden. */
static void test_the_end_is_not_ours_to_prevent(void **state)
{
	const struct call call = {"rt_sigaction", SYS_rt_sigaction, {SIGSYS, 0, 0, 8}};
	int status = make(&call);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* The log names the call. */
static void test_what_it_says(void **state)
{
	char text[256] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	log_open("t", ends[1], false);
	(void)make(&forbidden[0]);
	log_open("t", STDERR_FILENO, false);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "system call 59 is not allowed"));
	close_p(&ends[0]);
	close_p(&ends[1]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_forbidden),
	cmocka_unit_test(test_allowed),
	cmocka_unit_test(test_the_end_is_not_ours_to_prevent),
	cmocka_unit_test(test_what_it_says),
};

UNIT_TEST_MAIN(tests)
