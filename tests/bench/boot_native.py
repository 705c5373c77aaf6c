"""keel's share of the boot at native speed, against the floor: a bare script as PID 1 that mounts the same disk
and starts both daemons in parallel. Paired runs in turn, each on a fresh copy of one data disk; READY is the
time at which a listener receives it (PID 1, or floor.c), in microseconds of CLOCK_BOOTTIME.
"""
import os
import shutil
import statistics
import subprocess

import engine
import figures
from guest import NS_BIN

NOTES = "/var/test/floor"
FLOOR = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root
mount -t ext4 -o noatime {device} /data
mount --bind /data/docker /var/lib/docker
mount --bind /data/containerd /var/lib/containerd
/usr/bin/floor listen /run/notify {notes}
export NOTIFY_SOCKET=/run/notify
/usr/bin/floor exec containerd {notes} {containerd} >/run/containerd.log 2>&1 &
/usr/bin/floor exec docker {notes} {docker} >/run/docker.log 2>&1 &
while :; do wait; sleep 1000; done
"""


def command_of(unit, cgroup):
    """The shipped unit's ExecStart=, as the script runs it."""
    path = f"{engine.engine_root()}/usr/lib/keel/units/{unit}.service"
    with open(path, encoding="utf-8") as file:
        line = next(line for line in file if line.startswith("ExecStart="))
    return line.removeprefix("ExecStart=").strip().replace("${KEEL_CGROUP}", cgroup)


def make_template():
    """A data disk that a first boot has prepared, detached cleanly: what every run gets a copy of."""
    template = f"{engine.ns.RUN}/bench-template.img"
    with engine.data_disk("2G") as disk:
        with engine.EngineGuest(disk) as guest:
            guest.wait_ready()
            guest.request(7)
            guest.wait_end()
        subprocess.run(["losetup", "-d", disk.device], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["cp", "--sparse=always", disk.path, template], check=True)
        return template, disk.label


class Copy:
    """A fresh copy of the template on a loop device, in memory: the daemons' fsync(2) would measure this machine's
    disk, and what else uses it."""

    def __init__(self, template, label):
        self.label, self.path = label, f"/dev/shm/keel-bench-{os.getpid()}.img"
        subprocess.run(["cp", "--sparse=always", template, self.path], check=True)
        self.device = subprocess.run(["losetup", "-f", "--show", self.path], check=True, capture_output=True,
                                     text=True).stdout.strip()
        if not self.device:
            raise RuntimeError(f"losetup has attached {self.path} to nothing")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["losetup", "-d", self.device], check=False)
        os.unlink(self.path)


def run_keel(template):
    with Copy(*template) as disk, engine.EngineGuest(disk, seconds=60) as guest:
        picture = guest.wait_ready()
        start, services = picture["boot"]["start_us"], picture["services"]
        disk_stage = picture["stages"]["disk"]
        return {"exec": max(services[name]["exec_us"] for name in ("containerd.service", "docker.service")) - start,
                "containerd": services["containerd.service"]["ready_us"] - start,
                "docker": services["docker.service"]["ready_us"] - start,
                "disk": disk_stage["end_us"] - disk_stage["start_us"],
                "mounts": picture["stages"]["mounts"]["end_us"] - start}


class FloorGuest(engine.EngineGuest):
    """The same root and hand-over with the script as PID 1."""

    def __init__(self, disk, **options):
        super().__init__(disk, init=["/usr/bin/floor", "init", NOTES, "/bin/sh", "/floor.sh"], **options)
        cgroup = f"/{os.path.basename(self.cgroup)}/base"
        self.put("/floor.sh", FLOOR.format(device=disk.device, notes=NOTES, containerd=command_of("containerd", cgroup),
                                           docker=command_of("docker", cgroup)))
        os.makedirs(f"{self.dir}/upper/usr/bin", exist_ok=True)
        shutil.copy(f"{NS_BIN}/floor", f"{self.dir}/upper/usr/bin/floor")

    def notes(self):
        """{"exec docker": us, "ready docker": us...} once both daemons are ready."""
        found, names = {}, {}
        for line in self.kept(NOTES).splitlines():
            what, name, pid, at_us = line.split()
            if what == "exec":
                names[pid] = name
            found[f"{what} {name if what != 'ready' else names.get(pid, pid)}"] = int(at_us)
        return found if "ready docker" in found and "ready containerd" in found else None


def run_floor(template):
    with Copy(*template) as disk, FloorGuest(disk, seconds=60) as guest:
        notes = guest.retry(guest.notes, "both daemons said READY=1")
    start = notes["start -"]
    return {"exec": max(notes["exec containerd"], notes["exec docker"]) - start,
            "containerd": notes["ready containerd"] - start, "docker": notes["ready docker"] - start}


def milliseconds(runs, key):
    return [run[key] / 1000 for run in runs]


def main(pairs=20):
    template = make_template()
    keel, floor = [], []
    try:
        with figures.favoured():
            for number in range(pairs):
                # In turn, so that a machine that gets slower or faster does so for both.
                for run, results in ((run_keel, keel), (run_floor, floor))[::1 if number % 2 else -1]:
                    results.append(run(template))
    finally:
        os.unlink(template[0])
    overhead, to_exec = ([k - f for k, f in zip(milliseconds(keel, key), milliseconds(floor, key))]
                         for key in ("docker", "exec"))
    floor_ready = statistics.median(milliseconds(floor, "docker"))
    result = {
        "keel_to_exec": figures.figure("ms", milliseconds(keel, "exec"), note="first instruction to both daemons' exec"),
        "floor_to_exec": figures.figure("ms", milliseconds(floor, "exec")),
        "keel_mounts": figures.figure("ms", milliseconds(keel, "mounts"), note="first instruction to API mounts done"),
        "keel_disk_stage": figures.figure("ms", milliseconds(keel, "disk"), note="find, probe, check, mount"),
        "keel_to_containerd_ready": figures.figure("ms", milliseconds(keel, "containerd")),
        "floor_to_containerd_ready": figures.figure("ms", milliseconds(floor, "containerd")),
        "keel_to_docker_ready": figures.figure("ms", milliseconds(keel, "docker")),
        "floor_to_docker_ready": figures.figure("ms", milliseconds(floor, "docker")),
        "overhead_to_exec": figures.figure("ms", to_exec, note="both daemons' exec, keel minus floor, pair by pair"),
        "overhead": figures.figure("ms", overhead, limit=10.0, note="docker READY, keel minus floor, pair by pair"),
        "overhead_ratio": figures.figure("percent", [100 * value / floor_ready for value in overhead], limit=2.0),
    }
    return figures.write("boot-native", result)
