"""A file system to measure: a sparse file, a loop device over it with direct I/O, ext4 with given options.

The file grows as it is written and shrinks where the guest discards, as a dynamic VHDX does after compaction. What
the device was asked to do is counted by the kernel (Documentation/block/stat.rst): unlike times, these counts hold for
any medium.
"""
import contextlib
import ctypes
import errno
import fcntl
import os
import pathlib
import struct
import subprocess
import tempfile
import time

import figures

DIRECTORY = figures.TOP / "build" / "bench" / "disk"
# Loop devices are the machine's: scenarios that count wake-ups take the same lock (tests/ns/scenarios_disk.py).
LOOP_LOCK = "/tmp/keel-disk-scenarios.lock"
SIZE = 64 << 30
FITRIM, BLKDISCARD = 0xC0185879, 0x1277  # linux/fs.h
STAT_FIELDS = {"write_requests": 4, "write_sectors": 6, "discards": 11, "discard_sectors": 13, "flushes": 15}
LIBC = ctypes.CDLL(None, use_errno=True)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Setup:
    """How a file system is made and mounted, by the name that it has in the tables."""

    def __init__(self, name, mkfs, options):
        self.name, self.mkfs, self.options = name, mkfs, options


class Medium:
    """A mounted file system on a device."""

    def __init__(self, device, mountpoint):
        self.device, self.mountpoint = device, mountpoint

    def counts(self):
        return self.device.counts()

    def since(self, before):
        return {name: count - before[name] for name, count in self.counts().items()}

    def sync(self):
        directory = os.open(self.mountpoint, os.O_RDONLY)
        try:
            if LIBC.syncfs(directory) < 0:
                raise OSError(ctypes.get_errno(), "syncfs")
        finally:
            os.close(directory)

    def settle(self, seconds=20):
        """Until half a second passes without a discard: ext4 issues them after the commit, from a work queue."""
        deadline, before = time.monotonic() + seconds, None
        while time.monotonic() < deadline:
            now = self.counts()
            if before and now["discards"] == before["discards"]:
                return
            before = now
            time.sleep(0.5)

    def trim(self, start=0, length=2**64 - 1, least=0):
        """FITRIM on a part of the file system; the bytes that the kernel says were discarded."""
        directory = os.open(self.mountpoint, os.O_RDONLY)
        try:
            answer = fcntl.ioctl(directory, FITRIM, struct.pack("QQQ", start, length, least))
        finally:
            os.close(directory)
        return struct.unpack("QQQ", answer)[1]

    def allocated(self):
        return os.stat(self.device.path).st_blocks * 512


class Device:
    """A sparse file and its loop device."""

    def __init__(self):
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        handle, self.path = tempfile.mkstemp(suffix=".img", dir=DIRECTORY)
        os.truncate(handle, SIZE)
        os.close(handle)
        self.node = run("losetup", "-f", "--show", "--direct-io=on", self.path)
        self.blanked = self.counts()

    def blank(self):
        """Not one block of the file is left. What had it mounted may be ending still: it is waited for."""
        deadline = time.monotonic() + 20
        while True:
            try:
                node = os.open(self.node, os.O_RDWR | os.O_EXCL)
                break
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)
        fcntl.ioctl(node, BLKDISCARD, struct.pack("QQ", 0, SIZE))
        os.close(node)
        self.blanked = self.counts()

    def counts(self):
        """What it was asked to do so far."""
        fields = pathlib.Path(f"/sys/block/{self.node[5:]}/stat").read_text(encoding="ascii").split()
        return {name: int(fields[number]) for name, number in STAT_FIELDS.items()}

    def remove(self):
        run("losetup", "-d", self.node)
        os.unlink(self.path)


@contextlib.contextmanager
def all_loop_devices():
    with open(LOOP_LOCK, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Pool:
    """The devices of a run, used again and again: attaching one is an event for the whole machine."""

    def __init__(self, count):
        self.count, self.idle = count, []

    @contextlib.contextmanager
    def device(self):
        """A blank one."""
        device = self.idle.pop()
        try:
            yield device
            device.blank()
        finally:
            self.idle.append(device)

    def __enter__(self):
        with all_loop_devices():
            while len(self.idle) < self.count:
                self.idle.append(Device())
        return self

    def __exit__(self, *_):
        with all_loop_devices():
            for device in self.idle:
                device.remove()


def make_file_system(device, setup):
    """Made and on the medium, its superblock too."""
    run("mke2fs", "-q", "-F", "-t", "ext4", *setup.mkfs, device)
    node = os.open(device, os.O_RDONLY)
    os.fsync(node)
    os.close(node)


@contextlib.contextmanager
def medium(pool, setup):
    """The file system of a setup, fresh and mounted."""
    with pool.device() as device, tempfile.TemporaryDirectory(prefix="keel-bench-") as mountpoint:
        make_file_system(device.node, setup)
        run("mount", "-t", "ext4", "-o", setup.options, device.node, mountpoint)
        try:
            yield Medium(device, mountpoint)
        finally:
            run("umount", mountpoint)
