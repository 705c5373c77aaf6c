"""Storms: more deaths, orphans, clients and kills at a time than anything normal brings.

KEEL_STORM_SECONDS (default 20) is how long the storms of kills take, KEEL_STORM_SEED repeats one.
"""
import contextlib
import math
import os
import random
import secrets
import signal
import socket
import threading
import time

from control import MAGIC, REQUEST, SNAPSHOT, START, STOP, SUBSCRIBE, VERSION, Client, Closed
from engine import IMAGE, EngineGuest, data_disk, engine_root, unavailable
from guest import Guest, unit
from harness import check, scenario
from inject import check_same, identity, kill_of_guest, run_seconds, writable_memory

SECONDS = float(os.environ.get("KEEL_STORM_SECONDS", "20"))
SEED = os.environ.get("KEEL_STORM_SEED") or secrets.token_hex(4)
RESTARTING = "Restart=always\nRestartSec=10ms\nStartLimitBurst=0"
FOREIGN = ("init", "init-watcher", "relay")  # launch.c's stand-ins for WSL's own
TOOLS = ("timeout",)  # the load's, not the guest's


def percentile(values, part):
    return sorted(values)[max(0, math.ceil(len(values) * part) - 1)]


def no_zombie(guest):
    return not [p for p in guest.processes().values() if p[2] == "Z" and p[3] == 1]


class Asker:
    """A client that asks again and again in a thread and keeps how long each answer took."""

    def __init__(self, guest):
        self.client, self.seconds, self.error = guest.client(), [], None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.stopping.is_set():
                start = time.monotonic()
                self.client.snapshot()
                self.seconds.append(time.monotonic() - start)
                self.stopping.wait(0.002)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        self.client.close()

    def verdict(self, limit):
        """In a line; fails if the client was dropped or 1 answer of 20 was not there in time. The slowest also waited
        for a processor, which the storm and the machine's other work take."""
        check(self.error is None, f"a client that was there: {self.error!r}")
        check(len(self.seconds) >= 20, f"only {len(self.seconds)} answers")
        most = percentile(self.seconds, 0.95)
        check(most <= limit, f"1 answer of 20 took longer than {most * 1000:.0f} ms")
        check(max(self.seconds) < 5, f"an answer took {max(self.seconds):.1f} s")
        return f"{len(self.seconds)} answers, median {percentile(self.seconds, 0.5) * 1000:.1f} ms, 95 % within " \
               f"{most * 1000:.1f} ms, slowest {max(self.seconds) * 1000:.1f} ms"


@scenario("100,000 orphans: all reaped, answers within 100 ms meanwhile, no zombie and no memory left behind", deadline=150)
def orphans(test):
    units = {f"s{i}.service": unit("orphans:25000 event:made ready sleep", enabled=False,
                                   service_keys="TimeoutStartSec=2min") for i in range(4)}
    with Guest(units={"up.service": unit("ready sleep"), **units}, seconds=140) as guest:
        guest.wait_service("up.service", "active")
        before, memory, used = identity(guest.pid), writable_memory(guest.pid), run_seconds(guest.pid)
        start = time.monotonic()
        with Asker(guest) as asker:
            for name in units:
                check(guest.request(START, name) == 0, name)
            guest.wait(lambda s: all(x["state"] == "active" for x in s["services"].values()), "all orphans were made")
        seconds, used = time.monotonic() - start, run_seconds(guest.pid) - used
        check(guest.event_names() == ["made"] * 4, guest.event_names())
        guest.retry(lambda: len([p for p in guest.processes().values() if p[1] == "svc"]) == 5 and no_zombie(guest),
                    "the orphans are gone, zombies included")
        check_same(guest, before, "after the storm")
        check(writable_memory(guest.pid) == memory, "memory grew")
        check(not any(x["restarts"] for x in guest.snapshot()["services"].values()), "a service was taken for an orphan")
        test.note(f"100,000 orphans in {seconds:.1f} s, {100000 / seconds:.0f} a second as fast as they were made, "
                  f"PID 1 used {used:.2f} s", asker.verdict(0.1))


@scenario("hundreds of children die while PID 1 is stopped: one SIGCHLD tells of all, every service's death is seen",
          deadline=60)
