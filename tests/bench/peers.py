"""keel-init and its peers as they are configured for tests/bench/init_peers.py: the files of each, and what is run as
PID 1. All get the same services (benchsvc.c) and their quickest restart that is documented.

A peer's files come from the locked environment `peers` (image-build/sets.conf), keel's from build/bin.
`Peer.files(kind, count)` is asked for three kinds of boot:
    up        `count` services that are to run for ever
    parallel  `count` services of `true`, each wanted for itself
    chain     `count` services of `true`, each ordered after the one before
"""
import os
import shutil
import subprocess

import guest as ns

TREE = f"{ns.TOP}/build/env/peers"
BOARD = "/var/test/board"
NOTES = "/var/test/notes"
SERVICE = "/usr/bin/benchsvc"
SLOTS_MAX, SLOT_BYTES = 256, 16  # benchsvc.c


class Unavailable(Exception):
    """This peer has no such thing; the reason is shown."""


def command(kind, slot):
    return f"{SERVICE} {'up' if kind == 'up' else 'done'} {BOARD} {slot}"


def name(slot):
    return f"svc{slot:03}"


class Peer:
    """name, what it stands for, its configuration in a sentence, and `argv`: what becomes PID 1."""

    key = title = configured = ""
    argv = ()
    root = TREE
    # Restarts that are slow by design need no thousand kills: of a service that ran for a while, and of one that
    # has just come. None: as many as are asked for.
    most_kills = most_at_once = None
    supervises = True
    without = ()  # what it would start if it were there

    def files(self, kind, count):
        raise NotImplementedError

    def version(self):
        return ""

    def package_version(self, package):
        with open(f"{ns.TOP}/image-build/lock/peers.lock", encoding="ascii") as lock:
            return next(line.split()[1] for line in lock if line.startswith(f"{package} "))


class Keel(Peer):
    key, title, root = "keel", "keel-init", None
    argv = ("/sbin/init",)
    configured = "Restart=always, RestartSec=0, StartLimitBurst=0"

    def version(self):
        with open(f"{ns.TOP}/VERSION", encoding="ascii") as file:
            return file.read().strip()

    def files(self, kind, count):
        files = {}
        for slot in range(count):
            after = f"After={name(slot - 1)}.service\n" if kind == "chain" and slot else ""
            how = "Type=exec\nRestart=always\nRestartSec=0\n" if kind == "up" else "Type=oneshot\n"
            files[f"/usr/lib/keel/units/{name(slot)}.service"] = (
                f"[Unit]\nStartLimitBurst=0\n{after}[Service]\n{how}ExecStart={command(kind, slot)}\n"
                "[Install]\nWantedBy=multi-user.target\n")
        return files


class Runit(Peer):
    key, title = "runit", "runit"
    argv = ("/usr/sbin/runit",)
    configured = "runsv as it is; the run script is dash's exec"
    most_at_once = 25
    interpreter = "#!/bin/sh\nexec "

    def version(self):
        return self.package_version("runit")

    def files(self, kind, count):
        if kind == "chain":
            raise Unavailable("knows no order")
        files = {f"/etc/service/{name(slot)}/run": (f"{self.interpreter}{command(kind, slot)}\n", 0o755)
                 for slot in range(count)}
        return files | {"/etc/runit/1": ("#!/bin/sh\n", 0o755), "/etc/runit/3": ("#!/bin/sh\n", 0o755),
                        "/etc/runit/2": ("#!/bin/sh\nexec /usr/bin/runsvdir -P /etc/service\n", 0o755)}


class RunitBare(Runit):
    key, title = "runit-bare", "runit, no shell"
    configured = "the same, and the run file is the service itself (#!benchsvc)"
    interpreter = "#!"


