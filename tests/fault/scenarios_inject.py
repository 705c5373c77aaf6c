"""Every system call that PID 1's loop makes, failing with every error: once in a while, and for ever.

The list of calls comes from a trace of the running loop, so that a call that is added to it is covered by
itself. In a cell (call, error) the call fails while a fixed workload runs: a service is killed, another is stopped
and started, clients come, ask, talk nonsense and go. PID 1 must stay what it is, must not spin, must
answer where the call is not on the way of the answer, and when the error ends every service must be up: none
lost, none twice.
"""
import contextlib
import errno
import os
import signal
import socket
import time

from control import REQUEST, Client, Closed
from guest import Guest, unit
from harness import Failure, check, scenario
from inject import Strace, check_same, identity, kill_of_guest, mount_inside, writable_memory

SUBSCRIBE, START, STOP, RESTART, RELOAD, POWEROFF = 2, 3, 4, 5, 6, 7
ERRORS = ("ENOSYS", "ENOMEM", "EMFILE", "ENOSPC", "EIO", "EPERM", "EINTR", "EAGAIN")
RESTARTING = "Restart=always\nRestartSec=10ms\nStartLimitBurst=0"
UNITS = {
    "a.service": unit("child-ready ready sleep", service_keys=RESTARTING),
    "b.service": unit("sleep", kind="exec", service_keys=RESTARTING),
    # KillMode=process: its group is never killed, so every start is a clone3 into it.
    "c.service": unit("ready sleep", service_keys=RESTARTING + "\nKillMode=process\nTimeoutStopSec=200ms\n"
                      "ExecReload=/usr/bin/svc event:reloaded"),
}
# An answer to a client that is there needs these.
SERVING = {"epoll_pwait", "epoll_wait", "recvfrom", "recvmsg", "sendto", "epoll_ctl"}
# The calls without which there is no such loop: a trace that lacks one of them saw something else.
LEAST = {"epoll_pwait", "recvfrom", "recvmsg", "sendto", "read", "write", "accept4", "close", "wait4",
         "timerfd_settime", "pipe2", "epoll_ctl", "clone3"}
# Failures that no kernel makes and that last when they are over; PID 1 has to live and answer, on a guest of its
# own. close(2) frees the descriptor whatever it returns, an injected one does not: what waits for the end of file
# of a pipe (has the exec succeeded?) waits on. The C library's fork(2) restores a signal mask that it never got.
LASTING = {"close", "rt_sigprocmask"}
WINDOW = 0.1        # seconds in which nothing happens but what PID 1 does on its own
SETTLE = 3          # seconds that the services have to come up again
TURNS = 800         # of the loop in the window: more is spinning (lib/loop.h: 300 in 100 ms, then 5 ms each)


def pids(guest):
    """The main processes outside, by unit: an own connection, all active."""
    picture = settled(guest, SETTLE)
    outside = {inside: pid for pid, (inside, *_) in inside_out(guest).items()}
    return {name: outside[picture[name]["pid"]] for name in UNITS}


def inside_out(guest):
    return {process[0]: (inside, *process[1:]) for inside, process in guest.processes().items()}


def settled(guest, seconds):
    """Waits until every service is active with a living process of its own, and no process is too many."""
    end, why = time.monotonic() + seconds, "no answer"
    while time.monotonic() < end:
        try:
            with Client(guest.path("/run/keel/control"), min(end, time.monotonic() + 1)) as client:
                services = client.snapshot()["services"]
            why = find_fault(guest, services)
            if why is None:
                return services
        except (TimeoutError, Closed, OSError) as error:
            why = f"no answer ({type(error).__name__})"
        time.sleep(0.005)
    raise Failure(f"not healthy after {seconds} s: {why}")


def find_fault(guest, services):
    if set(services) != set(UNITS):
        return f"services {sorted(services)}"
    for name, service in services.items():
        if service["state"] != "active":
            return f"{name} is {service['state']}: {service['reason']}"
    living = sorted(inside for inside, process in guest.processes().items() if process[1] == "svc")
    wanted = sorted(service["pid"] for service in services.values())
    zombies = [process for process in guest.processes().values() if process[2] == "Z" and process[3] == 1]
    if living != wanted or zombies:
        return f"processes {living}, services' {wanted}, zombies {zombies}"
    return None


