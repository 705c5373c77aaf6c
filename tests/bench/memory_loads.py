# SPDX-License-Identifier: MIT
"""The scenarios of make bench-memory: what containers do before the host's memory is watched, and what still runs then.

A load is prepared (what keeps running is started), worked (returns when the work has ended) and finished (what kept
running ends and tells how it fared). Sizes are MiB at scale 1, in a guest of GUEST_MIB.
"""
import contextlib
import io
import subprocess
import tarfile
import threading
import time

from memory_guest import IMAGE, MIB, WORK, Broken

GUEST_MIB = 4096
TREE, ANON, BUSY, DATABASE, PULLED, FRAGMENTS = 1024, 512, 200, 512, 1024, 768
BUSY_PERCENT = 20  # of one CPU
OUT = "/w/answers"
START_SECONDS, WORK_SECONDS = 180, 900
PULLED_FILE_KIB = (4, 60)


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Load:
    title = ""

    def __init__(self, guest, scale):
        self.guest, self.scale = guest, scale
        self.held = 0  # MiB that run on after the work and did not before
        self.running = []

    def mib(self, size):
        return str(max(8, round(size * self.scale)))

    def prepare(self):
        """The engine has run a container: what it needs for that is in memory."""
        self.memload("build", "/w/warm", "8", "8", until="done", seconds=START_SECONDS)

    def work(self):
        raise NotImplementedError

    def finish(self, _since_us, _seconds):
        return {}

    def memload(self, *words, name=None, until, seconds):
        """Starts a container of memload; its line that begins with `until`."""
        options = ["--name", name] if name else []
        process = self.guest.docker_open("run", "--rm", *options, "-v", f"{WORK}:/w", IMAGE, "/memload", *words,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.running.append(process)
        end = time.monotonic() + seconds
        with deadline(process, seconds):
            for line in process.stdout:
                if line.startswith(until):
                    return line
        raise Broken(f"memload {' '.join(words)}: no '{until}' "
                     f"{'in time' if time.monotonic() >= end else ': ' + process.stderr.read().strip()[-300:]}")

    def build(self, size, anon):
        self.memload("build", "/w/tree", self.mib(size), self.mib(anon), until="done", seconds=WORK_SECONDS)

    def stop(self, name):
        self.guest.docker("stop", "-t", "60", name, seconds=120)

    def close_after(self, reset):
        """The containers are gone with the reset, and so are the clients that wait for them."""
        reset()
        for process in self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()


@contextlib.contextmanager
def deadline(process, seconds):
    """A process that says nothing in time is killed, so that who reads from it goes on."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Build(Load):
    title = "a container writes and reads a tree of small files, uses anonymous memory, ends"

    def work(self):
        self.build(TREE, ANON)


class Serving(Load):
    """With a server beside, whose answers are looked at afterwards."""
    name, size, extra = "server", BUSY, ()

    def prepare(self):
        super().prepare()
        self.memload("serve", "/w/hot", self.mib(self.size), str(self.guest.per_second), OUT, *self.extra,
                     name=self.name, until="serving", seconds=START_SECONDS)

    def finish(self, since_us, seconds):
        self.stop(self.name)
        return answers_of(self.guest.sh(f"cat {WORK}/answers"), since_us, seconds)


class Busy(Serving):
    title = "a build beside a container that works at 20 % of a CPU from a hot file"

    def work(self):
        self.build(TREE, ANON)


class Hot(Serving):
    title = "a database's hot set beside a build that ends"
    size, extra = DATABASE, ("zipf",)

    def work(self):
        self.build(TREE / 2, ANON / 2)


class Restarted(Hot):
    title = "the same, charged to its predecessor: the hardest case for who reclaims what the dead left"

    def prepare(self):
        """Whoever touches a page first is charged for it: the one that ends here."""
        self.memload("pace", "/w/hot", self.mib(self.size), str(BUSY_PERCENT), until="", seconds=START_SECONDS)
        super().prepare()


class Pull(Load):
    title = "an image is imported and removed"

    def work(self):
        process = self.guest.docker_open("import", "-", "bench/pulled", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE)
        self.running.append(process)
        with deadline(process, WORK_SECONDS), contextlib.suppress(BrokenPipeError):
            write_image(process.stdin, int(self.mib(PULLED)))
            process.stdin.close()
        if process.wait(WORK_SECONDS) != 0:
            raise Broken(f"docker import: {process.stderr.read().decode(errors='replace')[-300:]}")
        self.guest.docker("rmi", "bench/pulled", seconds=WORK_SECONDS)


class Fragmented(Load):
    title = "small allocations of all kinds in turn, most of them given up in random order"
    name = "fragments"

    def work(self):
        line = self.memload("fragment", "/w/fragments", self.mib(FRAGMENTS), name=self.name, until="holding",
                            seconds=WORK_SECONDS)
        self.held = int(line.split()[1])

    def finish(self, _since_us, _seconds):
        self.stop(self.name)
        return {}


LOADS = {"build": Build, "busy": Busy, "pull": Pull, "fragmented": Fragmented, "hot": Hot,
         "restarted": Restarted}


def write_image(output, mib):
    """A tar of small files of random content."""
    with open("/dev/urandom", "rb") as source:
        noise = source.read(MIB)
    least, most = (size << 10 for size in PULLED_FILE_KIB)
    left, number = mib * MIB, 0
    with tarfile.open(fileobj=output, mode="w|") as tar:
        while left > 0:
            size = min(left, least + number * 7919 % (most - least))
            entry = tarfile.TarInfo(f"layer/{number // 64}/{number}")
            entry.size = size
            start = number * 4801 % (MIB - most)
            tar.addfile(entry, io.BytesIO(noise[start:start + size]))
            left, number = left - size, number + 1


def answers_of(text, since_us, seconds):
    """What memload's server wrote (memload.c), of the `seconds` after `since_us`."""
    latency, service, found = [], [], {}
    for line in text.splitlines():
        if line.startswith("hot "):
            pages, missing, reread = map(int, line.split()[1:])
            found = {"hot_mib": pages * 4096 / MIB, "missing_percent": 100 * missing / max(1, pages),
                     "reread_ms": reread / 1000}
            continue
        at, waited, served = map(int, line.split())
        if since_us <= at < since_us + seconds * 1000000:
            latency.append(waited / 1000)
            service.append(served / 1000)
    if not found or not service:
        raise Broken("the server beside wrote no answers")
    return found | {"per_second": len(service) / seconds, "service_ms": sum(service) / len(service),
                    "p50_ms": quantile(latency, 0.5), "p99_ms": quantile(latency, 0.99), "worst_ms": max(latency)}
