# SPDX-License-Identifier: MIT
"""The power-cut suite: `tests/run powercut` runs it in the lab environment, `make soak N=...` with N cuts.

A scenario is a lot: some cuts of one phase (phases.py) or of the engine's work (workload.py) on one kind of disk
(machines.py), by one guest. Each cut is a test point and a line. KEEL_CUTS is how many cuts there are to be, PLAN is
gone through again and again until there are; KEEL_CUT_SEED repeats one cut:

    KEEL_CUT_SEED=929303446 image-build/env lab --host -- python3 tests/powercut/suite.py "mkfs on cache"
"""
import functools
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "vm"), str(HERE.parent / "lib")]

import harness  # noqa: E402
import machines  # noqa: E402
import medium  # noqa: E402
import phases  # noqa: E402
import rootimage  # noqa: E402
import workload  # noqa: E402
from cut import Cut  # noqa: E402

# Phase, kind of disk, cuts. The long ones first: two lots run at a time.
PLAN = (("work", "cache", 3), ("work", "vhdx", 3), ("trim", "cache", 2), ("mkfs", "cache", 4), ("check", "cache", 2),
        ("replay", "cache", 2), ("growth", "cache", 2), ("adopt", "cache", 2), ("mkfs", "vhdx", 1),
        ("growth", "vhdx", 1))
CUTS = int(os.environ.get("KEEL_CUTS") or sum(cuts for _, _, cuts in PLAN))
SEED = os.environ.get("KEEL_CUT_SEED")
LINES = harness.TOP / "build" / "test" / "powercut.cuts"
SECONDS_A_CUT, SECONDS_A_LOT = 240, 480


def lots():
    """(phase, kind, cuts) until there are CUTS."""
    left = CUTS
    while left:
        for phase, kind, cuts in PLAN:
            cuts = min(cuts, left)
            if cuts:
                yield phase, kind, cuts
            left -= cuts


def tell(t, cut):
    """One line of the TAP, and of the file from which the sum is made."""
    t.note(*str(cut).splitlines())
    with open(LINES, "a", encoding="utf-8") as lines:
        lines.write(f"{cut}\n")


def begin(t, lot, phase, kind, cuts):
    """What cannot begin has failed all of its cuts."""
    try:
        lot.begin()
    except harness.Failure:
        for _ in range(cuts):
            tell(t, Cut(phase, kind, 0, problem="the lot could not begin"))
        raise


def run_lot(t, phase, kind, cuts, guest):
    lot = workload.Chain(kind, guest) if phase == "work" else phases.Lot(phases.PHASES[phase], kind, guest)
    t.cleanup(lot.discard)
    begin(t, lot, phase, kind, cuts)
    for seed in [int(SEED)] if SEED else lot.seeds(cuts):
        cut = lot.cut(seed)
        tell(t, cut)
        with t.step(f"cut at {cut.point}, seed {seed}"):
            harness.check(not cut.problem, cut.problem)
    if phase == "work" and lot.unsynced:
        t.note(f"images whose command had returned, not synced: {dict(lot.unsynced)}")


def register():
    for number, (phase, kind, cuts) in enumerate(lots()):
        name = f"power cuts in {phase} on {kind}" + (f", lot {number}" if number >= len(PLAN) else "")
        function = functools.partial(run_lot, phase=phase, kind=kind, cuts=cuts, guest=f"cut{number}")
        harness.scenario(name, deadline=SECONDS_A_LOT + cuts * SECONDS_A_CUT)(function)


# ---- that the suite can fail -------------------------------------------------------------------------

@harness.scenario("a medium keeps what was flushed and nothing but what was written")
def medium_keeps_its_word(t):
    path = machines.DISKS / "medium.raw"
    machines.DISKS.mkdir(parents=True, exist_ok=True)
    t.cleanup(path.unlink)
    seen = set()
    for seed in range(64):
        path.write_bytes(b"0" * 4 * medium.PAGE)
        cache = medium.Cache(path)
        cache.write(0, b"1" * 3 * medium.PAGE)
        cache.flush()
        cache.write(0, b"2" * medium.PAGE)
        cache.write(512, b"3" * 512)
        cache.write(medium.PAGE, b"2" * medium.PAGE)
        cache.persist(medium.PAGE, medium.PAGE)
        cache.zero(2 * medium.PAGE, medium.PAGE)
        harness.equal(cache.read(512, 513), b"3" * 512 + b"2", "what is read before the cut")
        cache.settle(phases.random.Random(seed))
        cache.close()
        content = path.read_bytes()
        harness.equal((content[medium.PAGE:2 * medium.PAGE], content[3 * medium.PAGE:]),
                      (b"2" * medium.PAGE, b"0" * medium.PAGE), "what was written with FUA, and what never was")
        seen.add((content[0:1], content[512:513], content[2 * medium.PAGE:2 * medium.PAGE + 1]))
    harness.equal(sorted(seen), [(a, b, c) for a, b in ((b"1", b"1"), (b"2", b"2"), (b"2", b"3"))
                                 for c in (b"\0", b"1")], "every outcome there may be, and no other")


@harness.scenario("a guest whose file system does not flush loses reported writes, and the suite says so", deadline=400)
def no_barriers(t):
    base = phases.make_file_system(machines.DISKS / "nobarrier.raw", 512 << 20, 512 << 20)
    box = machines.Machine("nobarrier", base.path)
    t.cleanup(base.path.unlink)
    t.cleanup(box.end)
    box.boot()
    box.wait_disk()
    box.sh("mount -o remount,barrier=0 /data")
    work = phases.ledger.Ledger()
    reporter = machines.durable(box.name, "/data/work", 1, work)
    reporter.wait_reports(300)
    box.cut(next(seed for seed in range(100) if phases.random.Random(seed).choice(medium.CHANCES) == 0))
    reporter.finish()
    box.boot()
    box.wait_disk()
    complaints = work.complaints(box.tree("/data/work"))
    harness.check(complaints, f"of {work.count()} durable things that were never flushed none was missed")
    t.note(f"without barriers {len(complaints)} of {work.count()} reported things were lost")


def main():
    harness.require_fresh(rootimage.ROOTFS, ("init", "agent", "lib", "rootfs"), "make lab-image")
    LINES.parent.mkdir(parents=True, exist_ok=True)
    LINES.write_text("")
    start = time.monotonic()
    register()
    try:
        harness.main("powercut", jobs=2)
    finally:
        results = [line.split()[-1] for line in LINES.read_text().splitlines() if "seed=" in line]
        print(f"# {time.monotonic() - start:.0f} s; power cuts: {results.count('ok')} of {len(results)}")


if __name__ == "__main__":
    main()