def nonsense(guest):
    """A client that does not know the protocol and leaves without reading."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(0.05)
        client.connect(guest.path("/run/keel/control"))
        client.send(b"x" * 500)
        client.send(REQUEST.pack(1, 2, 3, b"y"))


def ask(guest, seconds):
    """A new client's picture, or None."""
    try:
        with Client(guest.path("/run/keel/control"), time.monotonic() + seconds) as client:
            return client.snapshot()
    except (TimeoutError, Closed, OSError):
        return None


class Workload:
    """The same disturbances for every cell. The connections are made before anything fails."""

    def __init__(self, guest):
        self.guest, self.main = guest, pids(guest)
        self.clients = [guest.client() for _ in range(3)]
        for client in self.clients:
            client.deadline = time.monotonic() + 1
            client.snapshot()
        for name in UNITS:  # the backoff begins anew: what earlier cells killed does not count
            check(self.clients[0].request(START, name) == 0, f"start {name}")

    def close(self):
        for client in self.clients:
            client.close()

    def run(self):
        """Disturbs, and says whether the first client was answered."""
        asker, manager, leaver = self.clients
        kill_of_guest(self.guest, self.main["a.service"])
        for verb in (RELOAD, STOP, START):
            with contextlib.suppress(OSError):
                manager.send(verb, "c.service")
        nonsense(self.guest)
        leaver.close()
        ask(self.guest, 0.03)
        kill_of_guest(self.guest, self.main["b.service"])
        asker.deadline = time.monotonic() + 1
        try:
            return bool(asker.snapshot())
        except (TimeoutError, Closed, OSError):
            return False


def loop_calls(guest):
    """The names of the calls that the loop makes under the workload."""
    workload = Workload(guest)
    with Strace(guest) as trace:
        check(workload.run(), "a client is answered")
        settled(guest, SETTLE)
    workload.close()
    calls = sorted(set(trace.names()) - {"exit_group"})
    check(LEAST <= set(calls), f"the trace lacks {LEAST - set(calls)}; it saw {calls}")
    return calls


def cell(guest, call, error, when):
    """One cell; returns how often the call failed, raises Failure for what PID 1 did wrong."""
    before, workload = identity(guest.pid), Workload(guest)
    try:
        with Strace(guest, [call, "epoll_pwait"], [f"{call}:error={error}{when}"]) as trace:
            answered = workload.run() if call not in SERVING else run_unheard(workload)
            turns = trace.count("epoll_pwait(")
            time.sleep(WINDOW)  # the time that is measured
            turns = trace.count("epoll_pwait(") - turns
        check_same(guest, before, f"{call} {error}")
        check(answered or call in SERVING, "a client that was there got no answer")
        check(turns < TURNS, f"{turns} turns of the loop in {WINDOW} s")
        if call not in LASTING:
            settled(guest, SETTLE)
        return trace.injected()
    finally:
        workload.close()


def run_unheard(workload):
    """No answer is expected, so none is waited for."""
    workload.clients[0].close()
    workload.run()
    return True


def matrix(test, when, title):
    failed, injected = {}, {}
    with contextlib.ExitStack() as stack:
        guest = healthy_guest(stack)
        calls = loop_calls(guest)
        for call in calls:
            for error in ERRORS:
                try:
                    injected[call, error] = cell(guest, call, error, when)
                except Failure as failure:
                    failed[call, error] = str(failure)
                if call in LASTING or (call, error) in failed:
                    stack.close()
                    guest = healthy_guest(stack)
    test.note(*table(title, calls, injected, failed))
    never = [call for call in calls if not any(injected.get((call, error)) for error in ERRORS)
             and not any((call, error) in failed for error in ERRORS)]
    check(not never, f"calls that never failed: {never}")
    check(not failed, f"{len(failed)} of {len(calls) * len(ERRORS)} cells failed: {failed}")


def healthy_guest(stack):
    guest = stack.enter_context(Guest(units=UNITS, seconds=300))
    settled(guest, 10)
    return guest


