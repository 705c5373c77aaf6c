/* SPDX-License-Identifier: MIT
 *
 * power.c - keelctl shutdown and reboot. Nobody is asked whether it is meant, as systemctl poweroff does not. In the guest, when
 * the agent cannot hand it on, PID 1 is told directly.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/ctl/control_link.h"
#include "agent/ctl/ctl.h"

#define LINK_MS 2000

static int power(const struct ctl *ctl, const char *body, enum control_verb verb)
{
	const struct address address = ctl_api_address(ctl);
	struct http_answer answer = {0};
	int rc = http_client_ask(&address, "POST", "/v1/shutdown", body, ctl_timeout_ms(ctl),
		&answer);

	if ((rc < 0 || answer.status == 503) && ctl->vm.kind == ADDRESS_NONE) {
		int direct = control_link_order(LINK_MS, verb, NULL);

		free(answer.body);
		if (direct == 0)
			return CTL_EXIT_OK;
		(void)ctl_fail(ctl, "PID 1: %s", strerror(-direct));
		return control_link_is_mute(direct) ? CTL_EXIT_UNREACHABLE : CTL_EXIT_NO;
	}
	if (rc < 0)
		return ctl_unreachable(ctl, rc);
	rc = answer.status == 202 ? CTL_EXIT_OK
				  : ctl_refused(ctl, answer.status, answer.body, answer.body_len);
	free(answer.body);
	return rc;
}

int ctl_shutdown(const struct ctl *ctl)
{
	return power(ctl, "{\"action\":\"poweroff\"}", CONTROL_VERB_POWEROFF);
}

int ctl_reboot(const struct ctl *ctl)
{
	return power(ctl, "{\"action\":\"reboot\"}", CONTROL_VERB_REBOOT);
}
