/* SPDX-License-Identifier: MIT
 *
 * control.h - the one place where PID 1 and everybody else meet.
 *
 * PID 1 listens on CONTROL_SOCKET (AF_UNIX, SOCK_SEQPACKET, mode 0600, root only: SO_PEERCRED is
 * checked). A client sends one `struct control_request` a message; PID 1 sends one
 * `struct control_record` a message. Both have a fixed size: PID 1 parses nothing.
 *
 *   SNAPSHOT   -> every record once, then RECORD_END; the connection stays open.
 *   SUBSCRIBE  -> the same, then again each record that changes, as it changes. After every burst
 *                 of changes comes a RECORD_END, so that a client can act on a whole picture. A
 *                 slow reader loses intermediate states, never the last one.
 *   the others -> one RECORD_RESULT with 0 or -errno when the request was accepted or refused.
 *                 Acceptance is not completion: watch the records.
 *
 * Times are microseconds of CLOCK_BOOTTIME. Strings are NUL-terminated, printable ASCII or UTF-8
 * without control characters; PID 1 replaces anything else by '?'.
 * The version grows with every incompatible change; a peer with another version gets -EPROTO.
 */
#pragma once

#include <stdint.h>

#include "lib/base.h"

#define CONTROL_SOCKET "/run/keel/control"
/* The name of PID 1 (/proc/1/comm) when it cannot listen there: nobody will ever answer, and nobody is to wait for it. */
#define CONTROL_DEAF    "init-rescue"
#define CONTROL_MAGIC   0x4b45454cU /* "KEEL" */
#define CONTROL_VERSION 3

#define CONTROL_NAME_MAX     32  /* unit and stage names, with NUL */
#define CONTROL_REASON_MAX   192 /* one sentence, with NUL */
#define CONTROL_CLIENTS_MAX  8   /* one more is accepted and closed at once */
#define CONTROL_SERVICES_MAX 128
#define CONTROL_STAGES_MAX   12

enum control_verb {
	CONTROL_VERB_SNAPSHOT = 1,
	CONTROL_VERB_SUBSCRIBE,
	CONTROL_VERB_START,   /* unit */
	CONTROL_VERB_STOP,    /* unit */
	CONTROL_VERB_RESTART, /* unit */
	CONTROL_VERB_RELOAD,  /* unit */
	CONTROL_VERB_POWEROFF,
	CONTROL_VERB_REBOOT,
	CONTROL_VERB_DAEMON_RELOAD, /* read the unit files again */
	CONTROL_VERB_RESET_FAILED,  /* unit: forget that it failed, and its start limit */
	CONTROL_VERB_TRY_RESTART,   /* unit: restart if it is up */
	CONTROL_VERB_RESTART_STAGE, /* unit: name of a stage; its helper is run (again) unless it runs */
};

struct control_request {
	uint32_t magic;
	uint16_t version;
	uint16_t verb; /* enum control_verb */
	char unit[CONTROL_NAME_MAX];
};

enum control_record_type {
	CONTROL_RECORD_RESULT = 1,
	CONTROL_RECORD_BOOT,
	CONTROL_RECORD_STAGE,
	CONTROL_RECORD_SERVICE,
	CONTROL_RECORD_DISK,
	CONTROL_RECORD_END,
};

enum boot_mode { BOOT_MODE_VM, BOOT_MODE_WSL };

/* What `systemctl is-system-running` prints. */
enum boot_state {
	BOOT_STATE_STARTING,
	BOOT_STATE_RUNNING,  /* every stage done, every wanted service up */
	BOOT_STATE_DEGRADED, /* something failed; `reason` says what */
	BOOT_STATE_STOPPING,
};

struct control_boot {
	uint8_t state; /* enum boot_state */
	uint8_t mode;  /* enum boot_mode */
	uint8_t reserved[6];
	uint64_t start_us; /* PID 1's first instruction */
	char reason[CONTROL_REASON_MAX];
};

enum stage_state {
	STAGE_STATE_PENDING,
	STAGE_STATE_RUNNING,
	STAGE_STATE_DONE,
	STAGE_STATE_DEGRADED, /* went on without a part; `reason` says which */
	STAGE_STATE_FAILED,
	STAGE_STATE_SKIPPED, /* nothing to do in this mode or by configuration */
};

struct control_stage {
	char name[CONTROL_NAME_MAX];
	uint8_t state; /* enum stage_state */
	uint8_t reserved[7];
	uint64_t start_us; /* 0 while pending */
	uint64_t end_us;   /* 0 while pending or running */
	char reason[CONTROL_REASON_MAX];
};

/* The words of systemd's ActiveState, with `backoff` apart from `activating` because a host
 * program wants to tell "starting" from "crashed, trying again". */
