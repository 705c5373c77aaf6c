# SPDX-License-Identifier: MIT
"""A stage helper (keel-disk, keel-net, keel-modules) run as PID 1 runs it: with a socket on fd 3.

KEEL_BIN is the directory of the programs (default build/bin).
"""
import os
import socket
import struct
import subprocess

from control import DISK_BODY, DISK_SITUATIONS, DISK_STATES
from harness import TOP, Failure, check

STATES = ["pending", "running", "done", "degraded", "failed", "skipped"]
# lib/control.h: struct stage_report, then its struct control_disk
HEAD = struct.Struct("=IHBB192s")
MAGIC = 0x4b45454c


def program(name):
    return os.path.join(os.environ.get("KEEL_BIN", str(TOP / "build/bin")), name)


def run(*command, **options):
    """The output of a command that must succeed."""
    result = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=60, **options)
    check(result.returncode == 0, f"{' '.join(command)}: status {result.returncode}: {result.stdout}")
    return result.stdout


def hold_namespaces(stack, options, setup):
    """A process in new namespaces that stays until the stack is left. Returns its pid for enter().

    In a chroot (the lab environment) the root is no mount point and cannot change its propagation; there
    the mounts are private already.
    """
    script = f"mount --make-rprivate / 2>/dev/null; {setup} && echo ready && exec sleep 600"
    # pylint: disable=consider-using-with
    holder = subprocess.Popen(["unshare", *options, "--mount", "--propagation", "unchanged", "sh", "-c", script],
                              stdout=subprocess.PIPE)

    def stop():
        holder.kill()
        holder.wait()
        holder.stdout.close()

    stack.callback(stop)
    check(holder.stdout.readline() == b"ready\n", f"no namespace for: {setup}")
    return holder.pid


def enter(pid, *command):
    """The command line that runs a command in a holder's namespaces."""
    return ["nsenter", "--target", str(pid), "--mount", "--net", "--root", "--wd", *command]


def text(field):
    return field.split(b"\0", 1)[0].decode()


class Helper:
    """A running helper and the reports that it sends."""

    def __init__(self, command, **options):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.reports = []

        def hand_over():
            os.dup2(theirs.fileno(), 3)

        # pylint: disable=consider-using-with, subprocess-popen-preexec-fn
        self.process = subprocess.Popen(command, pass_fds=[3], preexec_fn=hand_over,
                                        stderr=subprocess.DEVNULL, **options)
        theirs.close()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.socket.close()

    def next(self, seconds=20):
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(4096)
        except TimeoutError:
            raise Failure(f"no report within {seconds} s after {self.reports}") from None
        check(data, f"ended after {self.reports}")
        check(len(data) == HEAD.size + DISK_BODY.size, f"a report of {len(data)} bytes")
        magic, _, state, _, reason = HEAD.unpack_from(data)
        check(magic == MAGIC, f"magic {magic:x}")
        fields = DISK_BODY.unpack_from(data, HEAD.size)
        report = {"state": STATES[state], "reason": text(reason), "disk": DISK_STATES[fields[0]],
                  "formatted": fields[1], "situation": DISK_SITUATIONS[fields[2]], "grown": fields[3],
                  "checked": fields[4], "size": fields[5], "made_s": fields[6], "made_by": text(fields[7]),
                  "device": text(fields[8]), "uuid": text(fields[9]), "label": text(fields[10]),
                  "mountpoint": text(fields[11])}
        self.reports.append((report["state"], report["reason"]))
        return report

    def until(self, state, words="", passing=None):
        """Skips "running" reports, and those of a situation that passes; the next must be of this state and hold these words."""
        while True:
            report = self.next()
            if report["state"] == state:
                check(words in report["reason"], f"reason \"{report['reason']}\" lacks \"{words}\"")
                return report
            check(report["state"] == "running" or report["situation"] == passing, f"{report} instead of {state}")

    def ends_with(self, status):
        check(self.process.wait(20) == status, f"exit status {self.process.returncode}")
