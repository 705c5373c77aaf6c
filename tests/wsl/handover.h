/* SPDX-License-Identifier: MIT
 *
 * handover.h - the state in which WSL leaves a process to the distro's /sbin/init.
 */
#ifndef TESTS_WSL_HANDOVER_H
#define TESTS_WSL_HANDOVER_H

/* WSL: init.cpp, InitEntry: UtilSetSignalHandlers with SkipSignal: all but HUP, CONT, KILL, STOP and 32-34. */
void handover_ignore_signals(void);
void handover_default_signals(void); /* the same ones: what WSL restores for its children */

/* 32, which the C library does not let anybody touch, can be inherited ignored from whatever runtime started
 * us: PID 1 has to give its services the default all the same. */
void handover_ignore_signal_32(void);

void handover_limits(
	void); /* NOFILE 10240/1048576, MEMLOCK 64 MiB; without privilege as much as there is */

/* Opens the three and closes everything above 2. */
void handover_stdio(const char *in, const char *out, const char *err);

#endif
