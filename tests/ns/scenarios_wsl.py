"""WSL: the end within its grace, and the fall-back where WSL's own init stays PID 1."""
import contextlib
import ctypes
import os
import signal
import subprocess
import time

import engine
from control import Closed
from guest import Guest, cgroup2_mount, in_mounts_of, unit
from harness import Skip, check, scenario

POWEROFF, REBOOT = 7, 8
PID1 = ["/usr/bin/svc", "sleep"]  # what stays PID 1 for the fall-back: it is not keel-init, as WSL's init is not


def enter(guest, *words, spaces=("mnt", "pid", "net", "uts", "ipc"), copy=False,
          user=None):
    """Runs a program in namespaces of the guest's PID 1, as WSL does with commands and sessions; copy: in a copy of its
    mounts. Returns its Popen."""
    fds = [os.open(f"/proc/{guest.pid}/ns/{name}", os.O_RDONLY) for name in spaces]
    procs = None
    if guest.cgroup:
        os.makedirs(f"{guest.cgroup}/base/command", exist_ok=True)
        procs = os.open(f"{guest.cgroup}/base/command/cgroup.procs", os.O_WRONLY)
        fds.append(procs)

    def join():
        if procs:
            os.write(procs, b"0")
            fds.remove(procs)
        for fd in fds:
            os.setns(fd, 0)
        if copy:
            os.unshare(os.CLONE_NEWNS)
        os.chdir("/")
        if user:
            os.setuid(user)
        if "pid" in spaces and os.fork():  # a PID namespace is for children
            os._exit(os.waitstatus_to_exitcode(os.wait()[1]))

    try:
        return subprocess.Popen(words, preexec_fn=join, stdin=subprocess.DEVNULL,  # pylint: disable=subprocess-popen-preexec-fn
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={"WSL_DISTRO_NAME": "keel"})
    finally:
        for fd in fds:
            os.close(fd)


def fall_back(guest, code=0):
    process = enter(guest, "/sbin/init", "--fallback")
    _, errors = process.communicate(timeout=10)
    check(process.returncode == code, f"status {process.returncode}: {errors}\n{guest.describe()}")
    return errors


@contextlib.contextmanager
def session(guest):
    """A process in a copy of the mounts that PID 1 has, as a session of another elevation is. Gives its pid."""
    process = enter(guest, "/usr/bin/svc", "ready", "sleep", spaces=("mnt",), copy=True)
    try:
        own = os.stat(f"/proc/{guest.pid}/ns/mnt").st_ino
        guest.retry(lambda: os.stat(f"/proc/{process.pid}/ns/mnt").st_ino not in
                    (own, os.stat("/proc/self/ns/mnt").st_ino), "the session has its mounts")
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def mount_points(pid):
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as table:
        return [line.split()[4] for line in table]


def inner_init(guest):
    """The pid, seen from outside, of the PID 1 that the fall-back made; None if there is none."""
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, StopIteration):
            if entry.isdigit() and os.readlink(f"/proc/{entry}/exe").endswith("/sbin/init"):
                with open(f"/proc/{entry}/status", encoding="utf-8") as file:
                    pids = next(line.split()[1:] for line in file if line.startswith("NSpid:"))
                if len(pids) > 2 and pids[-1] == "1" and \
                        os.stat(f"/proc/{entry}/root/var/test").st_ino == os.stat(guest.path("/var/test")).st_ino:
                    return int(entry)
    return None


def all_active(guest):
    return guest.wait(lambda s: all(x["state"] == "active" for x in s["services"].values()), "all active")


# ---- what a session waits for ----------------------------------------------------------------------

def ask(guest):
    """What WSL's grep would see: the answer of one `systemctl is-system-running`, and its status."""
    code, out, _ = guest.run("systemctl", "is-system-running", check=False)
    return out.strip(), code


LOOPING = "[Service]\nType=simple\nExecStart=/bin/false\nRestart=always\nRestartSec=10ms\nStartLimitBurst=0\n" \
          "Slice=keel.slice\n[Install]\nWantedBy=multi-user.target\n"
