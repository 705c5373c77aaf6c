"""The control socket: bounds, bad clients, slow readers, and what is-system-running is made of."""
import os
import socket
import subprocess
import tempfile
import time

from control import (END, MAGIC, REQUEST, RESULT, SNAPSHOT, SUBSCRIBE, VERSION, Client,
                     Closed)
from guest import BIN, Guest, unit
from harness import check, scenario

RESTART, POWEROFF = 5, 7
EPROTO, EINVAL, ESHUTDOWN = -71, -22, -108


def plain():
    return Guest(units={"a.service": unit("ready sleep", service_keys="Restart=always\nRestartSec=1ms\n"
                                          "StartLimitBurst=0")})


def result_of(client):
    while True:
        kind, _, result, _ = client.read()
        if kind == RESULT:
            return result


@scenario("eight clients are served, a ninth is closed at once, a free place is used again")
def client_places(_test):
    with plain() as guest:
        guest.wait_service("a.service", "active")
        clients = [guest.client() for _ in range(8)]
        for client in clients:
            check(client.snapshot()["boot"], "a snapshot for each")
        with guest.client() as ninth:
            try:
                ninth.snapshot()
                raise AssertionError("the ninth client was served")
            except (Closed, BrokenPipeError):
                pass
        clients.pop().close()
        guest.retry(lambda: served(guest), "the free place is used")
        for client in clients:
            check(client.snapshot()["boot"], "the others are still served")
            client.close()


def served(guest):
    try:
        with guest.client() as client:
            return client.snapshot()["boot"] is not None
    except (Closed, OSError):
        return False


@scenario("garbage, short, long, wrong version, unknown verb: refused, and PID 1 goes on")
def bad_frames(_test):
    with plain() as guest:
        state = guest.wait_service("a.service", "active")
        good = REQUEST.pack(MAGIC, VERSION, SNAPSHOT, b"")
        frames = {b"x": EPROTO, os.urandom(REQUEST.size): EPROTO, good + b"\0": EPROTO, good[:-1]: EPROTO,
                  os.urandom(60000): EPROTO, REQUEST.pack(MAGIC, VERSION + 1, SNAPSHOT, b""): EPROTO,
                  REQUEST.pack(MAGIC, VERSION, RESTART, b"n" * 32): EPROTO, REQUEST.pack(MAGIC, VERSION, 99, b""): EINVAL,
                  REQUEST.pack(MAGIC, VERSION, 0, b""): EINVAL}
        with guest.client() as client:
            for frame, expected in frames.items():
                client.socket.send(frame)
                result = result_of(client)
                check(result == expected, f"{frame[:12]!r} ({len(frame)} bytes): {result}")
            check(client.snapshot()["services"]["a.service"]["pid"] == state["pid"], "the same connection works")


@scenario("a slow reader blocks nobody and gets the last state")
def slow_reader(_test):
    with plain() as guest:
        state = guest.wait_service("a.service", "active")
        with guest.client() as slow:
            slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.send(SUBSCRIBE)
            for count in range(1, 301):
                guest.request(RESTART, "a.service")
                state = guest.wait(lambda s, old=state: s["services"]["a.service"]["state"] == "active" and
                                   s["services"]["a.service"]["pid"] != old["pid"],
                                   f"restart {count}")["services"]["a.service"]
                if count >= 60 and unread(slow) == unread_before(slow):
                    break
            records = 0
            while slow.state["services"].get("a.service", {}).get("pid") != state["pid"] or \
                    slow.state["services"]["a.service"]["state"] != "active":
                slow.read()
                records += 1
            check(records < count * 6, f"{records} records for {count} restarts: nothing was merged")


def unread(client):
    """Bytes in the next message only (SEQPACKET): used to see that something waits at all."""
    return len(client.socket.recv(1024, socket.MSG_PEEK | socket.MSG_DONTWAIT))


unread_before = unread


@scenario("a client that sends requests and never reads is not PID 1's problem")
def never_reads(_test):
    # One is answered by many records, one by a result, one is refused.
    frames = [REQUEST.pack(MAGIC, VERSION, SNAPSHOT, b""), REQUEST.pack(MAGIC, VERSION, 99, b""),
              REQUEST.pack(MAGIC, VERSION - 1, SNAPSHOT, b"")]
    with plain() as guest:
        guest.wait_service("a.service", "active")
        for frame in frames:
            with guest.client() as rude:
                rude.socket.setblocking(False)
                sent = 0
                try:
                    for sent in range(5000):
                        rude.socket.send(frame)
                except BlockingIOError:
                    pass
                check(sent > 0, "something was sent")
                check(guest.snapshot()["services"]["a.service"]["state"] == "active", "others are served")
                before = cpu_ticks(guest)
                time.sleep(0.5)  # the time that is measured
                check(cpu_ticks(guest) - before <= 2, f"PID 1 spins on it: {frame[:8]!r}")


