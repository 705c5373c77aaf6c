"""What bench_disk.py lets a file system do: what databases, image unpacks and removals do. Each load gets a Medium and
returns its figures; each ends with everything on the medium, so that none pays for the one before it.
"""
import os
import random
import shutil
import subprocess
import time

import figures

BLOCK = 4096
TREE = figures.TOP / "build" / "env" / "build"


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return (time.perf_counter() - start) * 1000, result


def latencies(values):
    """Microseconds of calls that were timed in nanoseconds."""
    return {"median_us": quantile(values, 0.5) / 1000, "p99_us": quantile(values, 0.99) / 1000}


def each_timed(count, step):
    values = []
    for number in range(count):
        start = time.perf_counter_ns()
        step(number)
        values.append(time.perf_counter_ns() - start)
    return values


def append_fsync(medium, count):
    """A log or a write-ahead journal: 4 KiB appended, fsync."""
    block = os.urandom(BLOCK)
    file = os.open(f"{medium.mountpoint}/append", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def step(_number):
        os.write(file, block)
        os.fsync(file)
    values = each_timed(count, step)
    os.close(file)
    return latencies(values)


def overwrite_fdatasync(medium, count):
    """A database page: 4 KiB written in place somewhere in 16 MiB, fdatasync."""
    blocks, block, draw = 4096, os.urandom(BLOCK), random.Random(1)
    file = os.open(f"{medium.mountpoint}/pages", os.O_RDWR | os.O_CREAT)
    os.write(file, os.urandom(blocks * BLOCK))
    os.fsync(file)

    def step(_number):
        os.pwrite(file, block, BLOCK * draw.randrange(blocks))
        os.fdatasync(file)
    values = each_timed(count, step)
    os.close(file)
    return latencies(values)


def replace(medium, count):
    """A configuration or state file as careless programs save it: a new file renamed over the old, no fsync."""
    block = os.urandom(BLOCK)

    def step(number):
        with open(f"{medium.mountpoint}/new", "wb") as file:
            file.write(block)
        os.rename(f"{medium.mountpoint}/new", f"{medium.mountpoint}/state{number % 8}")
    wall, _ = timed(lambda: (each_timed(count, step), medium.sync()))
    return {"ms": wall}


def archive(path):
    """A real system's files as a layer: Debian packages of the environment `build`. Kept in memory."""
    subprocess.run(["tar", "-C", str(TREE), "-cf", path, "usr", "etc", "var/lib/dpkg"], check=True,
                   stderr=subprocess.DEVNULL)
    listing = subprocess.run(["tar", "-tvf", path], check=True, capture_output=True, text=True).stdout.splitlines()
    return {"files": sum(line[0] == "-" for line in listing), "directories": sum(line[0] == "d" for line in listing),
            "bytes": os.path.getsize(path)}


def unpack_tree(medium, layer, name="tree"):
    os.mkdir(f"{medium.mountpoint}/{name}")
    subprocess.run(["tar", "-C", f"{medium.mountpoint}/{name}", "-xpf", layer], check=True)


def unpack(medium, layer):
    wall, _ = timed(lambda: (unpack_tree(medium, layer), medium.sync()))
    return {"ms": wall}


def drop_caches():
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3")


def read_tree(medium, name="tree"):
    for base, _, names in os.walk(f"{medium.mountpoint}/{name}"):
        for entry in names:
            path = f"{base}/{entry}"
            if not os.path.islink(path):
                with open(path, "rb") as file:
                    file.read()


def read(medium):
    """Every file of the tree read once, from the medium, as by a container's first start and a build's cache."""
    drop_caches()
    wall, _ = timed(lambda: (read_tree(medium), medium.sync()))
    return {"ms": wall}


def delete(medium, name="tree"):
    """The removal of an image's layer, and what it causes after the commit."""
    wall, _ = timed(lambda: (shutil.rmtree(f"{medium.mountpoint}/{name}"), medium.sync()))
    medium.settle()
    return {"ms": wall}


def trickle(media, seconds):
    """Several file systems at once, each with what an almost idle guest does: three logs that get a line every 100 ms
    and a page that is overwritten every second; nobody calls fsync. What each device was asked to do, in order."""
    before = [medium.counts() for medium in media]
    directories = [medium.mountpoint for medium in media]
    for number in range(seconds * 10):
        for directory in directories:
            for log in range(3):
                with open(f"{directory}/log{log}", "ab") as file:
                    file.write(b"x" * 100 + b"\n")
            if number % 10 == 0:
                with open(f"{directory}/page", "wb" if number == 0 else "r+b") as file:
                    file.write(os.urandom(BLOCK))
        time.sleep(0.1)
    return [asked(medium.since(counts)) for medium, counts in zip(media, before)]


def asked(done):
    return {"writes": done["write_requests"], "written_mib": done["write_sectors"] / 2048, "flushes": done["flushes"],
            "discards": done["discards"], "discarded_mib": done["discard_sectors"] / 2048}


def counted(medium, load, *arguments):
    """A load's figures and what the device was asked to do for it."""
    before = medium.counts()
    result = load(medium, *arguments)
    return result | asked(medium.since(before))


def every_load(medium, layer, scale=1.0):
    """load -> figure -> value, in an order in which each finds what it needs."""
    return {"append_fsync": counted(medium, append_fsync, int(1500 * scale)),
            "overwrite_fdatasync": counted(medium, overwrite_fdatasync, int(1500 * scale)),
            "replace": counted(medium, replace, int(500 * scale)),
            "unpack": counted(medium, unpack, layer),
            "read": counted(medium, read),
            "delete": counted(medium, delete)}
