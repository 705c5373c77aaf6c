"""Failing system calls of a guest's PID 1, from outside: strace's fault injection (strace(1), "Tampering").

An injected call is not made: it returns the error at once. Of PID 1's own calls only; with follow=True also of
its children, from fork to exec and beyond.
"""
import contextlib
import ctypes
import os
import re
import select
import signal
import subprocess
import time

from harness import Failure, Skip, check

ATTACH_SECONDS = 5
DEATH_SECONDS = 20


class Strace:
    """Attached to a process from entry to exit. calls: names to trace (all); inject: strace's expressions."""

    def __init__(self, guest, calls=None, inject=(), follow=False, pid=None):
        self.pid = pid or guest.pid
        self.path = f"{guest.dir}/strace"
        self.args = ["strace", "-p", str(self.pid), "-o", self.path, "-s", "64"]
        if follow:
            self.args.append("-f")
        if calls:
            self.args += ["-e", "trace=" + ",".join(calls)]
        for expression in inject:
            self.args += ["-e", "inject=" + expression]
        self.process = None

    def __enter__(self):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(self.args, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said, end = b"", time.monotonic() + ATTACH_SECONDS
        while b"attached" not in said:
            ready, _, _ = select.select([self.process.stderr], [], [], max(0.0, end - time.monotonic()))
            data = os.read(self.process.stderr.fileno(), 4096) if ready else b""
            said += data
            if not data:
                self.__exit__()
                if b"ptrace" in said or b"not permitted" in said:
                    raise Skip(f"no ptrace here: {said.decode(errors='replace').strip()}")
                raise Failure(f"strace did not attach: {said!r}")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)  # it detaches
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()

    def lines(self):
        """What was traced, calls in order. To be read when it has detached."""
        with open(self.path, encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in file]

    def count(self, words):
        """How often these words are in the trace so far."""
        with open(self.path, encoding="utf-8", errors="replace") as file:
            return file.read().count(words)

    def names(self):
        found = [re.match(r"(?:\d+ +)?(?:<\.\.\. )?([a-z0-9_]+)", line) for line in self.lines()]
        return [match.group(1) for match in found if match]

    def injected(self):
        return sum("(INJECTED)" in line for line in self.lines())


def run_seconds(pid):
    """The processor time that a process has used."""
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9
    except FileNotFoundError:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def identity(pid):
    """What stays the same as long as it is the same process: its start time (proc(5), field 22)."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rsplit(")", 1)[1].split()[19]


def check_same(guest, before, what):
    check(guest.process.poll() is None and identity(guest.pid) == before, f"PID 1 is another or gone: {what}")


def kill_of_guest(guest, pid, number=signal.SIGKILL):
    """Signals a process by its pid outside, if it is one of the guest's and not PID 1. True if it was. By SIGKILL it is
    dead then, and PID 1 has its SIGCHLD."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if pid == guest.pid or os.stat(f"/proc/{pid}/ns/pid").st_ino != os.stat(f"/proc/{guest.pid}/ns/pid").st_ino:
            return False
        signal.pidfd_send_signal(handle, number)
        if number == signal.SIGKILL:
            check(select.select([handle], [], [], DEATH_SECONDS)[0], f"{pid} does not die")
        return True
    except (FileNotFoundError, ProcessLookupError):
        return False
    finally:
        os.close(handle)


def writable_memory(pid):
    """The address ranges of a process that it can write: grows when it allocates."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return [line.split()[0] for line in file if line.split()[1][1] == "w"]


MS_REMOUNT = 32


def mount_inside(guest, path, kind, options="", flags=0):
    """Mounts in the guest's mount namespace, which need not have a mount program."""
    with open(f"/proc/{guest.pid}/ns/mnt", "rb") as namespace:
        pid = os.fork()
        if pid == 0:
            try:
                os.setns(namespace.fileno(), os.CLONE_NEWNS)
                libc = ctypes.CDLL(None, use_errno=True)
                os._exit(-libc.mount(b"none", path.encode(), kind.encode(), flags, options.encode()))
            finally:
                os._exit(2)
    check(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, f"cannot mount a {kind} on {path}")
    check(f" {path} {kind} " in guest.read("/proc/1/mounts"), f"{path} is not mounted")
