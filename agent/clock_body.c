/* SPDX-License-Identifier: MIT
 *
 * clock_body.c - see clock_body.h. Caller: clock_api.c.
 */
#include "agent/clock_body.h"

#include <yyjson.h>

/* Far beyond any date, and a double still counts its microseconds. */
#define REALTIME_MS_MAX 4e12

struct body {
	yyjson_val *ms, *us, *uncertainty;
};

/* Another member, or one twice, makes it no body of ours. */
static int take_members(yyjson_val *root, struct body *body)
{
	yyjson_obj_iter iter;
	yyjson_val *key;

	if (!yyjson_obj_iter_init(root, &iter))
		return -EINVAL;
	while ((key = yyjson_obj_iter_next(&iter))) {
		yyjson_val **member = yyjson_equals_str(key, "realtime_ms")   ? &body->ms
				      : yyjson_equals_str(key, "realtime_us") ? &body->us
				      : yyjson_equals_str(key, "uncertainty_ms")
					      ? &body->uncertainty
					      : NULL;

		if (!member || *member)
			return -EINVAL;
		*member = yyjson_obj_iter_get_val(key);
	}
	return (body->ms != NULL) != (body->us != NULL) ? 0 : -EINVAL;
}

static int take_ms(yyjson_val *value, double min, double max, int64_t *us)
{
	double ms = yyjson_get_num(value);

	if (!yyjson_is_num(value) || !(ms >= min && ms <= max))
		return -EINVAL;
	*us = (int64_t)(ms * 1000.0 + (ms < 0 ? -0.5 : 0.5));
	return 0;
}

static int take_us(yyjson_val *value, int64_t *us)
{
	if (!yyjson_is_int(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX))
		return -EINVAL;
	*us = yyjson_get_sint(value);
	return 0;
}

int clock_body_parse(const char *text, size_t len, int64_t *realtime_us, uint64_t *uncertainty_us,
	const char **why)
{
	static _Alignas(16) char pool[16 * 1024];
	struct body body = {0};
	int64_t uncertainty = 0;
	yyjson_alc alc;
	yyjson_doc *doc;
	int rc;

	*why = "the body must be {\"realtime_ms\":NUMBER} or {\"realtime_us\":INTEGER}, since 1970, and may have \"uncertainty_ms\"";
	if (!yyjson_alc_pool_init(&alc, pool, sizeof(pool)))
		return -ENOMEM;
	/* Only the in-situ mode, which is not asked for, would write to the text. */
	doc = yyjson_read_opts((char *)(uintptr_t)text, len, YYJSON_READ_NOFLAG, &alc, NULL);
	if (take_members(yyjson_doc_get_root(doc), &body) < 0)
		return -EINVAL;
	rc = body.us ? take_us(body.us, realtime_us)
		     : take_ms(body.ms, -REALTIME_MS_MAX, REALTIME_MS_MAX, realtime_us);
	if (rc < 0)
		return rc;
	*why = "uncertainty_ms must be a number from 0 to 60000";
	if (body.uncertainty &&
		take_ms(body.uncertainty, 0, CLOCK_BODY_UNCERTAINTY_MS_MAX, &uncertainty) < 0)
		return -EINVAL;
	*uncertainty_us = (uint64_t)uncertainty;
	return 0;
}