class S6(Peer):
    key, title = "s6", "s6"
    argv = ("/usr/bin/s6-svscan", "/etc/s6")
    configured = "s6-supervise as it is; the run script is execlineb's exec"
    interpreter = "#!/usr/bin/execlineb -P\n"
    most_kills = most_at_once = 50

    def version(self):
        return self.package_version("s6")

    def files(self, kind, count):
        if kind == "chain":
            raise Unavailable("s6-rc is not in Debian")
        return {f"/etc/s6/{name(slot)}/run": (f"{self.interpreter}{command(kind, slot)}\n", 0o755)
                for slot in range(count)}


class Finit(Peer):
    key, title = "finit", "finit"
    argv = ("/usr/sbin/finit",)
    without = ("/usr/lib/systemd/systemd-udevd", "/usr/bin/udevadm")
    configured = "no udev; respawn (no pause, no limit); the chain is `run` in order"

    def version(self):
        return self.package_version("finit")

    def files(self, kind, count):
        how = {"up": "service [2] respawn notify:none", "parallel": "task [2]", "chain": "run [2]"}[kind]
        lines = [f"{how} name:{name(slot)} {command(kind, slot)} -- {name(slot)}\n" for slot in range(count)]
        files = {f"/etc/finit.d/{other}": "" for other in os.listdir(f"{TREE}/etc/finit.d") if other.endswith(".conf")}
        return files | {"/etc/fstab": "", "/etc/finit.conf": "runlevel 2\n" + "".join(lines)}


class OpenRC(Peer):
    key, title = "openrc", "OpenRC"
    argv = ("/usr/sbin/openrc-init",)
    configured = "supervise-daemon, respawn_max=0 (no pause is its default); rc_parallel=YES where order is free"

    def version(self):
        return self.package_version("openrc")

    def files(self, kind, count):
        files = {"/etc/rc.conf": f"rc_parallel=\"{'NO' if kind == 'chain' else 'YES'}\"\nrc_sys=\"lxc\"\n",
                 "/etc/fstab": ""}
        for slot in range(count):
            if kind == "up":
                words = command(kind, slot).split(" ", 1)
                body = (f"supervisor=supervise-daemon\ncommand={words[0]}\ncommand_args=\"{words[1]}\"\n"
                        "respawn_max=0\n")
            else:
                need = f"depend() {{ need {name(slot - 1)}; }}\n" if kind == "chain" and slot else ""
                body = f"{need}start() {{ {command(kind, slot)}; }}\n"
            files[f"/etc/init.d/{name(slot)}"] = ("#!/sbin/openrc-run\n" + body, 0o755)
            files[f"/etc/runlevels/default/{name(slot)}"] = ("#!/sbin/openrc-run\n" + body, 0o755)
        return files


class BusyBox(Peer):
    key, title = "busybox", "BusyBox init"
    argv = ("/usr/bin/busybox", "init")
    configured = "respawn; once for parallel, wait for the chain"
    most_kills = most_at_once = 50

    def version(self):
        return self.package_version("busybox-static")

    def files(self, kind, count):
        action = {"up": "respawn", "parallel": "once", "chain": "wait"}[kind]
        return {"/etc/inittab": "".join(f"::{action}:{command(kind, slot)}\n" for slot in range(count))}


class Systemd(Peer):
    key, title = "systemd", "systemd"
    argv = ("/usr/lib/systemd/systemd", "--unit=bench.target", "--show-status=no", "--log-target=null")
    configured = "Restart=always, RestartSec=0, StartLimitBurst=0; no journald, no other unit"

    def version(self):
        return self.package_version("systemd")

    def files(self, kind, count):
        units = "/etc/systemd/system"
        wants = " ".join(f"{name(slot)}.service" for slot in range(count))
        files = {f"{units}/bench.target": f"[Unit]\nDefaultDependencies=no\nWants={wants}\n",
                 "/etc/machine-id": "0123456789abcdef0123456789abcdef\n"}
        for slot in range(count):
            after = f"After={name(slot - 1)}.service\n" if kind == "chain" and slot else ""
            how = "Type=exec\nRestart=always\nRestartSec=0\n" if kind == "up" else "Type=oneshot\n"
            files[f"{units}/{name(slot)}.service"] = (
                f"[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n{after}[Service]\n{how}"
                f"ExecStart={command(kind, slot)}\nStandardOutput=null\nStandardError=null\n")
        return files


