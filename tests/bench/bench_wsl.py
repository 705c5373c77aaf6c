"""make bench-wsl: how long WSL waits for a distro, natively, under the stand-in for its launcher (tests/wsl). keel against
systemd and OpenRC with the same daemons, data disk and container; dockerd's READY also against the floor, a bare script that
starts the same daemons. The distros take turns within each round and the order rotates. Writes build/bench/wsl.json and
wsl.md, which it prints.

    bench_wsl.py [--quick] [--rounds N] [KEY...]       keys: keel systemd openrc floor

Zero is the launcher's exec of /sbin/init. A distro that cannot do something gets what WSL does then: it waits until
boot.initTimeout, 10 s unless the distro says otherwise. A missed goal is told, not an error.
"""
import argparse
import contextlib
import json
import os
import platform
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, *(f"{TESTS}/{name}" for name in ("wsl", "ns", "vm", "lib"))]

import boot_native  # noqa: E402
import engine  # noqa: E402
import figures  # noqa: E402
import guest as ns  # noqa: E402
import init_peers  # noqa: E402
import tables  # noqa: E402
import wsl_guest  # noqa: E402
import wsl_roots  # noqa: E402

PROFILE = "2.9"
PROMPT = re.compile(rb"[#$] $")
ESCAPE = re.compile(rb"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])|\r")
# Both tell what they ended on; the second is PID 1 of its container without a handler: SIGTERM does nothing.
QUICK = "trap 'echo SIGTERM >/v/ended; exit 0' TERM; /busybox sleep 1000 & wait"
SLOW = "exec /busybox sleep 1000"
METRICS = {
    "running": ("ms", "`is-system-running` says running, WSL's question every 250 ms"),
    "running_tight": ("ms", "the same, asked again at once"),
    "prompt": ("ms", "first prompt of an interactive session"),
    "prompt_tight": ("ms", "the same, questions asked again at once"),
    "ready": ("ms", "dockerd READY"),
    "stop": ("ms", "wsl -t with a container that ends on SIGTERM"),
    "stop_slow": ("ms", "wsl -t with a container that does not: 10 s are its right"),
    "graceful": ("of 1", "the container got its SIGTERM"),
}
GOALS = (("`running`, asked again at once, ms", "running_tight", 20.0), ("first prompt, ms", "prompt", 50.0))
FLOOR_PERCENT = 2.0


def clock_offset_us():
    """CLOCK_BOOTTIME, in which PID 1 and floor.c tell times, less CLOCK_MONOTONIC, which the launcher takes."""
    return (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()) // 1000


class Distro(wsl_guest.WslGuest):
    """A distro of the bench under the launcher."""

    key = title = configured = ""

    def __init__(self, disk, retry_ms=None, seconds=90, **options):
        self.disk = disk
        words = ["--retry-ms", str(retry_ms)] if retry_ms else []
        super().__init__(disk, profile=PROFILE, engine=True, options=words, seconds=seconds, dirs=("/var/test",), **options)

    def copy(self, program):
        os.makedirs(f"{self.dir}/upper/usr/bin", exist_ok=True)
        shutil.copy(f"{ns.NS_BIN}/{program}", f"{self.dir}/upper/usr/bin/{program}")

    def group(self):
        return f"{self.cgroup[len(ns.cgroup2_mount()):]}/base"

    def start_us(self):
        return self.wait_event("exec-init").time

    def ready_us(self):
        """When dockerd's READY=1 was received, microseconds of CLOCK_MONOTONIC."""
        picture = self.wait_ready()
        return picture["services"]["docker.service"]["ready_us"] - clock_offset_us()


class Keel(Distro):
    key, title, configured = "keel", "keel", "as shipped"


class Peer(Distro):
    """Another root."""

    def __init__(self, disk, retry_ms=None, seconds=90):
        super().__init__(disk, retry_ms, seconds, root=wsl_roots.unpack(self.key),
                         files={"/etc/docker/daemon.json": wsl_roots.daemon_config()})
        for path, content in self.distro_files().items():
            self.put(path, content)

    def distro_files(self):
        raise NotImplementedError


class Systemd(Peer):
    key, title = "systemd", "systemd"
    configured = "Debian's, with D-Bus, logind and PAM; multi-user.target; dockerd after containerd as in Debian's units"

    def distro_files(self):
        self.copy("benchsvc")
        # systemd raises settings that are the machine's.
        init = ("#!/usr/bin/benchsvc guard /proc/sys/fs /usr/lib/systemd/systemd\n", 0o755)
        return wsl_roots.systemd_files(self.disk.device, self.group()) | {"/usr/sbin/init": init}

    def ready_us(self):
        def ask():
            text = self.run("systemctl", "show", "-P", "ActiveEnterTimestampMonotonic", "docker.service", check=False)[1]
            return int(text) if text.strip().isdigit() else 0
        return self.retry(ask, "docker.service is active")


