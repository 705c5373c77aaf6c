/* SPDX-License-Identifier: MIT
 *
 * share_policy.h - what is at the place of publication, and what to do about it. Pure; main.c acts.
 *
 * The place is a mount below /mnt/wsl, which all distros of the VM share: what one mounts or unmounts there happens in
 * all. So anybody's `umount -a` takes our mount away, and a distro that was killed leaves its own behind.
 */
#pragma once

#include "lib/base.h"
#include "lib/share_point.h"

#define SHARE_DIR   "/run/keel/share" /* what is published */
#define SHARE_ROOT  "/keel/share" /* the same from the root of its file system, as in mountinfo(5) */
#define SHARE_OWNER "owner"       /* a socket in it, listened on while its keel-share lives */

/* What is mounted at the place, on top. */
enum share_top {
	SHARE_NO_PLACE, /* /mnt/wsl is no mount: there is nobody to share with */
	SHARE_NOTHING,
	SHARE_OURS,
	SHARE_LIVE,    /* another keel's, which lives */
	SHARE_DEAD,    /* another keel's, or ours of a time before: nobody listens there any more */
	SHARE_FOREIGN, /* no keel's */
};

/* One line of mountinfo after the other; begin with all zero but `device`. `top` then is NO_PLACE, NOTHING, OURS, FOREIGN,
 * or LIVE for a keel's, alive or not: that only its socket tells. Lines of any length and content. */
struct share_table {
	const char *device; /* "major:minor" of the file system that SHARE_DIR is on */
	bool has_place;
	enum share_top top;
};

void share_table_line(struct share_table *table, const char *line);
enum share_top share_table_top(const struct share_table *table);

enum share_action {
	SHARE_WAIT,
	SHARE_PUBLISH,
	SHARE_CLEAR, /* unmount the dead one, and look again */
};

struct share_state {
	bool published;
	int error;             /* of the last attempt, -errno */
	unsigned int lost;     /* how often somebody took it away */
	unsigned int streak;   /* failures and losses in a row */
	uint64_t published_us; /* since when it is there */
	uint64_t retry_us;     /* not before */
};

/* What to do now. WAIT until something is mounted or unmounted, or, if *again_us is not 0, until then. */
enum share_action share_policy_step(struct share_state *state, enum share_top top, uint64_t now_us,
	uint64_t *again_us);
/* How the action went: 0 or -errno. */
void share_policy_done(struct share_state *state, enum share_action action, int rc,
	uint64_t now_us);
/* One sentence for people. */
void share_policy_text(const struct share_state *state, enum share_top top, uint64_t now_us,
	char *text, size_t size);