def table(title, calls, injected, failed):
    yield f"{title}: {len(calls)} calls x {len(ERRORS)} errors = {len(calls) * len(ERRORS)} cells, " \
          f"{sum(injected.values())} calls failed, {len(failed)} cells not survived"
    yield f"{'':16}" + "".join(f"{error:>9}" for error in ERRORS)
    for call in calls:
        yield f"{call:16}" + "".join(f"{'BAD' if (call, error) in failed else injected.get((call, error)):>9}"
                                     for error in ERRORS)


@scenario("each system call of the loop fails for ever with each error: PID 1 goes on, all is well when it ends",
          deadline=300)
def always(test):
    matrix(test, "", "fails for ever")


@scenario("each system call of the loop fails every third time with each error: no service is lost, none is there twice",
          deadline=300)
def sometimes(test):
    matrix(test, ":when=1+3", "fails every third time")


# ---- starting a process ------------------------------------------------------------------------

# What fails, what of it a service's reason says; None: there is a way around it.
REFUSALS = (
    (("clone3:error=ENOSYS",), None),
    (("clone3:error=EPERM",), None),
    (("clone3:error=EOPNOTSUPP",), None),
    (("clone3:error=EAGAIN", "fork:error=EAGAIN"), "Resource temporarily unavailable"),
    (("clone3:error=ENOMEM", "fork:error=ENOMEM"), "Out of memory"),
    (("clone3:error=ENOSYS", "fork:error=EAGAIN"), "Resource temporarily unavailable"),
    (("clone3:error=EPERM", "fork:error=ENOMEM"), "Out of memory"),
    (("pipe2:error=EMFILE",), "No file descriptors available"),
    (("pipe2:error=ENFILE",), "Too many open files in system"),
)


def describe_calls(expressions):
    return ", ".join(expression.replace(":error=", " ") for expression in expressions)


@scenario("no process can be made (EAGAIN, ENOMEM, no descriptors): services are in backoff with the reason, then up",
          deadline=120)
def spawn_refused(test):
    with contextlib.ExitStack() as stack:
        guest = healthy_guest(stack)
        for expressions, reason in REFUSALS:
            with test.step(describe_calls(expressions)):
                refuse(guest, expressions, reason)
        test.note(f"starting a process: {len(REFUSALS)} cells")


def refuse(guest, expressions, reason):
    before, workload = identity(guest.pid), Workload(guest)
    workload.close()
    calls = [expression.split(":")[0] for expression in expressions]
    main = settled(guest, SETTLE)
    with Strace(guest, calls, expressions) as trace:
        for name in ("a.service", "b.service", "c.service"):
            kill_of_guest(guest, workload.main[name])
        if reason:
            guest.wait(lambda s: all(s["services"][name]["restarts"] >= main[name]["restarts"] + 3 and
                                     reason in s["services"][name]["reason"] for name in UNITS),
                       f"three tries failed: {reason}")
        else:
            guest.wait(lambda s: all(s["services"][name]["state"] == "active" and
                                     s["services"][name]["pid"] != main[name]["pid"] for name in UNITS),
                       "started all the same")
    check(trace.injected() > 0, "nothing failed")
    check_same(guest, before, describe_calls(expressions))
    settled(guest, SETTLE)


@scenario("no process can be made for longer than the start limit: that is no reason to give a service up", deadline=60)
def refusal_is_no_start(_test):
    with Guest(units={"a.service": unit("ready sleep", service_keys="Restart=always\nRestartSec=1ms\n"
                                        "StartLimitBurst=3\nStartLimitIntervalSec=60s")}) as guest:
        before = guest.wait_service("a.service", "active")
        with Strace(guest, ["clone3", "fork"], ["clone3,fork:error=EAGAIN"]) as trace:
            guest.kill(before["pid"])
            guest.wait(lambda s: s["services"]["a.service"]["restarts"] >= 5 or
                       s["services"]["a.service"]["state"] == "failed", "five tries")
        check(trace.injected() >= 5, f"{trace.injected()} tries")
        guest.wait_service("a.service", "active")


