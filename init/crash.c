/* SPDX-License-Identifier: MIT
 *
 * crash.c - see crash.h. Called by main.c. The handler and what it calls are async-signal-safe (signal-safety(7)).
 */
#include "init/crash.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

#include "init/text.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"

#define KEPT_DIR  "/var/lib/keel"
#define KEPT_FILE KEPT_DIR "/crash"      /* of the last boot, until it was told */
#define TOLD_FILE KEPT_DIR "/last-crash" /* then here */

/* The widest vector state that a CPU saves there is 11 KiB, and a crash of the handler comes on top. */
#define STACK_SIZE (64 * 1024)
/* A sync that takes longer hangs. */
#define SYNC_TRIES 50
/* Return addresses that are looked for: words of the stack, how many are shown. */
#define STACK_WORDS 128
#define CALLERS_MAX 6

/* The linker's: where the program begins and where its code ends. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char etext[] __attribute__((visibility("hidden")));

static const struct {
	int number;
	const char *name;
} signals[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGILL, "SIGILL"}, {SIGFPE, "SIGFPE"},
	{SIGABRT, "SIGABRT"}, {SIGSYS, "SIGSYS"}};

static enum boot_mode our_mode;
static volatile sig_atomic_t our_time, crashes;
static _Alignas(16) char stack[STACK_SIZE];

/* ---- the report ----------------------------------------------------------------------------- */

struct report {
	size_t len;
	char text[CONTROL_REASON_MAX];
};

static void add(struct report *report, const char *text)
{
	while (*text && report->len + 1 < sizeof(report->text))
		report->text[report->len++] = *text++;
	report->text[report->len] = '\0';
}

static void add_hex(struct report *report, uintptr_t value)
{
	char digits[sizeof(value) * 2 + 1];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = "0123456789abcdef"[value & 15];
	while ((value >>= 4) != 0);
	add(report, "0x");
	add(report, digits + at);
}

static bool is_code(uintptr_t address)
{
	return address >= (uintptr_t)__ehdr_start && address < (uintptr_t)etext;
}

/* Relative to where the program was loaded: what addr2line takes. */
static void add_code(struct report *report, uintptr_t address)
{
	if (is_code(address))
		add(report, "+");
	add_hex(report, is_code(address) ? address - (uintptr_t)__ehdr_start : address);
}

/* There is no unwinding without tables; what looks like a return address on the stack mostly is one. Read by a
 * system call, because the stack may be what is broken. */
static void add_callers(struct report *report, uintptr_t sp)
{
	uintptr_t words[STACK_WORDS];
	unsigned int found = 0;

	for (unsigned int i = 0; i < STACK_WORDS && found < CALLERS_MAX; i++) {
		struct iovec to = {&words[i], sizeof(words[i])};
		struct iovec from = {(void *)(sp + i * sizeof(words[i])), sizeof(words[i])};

		if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)sizeof(words[i]))
			return;
		if (!is_code(words[i]))
			continue;
		add(report, found++ ? " " : ", from ");
		add_code(report, words[i]);
	}
}

static void describe(struct report *report, int number, const siginfo_t *info, const ucontext_t *at)
{
#if defined(__x86_64__)
	uintptr_t ip = (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
	uintptr_t sp = (uintptr_t)at->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
	uintptr_t ip = at->uc_mcontext.pc, sp = at->uc_mcontext.sp;
#else
	uintptr_t ip = 0, sp = 0;

	(void)at;
#endif
	add(report, "PID 1 crashed: ");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i].number == number)
			add(report, signals[i].name);
	if (info->si_code > 0) {
		add(report, " at address ");
		add_hex(report, (uintptr_t)info->si_addr);
	}
	add(report, ", keel-init ");
	add_code(report, ip);
	add_callers(report, sp);
}