def cpu_ticks(guest):
    with open(f"/proc/{guest.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@scenario("a client that vanishes in the middle leaves its place")
def vanishing_clients(_test):
    with plain() as guest:
        guest.wait_service("a.service", "active")
        for _ in range(50):
            client = guest.client()
            client.send(SUBSCRIBE)
            client.close()
        guest.retry(lambda: served(guest), "PID 1 serves")
        fds = len(os.listdir(f"/proc/{guest.pid}/fd"))
        guest.retry(lambda: len(os.listdir(f"/proc/{guest.pid}/fd")) <= fds, "descriptors are closed")
        check(fds < 24, f"{fds} descriptors")


@scenario("system state: running or degraded before slow services are up, the failed one is named, stopping last")
def system_state(_test):
    with Guest(units={"slow.service": unit("fifo:/run/slow await:/run/slow ready sleep"),
                      "bad.service": unit("fifo:/run/bad await:/run/bad exit:1"),
                      "last.service": unit("onterm:last:200 ready sleep")}) as guest:
        guest.wait_service("last.service", "active")
        picture = guest.snapshot()
        check(picture["services"]["slow.service"]["state"] == "starting", picture["services"]["slow.service"])
        # Without controllers in cgroup v2 (a hybrid host) the cgroup stage is degraded, and so is the whole.
        cgroup = picture["stages"]["cgroup"]["state"]
        check(picture["boot"]["state"] == ("running" if cgroup == "done" else "degraded"), picture["boot"])
        check(picture["stages"]["services"]["state"] == "running", picture["stages"]["services"])
        guest.release("/run/bad")
        guest.release("/run/slow")
        picture = guest.wait(lambda s: s["stages"]["services"]["state"] == "degraded", "services stage ends")
        check(picture["stages"]["services"]["reason"] == "bad.service failed", picture["stages"]["services"])
        check(picture["boot"]["state"] == "degraded", picture["boot"])
        with guest.client() as watcher, guest.client() as asker:
            watcher.send(SUBSCRIBE)
            watcher.read_picture()
            check(asker.request(POWEROFF) == 0, "power-off accepted")
            while watcher.state["boot"]["state"] != "stopping":
                watcher.read_picture()
            check(asker.request(RESTART, "last.service") == ESHUTDOWN, "no restart on the way down")
        check(guest.wait_end() == "signal 2", guest.end_line)


@scenario("a subscriber gets an END after each burst and no record twice unchanged")
def bursts(_test):
    with plain() as guest:
        guest.wait_service("a.service", "active")
        with guest.client() as client:
            client.send(SUBSCRIBE)
            client.read_picture()
            check(guest.request(RESTART, "a.service") == 0, "restart accepted")
            seen = []
            while not seen or seen[-1] != "active":
                kind, _, _, body = client.read()
                if kind == END:
                    check(client.state["services"]["a.service"]["state"], "a whole picture")
                elif "state" in body and body.get("name") == "a.service":
                    if not seen or seen[-1] != body["state"]:
                        seen.append(body["state"])
            check(seen[0] in ("stopping", "waiting", "starting"), seen)
            check(len(seen) == len(set(seen)), f"states in order: {seen}")


@scenario("is-system-running, asked of a PID 1 that hangs or is not there, answers before WSL's patience is over")
def nobody_answers(_test):
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        for name, least, most in (("hangs", 0.9, 2), ("absent", 0.19, 1)):
            path = f"{directory}/{name}"
            if name == "hangs":
                listener.bind(path)
                listener.listen(1)
            start = time.monotonic()
            result = subprocess.run(["systemctl", "is-system-running"], executable=f"{BIN}/keelctl", check=False,
                                    env={"KEEL_CONTROL": path}, capture_output=True, text=True, timeout=20)
            took = time.monotonic() - start
            check((result.stdout, result.returncode) == ("starting\n", 1), f"{name}: {result}")
            check(least < took < most, f"{name}: {took:.2f} s")
