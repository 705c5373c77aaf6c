# SPDX-License-Identifier: MIT
"""A data disk that comes late, cannot be read or written, goes away and comes back: what health says at once, and the
way out that it names, which is then gone literally; one that went away and came back is taken up without one.
"""
import re
import subprocess
import time

import gallery
import guests
from guests import (IMAGE, data_file, docker, events, file_system_errors, import_image, must, plug, sh, up, vm,
                    wait_health)
from harness import check, contains, equal, scenario

LATE_SECONDS = 20
AT_ONCE_SECONDS = 30  # a deadline for an emulated guest on a loaded host; what it took is noted
SECTORS_PER_BLOCK = 8
WORDS = "written before the fault\n"


def make_disk(path):
    """Ours, with a file whose place on the disk is known: (path, first sector of the file)."""
    gallery.ext4(path, 512 * gallery.MIB, files={"precious": b"precious" * 8192})
    block = subprocess.run(["debugfs", "-R", "blocks /precious", path], capture_output=True, text=True, check=True,
                           timeout=30).stdout.split()[0]
    return int(block) * SECTORS_PER_BLOCK


def disk_is(situation):
    return lambda document: document["disk"]["situation"] == situation


def is_ready(document):
    return document["ready"] and document["status"] == "ready" and document["disk"]["situation"] == "ok"


def wait_late(guest):
    """Until the guest has waited for LATE_SECONDS; it must not have called that a failure."""
    wait_health(guest, lambda document: document["disk"]["state"] == "waiting", "waiting for the disk",
                guests.BOOT_SECONDS)
    time.sleep(LATE_SECONDS)
    told = {line["health"]["status"] for line in events(guest) if line["type"] == "health"}
    equal(told, {"starting"}, "reported meanwhile")


def after(guest, command, predicate, what, note):
    """Runs a command that meets the fault; the health document that tells of it, and how soon it came."""
    start = time.monotonic()
    command()
    document = wait_health(guest, predicate, what, AT_ONCE_SECONDS)
    note(f"{what}: reported {round((time.monotonic() - start) * 1000)} ms after the command that met it began")
    return document


def go_the_way_out(t, guest, path, document):
    """Does what the reason says, and waits until all is well. A reboot ends the lab's machine."""
    way = (re.search(r"keelctl disk repair( /dev/\w+)?", document["reason"]) or
           re.search("keelctl reboot", document["reason"]))
    check(way, f"no way out in {document['reason']!r}")
    vm("sh", guest, way.group(), seconds=180)
    if way.group() == "keelctl reboot":
        equal(vm("wait", guest, "off", 60).returncode, 0, "wait off")
        up(t, guest, "--data", path, "--mem", "1G")
    wait_health(guest, is_ready, f"ready after '{way.group()}'", 120)


def read_words(guest):
    return docker(guest, "run", "--rm", "-v", "notes:/n", IMAGE, "/bin/cat", "/n/words")


def unreadable(t, guest, path, sector):
    must("errors", guest, f"read@{sector}")
    sh(guest, "echo 3 >/proc/sys/vm/drop_caches")
    document = after(guest, lambda: vm("sh", guest, "cat /data/precious"), disk_is("io-errors"),
                     "a sector that cannot be read", t.note)
    equal((document["ready"], document["status"]), (True, "degraded"), "ready, status")
    contains(document["reason"], "/dev/sd", "reason")
    must("errors", guest)
    go_the_way_out(t, guest, path, document)


def unwritable(t, guest, path):
    must("errors", guest, "write")
    document = after(guest, lambda: vm("docker", guest, "run", "--rm", "-v", "notes:/n", IMAGE, "/bin/sh", "-c",
                                       "echo lost >/n/lost; busybox sync", seconds=60),
                     lambda document: document["disk"]["read_only"], "writes that fail", t.note)
    equal((document["ready"], document["status"]), (False, "failed"), "ready, status")
    check(document["disk"]["situation"] in ("file-system-errors", "io-errors"), document["disk"]["situation"])
    must("errors", guest)
    go_the_way_out(t, guest, path, document)


def vanished(t, guest, path):
    document = after(guest, lambda: must("unplug", guest), disk_is("vanished"), "a disk that went away", t.note)
    equal((document["ready"], document["status"]), (False, "failed"), "ready, status")
    contains(document["reason"], "attach it again", "reason")
    wait_health(guest, lambda document: document["disk"]["state"] == "waiting", "let go of, the engine stopped", 90)
    equal(sh(guest, "grep -c ' /data' /proc/mounts || :"), "0\n", "mounts of the dead disk")
    plug(guest, path)
    wait_health(guest, is_ready, "ready again without a restart", 120)


@scenario("a data disk that comes late, fails and goes away", deadline=900)
def faults(t):
    guest, path = "failing", data_file(t, ".img")
    sector = make_disk(path)
    up(t, guest, "--no-data", "--mem", "1G", append="keel.disk.wait=120", wait="starting")
    with t.step(f"it comes after {LATE_SECONDS} s: waited for, and the engine starts"):
        wait_late(guest)
        plug(guest, path)
        wait_health(guest, is_ready, "ready", guests.BOOT_SECONDS)
    import_image(guest)
    docker(guest, "run", "--rm", "-i", "-v", "notes:/n", IMAGE, "/bin/sh", "-c", "cat >/n/words", data=WORDS.encode())
    sh(guest, "sync")
    for name, fault in (("a sector cannot be read", lambda: unreadable(t, guest, path, sector)),
                        ("writes fail", lambda: unwritable(t, guest, path)),
                        ("it goes away while a container runs", lambda: vanished(t, guest, path))):
        docker(guest, "run", "-d", "--rm", IMAGE, "/bin/sleep", "1000")
        with t.step(f"{name}: health says so at once, the way out that it names works"):
            fault()
            equal(read_words(guest), WORDS, "the words in the volume")
    with t.step("clean after shutdown"):
        must("down", guest, "--deadline", "60")
        equal(file_system_errors(path), "", "e2fsck")
