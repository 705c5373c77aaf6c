"""Faults on the way down: many, nested, busy and stuck mounts, services and an agent that hang, people who ask twice.
Whatever it is, the guest ends within its bound, and what can be written out is."""
import contextlib
import ctypes
import fcntl
import os
import re
import signal
import stat
import struct
import subprocess
import threading
import time

import engine
from guest import Guest, in_mounts_of, is_real_root, unit
from harness import Skip, check, scenario

POWEROFF, REBOOT = 7, 8
LIBC = ctypes.CDLL(None, use_errno=True)
RDONLY_FLAG = 1  # ST_RDONLY
ALL_KILLED = 4   # seconds: SIGTERM, SIGKILL and their grace, for processes that are no containers


def mount(source, target, kind, options=None):
    if LIBC.mount(source.encode(), os.fsencode(target), kind.encode(), 0, options and options.encode()) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"mount {target}: {os.strerror(error)}")


def inside(guest, function):
    check(in_mounts_of(guest.pid, function), "the function failed inside")


class Holder:
    """A process that is not the guest's and keeps a mount of it busy."""

    def __init__(self, guest, path, flags):
        ready, self.ready = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.setns(os.open(f"/proc/{guest.pid}/ns/mnt", os.O_RDONLY), os.CLONE_NEWNS)
            os.open(path, flags | os.O_CLOEXEC, 0o600)
            self.mount = os.open(os.path.dirname(path), os.O_RDONLY)
            os.write(self.ready, b"x")
            signal.signal(signal.SIGUSR1, lambda *_: os._exit(10 + (os.fstatvfs(self.mount).f_flag & RDONLY_FLAG)))
            while True:
                signal.pause()
        os.close(self.ready)
        if os.read(ready, 1) != b"x":
            raise AssertionError("the holder did not come up")
        os.close(ready)

    def end(self):
        """True if the file system it held is read-only now."""
        os.kill(self.pid, signal.SIGUSR1)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == 11


def all_active(guest):
    return guest.wait(lambda s: all(x["state"] == "active" for x in s["services"].values()), "all active")


def power_off(guest, within=20):
    start = time.monotonic()
    check(guest.request(POWEROFF) == 0, "accepted")
    check(guest.wait_end(within) == "signal 2", guest.end_line)
    return time.monotonic() - start


def unmounted(guest):
    """(how many were unmounted, how many were busy), from the log."""
    counts = [re.search(rf"(\d+) file systems {word}", guest.log_text()) for word in ("unmounted", "are busy")]
    return tuple(int(count[1]) if count else 0 for count in counts)


STRANGE = ("with space", "tab\there", "line\nbreak", "back\\slash", "\\040", "ünï", "#hash", "x" * 255, "-o", "...")


@scenario("500 mounts, nested, stacked, with strange names and the longest paths: all go, in both modes")
def many_mounts(_test):
    def make():
        mount("t", "/data", "tmpfs", "size=32m,nr_inodes=20000")
        for i in range(500):
            os.mkdir(f"/data/{i}")
            mount("t", f"/data/{i}", "tmpfs", "size=64k")
        for name in STRANGE:
            os.mkdir(f"/data/{name}")
            mount("t", f"/data/{name}", "tmpfs", "size=64k")
        os.mkdir("/data/stack")
        for _ in range(40):
            mount("t", "/data/stack", "tmpfs", "size=64k")
        path = "/data"
        while len(path) + 251 < 4096:
            path += "/" + "n" * 250
            os.mkdir(path)
            mount("t", path, "tmpfs", "size=64k")
        mount("t", "/data/7", "tmpfs", "size=64k")  # younger than what it hides
        os.mkdir("/data/7/x")
        mount("t", "/data/7/x", "tmpfs", "size=64k")

    for mode in ("wsl", "vm"):
        with Guest(units={"a.service": unit("ready sleep")}, mode=mode) as guest:
            all_active(guest)
            inside(guest, make)
            power_off(guest)
            done, busy = unmounted(guest)
            check(busy == 0, f"{mode}: {busy} busy\n{guest.log_text()}")
            check(done >= 1 + 500 + len(STRANGE) + 40 + 16 + 2, f"{mode}: {done} unmounted")


