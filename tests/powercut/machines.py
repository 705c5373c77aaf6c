# SPDX-License-Identifier: MIT
"""A guest with the disk whose power is cut: boot, wait for the disk, cut, look at what is left.

Used by phases.py and workload.py. The disk is of one of two kinds:
  cache  a Medium (medium.py): loses what was not flushed, is cut after a given number of writes
  vhdx   a dynamic VHDX, as WSL makes them, written by QEMU; it is killed, what it had written stays
"""
import contextlib
import io
import os
import subprocess
import tarfile
import threading
import time

import client
import guests
import harness
import machine
import medium

BOOT_SECONDS = guests.BOOT_SECONDS
REFUSED_SECONDS = 15  # that long the stage may be failed before it is final: a disk may be settling
DISKS = machine.BUILD / "vm" / "cuts"


def run(*command, seconds=120):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds,
                            check=False)
    harness.check(result.returncode == 0, f"{command}: {result.returncode} {result.stdout}{result.stderr}")
    return result.stdout


def copy_disk(source, target):
    """A copy with its holes; a raw file becomes a VHDX by its name."""
    target.unlink(missing_ok=True)
    if target.suffix == ".vhdx" and source.suffix != ".vhdx":
        run("qemu-img", "convert", "-f", "raw", "-O", "vhdx", "-o", "subformat=dynamic,block_size=1M", source, target)
    else:
        run("cp", "--sparse=always", "--reflink=auto", source, target)


def file_system_errors(path):
    """What e2fsck -fn says about a disk that nobody writes to at the moment; "" if it is clean."""
    raw = path
    if path.suffix == ".vhdx":
        raw = path.with_suffix(".check")
        run("qemu-img", "convert", "-U", "-O", "raw", path, raw)
    try:
        result = subprocess.run(["e2fsck", "-fn", raw], capture_output=True, text=True, timeout=120, check=False)
        return "" if result.returncode == 0 else f"e2fsck -fn: {result.returncode} {result.stdout}{result.stderr}"
    finally:
        if raw != path:
            raw.unlink()


@contextlib.contextmanager
def evidence(path, result):
    """Keeps a disk as the cut left it if what follows fails."""
    copy = path.with_name(f"failed-{result.phase}-{result.seed}{path.suffix}")
    copy_disk(path, copy)
    try:
        yield
    except (harness.Failure, OSError) as error:
        raise harness.Failure(f"{harness.describe(error)}\nthe disk after the cut: {copy}") from error
    else:
        copy.unlink()


class Machine:
    """One guest, its disk's file, and the medium while it runs."""

    def __init__(self, name, path, append=""):
        self.name, self.path, self.append = name, path, append
        self.medium = None

    def boot(self):
        """One CPU: a second one's timer dies now and then when an emulated guest boots on a busy machine."""
        data = str(self.path)
        machine.make_base()
        if self.path.suffix != ".vhdx":
            self.medium = medium.Medium(medium.Cache(self.path), machine.BASE / f"{self.name}.nbd").start()
            data = self.medium.url
        guests.must("up", self.name, "--no-wait", "--mem", "1G", "--cpus", "1", "--data", data, "--append",
                    f"mitigations=off {self.append}".strip())

    def health(self):
        with contextlib.suppress(ValueError):
            return client.last_health(self.name) or {}
        return {}

    def disk_stage(self):
        """(state, reason) of the disk's stage as last reported."""
        for stage in self.health().get("stages", []):
            if stage["name"] == "disk":
                return stage["state"], stage.get("reason", "")
        return "", ""

    def wait_disk(self, stop=None):
        """Waits until the data disk is mounted; True. False when `stop` (an Event) was set before."""
        end, failed_since = time.monotonic() + BOOT_SECONDS, None
        while True:
            if stop and stop.wait(0.02):
                return False
            state, reason = self.disk_stage()
            if state == "done":
                return True
            now = time.monotonic()
            failed_since = (failed_since or now) if state == "failed" else None
            if now > end or failed_since and now - failed_since > REFUSED_SECONDS:
                raise harness.Failure(f"the data disk was not mounted: {state or 'no report'}: {reason}\n"
                                      f"{client.console_tail(self.name)}")
            if not client.is_running(self.name) and not self.lost_power():
                raise harness.Failure(f"the guest ended: {client.how_it_ended(self.name)}\n"
                                      f"{client.console_tail(self.name)}")
            if not stop:
                time.sleep(0.05)

    def lost_power(self):
        return self.medium and self.medium.off.is_set()

    def wait_ready(self):
        result = guests.vm("wait", self.name, "ready", BOOT_SECONDS, seconds=BOOT_SECONDS + 20)
        if result.returncode != 0:
            raise harness.Failure(f"not ready: {result.stderr.decode()}{self.health()}\n"
                                  f"{client.console_tail(self.name)}")

    def sh(self, command, **options):
        return guests.sh(self.name, command, **options)

    def cut(self, seed):
        """Cuts the power; how many unflushed pages (kept, lost)."""
        if self.medium:
            self.medium.cut()
        guests.end(self.name)
        if not self.medium:
            return 0, 0
        served, self.medium = self.medium, None
        return served.settle(seed)

    def end(self):
        """Whatever state it is in: no guest and no server any more."""
        guests.end(self.name)
        if self.medium:
            self.medium.stop()
            self.medium = None

    def tree(self, directory):
        """{name: content} of the files of a directory in the guest; {} if that is not there."""
        result = guests.vm("sh", self.name, f"test ! -d {directory} || tar -C {directory} -cf - .")
        harness.check(result.returncode == 0, f"reading {directory}: {result.stderr.decode(errors='replace')}")
        if not result.stdout:
            return {}
        archive = io.BytesIO(result.stdout)
        with tarfile.open(fileobj=archive) as files:
            return {os.path.basename(entry.name): files.extractfile(entry).read() for entry in files if entry.isreg()}

    def check_file_system(self):
        """e2fsck -fn of what the disk holds now: with the file system frozen its journal is empty, as after an
        unmount."""
        self.sh("fsfreeze --freeze /data")
        try:
            if self.medium:
                harness.equal(len(self.medium.cache.pages), 0, "unflushed pages of a frozen file system")
            errors = file_system_errors(self.path)
        finally:
            self.sh("fsfreeze --unfreeze /data")
        harness.check(not errors, errors)


class Reporter:
    """A workload in the guest whose lines go to a ledger as they come, in a thread of its own."""

    def __init__(self, command, ledger):
        self.ledger = ledger
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        """Only whole lines count: the last may be cut. A removal waits for our leave."""
        for line in self.process.stdout:
            if not line.endswith(b"\n"):
                return
            self.ledger.take(line.decode())
            if line.startswith(b"going "):
                with contextlib.suppress(BrokenPipeError):
                    os.write(self.process.stdin.fileno(), b"\n")

    def wait_reports(self, count, seconds=60):
        harness.retry_until(seconds, lambda: self.ledger.reports >= count or self.process.poll() is not None,
                            f"{count} reports")
        if self.process.poll() is not None:
            raise harness.Failure(f"the workload ended by itself: {self.process.stderr.read()}")

    def finish(self):
        """After the cut, or the workload's end: everything that had arrived is in the ledger."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()
        self.thread.join(20)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


def durable(name, directory, seed, ledger):
    """The workload beside containers: through the lab's shell."""
    command = [str(guests.HERE / "vm"), "sh", "--name", name, "--deadline", "0",
               f"mkdir -p {directory} && exec /usr/lib/keel-lab/durable write {directory} {seed}"]
    return Reporter(command, ledger)
