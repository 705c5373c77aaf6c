# SPDX-License-Identifier: MIT
"""The gallery of disks (tests/disk/gallery.py) on loop devices: what is decided about each, with which words, and that no
refused disk has changed by one byte.
"""
import collections
import contextlib
import ctypes
import fcntl
import os
import pathlib
import random
import struct
import tempfile
import time

import gallery
import harness
from harness import check
from scenarios_disk import DATA, KEEL_DISK, MIB, Lab, all_loop_devices, data_extents, digest, unavailable
from stage_helper import run

GARBLED = int(os.environ.get("KEEL_GARBLED_DISKS", "60"))
# Sparse files larger than ext4 allows, and no wear: memory, where there is some.
SCRATCH = "/dev/shm" if os.path.isdir("/dev/shm") else None


def decide(lab, devices, options):
    """(action, situation, reason) of `keel-disk list`, which only looks."""
    settings = {"mountpoint": DATA, **options}
    arguments = [f"--option=disk.{key}={value}" for key, value in settings.items()]
    arguments += [f"--only={device}" for device in devices]
    listing = lab.inside(KEEL_DISK, "list", *arguments)
    action, _, rest = listing.splitlines()[-1].removeprefix("Decision: ").partition(" (")
    situation, _, reason = rest.partition("): ")
    return action, situation, reason


def check_decision(lab, entry, devices, words):
    action, situation, reason = decide(lab, devices, entry.options)
    if entry.blank_read:
        check(action == "check-blank", f"{action} before the disk was read: {reason}")
        return
    check((action, situation) == (entry.action, entry.situation), f"{action} ({situation}): {reason}")
    check(words in reason, f"\"{reason}\" lacks \"{words}\"")


def check_refusal(lab, entry, devices, words):
    """keel-disk as PID 1 runs it: says the same, and waits on."""
    helper = lab.start(*devices, **{"wait": "0", **entry.options})
    report = helper.until("failed", words)
    check(report["situation"] == entry.situation, f"situation {report['situation']}")
    check(helper.process.poll() is None, f"does not wait on")
    helper.stop()
    mounted = [fields for fields in lab.mounts() if fields[0] in devices]
    check(not mounted, f"mounted {mounted}")


def check_replayed(lab, _report):
    check(lab.inside("cat", f"{DATA}/precious").startswith("replayed\n"), "not replayed")


def check_adopted(lab, _report):
    check(f"uuid={gallery.UUID}\n" in lab.inside("cat", f"{DATA}/.keel-disk"), "not adopted")


def check_grown(_lab, report):
    """The kernel wants CAP_SYS_RESOURCE of who enlarges an ext4, which a container's root may lack."""
    with open("/proc/self/status", encoding="ascii") as status:
        mask = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    check(report["grown"] == mask >> 24 & 1, f"grown: {report['grown']}")


def check_flag(name):
    def check_report(_lab, report):
        check(report[name] == 1, f"not {name}: {report}")
    return check_report


# What else is to be seen of some, mounted in the end.
EFFECTS = {
    "blank": check_flag("formatted"),
    "blank-sparse": check_flag("formatted"),
    "interrupted-format": check_flag("formatted"),
    "enlarged": check_grown,
    "error-flag": check_flag("checked"),
    "dirty-journal": check_replayed,
    "no-marker-pinned": check_adopted,
    "marker-in-journal-pinned": check_adopted,
}


def unmount(lab):
    for target in ("/var/lib/docker", "/var/lib/containerd", DATA):
        lab.inside("sh", "-c", f"! mountpoint -q {target} || umount {target}")


def check_end(lab, entry, report):
    check(report["situation"] == entry.outcome, f"situation {report['situation']} in the end: {report['reason']}")
    mounted = [fields[0] for fields in lab.mounts() if fields[1] == DATA]
    expected = [report["device"]] if report["disk"] in ("mounted", "rescue") else []
    check(mounted == expected, f"{report['disk']}, but {mounted} is mounted")
    if entry.name in EFFECTS:
        EFFECTS[entry.name](lab, report)


def check_used(lab, entry, devices):
    """The decision is carried out, and what comes of it is what the table says."""
    helper = lab.start(*devices, **{"wait": "20", **entry.options})
    try:
        report = helper.until("done" if entry.outcome == "ok" else "failed")
        check_end(lab, entry, report)
    finally:
        helper.stop()
        unmount(lab)
    if entry.outcome == "ok":
        run("e2fsck", "-fn", report["device"])


