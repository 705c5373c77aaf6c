/* SPDX-License-Identifier: MIT
 *
 * base.h - the few words that every keel source file uses.
 *
 * The error idiom of the whole project: a function that can fail returns 0 (or a count) or a
 * negative errno, gives its results through out-parameters, and is MUST_CHECK. Who handles the
 * error logs it, once, with operation + object + errno.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MUST_CHECK    __attribute__((warn_unused_result))
#define PRINTF(f, a)  __attribute__((format(printf, f, a)))

/* Runs `fn(&var)` when `var` goes out of scope. */
#define _cleanup_(fn)   __attribute__((cleanup(fn)))
#define _cleanup_close_ _cleanup_(close_p)
#define _cleanup_free_  _cleanup_(free_p)

/* Hands the value on and leaves the variable empty, so that its cleanup does nothing. */
#define TAKE_FD(fd)                             \
	({                                      \
		int *take_fd_ = &(fd);          \
		int take_fd_value_ = *take_fd_; \
		*take_fd_ = -1;                 \
		take_fd_value_;                 \
	})
#define TAKE_PTR(p)                                         \
	({                                                  \
		__typeof__(p) *take_ptr_ = &(p);            \
		__typeof__(p) take_ptr_value_ = *take_ptr_; \
		*take_ptr_ = NULL;                          \
		take_ptr_value_;                            \
	})

/* Closes *fd if it is >= 0 and sets it to -1. errno is kept. EINTR is not retried: on Linux the
 * descriptor is gone either way (close(2)). */
void close_p(int *fd);

/* free(*p) for any pointer p. */
void free_p(void *p);
