# SPDX-License-Identifier: MIT
"""What the guest tells its host by itself: the report, and systemd's notify protocol for virtual machine monitors.

Real PID 1 and agent; the host is a unix socket in the guest's /run, which this process listens on.
"""
import contextlib
import json
import os
import signal
import socket
import time

from engine import EngineGuest, child_unit, unavailable
from harness import check, contains, equal, scenario

HOST = "/run/report.sock"
AGENT = "keel-agent.service"
DROP_IN = f"[Service]\nExecStart=\nExecStart=/usr/lib/keel/keel-agent --report unix:{HOST} --heartbeat 1\n"


def listen(guest, path, kind=socket.SOCK_STREAM, backlog=1):
    sock = socket.socket(socket.AF_UNIX, kind)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(guest.path(path))
    sock.bind(guest.path(path))
    if kind != socket.SOCK_DGRAM:
        sock.listen(backlog)
    sock.settimeout(20)
    return sock


class Host:
    """The host's end of one report."""

    def __init__(self, guest, listener):
        self.guest, (self.sock, _) = guest, listener.accept()
        self.sock.settimeout(20)
        self.file = self.sock.makefile("rb")

    def line(self):
        text = self.file.readline()
        check(text.endswith(b"\n"), f"a whole line: {text[-80:]!r}")
        return json.loads(text)

    def until(self, predicate, what):
        while time.monotonic() < self.guest.deadline:
            line = self.line()
            if predicate(line):
                return line
        raise AssertionError(f"not reported: {what}")

    def close(self):
        self.file.close()
        self.sock.close()


def service(line, name):
    services = line.get("health", {}).get("services", [])
    return next((entry for entry in services if entry["name"] == name), None)


def effort(guest):
    """(CPU seconds, resident KiB) of the agent."""
    pid = guest.outside_pid(guest.snapshot()["services"][AGENT]["pid"])
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(fields[21]) * 4


@contextlib.contextmanager
def report_guest():
    with EngineGuest(masked=("docker.service", "containerd.service"), units={"child.service": child_unit(1)}, seconds=110,
                     files={f"/etc/keel/units/{AGENT}.d/report.conf": DROP_IN}) as guest:
        guest.wait(lambda s: all(s["services"][name]["state"] == "active" for name in (AGENT, "child.service")),
                   "the agent and the child are up")
        yield guest


@scenario("report: hello, state, changes, heartbeat; hosts that come late, go, hang up, never read", deadline=120,
          skip=unavailable)
def hosts(test):
    with report_guest() as guest:
        with test.step("no host yet; one that comes hears hello and the whole state"):
            with listen(guest, HOST) as listener:
                first = Host(guest, listener)
                hello = first.line()
                equal(set(hello), {"type", "schema", "version", "boot_id", "mode", "kernel", "engine"}, "hello")
                equal((hello["type"], hello["mode"], hello["kernel"]), ("hello", "wsl", os.uname().release), "hello")
                with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
                    equal(hello["boot_id"], file.read().strip(), "boot id")
                state = first.line()
                equal((state["type"], service(state, "child.service")["state"]), ("health", "active"), "the state")
        with test.step("a change, and heartbeats when there is none"):
            before = service(state, "child.service")["pid"]
            guest.kill(before)
            line = first.until(lambda line: (service(line, "child.service") or {}).get("pid", before)
                               not in (0, before), "the child's new process")
            equal(service(line, "child.service")["restarts"], 1, "restarts")
            beat = first.until(lambda line: line["type"] == "heartbeat", "a heartbeat")
            check(beat["uptime_ms"] > 0 and beat["status"], beat)
        with test.step("another host in turn, after one that vanished: everything again"):
            with listen(guest, HOST) as listener:
                first.close()
                second = Host(guest, listener)
                equal(second.line()["type"], "hello", "the second host's first line")
                equal(second.line()["health"]["boot_id"], hello["boot_id"], "the second host's second line")
        with test.step("one that never reads costs nothing, and hears the last state when it does"):
            cpu, size = effort(guest)
            for _ in range(60):
                pid = guest.wait_service("child.service", "active")["pid"]
                guest.kill(pid)
                guest.wait(lambda s, old=pid: s["services"]["child.service"]["pid"] not in (0, old), "a new process")
            after = effort(guest)
            check(after[1] - size < 600, f"the agent grew from {size} to {after[1]} KiB")
            pid = guest.wait_service("child.service", "active")["pid"]
            second.until(lambda line: (service(line, "child.service") or {}).get("pid") == pid, "the last state")
        with test.step("one that closes at once is knocked at ever more rarely"):
            knocks = 0
            with listen(guest, HOST) as listener:
                second.close()
                listener.settimeout(3)
                end = time.monotonic() + 3
                with contextlib.suppress(TimeoutError):
                    while time.monotonic() < end:
                        listener.accept()[0].close()
                        knocks += 1
            check(1 <= knocks <= 8, f"{knocks} connections in 3 s")
            print(f"# {knocks} connections in 3 s; CPU of the agent until now {effort(guest)[0]:.2f} s, "
                  f"before 60 restarts {cpu:.2f} s", flush=True)


# ---- systemd's notify protocol ------------------------------------------------------------------

MONITOR = "/run/monitor.sock"