CONF, NO_DISK = "/etc/keel/keel.conf", "[disk]\ndata = LABEL=keel-nowhere\n"
NO_ENGINE = ["containerd.service", "docker.service"]
# The state of the boot, what a session may be told, once PID 1 has had a moment.
STATES = {
    "nothing is wrong": ({}, "running"),
    "the data disk is awaited": ({"config": "[disk]\nwait = 3600\n"}, "running"),
    "the data disk never came": ({"config": "[disk]\nwait = 0\n"}, "degraded"),
    "the configuration is rubbish": ({"files": {CONF: "[disk]\nenabled = no\n[[[\0\n=\n" + "x" * 9000}}, "running"),
    "the agent crashes again and again": (
        {"files": {"/usr/lib/keel/units/keel-agent.service": LOOPING}}, "running"),
    "a unit is broken": ({"files": {"/etc/keel/units/x.service": "[Service]\nExecStart=no\n[Install]\nWantedBy=x\n"}},
                         "degraded"),
    "a rescue: mount(2) is refused": ({"enosys": "mount"}, "degraded"),
    "the last resort: there is no loop": ({"enosys": "epoll_create1"}, "degraded"),
}


@scenario("WSL: no state of the boot keeps a session waiting, and each is told truthfully", deadline=120,
          skip=engine.unavailable)
def no_waiting(test):
    with open(f"{cgroup2_mount()}/cgroup.controllers", encoding="ascii") as file:
        well = "running" if "memory" in file.read() else "degraded"  # for want of controllers
    for name, (options, expected) in STATES.items():
        expected = well if expected == "running" else expected
        with test.step(name), engine.EngineGuest(masked=NO_ENGINE, **options) as guest:
            start = time.monotonic()
            first, word = None, None
            while word != expected and time.monotonic() - start < 10:
                word, code = ask(guest)
                check(word in ("starting", "running", "degraded"), f"{word}")
                check(code == (0 if word == "running" else 1), f"{word}: status {code}")
                if first is None and word != "starting":
                    first = time.monotonic() - start
            check(word == expected, f"{word}, not {expected}\n{guest.describe()}")
            check(first < 5, f"the first session waited {first:.2f} s")
            check(guest.run("systemctl", "poweroff", check=False)[0] == 0, "poweroff")
            check(guest.wait_end(20) == "signal 2", guest.end_line)


# ---- the end ------------------------------------------------------------------------------------

STUBBORN = "ignore:15 ready sleep"


@scenario("WSL: with everything stubborn that can be, all is over within boot.grace")
def within_grace(_test):
    units = {"docker.service": unit(STUBBORN, service_keys="TimeoutStopSec=60s\nSlice=engine.slice"),
             "hanging.service": unit("ready sleep", service_keys="ExecStop=/usr/bin/svc sleep\nTimeoutStopSec=60s"),
             "containerd.service": unit("leave:left:60000 " + STUBBORN,
                                        service_keys="TimeoutStopSec=60s\nKillMode=process\nSlice=engine.slice"),
             "keel-agent.service": unit(STUBBORN, service_keys="TimeoutStopSec=60s\nSlice=keel.slice")}
    for grace in (2, 5):
        with Guest(units=units, files={"/etc/keel/keel.conf": f"[boot]\ngrace = {grace}\n"}) as guest:
            all_active(guest)
            start = time.monotonic()
            check(guest.request(POWEROFF) == 0, "accepted")
            check(guest.watcher.is_alive(), "the request comes back before the end")
            check(guest.wait_end(grace + 5) == "signal 2", guest.end_line)
            took = time.monotonic() - start
            check(0.66 * grace <= took < grace + 3, f"grace {grace} s: {took:.2f} s\n{guest.log_text()}")
            check("unmounting" in guest.log_text(), guest.log_text())
            check(not os.path.exists(f"{guest.dir}/upper/var/test/foreign-init-died"), "foreign processes live")


