"""The shipped dockerd on a data disk with given options: `docker load` of an image with a real system's files, and its
removal. A script as PID 1 (boot_native.py) mounts the disk, so that keel's own choice is one of several.
"""
import os
import subprocess

import boot_native
import engine
from disk_loads import asked, timed
from disk_medium import Medium, make_file_system

SCRIPT = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root
mount -t ext4 -o {options} {device} /data
mkdir -p /data/docker /data/containerd
mount -o bind,{access} /data/docker /var/lib/docker
mount -o bind,{access} /data/containerd /var/lib/containerd
/usr/bin/floor listen /run/notify {notes}
export NOTIFY_SOCKET=/run/notify
/usr/bin/floor exec containerd {notes} {containerd} >/run/containerd.log 2>&1 &
/usr/bin/floor exec docker {notes} {docker} >/run/docker.log 2>&1 &
while :; do wait; sleep 1000; done
"""


class Disk:
    """What engine.EngineGuest wants to know of a disk."""

    def __init__(self, device):
        self.device, self.label = device, "keel-bench"


class Guest(boot_native.FloorGuest):
    def __init__(self, setup, device):
        super().__init__(Disk(device), seconds=120)
        cgroup = f"/{os.path.basename(self.cgroup)}/base"
        access = "noatime" if "noatime" in setup.options.split(",") else "relatime"
        self.put("/floor.sh", SCRIPT.format(options=setup.options, access=access, device=device,
                                            notes=boot_native.NOTES,
                                            containerd=boot_native.command_of("containerd", cgroup),
                                            docker=boot_native.command_of("docker", cgroup)))

    def wait_daemons(self):
        self.retry(self.notes, "both daemons said READY=1")


def save_image(pool, setup, layer, path):
    """An image of one layer, as `docker save` writes it."""
    with pool.device() as device:
        make_file_system(device.node, setup)
        with Guest(setup, device.node) as guest:
            guest.wait_daemons()
            with open(layer, "rb") as file:
                subprocess.run(guest.command("docker", "import", "-", "keel-bench"), stdin=file, check=True,
                               capture_output=True)
            with open(path, "wb") as file:
                subprocess.run(guest.command("docker", "save", "keel-bench"), stdout=file, check=True)


def step(medium, act):
    """Until docker has answered and all of it is on the medium."""
    before = medium.counts()
    wall, _ = timed(lambda: (act(), medium.sync()))
    medium.settle()
    return {"ms": wall} | asked(medium.since(before))


def measure(pool, setup, image):
    with pool.device() as device:
        make_file_system(device.node, setup)
        with Guest(setup, device.node) as guest:
            guest.wait_daemons()
            medium = Medium(device, guest.path("/data"))

            def load():
                with open(image, "rb") as file:
                    subprocess.run(guest.command("docker", "load"), stdin=file, check=True, capture_output=True)
            return {"docker_load": step(medium, load),
                    "docker_rmi": step(medium, lambda: guest.docker("rmi", "keel-bench"))}
