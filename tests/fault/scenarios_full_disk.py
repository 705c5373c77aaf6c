# SPDX-License-Identifier: MIT
"""A data disk without a free block or inode, with the real engine: whoever writes is told, nothing that was there is
harmed, and what is given back is used again without a restart.
"""
import contextlib
import errno
import io
import os
import tarfile

from engine import IMAGE, EngineGuest, data_disk, unavailable
from harness import check, contains, scenario

KEPT = "what was on the disk before"
NO_SPACE = "no space left on device"
LOOP = "trap 'exit 0' TERM; while :; do /busybox sleep 0.1; done"
# What dockerd writes down when it is asked to, each in a place of its own: volumes/metadata.db, network/files/local-kv.db,
# containers/ID, image/overlay2/repositories.json.
RECORDS = (("volume", "create", "more"), ("network", "create", "more"), ("create", "--name", "more", IMAGE, "/busybox"),
           ("tag", IMAGE, "more"))


# ---- using it up and giving it back -----------------------------------------------------------

def write_until_full(file, size):
    block = os.urandom(size)
    with contextlib.suppress(OSError):
        while True:
            os.write(file, block)
            os.fsync(file)  # delayed allocation: only now is it known whether there was room


def use_up_blocks(guest):
    """Not one block is free, those reserved for root neither: dockerd is root."""
    file = os.open(guest.path("/data/filler"), os.O_WRONLY | os.O_CREAT)
    for size in (1 << 20, 1 << 16, 1 << 12):
        write_until_full(file, size)
    os.close(file)
    stats = os.statvfs(guest.path("/data"))
    # ext4 keeps 2 % or 4096 clusters for its own metadata (Documentation/ABI/testing/sysfs-fs-ext4, reserved_clusters).
    check(stats.f_bfree <= 4096 + 64, f"{stats.f_bfree} blocks are still free")


def give_back_blocks(guest):
    os.unlink(guest.path("/data/filler"))


def use_up_inodes(guest):
    os.mkdir(guest.path("/data/inodes"))
    for number in range(1 << 20):
        try:
            os.close(os.open(guest.path(f"/data/inodes/{number}"), os.O_WRONLY | os.O_CREAT))
        except OSError as error:
            check(error.errno == errno.ENOSPC, error)
            break
    stats = os.statvfs(guest.path("/data"))
    check(stats.f_ffree == 0 and stats.f_bfree > 1 << 10, f"{stats.f_ffree} inodes, {stats.f_bfree} blocks are free")


def give_back_inodes(guest):
    for entry in os.scandir(guest.path("/data/inodes")):
        os.unlink(entry.path)


# ---- what is on the disk ----------------------------------------------------------------------