def coalesced(test):
    units = {f"s{i:02}.service": unit("fork:20 ready sleep", service_keys=RESTARTING) for i in range(24)}
    with Guest(units=units) as guest:
        before = guest.wait(lambda s: all(x["state"] == "active" for x in s["services"].values()), "up")["services"]
        count = len(guest.processes())
        os.kill(guest.pid, signal.SIGSTOP)
        guest.retry(lambda: guest.status("State").startswith("T"), "PID 1 is stopped")
        victims = [p[0] for p in guest.processes().values() if p[1] == "svc"]
        check(len(victims) == 24 * 21, f"{len(victims)} processes")
        check(all([kill_of_guest(guest, pid) for pid in victims]), "each was killed")
        guest.retry(lambda: all(p[2] == "Z" for p in guest.processes().values() if p[1] == "svc"), "all are dead")
        os.kill(guest.pid, signal.SIGCONT)
        after = guest.wait(lambda s: all(x["state"] == "active" and x["restarts"] == 1
                                         for x in s["services"].values()), "each restarted once")["services"]
        check(all(after[name]["pid"] != before[name]["pid"] for name in units), "new processes")
        guest.retry(lambda: len(guest.processes()) == count and no_zombie(guest), "as many processes as before")
        test.note(f"{len(victims)} deaths behind one signal, {len(units)} services restarted once each")


@scenario("a stopped service (SIGSTOP) is no dead one; stop ends it after TimeoutStopSec, shutdown too", deadline=60)
def stopped(_test):
    keys = "TimeoutStopSec=300ms"
    with Guest(units={"a.service": unit("ready sleep", service_keys=keys + "\n" + RESTARTING),
                      "b.service": unit("ready sleep", service_keys=keys), "c.service": unit("ready sleep")}) as guest:
        before = guest.wait(lambda s: all(x["state"] == "active" for x in s["services"].values()), "up")["services"]
        for name in ("a.service", "b.service"):
            guest.kill(before[name]["pid"], signal.SIGSTOP)
            guest.retry(lambda pid=before[name]["pid"]: state_of(guest, pid) == "T", "stopped")
        guest.kill(before["c.service"]["pid"])  # a death that PID 1 has to read
        guest.wait_service("c.service", "failed")
        services = guest.snapshot()["services"]
        check(services["a.service"]["state"] == services["b.service"]["state"] == "active", services)
        check(services["a.service"]["restarts"] == 0, services)
        check(guest.request(STOP, "a.service") == 0, "accepted")
        guest.wait_service("a.service", "inactive")
        check(state_of(guest, before["a.service"]["pid"]) is None, "its process is gone")
        os.kill(guest.pid, signal.SIGTERM)
        check(guest.wait_end(10) == "signal 2", guest.end_line)


def state_of(guest, inside):
    return guest.processes().get(inside, (0, "", None))[2]


# ---- the control socket ------------------------------------------------------------------------

FRAMES = (b"", b"\0", b"x" * 500, REQUEST.pack(MAGIC, VERSION, 999, b"a.service"), REQUEST.pack(MAGIC, 77, 1, b""),
          REQUEST.pack(1, VERSION, SNAPSHOT, b""), REQUEST.pack(MAGIC, VERSION, SNAPSHOT, b""),
          REQUEST.pack(MAGIC, VERSION, SUBSCRIBE, b""), REQUEST.pack(MAGIC, VERSION, START, b"\xff" * 32))


def pester(path, seed, seconds, result):
    """In a process of its own: connects, talks nonsense, half-closes, leaves without reading."""
    dice, end, count, held = random.Random(seed), time.monotonic() + seconds, 0, []
    while time.monotonic() < end:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.setblocking(False)
        try:
            client.connect(path)
            count += 1
            for _ in range(dice.randrange(40)):
                client.send(dice.choice(FRAMES))
            if dice.random() < 0.3:
                client.shutdown(dice.choice((socket.SHUT_WR, socket.SHUT_RD)))
        except OSError:
            pass  # refused, or the queue is full
        if dice.random() < 0.05:
            held.append(client)
        else:
            client.close()
        if len(held) > 3:
            held.pop(0).close()
    os.write(result, f"{count}\n".encode())


@scenario("a flood on the control socket: garbage, half-open and mute clients by the thousand; others are served",
          deadline=60)