@scenario("overlays stacked on the data disk, mounts in /run of the engine: all go before the disk")
def overlays(_test):
    def make():
        mount("t", "/data", "tmpfs")
        for name in ("l", "u", "w", "m", "u2", "w2"):
            os.mkdir(f"/data/{name}")
        mount("o", "/data/m", "overlay", "lowerdir=/data/l,upperdir=/data/u,workdir=/data/w")
        os.makedirs("/run/containerd/task/c1/rootfs")
        mount("o", "/run/containerd/task/c1/rootfs", "overlay",
              "lowerdir=/data/m,upperdir=/data/u2,workdir=/data/w2")
        os.makedirs("/run/docker/netns")
        mount("t", "/run/docker/netns", "tmpfs")

    for mode in ("wsl", "vm"):
        with Guest(units={"a.service": unit("ready sleep")}, mode=mode) as guest:
            all_active(guest)
            inside(guest, make)
            power_off(guest)
            done, busy = unmounted(guest)
            check(done >= 4 and busy == 0, f"{mode}: {done} unmounted, {busy} busy\n{guest.log_text()}")


@scenario("WSL: what keel did not mount stays, /mnt/wsl does not hear of our end")
def foreign_mounts(_test):
    def make():
        for path in ("/mnt/wsl/shared", "/mnt/c", "/mnt/wsl/docker-desktop"):
            os.makedirs(path)
            mount("foreign", path, "tmpfs")
        mount("t", "/data", "tmpfs")

    with Guest(units={"a.service": unit("ready sleep")}) as guest:
        all_active(guest)
        inside(guest, make)
        holder = Holder(guest, "/mnt/wsl/shared/file", os.O_RDWR | os.O_CREAT)
        mounts = f"/proc/{holder.pid}/mountinfo"
        power_off(guest)
        with open(mounts, encoding="utf-8") as file:
            points = {line.split()[4]: line for line in file}
        check(not holder.end(), "a foreign mount became read-only")
        check({"/mnt/wsl/shared", "/mnt/c", "/mnt/wsl/docker-desktop", "/mnt/wsl", "/run", "/proc"} <= set(points),
              f"{sorted(points)}")
        check("/data" not in points, "the data disk is still there")
        check("shared:" not in points["/mnt/wsl"], "other distros would hear of it: " + points["/mnt/wsl"])
        check(unmounted(guest)[0] == 1, guest.log_text())


def ext4_state(path):
    """(cleanly unmounted, journal to be replayed) of an ext4 image, from its superblock."""
    with open(path, "rb") as file:
        file.seek(1024)
        block = file.read(1024)
    return struct.unpack_from("<H", block, 0x3a)[0] & 1 == 1, struct.unpack_from("<I", block, 0x60)[0] & 4 == 4


@scenario("a data disk that a foreign process keeps busy becomes read-only: nothing to repair afterwards", deadline=200)
def busy_disk(_test):
    if engine.unavailable() and not is_real_root():
        raise Skip("needs root and loop devices")
    with engine.data_disk("64M") as disk:
        with Guest(units={"a.service": unit("ready sleep")}, devs=[disk.device]) as guest:
            all_active(guest)
            inside(guest, lambda: mount(disk.device, "/data", "ext4"))
            inside(guest, lambda: open("/data/file", "w", encoding="ascii").write("kept\n"))
            check(ext4_state(disk.path)[1], "it is in use, its journal too")
            holder = Holder(guest, "/data/file", os.O_RDONLY)
            power_off(guest)
            check("/data is busy: read-only now" in guest.log_text(), guest.log_text())
            check(ext4_state(disk.path) == (True, False), f"state {ext4_state(disk.path)}")
            check(holder.end(), "read-only for who still holds it")
        code, text = disk.check()
        check(code == 0, text)


