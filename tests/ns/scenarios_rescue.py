"""Rescue: a boot that cannot go on still gives a shell (VM) or a distro that opens one (WSL), and says why: on the
screen, in the records, in health."""
import os
import pty
import shutil
import signal
import threading

import engine
from guest import TOP, Guest, unit
from harness import check, scenario

BUSYBOX = f"{TOP}/build/deps/bin/busybox"
AGENT = {"keel-agent.service": unit("event:agent ready sleep", service_keys="Slice=keel.slice")}
SERVICES = dict(AGENT, **{"a.service": unit("event:a ready sleep")})
NO_MOUNT = "Function not implemented"


class Console:
    """A terminal for a guest's /dev/console, read by a thread."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.path = os.ttyname(self.slave)
        self.text = b""
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        try:
            while data := os.read(self.master, 4096):
                self.text += data
        except OSError:
            pass  # everybody has closed it

    def type(self, line):
        os.write(self.master, line.encode() + b"\n")

    def expect(self, guest, words):
        guest.retry(lambda: words.encode() in self.text, f"{words!r} on the screen, not {self.text!r}")


def boot(console, **options):
    """A VM with a shell program in it. Without sources of trouble it has none."""
    guest = Guest(mode="vm", console=console.path, dirs=["/bin"], **options)
    shutil.copy(BUSYBOX, f"{guest.dir}/upper/bin/sh")
    return guest


def check_shell(console, guest):
    guest.retry(lambda: any(p[1] == "sh" for p in guest.processes().values()), "a shell runs")
    console.type("echo answer=$((6*7))")
    console.expect(guest, "answer=42")


def missing_busybox():
    return None if os.path.exists(BUSYBOX) else "no build/deps/bin/busybox"


@scenario("no mount(2): a VM gives a shell on the console with the reason, the agent, nothing else; it powers off",
          skip=missing_busybox)
def fatal_stage_vm(_test):
    console = Console()
    reason = f"stage mounts failed: cannot mount devpts on /dev/pts: {NO_MOUNT}"
    with boot(console, units=SERVICES, enosys="mount") as guest:
        picture = guest.wait_service("keel-agent.service", "active") and guest.snapshot()
        check(picture["boot"]["state"] == "degraded" and picture["boot"]["reason"] == reason, picture["boot"])
        check(picture["stages"]["services"]["state"] == "failed" and
              picture["stages"]["services"]["reason"] == reason, picture["stages"])
        console.expect(guest, "keel cannot start its services.\r\n")
        console.expect(guest, reason)
        check_shell(console, guest)
        first = next(pid for pid, p in guest.processes().items() if p[1] == "sh")
        console.type("exit")
        guest.retry(lambda: any(p[1] == "sh" and pid != first for pid, p in guest.processes().items()), "another shell")
        check_shell(console, guest)
        check(guest.event_names() == ["agent"], guest.event_names())
        os.kill(guest.pid, signal.SIGTERM)
        check(guest.wait_end() == "signal 2", guest.end_line)


@scenario("no mount(2): a WSL distro stays, says why, starts the agent and nothing else")
def fatal_stage_wsl(_test):
    with Guest(units=SERVICES, enosys="mount") as guest:
        picture = guest.wait_service("keel-agent.service", "active") and guest.snapshot()
        check(picture["boot"]["state"] == "degraded" and NO_MOUNT in picture["boot"]["reason"], picture["boot"])
        check(guest.event_names() == ["agent"], guest.event_names())
        check("rescue.service" not in picture["services"], "sessions open by themselves")
        check(guest.request(7) == 0, "accepted")
        check(guest.wait_end() == "signal 2", guest.end_line)


BROKEN = "[Service]\nExecStart=nothing\n[Install]\nWantedBy=x\n"


@scenario("no unit that could start (none, all broken, no directory): a shell and the reason", skip=missing_busybox)
def no_units(_test):
    ways = {
        "none is enabled": {},
        "/usr/lib/keel/units/a.service:2": {"units": {"a.service": BROKEN, "b.service": "???"}},
        "none is enabled in": {"files": {"/etc/keel/units": "a file, no directory"}},
    }
    for words, options in ways.items():
        console = Console()
        with boot(console, **options) as guest:
            picture = guest.wait(lambda s: s["stages"]["services"]["state"] == "failed", "the boot is over")
            check(words in picture["boot"]["reason"], f"{words}: {picture['boot']}")
            check(picture["boot"]["state"] == "degraded", picture["boot"])
            guest.wait_service("rescue.service", "active")
            console.expect(guest, picture["boot"]["reason"])
            check_shell(console, guest)
            # the disk and the network are there for who mends it
            guest.wait(lambda s: s["stages"]["disk"]["state"] == "done", "the disk helper ran")
            check(guest.request(7) == 0, "accepted")
            check(guest.wait_end() == "signal 2", guest.end_line)


@scenario("32 broken units leave room for the shell", skip=missing_busybox)
def many_broken_units(_test):
    console = Console()
    with boot(console, units={f"u{i:02}.service": BROKEN for i in range(32)}) as guest:
        guest.wait_service("rescue.service", "active")
        check_shell(console, guest)


@scenario("boot.console_shell=no: the reason is on the screen, but no shell", skip=missing_busybox)
def no_console_shell(_test):
    console = Console()
    with boot(console, files={"/etc/keel/keel.conf": "[boot]\nconsole_shell = no\n"}) as guest:
        picture = guest.wait(lambda s: s["stages"]["services"]["state"] == "failed", "the boot is over")
        console.expect(guest, "no unit can be started")
        console.expect(guest, "There is no shell here")
        check(picture["services"] == {}, picture["services"])
        check(all(p[1] != "sh" for p in guest.processes().values()), guest.processes())


@scenario("a keel.conf that is no text, or no file: a warning, and the boot goes on")
def broken_config(_test):
    ways = ({"files": {"/etc/keel/keel.conf": "\x01\x02[[[\n=\n[disk\nx" + "y" * 9000}},
            {"dirs": ["/etc/keel/keel.conf"]})
    for options in ways:
        with Guest(units=SERVICES, **options) as guest:
            guest.wait_service("a.service", "active")
            check("/etc/keel/keel.conf" in guest.log_text(), guest.log_text())


@scenario("the agent's program is missing: the rest is up, the system degraded, with the reason")
def no_agent(_test):
    missing = "[Service]\nType=notify\nExecStart=/usr/lib/keel/keel-agent\nSlice=keel.slice\nRestart=no\n" \
              "[Install]\nWantedBy=x\n"
    with Guest(units=dict(SERVICES, **{"keel-agent.service": missing})) as guest:
        guest.wait_service("a.service", "active")
        agent = guest.wait_service("keel-agent.service", "failed")
        check("No such file" in agent["reason"], agent)
        check(guest.snapshot()["boot"]["state"] == "degraded", guest.snapshot()["boot"])


@scenario("not even a loop: a shell on the console of a VM with the reason, and it ends when asked",
          skip=missing_busybox)
def last_resort(_test):
    for number, end in ((signal.SIGTERM, "signal 2"), (signal.SIGINT, "signal 1")):
        console = Console()
        with boot(console, units=SERVICES, enosys="epoll_create1") as guest:
            console.expect(guest, "cannot set up the event loop: " + NO_MOUNT)
            check_shell(console, guest)
            first = next(pid for pid, p in guest.processes().items() if p[1] == "sh")
            console.type("exit")
            guest.retry(lambda: any(p[1] == "sh" and pid != first for pid, p in guest.processes().items()),
                        "another shell")
            os.kill(guest.pid, number)
            check(guest.wait_end() == end, guest.end_line)
            check("file systems unmounted" in guest.log_text(), guest.log_text())


@scenario("not even a loop: a WSL distro stays for its sessions and ends when asked")
def last_resort_wsl(_test):
    with Guest(units=SERVICES, enosys="epoll_create1") as guest:
        guest.retry(lambda: "cannot set up the event loop" in guest.log_text(), "the reason is in the log")
        guest.retry(lambda: "init-watcher" in [p[1] for p in guest.processes().values()], "foreign processes live")
        os.kill(guest.pid, signal.SIGTERM)
        check(guest.wait_end() == "signal 2", guest.end_line)
        check(not os.path.exists(f"{guest.dir}/upper/var/test/foreign-init-died"), "they lived to the end")


@scenario("the real agent in a boot that failed: health says failed, with the stage's reason", skip=engine.unavailable)
def health_of_failed_boot(_test):
    with engine.EngineGuest(enosys="mount") as guest:
        guest.wait_service("keel-agent.service", "active")

        def failed():
            status, document = guest.api("/v1/health")
            return document["status"] == "failed" and (status, document)

        status, document = guest.retry(failed, "health says failed")
        check(status == 503 and not document["ready"], document)
        check(document["reason"].startswith("the boot failed: stage mounts failed: cannot mount tmpfs on "),
              document["reason"])
        check("degraded" in guest.run("systemctl", "is-system-running", check=False)[1], "is-system-running")
