"""The frames of lib/control.h as Python sees them: a client of PID 1's control socket.

Every size is checked against what PID 1 sends: a record of another length fails the test that reads it.
"""
import errno
import os
import socket
import struct
import time

MAGIC, VERSION = 0x4B45454C, 3
SNAPSHOT, SUBSCRIBE, START, STOP, RESTART, RELOAD, POWEROFF, REBOOT = range(1, 9)
RESULT, BOOT, STAGE, SERVICE, DISK, END = range(1, 7)

BOOT_STATES = ["starting", "running", "degraded", "stopping"]
STAGE_STATES = ["pending", "running", "done", "degraded", "failed", "skipped"]
SERVICE_STEPS = ["", "start-pre", "start", "start-post", "reload", "reload-notify", "stop", "stop-notified",
                 "stop-signal", "stop-kill", "stop-post"]
SERVICE_STATES = ["inactive", "waiting", "starting", "active", "reloading", "stopping", "backoff", "failed"]
DISK_STATES = ["unknown", "waiting", "checking", "formatting", "mounted", "refused", "none", "rescue"]
DISK_SITUATIONS = ["ok", "no-disk", "not-found", "foreign", "blank", "not-blank", "read-error", "ambivalent", "two-disks",
                   "other-uuid", "in-use", "read-only-device", "unsuitable", "too-small", "too-large", "other-file-system",
                   "encrypted", "block-size", "unknown-features", "truncated", "no-marker", "marker-bad", "marker-newer",
                   "bad-superblock", "needs-repair", "mount-failed", "mount-point-busy", "file-system-errors",
                   "io-errors", "vanished", "unmounted"]

REQUEST = struct.Struct("=IHH32s")
HEAD = struct.Struct("=IHBBiI")
BOOT_BODY = struct.Struct("=BB6xQ192s")
STAGE_BODY = struct.Struct("=32sB7xQQ192s")
SERVICE_BODY = struct.Struct("=32sBBBBB7xiIiQQQQ192s96s")
DISK_BODY = struct.Struct("=BBBBB3xQQ24s32s40s24s64s192s")
RECORD_SIZE = HEAD.size + max(body.size for body in (BOOT_BODY, STAGE_BODY, SERVICE_BODY, DISK_BODY))


def text(raw):
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def parse(data):
    """One record as (type, index, result, dict)."""
    if len(data) != RECORD_SIZE:
        raise AssertionError(f"record of {len(data)} bytes, expected {RECORD_SIZE}")
    magic, version, kind, index, result, _ = HEAD.unpack_from(data)
    if (magic, version) != (MAGIC, VERSION):
        raise AssertionError(f"magic {magic:#x} version {version}")
    return kind, index, result, parse_body(kind, data)


def parse_body(kind, data):
    if kind == BOOT:
        state, mode, start, reason = BOOT_BODY.unpack_from(data, HEAD.size)
        return {"state": BOOT_STATES[state], "mode": ["vm", "wsl"][mode], "start_us": start,
                "reason": text(reason)}
    if kind == STAGE:
        name, state, start, end, reason = STAGE_BODY.unpack_from(data, HEAD.size)
        return {"name": text(name), "state": STAGE_STATES[state], "start_us": start, "end_us": end,
                "reason": text(reason)}
    if kind == SERVICE:
        (name, state, wanted, essential, loaded, step, pid, restarts, status, exec_us, exit_us, ready_us, since_us, reason,
         words) = SERVICE_BODY.unpack_from(data, HEAD.size)
        return {"name": text(name), "state": SERVICE_STATES[state], "wanted": wanted,
                "essential": essential, "loaded": loaded,
                "step": SERVICE_STEPS[step], "pid": pid, "restarts": restarts, "exit_status": status,
                "exec_us": exec_us, "exit_us": exit_us, "ready_us": ready_us, "since_us": since_us,
                "reason": text(reason), "status": text(words)}
    if kind == DISK:
        (state, formatted, situation, grown, checked, size, made, made_by, device, uuid, label, mountpoint,
         reason) = DISK_BODY.unpack_from(data, HEAD.size)
        return {"state": DISK_STATES[state], "formatted": formatted, "situation": DISK_SITUATIONS[situation],
                "grown": grown, "checked": checked, "size_bytes": size, "made_s": made, "made_by": text(made_by),
                "device": text(device), "uuid": text(uuid), "label": text(label),
                "mountpoint": text(mountpoint), "reason": text(reason)}
    return {}


class Closed(Exception):
    """PID 1 closed the connection."""


class Client:
    """One connection. `state` is the picture of the records read so far."""

    def __init__(self, path, deadline):
        self.deadline = deadline
        self.state = {"boot": None, "stages": {}, "services": {}, "disk": None}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        while True:
            try:
                self.socket.connect(path)
                return
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR) or \
                        time.monotonic() > deadline:
                    raise
                time.sleep(0.002)  # nothing tells when a socket appears in another mount namespace

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, verb, unit="", version=VERSION):
        self.socket.send(REQUEST.pack(MAGIC, version, verb, unit.encode()))

    def read(self):
        """The next record; Closed at the end, TimeoutError at the deadline."""
        self.socket.settimeout(max(0.001, self.deadline - time.monotonic()))
        try:
            data = self.socket.recv(RECORD_SIZE + 64)
        except ConnectionError as error:
            raise Closed() from error
        if not data:
            raise Closed()
        kind, index, result, body = parse(data)
        if kind == BOOT:
            self.state["boot"] = body
        elif kind == DISK:
            self.state["disk"] = body
        elif kind == STAGE:
            self.state["stages"][body["name"]] = body
        elif kind == SERVICE:
            self.state["services"][body["name"]] = body
        return kind, index, result, body

    def read_picture(self):
        """Reads up to the next END and returns the whole picture."""
        while self.read()[0] != END:
            pass
        return self.state

    def snapshot(self):
        self.send(SNAPSHOT)
        return self.read_picture()

    def request(self, verb, unit=""):
        """The result of a request that changes something: 0 or -errno."""
        self.send(verb, unit)
        while True:
            kind, _, result, _ = self.read()
            if kind == RESULT:
                return result


def error_name(result):
    return "ok" if result == 0 else errno.errorcode.get(-result, str(result)) + ": " + os.strerror(-result)
