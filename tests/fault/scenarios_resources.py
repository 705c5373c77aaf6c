"""What is really used up: processes, memory, /run's space and inodes. PID 1 goes on and recovers by itself."""
import contextlib
import errno
import os
import tempfile
import time

from control import START, STOP
from guest import Guest, cgroup2_mount, is_real_root, unit
from harness import Skip, check, scenario
from inject import MS_REMOUNT, check_same, identity, kill_of_guest, mount_inside, writable_memory

RESTARTING = "Restart=always\nRestartSec=10ms\nStartLimitBurst=0"
V1 = "/sys/fs/cgroup"


class Limit:
    """A limit for PID 1 and all that it starts: in its own v2 group, or where the host has the controller in v1
    in a group of that hierarchy."""

    def __init__(self, guest, controller, file, file_v1):
        self.guest, self.top, self.v1 = guest, None, None
        if guest.cgroup and os.path.exists(f"{guest.cgroup}/{file}"):
            self.top, self.file = guest.cgroup, file
        elif is_real_root() and os.path.exists(f"{V1}/{controller}/cgroup.procs"):
            self.top = self.v1 = tempfile.mkdtemp(prefix="keel-fault-", dir=f"{V1}/{controller}")
            self.file = file_v1
        else:
            raise Skip(f"no {controller} controller: {cgroup2_mount() or 'no v2'}")

    def __enter__(self):
        if self.v1:
            for process in [*self.guest.processes().values(), (self.guest.pid,)]:
                with contextlib.suppress(ProcessLookupError):
                    self.write("cgroup.procs", process[0])
        return self

    def write(self, file, value):
        with open(f"{self.top}/{file}", "w", encoding="ascii") as out:
            out.write(str(value))

    def set(self, value):
        self.write(self.file, value)

    def read(self, file):
        with open(f"{self.top}/{file}", encoding="ascii") as text:
            return text.read().strip()

    def __exit__(self, *_):
        if not self.v1:
            return
        parent = os.path.dirname(self.v1)
        end = time.monotonic() + 5
        while os.path.isdir(self.v1):
            # The guest's processes go back before the group goes; those that are dying are waited for.
            for pid in self.read("cgroup.procs").split():
                with contextlib.suppress(OSError), open(f"{parent}/cgroup.procs", "w", encoding="ascii") as out:
                    out.write(pid)
            with contextlib.suppress(OSError):
                os.rmdir(self.v1)
            check(time.monotonic() < end, f"{self.v1} cannot be removed")


def recovered(guest, name, restarts):
    return guest.wait(lambda s: s["services"][name]["state"] == "active" and
                      s["services"][name]["restarts"] > restarts, f"{name} is up again")["services"][name]


@scenario("no process can be made (pids.max): services wait in backoff with the reason; room again, and they are up")
def no_pids(test):
    units = {"a.service": unit("ready sleep", service_keys="Restart=always\nRestartSec=10ms"),
             "bomb.service": unit("fork:5000 event:bombed ready sleep", enabled=False, service_keys="TimeoutStopSec=300ms")}
    with Guest(units=units) as guest, Limit(guest, "pids", "pids.max", "pids.max") as limit:
        first, before = guest.wait_service("a.service", "active"), identity(guest.pid)
        with test.step("the limit is reached: EAGAIN is the reason, no start limit, and it is over when there is room"):
            with guest.client() as client:
                client.snapshot()
                limit.set(1)
                guest.kill(first["pid"])
                guest.wait(lambda s: s["services"]["a.service"]["restarts"] >= 7 and
                           "temporarily unavailable" in s["services"]["a.service"]["reason"], "seven tries, the reason")
                check(client.snapshot()["services"]["a.service"]["state"] in ("backoff", "waiting"), "state")
                limit.set("max")
            tried = recovered(guest, "a.service", 0)
        with test.step("a fork bomb in a service: PID 1 answers, its stop makes room, the others come back"):
            limit.set(200)
            check(guest.request(START, "bomb.service") == 0, "accepted")
            guest.retry(lambda: int(limit.read("pids.current")) >= 200, "all 200 are used")
            guest.kill(tried["pid"])
            guest.wait(lambda s: s["services"]["a.service"]["state"] != "active", "its death was seen")
            check(guest.request(STOP, "bomb.service") == 0, "accepted")
            guest.wait(lambda s: s["services"]["bomb.service"]["state"] in ("inactive", "failed"), "the bomb is stopped")
            if not guest.cgroup:  # without a group only its main process can be ended by PID 1
                end_all(guest, "svc", tried["pid"])
            recovered(guest, "a.service", tried["restarts"])
            guest.retry(lambda: len([p for p in guest.processes().values() if p[1] == "svc"]) == 1, "nothing is left of it")
        check_same(guest, before, "without processes")