def control_flood(test):
    with Guest(units={"a.service": unit("ready sleep", service_keys=RESTARTING)}, seconds=50) as guest:
        first = guest.wait_service("a.service", "active")
        before, memory = identity(guest.pid), writable_memory(guest.pid)
        guest.retry(lambda: guest.status("State").startswith("S"), "PID 1 sleeps")
        descriptors = os.listdir(f"/proc/{guest.pid}/fd")
        result, theirs = os.pipe()
        with Asker(guest) as asker:
            guest.retry(lambda: len(asker.seconds) > 0, "the first answer")
            children = []
            for seed in range(3):
                pid = os.fork()
                if pid == 0:
                    try:
                        pester(guest.path("/run/keel/control"), f"{SEED} {seed}", 5, theirs)
                    finally:
                        os._exit(0)
                children.append(pid)
            newcomers = [newcomer(guest) for _ in range(5)]
            guest.kill(first["pid"])  # its work goes on meanwhile
            for pid in children:
                os.waitpid(pid, 0)
        counts = [int(word) for word in os.read(result, 1000).split()]
        check(len(counts) == 3 and sum(counts) > 1000, f"connections {counts}")
        guest.wait(lambda s: s["services"]["a.service"]["restarts"] == 1 and
                   s["services"]["a.service"]["state"] == "active", "a.service came back")
        guest.retry(lambda: len(os.listdir(f"/proc/{guest.pid}/fd")) <= len(descriptors) + 1, "descriptors are closed")
        check_same(guest, before, "after the flood")
        check(writable_memory(guest.pid) == memory, "memory grew")
        test.note(f"{sum(counts)} connections in 5 s (seed {SEED}), a new client served after at most "
                  f"{max(newcomers) * 1000:.0f} ms", asker.verdict(0.5))


def newcomer(guest):
    """How long until a new client has its answer; it may be turned away when all places are taken."""
    start = time.monotonic()
    while True:
        try:
            with Client(guest.path("/run/keel/control"), time.monotonic() + 5) as client:
                client.snapshot()
                return time.monotonic() - start
        except (OSError, Closed, TimeoutError):
            check(time.monotonic() - start < 5, "a new client is never served")


# ---- kill -9 -----------------------------------------------------------------------------------

class Killer:
    """Kills a random process of the guest every now and then; never PID 1 and what is not ours."""

    def __init__(self, guest, dice, names):
        self.guest, self.dice, self.names = guest, dice, names
        self.spared = {p[0] for inside, p in guest.processes().items() if inside == 1 or p[1] in FOREIGN}
        self.kills, self.dead, self.by_name = {name: 0 for name in names}, set(), {}

    def once(self):
        """Kills one. A service that is up first forgets its backoff: that is not what is tested here."""
        with self.guest.client() as client:
            services = client.snapshot()["services"]
            for name in self.names:
                if services[name]["state"] == "active":
                    client.request(START, name)
            # {pid inside: (pid outside, name)}; before the picture, so that no main process is missing in that
            processes = {inside: p[:2] for inside, p in self.guest.processes().items()
                         if p[0] not in self.spared | self.dead and p[2] not in "ZX" and p[1] not in TOOLS}
            services = client.snapshot()["services"]
        mains = {services[name]["pid"]: name for name in self.names if services[name]["pid"]}
        # A service's main process as often as any other: containers' helpers would be all there is.
        want_main = self.dice.random() < 0.5
        chosen = sorted(inside for inside in processes if (inside in mains) == want_main) or sorted(processes)
        if not chosen:
            return
        inside = self.dice.choice(chosen)
        pid, name = processes[inside]
        if not kill_of_guest(self.guest, pid):
            return
        self.dead.add(pid)
        self.by_name[name] = self.by_name.get(name, 0) + 1
        if inside in mains:
            self.kills[mains[inside]] += 1

    def total(self):
        return sum(self.by_name.values())

    def __str__(self):
        return ", ".join(f"{name} {count}" for name, count in sorted(self.by_name.items(), key=lambda x: -x[1]))


@scenario("kill -9 of any process of any service in random order: each death is one restart, none is lost",
          deadline=SECONDS + 60)
