/* SPDX-License-Identifier: MIT
 *
 * lab.h - protects the machine from a guest that runs in namespaces on it: /sys and /proc/sys/kernel are
 * read-only, the few settings below /sys that PID 1 writes are files of the scenario, as is what would drop
 * the machine's caches; /dev holds only what is named. All paths are relative to the guest's root, which is
 * the working directory.
 */
#ifndef TESTS_WSL_LAB_H
#define TESTS_WSL_LAB_H

#define LAB_DEVS_MAX 8

struct lab {
	const char *lower, *upper,
		*work; /* the root is an overlay: its own superblock can be remounted read-only */
	const char *kmsg;               /* a FIFO for /dev/kmsg; never NULL */
	const char *console;            /* a terminal for /dev/console, or NULL */
	const char *devs[LAB_DEVS_MAX]; /* further device nodes */
	unsigned int dev_count;
};

void lab_make_private(void); /* no mount of ours reaches the machine */
void lab_mount_root(const struct lab *lab, const char *root);
void lab_mount_dev(const struct lab *lab);
void lab_mount_sys(void);
void lab_bind_cgroup(void); /* the machine's hierarchy, with the options that it has */
void lab_mount_proc(void);
void lab_cover_proc(void); /* for a proc that is already mounted */

/* The working directory becomes the namespace's root, the machine's mounts go. */
void lab_become_root_of_namespace(void);

#endif
/* No program below can set the wall clock, which is the whole machine's. */
void lab_give_up_clock(void);
