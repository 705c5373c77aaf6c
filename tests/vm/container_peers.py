# SPDX-License-Identifier: MIT
"""Containers that open vsock sockets, which the host's ports are not for: tests/vm/guest/vsock-probe.c in them."""
import io
import tarfile

import rootimage
from guests import docker, events, health, must, sh
from harness import check, equal, retry_until

IMAGE = "keel/vsock-probe"
FREE = ("--security-opt", "seccomp=unconfined", "--device", "/dev/vsock")
# What people run; all that is withheld from a container, given to it; the host's network beside.
RUNS = {
    "seccomp off": FREE,
    "seccomp off, the host's network, privileged": (*FREE, "--network", "host", "--privileged"),
}


def import_probe(guest):
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w") as output:
        output.add(rootimage.VSOCK_PROBE, "vsock-probe")
    docker(guest, "import", "-", IMAGE, data=image.getvalue())


def probe(guest, *options):
    return docker(guest, "run", "--rm", *options, IMAGE, "/vsock-probe", seconds=240).splitlines()


def check_probe(name, lines):
    equal((lines[0], lines[-1]), ("socket ok", "done"), name)
    reached = []
    for line in lines[1:-1]:
        verb, *words = line.split()
        if verb == "bind":
            check(words[0] == "702" or words[1:] == ["Address", "in", "use"], f"{name}: {line}")
        elif words[2] == "0":
            reached.append(words[0])  # connected, and closed without a byte
        else:
            check(not words[2].isdigit() and words[2] != "open", f"{name}: {line}")
    # That they were refused by their address, and did not just find no way.
    check({"1", "own"} <= set(reached), f"{name}: {lines}")


def check_containers_get_nothing(guest):
    sh(guest, "modprobe vsock_loopback")
    import_probe(guest)
    lines = probe(guest)
    check(lines[0] != "socket ok" and len(lines) == 1, f"Docker's own filter: {lines}")
    hellos = sum(line["type"] == "hello" for line in events(guest))
    for name, options in RUNS.items():
        check_probe(name, probe(guest, *options))
    # The report has not noticed: its connection is the same, and what changes comes.
    restarts = {s["name"]: s["restarts"] for s in health(guest)["services"]}["keel-log.service"]
    sh(guest, "kill -9 $(pidof keel-log)")
    retry_until(60, lambda: any(s["name"] == "keel-log.service" and s["restarts"] > restarts for line in events(guest)
                                for s in line.get("health", {}).get("services", [])), "a change in the report")
    equal(sum(line["type"] == "hello" for line in events(guest)), hellos, "greetings")
    must("api", guest, "GET", "/livez")