@scenario("WSL: without a grace, and in a VM, everybody has their own time")
def no_grace(_test):
    units = {"a.service": unit(STUBBORN, service_keys="TimeoutStopSec=3s")}
    for mode, grace in (("wsl", 0), ("vm", 1)):
        with Guest(units=units, mode=mode, files={"/etc/keel/keel.conf": f"[boot]\ngrace = {grace}\n"}) as guest:
            all_active(guest)
            start = time.monotonic()
            check(guest.request(POWEROFF) == 0, "accepted")
            check(guest.wait_end() == "signal 2", guest.end_line)
            check(2.9 < time.monotonic() - start < 5, f"{mode}: {time.monotonic() - start:.2f} s")


@scenario("WSL: a second poweroff (that of wsl -t, after a person's) hurries nothing; a signal does")
def second_request(_test):
    units = {"a.service": unit("ignore:15 ready sleep", service_keys="TimeoutStopSec=60s")}
    with Guest(units=units, files={"/etc/keel/keel.conf": "[boot]\ngrace = 60\n"}) as guest:
        all_active(guest)
        start = time.monotonic()
        check(guest.request(POWEROFF) == 0, "accepted")
        # Requests within 2 s of the first are one with it: time itself is what is tested.
        time.sleep(start + 2.1 - time.monotonic())
        check(guest.request(POWEROFF) == 0, "accepted")
        check(guest.snapshot()["services"]["a.service"]["state"] == "stopping", guest.describe())
        check("asked again" not in guest.log_text(), guest.log_text())
        os.kill(guest.pid, signal.SIGTERM)
        check(guest.wait_end(20) == "signal 2", guest.end_line)
        check("asked again (by signal)" in guest.log_text(), guest.log_text())


# ---- the fall-back -------------------------------------------------------------------------------

def fall_back_guest(**more):
    return Guest(units={"a.service": unit("onterm:a record:/var/test/record ready sleep")}, init=PID1, **more)


@scenario("fall-back: PID 1 of a namespace of its own, reached from outside, ended by request, started again")
def fall_back_lives(_test):
    with fall_back_guest() as guest:
        for _ in range(2):
            fall_back(guest)
            state = all_active(guest)
            check(guest.snapshot()["boot"]["mode"] == "wsl", "WSL's rules count")
            inner = inner_init(guest)
            check(inner, "there is a PID 1")
            pid = state["services"]["a.service"]["pid"]
            check(pid in range(2, 100), f"pid {pid} is the inner namespace's")
            check(os.path.exists(f"/proc/{inner}/root/proc/{pid}/exe"), "/proc there is its own")
            check(mount_points(guest.pid).count("/proc") == 1, "its /proc reached us")
            fds = {fd: os.readlink(f"/proc/{inner}/fd/{fd}") for fd in ("0", "1")}
            check(fds == {"0": "/dev/null", "1": "/dev/null"}, f"{fds}")
            errors = fall_back(guest, code=1)
            check("runs already" in errors, errors)
            check(guest.request(POWEROFF) == 0, "accepted")
            guest.retry(lambda: inner_init(guest) is None, "it has ended")
        check(guest.event_names() == ["a", "a"], guest.event_names())
        check(guest.watcher.is_alive() and guest.processes(), "what is outside lives on")


@scenario("fall-back: a reboot starts it again, each time; a poweroff after that ends it for good")
def fall_back_reboots(_test):
    with fall_back_guest() as guest:
        fall_back(guest)
        for _ in range(2):
            all_active(guest)
            inner, begun = inner_init(guest), guest.snapshot()["boot"]["start_us"]
            check(guest.request(REBOOT) == 0, "accepted")
            guest.retry(lambda inner=inner: inner_init(guest) not in (None, inner), "another one")
            guest.retry(lambda begun=begun: started(guest) not in (None, begun), "it listens")
            check(mount_points(guest.pid).count("/proc") == 1, "its /proc reached us")
        all_active(guest)
        check("runs already" in fall_back(guest, code=1), "it is locked")
        check(guest.request(POWEROFF) == 0, "accepted")
        guest.retry(lambda: inner_init(guest) is None, "it has ended")
        fall_back(guest)
        all_active(guest)
        check(guest.event_names() == ["a"] * 3, guest.event_names())


def started(guest):
    """When the boot began of the PID 1 that listens; None without one."""
    try:
        return guest.snapshot()["boot"]["start_us"]
    except (OSError, Closed):
        return None


