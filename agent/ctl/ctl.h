/* SPDX-License-Identifier: MIT
 *
 * ctl.h - what every verb of keelctl gets, and the exit codes that it answers with.
 */
#pragma once

#include "agent/common/address.h"
#include "lib/base.h"

enum ctl_exit {
	CTL_EXIT_OK = 0,
	CTL_EXIT_NO = 1, /* the answer is no: not ready, not reached in time, refused, failed */
	CTL_EXIT_USAGE = 2,
	CTL_EXIT_UNREACHABLE = 3, /* nobody answers */
};

struct ctl {
	struct address vm; /* of the guest; ADDRESS_NONE: we are in it */
	unsigned int api_port, docker_port;
	unsigned int timeout_s; /* 0: not given */
	bool json, no_block;
	bool follow;      /* logs */
	bool watch;       /* memory */
	bool brief;       /* status */
	const char *uuid; /* disk: NULL if not given */
	size_t lines;     /* logs: the last so many, SIZE_MAX: all */
	int argc;         /* operands after the verb */
	char **argv;
};

#define CTL_API_SOCKET    "/run/keel/api.sock"
#define CTL_ENGINE_SOCKET "/run/docker.sock"
#define CTL_ANSWER_S      10 /* for one question, unless --timeout says otherwise */

/* Where the API or Docker's API of the guest is. */
struct address ctl_api_address(const struct ctl *ctl);
struct address ctl_docker_address(const struct ctl *ctl);

/* The verbs; each returns an exit code and has printed why. */
int ctl_status(const struct ctl *ctl);
int ctl_health(const struct ctl *ctl);
int ctl_wait(const struct ctl *ctl);
int ctl_services(const struct ctl *ctl);
int ctl_kernel(const struct ctl *ctl);
int ctl_shutdown(const struct ctl *ctl);
int ctl_reboot(const struct ctl *ctl);
int ctl_start(const struct ctl *ctl);
int ctl_stop(const struct ctl *ctl);
int ctl_restart(const struct ctl *ctl);
int ctl_reload(const struct ctl *ctl);
int ctl_forward(const struct ctl *ctl);
int ctl_logs(const struct ctl *ctl);
int ctl_disk(const struct ctl *ctl);
int ctl_memory(const struct ctl *ctl);
int ctl_proxy(const struct ctl *ctl);

/* Says that the agent does not answer, and why; the exit code for that. */
int ctl_unreachable(const struct ctl *ctl, int error);

/* keelctl under the name systemctl: its own words and exit codes. */
int systemctl_run(int argc, char **argv);
/* The same for journalctl. */
int journalctl_run(int argc, char **argv);