@contextlib.contextmanager
def monitored_guest(cmdline):
    """A VM's guest whose kernel was given a command line."""
    with EngineGuest(masked=("docker.service", "containerd.service"), units={"child.service": child_unit(1)}, seconds=80,
                     mode="vm", config="[vsock]\nreport_port = 0\n[net]\nmode = none\n"
                            "[boot]\nconsole_shell = no\n", files={"/etc/test/cmdline": cmdline + "\n"},
                     init=["/bin/sh", "-c", "mount --bind /etc/test/cmdline /proc/cmdline && exec /sbin/init"]) as guest:
        guest.retry(lambda: os.path.exists(guest.path("/run/keel/control")), "PID 1 listens")
        yield guest


class Monitor:
    def __init__(self, guest, kind):
        self.guest, self.kind, self.sock = guest, kind, listen(guest, MONITOR, kind, 8)
        self.told = []

    def message(self):
        """The next one, whole: of connections, to their end."""
        if self.kind == socket.SOCK_DGRAM:
            text = self.sock.recv(4096).decode()
        else:
            connection, _ = self.sock.accept()
            with connection:
                connection.settimeout(20)
                parts = []
                while data := connection.recv(4096):
                    parts.append(data)
            text = b"".join(parts).decode()
        self.told.append(text)
        return text

    def until(self, wanted):
        while wanted not in self.message():
            pass

    def rest(self):
        """What has been told and not been read, at the end."""
        self.sock.settimeout(0.2)
        with contextlib.suppress(TimeoutError, BlockingIOError):
            while True:
                self.message()


def end(guest, how=signal.SIGTERM):
    os.kill(guest.pid, how)


def check_boot(told):
    equal(told[0], "X_SYSTEMD_HOSTNAME=keel", "the first message")
    order = [told.index(f"X_SYSTEMD_UNIT_ACTIVE={name}") for name in ("sysinit.target", "basic.target")]
    ready = next(i for i, text in enumerate(told) if text.startswith("READY=1\nSTATUS="))
    equal(sorted(order) + [ready], order + [ready], "the order of the targets and READY=1")
    check(told.index("X_SYSTEMD_UNIT_ACTIVE=multi-user.target") > ready, told)
    equal(sum("READY=1" in text for text in told), 1, "READY=1 is said once")
    contains(told, "X_SYSTEMD_UNIT_ACTIVE=child.service", "a service")


def notify_scenario(name, kind, cmdline):
    @scenario(f"vmm.notify_socket: a boot, a restart, the end, over {name}", deadline=120, skip=unavailable)
    def run(test):
        with monitored_guest(cmdline) as guest:
            monitor = Monitor(guest, kind)
            with test.step("the boot"):
                monitor.until("X_SYSTEMD_UNIT_ACTIVE=multi-user.target")
                check_boot(monitor.told)
            with test.step("a service dies and comes back"):
                guest.kill(guest.wait_service("child.service", "active")["pid"])
                monitor.until("X_SYSTEMD_UNIT_ACTIVE=child.service")
                contains(monitor.told, "X_SYSTEMD_UNIT_INACTIVE=child.service", "its end")
            with test.step("the way down; the very last word is EXIT_STATUS="):
                end(guest)
                monitor.until("EXIT_STATUS=")
                guest.wait_end()
                monitor.rest()
                equal(monitor.told[-1], "EXIT_STATUS=0\nX_SYSTEMD_SHUTDOWN=poweroff", "the last word")
                for text in ("X_SYSTEMD_UNIT_INACTIVE=multi-user.target", "X_SYSTEMD_UNIT_ACTIVE=shutdown.target"):
                    contains(monitor.told, text, "the way down")
    return run


notify_scenario("datagrams", socket.SOCK_DGRAM, f"quiet vmm.notify_socket={MONITOR} x")
notify_scenario("seqpacket", socket.SOCK_SEQPACKET, f"systemd.set_credential=vmm.notify_socket:{MONITOR}")
notify_scenario("a stream", socket.SOCK_STREAM,
                "systemd.set-credential-binary=vmm.notify_socket:L3J1bi9tb25pdG9yLnNvY2s=")


@scenario("vmm.notify_socket: a monitor that never reads, or is not there, holds nothing up", deadline=120,
          skip=unavailable)
def deaf(test):
    with monitored_guest(f"vmm.notify_socket={MONITOR}") as guest:
        with test.step("it never takes a connection: the boot goes on, the end comes, reboot is a reboot"):
            monitor = Monitor(guest, socket.SOCK_STREAM)
            for name in ("child.service", AGENT):
                guest.wait_service(name, "active")
            equal(guest.api("/livez")[0], 200, "the agent answers")
            begun = time.monotonic()
            end(guest, signal.SIGINT)
            equal(guest.wait_end(), "signal 1", "the end")
            print(f"# down after {time.monotonic() - begun:.2f} s", flush=True)
            contains(guest.log_text(), "vmm.notify_socket: ", "what the log says")
            monitor.sock.close()
    with monitored_guest("vmm.notify_socket=vsock-stream:2:4711") as guest:
        with test.step("its transport does not exist"):
            for name in ("child.service", AGENT):
                guest.wait_service(name, "active")
            equal(guest.api("/livez")[0], 200, "the agent answers")
            end(guest)
            equal(guest.wait_end(), "signal 2", "the end")