@scenario("fall-back: a session that stands in /data keeps it mounted, read-only; the next start has it writable",
          deadline=120, skip=engine.unavailable)
def fall_back_session_in_data(_test):
    with engine.data_disk("64M") as disk, \
            engine.EngineGuest(disk, init=["/bin/sleep", "1000"], masked=NO_ENGINE) as guest:
        fall_back(guest)
        guest.wait(lambda s: s["disk"]["state"] == "mounted", "the disk is mounted")
        code, out, errors = guest.run("/usr/lib/keel/keel-disk", "repair", check=False)
        check(code == 1 and "init --fallback" in out + errors, f"by hand, from a session: {code} {out} {errors}")
        check("/data" in mount_points(guest.pid), "nothing was unmounted")
        stander = enter(guest, "/bin/sh", "-c", "cd /data; exec sleep 1000", spaces=("mnt",))
        try:
            guest.retry(lambda: os.readlink(f"/proc/{stander.pid}/cwd").endswith("/data"), "a session stands in it")
            check(guest.request(POWEROFF) == 0, "accepted")
            guest.retry(lambda: inner_init(guest) is None, "it has ended")
            check(os.statvfs(guest.path("/data")).f_flag & os.ST_RDONLY, "it stayed, read-only")
            fall_back(guest)
            guest.wait(lambda s: s["disk"]["state"] == "mounted", "mounted, not refused")
            check(not os.statvfs(guest.path("/data")).f_flag & os.ST_RDONLY, "it is writable")
        finally:
            stander.kill()
            stander.communicate()
        check(guest.request(POWEROFF) == 0, "accepted")
        guest.retry(lambda: inner_init(guest) is None, "it has ended")
        check("/data" not in mount_points(guest.pid), "unmounted")


@scenario("fall-back: mounts made in there are seen in sessions, and go for them too")
def fall_back_mounts(_test):
    with fall_back_guest(files={"/etc/test/keel-disk": "report:done"}) as guest:
        fall_back(guest)
        all_active(guest)
        inner = inner_init(guest)
        with session(guest) as pid:
            check(not os.path.ismount(f"/proc/{pid}/root/data"), "nothing yet")
            mount_in(inner, "/data")
            for who in (guest.pid, pid):
                check("/data" in mount_points(who), f"{mount_points(who)}")
            check(guest.request(POWEROFF) == 0, "accepted")
            guest.retry(lambda: inner_init(guest) is None, "it has ended")
            for who in (guest.pid, pid):
                check("/data" not in mount_points(who), f"{mount_points(who)}")