@scenario("a loop device on the data disk is detached, so that the disk can go", deadline=200)
def loop_on_data(test):
    if engine.unavailable():
        raise Skip("needs root and loop devices")
    with open(engine.LOOP_LOCK, "w", encoding="ascii") as lock, \
            Guest(units={"a.service": unit("ready sleep")}) as guest:
        fcntl.flock(lock, fcntl.LOCK_EX)
        guest.deadline = time.monotonic() + 40
        all_active(guest)
        inside(guest, lambda: mount("t", "/data", "tmpfs"))
        image = guest.path("/data/image")
        subprocess.run(["mke2fs", "-q", "-t", "ext4", image, "8M"], check=True)
        device = subprocess.run(["losetup", "-f", "--show", image], check=True, capture_output=True,
                                text=True).stdout.strip()
        test.cleanup(lambda: subprocess.run(["losetup", "-d", device], check=False, stderr=subprocess.DEVNULL))

        node = os.stat(device).st_rdev

        def use():
            os.mknod(device, 0o600 | stat.S_IFBLK, node)
            os.mkdir("/data/inner")
            mount(device, "/data/inner", "ext4")

        inside(guest, use)
        power_off(guest)
        check(unmounted(guest) == (2, 0), guest.log_text())
        backing = f"/sys/block/{os.path.basename(device)}/loop/backing_file"
        check(not os.path.exists(backing), "the loop device was detached")


@scenario("a data disk on which a foreign process writes can be neither unmounted nor made read-only: it ends")
def written_disk(_test):
    with Guest(units={"a.service": unit("ready sleep")}) as guest:
        all_active(guest)
        inside(guest, lambda: mount("t", "/data", "tmpfs"))
        holder = Holder(guest, "/data/file", os.O_RDWR | os.O_CREAT)
        check(power_off(guest) < ALL_KILLED, "no time was lost")
        check("cannot unmount /data, nor remount it read-only" in guest.log_text(), guest.log_text())
        check(not holder.end(), "it was written to the end")


@contextlib.contextmanager
def hanging(guest, call, path=None):
    """A system call (on this path) hangs: it is delayed by an hour. Once PID 1 has given its last order the tracer
    lets go, for a traced process keeps its namespace alive."""
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(guest.pid),
                               *(["-P", path] if path else []), "-e", f"trace={call}", "-e", f"inject={call}:delay_enter=3600s"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def let_go():
        with contextlib.suppress(AssertionError):
            guest.retry(lambda: "powering off" in guest.log_text() or not guest.watcher.is_alive(), "the last order")
        tracer.kill()

    try:
        guest.retry(lambda: guest.status("TracerPid") != "0", "strace is attached")
        waiter = threading.Thread(target=let_go, daemon=True)
        waiter.start()
        yield
    finally:
        tracer.kill()
        tracer.wait()
        waiter.join()


def can_trace():
    try:
        subprocess.run(["strace", "-o", "/dev/null", "-e", "inject=getppid:delay_enter=1", "true"], check=True,
                       capture_output=True)
        return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"strace: {error}"


def make_three():
    mount("t", "/data", "tmpfs")
    for name in ("one", "stuck", "three"):
        os.mkdir(f"/data/{name}")
        mount("t", f"/data/{name}", "tmpfs")


@scenario("an unmount that hangs for ever is left out, all else is unmounted, and it ends within its bound",
          skip=can_trace, deadline=90)
def stuck_mount(_test):
    for mode in ("wsl", "vm"):
        with Guest(units={"a.service": unit("ready sleep")}, mode=mode) as guest:
            all_active(guest)
            inside(guest, make_three)
            with hanging(guest, "umount2", "/data/stuck"):
                took = power_off(guest, 30)
            log = guest.log_text()
            check("umount /data/stuck hangs: going on without it" in log, log)
            check(log.count("hangs") == 1, log)
            # "three" by the first child; "one" by the second; /data is busy because of the stuck one
            check(unmounted(guest)[1] == 2, log)
            # A third of what is left of boot.grace (25 s) under WSL, else 10 s
            check((7.5 if mode == "wsl" else 10) <= took < (12 if mode == "wsl" else 14), f"{mode}: {took} s")


@scenario("all that can hang hangs, also each unmount: under WSL it ends within boot.grace", skip=can_trace, deadline=60)
def stuck_within_grace(_test):
    with Guest(units={"a.service": unit("ignore:15 ready sleep", service_keys="TimeoutStopSec=60s"),
                      "keel-agent.service": unit("ignore:15 ready sleep",
                                                 service_keys="Slice=keel.slice\nTimeoutStopSec=60s")},
               files={"/etc/keel/keel.conf": "[boot]\ngrace = 6\n"}) as guest:
        all_active(guest)
        inside(guest, make_three)
        with hanging(guest, "umount2,mount,syncfs"):
            took = power_off(guest, 20)
        check(guest.log_text().count("hangs: going on") >= 2, guest.log_text())
        check(4 < took < 7, f"{took} s")


