#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make bench-api: how soon the agent answers, and how soon the host knows what has happened.

A namespace guest at native speed, with the engine where this machine can run it. Writes build/bench/api.json and api.md.
Each run measures everything once, its floors too, in turn, so that what else the machine does reaches all of them alike.
--quick: few samples, to see that it works.
"""
import argparse
import contextlib
import json
import os
import pathlib
import signal
import socket
import statistics
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, f"{TESTS}/ns", f"{TESTS}/lib"]

import figures  # noqa: E402
import tables  # noqa: E402
from control import Closed  # noqa: E402
from engine import EngineGuest, child_unit, daemon_config, engine_root, unavailable  # noqa: E402

REPORT = "/run/report.sock"
DROP_IN = f"[Service]\nExecStart=\nExecStart=/usr/lib/keel/keel-agent --report unix:{REPORT}\n"

# figure, what it is, the largest p99 in ms that is acceptable (None: a floor)
ROWS = (
    ("echo", "floor: a byte there and back over a unix socket", None),
    ("ping", "floor: GET /_ping of dockerd itself, kept alive", None),
    ("livez", "GET /livez, kept alive", 5),
    ("livez_new", "GET /livez, a connection each", 5),
    ("health", "GET /v1/health, kept alive", 10),
    ("health_new", "GET /v1/health, a connection each", 10),
    ("ready", "GET /readyz, kept alive", 5),
    ("push", "a service is killed until the host has the line", 50),
    ("push_busy", "the same, right after another change was told", 50),
    ("push_control", "floor: the first, until PID 1's own subscriber has it", None),
)


# ---- requests -----------------------------------------------------------------------------------

def read_answer(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            raise ConnectionError("the peer closed in the middle of a header")
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(body) < length:
        body += sock.recv(262144)
    return head, body


def connect(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(10)
    sock.connect(path)
    return sock


def request(path):
    return f"GET {path} HTTP/1.1\r\nHost: keel\r\n\r\n".encode()


def kept(socket_path, path, count):
    """Milliseconds of each of `count` requests on one connection."""
    times, text = [], request(path)
    with connect(socket_path) as sock:
        for _ in range(count):
            begun = time.perf_counter_ns()
            sock.sendall(text)
            read_answer(sock)
            times.append((time.perf_counter_ns() - begun) / 1e6)
    return times


def fresh(socket_path, path, count):
    times, text = [], request(path)
    for _ in range(count):
        begun = time.perf_counter_ns()
        with connect(socket_path) as sock:
            sock.sendall(text)
            read_answer(sock)
        times.append((time.perf_counter_ns() - begun) / 1e6)
    return times


def echo(count):
    """What two processes and the kernel need for the least there can be."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    child = os.fork()
    if child == 0:
        ours.close()
        while data := theirs.recv(1):
            theirs.sendall(data)
        os._exit(0)
    theirs.close()
    times = []
    for _ in range(count):
        begun = time.perf_counter_ns()
        ours.sendall(b"x")
        ours.recv(1)
        times.append((time.perf_counter_ns() - begun) / 1e6)
    ours.close()
    os.waitpid(child, 0)
    return times


# ---- the push -----------------------------------------------------------------------------------

class Watcher(threading.Thread):
    """Notes when each process of the child was first told to be gone."""

    def __init__(self, pictures):
        super().__init__(daemon=True)
        self.pictures, self.changed, self.left, self.pid, self.heard = pictures, threading.Event(), {}, None, 0
        self.start()

    def run(self):
        with contextlib.suppress(OSError, ValueError, Closed):
            for pid in self.pictures:
                self.heard += 1
                if pid != self.pid:
                    self.left[self.pid], self.pid = time.perf_counter_ns(), pid
                    self.changed.set()


def report_pids(host):
    """The child's process as the report's lines have it."""
    needle = b'"name":"child.service"'
    with host.makefile("rb", buffering=1 << 20) as lines:
        for line in lines:
            if needle in line:
                service = line[line.index(needle):]
                yield int(service.split(b'"pid":', 1)[1].split(b",", 1)[0])


def control_pids(guest):
    with guest.client() as client:
        client.send(2)
        while True:
            yield client.read_picture()["services"]["child.service"]["pid"]


