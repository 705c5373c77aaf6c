/* SPDX-License-Identifier: MIT
 *
 * ctl.h - what every verb of keelctl gets, the exit codes that it answers with, and the one shape of its complaints:
 * "keelctl: VERB: what is wrong, and the way out".
 *
 * A verb more is one entry in verb_table.c, one file with its function, and its lines in docs/keelctl.1.
 */
#pragma once

#include <stdio.h>

#include "agent/common/address.h"
#include "agent/ctl/http_client.h"
#include "lib/base.h"

enum ctl_exit {
	CTL_EXIT_OK = 0,
	CTL_EXIT_NO = 1, /* the answer is no: not ready, not reached in time, refused, failed */
	CTL_EXIT_USAGE = 2,
	CTL_EXIT_UNREACHABLE = 3, /* nobody answers */
};

struct ctl {
	const char *
		word; /* for complaints: the verb, "disk trim" where it has words of its own; "" without one */
	struct address vm; /* of the guest; ADDRESS_NONE: we are in it */
	unsigned int api_port, docker_port;
	unsigned int timeout_s; /* 0: not given */
	bool help, version;
	bool json, no_block;
	bool follow;        /* logs */
	bool watch;         /* status, memory */
	bool brief;         /* status */
	bool once;          /* top, events */
	const char *kinds;  /* events: NULL if not given */
	const char *since;  /* the same */
	const char *uuid;   /* disk: NULL if not given */
	size_t lines;       /* logs, events: the last so many, SIZE_MAX: all */
	int ready_fd;       /* forward: -1 if not given */
	bool tty, no_tty;   /* shell */
	const char *output; /* diagnose: NULL if not given */
	int argc;           /* operands after the verb */
	char **argv;
};

#define CTL_API_SOCKET    "/run/keel/api.sock"
#define CTL_ENGINE_SOCKET "/run/docker.sock"
#define CTL_API_PORT      700
#define CTL_DOCKER_PORT   701
#define CTL_ANSWER_S      10 /* for one question, unless --timeout says otherwise */

/* Where the API or Docker's API of the guest is. */
struct address ctl_api_address(const struct ctl *ctl);
struct address ctl_docker_address(const struct ctl *ctl);
/* How long one question may take. */
unsigned int ctl_timeout_ms(const struct ctl *ctl);

/* A stream of events that has been silent for so long has no agent at its other end: one says something every 15 s
 * (docs/api.md). */
unsigned int ctl_silence_ms(void);

/* The health document: the agent's, or if it is silent in our own guest, PID 1's. 0 if one answered, else -errno of the last;
 * what the agent gave is in `agent_error`. Free the answer's body either way. */
int ctl_ask_health(const struct ctl *ctl, unsigned int limit_ms, struct http_answer *answer,
	int *agent_error) MUST_CHECK;
/* The same for a verb that cannot do without: 0, or an exit code after saying why. */
int ctl_get_health(const struct ctl *ctl, struct http_answer *answer) MUST_CHECK;

/* The verbs; each returns an exit code and has printed why. */
int ctl_status(const struct ctl *ctl);
int ctl_health(const struct ctl *ctl);
int ctl_top(const struct ctl *ctl);
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
int ctl_docker_context(const struct ctl *ctl);
int ctl_logs(const struct ctl *ctl);
int ctl_events(const struct ctl *ctl);
int ctl_disk(const struct ctl *ctl);
int ctl_memory(const struct ctl *ctl);
int ctl_clock(const struct ctl *ctl);
int ctl_proxy(const struct ctl *ctl);
int ctl_diagnose(const struct ctl *ctl);
int ctl_shell(const struct ctl *ctl);
int ctl_help(const struct ctl *ctl);
/* `keelctl __complete WORD...`, for the shells' completion files. */
int ctl_complete(const struct ctl *ctl);

/* Complaints, on stderr. The sentence gets "keelctl: WORD: " before it. */
int ctl_fail(const struct ctl *ctl, const char *format, ...) PRINTF(2, 3); /* CTL_EXIT_NO */
int ctl_usage(const struct ctl *ctl, const char *format, ...)
	PRINTF(2, 3); /* CTL_EXIT_USAGE; names the help too */
/* The verb has no such word (verb_table.c): CTL_EXIT_USAGE, and which there are. */
int ctl_unknown_word(const struct ctl *ctl, const char *word);
/* The agent does not answer, and why: CTL_EXIT_UNREACHABLE. */
int ctl_unreachable(const struct ctl *ctl, int error);
/* The answer is a refusal: says its `detail` (RFC 9457); with --json its body goes to stdout. CTL_EXIT_NO. */
int ctl_refused(const struct ctl *ctl, int status, const char *body, size_t len);
/* A document of the guest's, to `out`, which is or goes to the standard output, and a newline if it has none. On a terminal
 * control characters are '?': nobody says that it is JSON. */
void ctl_print_json(FILE *out, const char *text, size_t len);
/* The answer is no JSON, or not that of the API: CTL_EXIT_UNREACHABLE. */
int ctl_not_the_api(const struct ctl *ctl);

/* keelctl under the name systemctl: its own words and exit codes. */
int systemctl_run(int argc, char **argv);
/* The same for journalctl. */
int journalctl_run(int argc, char **argv);