@scenario("a sync and a remount that hang for ever: the rest is done, and it ends", skip=can_trace, deadline=90)
def stuck_others(_test):
    for call, path, words in (("sync", None, "sync everything hangs"), ("mount", "/", "remount read-only / hangs")):
        with Guest(units={"a.service": unit("ready sleep")}, mode="vm") as guest:
            all_active(guest)
            inside(guest, make_three)
            with hanging(guest, call, path):
                took = power_off(guest, 30)
            check(words in guest.log_text() and guest.log_text().count("hangs") == 1, guest.log_text())
            check(unmounted(guest)[1] == 0, guest.log_text())
            check(10 <= took < 14, f"{call}: {took} s")


@scenario("a FUSE server that answers nothing: its mount goes all the same, in both modes",
          skip=lambda: None if os.path.exists("/dev/fuse") else "no /dev/fuse")
def dead_file_server(test):
    for mode in ("wsl", "vm"):
        with Guest(units={"a.service": unit("ready sleep")}, mode=mode) as guest:
            all_active(guest)
            inside(guest, make_three)
            ready, done = os.pipe()
            server = os.fork()
            if server == 0:
                fuse = os.open("/dev/fuse", os.O_RDWR)
                os.setns(os.open(f"/proc/{guest.pid}/ns/mnt", os.O_RDONLY), os.CLONE_NEWNS)
                mount("fuse", "/data/stuck", "fuse", f"fd={fuse},rootmode=40000,user_id=0,group_id=0")
                os.write(done, b"x")
                while True:
                    signal.pause()
            test.cleanup(os.kill, server, signal.SIGKILL)
            os.close(done)
            check(os.read(ready, 1) == b"x", "the server has mounted it")
            check(power_off(guest) < 5, "nobody waited for the server")
            check(unmounted(guest)[1] == 0, guest.log_text())


@scenario("a second request does not wait for an unmount that hangs", skip=can_trace)
def stuck_mount_hurry(_test):
    with Guest(units={"a.service": unit("ready sleep")}) as guest:
        all_active(guest)
        inside(guest, make_three)
        with hanging(guest, "umount2", "/data/stuck"):
            start = time.monotonic()
            check(ask_until_end(guest, lambda: os.kill(guest.pid, signal.SIGTERM)) == "signal 2", guest.end_line)
        check(time.monotonic() - start < 8, "not the whole bound")
        check("umount /data/stuck hangs" in guest.log_text() and "asked again" in guest.log_text(), guest.log_text())


def ask_until_end(guest, ask):
    """As somebody does who loses patience."""
    end = time.monotonic() + 20
    while guest.watcher.is_alive() and time.monotonic() < end:
        try:
            ask()
        except OSError:
            break
        guest.watcher.join(0.2)
    return guest.wait_end(5)


STUBBORN = unit("ignore:15 ready sleep", service_keys="TimeoutStopSec=60s")


@scenario("a second request kills what hangs; the first one's command counts; a request at once is the same one")
def second_request(_test):
    units = {"stubborn.service": STUBBORN, "keel-agent.service": unit("onterm:agent ready sleep",
                                                                      service_keys="Slice=keel.slice")}
    # Under WSL only a signal counts.
    for mode, ask in (("wsl", lambda guest: os.kill(guest.pid, signal.SIGINT)),
                      ("vm", lambda guest: guest.request(REBOOT))):
        with Guest(units=units, mode=mode) as guest:
            all_active(guest)
            check(guest.request(POWEROFF) == 0, "accepted")
            start = time.monotonic()
            check(ask_until_end(guest, lambda: ask(guest)) == "signal 2", guest.end_line)
            check(time.monotonic() - start < 10, "it did not wait for the timeout")
            check("asked again" in guest.log_text(), guest.log_text())
            check(guest.event_names() == ["agent"], f"the agent ended in good order: {guest.event_names()}")
    with Guest(units={"slow.service": unit("onterm:slow:700 ready sleep")}) as guest:
        all_active(guest)
        check(guest.request(POWEROFF) == 0 and guest.request(POWEROFF) == 0, "accepted")
        os.kill(guest.pid, signal.SIGTERM)
        check(guest.wait_end() == "signal 2", guest.end_line)
        check(guest.event_names() == ["slow"], "it got its time")
        check("asked again" not in guest.log_text(), guest.log_text())