# The child's calls between fork and exec, and what follows: a reason, or the service runs without it.
CHILD = (("execve", "ENOENT"), ("execve", "ENOMEM"), ("execve", "EACCES"), ("execve", "E2BIG"), ("execve", "ETXTBSY"),
         ("dup2", "EMFILE"), ("dup2", "EBADF"), ("setsid", "EPERM"), ("chdir", "EACCES"), ("open", "EMFILE"),
         ("open", "ENFILE"), ("open", "EACCES"), ("openat", "ENOMEM"), ("rt_sigaction", "EINVAL"),
         ("write", "EIO"), ("umask", "ENOSYS"), ("exit_group", "ENOSYS"))


@scenario("what a new process does before its exec fails: the service is tried again and comes up when it works",
          deadline=120)
def child_fails(test):
    with contextlib.ExitStack() as stack:
        guest = healthy_guest(stack)
        for call, error in CHILD:
            with test.step(f"{call} {error}"):
                fail_in_child(guest, call, error)
        test.note(f"a new process before its exec: {len(CHILD)} cells")


def fail_in_child(guest, call, error):
    """The first twelve of these calls fail in each process; strace counts for each, PID 1 included."""
    before, workload = identity(guest.pid), Workload(guest)
    workload.close()
    with Strace(guest, [call], [f"{call}:error={error}:when=1..12"], follow=True) as trace:
        for name in ("a.service", "b.service", "c.service"):
            kill_of_guest(guest, workload.main[name])
        end = time.monotonic() + 2
        while trace.count("\n") < 3 and time.monotonic() < end:
            time.sleep(0.01)  # nothing tells of a traced call
    check(trace.injected() > 0, "nothing failed")
    check_same(guest, before, f"{call} {error}")
    settled(guest, SETTLE)


# ---- memory ------------------------------------------------------------------------------------

MEMORY_CALLS = ["brk", "mmap", "munmap", "mremap", "madvise"]


@scenario("the loop allocates nothing: not one call for memory under load, the same writable memory after it",
          deadline=60)
def no_allocation(test):
    with contextlib.ExitStack() as stack:
        guest = healthy_guest(stack)
        before, memory = identity(guest.pid), writable_memory(guest.pid)
        with Strace(guest, MEMORY_CALLS) as trace:
            for _ in range(10):
                workload = Workload(guest)
                check(workload.run(), "answered")
                settled(guest, SETTLE)
                workload.close()  # not before: who leaves without reading answers loses what it asked for
        check_same(guest, before, "under load")
        check(not trace.names(), f"calls for memory: {trace.lines()[:5]}")
        check(writable_memory(guest.pid) == memory, f"{memory} -> {writable_memory(guest.pid)}")
        test.note(f"10 rounds of load: 0 calls for memory, {len(memory)} writable areas, unchanged")


@scenario("there is never memory again: PID 1 works on, stops all, unmounts and ends", deadline=60)
def no_memory_ever(_test):
    with contextlib.ExitStack() as stack:
        guest = stack.enter_context(Guest(units=UNITS, seconds=40, mode="vm"))
        settled(guest, 10)
        mount_inside(guest, "/data", "tmpfs")
        calls = [*MEMORY_CALLS, "umount2", "reboot"]
        # Of its children too: who unmounts may be one.
        with Strace(guest, calls, [",".join(MEMORY_CALLS) + ":error=ENOMEM"], follow=True) as trace:
            workload = Workload(guest)
            check(workload.run(), "answered")
            workload.close()
            settled(guest, SETTLE)
            check(guest.request(POWEROFF) == 0, "accepted")
            guest.wait_end()
        lines = trace.lines()
        check(any('umount2("/data"' in line and line.endswith("= 0") for line in lines), lines)


# ---- boot --------------------------------------------------------------------------------------

HELD = ["/usr/bin/svc", "fifo:/var/test/go", "await:/var/test/go", "exec:/sbin/init"]
BOOT_ERRORS = ("ENOMEM", "ENOSYS")
# The C library's own start, before main(); and what cannot fail: not being PID 1 is what it would mean.
NOT_AT_BOOT = {"arch_prctl", "getpid"}
RESCUE = ("a shell is all there is", "no service is started")
ANSWERS = ("stage services: d", *RESCUE, "Only a shell is started")