class Reaper(Peer):
    """A container's init: one child, no supervision."""

    supervises = False
    configured = "one child; does not supervise"

    def __init__(self, package, path):
        self.key = self.title = self.package = package
        self.argv = (path, "--", *command("up", 0).split())

    def version(self):
        return self.package_version(self.package)

    def files(self, kind, count):
        if kind != "up" or count != 1:
            raise Unavailable("does not supervise")
        return {}


PEERS = (Keel(), Runit(), RunitBare(), S6(), Finit(), OpenRC(), BusyBox(), Systemd(),
         Reaper("tini", "/usr/bin/tini-static"), Reaper("catatonit", "/usr/bin/catatonit"))
ABSENT = {"dinit": "no suite of Debian has a package of it"}


class PeerGuest(ns.Guest):
    """A namespace guest with a peer as PID 1. The hand-over is WSL's (all is mounted); floor.c gives back the signals
    that it left ignored and notes the time of PID 1's exec. Before that a foreign one loses the machine's settings."""

    def __init__(self, peer, kind, count, seconds=120):
        guard = ["/usr/bin/benchsvc", "guard"] if peer.root else []
        super().__init__(files=peer.files(kind, count), root=peer.root, dirs=("/var/test", "/usr/bin"),
                         without=peer.without, seconds=seconds,
                         init=[*guard, "/usr/bin/floor", "init", NOTES, *peer.argv])
        self.peer = peer
        for program in ("floor", "benchsvc"):
            shutil.copy(f"{ns.NS_BIN}/{program}", f"{self.dir}/upper/usr/bin/{program}")
        # runsvdir waits a second before it reads a directory that changed within the current one.
        for directory, _, _ in os.walk(f"{self.dir}/upper/etc"):
            os.utime(directory, (0, 0))
        self.board = f"{self.dir}/upper{BOARD}"
        with open(self.board, "wb") as file:
            file.truncate(SLOTS_MAX * SLOT_BYTES)

    def slots(self, count):
        """[(instances, pid, stamp in ns of CLOCK_BOOTTIME)]"""
        with open(self.board, "rb") as file:
            data = file.read(count * SLOT_BYTES)
        return [(int.from_bytes(data[at:at + 4], "little"), int.from_bytes(data[at + 4:at + 8], "little", signed=True),
                 int.from_bytes(data[at + 8:at + 16], "little")) for at in range(0, len(data), SLOT_BYTES)]

    def wait_stamped(self, count):
        """When each service has run: the newest first stamp, in ns."""
        return self.retry(lambda: all(slot[0] for slot in self.slots(count)) and
                          max(slot[2] for slot in self.slots(count)), f"{count} services have run")

    def start_ns(self):
        """PID 1's exec."""
        return int(self.kept(NOTES).split()[3]) * 1000

    def benchsvc(self, verb, *arguments, seconds=3600):
        """Runs a verb of benchsvc.c inside; its lines."""
        result = subprocess.run([f"{ns.NS_BIN}/benchsvc", verb, str(self.pid), *map(str, arguments)],
                                capture_output=True, text=True, timeout=seconds, check=False)
        if result.returncode != 0:
            raise AssertionError(f"benchsvc {verb}: {result.stderr.strip()}\n" + self.describe())
        return result.stdout.splitlines()

    def init_processes(self):
        """Outside PIDs of PID 1 and all that it needs to supervise: every process but the services and those of the
        stand-in for WSL (PID 2, its descendants, its relay)."""
        processes = self.processes()
        foreign = {2}
        for inside, (_, _, _, parent) in sorted(processes.items()):
            if parent in foreign:
                foreign.add(inside)
        return [outside for inside, (outside, comm, state, _) in processes.items()
                if state != "Z" and inside not in foreign and comm not in ("relay", "benchsvc")]