@scenario("an agent that hangs or is gone does not hold the end up")
def lost_agent(_test):
    agent = unit("ready sleep", service_keys="Slice=keel.slice\nTimeoutStopSec=500ms\nRestart=always")
    for mode in ("wsl", "vm"):
        with Guest(units={"keel-agent.service": agent, "a.service": unit("onterm:a ready sleep")}, mode=mode) as guest:
            state = all_active(guest)
            guest.kill(state["services"]["keel-agent.service"]["pid"], signal.SIGSTOP)
            check(power_off(guest) < 5, "its timeout, no more")
            check(guest.event_names() == ["a"], guest.event_names())
    with Guest(units={"keel-agent.service": agent}, without=["/usr/lib/keel/keel-agent"]) as guest:
        guest.retry(lambda: "keel-agent.service" in guest.snapshot()["services"], "the boot is over")
        power_off(guest)


@scenario("containers that outlive their engine: SIGTERM, up to 10 s, then SIGKILL; under WSL nobody else is touched",
          deadline=90)
def containers_left(_test):
    """A process in the group of containers, as dockerd with live-restore leaves them."""
    def boot(words, mode):
        guest = Guest(units={"shim.service": unit(words + " ready sleep", service_keys="KillMode=process\nSlice=engine.slice")},
                      mode=mode)
        if not guest.cgroup:
            raise Skip("no cgroup v2 hierarchy to write to")
        return guest

    def contain(guest):
        """The child that `leave:` made goes into a container's group."""
        state = all_active(guest)
        main = state["services"]["shim.service"]["pid"]
        child = next(outside for inside_pid, (outside, *_rest, parent) in guest.processes().items() if parent == main)
        group = f"{guest.cgroup}/base/containers/c1"
        os.makedirs(group)
        with open(f"{group}/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write(str(child))

    for mode in ("wsl", "vm"):
        with boot("onterm:main leave:container:3000", mode) as guest:
            contain(guest)
            took = power_off(guest)
            check(guest.event_names() == ["main", "container"], f"{mode}: {guest.event_names()}")
            check(3 <= took < 6, f"{mode}: ended when the container did, after {took} s")
        with boot("leave:container:60000", mode) as guest:
            contain(guest)
            took = power_off(guest)
            check(guest.event_names() == [], f"{mode}: {guest.event_names()}")
            check(9.5 < took < 14, f"{mode}: SIGKILL after 10 s, not {took} s")
            check(not os.path.exists(f"{guest.dir}/upper/var/test/foreign-init-died"), "foreign processes live")


@scenario("WSL: a service's leftovers outside of containers get SIGTERM and 2 s, then SIGKILL")
def services_left(_test):
    with Guest(units={"a.service": unit("leave:left:100 onterm:a ready sleep", service_keys="KillMode=process")}) as guest:
        if not guest.cgroup:
            raise Skip("no cgroup v2 hierarchy to write to")
        all_active(guest)
        power_off(guest)
        check(guest.event_names() == ["a", "left"], guest.event_names())
    with Guest(units={"a.service": unit("leave:left:60000 onterm:a ready sleep",
                                        service_keys="KillMode=process\nSlice=odd.slice")}) as guest:
        all_active(guest)
        check(2 <= power_off(guest) < ALL_KILLED + 1, "killed after its grace")
        check(guest.event_names() == ["a"], guest.event_names())


@scenario("no process can be had to unmount with: PID 1 does it itself", skip=can_trace)
def no_fork(_test):
    with Guest(units={"a.service": unit("ready sleep")}) as guest:
        all_active(guest)
        inside(guest, make_three)
        tracer = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-p", str(guest.pid), "-e",
                                   "inject=fork,vfork,clone,clone3:error=EAGAIN"], stdin=subprocess.DEVNULL)
        try:
            guest.retry(lambda: guest.status("TracerPid") != "0", "strace is attached")
            power_off(guest)
        finally:
            tracer.kill()
            tracer.wait()
        check("cannot start a process to unmount" in guest.log_text(), guest.log_text())
        check(unmounted(guest) == (4, 0), guest.log_text())