@contextlib.contextmanager
def held_guest():
    """PID 1 waits before it becomes keel-init, for release()."""
    with Guest(units=UNITS, seconds=6, init=HELD) as guest:
        # Asleep in open(2): strace sees that call again, always.
        guest.retry(lambda: os.path.exists(guest.path("/var/test/go")) and guest.status("State").startswith("S"), "held")
        yield guest


def open_fifo(path):
    """Opens and closes it for writing if somebody reads it."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return False
    return True


def boot(inject=(), calls=None):
    """Boots with these calls failing; returns (the names called, the log, why it is not well or None)."""
    with held_guest() as guest:
        with Strace(guest, calls, inject) as trace:
            guest.retry(lambda: open_fifo(guest.path("/var/test/go")), "it reads")
            guest.retry(lambda: any(answer in guest.log_text() for answer in ANSWERS) or guest.process.poll() is not None,
                        f"a word about the boot with {inject}")
        if guest.process.poll() is not None or guest.status("State").startswith(("Z", "X")):
            return trace.names(), guest.log_text(), "PID 1 is dead"
        if any(words in guest.log_text() for words in RESCUE):
            return trace.names(), guest.log_text(), None
        if not ask(guest, 5):
            return trace.names(), guest.log_text(), "PID 1 does not answer"
        return trace.names(), guest.log_text(), None


@scenario("each system call of the boot fails once: the boot goes on without it or says why not, PID 1 lives", deadline=200)
def boot_calls(test):
    names, log, why = boot()
    check(why is None and "stage services: done" in log, log)
    held = names.index("execve") + 1  # the calls of the program that waits
    end = names.index("epoll_pwait") + 1
    held, names = names[:held], names[held:end]
    cells, bad = 0, {}
    for call in sorted(set(names) - NOT_AT_BOOT):
        count = names.count(call)
        for error, when in zip(BOOT_ERRORS, (1, count // 2 + 1)):
            cells += 1
            try:
                why = boot([f"{call}:error={error}:when={held.count(call) + when}"], [call])[2]
            except AssertionError as error_text:
                why = str(error_text)[:1500]
            if why:
                bad[call, error, when] = why
    test.note(f"boot: {len(set(names))} calls ({len(names)} made), {cells} cells, {len(bad)} not survived")
    check(not bad, bad)


# ---- the way down ------------------------------------------------------------------------------

DOWN_ERRORS = ("ENOMEM", "EIO")


def shut_down(call=None, error=None):
    """Boots, asks for a power-off with the call failing for ever; returns (the names called, how it ended)."""
    units = dict(UNITS, **{"d.service": unit("fork:1 ignore:15 ready sleep", service_keys="TimeoutStopSec=100ms")})
    with Guest(units=units, seconds=20, files={"/etc/keel/keel.conf": "[boot]\nshutdown = 2\n"}) as guest:
        guest.wait(lambda s: all(x["state"] == "active" for x in s["services"].values()), "up")
        with Strace(guest, [call] if call else None, [f"{call}:error={error}"] if call else []) as trace:
            os.kill(guest.pid, signal.SIGTERM)
            try:
                guest.wait_end()
            except AssertionError:
                return trace.names(), "does not end: " + guest.log_text()[-600:]
        return trace.names(), guest.end_line


@scenario("each system call of the way down fails for ever: the namespace ends all the same", deadline=200)
def down_calls(test):
    names, how = shut_down()
    check(how == "signal 2", how)
    calls, bad = sorted(set(names) - LASTING), {}
    # The loop's own calls: what it does without them is in the matrix, and they come back some time.
    calls = [call for call in calls if call not in SERVING | {"read", "epoll_pwait", "wait4", "exit_group"}]
    for call in calls:
        for error in DOWN_ERRORS:
            _, how = shut_down(call, error)
            if how not in ("signal 2", "exit 0"):
                bad[call, error] = how
    test.note(f"the way down: {len(calls)} calls x {len(DOWN_ERRORS)} errors = {len(calls) * len(DOWN_ERRORS)} cells, "
              f"{len(bad)} not survived: {' '.join(calls)}")
    check({"kill", "reboot"} <= set(calls), f"the trace saw only {calls}")
    check(not bad, bad)