def layer():
    """A layer of 2 MiB in 64 files: needs blocks and inodes."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for number in range(64):
            entry = tarfile.TarInfo(f"file{number}")
            entry.size = 1 << 15
            tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    return archive.getvalue()


def inside(guest, script, name="runs", **options):
    return guest.docker("exec", name, "/busybox", "sh", "-c", script, **options)


def populate(guest):
    """An image, a container that runs and has written, one that is stopped, a volume."""
    guest.import_image()
    guest.docker("run", "-d", "--name", "runs", "-v", "kept:/kept", IMAGE, "/busybox", "sh", "-c", LOOP)
    inside(guest, f"echo {KEPT} >/kept/file; echo {KEPT} >/file; /busybox sync")
    guest.docker("run", "--name", "stopped", IMAGE, "/busybox", "sh", "-c", f"echo {KEPT}")


def verify(guest):
    """All of it is there and can be used."""
    for path in ("/kept/file", "/file"):
        contains(inside(guest, f"/busybox cat {path}")[1], KEPT, path)
    contains(guest.docker("logs", "stopped")[1], KEPT, "the log of the stopped container")
    guest.docker("start", "-a", "stopped")
    check(guest.docker("run", "--rm", IMAGE, "/busybox", "echo", "again")[1] == "again\n", "the image runs")
    contains(guest.docker("volume", "ls", "-q")[1], "kept", "volumes")


def forget_more(guest):
    """What the attempts may have left: an attempt that had room is no error, a half one is."""
    for command in (("rm", "-f", "more"), ("volume", "rm", "-f", "more"), ("network", "rm", "-f", "more"),
                    ("rmi", "-f", "more", "new")):
        guest.docker(*command, check=False)


def extend(guest):
    """Everything that was refused works."""
    guest.docker("import", "-", "new", stdin=layer())
    inside(guest, "/busybox dd if=/dev/zero of=/big bs=65536 count=16 && /busybox cp /big /kept/big")
    for command in RECORDS:
        guest.docker(*command)
    forget_more(guest)
    inside(guest, "/busybox rm /big /kept/big")


# ---- the attempts -----------------------------------------------------------------------------

def refused(result, what):
    status, output, error = result
    check(status != 0, f"{what} worked: {output}")
    contains((output + error).lower(), NO_SPACE, what)


def attempt_everything(test, guest):
    with test.step("an import, a write in a container and one in a volume are refused for lack of space"):
        refused(guest.docker("import", "-", "new", stdin=layer(), check=False), "import")
        for path in ("/more/file", "/kept/more/file"):
            refused(inside(guest, f"/busybox mkdir -p {os.path.dirname(path)} && "
                                  f"/busybox dd if=/dev/zero of={path} bs=65536 count=16", check=False), path)
    with test.step("dockerd's own records are refused for lack of space, or kept whole"):
        results = [guest.docker(*command, check=False) for command in RECORDS]
        errors = [output + error for status, output, error in results if status != 0]
        check(errors and all(NO_SPACE in text.lower() for text in errors), results)
    with test.step("the engine answers and knows what it had"):
        check("runs" in guest.docker("ps", "--format", "{{.Names}}")[1].split(), "the container runs")
        contains(guest.docker("images", "--format", "{{.Repository}}")[1], IMAGE, "images")
        check("new" not in guest.docker("images", "--format", "{{.Repository}}")[1].split(), "half an image is listed")
        guest.retry(lambda: guest.api("/livez")[0] == 200, "the agent answers")


def daemons(guest):
    return {name: guest.snapshot()["services"][name]["pid"] for name in ("docker.service", "containerd.service")}


def end(guest):
    guest.request(7)
    guest.wait_end()


def after_reboot(test, disk):
    with test.step("all of it is there after a reboot"):
        with EngineGuest(disk, seconds=90) as guest:
            guest.wait_ready()
            guest.docker("start", "runs")
            verify(guest)
            end(guest)
    with test.step("e2fsck finds nothing"):
        status, output = disk.check()
        check(status == 0, output)


def fill_and_recover(test, use_up, give_back):
    with data_disk(size="256M") as disk:
        with EngineGuest(disk, seconds=120) as guest:
            guest.wait_ready()
            populate(guest)
            before = daemons(guest)
            use_up(guest)
            attempt_everything(test, guest)
            give_back(guest)
            with test.step("what is given back is used again, by the same daemons"):
                forget_more(guest)
                verify(guest)
                extend(guest)
                check(daemons(guest) == before, "a daemon was restarted")
            end(guest)
        after_reboot(test, disk)


@scenario("full data disk: images, containers, volumes and dockerd's records hit the wall, nothing is harmed",
          deadline=300, skip=unavailable)
def full(test):
    fill_and_recover(test, use_up_blocks, give_back_blocks)


@scenario("data disk without a free inode: the same", deadline=300, skip=unavailable)
def no_inodes(test):
    fill_and_recover(test, use_up_inodes, give_back_inodes)


def came_up_or_not(service, killed):
    return service["pid"] != killed and service["state"] == "active" or service["restarts"] >= 3


@scenario("full data disk: dockerd and containerd are killed (-9) meanwhile, and come back when there is room",
          deadline=300, skip=unavailable)
def killed_while_full(test):
    with data_disk(size="256M") as disk:
        with EngineGuest(disk, seconds=180) as guest:
            guest.wait_ready()
            populate(guest)
            use_up_blocks(guest)
            for name, pid in daemons(guest).items():
                guest.kill(pid)
                service = guest.wait(lambda s, name=name, pid=pid: came_up_or_not(s["services"][name], pid),
                                     f"{name} came up, or was tried three times")["services"][name]
                test.note(f"{name} on a full disk: {service['state']}, {service['restarts']} restarts")
            guest.retry(lambda: guest.api("/livez")[0] == 200, "the agent answers")
            give_back_blocks(guest)
            guest.wait_ready()
            with test.step("the container did not notice, and all works again"):
                guest.retry(lambda: guest.docker("ps", check=False)[0] == 0, "dockerd answers")
                check("runs" in guest.docker("ps", "--format", "{{.Names}}")[1].split(), "the container runs")
                verify(guest)
                extend(guest)
            end(guest)
        after_reboot(test, disk)
