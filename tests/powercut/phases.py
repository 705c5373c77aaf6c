# SPDX-License-Identifier: MIT
"""The phases of the data disk in which the power is cut on purpose, and one cut.

Used by cuts.py. A phase is a disk to begin with (made once a lot), what the guest does with it, and what must hold
afterwards. A first run without a cut counts the writes until the phase is over; a cut's seed then says after which of
them the power goes and what becomes of the unflushed ones. No phase waits for the engine, which starts beside it.
"""
import dataclasses
import random
import shutil
import threading
import time

import harness
import ledger
import machines
from cut import Cut, suffix
from machines import Machine, run

MIB = 1 << 20
UUID = "6b65656c-0000-4000-8000-706f77657263"
KEPT = "/data/kept"


@dataclasses.dataclass
class Base:
    """A disk to begin with, and what is durable on it: {directory: Ledger}."""
    path: object
    ledgers: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Phase:
    name: str
    make: object              # make(path, guest) -> Base
    append: str = ""
    prepare: object = None    # prepare(machine): in the guest before what is cut
    act: object = None        # shell command in the guest that is the phase; None: the boot is
    check: object = None      # check(machine) after the reboot


# ---- disks to begin with ---------------------------------------------------------------------------

def make_blank(path, _guest):
    with open(path, "wb") as file:
        file.truncate(1024 * MIB)
    return Base(path)


def marker():
    return f"keel-disk 1\nuuid={UUID}\nmade=1700000000\nby=0.1.0\n"


