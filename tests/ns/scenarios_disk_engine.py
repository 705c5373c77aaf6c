# SPDX-License-Identifier: MIT
"""The disk stage run again by a real PID 1, and a repair of the data disk below a running engine."""
import errno
import io
import json
import os
import subprocess
import tarfile

from engine import IMAGE, EngineGuest, data_disk, unavailable
from guest import Guest, unit
from harness import check, equal, scenario

RESTART_STAGE = 12
KEEL_DISK = "/usr/lib/keel/keel-disk"


@scenario("a stage is run again on demand: its helper starts anew, what is up stays up")
def stage_runs_again(_test):
    with Guest(units={"engine.service": unit("event:engine ready sleep", unit_keys="Requires=local-fs.target")},
               files={"/etc/test/keel-disk": "event:disk report:done:found"}) as guest:
        pid = guest.wait_service("engine.service", "active")["pid"]
        guest.retry(lambda: guest.request(RESTART_STAGE, "disk") == 0, "the first helper has ended")
        guest.retry(lambda: guest.event_names().count("disk") == 2, "the helper ran a second time")
        stage = guest.wait(lambda s: s["stages"]["disk"]["state"] == "done", "it is done again")["stages"]["disk"]
        equal(stage["reason"], "found")
        with open(guest.path("/etc/test/keel-disk"), "w", encoding="ascii") as file:
            file.write("event:disk report:failed:damaged")
        guest.retry(lambda: guest.request(RESTART_STAGE, "disk") == 0, "the second helper has ended")
        picture = guest.wait(lambda s: s["stages"]["disk"]["state"] == "failed", "the stage failed")
        equal((picture["stages"]["disk"]["reason"], picture["services"]["engine.service"]["pid"]), ("damaged", pid))
        equal(guest.event_names().count("engine"), 1)
        for name in ("mounts", "services", "nothing", ""):
            equal((name, guest.request(RESTART_STAGE, name)), (name, -errno.ENOENT))


@scenario("a stage whose helper runs is not run twice; one whose helper was killed is")
def stage_runs_once(_test):
    with Guest(units={"a.service": unit("ready sleep")},
               files={"/etc/test/keel-disk": "event:disk fifo:/run/disk report:running:looking await:/run/disk "
                                             "report:done:found"}) as guest:
        guest.wait(lambda s: s["stages"]["disk"]["reason"] == "looking", "the helper looks")
        equal(guest.request(RESTART_STAGE, "disk"), -errno.EALREADY)
        helper = next(inside for inside, process in guest.processes().items() if process[1] == "keel-disk")
        guest.kill(helper)
        stage = guest.wait(lambda s: s["stages"]["disk"]["state"] == "failed", "its end is noticed")["stages"]["disk"]
        check("was killed by signal 9" in stage["reason"], stage)
        with open(guest.path("/etc/test/keel-disk"), "w", encoding="ascii") as file:
            file.write("event:disk report:done:found")
        guest.retry(lambda: guest.request(RESTART_STAGE, "disk") == 0, "it can be run again")
        guest.wait(lambda s: s["stages"]["disk"]["state"] == "done", "the second one is done")
        equal(guest.event_names().count("disk"), 2)


def repair(guest, status=0, *arguments):
    result = guest.run(KEEL_DISK, "--json", "repair", *arguments, check=False)
    equal((result[0], result[2] if result[0] != status else ""), (status, ""))
    return json.loads(result[1].splitlines()[-1])["result" if status == 0 else "error"]


def starts(guest):
    """How often the container has started, by what it wrote to its volume."""
    try:
        return guest.read("/data/docker/volumes/precious/_data/file").count("start")
    except OSError:
        return 0


@scenario("a data disk in use is repaired: the engine stops, its containers end, all comes back", deadline=400,
          skip=unavailable)
