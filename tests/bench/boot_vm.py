"""The boot of a whole guest: from the kernel's hand-over to PID 1 until dockerd's READY=1, keel against a bare script
as init. Both boot the stock kernel on the same virtual machine, one after the other, with a fresh copy of one
data disk; what they measured (CLOCK_BOOTTIME) comes over the serial console. The floor loads the same modules
(with keel's own loader), waits for the disk, mounts it and starts both daemons in parallel.
"""
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile

import accel
import figures
import machine
import rootimage

RUN_SECONDS = 240
NS = figures.TOP / "build" / "ns"
NOTES = "/run/floor"
REPORT_UNIT = """[Unit]
Description=Print the health document on the console, then power off
After=docker.service containerd.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c "printf '\\\\nBENCH %%s\\\\n' \\"$(keelctl health)\\" > /dev/console; systemctl poweroff"

[Install]
WantedBy=multi-user.target
"""
FLOOR = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
/usr/lib/keel-lab/floor init {notes} /usr/lib/keel/keel-modules
/usr/lib/keel-lab/floor wait /dev/sda
mount -t ext4 -o noatime /dev/sda /data
mount --bind /data/docker /var/lib/docker
mount --bind /data/containerd /var/lib/containerd
/usr/lib/keel-lab/floor listen /run/notify {notes}
export NOTIFY_SOCKET=/run/notify
/usr/lib/keel-lab/floor exec containerd {notes} {containerd} >/run/containerd.log 2>&1 &
/usr/lib/keel-lab/floor exec docker {notes} {docker} >/run/docker.log 2>&1 &
tries=0
until [ "$(grep -c ^ready {notes})" = 2 ] || [ $tries = 120 ]; do sleep 1; tries=$((tries + 1)); done
[ $tries -lt 120 ] || tail -n 20 /run/docker.log /run/containerd.log > /dev/console
sed 's/^/FLOOR /' {notes} /start > /dev/console
poweroff -f
"""


def command_of(unit):
    text = (figures.TOP / f"rootfs/usr/lib/keel/units/{unit}.service").read_text(encoding="utf-8")
    return re.search(r"^ExecStart=(.*)$", text, re.M)[1].replace("${KEEL_CGROUP}", "")


def make_root(directory):
    """The lab's root image with the floor's program and script and the unit that reports."""
    (directory / "floor.sh").write_text(FLOOR.format(notes=NOTES, containerd=command_of("containerd"),
                                                     docker=command_of("docker")), encoding="utf-8")
    (directory / "report.service").write_text(REPORT_UNIT, encoding="utf-8")
    rootimage.OVERLAY += (("usr/lib/keel-lab/floor", NS / "floor", 0o755),
                          ("usr/lib/keel-lab/floor.sh", directory / "floor.sh", 0o755),
                          ("etc/keel/units/report.service", directory / "report.service", 0o644))
    image = directory / "root.img"
    rootimage.build(image, [rootimage.ROOTFS, rootimage.MODULES])
    return image


def boot_command(directory, image, data, append):
    """QEMU's command line and the file that the console goes to."""
    config = {"mem": "2G", "cpus": 2, "accel": accel.choose(rootimage.KERNEL), "kernel": str(rootimage.KERNEL),
              "cmdline": f"{machine.CMDLINE} {append}", "root": str(image), "data": str(data), "data_format": "vhdx"}
    log = directory / "console.log"
    command = machine.qemu_command(config, directory)
    # No vsock and no monitor: nobody would be at the other end.
    for option, words in (("-chardev", "id=con"), ("-serial", "chardev:con"), ("-qmp", "unix:"),
                          ("-chardev", "id=vs"), ("-device", "vhost-user-vsock")):
        index = next(i for i, word in enumerate(command) if word == option and words in command[i + 1])
        del command[index:index + 2]
    return [*command, "-serial", f"file:{log}"], log


def boot(directory, image, data, append):
    """Runs a guest to its end; returns what its console said."""
    command, log = boot_command(directory, image, data, append)
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"the guest did not end:\n{log.read_text(errors='replace')[-3000:]}") from None
    return log.read_text(errors="replace")


def run_keel(directory, image, data):
    console = boot(directory, image, data, "")
    found = re.search(r"^BENCH (\{.*\})\s*$", console, re.M)
    if not found:
        raise RuntimeError(f"no health document on the console:\n{console[-3000:]}")
    health = json.loads(found[1])
    services = {service["name"]: service for service in health["services"]}
    stages = {stage["name"]: stage["ms"] for stage in health["stages"]}
    start = health["init_ms"]
    return {"kernel": start, "docker": services["docker.service"]["ready_ms"] - start, "disk": stages["disk"],
            "modules": stages["modules"],
            "exec": max(services[name]["exec_ms"] for name in ("containerd.service", "docker.service")) - start}


def run_floor(directory, image, data):
    append = "init=/usr/lib/keel-lab/floor -- init /start /bin/sh /usr/lib/keel-lab/floor.sh"
    console = boot(directory, image, data, append)
    notes, names, starts = {}, {}, []
    for line in re.findall(r"^FLOOR (.*?)\s*$", console, re.M):
        what, name, pid, at_us = line.split()
        if what == "exec":
            names[pid] = name
        if what == "start":
            starts.append(int(at_us))
        notes[f"{what} {names.get(pid, name)}"] = int(at_us)
    if "ready docker" not in notes:
        raise RuntimeError(f"no notes on the console:\n{console[-3000:]}")
    start = min(starts)
    return {"kernel": start / 1000, "docker": (notes["ready docker"] - start) / 1000,
            "exec": (max(notes["exec docker"], notes["exec containerd"]) - start) / 1000}


def measure(directory, pairs):
    image, template, data = make_root(directory), directory / "template.vhdx", directory / "data.vhdx"
    machine.make_data_file(template, "8G")
    run_keel(directory, image, template)  # formats it and lets the daemons lay out their data
    keel, floor = [], []
    for number in range(pairs):
        for run, results in ((run_keel, keel), (run_floor, floor))[::1 if number % 2 else -1]:
            shutil.copy(template, data)
            results.append(run(directory, image, data))
    return keel, floor


def main(pairs=3):
    machine.make_base()
    for path in (rootimage.ROOTFS, rootimage.KERNEL, rootimage.MODULES):
        if not os.path.exists(path):
            print(f"  not measured: no {path}")
            return 0
    (figures.TOP / "build" / "vm").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=figures.TOP / "build" / "vm") as directory, \
            figures.favoured():
        keel, floor = measure(pathlib.Path(directory), pairs)
    overhead = [k["docker"] - f["docker"] for k, f in zip(keel, floor)]
    floor_ready = statistics.median(run["docker"] for run in floor)
    result = {f"keel_{key}": figures.figure("ms", [run[key] for run in keel], note=note)
              for key, note in (("kernel", "kernel start to PID 1"), ("exec", "first instruction to both daemons' exec"),
                                ("modules", "stage"), ("disk", "stage"), ("docker", "first instruction to READY"))}
    result |= {f"floor_{key}": figures.figure("ms", [run[key] for run in floor]) for key in ("exec", "docker")}
    result["overhead"] = figures.figure("ms", overhead, note="docker READY, keel minus floor, pair by pair")
    result["overhead_ratio"] = figures.figure("percent", [100 * value / floor_ready for value in overhead], limit=2.0)
    return figures.write("boot-vm", result)
