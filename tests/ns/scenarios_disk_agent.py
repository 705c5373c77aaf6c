# SPDX-License-Identifier: MIT
"""The data disk as the agent sees and serves it: real PID 1, agent and keel-disk, an ext4 on a loop device. dockerd is
left out: nothing here is about it.
"""
import contextlib
import os
import subprocess
import time

from engine import EngineGuest, data_disk, engine_root, unavailable
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


@scenario("disk in health: what is known of it, and the forecast of a small disk that is filled and emptied",
          deadline=300, skip=unavailable)
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


def may_grow():
    """ext4_resize_begin() asks for CAP_SYS_RESOURCE (24)."""
    with open("/proc/self/status", encoding="ascii") as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))
    return bool(effective & 1 << 24)


def log(guest):
    return guest.api("/v1/logs/keel-agent")[1].decode()


@scenario("disk: a device that grew is followed by itself, and the file system has the room",
          deadline=300, skip=unavailable)
def growth(_test):
    with disk_guest("256M") as (disk, guest):
        before = seen(guest)
        fill(guest, "kept", 64 * MIB)
        os.truncate(disk.path, 512 * MIB)
        subprocess.run(["losetup", "-c", disk.device], check=True)
        guest.retry(lambda: "the device has grown from 256 to 512 MiB" in log(guest), "noticed by itself")
        equal(seen(guest)["size_bytes"], 512 * MIB, "size of the device")
        if not may_grow():
            guest.retry(lambda: "keel-disk grow: failed" in log(guest), "tried, and told")
            return  # to grow takes CAP_SYS_RESOURCE, which the root of a container may lack; the VM has it
        guest.retry(lambda: seen(guest)["fs_bytes"] > before["fs_bytes"] + 200 * MIB, "ext4 followed")
        after = guest.retry(lambda: not seen(guest)["job"] and seen(guest), "the job is over")
        equal((after["size_bytes"], after["grown"], after["situation"]), (512 * MIB, True, "ok"), "after")
        check(os.path.getsize(guest.path("/data/kept")) == 64 * MIB, "the data is there")
        equal(guest.request(7), 0, "power off")
        equal(guest.wait_end(), "signal 2", "end")
        status, output = disk.check()
        equal(status, 0, f"e2fsck: {output}")


