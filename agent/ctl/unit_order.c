/* SPDX-License-Identifier: MIT
 *
 * unit_order.c - see unit_order.h. Callers: ctl_start and its like here, systemctl.c.
 */
#include "agent/ctl/unit_order.h"

#include <stdio.h>
#include <string.h>

#include "agent/common/facts.h"
#include "agent/ctl/control_link.h"
#include "agent/ctl/ctl.h"
#include "lib/clock.h"

#define LINK_MS 5000

static enum unit_order_outcome judge_up(const struct control_service *now, bool again)
{
	switch ((enum service_state)now->state) {
	case SERVICE_STATE_ACTIVE:
		return again ? UNIT_ORDER_DONE : UNIT_ORDER_PENDING;
	case SERVICE_STATE_BACKOFF:
	case SERVICE_STATE_FAILED:
		return UNIT_ORDER_FAILED;
	case SERVICE_STATE_INACTIVE:
		/* A oneshot that ran and ended well. */
		return again && now->exit_status == 0 ? UNIT_ORDER_DONE : UNIT_ORDER_PENDING;
	case SERVICE_STATE_WAITING:
	case SERVICE_STATE_STARTING:
	case SERVICE_STATE_RELOADING:
	case SERVICE_STATE_STOPPING:
		return UNIT_ORDER_PENDING;
	}
	return UNIT_ORDER_PENDING;
}

static bool is_down(const struct control_service *service)
{
	return service->state == SERVICE_STATE_INACTIVE || service->state == SERVICE_STATE_FAILED;
}

/* One that waits for another is started with what is new anyway. */
static bool is_nothing_to_do(enum control_verb verb, const struct control_service *before)
{
	return verb == CONTROL_VERB_TRY_RESTART &&
	       (is_down(before) || before->state == SERVICE_STATE_WAITING);
}

enum unit_order_outcome unit_order_judge(enum control_verb verb,
	const struct control_service *before, const struct control_service *now)
{
	bool moved = now->since_us != before->since_us || now->state != before->state;
	bool executed = now->exec_us != before->exec_us;

	if (verb == CONTROL_VERB_STOP)
		return is_down(now) ? UNIT_ORDER_DONE : UNIT_ORDER_PENDING;
	if (verb == CONTROL_VERB_START && now->state == SERVICE_STATE_ACTIVE)
		return UNIT_ORDER_DONE;
	if (verb == CONTROL_VERB_RELOAD) {
		if (now->state == SERVICE_STATE_RELOADING)
			return UNIT_ORDER_PENDING;
		return strncmp(now->reason, "reload failed", strlen("reload failed")) == 0
			       ? UNIT_ORDER_FAILED
			       : UNIT_ORDER_DONE;
	}
	if (is_nothing_to_do(verb, before))
		return UNIT_ORDER_DONE;
	/* What was so before the order says nothing about it. */
	return moved ? judge_up(now, executed) : UNIT_ORDER_PENDING;
}

int unit_order_complete_name(const char *name, char unit[CONTROL_NAME_MAX])
{
	const char *dot = strrchr(name, '.');
	int len = snprintf(unit, CONTROL_NAME_MAX, "%s%s", name,
		dot && strcmp(dot, ".service") == 0 ? "" : ".service");

	return len < CONTROL_NAME_MAX ? 0 : -ENAMETOOLONG;
}

/* Follows the records until the order is carried out. */
static int follow(int fd, enum control_verb verb, const struct control_service *before,
	struct facts *facts, bool no_block, uint64_t end_us, struct control_service *last)
{
	bool accepted = false, whole = false;

	for (;;) {
		const struct control_service *service;
		struct control_record record;
		uint64_t now_us = clock_now_us();
		int rc;

		if (now_us >= end_us)
			return -ETIMEDOUT;
		control_link_set_timeout(fd, (unsigned int)((end_us - now_us) / USEC_PER_MSEC) + 1);
		rc = control_link_next(fd, &record);
		if (rc == -EAGAIN)
			continue;
		if (rc < 0)
			return rc;
		if (record.type == CONTROL_RECORD_RESULT && record.result < 0)
			return record.result;
		accepted |= record.type == CONTROL_RECORD_RESULT;
		/* The result comes before the records that the order changed: only a whole picture tells. An order
		 * that changes nothing is followed by none. */
		whole = record.type == CONTROL_RECORD_END || is_nothing_to_do(verb, before);
		facts_apply_record(facts, &record);
		service = facts_find_service(facts, before->name);
		if (service)
			*last = *service;
		if (accepted && no_block)
			return 0;
		if (!accepted || !whole)
			continue;
		if (unit_order_judge(verb, before, last) == UNIT_ORDER_DONE)
			return 0;
		if (unit_order_judge(verb, before, last) == UNIT_ORDER_FAILED)
			return -EREMOTEIO;
	}
}

int unit_order_run(enum control_verb verb, const char *unit, bool no_block, unsigned int timeout_s,
	struct control_service *last)
{
	static struct facts facts;
	const struct control_service *service;
	struct control_service before;
	_cleanup_close_ int fd = control_link_open(LINK_MS);
	int rc;

	if (fd < 0)
		return fd;
	memset(&facts, 0, sizeof(facts));
	rc = control_link_read(fd, CONTROL_VERB_SUBSCRIBE, &facts);
	if (rc < 0)
		return rc;
	service = facts_find_service(&facts, unit);
	if (!service || !unit[0])
		return -ESRCH;
	before = *last = *service;
	rc = control_send(fd, verb, unit);
	if (rc < 0)
		return rc;
	return follow(fd, verb, &before, &facts, no_block,
		clock_now_us() + timeout_s * USEC_PER_SEC, last);
}

static int give_orders(const struct ctl *ctl, enum control_verb verb)
{
	struct control_service last = {0};
	char unit[CONTROL_NAME_MAX];
	int rc, code = CTL_EXIT_OK;

	for (int i = 0; i < ctl->argc; i++) {
		rc = unit_order_complete_name(ctl->argv[i], unit);
		if (rc == 0)
			rc = unit_order_run(verb, unit, ctl->no_block,
				ctl->timeout_s ? ctl->timeout_s : UNIT_ORDER_WAIT_S, &last);
		if (rc == 0)
			continue;
		code = CTL_EXIT_NO;
		if (rc == -ESRCH || rc == -ENAMETOOLONG)
			(void)ctl_fail(ctl, "%s: no such unit (keelctl services lists them)",
				ctl->argv[i]);
		else if (rc == -EREMOTEIO)
			(void)ctl_fail(ctl, "%s: it is %s: %s", unit,
				service_state_name(last.state), last.reason);
		else if (rc == -ETIMEDOUT)
			(void)ctl_fail(ctl, "%s: still %s; keelctl status shows how it goes on",
				unit, service_state_name(last.state));
		else {
			(void)ctl_fail(ctl, "%s: PID 1: %s", unit, strerror(-rc));
			if (control_link_is_mute(rc))
				code = CTL_EXIT_UNREACHABLE;
		}
	}
	return code;
}

int ctl_start(const struct ctl *ctl)
{
	return give_orders(ctl, CONTROL_VERB_START);
}

int ctl_stop(const struct ctl *ctl)
{
	return give_orders(ctl, CONTROL_VERB_STOP);
}

int ctl_restart(const struct ctl *ctl)
{
	return give_orders(ctl, CONTROL_VERB_RESTART);
}

int ctl_reload(const struct ctl *ctl)
{
	return give_orders(ctl, CONTROL_VERB_RELOAD);
}
