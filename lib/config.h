/* SPDX-License-Identifier: MIT
 *
 * config.h - the configuration, read once by every keel program and const from then on.
 *
 * Sources, later wins: built-in defaults, /etc/keel/keel.conf, kernel command line. The file is INI
 * (inih); on the command line a key is written `keel.SECTION.KEY=VALUE`. An unknown key or a bad
 * value is a warning that names file and line and keeps the earlier value: a typing error must not
 * cost the boot. docs/keel.conf.5 describes every key; keep it in step.
 */
#pragma once

#include "lib/base.h"
#include "lib/memory_mode.h"

#define CONFIG_FILE "/etc/keel/keel.conf"

#define CONFIG_DISK_LABEL          "keel-data"
#define CONFIG_ENGINE_RESTARTS_MAX 16
#define CONFIG_MIB_MAX             (16 << 20) /* 16 TiB */

enum config_clock_manage { CONFIG_CLOCK_AUTO, CONFIG_CLOCK_YES, CONFIG_CLOCK_NO };

enum config_disk_format {
	CONFIG_DISK_FORMAT_NEVER,
	CONFIG_DISK_FORMAT_BLANK, /* a provably blank single candidate may be formatted */
};

enum config_disk_damaged {
	CONFIG_DISK_DAMAGED_REFUSE,
	CONFIG_DISK_DAMAGED_READ_ONLY, /* mounted read-only for rescue, without the engine */
};

enum config_net_mode {
	CONFIG_NET_AUTO, /* VM: dhcp; WSL: nothing is touched */
	CONFIG_NET_DHCP,
	CONFIG_NET_STATIC,
	CONFIG_NET_NONE, /* loopback only */
};

struct config {
	struct {
		/* Both set by disk.data = auto, UUID=... or LABEL=... */
		char label[17]; /* file-system label, default "keel-data" (ext4: 16 bytes) */
		char uuid[40];  /* "" = not pinned */
		bool enabled;   /* false: data lives on the root file system */
		enum config_disk_format format;
		enum config_disk_damaged damaged;
		bool trim;                /* freed space is given back by itself, default true */
		unsigned int wait_s;      /* deadline for the disk to appear, default 30 */
		unsigned int low_percent; /* free space or inodes below: low, default 10 */
		unsigned int critical_percent; /* below: critical, default 3 */
		char mountpoint[64];           /* default "/data" */
	} disk;
	struct {
		enum config_net_mode mode;
		char interface[16]; /* "" = first Ethernet link */
		char address[44];   /* static: "192.0.2.2/24" */
		char gateway[40];
		char dns[128];       /* space-separated resolvers */
		unsigned int wait_s; /* deadline for a DHCP lease, default 10 */
	} net;
	struct { /* of all services, "" = none */
		char http[256];
		char https[256];
		char no[512];
	} proxy;
	struct {
		unsigned int api_port;    /* default 700 */
		unsigned int docker_port; /* default 701 */
		unsigned int report_port; /* on the host, default 702; 0 = no report */
	} vsock;
	struct {
		unsigned int heartbeat_s; /* default 30 */
		unsigned int probe_s;     /* calm interval of the engine probe, default 30 */
	} health;
	struct {
		bool restart;                   /* a hung daemon is restarted, default true */
		unsigned int hung_after_s;      /* silent for so long, default 30 */
		unsigned int restarts_per_hour; /* at most, each daemon, default 3 */
	} engine;
	struct {
		enum memory_mode mode;
		unsigned int
			reserve_mib;    /* containers leave it to the rest; 0 = by the VM's size */
		unsigned int floor_mib; /* cache that reclaim leaves to each group, default 16 */
		unsigned int pressure_permille; /* of the time: reclaim pauses above, default 10 */
		unsigned int
			refaults_permille; /* of what was taken: the floor is reached above, default 10 */
		unsigned int target_mib; /* hold the VM's use under it, 0 = none */
		unsigned int
			reporting_order; /* of free blocks that go back to the host, default 5 */
		unsigned int
			pids_percent; /* of the kernel's processes that containers may have, default 90 */
		unsigned int zram_percent; /* of memory as compressed swap, default 0: none */
		bool zswap;                /* compressed cache before swap, default false */
		bool swap;                 /* containers may be swapped out, default true */
	} memory;
	struct {
		enum config_clock_manage manage;
		unsigned int step_ms;  /* from here on it is stepped, default 128 */
		unsigned int dead_ms;  /* up to here it is left alone, default 5 */
		unsigned int other_ms; /* what another's discipline may be off, default 1000 */
	} clock;
	struct {
		bool console_shell;      /* login shell on the console in VM mode, default true */
		unsigned int shutdown_s; /* upper bound for stopping services, default 60 */
		unsigned int grace_s;    /* under WSL: for a whole shutdown, default 25, 0 = none */
	} boot;
	struct {
		bool enabled;     /* publish in /mnt/wsl, default true */
		unsigned int gid; /* who may use the engine from other distros, default 0: root */
	} share;
	struct {
		bool shell; /* POST /v1/exec runs commands for the host, default false */
	} debug;
};

/* Called for every problem: `where` is "/etc/keel/keel.conf:12" or "kernel command line". */
typedef void config_warn_fn(void *ctx, const char *where, const char *message);

void config_set_defaults(struct config *config);
/* Sets one key. 0, -ENOENT (unknown key), -EINVAL (bad value; the old one is kept). */
int config_set(struct config *config, const char *section, const char *key,
	const char *value) MUST_CHECK;
/* Both read a whole text that need not be NUL-terminated. */
void config_parse_file_text(struct config *config, const char *path, const char *text, size_t len,
	config_warn_fn *warn, void *ctx);
void config_parse_cmdline(struct config *config, const char *text, size_t len, config_warn_fn *warn,
	void *ctx);
/* Defaults, then CONFIG_FILE, then /proc/cmdline; a missing file is not a problem. */
void config_load(struct config *config, config_warn_fn *warn, void *ctx);