def wait_for(watcher, wanted):
    end = time.monotonic() + 10
    while not wanted():
        if not watcher.changed.wait(max(0.0, end - time.monotonic())):
            raise AssertionError("the change was not told")
        watcher.changed.clear()


def push(guest, watchers, count, pause_s):
    """Milliseconds from SIGKILL until each watcher has heard that the process is gone; each kill comes `pause_s` after the
    last change was told."""
    delays = {name: [] for name in watchers}
    first = next(iter(watchers.values()))
    for _ in range(count):
        for watcher in watchers.values():
            wait_for(watcher, lambda watcher=watcher: watcher.pid not in (None, 0) and watcher.pid == first.pid)
        pid = first.pid
        outside = guest.outside_pid(pid)
        time.sleep(pause_s)
        begun = time.perf_counter_ns()
        os.kill(outside, signal.SIGKILL)
        for name, watcher in watchers.items():
            wait_for(watcher, lambda watcher=watcher: pid in watcher.left)
            delays[name].append((watcher.left[pid] - begun) / 1e6)
    return delays


# ---- a storm --------------------------------------------------------------------------------------

def cpu_ms(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e6


def send_statuses(guest, count, pause_s, end):
    """In a process of the child's service, as PID 1 takes no others' word, and looks whose it is: it lives until `end` is
    closed. STATUS= that is another each time; then a byte to `end`."""
    group = f"{guest.cgroup}/base/keel-bench"
    for base, dirs, _ in os.walk(guest.cgroup):
        if "child.service" in dirs:
            group = f"{base}/child.service"
    os.setns(os.open(f"/proc/{guest.pid}/ns/pid", os.O_RDONLY), os.CLONE_NEWPID)
    child = os.fork()  # only a child is in the namespace
    if child == 0:
        with open(f"{group}/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write("0")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(guest.path("/run/keel/notify"))
            for number in range(count):
                sock.send(f"STATUS=change {number}".encode())
                time.sleep(pause_s)
        end.send(b"x")
        end.recv(1)
        os._exit(0)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def storm(guest, watcher, count):
    """A status changes `count` times in a second or a bit more: CPU milliseconds of the agent and of PID 1, lines to the
    host, all for each second."""
    agent = guest.outside_pid(guest.snapshot()["services"]["keel-agent.service"]["pid"])
    ours, theirs = socket.socketpair()
    before, begun = (cpu_ms(agent), cpu_ms(guest.pid), watcher.heard), time.monotonic()
    sender = os.fork()
    if sender == 0:
        ours.close()
        send_statuses(guest, count, 1 / count, theirs)
    theirs.close()
    if ours.recv(1) != b"x":
        raise AssertionError("the storm could not be made")
    seconds = time.monotonic() - begun
    guest.retry(lambda: f"change {count - 1}" in json.dumps(guest.api("/v1/services")[1]), "the last status is known")
    after = cpu_ms(agent), cpu_ms(guest.pid), watcher.heard
    ours.close()
    os.waitpid(sender, 0)
    return [(late - early) / seconds for early, late in zip(before, after)] + [count / seconds]


# ---- all ----------------------------------------------------------------------------------------

def p(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def measure_run(guest, engine, watchers, counts):
    api, docker = guest.path("/run/keel/api.sock"), guest.path("/run/docker.sock")
    run = {"echo": echo(counts["requests"])}
    if engine:
        run["ping"] = kept(docker, "/_ping", counts["requests"])
    run["livez"] = kept(api, "/livez", counts["requests"])
    run["livez_new"] = fresh(api, "/livez", counts["requests"])
    run["health"] = kept(api, "/v1/health", counts["requests"])
    run["health_new"] = fresh(api, "/v1/health", counts["requests"])
    run["ready"] = kept(api, "/readyz", counts["requests"])
    delays = push(guest, watchers, counts["kills"], 0.03)
    run["push"], run["push_control"] = delays["report"], delays["control"]
    run["push_busy"] = push(guest, watchers, counts["kills"], 0)["report"]
    run["storm"] = storm(guest, watchers["report"], 1000)
    return run


@contextlib.contextmanager
def guest_with_engine(engine):
    options = {"units": {"child.service": child_unit(50)}, "files": {"/etc/keel/units/keel-agent.service.d/report.conf": DROP_IN},
               "seconds": 3600}
    if engine:
        # No disk of its own: what containers are kept on does not matter here, and overlayfs does not stand on itself.
        daemon = json.loads(daemon_config(engine_root())) | {"storage-driver": "vfs"}
        options["files"]["/etc/docker/daemon.json"] = json.dumps(daemon)
        with EngineGuest(**options) as guest:
            guest.wait_ready()
            yield guest
    else:
        with EngineGuest(masked=("docker.service", "containerd.service"), **options) as guest:
            guest.wait_service("keel-agent.service", "active")
            yield guest


def summary(key, runs, limit):
    """Medians over the runs of each run's p50 and p99, the largest of all."""
    p50, p99 = [p(run, 0.5) for run in runs], [p(run, 0.99) for run in runs]
    entries = {f"{key}.p50": figures.figure("ms", p50), f"{key}.p99": figures.figure("ms", p99, limit),
               f"{key}.max": figures.figure("ms", [max(run) for run in runs])}
    for entry in entries.values():
        entry["samples"] = sum(map(len, runs))
    return entries


def write_table(document, sizes):
    rows = [["what", "p50, ms (least .. most of the runs)", "p99, ms", "worst, ms", "samples"]]
    for key, about, _ in ROWS:
        if f"{key}.p50" not in document:
            continue
        cells = []
        for part in ("p50", "p99"):
            entry = document[f"{key}.{part}"]
            cells.append(f"{entry['median']:.3f} ({entry['min']:.3f} .. {entry['max']:.3f})")
        rows.append([about, *cells, f"{document[f'{key}.max']['max']:.3f}", str(document[f"{key}.p50"]["samples"])])
    text = tables.table(rows)
    text += "\n" + "".join(f"- {line}\n" for line in sizes)
    (figures.TOP / "build" / "bench" / "api.md").write_text(text, encoding="utf-8")
    print(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--without-engine", action="store_true")
    options = parser.parse_args()
    counts = {"requests": 50, "kills": 10} if options.quick else {"requests": 600, "kills": 120}
    reason = unavailable()
    if reason:
        sys.exit(f"bench-api: {reason}")
    engine = not options.without_engine
    runs = []
    with figures.favoured(), guest_with_engine(engine) as guest, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(guest.path(REPORT))
        listener.listen(1)
        host, _ = listener.accept()
        watchers = {"report": Watcher(report_pids(host)), "control": Watcher(control_pids(guest))}
        size = len(json.dumps(guest.api("/v1/health")[1]))
        for number in range(1 if options.quick else options.runs):
            runs.append(measure_run(guest, engine, watchers, counts))
            print(f"run {number + 1}: health p99 {p(runs[-1]['health'], 0.99):.2f} ms, "
                  f"push p99 {p(runs[-1]['push'], 0.99):.2f} ms", flush=True)
        host.close()
    document = {}
    for key, _, limit in ROWS:
        if key in runs[0]:
            document.update(summary(key, [run[key] for run in runs], limit))
    for place, (key, unit) in enumerate((("agent_cpu", "ms/s"), ("init_cpu", "ms/s"), ("lines", "1/s"), ("changes", "1/s"))):
        document[f"storm.{key}"] = figures.figure(unit, [run["storm"][place] for run in runs])
    storms = {key: document[f"storm.{key}"]["median"] for key in ("agent_cpu", "init_cpu", "lines", "changes")}
    missed = figures.write("api", document)
    write_table(document, [f"the health document had {size} bytes; {len(runs)} runs; "
                           f"median of the runs, with the least and the most",
                           f"a storm of {storms['changes']:.0f} changes a second: {storms['lines']:.0f} lines, "
                           f"{storms['agent_cpu']:.0f} ms of CPU of the agent, {storms['init_cpu']:.0f} ms of PID 1, each second",
                           "with dockerd and containerd" if engine else "without an engine",
                           f"load when it ended: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"])
    print(f"build/bench/api.json, api.md; {missed} limits missed; median push "
          f"{statistics.median(document['push.p50']['values']):.2f} ms")


if __name__ == "__main__":
    pathlib.Path(figures.TOP / "build" / "bench").mkdir(parents=True, exist_ok=True)
    main()