def repair_in_use(test):
    with data_disk() as disk, EngineGuest(disk, seconds=100) as guest:
        guest.wait_ready()
        guest.import_image()
        guest.docker("run", "-d", "--name", "keeper", "--restart", "always", "-v", "precious:/data", IMAGE, "/busybox", "sh",
                     "-c", "echo start >>/data/file; /busybox sync; exec /busybox sleep 9999")
        guest.retry(lambda: starts(guest) == 1, "the container has written")
        name = disk.device.rsplit("/", 1)[-1]
        with test.step("the kernel finds an error and goes read-only; repair makes it writable again"):
            guest.run("sync")  # what was not on the disk by then is lost, like that a container runs
            with open(f"/sys/fs/ext4/{name}/trigger_fs_error", "w", encoding="ascii") as trigger:
                trigger.write("keel-test")
            check(guest.run("sh", "-c", "echo x > /data/probe", check=False)[0] != 0, "still writable")
            result = repair(guest)
            equal((result["device"], result["mounted"], len(result["undo"])), (disk.device, True, 1))
            guest.wait_ready()
            guest.run("sh", "-c", "echo x > /data/probe")
            # It was ended without being stopped by hand: its policy brings it back.
            guest.retry(lambda: starts(guest) == 2, "the container runs again, with its data")
        with test.step("what uses the disk beside the engine stops the repair, and the engine comes back"):
            with subprocess.Popen(["nsenter", "-t", str(guest.pid), "-m", "-r", "sh", "-c",
                                   "cd /data && echo in && exec sleep 600"], stdout=subprocess.PIPE) as user:
                equal(user.stdout.readline(), b"in\n")
                error = repair(guest, 1)
                user.kill()
            check(error["code"] == "in-use" and "/data" in error["message"], f"{error}")
            guest.wait_ready()
            guest.retry(lambda: starts(guest) == 3, "the container runs again")
        guest.request(7)
        guest.wait_end()
        equal(disk.check()[0], 0)


def synced(guest):
    """How often the agent has synced the disk for an image."""
    return guest.api("/v1/logs/keel-agent")[1].decode().count("synced after an image came")


def debugfs(path, command):
    return subprocess.run(["debugfs", "-R", command, path], check=True, capture_output=True, timeout=60).stdout


def layer_file(path, name):
    """A file of the only image's only layer, read from the file system in a file."""
    layers = [line.split(b"/")[5].decode() for line in debugfs(path, "ls -p /docker/overlay2").splitlines() if line]
    names = [layer for layer in layers if layer not in (".", "..", "l")]
    equal(len(names), 1, f"layers {layers}")
    return debugfs(path, f"cat /docker/overlay2/{names[0]}/diff/{name}")


@scenario("an image is durable soon after dockerd has it: the disk as a power cut leaves it then has the image's files",
          deadline=300, skip=unavailable)
def image_is_durable(_test):
    with data_disk() as disk, EngineGuest(disk, config="[vsock]\nreport_port = 0\n", seconds=120) as guest:
        guest.wait_ready()
        guest.retry(lambda: synced(guest) == 1, "the agent listens to dockerd's events")
        guest.import_image()
        guest.retry(lambda: synced(guest) > 1, "the disk was synced")
        cut = f"{disk.path}.cut"
        try:
            subprocess.run(["cp", "--sparse=always", disk.path, cut], check=True)
            result = subprocess.run(["e2fsck", "-fp", cut], capture_output=True, check=False, timeout=60)
            check(result.returncode in (0, 1), result.stdout)
            with open(os.path.realpath(f"{guest.lower}/usr/bin/busybox"), "rb") as file:
                check(layer_file(cut, "busybox") == file.read(), "the image's file is not what it was")
        finally:
            os.unlink(cut)


def layer(size):
    """A tar with one file that nothing can compress."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("random")
        entry.size = size
        tar.addfile(entry, io.BytesIO(os.urandom(size)))
    return archive.getvalue()


@scenario("what an image took is given back soon after it is removed, though nobody looked at the disk in between",
          deadline=300, skip=unavailable)
def removed_image_is_trimmed(_test):
    size = 128 << 20
    config = "[health]\nprobe = 3600\n[vsock]\nreport_port = 0\n"
    with data_disk() as disk, EngineGuest(disk, config=config, seconds=180) as guest:
        guest.wait_ready()
        guest.retry(lambda: synced(guest) == 1, "the agent listens to dockerd's events")
        before = os.stat(disk.path).st_blocks * 512
        guest.docker("import", "-", "big", stdin=layer(size))
        guest.retry(lambda: os.stat(disk.path).st_blocks * 512 > before + size, "the image is on the disk")
        guest.docker("rmi", "big")
        guest.retry(lambda: os.stat(disk.path).st_blocks * 512 < before + size // 4, "it was given back")
