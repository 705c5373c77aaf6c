# SPDX-License-Identifier: MIT
"""make bench-proxy: Docker's API through keel's proxy against a direct unix socket and against socat, in the same run.
Writes build/bench/proxy.json and the table, proxy.md, which it prints.

    bench_proxy.py [--rounds N] [--quick]

A guest in namespaces, at native speed, with the real dockerd; the ways are taken in turn in each round. All of them end in a
unix socket: "direct" is dockerd's own, "keel" the agent's (--docker-listen unix:), "socat" is UNIX-LISTEN,fork to
UNIX-CONNECT with its usual buffers, "socat -b 65536" the same with keel's.

  real dockerd   new connection and GET /_ping; GET /_ping on one connection; docker save and docker load of an image of
                 IMAGE_MIB of noise, by raw HTTP
  a stand-in     relay throughput alone: a program that only says or only hears, writes of 32 KiB as Go's io.Copy makes them, and
                 the processor time of the proxy for it
"""
import argparse
import contextlib
import io
import json
import multiprocessing
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, *(f"{TESTS}/{name}" for name in ("ns", "lib", "disk"))]

import figures  # noqa: E402
import engine  # noqa: E402
import scenarios_proxy  # noqa: E402
from guest import BIN  # noqa: E402
from tables import number, table  # noqa: E402

OUT = figures.TOP / "build" / "bench"
PING = b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"
SOCAT = {"socat": (), "socat -b 65536": ("-b", "65536")}
WAYS = ("direct", "keel", *SOCAT)
# Key: unit, what, whether more is better.
ROWS = {"connections": ("a second", "new connection and ping", True), "requests": ("a second", "pings on one connection", True),
        "connect_p50": ("µs", "connection and ping, p50", False), "connect_p99": ("µs", "connection and ping, p99", False),
        "ping_p50": ("µs", "ping on one connection, p50", False), "ping_p99": ("µs", "ping on one connection, p99", False),
        "save": ("MB/s", "docker save (from dockerd)", True), "load": ("MB/s", "docker load (to dockerd)", True),
        "down": ("MB/s", "stand-in to client", True), "up": ("MB/s", "client to stand-in", True),
        "cpu_down": ("s/GB", "processor time of the proxy, down", False),
        "cpu_up": ("s/GB", "processor time of the proxy, up", False)}
CHUNK = 32 * 1024
PING_SLICES = 10