enum service_state {
	SERVICE_STATE_INACTIVE,
	SERVICE_STATE_WAITING,  /* for a dependency */
	SERVICE_STATE_STARTING, /* has a process, not ready yet */
	SERVICE_STATE_ACTIVE,   /* ready */
	SERVICE_STATE_RELOADING,
	SERVICE_STATE_STOPPING,
	SERVICE_STATE_BACKOFF, /* died, waits for its restart */
	SERVICE_STATE_FAILED,  /* given up; `reason` says why */
};

/* What is under way within STARTING, RELOADING and STOPPING; NONE in the other states. systemd's SubState. */
enum service_step {
	SERVICE_STEP_NONE,
	SERVICE_STEP_START_PRE, /* a command runs */
	SERVICE_STEP_START,     /* the main process is not ready yet */
	SERVICE_STEP_START_POST,
	SERVICE_STEP_RELOAD,        /* a command runs */
	SERVICE_STEP_RELOAD_NOTIFY, /* its READY=1 is waited for */
	SERVICE_STEP_STOP,          /* ExecStop= runs */
	SERVICE_STEP_STOP_NOTIFIED, /* it stops by itself and said so */
	SERVICE_STEP_STOP_SIGNAL,   /* KillSignal= was sent */
	SERVICE_STEP_STOP_KILL,     /* SIGKILL was sent */
	SERVICE_STEP_STOP_POST,     /* ExecStopPost= runs: nothing else is left */
};

struct control_service {
	char name[CONTROL_NAME_MAX]; /* "docker.service" */
	uint8_t state;               /* enum service_state */
	uint8_t wanted;              /* desired: 1 up, 0 down */
	uint8_t essential;           /* 1: the engine is not ready without it */
	uint8_t loaded;              /* 0: it cannot be started: bad, masked, or for another mode */
	uint8_t step;                /* enum service_step */
	uint8_t reserved[7];
	int32_t pid;                     /* main process, 0 if none */
	uint32_t restarts;               /* automatic restarts since boot */
	int32_t exit_status;             /* last exit: wait(2) status, -1 if it never exited */
	uint64_t exec_us;                /* last exec of the main process, 0 if never */
	uint64_t exit_us;                /* last end of a main process, 0 if never */
	uint64_t ready_us;               /* last time it became ready, 0 if never */
	uint64_t since_us;               /* when `state` was entered */
	char reason[CONTROL_REASON_MAX]; /* why it failed, waits or restarts */
	char status[96];                 /* its own STATUS= text (sd_notify) */
};

enum disk_state {
	DISK_STATE_UNKNOWN,
	DISK_STATE_WAITING, /* no candidate yet */
	DISK_STATE_CHECKING,
	DISK_STATE_FORMATTING,
	DISK_STATE_MOUNTED,
	DISK_STATE_REFUSED, /* `reason` says why and what to do */
	DISK_STATE_NONE,    /* configured away */
	DISK_STATE_RESCUE, /* mounted read-only, for people to copy what they want; the engine is not started */
};

/* What is the matter with the data disk, one word for programs to act on. docs/keel-disk.8 has the way
 * out of each. The last four are what the agent sees while the disk is mounted. */
enum disk_situation {
	DISK_SITUATION_OK,
	DISK_SITUATION_NO_DISK,    /* no unused disk at all */
	DISK_SITUATION_NOT_FOUND,  /* several unused disks, none is ours */
	DISK_SITUATION_FOREIGN,    /* the one unused disk holds something else */
	DISK_SITUATION_BLANK,      /* the one unused disk looks empty, and may not be formatted */
	DISK_SITUATION_NOT_BLANK,  /* nothing known is on the one unused disk, and it is not zero */
	DISK_SITUATION_READ_ERROR, /* it cannot be read, in whole or in part */
	DISK_SITUATION_AMBIVALENT, /* more than one signature */
	DISK_SITUATION_TWO_DISKS,  /* more than one disk has our identity */
	DISK_SITUATION_OTHER_UUID, /* our label, not the pinned UUID */
	DISK_SITUATION_IN_USE,     /* ours, but swap, mapped, or mounted elsewhere */
	DISK_SITUATION_READ_ONLY_DEVICE, /* ours, but the block device cannot be written */
	DISK_SITUATION_UNSUITABLE,       /* ours, but removable, virtual or excluded */
	DISK_SITUATION_TOO_SMALL,
	DISK_SITUATION_TOO_LARGE, /* more than a VHDX can be */
	DISK_SITUATION_OTHER_FS,  /* our label on something that is not ext4 */
	DISK_SITUATION_ENCRYPTED, /* LUKS */
	DISK_SITUATION_BLOCK_SIZE, /* the file system's blocks do not fit the device or this kernel */
	DISK_SITUATION_UNKNOWN_FEATURES, /* of ext4, newer than this kernel and e2fsck */
	DISK_SITUATION_TRUNCATED,        /* the device is smaller than its file system */
	DISK_SITUATION_NO_MARKER,        /* our label, but keel did not make or adopt it */
	DISK_SITUATION_MARKER_BAD,       /* the marker cannot be read, or belongs to another UUID */
	DISK_SITUATION_MARKER_NEWER,     /* made by a later keel whose rules are not known here */
	DISK_SITUATION_BAD_SUPERBLOCK,   /* the first superblock is gone, a backup names our disk */
	DISK_SITUATION_NEEDS_REPAIR,     /* e2fsck -p left a decision to people */
	DISK_SITUATION_MOUNT_FAILED,     /* checked, and the kernel still refuses */
	DISK_SITUATION_MOUNT_POINT_BUSY, /* something else is mounted where it belongs */
	DISK_SITUATION_FS_ERRORS,        /* the kernel found the mounted file system damaged */
	DISK_SITUATION_IO_ERRORS,        /* the kernel reports I/O errors of the mounted disk */
	DISK_SITUATION_VANISHED,         /* the device went away while mounted */
	DISK_SITUATION_UNMOUNTED,        /* somebody unmounted it, or a directory of the engine */
};

