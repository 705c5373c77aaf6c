# SPDX-License-Identifier: MIT
"""The gallery of disks (tests/disk/gallery.py) in a real machine: whatever must be left alone is attached to one guest
after the other, and what it is refused for is in the pushed health document. Here are also the entries that loop
devices cannot show: sectors that cannot be read, attributes of SCSI disks, a device larger than any file.

Entries for a configuration of their own are the namespace suite's: a guest would have to boot for each.
"""
import contextlib
import subprocess

import disk_verbs
import gallery
import guests
from guests import DATA, ask, digest, docker, must, plug, up, wait_health
from harness import equal, scenario

FIRST_LUN = 3
SECTORS_PER_MIB = 2048
# How a disk is attached that is not simply a disk; sectors of 512 bytes.
PLUG_OPTIONS = {"read-only": {"read_only": True},
                "io-errors-superblock": {"errors": ("read@2",)},
                "io-errors-middle": {"errors": (f"read@{10 * SECTORS_PER_MIB}",)},
                "removable": {"removable": True},
                "small-blocks": {"block_size": 4096}}


def build_small_blocks(path):
    """Blocks of 1 KiB, for a device whose own are larger."""
    gallery.ext4(path, options=("-b", "1024"))


ATTRIBUTES = (
    gallery.Entry("removable", (gallery.build_ours,), "refuse", "unsuitable", "removable", options=gallery.FORMAT),
    gallery.Entry("small-blocks", (build_small_blocks,), "refuse", "block-size", "1024", options=gallery.FORMAT),
)
# The guest's configuration is gallery.FORMAT; where nothing is blank an entry without options means the same.
HERE = [entry for entry in (*gallery.ENTRIES, *ATTRIBUTES)
        if entry.untouched and entry.options in ({}, gallery.FORMAT) and entry.name != "blank-not-allowed"]


def build(entry, directory):
    """The entry's images. A device of 65 TiB needs a format that knows holes, whatever the host's file system."""
    if entry.name != "huge":
        return gallery.build(entry, directory)
    raw, path = directory / "huge.img", directory / "huge.qcow2"
    gallery.build_ours(raw)
    for command in (["convert", "-f", "raw", "-O", "qcow2", raw, path], ["resize", "-q", path, "65T"]):
        subprocess.run(["qemu-img", *command], check=True, timeout=60)
    raw.unlink()
    return [path]


def tells(entry, devices):
    """The entry's words, be the two devices named in whatever order."""
    words = {entry.words.format(*order) for order in (devices, devices[::-1])}

    def told(document):
        return document["disk"]["situation"] == entry.situation and any(word in document["reason"] for word in words)
    return told


@contextlib.contextmanager
def at_once(guest, count):
    """Disks that come or go within do so together, for the stage's helper: it stands still meanwhile."""
    if count > 1:
        ask(guest, "kill -STOP $(pidof keel-disk)")
    try:
        yield
    finally:
        if count > 1:
            ask(guest, "kill -CONT $(pidof keel-disk)")


def attach(guest, entry, paths):
    """Their devices in the guest."""
    with at_once(guest, len(paths)):
        return [plug(guest, path, FIRST_LUN + n, **PLUG_OPTIONS.get(entry.name, {})) for n, path in enumerate(paths)]


def detach(guest, count):
    with at_once(guest, count):
        for number in range(count):
            disk_verbs.unplug(guest, FIRST_LUN + number)


def check_entry(guest, entry, directory):
    """Attached: refused for its reason, the guest is up without the engine. Detached: no byte is another."""
    paths = build(entry, directory)
    before = [digest(path) for path in paths]
    devices = attach(guest, entry, paths)
    try:
        document = wait_health(guest, tells(entry, devices), f"{entry.situation}: {entry.words.format(*devices)}", 30)
        equal((document["status"], document["ready"]), (entry.health, False), "status, ready")
    finally:
        detach(guest, len(paths))
    wait_health(guest, lambda document: document["disk"]["situation"] == "no-disk", "no disk", 30)
    equal([digest(path) for path in paths], before, "SHA-256")
    for path in paths:
        path.unlink()


@scenario("the gallery of disks in a real machine", deadline=900)
def the_gallery(t):
    guest, directory = "gallery", DATA / "gallery"
    directory.mkdir(parents=True, exist_ok=True)
    t.cleanup(subprocess.run, ["rm", "-rf", directory])
    up(t, guest, "--no-data", "--mem", "1G", append="keel.disk.wait=1", wait="degraded")
    wait_health(guest, lambda document: document["disk"]["situation"] == "no-disk", "no disk")
    for entry in HERE:
        with t.step(f"{entry.name}: {entry.action}, {entry.situation}"):
            check_entry(guest, entry, directory)
    with t.step("ours beside a foreign one, long after the deadline: taken up, and the engine starts"):
        foreign, ours = directory / "foreign.img", directory / "ours.img"
        gallery.build_foreign_label(foreign)
        gallery.ext4(ours, 512 * gallery.MIB)
        before = digest(foreign)
        plug(guest, foreign, FIRST_LUN)
        plug(guest, ours, FIRST_LUN + 1)
        wait_health(guest, lambda document: document["ready"] and document["disk"]["situation"] == "ok", "ready",
                    guests.BOOT_SECONDS)
        docker(guest, "version")
        equal(digest(foreign), before, "SHA-256 of the foreign one")
    with t.step("clean after shutdown"):
        must("down", guest, "--deadline", "60")
        equal(guests.file_system_errors(ours), "", "e2fsck")