def noted(text):
    """{"ready docker": us...} of floor.c's notes, in its clock."""
    found, names = {}, {}
    for what, name, pid, at_us in map(str.split, text.splitlines()):
        if what == "exec":
            names[pid] = name
        found[f"{what} {name if what != 'ready' else names.get(pid, pid)}"] = int(at_us)
    return found


class OpenRC(Peer):
    key, title = "openrc", "OpenRC"
    configured = "Debian's openrc-init, rc_parallel=YES, supervise-daemon; has no systemctl"

    def distro_files(self):
        return wsl_roots.openrc_files(self.disk.device, self.group())

    def ready_us(self):
        return self.retry(lambda: noted(self.kept(wsl_roots.NOTES)).get("ready docker"), "READY=1") - clock_offset_us()


class Floor(Distro):
    key, title, configured = "floor", "floor", "a bare script: mounts the disk, starts both daemons at once"

    def __init__(self, disk, retry_ms=None, seconds=90):
        super().__init__(disk, retry_ms, seconds)
        self.copy("floor")
        self.put("/usr/sbin/init", (f"#!/bin/sh\nexec /usr/bin/floor init {wsl_roots.NOTES} /bin/sh /floor.sh\n", 0o755))
        self.put("/floor.sh", boot_native.FLOOR.format(
            device=disk.device, notes=wsl_roots.NOTES, containerd=boot_native.command_of("containerd", self.group()),
            docker=boot_native.command_of("docker", self.group())))

    ready_us = OpenRC.ready_us


DISTROS = (Keel, Systemd, OpenRC, Floor)


# ---- one run ----------------------------------------------------------------------------------

class Shell:
    """`wsl -d DISTRO` on a terminal."""

    def __init__(self, guest):
        leader, follower = pty.openpty()
        self.leader, self.output = leader, b""
        # pylint: disable-next=consider-using-with  # lives as long as the distro
        self.process = subprocess.Popen(guest.words(tty=True), stdin=follower, stdout=follower, stderr=follower,
                                        env=dict(os.environ, TERM="xterm"), start_new_session=True)
        os.close(follower)

    def prompt_us(self, deadline):
        while not PROMPT.search(ESCAPE.sub(b"", self.output)):
            if not select.select([self.leader], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"no prompt: {self.output!r}")
            self.output += os.read(self.leader, 65536)
            at_us = time.monotonic_ns() // 1000
        return at_us

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.leader)


def running_us(guest):
    """When the launcher goes on: it was told so, or has given up."""
    told = [event for event in guest.found("is-system-running") if event.values["status"] == "0"]
    return (told or guest.found("boot-timeout"))[0].time


def stop_us(guest):
    """From wsl -t to the end of PID 1. What the VM's side writes out afterwards is the machine's."""
    end = os.pidfd_open(guest.pid)
    try:
        with subprocess.Popen([wsl_guest.LAUNCHER, "terminate", "--control", guest.control, "--distro", wsl_guest.NAME],
                              stdout=subprocess.DEVNULL):
            asked = guest.wait_event("terminate").time
            if not select.select([end], [], [], 70)[0]:
                raise AssertionError("the distro does not end")
            return time.monotonic_ns() // 1000 - asked
    finally:
        os.close(end)


def run_container(guest, script):
    guest.run("docker", "run", "-d", "--network", "none", "-v", "/var/test:/v", engine.IMAGE, "/busybox", "sh", "-c", script)


def measure_sessions(kind, template, retry_ms):
    """{"running": ms, "prompt": ms}"""
    with boot_native.Copy(*template) as disk, kind(disk, retry_ms) as guest, contextlib.closing(Shell(guest)) as shell:
        prompt = shell.prompt_us(guest.deadline)
        start = guest.start_us()
        return {"running": (running_us(guest) - start) / 1000, "prompt": (prompt - start) / 1000}


def measure_engine(kind, template, script):
    """{"ready": ms, "stop": ms, "graceful": 0 or 1}; of the floor READY alone."""
    with boot_native.Copy(*template) as disk, kind(disk) as guest, contextlib.closing(Shell(guest)) as shell:
        ready = guest.ready_us() - guest.start_us()
        if kind is Floor:
            return {"ready": ready / 1000}
        shell.prompt_us(guest.deadline)  # WSL's own patience is over before its host may be asked to end it
        run_container(guest, script)
        stop = stop_us(guest)
        return {"ready": ready / 1000, "stop": stop / 1000, "graceful": int("SIGTERM" in guest.kept("/var/test/ended"))}


# ---- all runs ---------------------------------------------------------------------------------

def make_template():
    """A data disk that a first boot has prepared, with an image on it, detached cleanly."""
    template = f"{ns.RUN}/bench-wsl-{os.getpid()}.img"
    with engine.data_disk("2G") as disk, engine.EngineGuest(disk) as guest:
        guest.wait_ready()
        guest.import_image()
        guest.request(7)
        guest.wait_end()
        disk.detach()
        subprocess.run(["cp", "--sparse=always", disk.path, template], check=True)
        return template, disk.label