struct control_disk {
	uint8_t state;     /* enum disk_state */
	uint8_t formatted; /* 1: made by this boot */
	uint8_t situation; /* enum disk_situation */
	uint8_t grown;     /* 1: the file system was enlarged by this boot */
	uint8_t checked;   /* 1: e2fsck -p ran in this boot and the disk passed */
	uint8_t reserved[3];
	uint64_t size_bytes; /* of the block device */
	uint64_t made_s;     /* when keel made or adopted it, seconds since 1970; 0: not known */
	char made_by[24];    /* "0.1.0", "" if not known */
	char device[32];     /* "/dev/sda" */
	char uuid[40];
	char label[24];
	char mountpoint[64];
	char reason[CONTROL_REASON_MAX];
};

struct control_record {
	uint32_t magic;
	uint16_t version;
	uint8_t type;   /* enum control_record_type */
	uint8_t index;  /* of a stage or a service, stable for one boot */
	int32_t result; /* CONTROL_RECORD_RESULT: 0 or -errno */
	uint32_t reserved;
	union {
		struct control_boot boot;
		struct control_stage stage;
		struct control_service service;
		struct control_disk disk;
	};
};

/* The words for JSON, `systemctl` and logs; "?" for a value outside the enum. */
const char *boot_state_name(unsigned int state);
const char *boot_mode_name(unsigned int mode);
const char *stage_state_name(unsigned int state);
const char *service_state_name(unsigned int state);
const char *service_step_name(unsigned int step); /* "" for NONE */
const char *disk_state_name(unsigned int state);
const char *disk_situation_name(unsigned int situation); /* "two-disks" */

/* True if a received message of `len` bytes is a record of our version whose strings all end. */
bool control_record_valid(const struct control_record *record, size_t len);
bool control_request_valid(const struct control_request *request, size_t len);

/* Connects to PID 1 (blocking, CLOEXEC). Returns the fd or -errno. */
int control_connect(void) MUST_CHECK;
/* Sends one request. 0 or -errno. */
int control_send(int fd, enum control_verb verb, const char *unit) MUST_CHECK;

/* What a stage helper (keel-disk, keel-modules, keel-net) tells PID 1: one fixed frame a message
 * on fd STAGE_REPORT_FD (AF_UNIX SOCK_SEQPACKET). A helper reports RUNNING as often as its reason
 * changes and ends with DONE, DEGRADED, FAILED or SKIPPED; it may live on after that (a DHCP
 * client, a wait for a late disk) and report again: the last word counts. A helper that exits without
 * a final word has failed. */
#define STAGE_REPORT_FD 3

struct stage_report {
	uint32_t magic;   /* CONTROL_MAGIC */
	uint16_t version; /* CONTROL_VERSION */
	uint8_t state;    /* enum stage_state */
	uint8_t has_disk; /* 1: `disk` is filled in (keel-disk only) */
	char reason[CONTROL_REASON_MAX];
	struct control_disk disk;
};

bool stage_report_valid(const struct stage_report *report, size_t len);
/* Sends a report on STAGE_REPORT_FD; `disk` may be NULL. Without a PID 1 there (run by hand) it is
 * printed to stderr. */
void stage_report_send(enum stage_state state, const struct control_disk *disk, const char *format,
	...) PRINTF(3, 4);