@scenario("disk: what was removed is given back to the host by itself, and at once when it is asked for", deadline=300,
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
            facts = guest.retry(lambda: not seen(guest)["job"] and seen(guest), "the job is over")
            check(facts["trim"]["total_bytes"] >= 190 * MIB and not facts["trim"]["running"], facts["trim"])


def write_random(guest, name, size):
    with open(guest.path(f"/data/{name}"), "wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
        file.flush()
        os.fsync(file.fileno())


# A keel-disk that is the real one for its stage, and says what the test wants of a repair.
STAND_IN = """#!/bin/sh
case $1 in
repair) exec 5< /data/.keel-disk
        echo '{"progress":{"step":"check","percent":40}}'
        cat /proc/self/cgroup > /var/test/group
        read -r x < /var/test/go
        echo done > /var/test/done
        echo '{"result":{"repaired":true}}' ;;
*) exec /usr/lib/keel/keel-disk.real "$@" ;;
esac
"""


@scenario("disk: a job goes on when the agent is killed and started again; keelctl shows progress and answers",
          deadline=300, skip=unavailable)
def job_outlives_the_agent(test):
    with open(f"{engine_root()}/usr/lib/keel/keel-disk", "rb") as file:
        real = file.read()
    with disk_guest("256M", files={"/usr/lib/keel/keel-disk": (STAND_IN, 0o755)},
                    binaries={"/usr/lib/keel/keel-disk.real": real}) as (_disk, guest):
        os.mkfifo(guest.path("/var/test/go"))
        with test.step("it runs, in a control group of its own"):
            client = guest.spawn("keelctl", "disk", "repair")
            guest.retry(lambda: (seen(guest)["job"] or {}).get("percent") == 40, "progress")
            equal(seen(guest)["job"]["verb"], "repair", "job")
            contains(guest.retry(lambda: guest.kept("/var/test/group"), "group"), "/keel/disk-job", "group")
            status, answer = guest.api("/v1/disk/trim", "POST")
            equal((status, answer["code"]), (409, "busy"), "a second job")
        with test.step("killed, the agent comes back; the job is still there and ends"):
            pid = guest.snapshot()["services"]["keel-agent.service"]["pid"]
            guest.kill(pid)
            guest.wait(lambda s: s["services"]["keel-agent.service"]["state"] == "active" and
                       s["services"]["keel-agent.service"]["pid"] != pid, "the agent is back")
            check(not guest.kept("/var/test/done"), "it still waits")
            equal(client.wait(20), 1, "keelctl's exit status")
            contains(client.stderr.read().decode(), "the connection ended before the job", "keelctl")
            guest.release("/var/test/go")
            guest.retry(lambda: guest.kept("/var/test/done"), "the job ended")
        with test.step("keelctl disk status, list and trim; without the agent too"):
            code, out, error = guest.run("keelctl", "disk", "status")
            check(code == 0 and "Space       ok" in out, f"{code} {out} {error}")
            code, out, error = guest.run("keelctl", "disk", "list")
            contains(out, _disk.device, "list")
            code, out, error = guest.run("keelctl", "disk", "trim")
            contains(out, "given back to the host", "trim")
            code, out, error = guest.run("keelctl", "disk", "init", _disk.device, check=False)
            equal(code, 2, f"init without an identity: {error}")
            guest.run("keelctl", "stop", "keel-agent")
            code, out, error = guest.run("keelctl", "disk", "list")
            contains(out, _disk.device, "list by keel-disk")
            contains(error, "this is what keel-disk says", "note")


@scenario("disk: a job that still runs keeps no shutdown from unmounting the disk", deadline=300, skip=unavailable)
def job_at_shutdown(_test):
    with open(f"{engine_root()}/usr/lib/keel/keel-disk", "rb") as file:
        real = file.read()
    with disk_guest("256M", files={"/usr/lib/keel/keel-disk": (STAND_IN, 0o755)},
                    binaries={"/usr/lib/keel/keel-disk.real": real}) as (disk, guest):
        os.mkfifo(guest.path("/var/test/go"))
        guest.spawn("keelctl", "disk", "repair")
        guest.retry(lambda: guest.kept("/var/test/group"), "it runs, with a file of the disk open")
        equal(guest.request(7), 0, "power off")
        equal(guest.wait_end(), "signal 2", "end")
        check("busy" not in guest.log_text(), guest.log_text())
        status, output = disk.check()
        check(status == 0 and "recovering journal" not in output, f"{status}\n{output}")


@scenario("disk: nothing is trimmed with disk.trim=no", deadline=300, skip=unavailable)
def trim_off(_test):
    with disk_guest("512M", config="[disk]\ntrim = no\n") as (_disk, guest):
        write_random(guest, "one", 100 * MIB)
        guest.retry(lambda: seen(guest)["used_bytes"] > 100 * MIB, "it is seen")
        os.unlink(guest.path("/data/one"))
        guest.retry(lambda: seen(guest)["trim"]["waiting"] == "disk.trim is off", "why not")
        equal(seen(guest)["trim"]["last_at"], 0, "trims")


@scenario("disk: an error that ext4 finds is in health within a second, with the device and the way out", deadline=300,
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


def in_guest(guest, *words):
    return subprocess.run(["nsenter", f"--mount=/proc/{guest.pid}/ns/mnt", *words], capture_output=True, text=True,
                          check=False)


def restart_agent(guest):
    before = guest.snapshot()["services"]["keel-agent.service"]["pid"]
    guest.kill(before)
    guest.wait(lambda s: s["services"]["keel-agent.service"]["state"] == "active" and
               s["services"]["keel-agent.service"]["pid"] != before, "another agent")


@scenario("disk in health: unmounted by somebody: told at once; nothing can be written into the directory below",
          deadline=120, skip=unavailable)
def unmounted(test):
    with disk_guest("64M") as (disk, guest):
        for point in ("/var/lib/docker", "/data"):
            with test.step(point):
                equal(health(guest)["disk"]["situation"], "ok", "before")
                mounted = os.stat(guest.path("/data")).st_dev
                result = in_guest(guest, "umount", "-l", point)
                equal(result.returncode, 0, f"umount: {result.stderr}")
                guest.retry(lambda: health(guest)["disk"]["situation"] == "unmounted", "health tells")
                document = health(guest)
                equal(document["status"], "failed", "status")
                contains(document["reason"], f"{point} was unmounted by somebody", "reason")
                try:
                    os.mkdir(guest.path(f"{point}/lost"))
                    raise AssertionError("it was written below the mount point")
                except PermissionError:
                    pass
                restart_agent(guest)
                guest.retry(lambda: health(guest)["disk"]["situation"] == "unmounted", "an agent that comes later tells too")
                contains(health(guest)["reason"], f"{point} was unmounted by somebody", "reason")
                if point == "/data":
                    continue
                result = in_guest(guest, "mount", "--bind", "/data/docker", point)
                equal(result.returncode, 0, f"mount: {result.stderr}")
                equal(os.stat(guest.path(point)).st_dev, mounted, "it is back")
                guest.retry(lambda: health(guest)["disk"]["situation"] == "ok", "health tells that too")
        result = in_guest(guest, "mount", disk.device, "/data")
        equal(result.returncode, 0, f"mount: {result.stderr}")
        guest.retry(lambda: health(guest)["disk"]["situation"] == "ok", "mounted again")
        check(seen(guest)["forecast"], "it is watched again")
        for point in ("/data", "/var/lib/docker", "/var/lib/containerd"):
            equal(in_guest(guest, "umount", point).returncode, 0, f"umount {point}")
        helper = subprocess.Popen(["nsenter", f"--mount=/proc/{guest.pid}/ns/mnt", "/usr/lib/keel/keel-disk", "-o",
                                   "disk.mountpoint=/data/below"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            contains(guest.retry(lambda: immutable_line(guest, helper), "it says why"), "chattr -i /data", "the way out")
        finally:
            helper.kill()
            helper.communicate()


def immutable_line(guest, helper):
    os.set_blocking(helper.stderr.fileno(), False)
    text = guest.log_text() + (helper.stderr.read() or b"").decode(errors="replace")
    return next((line for line in text.splitlines() if "is immutable" in line), None)