def measure_round(results, kind, template, number, slow_rounds):
    def attempt(*metrics):
        return results.attempt(kind, *metrics)

    if kind is not Floor:
        for suffix, retry_ms in (("", None), ("_tight", 1)):
            with attempt(f"running{suffix}", f"prompt{suffix}"):
                for metric, value in measure_sessions(kind, template, retry_ms).items():
                    results.add(kind, metric + suffix, value)
    with attempt("ready", "stop"):
        for metric, value in measure_engine(kind, template, QUICK).items():
            results.add(kind, metric, value)
    if kind is not Floor and number < slow_rounds:
        with attempt("stop_slow"):
            results.add(kind, "stop_slow", measure_engine(kind, template, SLOW)["stop"])


def measure(kinds, rounds, slow_rounds):
    results, template = init_peers.Results(), make_template()
    try:
        for number in range(rounds):
            turn = number % len(kinds)
            for kind in kinds[turn:] + kinds[:turn]:
                print(f"  round {number + 1} of {rounds}: {kind.title}", flush=True)
                measure_round(results, kind, template, number, slow_rounds)
    finally:
        os.unlink(template[0])
    return results


def judge(found):
    verdicts = []
    for what, metric, limit in GOALS:
        if f"keel.{metric}" in found:
            value = found[f"keel.{metric}"]["median"]
            verdicts.append((what, value, limit, value <= limit))
    if "keel.ready" in found and "floor.ready" in found:
        value = 100 * (found["keel.ready"]["median"] / found["floor.ready"]["median"] - 1)
        found["keel.over_floor"] = figures.figure("percent", [value], note="dockerd READY, medians, keel over floor")
        verdicts.append(("READY over floor, percent", value, FLOOR_PERCENT, value <= FLOOR_PERCENT))
    return verdicts


def spread(entry):
    return f"{tables.number(entry['median'])} ({tables.number(entry['min'])}..{tables.number(entry['max'])})"


def ratio(found, key, metric):
    mine, theirs = found.get(f"keel.{metric}"), found.get(f"{key}.{metric}")
    if key in ("keel", "floor") or not mine or not theirs or metric == "graceful":
        return ""
    return f", {tables.number(theirs['median'] / mine['median'])} x"


def table(document):
    """A row a figure, a column a distro: median (min..max), and how many times keel's."""
    found, keys = document["figures"], list(document["distros"])
    rows = [["milliseconds"] + [document["distros"][key]["title"] for key in keys]]
    for metric, (_, note) in METRICS.items():
        rows.append([note] + [spread(found[f"{key}.{metric}"]) + ratio(found, key, metric) if f"{key}.{metric}" in found else "-"
                              for key in keys])
    text = f"## A distro under WSL {PROFILE}, natively, {document['rounds']} rounds\n\n" + tables.table(rows) + "\n"
    for about in document["distros"].values():
        text += f"- {about['title']} {about['version']}: {about['configured']}\n"
        for metric, reason in about["not_measured"].items():
            text += f"- {about['title']}, {metric}: not measured: {reason}\n"
    return text + "\n" + tables.limits(document["verdicts"])


def parse():
    parser = argparse.ArgumentParser(description="how long WSL waits for a distro")
    parser.add_argument("--quick", action="store_true", help="one round: shows that it works")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("keys", nargs="*", metavar="KEY", help=" ".join(kind.key for kind in DISTROS))
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 7)
    options.kinds = [kind for kind in DISTROS if not options.keys or kind.key in options.keys]
    return options


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    reason = engine.unavailable()
    if reason:
        sys.exit(f"bench_wsl: {reason}")
    kinds = [kind for kind in options.kinds if not wsl_roots.unavailable(kind.key)]
    before = init_peers.machine_settings()
    with figures.favoured():
        results = measure(kinds, options.rounds, min(options.rounds, 2))
    if init_peers.machine_settings() != before:
        raise RuntimeError(f"a guest changed the machine's settings; they were {before}")
    found = {f"{kind.key}.{metric}": figures.figure(METRICS[metric][0], values, note=METRICS[metric][1])
             for kind in kinds for metric, values in results.values.get(kind.key, {}).items()}
    document = {"schema": 1, "bench": "wsl", "kernel": platform.release(), "cpus": os.cpu_count(), "load": os.getloadavg()[0],
                "profile": PROFILE, "rounds": options.rounds, "verdicts": judge(found), "figures": found,
                "distros": {kind.key: {"title": kind.title, "version": wsl_roots.version(kind.key),
                                       "configured": kind.configured,
                                       "not_measured": results.reasons.get(kind.key, {})} for kind in kinds}}
    out = figures.TOP / "build" / "bench"
    (out / "wsl.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (out / "wsl.md").write_text(table(document), encoding="utf-8")
    print("\n" + table(document))


if __name__ == "__main__":
    main()
