/* SPDX-License-Identifier: MIT
 *
 * screen.h - a page that is drawn again and again on a terminal, and what wakes its owner: a key, another size, a descriptor.
 *
 * Drawn from the top left corner over what was there: nothing flickers; what does not fit is cut and does not scroll. A
 * screen that is closed leaves its last page, the cursor below it, and the terminal as it was.
 */
#pragma once

#include <stdio.h>
#include <termios.h>

#include "lib/base.h"

enum screen_event {
	SCREEN_TIMEOUT,
	SCREEN_READABLE, /* the descriptor */
	SCREEN_KEY,
	SCREEN_RESIZED, /* or others have used it: draw */
	SCREEN_END,     /* the terminal has gone */
};

struct screen {
	bool terminal; /* false: pages go out one after the other */
	bool raw;      /* keys come at once and are not shown */
	int signal_fd; /* another size; it goes on */
	bool begun;    /* a page is on the terminal; the cursor waits in the row below it */
	struct termios saved;
};

/* Of standard output and input. From now on a signal that ends or stops us puts the terminal back first, whatever is waited for then:
 * one at a time. 0 or -errno. */
int screen_open(struct screen *screen) MUST_CHECK;
/* Pages go out one after the other, whatever the output is: for JSON. Before the first. */
void screen_plain(struct screen *screen);
/* `text`: lines. */
void screen_draw(struct screen *screen, const char *text, size_t len);
/* `fd`: -1 for none. `timeout_ms` < 0: none. `key` is set with SCREEN_KEY. */
enum screen_event screen_wait(struct screen *screen, int fd, int timeout_ms, char *key);
void screen_close(struct screen *screen);

/* Rows of standard output's terminal; a very large number if it is none. */
unsigned int screen_rows(void);