static void tell(const struct report *report)
{
	static const char critical[] = "<2>keel-init: ";
	struct iovec parts[] = {{(void *)critical, sizeof(critical) - 1},
		{(void *)report->text, report->len}, {"\n", 1}};
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		fd = open("/dev/console", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		fd = STDERR_FILENO;
	(void)!writev(fd, parts, ARRAY_SIZE(parts));
}

/* ---- the end -------------------------------------------------------------------------------- */

static int end_command(enum boot_mode mode, enum crash_time time)
{
	return mode == BOOT_MODE_VM && time != CRASH_TIME_BOOT ? RB_AUTOBOOT : RB_POWER_OFF;
}

/* In a child, for it may hang. */
static void try_sync(void)
{
	struct timespec tenth = {.tv_nsec = 100000000};
	pid_t pid = fork();

	if (pid == 0) {
		sync();
		_exit(0);
	}
	for (int i = 0; pid > 0 && i < SYNC_TRIES && waitpid(pid, NULL, WNOHANG) == 0; i++)
		(void)nanosleep(&tenth, NULL);
}

static _Noreturn void end_now(void)
{
	(void)reboot(end_command(our_mode, (enum crash_time)our_time));
	/* Not allowed: a namespace, which ends with us. */
	_exit(1);
}

static void start_again(struct report *report)
{
	char *argv[] = {"/sbin/init", CRASH_ARGUMENT,
		our_time == CRASH_TIME_BOOT ? "boot" : "running", report->text, NULL};
	char *wsl[] = {"container=wsl", NULL}, *vm[] = {NULL};
	char **environment = our_mode == BOOT_MODE_WSL ? wsl : vm;

	/* The very file that runs, whatever lies at its path by now. */
	(void)execve("/proc/self/exe", argv, environment);
	(void)execve(argv[0], argv, environment);
}

static void on_crash(int number, siginfo_t *info, void *context)
{
	struct report report = {0};
	sigset_t ours;

	/* Sent by somebody, not raised by our code; abort(3) sends itself one. */
	if (info->si_code <= 0 && (info->si_code != SI_TKILL || info->si_pid != getpid()))
		return;
	if (getpid() != 1) { /* a child that has not executed its program yet */
		(void)signal(number, SIG_DFL);
		if (info->si_code <= 0)
			(void)raise(number);
		return;
	}
	if (crashes++ > 0)
		end_now();
	/* A crash of the handler comes back to it; a fault whose signal is blocked would be the end of us. */
	(void)sigemptyset(&ours);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&ours, signals[i].number);
	(void)sigprocmask(SIG_UNBLOCK, &ours, NULL);
	describe(&report, number, info, context);
	tell(&report);
	if (our_time != CRASH_TIME_AGAIN)
		start_again(&report);
	try_sync();
	end_now();
}

/* ---- setting up ----------------------------------------------------------------------------- */

void crash_set_time(enum crash_time time)
{
	our_time = (sig_atomic_t)time;
}

void crash_arm(enum boot_mode mode, enum crash_time time)
{
	struct sigaction action = {
		.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};

	our_mode = mode;
	crash_set_time(time);
	(void)sigaltstack(&alternate, NULL);
	/* One at a time: a dozen that somebody sends must not fill the stack. */
	(void)sigfillset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaction(signals[i].number, &action, NULL);
}

void crash_unblock(sigset_t *mask)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigdelset(mask, signals[i].number);
}

bool crash_take_arguments(int argc, char **argv, enum boot_mode mode, char *reason, size_t size,
	int *command)
{
	if (argc < 4 || strcmp(argv[1], CRASH_ARGUMENT) != 0)
		return false;
	text_copy(reason, size, argv[3]);
	*command = end_command(mode,
		strcmp(argv[2], "boot") == 0 ? CRASH_TIME_BOOT : CRASH_TIME_RUNNING);
	return true;
}

void crash_keep(const char *reason)
{
	_cleanup_close_ int fd = -1;
	char line[CONTROL_REASON_MAX + 64];

	(void)!file_make_dirs(KEPT_DIR);
	fd = open(KEPT_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	(void)snprintf(line, sizeof(line), "%s (keel " KEEL_VERSION ", up %llu s)\n", reason,
		(unsigned long long)(clock_now_us() / USEC_PER_SEC));
	if (fd < 0 || file_write_all(fd, line, strlen(line)) < 0)
		log_warning("%s: %m", KEPT_FILE);
}

void crash_tell_kept(void)
{
	char line[CONTROL_REASON_MAX + 64];

	if (file_read(KEPT_FILE, line, sizeof(line)) <= 0)
		return;
	line[strcspn(line, "\n")] = '\0';
	log_warning("the boot before this one ended early. %s", line);
	(void)rename(KEPT_FILE, TOLD_FILE);
}
