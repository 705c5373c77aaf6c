/* SPDX-License-Identifier: MIT
 *
 * disk.c - see disk.h. Caller: agent.c; disk_api.c for what people ask.
 */
#include "agent/disk.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"

/* A device larger by less than that is not grown into: keel-disk's own limit. */
#define GROW_MIN (UINT64_C(16) << 20)

/* Samples of space that are fresh enough for who asks, and for who is awake anyway. */
#define ASKED_US (100 * USEC_PER_MSEC)
#define AWAKE_US (10 * USEC_PER_SEC)

/* A release that failed is tried again, at first after the one, in the end every time after the other. */
#define RELEASE_PAUSE_MIN_US (1 * USEC_PER_SEC)
#define RELEASE_PAUSE_MAX_US (30 * USEC_PER_SEC)

static void report_change(struct disk *disk)
{
	if (!disk->updating)
		disk->changed(disk->ctx);
}

/* ---- jobs ---------------------------------------------------------------------------------------- */

static int start_job(struct disk *disk, const struct disk_request *request, bool automatic)
{
	int rc = disk_job_start(&disk->job, request);

	if (rc < 0) {
		log_warning("keel-disk %s: %s", disk_verb_name(request->verb), strerror(-rc));
		return rc;
	}
	log_info("keel-disk %s: started%s", disk_verb_name(request->verb),
		automatic ? "" : " as asked for");
	disk->automatic = automatic;
	disk->facts->disk_seen.job = disk->job.facts;
	if (request->verb == DISK_VERB_TRIM)
		disk_trim_begin(&disk->trim, &disk->watch);
	report_change(disk);
	return 0;
}

static void on_release_again(struct loop_timer *timer);

/* Until it has worked, the engine is on a disk that is gone: no event would tell when to try again. */
static void release_later(struct disk *disk)
{
	uint64_t pause_us = disk->release_pause_us * 2;

	if (pause_us < RELEASE_PAUSE_MIN_US)
		pause_us = RELEASE_PAUSE_MIN_US;
	if (pause_us > RELEASE_PAUSE_MAX_US)
		pause_us = RELEASE_PAUSE_MAX_US;
	disk->release_wanted = true;
	disk->release_pause_us = pause_us;
	loop_timer_set(disk->loop, &disk->release_again, clock_now_us() + pause_us,
		on_release_again, disk);
}

static void start_release(struct disk *disk)
{
	const struct disk_request request = {.verb = DISK_VERB_RELEASE};

	if (disk->release_again.at_us != 0)
		return; /* not yet */
	if (start_job(disk, &request, true) == 0)
		disk->release_wanted = false;
	else
		release_later(disk);
}

/* What the agent does of its own accord, once no other job runs. */
static void start_own(struct disk *disk)
{
	const struct disk_request grow = {.verb = DISK_VERB_GROW};

	if (disk_job_runs(&disk->job))
		return;
	if (disk->release_wanted)
		start_release(disk);
	else if (disk->grow_wanted && start_job(disk, &grow, true) == 0)
		disk->grow_wanted = false;
}

static void on_release_again(struct loop_timer *timer)
{
	start_own(timer->ctx);
}

static void start_queued(struct disk *disk)
{
	static const char text[] =
		"{\"error\":{\"code\":\"failed\",\"message\":"
		"\"keel-disk could not be started; see keelctl logs keel-agent\"}}";
	struct disk_job_listener *listener = disk->next_listener;
	struct job_line line;

	disk->queued = false;
	disk->next_listener = NULL;
	if (start_job(disk, &disk->next, false) == 0) {
		if (listener)
			disk_job_listen(&disk->job, listener);
	} else if (listener && job_line_parse(text, sizeof(text) - 1, &line) == 0) {
		listener->fn(listener->ctx, &line, text, sizeof(text) - 1);
	}
}

static void log_end(const struct disk *disk, const struct job_line *line)
{
	const char *verb = disk_verb_name(disk->job.request.verb);

	if (line->kind == JOB_LINE_RESULT)
		log_info("keel-disk %s: done: %.*s", verb,
			line->object_len < 256 ? (int)line->object_len : 256, line->object);
	else
		log_warning("keel-disk %s: %s: %s", verb, line->code, line->message);
}

static void end_release(struct disk *disk, const struct job_line *line)
{
	/* Busy: somebody works on a disk by hand, maybe on another one. Should he repair this one, which lets go of it
	 * too, the disk stage tells of a new life, and nothing is tried again. */
	if (line->kind == JOB_LINE_ERROR && disk->facts->disk_seen.vanished)
		release_later(disk);
}