def dial(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(path)
    return sock


def one_ping(sock):
    sock.sendall(PING)
    answer = sock.recv(4096)
    while not answer.endswith(b"OK"):
        answer += sock.recv(4096)


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def pings(path, count, fresh):
    """How long each took, in microseconds; on a connection of its own each, or all on one."""
    times, kept = [], None if fresh else dial(path)
    for _ in range(count):
        start = time.perf_counter()
        sock = kept or dial(path)
        one_ping(sock)
        if fresh:
            sock.close()
        times.append((time.perf_counter() - start) * 1e6)
    if kept:
        kept.close()
    return times


def measure_pings(found, real, order, count):
    """In slices, so that what else the machine does meets all ways."""
    for fresh, rate, name in ((True, "connections", "connect"), (False, "requests", "ping")):
        times = {way: [] for way in order}
        for _ in range(PING_SLICES):
            for way in order:
                times[way] += pings(real.ways[way][0], count // PING_SLICES, fresh)
        for way, values in times.items():
            found[way] |= {rate: len(values) / sum(values) * 1e6, f"{name}_p50": percentile(values, 0.5),
                           f"{name}_p99": percentile(values, 0.99)}


def save(path):
    """MB/s of an answer whose end is the connection's."""
    buffer, size = bytearray(1 << 20), 0
    with dial(path) as sock:
        begun = time.perf_counter()
        sock.sendall(f"GET /images/{engine.IMAGE}-noise/get HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        while count := sock.recv_into(buffer):
            size += count
    return size / (time.perf_counter() - begun) / 1e6


def load(path, archive):
    with dial(path) as sock:
        begun = time.perf_counter()
        sock.sendall(b"POST /images/load?quiet=1 HTTP/1.0\r\nHost: docker\r\nContent-Type: application/x-tar\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(archive))
        sock.sendall(archive)
        answer = b""
        while data := sock.recv(65536):
            answer += data
        if b" 200 OK" not in answer:
            raise SystemExit(f"bench-proxy: docker load: {answer[-300:]}")
    return len(archive) / (time.perf_counter() - begun) / 1e6


# ---- the stand-in --------------------------------------------------------------------------------------

def serve(listener):
    """A connection's first 9 bytes: d (say) or u (hear), and how many bytes."""
    block, buffer = b"\1" * CHUNK, bytearray(CHUNK)
    while True:
        sock, _ = listener.accept()
        with sock:
            head = b""
            while len(head) < 9:
                head += sock.recv(9 - len(head))
            left = int.from_bytes(head[1:], "little")
            while left > 0 and head[:1] == b"d":
                left -= sock.send(block[:left])
            while left > 0 and (count := sock.recv_into(buffer)):
                left -= count
            if head[:1] == b"u":
                sock.sendall(b"!")


def flow(path, way, size):
    with dial(path) as sock:
        begun = time.perf_counter()
        sock.sendall(way + size.to_bytes(8, "little"))
        if way == b"d":
            buffer, got = bytearray(CHUNK), 0
            while count := sock.recv_into(buffer):
                got += count
        else:
            block, got = b"\1" * CHUNK, 0
            while got < size:
                got += sock.send(block[:size - got])
            if sock.recv(1) != b"!":
                raise SystemExit("bench-proxy: not all bytes arrived")
        if got != size:
            raise SystemExit(f"bench-proxy: {got} of {size} bytes")
        return size / (time.perf_counter() - begun) / 1e6


def cpu_seconds(pid):
    """Of a process and its children, those that live and those that were waited for."""
    total = 0
    for line in subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True,
                               check=False).stdout.split() + [str(pid)]:
        with contextlib.suppress(FileNotFoundError):
            words = pathlib.Path(f"/proc/{line}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
            total += sum(int(word) for word in words[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def measure_flow(found, path, pid, size):
    for key, way in (("down", b"d"), ("up", b"u")):
        before = cpu_seconds(pid) if pid else 0
        found[key] = flow(path, way, size)
        if pid:
            time.sleep(0.1)  # socat's child of this connection ends, and is counted when it was waited for
            found[f"cpu_{key}"] = (cpu_seconds(pid) - before) / (size / 1e9)


# ---- the run -------------------------------------------------------------------------------------------

class Proxies:
    """Each way to a socket: {way: (path, process or None)}."""
    def __init__(self, directory, prefix, target):
        self.ways, self.processes = {"direct": (target, None)}, []
        for way, options in SOCAT.items():
            path = f"{directory}/{prefix}-{len(self.ways)}"
            # The queue of its listener is 5; a burst of connections is not what is measured here.
            process = subprocess.Popen(["socat", "-d0", *options, f"UNIX-LISTEN:{path},fork,backlog=128", f"UNIX-CONNECT:{target}"])
            self.ways[way] = (path, process.pid)
            self.processes.append(process)
            while not os.path.exists(path):
                time.sleep(0.01)

    def forward(self, directory, prefix, target):
        path = f"{directory}/{prefix}-keel"
        process = subprocess.Popen([f"{BIN}/keelctl", "--vm", f"unix:{target}", "forward", f"unix:{path}"],
                                   stdout=subprocess.PIPE)
        process.stdout.readline()
        self.ways["keel"] = (path, process.pid)
        self.processes.append(process)

    def end(self):
        for process in self.processes:
            process.terminate()
            process.wait(10)


def noise_archive(guest, mib):
    """An image of one layer of noise, as docker save writes it."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("noise")
        info.size = mib << 20
        tar.addfile(info, io.BytesIO(os.urandom(info.size)))
    guest.docker("import", "-", f"{engine.IMAGE}-noise", stdin=data.getvalue())
    path = guest.path("/run/docker.sock")
    archive = b""
    with dial(path) as sock:
        sock.sendall(f"GET /images/{engine.IMAGE}-noise/get HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        parts = []
        while data := sock.recv(1 << 20):
            parts.append(data)
        archive = b"".join(parts)
    return archive[archive.index(b"\r\n\r\n") + 4:]


def one_round(turn, real, fake, archive, options):
    found = {way: {} for way in WAYS}
    order = WAYS[turn % len(WAYS):] + WAYS[:turn % len(WAYS)]
    measure_pings(found, real, order, options.pings)
    for way in order:
        found[way]["save"] = save(real.ways[way][0])
    for way in order:
        found[way]["load"] = load(real.ways[way][0], archive)
    for way in order:
        measure_flow(found[way], *fake.ways[way], options.mib << 20)
    return found


def text_of(rounds, options):
    rows = [["figure", "unit", *WAYS, "keel/direct"]]
    for key, (unit, what, _) in ROWS.items():
        row, medians = [what, unit], {}
        for way in WAYS:
            values = [found[way][key] for found in rounds if key in found[way]]
            if values:
                medians[way] = statistics.median(values)
            row.append(f"{number(medians[way])} ({number(min(values))} to {number(max(values))})" if values else "-")
        row.append(f"{statistics.median(found['keel'][key] / found['direct'][key] for found in rounds):.2f}"
                   if "direct" in medians else "-")
        rows.append(row)
    return (f"Medians (least to most) of {len(rounds)} rounds; the last column is the median of the rounds' own ratios. Image of "
            f"{options.image_mib} MiB, stand-in {options.mib} MiB each way.\n\n" + table(rows) + "\n" + verdicts(rounds))


def verdicts(rounds):
    """The goals: 0.9 of direct for what dockerd itself moves, and ahead of socat in every figure, round by round."""
    lines = []
    for key in ("save", "load"):
        ratio = statistics.median(found["keel"][key] / found["direct"][key] for found in rounds)
        lines.append(f"- {ROWS[key][1]}: {ratio:.2f} of direct; goal 0.9: {'met' if ratio >= 0.9 else 'MISSED'}")
    behind = []
    for key, (_, what, more) in ROWS.items():
        for way in SOCAT:
            ratio = statistics.median(found["keel"][key] / found[way][key] for found in rounds if found[way].get(key))
            if (ratio < 1) == more:
                behind.append(f"{what}: {ratio:.2f} of {way}")
    lines.append("- ahead of socat everywhere: " + ("met" if not behind else "MISSED: " + "; ".join(behind)))
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description="Docker's API through keel's proxy")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pings", type=int, default=2000)
    parser.add_argument("--mib", type=int, default=2048, help="through the stand-in, each way")
    parser.add_argument("--image-mib", type=int, default=192)
    parser.add_argument("--quick", action="store_true", help="shows that it works")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.pings, options.mib, options.image_mib = 1, 200, 128, 16
    reason = engine.unavailable()
    if reason:
        sys.exit(f"bench-proxy: {reason}")
    rounds = []
    with figures.favoured() as favoured, tempfile.TemporaryDirectory(prefix="kb-", dir="/tmp") as directory, \
            scenarios_proxy.engine_guest(seconds=1800) as guest:
        archive = noise_archive(guest, options.image_mib)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(f"{directory}/fake")
        listener.listen(64)
        server = multiprocessing.Process(target=serve, args=(listener,), daemon=True)
        server.start()
        real = Proxies(directory, "real", guest.path("/run/docker.sock"))
        real.ways["keel"] = (guest.front, None)
        fake = Proxies(directory, "fake", f"{directory}/fake")
        try:
            fake.forward(directory, "fake", f"{directory}/fake")
            for turn in range(options.rounds):
                rounds.append(one_round(turn, real, fake, archive, options))
                print(f"  round {turn + 1}: {json.dumps(rounds[-1]['keel'])}", flush=True)
        finally:
            fake.end()
            real.end()
            server.terminate()
    OUT.mkdir(parents=True, exist_ok=True)
    document = {"schema": 1, "bench": "proxy", "cpus": os.cpu_count(), "load": os.getloadavg()[0], "favoured": favoured,
                "kernel": os.uname().release, "rounds": rounds}
    (OUT / "proxy.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    text = text_of(rounds, options)
    (OUT / "proxy.md").write_text(text, encoding="utf-8")
    print("\n" + text)


if __name__ == "__main__":
    main()
