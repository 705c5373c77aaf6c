"""From the kernel's hand-over to PID 1 until dockerd's READY=1, in a VM: keel-init against systemd with Debian's units,
OpenRC, and BusyBox init with a script. All boot the same kernel on the same virtual machine with a fresh copy of one
data disk and run the same daemons (vm_roots.py); they take turns.

Hand-over is PID 1's first instruction: keel notes it itself, before the others floor.c does. READY is when PID 1 or
floor.c receives it; systemd's own timestamp is the unit's ActiveEnterTimestamp. All in microseconds since boot.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import boot_vm
import figures
import machine
import peers
import rootimage
import vm_roots

OF_SYSTEMD, OF_OTHERS = 0.5, 0.8


class Contestant:
    def __init__(self, key, title, image, configured, package=None, append="", other=False):
        self.key, self.title, self.image, self.configured = key, title, image, configured
        self.package, self.append, self.other = package, append, other

    def version(self):
        return peers.Keel().version() if not self.package else peers.Peer().package_version(self.package)


def floor_init(command):
    return f"init={vm_roots.FLOOR} -- init /start {command}"


CONTESTANTS = (
    Contestant("keel", "keel-init", "guest", "the shipped units"),
    Contestant("systemd", "systemd", "debian", "Debian's docker.service, docker.socket and containerd.service; "
               "modules-load.d; the disk from fstab by its label; no logind, no getty, no dbus", package="systemd",
               append=floor_init("/usr/lib/systemd/systemd")),
    Contestant("openrc", "OpenRC", "debian", "openrc-init, rc_parallel=YES, supervise-daemon; dockerd after containerd",
               package="openrc", append=floor_init("/usr/sbin/openrc-init"), other=True),
    Contestant("busybox", "BusyBox init", "guest", "a sequential script as a person writes it",
               package="busybox-static", append="bench=sequential " + floor_init(f"/{vm_roots.LAB}/init"),
               other=True),
    Contestant("busybox-floor", "BusyBox init, floor", "guest", "the least that a script can do: keel's own "
               "module loader, no pause, both daemons at once", package="busybox-static",
               append="bench=parallel " + floor_init(f"/{vm_roots.LAB}/init")),
)


def parse_notes(console):
    """floor.c's notes on the console, as boot_vm reads them, in ms."""
    notes, names, starts = {}, {}, []
    for line in re.findall(r"FLOOR ((?:start|exec|ready) .*?)\s*$", console, re.M):
        what, name, pid, at_us = line.split()
        if what == "exec":
            names[pid] = name
        if what == "start" and name == "-":
            starts.append(int(at_us))
        notes[f"{what} {names.get(pid, name) if pid != '0' else name}"] = int(at_us)
    if not notes.get("ready docker") or not starts:  # systemd says 0 for never
        raise RuntimeError("dockerd did not become ready; the console ends:\n" + console[-3000:])
    start = min(starts)
    return {"kernel": start / 1e6, "exec": (notes["exec docker"] - start) / 1e6,
            "ready": (notes["ready docker"] - start) / 1e6}


def watch(directory, image, data, append, end):
    """Boots a guest until its console says `end` (or the guest ends); returns what the console said."""
    command, log = boot_vm.boot_command(directory, image, data, append)
    log.unlink(missing_ok=True)
    until = time.monotonic() + boot_vm.RUN_SECONDS
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as qemu:
        try:
            while qemu.poll() is None and time.monotonic() < until:
                if log.exists() and re.search(end, log.read_text(errors="replace"), re.M):
                    break
                time.sleep(0.2)
        finally:
            qemu.kill()
    return log.read_text(errors="replace")