def add_partition(device, start, length):
    """Tells the kernel of partition 1, which it finds by itself only if it knows the kind of table (linux/blkpg.h)."""
    blkpg, add, busy = 0x1269, 1, 16
    partition = ctypes.create_string_buffer(struct.pack("=qqi64s64s4x", start, length, 1, b"", b""))
    argument = struct.pack("@iiiP", add, 0, len(partition) - 1, ctypes.addressof(partition))
    with open(device, "rb") as file:
        try:
            fcntl.ioctl(file, blkpg, argument)
        except OSError as error:
            if error.errno != busy:
                raise


def check_entry(lab, entry):
    paths = gallery.build(entry, lab.directory)
    before = [digest(path) for path in paths]
    flags = (["--read-only"] if entry.read_only else []) + (["--partscan"] if entry.partitions else [])
    devices = [lab.loop(str(path), *flags) for path in paths]
    if entry.partitions:
        add_partition(devices[0], MIB, entry.partitions)
    words = entry.words.format(*devices)
    named = [*devices, f"{devices[0]}p1"] if entry.partitions else devices
    check_decision(lab, entry, named, words)
    if entry.untouched:
        check_refusal(lab, entry, named, words)
    else:
        check_used(lab, entry, named)
    for device in devices:
        run("losetup", "-d", device)
    check([digest(path) for path in paths] == before or not entry.untouched, "changed")
    for path in paths:
        path.unlink()


@harness.scenario("keel-disk: the gallery of disks", deadline=400, skip=unavailable)
def the_gallery_of_disks(_test):
    with all_loop_devices(), tempfile.TemporaryDirectory(prefix="keel-gallery-", dir=SCRATCH) as directory, \
            contextlib.ExitStack() as stack:
        lab = Lab(directory, stack)
        for name in ("mke2fs", "e2fsck"):  # those that ship
            lab.inside("mount", "--bind", str(harness.TOP / "build/deps/bin" / name), f"/usr/sbin/{name}")
        failures = []
        for entry in gallery.ENTRIES:
            try:
                if not entry.machine:
                    check_entry(lab, entry)
            except harness.Failure as failure:
                failures.append(f"{entry.name}: {failure}")
        check(not failures, "\n".join(failures))


def garble(path, seed):
    """Changes bytes of an ext4's metadata; every other time also of the superblock, whose checksum is put right."""
    chance = random.Random(seed)
    with open(path, "rb") as file:
        extents = list(data_extents(file))
    for _ in range(chance.choice([1, 8, 64, 1024])):
        start, end = chance.choice(extents)
        offset = chance.randrange(start, end)
        if not 0 <= offset - gallery.SUPERBLOCK < 1024:
            gallery.write_at(path, offset, bytes([chance.randrange(256)]))
    if seed % 2:
        field = chance.randrange(0, 255) * 4
        gallery.set_superblock(path, field, chance.choice([0, 1, 0x7fffffff, 0xffffffff, chance.randrange(1 << 32)]))


@harness.scenario("keel-disk: garbled file systems", deadline=300, skip=unavailable)
def garbled_file_systems(_test):
    """Whatever is wrong on a disk, reading it ends soon, and in words."""
    with all_loop_devices(), tempfile.TemporaryDirectory(prefix="keel-garbled-", dir=SCRATCH) as directory, \
            contextlib.ExitStack() as stack:
        lab = Lab(directory, stack)
        whole = gallery.ext4(pathlib.Path(directory) / "whole.img", 64 * MIB)
        path = pathlib.Path(directory) / "garbled.img"
        situations = collections.Counter()
        for seed in range(GARBLED):
            run("cp", "--sparse=always", str(whole), str(path))
            garble(path, seed)
            device = lab.loop(str(path))
            start = time.monotonic()
            situations[decide(lab, [device], {})[1]] += 1  # fails if the program did
            check(time.monotonic() - start < 10, f"seed {seed}: {time.monotonic() - start:.0f} s")
            run("losetup", "-d", device)
        print(f"# {GARBLED} garbled file systems: {dict(situations)}")
        check(situations["ok"] < GARBLED, "none was damaged")
