"""keel-share: what the other distros of the VM see, who takes it away, what is left at the end."""
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import time

from guest import BIN, Guest, in_mounts_of, unit
from harness import check, scenario
from scenarios_wsl import POWEROFF, enter, mount_points

POINT = "/mnt/wsl/keel/run"
UNIT = ("[Unit]\nConditionVirtualization=wsl\n[Service]\nType=notify\nExecStart=/usr/lib/keel/keel-share\n"
        "Slice=keel.slice\nRestart=always\nRestartSec=50ms\n[Install]\nWantedBy=multi-user.target\n")
LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def guest_with_share(**more):
    guest = Guest(units={"keel-share.service": UNIT, "a.service": unit("ready sleep")}, **more)
    shutil.copy(f"{BIN}/keel-share", f"{guest.lower}/usr/lib/keel/keel-share")
    with guest:
        guest.wait_service("keel-share.service", "active")
        yield guest


@contextlib.contextmanager
def other_distro(guest):
    """A process that shares nothing with the guest but /mnt/wsl, as another distro does. Gives its pid."""
    process = enter(guest, "/usr/bin/svc", "ready", "sleep", spaces=("mnt",), copy=True)
    try:
        guest.retry(lambda: os.readlink(f"/proc/{process.pid}/exe").endswith("svc"), "it runs")
        in_mounts_of(process.pid, lambda: [call(LIBC.mount, None, point.encode(), None, 1 << 18, None)  # MS_PRIVATE
                                     for point in set(mount_points("self")) if not point.startswith("/mnt/wsl")])
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def call(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def unmount(pid, point=POINT):
    check(in_mounts_of(pid, lambda: call(LIBC.umount2, point.encode(), 0)), f"cannot unmount {point}")


def status(guest):
    return guest.snapshot()["services"]["keel-share.service"]["status"]


def serve(guest, path="/run/docker.sock"):
    """Something that listens where the engine does."""
    listener = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(guest.path(path))
    directory = os.open(os.path.dirname(guest.path(path)), os.O_RDONLY)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
    finally:
        os.close(directory)
    listener.listen()
    return listener


def answers(guest, pid, listener):
    """A client in the other distro reaches this listener."""
    del guest
    listener.setblocking(False)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            client.connect(f"/proc/{pid}/root{POINT}/docker.sock")
            listener.accept()[0].close()
            return True
    except OSError:
        return False


@scenario("keel-share: another distro reaches the engine, also after it was started anew; withdrawn at its end")
def publishes(_test):
    with guest_with_share() as guest, other_distro(guest) as other:
        check(POINT in mount_points(other), mount_points(other))
        check("the engine is at" in status(guest), status(guest))
        for _ in range(3):
            with serve(guest) as listener:
                guest.retry(lambda listener=listener: answers(guest, other, listener), "it answers")
        os.unlink(guest.path("/run/docker.sock"))
        guest.retry(lambda: not os.path.exists(guest.path(f"{POINT}/docker.sock")), "a socket that is gone is gone there")
        info = os.stat(guest.path(POINT))
        check((info.st_uid, info.st_gid, info.st_mode & 0o777) == (0, 0, 0o700), f"{info}")
        check(not in_mounts_of(other, lambda: os.open(f"{POINT}/file", os.O_CREAT | os.O_WRONLY)), "others can write there")
        check(guest.request(4, "keel-share.service") == 0, "stop")
        guest.wait_service("keel-share.service", "inactive")
        check(POINT not in mount_points(other) and not os.path.exists(guest.path("/mnt/wsl/keel")), "all is gone")
        check(os.path.exists(guest.path("/mnt/wsl/resolv.conf")), "what is not ours stays")


@scenario("keel-share: a group of other distros may use the engine")
def group(_test):
    with guest_with_share(files={"/etc/keel/keel.conf": "[share]\ngid = 4711\n"}) as guest, serve(guest):
        path = guest.path(f"{POINT}/docker.sock")
        guest.retry(lambda: os.path.exists(path) and os.stat(path).st_gid == 4711, "the socket is the group's")
        info = os.stat(guest.path(POINT))
        check((info.st_gid, info.st_mode & 0o777) == (4711, 0o750), f"{info}")
    with guest_with_share(files={"/etc/keel/keel.conf": "[share]\nenabled = no\n"}) as guest:
        check(POINT not in mount_points(guest.pid) and "off" in status(guest), status(guest))


@scenario("keel-share: taken away by another distro's umount: published again at once, then with pauses, and told")
def republishes(_test):
    with guest_with_share() as guest, other_distro(guest) as other:
        start = time.monotonic()
        for times in range(1, 4):
            unmount(other)
            guest.retry(lambda: POINT in mount_points(other), "it is back")
            guest.retry(lambda times=times: f"again {times} times" in status(guest), "the status tells")
        # 0, 1 and 2 s; that the first time is at once: tests/unit/test_share.c
        check(time.monotonic() - start > 2.9, f"{time.monotonic() - start:.2f} s")
        with open(guest.path("/run/keel/spool/keel-share.service"), encoding="utf-8") as log:
            text = log.read()
        check(text.count("published on") == 4 and text.count("somebody has unmounted") == 3, text)
        check(guest.request(POWEROFF) == 0, "accepted")
        check(guest.wait_end() == "signal 2", guest.end_line)
        check(POINT not in mount_points(other), "withdrawn")


@scenario("keel-share: /run cannot be made read-only by way of what is published (umount -r of a distro that stands in it)")
def run_read_only(_test):
    def read_only():
        call(LIBC.mount, None, POINT.encode(), None, 1 | 32, None)  # MS_RDONLY | MS_REMOUNT

    with guest_with_share() as guest, other_distro(guest) as other:
        check(not in_mounts_of(other, read_only), "refused")
        check(not os.statvfs(guest.path("/run")).f_flag & os.ST_RDONLY, "/run is writable")


@scenario("keel-share: killed, it finds its own again; a dead keel's is replaced, a living one's and a foreign one left alone")
def whose(_test):
    def foreign():
        os.makedirs(POINT, exist_ok=True)
        call(LIBC.mount, b"t", POINT.encode(), b"tmpfs", 0, None)

    with guest_with_share() as guest, other_distro(guest) as other:
        pid = guest.snapshot()["services"]["keel-share.service"]["pid"]
        guest.kill(pid, signal.SIGKILL)
        guest.wait(lambda s: s["services"]["keel-share.service"]["state"] == "active" and
                   s["services"]["keel-share.service"]["pid"] != pid, "it is back")
        guest.retry(lambda: "the engine is at" in status(guest), "it knows its own")
        check(mount_points(other).count(POINT) == 1, mount_points(other))
        check("again" not in status(guest), status(guest))
        check(in_mounts_of(other, foreign), "a foreign mount")
        guest.retry(lambda: "something else is mounted" in status(guest), "the foreign one is seen")
        check(mount_points(guest.pid).count(POINT) == 2, "and left alone")
        unmount(other)
        guest.retry(lambda: "the engine is at" in status(guest), "back to ours")
        check(guest.request(4, "keel-share.service") == 0, "stop")
        guest.wait_service("keel-share.service", "inactive")

        # a keel of the same make in another distro
        def another():
            os.makedirs("/tmp/other/keel/share", exist_ok=True)
            os.makedirs(POINT, exist_ok=True)
            call(LIBC.mount, b"t", b"/tmp/other", b"tmpfs", 0, None)
            os.makedirs("/tmp/other/keel/share")
            call(LIBC.mount, b"/tmp/other/keel/share", POINT.encode(), None, 4096, None)

        check(in_mounts_of(guest.pid, another), "another keel's")
        with serve(guest, "/tmp/other/keel/share/owner"):
            check(guest.request(3, "keel-share.service") == 0, "start")
            guest.retry(lambda: "another keel is at" in status(guest), "it lives")
            check(guest.request(4, "keel-share.service") == 0, "stop")
            guest.wait_service("keel-share.service", "inactive")
            check(POINT in mount_points(other), "left alone at our end too")
        check(guest.request(3, "keel-share.service") == 0, "start")
        guest.retry(lambda: "the engine is at" in status(guest), "the dead one was replaced")
        check(mount_points(other).count(POINT) == 1, mount_points(other))


@scenario("keel-share: cannot withdraw any more (killed at the end): PID 1 takes away what was published, nothing else")
def withdrawn_by_init(_test):
    def more():
        os.makedirs("/mnt/wsl/shared", exist_ok=True)
        call(LIBC.mount, b"t", b"/mnt/wsl/shared", b"tmpfs", 0, None)

    with guest_with_share() as guest, other_distro(guest) as other:
        check(in_mounts_of(other, more), "somebody else's")
        pid = guest.snapshot()["services"]["keel-share.service"]["pid"]
        guest.kill(pid, signal.SIGSTOP)
        check(guest.request(POWEROFF) == 0, "accepted")
        guest.retry(lambda: "power off" in guest.log_text(), "it ends")
        with contextlib.suppress(KeyError, ProcessLookupError):  # PID 1's patience may be over first
            guest.kill(pid, signal.SIGKILL)
        check(guest.wait_end(20) == "signal 2", guest.end_line)
        points = mount_points(other)
        check(POINT not in points and "/mnt/wsl/shared" in points, points)