def end_all(guest, name, spared):
    for inside, process in guest.processes().items():
        if process[1] == name and inside != spared:
            kill_of_guest(guest, process[0])


@scenario("memory is used up: the hog dies again and again, PID 1 answers, keeps its memory and restarts what died",
          deadline=90)
def no_memory(test):
    hog = unit("hog:400 event:took-all ready sleep", enabled=False,
               service_keys="Restart=always\nRestartSec=10ms\nStartLimitBurst=4\nStartLimitIntervalSec=60s")
    with Guest(units={"a.service": unit("ready sleep", service_keys=RESTARTING + "\nOOMScoreAdjust=-900"), "hog.service": hog},
               seconds=60) as guest, Limit(guest, "memory", "memory.max", "memory.limit_in_bytes") as limit:
        first = guest.wait_service("a.service", "active")
        before, memory = identity(guest.pid), writable_memory(guest.pid)
        limit.set(48 << 20)
        slowest = 0.0
        with guest.client() as client:
            check(client.request(START, "hog.service") == 0, "accepted")
            while client.snapshot()["services"]["hog.service"]["state"] != "failed":
                start = time.monotonic()
                client.snapshot()
                slowest = max(slowest, time.monotonic() - start)
        failed = guest.snapshot()["services"]["hog.service"]
        check("took-all" not in guest.event_names(), "there was memory enough for the hog")
        check("killed by signal 9" in failed["reason"] or "emory" in failed["reason"], failed)
        check(slowest < 2, f"an answer took {slowest:.3f} s")
        check_same(guest, before, "without memory")
        check(writable_memory(guest.pid) == memory, "memory grew")
        services = guest.snapshot()["services"]
        check(services["a.service"]["state"] == "active", services["a.service"])
        guest.kill(services["a.service"]["pid"])
        recovered(guest, "a.service", services["a.service"]["restarts"])
        check(first["pid"] != guest.snapshot()["services"]["a.service"]["pid"], "a new process")
        test.note(f"memory used up {failed['restarts'] + 1} times, slowest answer {slowest * 1000:.0f} ms")
        limit.set(1 << 30)


def fill(path, name="filler"):
    """Writes until the file system says that it is full."""
    with open(f"{path}/{name}", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError as error:
            check(error.errno == errno.ENOSPC, error)


def use_inodes(path):
    """Makes files until there is no inode left; returns how many."""
    for number in range(100_000):
        try:
            os.close(os.open(f"{path}/inode-{number}", os.O_CREAT | os.O_WRONLY))
        except OSError as error:
            check(error.errno == errno.ENOSPC, error)
            return number
    raise AssertionError("no bound on inodes")


@scenario("/run is full, of data or of inodes: services start, stop and say that they are ready, clients are served")
def full_run(test):
    units = {"a.service": unit("ready sleep", service_keys=RESTARTING), "b.service": unit("ready sleep", enabled=False)}
    for what, options, use in (("space", "size=256k", fill), ("inodes", "nr_inodes=64", use_inodes)):
        with test.step(what), Guest(units=units) as guest:
            first = guest.wait_service("a.service", "active")
            before = identity(guest.pid)
            mount_inside(guest, "/run", "tmpfs", options, MS_REMOUNT)
            use(guest.path("/run"))
            stat = os.statvfs(guest.path("/run"))
            check(stat.f_bavail == 0 or stat.f_favail == 0, stat)
            guest.kill(first["pid"])
            recovered(guest, "a.service", 0)
            check(guest.request(START, "b.service") == 0, "accepted")
            guest.wait_service("b.service", "active")
            check(guest.request(STOP, "b.service") == 0, "accepted")
            guest.wait_service("b.service", "inactive")
            check_same(guest, before, f"/run has no {what}")
            os.kill(guest.pid, 15)
            check(guest.wait_end(10) == "signal 2", guest.end_line)


@scenario("/run has no room when PID 1 starts: it lives and says what it cannot do")
def full_run_at_boot(_test):
    with Guest(units={"a.service": unit("ready sleep")}, seconds=15,
               init=["/usr/bin/svc", "fifo:/var/test/go", "await:/var/test/go", "exec:/sbin/init"]) as guest:
        guest.retry(lambda: os.path.exists(guest.path("/var/test/go")), "held")
        mount_inside(guest, "/run", "tmpfs", "nr_inodes=16", MS_REMOUNT)
        use_inodes(guest.path("/run"))
        guest.release("/var/test/go")
        guest.retry(lambda: "cannot" in guest.log_text(), "the reason is in the log")
        check(guest.process.poll() is None, "PID 1 lives")
