# SPDX-License-Identifier: MIT
"""The guest of make bench-memory: how it is asked, what the host holds for it, how it gets back to its floor between
two cells of the table.

While something is measured nobody talks to the guest: what the host holds is QEMU's to tell (monitor.py).
"""
import contextlib
import io
import json
import os
import pathlib
import subprocess
import tarfile
import threading
import time

import client
import figures
import machine
import vsock

VM = figures.TOP / "tests" / "vm" / "vm"
MEMLOAD = machine.BUILD / "lab" / "memload"
IMAGE = "bench/memload"
WORK = "/data/bench"  # in the guest
SAMPLE_SECONDS = 0.25
MIB = 1 << 20
# Threads that work for reclaim whoever asks for it, and who asks.
CPU_OF = ("keel-agent", "kcompactd0", "kswapd0", "senpai")
FACTS = """cat /proc/uptime; for s in /proc/[0-9]*/stat; do cat $s 2>/dev/null; done | sed 's/^/stat /'
sed -n 's/^workingset_refault_file/refaults/p' /sys/fs/cgroup/containers/memory.stat
sed 's/^/meminfo /' /proc/meminfo; sed 's/^/buddy /' /proc/buddyinfo; sed -n 's/^ *count:/per_cpu/p' /proc/zoneinfo"""
# The containers' cache, then what the root group, engine and tools have, then blocks put together again.
TO_THE_FLOOR = "sync; echo 3 > /proc/sys/vm/drop_caches; echo 1 > /proc/sys/vm/compact_memory"


class Broken(Exception):
    """A sentence: why a cell has no figures."""


def image_tar():
    """The one static file."""
    data, output = MEMLOAD.read_bytes(), io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        entry = tarfile.TarInfo("memload")
        entry.size, entry.mode = len(data), 0o755
        tar.addfile(entry, io.BytesIO(data))
    return output.getvalue()


class Sampler(threading.Thread):
    """What the host holds, over time: (seconds since `zero`, MiB)."""

    def __init__(self, guest):
        super().__init__(daemon=True)
        self.guest, self.samples, self.off, self.zero = guest, [], threading.Event(), time.monotonic()

    def run(self):
        while not self.off.wait(SAMPLE_SECONDS):
            try:
                self.samples.append((time.monotonic() - self.zero, self.guest.rss()))
            except (machine.VmError, OSError):
                return

    def stop(self):
        self.off.set()
        self.join()
        return self.samples


class Guest:
    def __init__(self, name, memory, append, options=()):
        self.name, self.memory, self.options = name, memory, options
        self.total = memory  # MiB
        self.append = f"mitigations=off {append}".strip()
        self.per_second = None  # of the server beside

    def __enter__(self):
        try:
            self.vm("up", "--fresh", "--mem", f"{self.memory}M", "--append", self.append, *self.options, seconds=300)
            self.docker("import", "-", IMAGE, data=image_tar())
        except Broken:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run([VM, "kill", "--name", self.name], capture_output=True, timeout=60, check=False)

    def vm(self, verb, *words, data=b"", seconds=120):
        try:
            result = subprocess.run([VM, verb, "--name", self.name, *words], input=data, capture_output=True,
                                    timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise Broken(f"vm {verb} {' '.join(words)}: no end after {seconds} s") from None
        if result.returncode != 0:
            raise Broken(f"vm {verb} {' '.join(words)}: {result.stderr.decode(errors='replace')[-500:].strip()}")
        return result.stdout.decode(errors="replace")

    def docker(self, *words, **options):
        return self.vm("docker", *words, **options)

    def docker_open(self, *words, **options):
        """A docker command whose output is read while it runs."""
        environment = dict(os.environ, DOCKER_HOST=f"unix://{machine.state_dir(self.name)}/docker.sock",
                           DOCKER_CONFIG=str(machine.state_dir(self.name) / "docker-config"))
        return subprocess.Popen(["docker", *words], env=environment, **options)

    def sh(self, command, seconds=60):
        output = []
        with vsock.connect(machine.state_dir(self.name) / "vsock.sock", vsock.SHELL_PORT, seconds) as sock:
            status = vsock.run_command(sock, command, None, lambda _fd, data: output.append(bytes(data)),
                                       time.monotonic() + seconds)
        text = b"".join(output).decode(errors="replace")
        if status != 0:
            raise Broken(f"{command!r} ended with {status}: {text[-500:]}")
        return text

    def rss(self):
        return client.request(self.name, {"do": "rss"})["kib"] / 1024

    def facts(self):
        """CPU seconds of who reclaims, refaults of containers, MiB of memory, of free blocks by order, of what waits
        in the processors' own lists."""
        return parse_facts(self.sh(FACTS))

    def set_mode(self, mode):
        path = machine.state_dir(self.name) / "vsock.sock"
        status, reason, body = vsock.http_request(path, vsock.API_PORT, "POST", "/v1/memory/mode",
                                                  json.dumps({"mode": mode}))
        if status != 200:
            raise Broken(f"mode {mode}: {status} {reason} {body.decode(errors='replace')[:200]}")

    def settle(self, seconds=45, quiet=6, step=3):
        """Until the host has held the same, give or take `step` MiB, for `quiet` seconds (three passes of reporting); what
        it holds then."""
        end, since, value = time.monotonic() + seconds, time.monotonic(), self.rss()
        while time.monotonic() < end and time.monotonic() - since < quiet:
            time.sleep(SAMPLE_SECONDS)
            now = self.rss()
            if abs(now - value) > step:
                since, value = time.monotonic(), now
        return self.rss()

    def to_the_floor(self):
        """As it was: no containers, no files of theirs, no cache."""
        self.remove_containers()
        self.sh(f"rm -rf {WORK}; mkdir -p {WORK}", seconds=120)
        self.sh(TO_THE_FLOOR, seconds=120)

    def remove_containers(self, seconds=60):
        """Until there are none: some are being removed already, which is an error to ask for again."""
        end = time.monotonic() + seconds
        while left := self.docker("ps", "-aq").split():
            with contextlib.suppress(Broken):
                self.docker("rm", "-f", *left)
            if time.monotonic() > end:
                raise Broken(f"containers are still there: {' '.join(left)}")


def parse_facts(text):
    facts = {"cpu": dict.fromkeys(CPU_OF, 0.0), "refaults": 0, "memory": {}, "free": [0] * 11,
             "per_cpu": 0.0}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "stat":
            name, fields = rest[rest.find("(") + 1:rest.rfind(")")], rest[rest.rfind(")") + 2:].split()
            if name in facts["cpu"]:  # own and of children that were waited for; ticks of 10 ms
                facts["cpu"][name] += sum(map(int, fields[11:15])) / 100
        elif kind == "refaults":
            facts["refaults"] = int(rest)
        elif kind == "meminfo":
            key, value = rest.split()[:2]
            facts["memory"][key.rstrip(":")] = int(value) / 1024
        elif kind == "buddy":
            for order, count in enumerate(rest.split()[-11:]):
                facts["free"][order] += int(count) * (4 << order) / 1024
        elif kind == "per_cpu":
            facts["per_cpu"] += int(rest) * 4 / 1024
        elif kind.replace(".", "").isdigit():
            facts["uptime"] = float(kind)
    return facts


