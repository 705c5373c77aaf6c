# SPDX-License-Identifier: MIT
"""keel-disk against real disks: loop devices with real file systems, in a mount namespace of its own.

Runs the helper as PID 1 does (stage_helper.py) and judges by its reports, by what is mounted
afterwards, and by a checksum: a refused disk must not have changed by one byte.
"""
import contextlib
import fcntl
import functools
import hashlib
import os
import pathlib
import subprocess
import tempfile
import time
import uuid

import gallery
import guest
import harness
from harness import check
from stage_helper import Helper, enter, hold_namespaces, program, run

KEEL_DISK = program("keel-disk")
MIB = 1 << 20
DATA = "/var/lib/keel-test-data"


def unavailable():
    return None if guest.is_real_root() and os.path.exists("/dev/loop-control") else "needs root and loop devices"


@contextlib.contextmanager
def all_loop_devices():
    """Loop devices are the whole machine's: one scenario's come and go in front of every other's."""
    with open("/tmp/keel-disk-scenarios.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def scenario(name):
    """A scenario with a Lab of its own. The deadline covers the wait for the others."""
    def register(function):
        @functools.wraps(function)
        def wrapped(*_test):
            with all_loop_devices(), tempfile.TemporaryDirectory(prefix="keel-disk-") as directory, \
                    contextlib.ExitStack() as stack:
                function(Lab(directory, stack))
        return harness.scenario(f"keel-disk: {name}", deadline=300, skip=unavailable)(wrapped)
    return register


class Lab:
    """One scenario's images, loop devices and mount namespace."""

    def __init__(self, directory, stack):
        self.directory = directory
        self.stack = stack
        self.count = 0
        # A fresh /var/lib, so that nothing of this machine's own Docker is touched.
        self.holder = hold_namespaces(stack, [], "mount -t tmpfs tmpfs /var/lib")

    def inside(self, *command):
        return run(*enter(self.holder, *command))

    def image(self, size=128 * MIB):
        self.count += 1
        path = os.path.join(self.directory, f"{self.count}.img")
        with open(path, "wb") as file:
            file.truncate(size)
        return path

    def ext4(self, label="keel-data", **options):
        """A disk as keel makes it, each with a UUID of its own."""
        path = pathlib.Path(self.image())
        return str(gallery.ext4(path, label=label, uuid=str(uuid.uuid4()), **options))

    def loop(self, path, *options):
        device = run("losetup", "-f", "--show", *options, path).strip()
        self.stack.callback(self.detach, device)
        return device

    @staticmethod
    def detach(device):
        # Lazy: a namespace that is being torn down may still hold it for a moment.
        subprocess.run(["losetup", "-d", device], stderr=subprocess.DEVNULL, check=False)

    def start(self, *devices, **options):
        settings = {"disk.mountpoint": DATA, "disk.wait": "1"}
        settings.update({f"disk.{key}": value for key, value in options.items()})
        arguments = [f"--option={key}={value}" for key, value in settings.items()]
        arguments += [f"--only={device}" for device in devices]
        helper = Helper(enter(self.holder, KEEL_DISK, *arguments))
        self.stack.callback(helper.stop)
        return helper

    def mounts(self):
        return [line.split() for line in self.inside("cat", "/proc/self/mounts").splitlines()]


def data_extents(file):
    """(start, end) of what is no hole: some images are larger than what could be read of them."""
    end = 0
    while True:
        try:
            start = os.lseek(file.fileno(), end, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
        yield start, end


def digest(path):
    """Of the size and of all bytes; a hole counts as the zeroes that it reads as."""
    state = hashlib.sha256(str(os.path.getsize(path)).encode())
    with open(path, "rb", buffering=0) as file:
        for start, end in data_extents(file):
            for offset in range(start, end, 4096):
                data = os.pread(file.fileno(), 4096, offset)
                if data.strip(b"\0"):
                    state.update(offset.to_bytes(8) + data)
    return state.hexdigest()


@scenario("mounts and binds")
def mounts_and_binds(lab):
    path = lab.ext4()
    device = lab.loop(path)
    helper = lab.start(device)
    report = helper.until("done", f"{device} mounted on {DATA}")
    helper.ends_with(0)
    check(report["disk"] == "mounted" and report["device"] == device and report["label"] == "keel-data" and
          report["size"] == 128 * MIB and report["mountpoint"] == DATA, f"disk facts {report}")
    check(report["uuid"] == run("blkid", "-p", "-s", "UUID", "-o", "value", path).strip(), "uuid")
    mounts = {fields[1]: fields for fields in lab.mounts()}
    options = mounts[DATA][3].split(",")
    check("noatime" in options and "errors=remount-ro" in options, f"options {options}")
    for name in ("docker", "containerd"):
        check(mounts[f"/var/lib/{name}"][0] == device, f"{name} is not bound")
        lab.inside("touch", f"/var/lib/{name}/file")
        lab.inside("test", "-e", f"{DATA}/{name}/file")
    # Started again, it only verifies.
    again = lab.start(device)
    again.until("done", f"{device} mounted on")
    again.ends_with(0)
    check(len([fields for fields in lab.mounts() if fields[0] == device]) == 3, "mounted twice")


@scenario("late disk is taken up")
def late_disk_is_taken_up(lab):
    path = lab.ext4()
    device = lab.loop(path)
    run("losetup", "-d", device)
    helper = lab.start(device)
    check("waiting for a disk labelled keel-data" in helper.next()["reason"], "first report")
    report = helper.until("failed", "no disk labelled keel-data")
    check(report["disk"] == "waiting", f"disk state {report['disk']}")
    run("losetup", device, path)
    helper.until("done")
    helper.ends_with(0)


@scenario("waits without waking")
def waits_without_waking(lab):
    device = lab.loop(lab.ext4(label="foreign"))
    helper = lab.start(device, wait="0")
    helper.until("failed")
    status = f"/proc/{helper.process.pid}/status"

    def switches():
        with open(status, encoding="ascii") as file:
            return [line for line in file if "ctxt_switches" in line]

    time.sleep(0.2)  # to have gone to sleep
    before = switches()
    time.sleep(3)
    check(switches() == before, f"woke up: {before} {switches()}")


@scenario("two of ours")
def two_of_ours(lab):
    paths = [lab.ext4(), lab.ext4()]
    before = [digest(path) for path in paths]
    devices = sorted(lab.loop(path) for path in paths)
    helper = lab.start(*devices)
    report = helper.until("failed", f"{devices[0]} and {devices[1]} are both disks labelled keel-data")
    check(report["disk"] in ("waiting", "refused"), f"disk state {report['disk']}")
    check([digest(path) for path in paths] == before, "changed")
    run("losetup", "-d", devices[0])
    helper.until("done", devices[1])


@scenario("pinned uuid chooses")
def pinned_uuid_chooses(lab):
    paths = [lab.ext4(), lab.ext4()]
    devices = [lab.loop(path) for path in paths]
    wanted = run("blkid", "-p", "-s", "UUID", "-o", "value", paths[1]).strip()
    lab.start(*devices, data=f"UUID={wanted.upper()}").until("done", devices[1])


@scenario("formats a blank disk")
def formats_a_blank_disk(lab):
    path = lab.image(300 * MIB)
    device = lab.loop(path)
    helper = lab.start(device, format="blank", wait="20")
    states = []
    report = helper.next()
    while report["state"] == "running":
        states.append(report["disk"])
        report = helper.next()
    check(report["state"] == "done" and report["formatted"] == 1, f"{report}")
    check(states == ["waiting", "checking", "formatting", "checking"], f"states {states}")
    helper.ends_with(0)
    check(report["label"] == "keel-data" and len(report["uuid"]) == 36, f"identity {report}")
    lab.inside("umount", "/var/lib/docker", "/var/lib/containerd", DATA)
    run("e2fsck", "-fn", device)


@scenario("disk in use elsewhere")
def disk_in_use_elsewhere(lab):
    """Mounted in a mount namespace that the helper does not see."""
    device = lab.loop(lab.ext4())
    hold_namespaces(lab.stack, [], f"mount {device} /mnt")
    lab.start(device).until("failed", "but is in use: swap, mapped, or mounted elsewhere")


@scenario("occupied mount point")
def occupied_mount_point(lab):
    lab.inside("mkdir", "-p", DATA)
    lab.inside("mount", "-t", "tmpfs", "occupant", DATA)
    lab.start(lab.loop(lab.ext4())).until("failed", f"{DATA} holds occupant")


@scenario("dirty journal is replayed")
def dirty_journal_is_replayed(lab):
    path, cut = lab.ext4(), lab.image()
    device = lab.loop(path)
    lab.inside("mount", device, "/mnt")
    lab.inside("sh", "-c", "echo precious > /mnt/file && sync")
    run("cp", path, cut)  # the disk at a power cut
    lab.inside("umount", "/mnt")
    check("needs_recovery" in run("dumpe2fs", "-h", cut), "the journal is not dirty")
    lab.start(lab.loop(cut)).until("done")
    check(lab.inside("cat", f"{DATA}/file") == "precious\n", "lost")


@scenario("error flag is checked")
def error_flag_is_checked(lab):
    path = lab.ext4()
    run("debugfs", "-w", "-R", "ssv state 3", path)
    device = lab.loop(path)
    helper = lab.start(device)
    check("carries the error flag" in helper.next()["reason"], "first report")
    helper.until("done")
    check("with errors" not in run("dumpe2fs", "-h", device), "the flag is still there")


@scenario("damage is left to people")
def damage_is_left_to_people(lab):
    path = pathlib.Path(lab.image())
    gallery.build_needs_decision(path)
    device = lab.loop(str(path))
    lab.start(device).until("failed", f"{device} is damaged (e2fsck -p ended with 4) and needs a decision")
    check(not [fields for fields in lab.mounts() if fields[0] == device], "mounted all the same")


@scenario("found damaged while mounted")
def found_damaged_while_mounted(lab):
    """The kernel stops writing to it; started again the helper says so and touches nothing; a reboot's check mends it."""
    device = lab.loop(lab.ext4())
    lab.start(device).until("done")
    trigger = f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error"
    with open(trigger, "w", encoding="ascii") as file:
        file.write("test")
    report = lab.start(device).until("failed", f"{device} is mounted read-only on {DATA}")
    check(report["situation"] == "needs-repair", f"situation {report['situation']}")
    lab.inside("umount", "/var/lib/docker", "/var/lib/containerd", DATA)
    helper = lab.start(device)
    check("carries the error flag of ext4" in helper.next()["reason"], "first report")
    check(helper.until("done")["checked"] == 1, "not checked")


@scenario("configured away")
def configured_away(lab):
    helper = lab.start(enabled="no")
    report = helper.until("skipped", "disk.enabled=no")
    check(report["disk"] == "none", f"disk state {report['disk']}")
    helper.ends_with(0)


@scenario("loop devices do not count")
def loop_devices_do_not_count(lab):
    """Without --only: a container's loop device is no place to format."""
    path = lab.image()
    before = digest(path)
    device = lab.loop(path)
    listing = lab.inside(KEEL_DISK, "list", f"--option=disk.mountpoint={DATA}", "--option=disk.format=blank")
    line = [entry for entry in listing.splitlines() if entry.startswith(device + " ")]
    check(line and "virtual: loop device" in line[0], listing)
    check(digest(path) == before, "changed")


@scenario("command line")
def command_line(_lab):
    check("usage: keel-disk" in run(KEEL_DISK, "--help"), "help")
    for arguments in (["--bad"], ["mount", "more"], ["-o", "disk.nothing=1"], ["-o", "disk.wait=x"], ["verb"]):
        result = subprocess.run([KEEL_DISK, *arguments], capture_output=True, timeout=20, check=False)
        check(result.returncode == 2 and result.stderr, f"{arguments}: status {result.returncode}")