/* True: somebody works on the disk by hand, and it is to be tried again. */
static bool end_grow(struct disk *disk, const struct job_line *line)
{
	if (line->kind == JOB_LINE_RESULT && line->new_bytes > 0)
		disk->facts->disk_seen.grown = true;
	return line->kind == JOB_LINE_ERROR && strcmp(line->code, "busy") == 0;
}

static void on_job_line(void *ctx, const struct job_line *line, const char *text, size_t len)
{
	struct disk *disk = ctx;
	bool grow_later = false;

	(void)text;
	(void)len;
	disk->facts->disk_seen.job = disk->job.facts;
	if (line->kind != JOB_LINE_PROGRESS) {
		log_end(disk, line);
		if (disk->job.request.verb == DISK_VERB_TRIM)
			disk_trim_end(&disk->trim, line);
		if (disk->job.request.verb == DISK_VERB_GROW)
			grow_later = end_grow(disk, line);
		if (disk->job.request.verb == DISK_VERB_RELEASE)
			end_release(disk, line);
		if (disk->queued)
			start_queued(disk);
		else if (strcmp(line->code, "busy") != 0 || disk->release_wanted)
			start_own(disk);
		disk_space_look(&disk->space);
		disk->grow_wanted |= grow_later; /* with a later sample than this one */
		report_change(disk);
	}
	disk->heard(disk->ctx);
}

static void on_list_line(void *ctx, const struct job_line *line, const char *text, size_t len)
{
	struct disk *disk = ctx;

	(void)line;
	(void)text;
	(void)len;
	disk->heard(disk->ctx);
}

static int submit_list(struct disk *disk, const struct disk_request *request,
	struct disk_job_listener *listener)
{
	/* The list is the same for all who ask while it is made. */
	int rc = disk_job_runs(&disk->list) ? 0 : disk_job_start(&disk->list, request);

	if (rc == 0)
		disk_job_listen(&disk->list, listener);
	return rc;
}

int disk_submit(struct disk *disk, const struct disk_request *request,
	struct disk_job_listener *listener)
{
	int rc;

	if (request->verb == DISK_VERB_LIST)
		return submit_list(disk, request, listener);
	if (!disk_job_runs(&disk->job)) {
		rc = start_job(disk, request, false);
		if (rc == 0)
			disk_job_listen(&disk->job, listener);
		return rc;
	}
	if (!disk->automatic || disk->queued)
		return -EBUSY;
	disk->queued = true;
	disk->next = *request;
	disk->next_listener = listener;
	disk_job_interrupt(&disk->job);
	return 0;
}

void disk_ignore(struct disk *disk, struct disk_job_listener *listener)
{
	disk_job_ignore(&disk->job, listener);
	disk_job_ignore(&disk->list, listener);
	if (disk->next_listener == listener)
		disk->next_listener = NULL;
}

/* ---- what is seen -------------------------------------------------------------------------------- */

static void follow_growth(struct disk *disk)
{
	const struct disk_seen *seen = &disk->facts->disk_seen;

	if (seen->size_bytes >= disk->grown_bytes + GROW_MIN) {
		log_info("%s: the device has grown from %llu to %llu MiB", seen->kernel,
			(unsigned long long)disk->grown_bytes >> 20,
			(unsigned long long)seen->size_bytes >> 20);
		disk->grown_bytes = seen->size_bytes;
		disk->grow_wanted = true;
	}
	start_own(disk);
}

static void follow_loss(struct disk *disk)
{
	disk_space_stop(&disk->space);
	disk->release_wanted = true;
	disk_job_interrupt(&disk->job);
	start_own(disk);
}

static void begin_life(struct disk *disk);

/* A device that fails has thousands of errors: they are told of at 1, 2, 4, 8, ..., and the first of either kind, which is what
 * the situation goes by. */
static bool is_news(struct disk *disk)
{
	const struct disk_seen *seen = &disk->facts->disk_seen;
	struct disk_news *told = &disk->told;
	struct disk_news now = {
		.vanished = seen->vanished,
		.read_only = seen->read_only,
		.io_errors = seen->errors.io_count > 0,
		.ext4_errors = seen->errors.count > 0,
		.unmounted = seen->unmounted,
		.size_bytes = seen->size_bytes,
		.errors = seen->errors.count + seen->errors.io_count,
	};

	if (!count_is_news(now.errors, told->errors))
		now.errors = told->errors;
	if (now.vanished == told->vanished && now.read_only == told->read_only &&
		now.io_errors == told->io_errors && now.ext4_errors == told->ext4_errors &&
		now.unmounted == told->unmounted && now.size_bytes == told->size_bytes &&
		now.errors == told->errors)
		return false;
	*told = now;
	return true;
}

static void on_watch(void *ctx)
{
	struct disk *disk = ctx;

	if (disk->facts->disk_seen.vanished) {
		follow_loss(disk);
	} else if (!disk->watch.device) { /* no longer unmounted: somebody has mounted it again */
		disk_watch_stop(&disk->watch);
		begin_life(disk);
	} else {
		follow_growth(disk);
	}
	if (is_news(disk))
		report_change(disk);
}

