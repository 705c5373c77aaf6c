"""`discard` at every removal against FITRIM afterwards: what a removal costs, how much is given back, and what a
database beside it notices. Called by bench_disk.py.
"""
import contextlib
import ctypes
import multiprocessing
import os
import shutil
import time

import disk_loads as loads
from disk_medium import LIBC, Setup, medium

GIB, MIB, KIB = 1 << 30, 1 << 20, 1 << 10
TREES = 3
LEAST = (4 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB)
IOPRIO_SET, IOPRIO_IDLE = 251, 3 << 13  # x86-64; linux/ioprio.h
EVERYTHING = 2**64 - 1


def fill(target, layer):
    for number in range(TREES):
        loads.unpack_tree(target, layer, f"tree{number}")
    target.sync()
    target.trim()  # what was never written is not what is measured


def remove_whole(target):
    for number in range(TREES):
        shutil.rmtree(f"{target.mountpoint}/tree{number}")
    target.sync()


def remove_scattered(target):
    for number in range(TREES):
        files = sorted(f"{base}/{entry}" for base, _, names in os.walk(f"{target.mountpoint}/tree{number}")
                       for entry in names)
        for path in files[::2]:
            os.unlink(path)
    target.sync()


def used(target):
    stats = os.statvfs(target.mountpoint)
    return (stats.f_blocks - stats.f_bfree) * stats.f_frsize


def removal(pool, setup, layer, remove):
    """Removed and, if the mount does not discard by itself, trimmed."""
    with medium(pool, setup) as target:
        fill(target, layer)
        full, before = target.allocated(), target.counts()
        wall, _ = loads.timed(lambda: remove(target))
        settled, _ = loads.timed(target.settle)
        done = target.since(before)
        result = {"ms": wall, "settled_ms": max(0, settled - 500), "discards": done["discards"],
                  "discarded_mib": done["discard_sectors"] / 2048}
        if "discard" not in setup.options.split(","):
            before = target.counts()
            result["trim_ms"], trimmed = loads.timed(target.trim)
            done = target.since(before)
            result.update(trimmed_mib=trimmed / MIB, trim_discards=done["discards"],
                          trim_discarded_mib=done["discard_sectors"] / 2048)
            result["again_ms"], again = loads.timed(target.trim)
            result["again_mib"] = again / MIB
        target.sync()
        result.update(given_back_mib=(full - target.allocated()) / MIB,
                      over_live_mib=(target.allocated() - used(target)) / MIB)
        return result


def least_extents(pool, setup, layer):
    """Bytes and requests of a trim that leaves out free extents below a size, after the worst removal."""
    result = {}
    for least in LEAST:
        with medium(pool, setup) as target:
            fill(target, layer)
            remove_scattered(target)
            full, before = target.allocated(), target.counts()
            wall, trimmed = loads.timed(lambda: target.trim(least=least))
            done = target.since(before)
            result[f"{least // KIB}k"] = {"ms": wall, "trimmed_mib": trimmed / MIB, "discards": done["discards"],
                                          "given_back_mib": (full - target.allocated()) / MIB}
    return result


# ---- beside a database ------------------------------------------------------------------------

def write_ahead(path, stop, pipe):
    """Appends and fsyncs until told to stop; sends when each began and how long it took (ns)."""
    block, values = os.urandom(loads.BLOCK), []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while not stop.is_set():
        start = time.perf_counter_ns()
        os.write(file, block)
        os.fsync(file)
        values.append((start, time.perf_counter_ns() - start))
    pipe.send(values)


@contextlib.contextmanager
def idle_priority():
    """Idle I/O class for the calling thread while the block runs."""
    LIBC.syscall(IOPRIO_SET, 1, 0, IOPRIO_IDLE)
    try:
        yield
    finally:
        LIBC.syscall(IOPRIO_SET, 1, 0, ctypes.c_int(0))


def trim_pieces(target, piece, least=0, rest=0):
    """In pieces at idle priority, resting after each for `rest` times as long as it took. Milliseconds of each."""
    stats, times = os.statvfs(target.mountpoint), []
    size = stats.f_blocks * stats.f_frsize
    with idle_priority():
        for start in range(0, size, piece):
            times.append(loads.timed(lambda at=start: target.trim(at, piece, least))[0])
            if rest and times[-1] > 1:
                time.sleep(rest * times[-1] / 1000)
    return times


def beside(pool, setup, layer, disturb, first=False):
    """Latency of a write-ahead log while `disturb` runs. first: with all that is free still to be trimmed."""
    with medium(pool, setup) as target:
        for number in range(TREES):
            loads.unpack_tree(target, layer, f"tree{number}")
        target.sync()
        if not first:
            target.trim()
        stop, (here, there) = multiprocessing.Event(), multiprocessing.Pipe()
        writer = multiprocessing.Process(target=write_ahead, args=(f"{target.mountpoint}/wal", stop, there))
        if disturb.prepare:
            disturb.prepare(target)
        writer.start()
        time.sleep(0.3)
        start = time.perf_counter_ns()
        pieces = disturb.run(target)
        end = time.perf_counter_ns()
        stop.set()
        values = [took for began, took in here.recv() if began + took > start and began < end]
        writer.join()
        result = loads.latencies(values) | {"max_ms": max(values) / 1e6, "writes": len(values),
                                            "ms": (end - start) / 1e6}
        if pieces:
            result.update(pieces=len(pieces), longest_piece_ms=max(pieces))
        return result


class Disturbance:
    def __init__(self, name, run, prepare=None, discard=False):
        self.name, self.run, self.prepare, self.discard = name, run, prepare, discard


def remove_and_settle(target):
    remove_whole(target)
    target.settle()


def nothing(_target):
    time.sleep(1.5)


def whole_range(target):
    return [loads.timed(target.trim)[0]]


DISTURBANCES = (
    Disturbance("nothing", nothing),
    Disturbance("removal", remove_whole),
    Disturbance("removal, discard", remove_whole, discard=True),
    Disturbance("trim, whole", whole_range, remove_scattered),
    Disturbance("trim, 1 GiB", lambda target: trim_pieces(target, GIB), remove_scattered),
    Disturbance("trim, 1 GiB, 64 KiB", lambda target: trim_pieces(target, GIB, 64 * KIB), remove_scattered),
    Disturbance("trim, 128 MiB, 64 KiB", lambda target: trim_pieces(target, 128 * MIB, 64 * KIB), remove_scattered),
    Disturbance("trim, 128 MiB, 64 KiB, rest 3", lambda target: trim_pieces(target, 128 * MIB, 64 * KIB, 3),
                remove_scattered),
)


def with_discard(setup):
    return Setup(f"{setup.name}, discard", setup.mkfs, f"{setup.options},discard")


def main(pool, keel, layer):
    """One round of all: part -> case -> figure -> value."""
    discard = with_discard(keel)
    result = {"removal": {}, "least": least_extents(pool, keel, layer), "beside": {}}
    for name, remove in (("whole", remove_whole), ("scattered", remove_scattered)):
        for setup in (keel, discard):
            result["removal"][f"{name}, {'discard' if setup is discard else 'batched'}"] = removal(pool, setup, layer, remove)
    for disturbance in DISTURBANCES:
        setup = discard if disturbance.discard else keel
        result["beside"][disturbance.name] = beside(pool, setup, layer, disturbance)
    for disturbance in DISTURBANCES[-1:]:
        result["beside"][f"first {disturbance.name}"] = beside(pool, keel, layer, disturbance, first=True)
    return result