def mount_in(pid, target):
    """A tmpfs on target, made in the mount namespace of a process."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount():
        if libc.mount(b"t", target.encode(), b"tmpfs", 0, None) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    check(in_mounts_of(pid, mount), f"cannot mount on {target}")


@scenario("fall-back: not where PID 1 is keel-init, or is about to be (systemd=true runs the command too)")
def fall_back_not_needed(_test):
    with Guest(units={"a.service": unit("ready sleep")}) as guest:
        all_active(guest)
        check("not needed" in fall_back(guest), guest.log_text())
        check(inner_init(guest) is None, "there is no second one")
    guest = Guest(units={"a.service": unit("ready sleep")}, init=["/usr/bin/init-systemd", "sleep"])
    os.link(f"{guest.lower}/usr/bin/svc", f"{guest.lower}/usr/bin/init-systemd")
    with guest:
        check("not needed" in fall_back(guest), guest.log_text())
        check(inner_init(guest) is None and not os.path.exists(guest.path("/run/keel/control")), "nothing was started")


@scenario("fall-back: should PID 1 ever become keel-init beside it, that one does not start a second engine",
          skip=engine.unavailable)
def fall_back_beside(_test):
    # The fall-back first, then keel-init is executed by PID 1, as by a WSL that tells nobody of its plans.
    units = {"a.service": unit("ready sleep")}
    go = "until [ -e /run/go ]; do :; done; exec /sbin/init"
    with Guest(units=units, init=["/bin/sh", "-c", go], files={"/etc/test/x": ""}, root=engine.engine_root()) as guest:
        fall_back(guest)
        guest.retry(lambda: os.path.exists(guest.path("/run/keel/control")), "it listens")
        before = guest.snapshot()["boot"]["start_us"]
        with open(guest.path("/run/go"), "w", encoding="ascii"):
            pass
        guest.retry(lambda: "another keel-init does" in guest.log_text(), "it is seen")
        check(guest.snapshot()["boot"]["start_us"] == before, "its socket was taken over")
        with open(guest.path("/proc/1/comm"), encoding="ascii") as comm:
            check(comm.read() == "init-rescue\n", "who asks PID 1 is told")


@scenario("fall-back: with the shipped root: the engine works in a session; the data is whole after the end",
          deadline=120, skip=engine.unavailable)
def fall_back_engine(_test):
    with engine.data_disk("512M") as disk, engine.EngineGuest(disk, init=["/bin/sleep", "1000"]) as guest:
        fall_back(guest)
        guest.wait_ready()
        guest.import_image()
        code, out, errors = guest.docker("run", "--rm", "--network", "none", engine.IMAGE, "/busybox", "echo", "hello", check=False)
        check(code == 0 and "hello" in out, f"{code} {out} {errors}\n{guest.describe()}")
        check(guest.run("systemctl", "is-active", "docker", check=False)[0] == 0, "systemctl from a session")
        check(guest.run("systemctl", "poweroff", check=False)[0] == 0, "poweroff")
        guest.retry(lambda: inner_init(guest) is None, "it has ended")
        check("/data" not in mount_points(guest.pid), "the data disk is unmounted for sessions too")
        fall_back(guest)
        guest.wait_ready()
        check(engine.IMAGE in guest.docker("image", "ls")[1], "the image is there after a second start")


@scenario("WSL: a container that takes no SIGTERM and wants 60 s, and all is over within boot.grace, the disk clean",
          deadline=120, skip=engine.unavailable)
def container_within_grace(_test):
    with engine.data_disk("512M") as disk:
        with engine.EngineGuest(disk, config="[boot]\ngrace = 8\n") as guest:
            guest.wait_ready()
            guest.import_image()
            guest.docker("run", "-d", "--network", "none", "--stop-timeout", "60", "-v", "kept:/kept", engine.IMAGE,
                         "/busybox", "sh", "-c",
                         "trap '' TERM; echo written >/kept/file; /busybox sync; while :; do /busybox sleep 1; done")
            guest.retry(lambda: os.path.exists(guest.path("/data/docker/volumes/kept/_data/file")), "it has written")
            start = time.monotonic()
            check(guest.run("systemctl", "poweroff", check=False)[0] == 0 and guest.watcher.is_alive(), "at once")
            check(guest.wait_end(15) == "signal 2", guest.end_line)
            took = time.monotonic() - start
            check(took < 11, f"{took:.2f} s\n{guest.log_text()}")
            check("file systems are busy" not in guest.log_text(), guest.log_text())
        code, text = disk.check()
        check(code == 0 and "recovering journal" not in text, text)


@scenario("fall-back: killed outright, nothing of it is left but files, and it starts again")
def fall_back_killed(_test):
    with fall_back_guest() as guest:
        fall_back(guest)
        all_active(guest)
        os.kill(inner_init(guest), signal.SIGKILL)
        guest.retry(lambda: inner_init(guest) is None, "it is gone")
        fall_back(guest)
        all_active(guest)
        # `wsl -t` kills all there is: PID 1 takes the namespaces within its own along
        inner = inner_init(guest)
        os.kill(guest.pid, signal.SIGKILL)
        guest.wait_end(5)
        check(not os.path.exists(f"/proc/{inner}"), "the inner PID 1 outlived the distro")


@scenario("fall-back: refused to an ordinary user, told where it was asked")
def fall_back_user(_test):
    if os.geteuid() != 0:
        raise Skip("needs root")
    with fall_back_guest() as guest:
        result = enter(guest, "/sbin/init", "--fallback", spaces=("mnt",), user=65534)
        _, errors = result.communicate(timeout=10)
        check(result.returncode == 1 and "ordinary user" in errors, errors)


# ---- control groups that others are in, or were -----------------------------------------------------

def need_groups(guest):
    if not guest.cgroup:
        raise Skip("no cgroup v2 hierarchy to write to")


@scenario("WSL: groups of the time before, killed then, hold nobody up: the VM outlives the distro")
def groups_of_before(_test):
    with Guest(units={"a.service": unit("ready sleep", service_keys="Slice=odd.slice"),
                      "b.service": unit("ready sleep")}) as guest:
        need_groups(guest)
    guest = Guest(units={"a.service": unit("ready sleep", service_keys="Slice=odd.slice"), "b.service": unit("ready sleep")})
    for name in ("odd/a.service", "system/b.service", "containers/c1/below", "engine/docker.service", "keel/modules"):
        os.makedirs(f"{guest.cgroup}/base/{name}")
        with open(f"{guest.cgroup}/base/{name}/cgroup.kill", "w", encoding="ascii") as kill:
            kill.write("1")
    with guest:
        all_active(guest)
        check(not os.path.exists(f"{guest.cgroup}/base/containers/c1"), "the dead container's group is gone")
    guest = Guest(units={"b.service": unit("ready sleep")})
    os.makedirs(f"{guest.cgroup}/base/user/somebody")
    with guest:
        all_active(guest)
        check(os.path.exists(f"{guest.cgroup}/base/user/somebody"), "where no keel was, a group of that name is not ours")
        os.rmdir(f"{guest.cgroup}/base/user/somebody")


@scenario("WSL: no control group to be had beside eight other keels: told as that")
def too_many_neighbours(_test):
    with Guest(units={"a.service": unit("ready sleep")}) as holder:
        need_groups(holder)
        base = f"{holder.cgroup}/base"
        all_active(holder)
        own, guest = None, Guest(units={"a.service": unit("ready sleep")})
        own, guest.cgroup = guest.cgroup, holder.cgroup
        sleepers = []
        try:
            for n in range(2, 9):
                os.makedirs(f"{base}/keel-{n}/keel/init")
                sleepers.append(subprocess.Popen(["sleep", "1000"]))
                with open(f"{base}/keel-{n}/keel/init/cgroup.procs", "w", encoding="ascii") as procs:
                    procs.write(str(sleepers[-1].pid))
            with guest:
                guest.wait_service("a.service", "active")
                stage = guest.snapshot()["stages"]["cgroup"]
                check(stage["state"] == "degraded" and "no control group to be had" in stage["reason"], stage)
                guest.cgroup = None
        finally:
            for sleeper in sleepers:
                sleeper.kill()
                sleeper.wait()
            for path in (f"{own}/base", own):
                os.rmdir(path)


@scenario("WSL: two keels in one group: the end of the one does not reach the other")
def neighbours(_test):
    units = {"a.service": unit("onterm:a ready sleep")}
    with Guest(units=units) as first:
        need_groups(first)
        all_active(first)
        own, second = None, Guest(units=units)
        own, second.cgroup = second.cgroup, first.cgroup
        try:
            with second:
                all_active(second)
                check(os.path.isdir(f"{first.cgroup}/base/keel-2/system/a.service"), "it lives one level deeper")
                check(second.request(POWEROFF) == 0, "accepted")
                check(second.wait_end() == "signal 2", second.end_line)
                check(first.watcher.is_alive() and first.event_names() == [], first.event_names())
                second.cgroup = None
        finally:
            os.rmdir(f"{own}/base")
            os.rmdir(own)
        all_active(first)


@scenario("WSL: with an idle engine all is over at once: nobody holds a connection that dockerd waits for",
          deadline=120, skip=engine.unavailable)
def idle_engine(_test):
    with engine.data_disk("512M") as disk, engine.EngineGuest(disk) as guest:
        guest.wait_ready()
        guest.retry(lambda: guest.api("/v1/health")[1]["ready"], "the agent has seen the engine")
        start = time.monotonic()
        check(guest.run("systemctl", "poweroff", check=False)[0] == 0, "poweroff")
        check(guest.wait_end(20) == "signal 2", guest.end_line)
        took = time.monotonic() - start
        check(took < 4, f"{took:.2f} s")  # dockerd gives connections in use 5 s
