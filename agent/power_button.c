/* SPDX-License-Identifier: MIT
 *
 * power_button.c - see power_button.h. Called by agent.c.
 */
#include "agent/power_button.h"

#include <limits.h>
#include <linux/input.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include "agent/runner.h"
#include "lib/file.h"
#include "lib/log.h"

#define DIRECTORY "/dev/input"

enum { HELD_CTRL = 1, HELD_ALT = 2 };

int power_button_key(unsigned int *held, unsigned int code, bool pressed)
{
	unsigned int bit = 0;

	if (code == KEY_LEFTCTRL || code == KEY_RIGHTCTRL)
		bit = HELD_CTRL;
	if (code == KEY_LEFTALT || code == KEY_RIGHTALT)
		bit = HELD_ALT;
	*held = pressed ? *held | bit : *held & ~bit;
	if (pressed && code == KEY_POWER)
		return CONTROL_VERB_POWEROFF;
	if (pressed && (code == KEY_DELETE || code == KEY_KPDOT) && *held == (HELD_CTRL | HELD_ALT))
		return CONTROL_VERB_REBOOT;
	return 0;
}

static void forget(struct power_button_device *device)
{
	int fd = device->source.fd;

	loop_remove(device->button->loop, &device->source);
	close_p(&fd);
	device->held = 0;
}

static void on_input(struct loop_source *source, uint32_t epoll_events)
{
	struct power_button_device *device = source->ctx;
	struct input_event events[16];
	ssize_t len = read(source->fd, events, sizeof(events));

	(void)epoll_events;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) { /* ENODEV: unplugged */
		forget(device);
		return;
	}
	for (size_t i = 0; i < (size_t)len / sizeof(events[0]); i++) {
		int verb;

		/* 2 is auto-repeat */
		if (events[i].type != EV_KEY || events[i].value == 2)
			continue;
		verb = power_button_key(&device->held, events[i].code, events[i].value == 1);
		if (verb)
			device->button->fn(device->button->ctx, (enum control_verb)verb);
	}
}

static bool has_key(const unsigned char *bits, unsigned int code)
{
	return bits[code / 8] & (1U << code % 8);
}

/* A mouse moves all day: only what has one of our keys is listened to. */
static bool has_our_keys(int fd)
{
	unsigned char bits[KEY_MAX / 8 + 1] = {0};

	return ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(bits)), bits) >= 0 &&
	       (has_key(bits, KEY_POWER) || has_key(bits, KEY_DELETE));
}

static void open_device(struct power_button *button, unsigned int number)
{
	struct power_button_device *device = &button->devices[number];
	_cleanup_close_ int fd = -1;

	if (device->source.fd >= 0)
		return;
	fd = runner_open(RUNNER_FILE_INPUT, number, NULL);
	if (fd < 0 || !has_our_keys(fd))
		return;
	if (loop_add(button->loop, &device->source, fd, EPOLLIN, on_input, device) == 0)
		(void)TAKE_FD(fd);
}

static void open_devices(struct power_button *button)
{
	for (unsigned int i = 0; i < POWER_BUTTON_DEVICES; i++)
		open_device(button, i);
}

static void on_watch(struct loop_source *source, uint32_t epoll_events)
{
	_Alignas(struct inotify_event) char events[sizeof(struct inotify_event) + NAME_MAX + 1];

	(void)epoll_events;
	/* What happened does not matter: look at all of them. */
	while (read(source->fd, events, sizeof(events)) > 0)
		;
	open_devices(source->ctx);
}

int power_button_start(struct power_button *button, struct loop *loop, power_button_fn *fn,
	void *ctx)
{
	_cleanup_close_ int fd = -1;
	int rc;

	*button = (struct power_button){.loop = loop, .fn = fn, .ctx = ctx};
	button->watch.fd = -1;
	for (size_t i = 0; i < POWER_BUTTON_DEVICES; i++)
		button->devices[i] =
			(struct power_button_device){.button = button, .source.fd = -1};
	/* the kernel makes it with the first device, which may come later */
	rc = file_make_dirs(DIRECTORY);
	if (rc < 0)
		return rc;
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0 || inotify_add_watch(fd, DIRECTORY, IN_CREATE | IN_ATTRIB) < 0)
		return -errno;
	rc = loop_add(loop, &button->watch, fd, EPOLLIN, on_watch, button);
	if (rc < 0)
		return rc;
	(void)TAKE_FD(fd);
	open_devices(button);
	return 0;
}

void power_button_stop(struct power_button *button)
{
	int fd = button->watch.fd;

	if (!button->loop)
		return;
	for (size_t i = 0; i < POWER_BUTTON_DEVICES; i++)
		forget(&button->devices[i]);
	loop_remove(button->loop, &button->watch);
	close_p(&fd);
}