def make_file_system(path, size, device_size, label="keel-data", marked=True, junk=0):
    """A keel data disk as it was when it was used last, with files that were kept."""
    root = path.with_suffix(".d")
    shutil.rmtree(root, ignore_errors=True)
    kept = ledger.prepared(root / "kept", 60, 24)
    if marked:
        (root / ".keel-disk").write_text(marker())
    if junk:
        ledger.prepared(root / "junk", junk, 128, prefix="junk")
    path.unlink(missing_ok=True)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-U", UUID, "-m", "1", "-d", root, path, f"{size // MIB}M")
    shutil.rmtree(root)
    with open(path, "r+b") as file:
        file.truncate(device_size)
    return Base(path, {KEPT: kept})


def make_small(path, _guest):
    return make_file_system(path, 256 * MIB, 1280 * MIB)


def make_unmarked(path, _guest):
    return make_file_system(path, 512 * MIB, 512 * MIB, label="mine", marked=False)


def make_junk(path, _guest):
    return make_file_system(path, 768 * MIB, 768 * MIB, junk=600)


def make_dirty(path, guest):
    """The journal is as a cut in the middle of work leaves it."""
    base = make_file_system(path, 512 * MIB, 512 * MIB)
    box = Machine(guest, path)
    try:
        box.boot()
        box.wait_disk()
        work = base.ledgers["/data/work"] = ledger.Ledger()
        reporter = machines.durable(guest, "/data/work", 1, work)
        reporter.wait_reports(400)
        box.cut(1)
        reporter.finish()
    finally:
        box.end()
    return base


def make_flagged(path, guest):
    """A dirty journal, the error flag, and what e2fsck -p repairs without asking: wrong counts of blocks."""
    base = make_dirty(path, guest)
    commands = path.with_suffix(".debugfs")
    commands.write_text("ssv state 2\nssv free_blocks_count 77\n" +
                        "".join(f"sif /kept/{name} blocks 2\n" for name in base.ledgers[KEPT].files))
    run("debugfs", "-w", "-f", commands, path)
    commands.unlink()
    return base


# ---- what must hold afterwards ---------------------------------------------------------------------

def check_marker(box):
    """The identity is on the disk, whole."""
    text = box.sh("cat /data/.keel-disk")
    harness.contains(text, "keel-disk 1\n", "marker")
    uuid = box.sh("dumpe2fs -h $(grep ' /data ' /proc/mounts | cut -d' ' -f1) 2>/dev/null | sed -n 's/.*UUID: *//p'")
    harness.contains(text, f"uuid={uuid.strip()}\n", "marker")


def check_grown(box):
    size = int(box.sh("stat -f -c '%b %S' /data | { read b s; echo $((b * s)); }"))
    harness.check(size > 1100 * MIB, f"the file system has {size // MIB} MiB of a device of 1280 MiB")


PHASES = {phase.name: phase for phase in (
    Phase("mkfs", make_blank, check=check_marker),
    Phase("adopt", make_unmarked, append=f"keel.disk.data=UUID={UUID}", check=check_marker),
    Phase("growth", make_small, check=check_grown),
    Phase("replay", make_dirty),
    Phase("check", make_flagged),
    Phase("trim", make_junk, act="/usr/lib/keel/keel-disk trim",
          prepare="cd /data/junk && rm -f *[02468] && sync"),
)}


# ---- a lot of cuts -----------------------------------------------------------------------------------

class Stopwatch:
    """Sets `stop` so many seconds after the first write to a file that QEMU has open; seconds() since then."""

    def __init__(self, path, limit):
        self.path, self.limit = path, limit
        self.stop, self.over = threading.Event(), threading.Event()
        self.start = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.before = self.path.stat().st_mtime_ns
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        while self.path.stat().st_mtime_ns == self.before and not self.over.wait(0.002):
            pass
        self.start = time.monotonic()
        if self.limit and not self.over.wait(self.limit):
            self.stop.set()

    def seconds(self):
        return time.monotonic() - self.start


def draw_seed(low=0.0, high=1.0):
    """A seed whose first draw, which is the moment of the cut, lies between the two."""
    while True:
        seed = random.SystemRandom().randrange(1 << 32)
        if low <= random.Random(seed).random() < high:
            return seed


class Lot:
    """Cuts of one phase on one kind of disk, by one guest."""

    def __init__(self, phase, kind, guest):
        self.phase, self.kind, self.guest = phase, kind, guest
        self.path = machines.DISKS / f"{guest}{suffix(kind)}"
        self.box = Machine(guest, self.path, phase.append)
        self.reporter = None
        self.base = Base(machines.DISKS / f"{guest}.base")
        self.total = None

    def begin(self):
        machines.DISKS.mkdir(parents=True, exist_ok=True)
        self.base = self.phase.make(self.base.path, self.guest)
        self.total = self.measure()

    def discard(self):
        self.box.end()
        for path in (self.base.path, self.path):
            path.unlink(missing_ok=True)

    def measure(self):
        """The phase without a cut, which has to end well: its length in writes or, on a VHDX, seconds."""
        machines.copy_disk(self.base.path, self.path)
        try:
            ledgers = dict(self.base.ledgers)
            length = self.run_phase(ledgers, None)
            if self.reporter:
                self.box.sh("kill $(pidof durable)")
                self.finish_reports()
            self.verify(ledgers)
            return length
        finally:
            self.box.end()
            self.finish_reports()

    def finish_reports(self):
        """Once nothing more can come."""
        if self.reporter:
            self.reporter.finish()
            self.reporter = None

    def run_phase(self, ledgers, limit):
        """Boots and goes through the phase, at most `limit` of it; its length so far."""
        box = self.box
        box.boot()
        if self.phase.act is None:
            return self.go(limit, box.wait_disk)
        box.wait_disk()
        box.sh(self.phase.prepare)
        work = ledgers["/data/work"] = ledger.Ledger()
        self.reporter = machines.durable(self.guest, "/data/work", 1, work)
        self.reporter.wait_reports(50)
        return self.go(limit, lambda stop: run_until(stop, lambda: box.sh(self.phase.act)))

    def go(self, limit, phase):
        """Runs phase(stop event) until it is over or the power goes at the limit."""
        medium = self.box.medium
        if medium is None:
            with Stopwatch(self.path, limit) as watch:
                phase(watch.stop)
            return watch.seconds()
        before = medium.writes
        if limit:
            medium.cut_in(limit)
        phase(medium.off)
        return medium.writes - before

    def seeds(self, count):
        """Random ones, spread over the phase."""
        return [draw_seed(part / count, (part + 1) / count) for part in range(count)]

    def limit(self, rng, result):
        part = rng.random()
        if self.kind == "cache":
            writes = 1 + int(part * self.total)
            result.point = f"{writes}/{self.total} writes"
            return writes
        result.point = f"{part * self.total:.2f}/{self.total:.2f} s"
        return part * self.total

    def cut(self, seed):
        """One cut: a Cut, with its problem if something is not as it must be."""
        result = Cut(self.phase.name, self.kind, seed)
        machines.copy_disk(self.base.path, self.path)
        ledgers = dict(self.base.ledgers)
        try:
            self.run_phase(ledgers, self.limit(random.Random(seed), result))
            result.kept, result.lost = self.box.cut(seed)
            self.finish_reports()
            result.reported = sum(each.count() for each in ledgers.values())
            with machines.evidence(self.path, result):
                self.box.boot()
                self.box.wait_disk()
                result.verified = self.verify(ledgers)
        except (harness.Failure, OSError) as error:
            result.problem = harness.describe(error)
        finally:
            self.box.end()
            self.finish_reports()
        return result

    def verify(self, ledgers):
        """Everything that was reported is there, the file system is clean, what the phase does is done."""
        verified = 0
        for directory, each in ledgers.items():
            complaints = each.complaints(self.box.tree(directory))
            harness.check(not complaints, f"{directory}: {len(complaints)} of {each.count()}: {complaints[:5]}")
            verified += each.count()
        if self.phase.check:
            self.phase.check(self.box)
        self.box.check_file_system()
        return verified


def run_until(stop, function):
    """Runs a function beside until it is done or `stop` is set; True if it is done."""
    failures = []

    def target():
        try:
            function()
        except harness.Failure as error:
            failures.append(error)
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    while thread.is_alive() and not stop.is_set():
        thread.join(0.02)
    if stop.is_set():
        return False
    for error in failures:
        raise error
    return True
