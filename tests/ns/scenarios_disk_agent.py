# SPDX-License-Identifier: MIT
"""The data disk as the agent sees and serves it: real PID 1, agent and keel-disk, an ext4 on a loop device. dockerd is
left out: nothing here is about it.
"""
import contextlib
import os
import subprocess
import time

from engine import EngineGuest, data_disk, unavailable
from harness import check, contains, equal, scenario

MIB = 1 << 20
CONFIG = "[health]\nprobe = 1\n[vsock]\nreport_port = 0\n"


@contextlib.contextmanager
def disk_guest(size, config="", seconds=90, **options):
    """A guest whose data disk is mounted and watched."""
    with data_disk(size) as disk, EngineGuest(disk, config=CONFIG + config, seconds=seconds,
                                              masked=("docker.service", "containerd.service"), **options) as guest:
        guest.wait(lambda s: s["services"]["keel-agent.service"]["state"] == "active" and
                   s["disk"]["state"] == "mounted", "the agent is up and the disk is mounted")
        guest.retry(lambda: seen(guest)["forecast"], "the agent watches the disk")
        yield disk, guest


def seen(guest):
    status, disk = guest.api("/v1/disk")
    equal(status, 200, "GET /v1/disk")
    return disk


def health(guest):
    return guest.api("/v1/health")[1]


def fill(guest, name, size):
    fd = os.open(guest.path(f"/data/{name}"), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(fd, 0, size)
    finally:
        os.close(fd)


def allocated(path):
    return os.stat(path).st_blocks * 512


@scenario("disk in health: what is known of it, and the forecast of a small disk that is filled and emptied", deadline=150,
          skip=unavailable)
def space(test):
    with disk_guest("256M") as (disk, guest):
        with test.step("the facts are there"):
            facts = health(guest)["disk"]
            equal(facts["situation"], "ok", "situation")
            equal((facts["forecast"], facts["read_only"], facts["job"]), ("ok", False, None), "at first")
            check(200 * MIB < facts["fs_bytes"] <= 256 * MIB == facts["size_bytes"], facts)
            check(facts["used_bytes"] < facts["free_bytes"] and facts["inodes_free"] > 1000, facts)
            equal(facts["errors"]["count"], 0, "errors")
        free = facts["free_bytes"]
        with test.step("low: the word, and no other status"):
            before = health(guest)["status"]
            fill(guest, "a", free - 20 * MIB)
            guest.retry(lambda: seen(guest)["forecast"] == "low", "low")
            equal(health(guest)["status"], before, "status")
        with test.step("critical: by itself, degraded, with the way out"):
            fill(guest, "b", 16 * MIB)
            guest.retry(lambda: "space is critical" in log(guest), "nobody asked, and it is told")
            equal(seen(guest)["forecast"], "critical", "forecast")
        with test.step("emptied: ok again"):
            os.unlink(guest.path("/data/a"))
            os.unlink(guest.path("/data/b"))
            guest.retry(lambda: "space is ok" in log(guest), "ok again")
        check(disk.device == facts["device"], facts)


def log(guest):
    return guest.api("/v1/logs/keel-agent")[1].decode()


@scenario("disk: a device that grew is followed by itself, and the file system has the room", deadline=150, skip=unavailable)
def growth(_test):
    with disk_guest("256M") as (disk, guest):
        before = seen(guest)
        fill(guest, "kept", 64 * MIB)
        os.truncate(disk.path, 512 * MIB)
        subprocess.run(["losetup", "-c", disk.device], check=True)
        guest.retry(lambda: seen(guest)["fs_bytes"] > before["fs_bytes"] + 200 * MIB, "ext4 followed")
        after = guest.retry(lambda: not seen(guest)["job"] and seen(guest), "the job is over")
        equal((after["size_bytes"], after["grown"], after["situation"]), (512 * MIB, True, "ok"), "after")
        check(os.path.getsize(guest.path("/data/kept")) == 64 * MIB, "the data is there")
        equal(guest.request(7), 0, "power off")
        equal(guest.wait_end(), "signal 2", "end")
        status, output = disk.check()
        equal(status, 0, f"e2fsck: {output}")


@scenario("disk: what was removed is given back to the host by itself, and at once when it is asked for", deadline=240,
          skip=unavailable)
def trim(test):
    with disk_guest("1G", seconds=180) as (disk, guest):
        with test.step("POST /v1/disk/trim gives back what was removed just now"):
            write_random(guest, "one", 100 * MIB)
            full = allocated(disk.path)
            os.unlink(guest.path("/data/one"))
            status, answer = guest.api("/v1/disk/trim", "POST")
            equal(status, 200, f"status of {answer}")
            check(answer["trimmed_bytes"] >= 100 * MIB, answer)
            check(allocated(disk.path) < full - 90 * MIB, f"{allocated(disk.path) / MIB} of {full / MIB} MiB")
        with test.step("by itself, within a minute"):
            write_random(guest, "two", 100 * MIB)
            guest.retry(lambda: seen(guest)["used_bytes"] > 100 * MIB, "it is seen")
            full = allocated(disk.path)
            os.unlink(guest.path("/data/two"))
            start = time.monotonic()
            guest.retry(lambda: allocated(disk.path) < full - 90 * MIB, "given back")
            took = time.monotonic() - start
            check(took < 60, f"after {took:.0f} s")
            test.note(f"100 MiB were given back {took:.0f} s after their removal")
            facts = guest.retry(lambda: seen(guest)["trim"]["last_at"] and not seen(guest)["job"] and seen(guest), "told")
            check(facts["trim"]["total_bytes"] >= 190 * MIB and not facts["trim"]["running"], facts["trim"])


def write_random(guest, name, size):
    with open(guest.path(f"/data/{name}"), "wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
        file.flush()
        os.fsync(file.fileno())


@scenario("disk: nothing is trimmed with disk.trim=no", deadline=120, skip=unavailable)
def trim_off(_test):
    with disk_guest("512M", config="[disk]\ntrim = no\n") as (_disk, guest):
        write_random(guest, "one", 100 * MIB)
        guest.retry(lambda: seen(guest)["used_bytes"] > 100 * MIB, "it is seen")
        os.unlink(guest.path("/data/one"))
        guest.retry(lambda: seen(guest)["trim"]["waiting"] == "disk.trim is off", "why not")
        equal(seen(guest)["trim"]["last_at"], 0, "trims")


@scenario("disk: an error that ext4 finds is in health within a second, with the device and the way out", deadline=120,
          skip=unavailable)
def errors(_test):
    with disk_guest("256M") as (disk, guest):
        name = os.path.basename(disk.device)
        with open(f"/sys/fs/ext4/{name}/trigger_fs_error", "w", encoding="ascii") as trigger:
            trigger.write("1")
        start = time.monotonic()
        facts = guest.retry(lambda: seen(guest)["situation"] == "file-system-errors" and seen(guest), "errors")
        took = time.monotonic() - start
        check(took < 1, f"told after {took:.2f} s")
        check(facts["errors"]["count"] > 0 and facts["errors"]["last_at"] > 0 and
              facts["errors"]["last_function"] == "trigger_test_error", facts["errors"])
        verdict = guest.retry(lambda: health(guest)["disk"]["read_only"] and health(guest), "read-only")
        equal((verdict["status"], verdict["ready"]), ("failed", False), "health")
        contains(verdict["reason"], disk.device, "reason")
        contains(verdict["reason"], "keelctl disk repair", "reason")
        equal(facts["trim"]["waiting"] in ("", "the disk is not in order"), True, "no trim of a damaged disk")