static void on_again(struct loop_timer *timer)
{
	struct disk *disk = timer->ctx;

	disk_space_look(&disk->space);
}

static void on_space(void *ctx, bool word)
{
	const struct disk_request request = {.verb = DISK_VERB_TRIM, .gentle = true};
	struct disk *disk = ctx;
	uint64_t again_us = 0;

	if (!disk->facts->disk_seen.watched || disk->updating)
		return;
	start_own(disk);
	if (disk->facts->disk_seen.space_known &&
		disk_trim_is_due(&disk->trim, &disk->watch, disk_job_runs(&disk->job), &again_us) &&
		start_job(disk, &request, true) < 0)
		disk_trim_end(&disk->trim, &(struct job_line){.kind = JOB_LINE_ERROR});
	if (again_us > 0)
		loop_timer_set(disk->loop, &disk->again, clock_now_us() + again_us, on_again, disk);
	if (word)
		report_change(disk);
}

/* ---- the mount ----------------------------------------------------------------------------------- */

/* Which mount it is: another run of the stage made another one, even if nothing else differs. */
static uint64_t current_life(const struct facts *facts)
{
	const struct control_stage *stage = facts_find_stage(facts, "disk");

	/* While the stage runs again, the record may still be that of the mount before. */
	if (facts->disk.state != DISK_STATE_MOUNTED || facts->disk.mountpoint[0] != '/' ||
		(stage && stage->state == STAGE_STATE_RUNNING))
		return 0;
	return stage && stage->start_us ? stage->start_us : 1;
}

static void end_life(struct disk *disk)
{
	struct disk_seen *seen = &disk->facts->disk_seen;
	const struct disk_trims trims = seen->trims;

	disk_watch_stop(&disk->watch);
	disk_space_stop(&disk->space);
	loop_timer_cancel(disk->loop, &disk->again);
	loop_timer_cancel(disk->loop, &disk->release_again);
	disk->release_pause_us = 0;
	disk->grow_wanted = disk->release_wanted = false;
	*seen = (struct disk_seen){.job = seen->job, .trims = trims};
	disk->told = (struct disk_news){0};
}

static void begin_life(struct disk *disk)
{
	struct disk_seen *seen = &disk->facts->disk_seen;
	int rc = disk_watch_start(&disk->watch, disk->facts->disk.mountpoint);

	if (rc == -ENXIO) { /* it went away before we came */
		seen->watched = seen->vanished = true;
		follow_loss(disk);
		return;
	}
	if (rc == -ENOMEDIUM)
		return;
	if (rc < 0) {
		log_warning("%s: %s; the data disk is not watched", disk->facts->disk.mountpoint,
			strerror(-rc));
		return;
	}
	disk->grown_bytes =
		disk->facts->disk.size_bytes ? disk->facts->disk.size_bytes : seen->size_bytes;
	disk_space_start(&disk->space, disk->watch.mountpoint, disk->watch.device);
	disk_trim_start(&disk->trim, &disk->watch);
	follow_growth(disk);
}

void disk_update(struct disk *disk)
{
	uint64_t life_us = current_life(disk->facts);

	if (life_us == disk->life_us)
		return;
	disk->updating = true;
	disk->life_us = life_us;
	end_life(disk);
	if (life_us != 0)
		begin_life(disk);
	disk->updating = false;
}

void disk_look(struct disk *disk)
{
	disk_space_look(&disk->space);
}

void disk_refresh(struct disk *disk)
{
	disk_space_refresh(&disk->space, ASKED_US);
}

void disk_tick(struct disk *disk)
{
	disk_space_refresh(&disk->space, AWAKE_US);
}

void disk_init(struct disk *disk, struct loop *loop, const struct disk_options *options,
	struct facts *facts, disk_change_fn *changed, disk_change_fn *heard, void *ctx)
{
	memset(disk, 0, sizeof(*disk));
	disk->loop = loop;
	disk->facts = facts;
	disk->changed = changed;
	disk->heard = heard;
	disk->ctx = ctx;
	facts->disk_seen.job.percent = -1;
	disk_watch_init(&disk->watch, loop, &facts->disk_seen, on_watch, disk);
	disk_space_init(&disk->space, loop, &options->space, &facts->disk_seen, on_space, disk);
	disk_trim_init(&disk->trim, options->trim, facts);
	disk_job_init(&disk->job, loop, on_job_line, disk);
	disk_job_init(&disk->list, loop, on_list_line, disk);
}

void disk_stop(struct disk *disk)
{
	disk_job_stop(&disk->job);
	disk_job_stop(&disk->list);
	end_life(disk);
}