def kill_services(test):
    units = {f"s{i}.service": unit("fork:2 child-ready ready sleep" if i % 2 else "fork:2 ready sleep",
                                   service_keys=RESTARTING + ("\nKillMode=process" if i % 4 == 3 else ""))
             for i in range(8)}
    with Guest(units=units, seconds=SECONDS + 50) as guest:
        guest.wait(lambda s: all(x["state"] == "active" for x in s["services"].values()), "up")
        before, memory, killer = identity(guest.pid), writable_memory(guest.pid), Killer(guest, random.Random(SEED), units)
        end = time.monotonic() + min(SECONDS, 20)
        while time.monotonic() < end:
            killer.once()
            time.sleep(killer.dice.uniform(0, 0.03))  # part of the storm
        services = guest.wait(lambda s: all(x["state"] == "active" for x in s["services"].values()),
                              f"all up again (seed {SEED})")["services"]
        restarts = {name: services[name]["restarts"] for name in units}
        check(restarts == killer.kills, f"seed {SEED}: restarts {restarts}, kills {killer.kills}")
        check(sum(restarts.values()) >= 20, f"only {restarts}")
        check_same(guest, before, f"seed {SEED}")
        check(writable_memory(guest.pid) == memory, "memory grew")
        guest.retry(lambda: no_zombie(guest), "no zombie")
        test.note(f"{killer.total()} kills (seed {SEED}), {sum(restarts.values())} restarts for as many dead services")


ENGINE = ("keel-agent.service", "containerd.service", "docker.service")


def unlimited_units():
    """The shipped units without their start limit, which has tests of its own."""
    files = {}
    for name in ENGINE:
        with open(f"{engine_root()}/usr/lib/keel/units/{name}", encoding="utf-8") as file:
            files[f"/etc/keel/units/{name}"] = file.read().replace("[Service]\n", "[Service]\nStartLimitBurst=0\n")
    return files


class Load:
    """Keeps the engine busy in threads: runs, executes, removes containers. Anything may fail meanwhile."""

    def __init__(self, guest):
        self.guest, self.ended, self.done, self.failed = guest, threading.Event(), 0, 0
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(2)]

    def run(self, number):
        turns = 0
        while not self.ended.is_set():
            turns += 1
            name = f"load-{number}-{turns}"
            self.docker("run", "-d", "--name", name, IMAGE, "/busybox", "sleep", "5")
            self.docker("exec", name, "/busybox", "true")
            self.docker("run", "--rm", IMAGE, "/busybox", "true")
            self.docker("rm", "-f", name)

    def docker(self, *words):
        if self.ended.is_set():
            return
        with contextlib.suppress(Exception):
            if self.guest.run("timeout", "10", "docker", *words, check=False)[0] == 0:
                self.done += 1
                return
        self.failed += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


@scenario("kill -9 of anything at any time while the engine works: it ends healthy, PID 1 is the same",
          deadline=SECONDS + 150, skip=unavailable)
def kill_anything(test):
    with data_disk() as disk, EngineGuest(disk, seconds=SECONDS + 140, files=unlimited_units()) as guest:
        guest.wait_ready()
        guest.import_image()
        guest.retry(lambda: guest.api("/readyz")[0] == 200, "ready")
        before, memory, killer = identity(guest.pid), writable_memory(guest.pid), Killer(guest, random.Random(SEED), ENGINE)
        end, slowest = time.monotonic() + SECONDS, 0.0
        with Load(guest) as load:
            while time.monotonic() < end:
                start = time.monotonic()
                guest.snapshot()
                slowest = max(slowest, time.monotonic() - start)
                killer.once()
                time.sleep(killer.dice.uniform(0.1, 1.2))  # part of the storm
        check_same(guest, before, f"seed {SEED}")
        check(killer.total() >= SECONDS / 3, f"only {killer.total()} kills")
        services = guest.wait_ready()["services"]
        guest.retry(lambda: guest.api("/readyz")[0] == 200, f"ready again (seed {SEED})")
        guest.retry(lambda: guest.docker("run", "--rm", IMAGE, "/busybox", "echo", "well", check=False)[1] == "well\n",
                    "a container runs")
        check(writable_memory(guest.pid) == memory, "PID 1's memory grew")
        guest.retry(lambda: no_zombie(guest), "no zombie")
        restarts = {name: services[name]["restarts"] for name in ENGINE}
        check(all(restarts[name] >= killer.kills[name] for name in ENGINE), f"restarts {restarts}, kills {killer.kills}")
        left = guest.docker("ps", "-aq")[1].split()
        if left:
            guest.retry(lambda: guest.docker("rm", "-f", *left, check=False)[0] == 0 or
                        not guest.docker("ps", "-aq")[1].split(), "what is left can be removed")
        test.note(f"{killer.total()} kills in {SECONDS:.0f} s (seed {SEED}): {killer}",
                  f"restarts {restarts}, of them by kill {killer.kills}; {load.done} engine commands worked, "
                  f"{load.failed} were hit; PID 1's slowest answer {slowest * 1000:.0f} ms")
