/* SPDX-License-Identifier: MIT
 *
 * runner.h - the agent's privileged half: a process forked before the agent gives up its rights (sandbox.h), which does the few
 * things that need them and nothing else: keel-disk's verbs, steps of reclaim, writing out a file system, a debugging
 * session, opening some files. Callers: agent.c and whoever in the agent needs one of these.
 *
 * Each call is one frame there and one back (runner_frame.h) on a socket pair, and waits for its answer, RUNNER_TIMEOUT_MS at
 * most: the runner itself never blocks, its children do. It trusts no frame, takes no more than RUNNER_CHILDREN children,
 * and ends when the agent ends; without it the agent ends (on_end). There is one for a process. Where none was started
 * (unit tests) the caller is its own runner: the same functions, without the socket.
 */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "agent/disk_request.h"
#include "lib/base.h"
#include "lib/loop.h"

#define RUNNER_TIMEOUT_MS 5000
#define RUNNER_CHILDREN   64
#define RUNNER_PATH_MAX   512
#define RUNNER_WORDS_MAX  4096
#define RUNNER_ARGS_MAX   64

/* What the runner goes by; read by its own eyes before the fork, never told by the agent later. */
struct runner_options {
	const char *disk_program; /* keel-disk */
	const char *data; /* where the data disk is mounted: disk.mountpoint; NULL: nowhere */
	bool shell;       /* sessions are allowed: debug.shell */
	int root_fd,
		base_fd; /* of "/", and of the control group below which PID 1 keeps everything (-1: none) */
};

/* What one blocking write does, in a child. */
enum runner_step {
	RUNNER_STEP_TAKE,    /* bytes to NAME/memory.reclaim */
	RUNNER_STEP_FLUSH,   /* syncfs of the place NAME */
	RUNNER_STEP_COMPACT, /* all of memory */
	RUNNER_STEP_DROP,    /* all caches */
	RUNNER_STEPS
};

struct runner_step_request {
	enum runner_step step;
	bool calm;    /* in control group base/reclaim, nice, and it ends with the runner */
	bool no_swap; /* TAKE: swappiness=0 */
	uint64_t bytes;
	char name[RUNNER_PATH_MAX]; /* TAKE: a group below the base; FLUSH: as runner_look_at */
};

/* A debugging session. The words are a shell's or a command's argv, one after the other, each ended by NUL. */
struct runner_session_request {
	bool tty; /* on a new pty, whose other end is child.pty_fd */
	uint16_t rows, columns;
	uint32_t words_len;
	char words[RUNNER_WORDS_MAX];
};

/* A started child. The descriptors are the caller's to close. pid_fd becomes readable at its end; then runner_wait. */
struct runner_child {
	pid_t pid;
	int pid_fd;
	int pty_fd; /* a session's with tty, else -1 */
};

/* Files that the agent may not open itself. */
enum runner_file {
	RUNNER_FILE_KMSG,   /* /dev/kmsg, to read */
	RUNNER_FILE_INPUT,  /* /dev/input/eventN, to read */
	RUNNER_FILE_PTP,    /* /dev/ptpN, to read */
	RUNNER_FILE_MOUNTS, /* /proc/self/mountinfo of PID 1's mount namespace */
	RUNNER_FILE_PRESSURE, /* memory.pressure of base/containers (0), base/engine (1), all (2): for triggers */
	RUNNER_FILE_DISK_ERRORS, /* a fanotify group with FAN_FS_ERROR of the data disk, mounted at `path` */
	RUNNER_FILE_ENVIRON, /* /proc/N/environ, of a dockerd */
	RUNNER_FILES
};

/* What is at a path, seen with PID 1's eyes. */
struct runner_look {
	uint64_t device;                                 /* st_dev */
	uint64_t total, used, free, inodes, inodes_free; /* bytes; statvfs(3) */
};

typedef void runner_end_fn(void *ctx);

/* What the process is its own runner with, until runner_start. */
void runner_use(const struct runner_options *options);
/* Forks it: to be called first, before anything is open that it should not have. 0 or -errno. */
int runner_start(const struct runner_options *options) MUST_CHECK;
/* From here on `fn` is called once when the runner has died. */
int runner_watch(struct loop *loop, runner_end_fn *fn, void *ctx) MUST_CHECK;
void runner_stop(struct loop *loop);
pid_t runner_pid(void); /* 0: none was started */

/* Each of these: 0 and the child, or -errno. `output_fd` becomes stdout. The child lives on when the agent ends. */
int runner_run_disk(const struct disk_request *request, int output_fd,
	struct runner_child *child) MUST_CHECK;
int runner_run_step(const struct runner_step_request *step, struct runner_child *child) MUST_CHECK;
/* `fds`: stdin, stdout, stderr; NULL with tty. -EPERM: the configuration does not allow it. The session, a process group of its
 * own, ends with the agent. */
int runner_run_session(const struct runner_session_request *session, const int fds[3],
	struct runner_child *child) MUST_CHECK;
/* After pid_fd became readable: wait(2)'s status, and the processor time that it used. 0, -EAGAIN, -ECHILD. A child is
 * waited for once. */
int runner_wait(pid_t pid, int *status, uint64_t *cpu_us) MUST_CHECK;
/* To the child, or all of a session's process group. 0 or -errno. */
int runner_signal(pid_t pid, int signal);
/* Kills a child whose end nobody hears of, and waits for it some time. pid_fd stays the caller's. */
void runner_abandon(pid_t pid);
/* `fn` is called when pid_fd is readable. 0, or -errno: then the child was abandoned and its pid_fd is closed. */
int runner_hear_end(struct runner_child *child, struct loop *loop, struct loop_source *source,
	loop_io_fn *fn, void *ctx) MUST_CHECK;

/* The descriptor (O_CLOEXEC, O_NONBLOCK where that means something) or -errno. `number` and `path` as the kind says. */
int runner_open(enum runner_file file, unsigned int number, const char *path) MUST_CHECK;
/* The data disk, the engine's directories, "/", "/run": -EINVAL for any other path. */
int runner_look_at(const char *path, struct runner_look *look) MUST_CHECK;