def run(contestant, directory, images, data):
    console = watch(directory, images[contestant.image], data, contestant.append,
                    r"^BENCH \{.*\}\s*$" if contestant.key == "keel" else r"^FLOOR end")
    if contestant.key != "keel":
        return parse_notes(console)
    found = re.search(r"^BENCH (\{.*\})\s*$", console, re.M)
    if not found:
        raise RuntimeError(f"no health document on the console:\n{console[-3000:]}")
    health = json.loads(found[1])
    docker = next(service for service in health["services"] if service["name"] == "docker.service")
    return {"kernel": health["init_ms"] / 1000, "exec": (docker["exec_ms"] - health["init_ms"]) / 1000,
            "ready": (docker["ready_ms"] - health["init_ms"]) / 1000}


def measure(directory, rounds, chosen):
    wanted = {contestant.image for contestant in chosen} | {"guest"}
    writers = {"guest": vm_roots.write_guest, "debian": vm_roots.write_debian}
    images = {name: vm_roots.make_image(directory / f"{name}.img", writers[name]) for name in wanted}
    template, data = directory / "template.vhdx", directory / "data.vhdx"
    machine.make_data_file(template, "8G")
    boot_vm.boot(directory, images["guest"], template, "")  # formats it and lets the daemons lay out their data
    values, reasons = {}, {}
    for number in range(rounds):
        turn = number % len(chosen)
        for contestant in chosen[turn:] + chosen[:turn]:
            if contestant.key in reasons:
                continue
            shutil.copy(template, data)
            try:
                result = run(contestant, directory, images, data)
            except Exception as error:  # pylint: disable=broad-except  # what fails is told, and ends only this
                print(f"  {contestant.title}: not measured: {error}", file=sys.stderr, flush=True)
                reasons[contestant.key] = str(error).splitlines()[0]
                continue
            print(f"  round {number + 1} of {rounds}: {contestant.title}: {result['ready']:.2f} s", flush=True)
            for key, value in result.items():
                values.setdefault(f"{contestant.key}.{key}", []).append(value)
    return values, reasons


def judge(found, chosen):
    """The limits, as ratios of medians."""
    verdicts = []
    if "keel.ready" not in found:
        return verdicts
    mine = found["keel.ready"]["median"]
    others = [(found[f"{c.key}.ready"]["median"], c.title) for c in chosen if c.other and f"{c.key}.ready" in found]
    targets = [(found["systemd.ready"]["median"], "systemd", OF_SYSTEMD)] if "systemd.ready" in found else []
    targets += [(*min(others), OF_OTHERS)] if others else []
    for theirs, title, limit in targets:
        ratio = mine / theirs
        verdicts.append((f"hand-over to READY, of {title}'s", ratio, limit, ratio <= limit))
        found["keel.ready"].setdefault("limits", []).append({"of": title, "ratio": ratio, "limit": limit,
                                                             "met": ratio <= limit})
    return verdicts


def main(quick=False, only=()):
    machine.make_base()
    chosen = [contestant for contestant in CONTESTANTS if not only or contestant.key in only]
    missing = [path for path in (rootimage.ROOTFS, rootimage.KERNEL, rootimage.MODULES, peers.TREE)
               if not os.path.exists(path)]
    if missing:
        values, reasons = {}, {contestant.key: f"no {missing[0]}" for contestant in chosen}
    else:
        (figures.TOP / "build" / "vm").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="bench-", dir=figures.TOP / "build" / "vm") as directory, \
                figures.favoured():
            values, reasons = measure(pathlib.Path(directory), 1 if quick else 3, chosen)
    notes = {"ready": "hand-over to dockerd's READY=1", "kernel": "kernel start to hand-over",
             "exec": "hand-over to dockerd's exec"}
    found = {key: figures.figure("s", runs, note=notes[key.split(".")[1]]) for key, runs in values.items()}
    verdicts = judge(found, chosen)
    about = {contestant.key: {"title": contestant.title, "version": contestant.version(),
                              "configured": contestant.configured, "not_measured": reasons.get(contestant.key)}
             for contestant in chosen}
    return {"peers": about, "figures": found}, verdicts
