# SPDX-License-Identifier: MIT
"""keel as a distro in a VM that behaves as WSL's (tests/vm/guest/wsl-vm, tests/wsl): what the native harness cannot show.
Control groups with all controllers and without memory_recursiveprot, a real VHDX on a SCSI controller that is attached and
taken away at any time, another distro beside, the VM's own end.
"""
import json
import subprocess

import client
import gallery
import guests
import harness
import machine
from guests import IMAGE, ask, data_file, digest, docker, import_image, must, plug, sh, up, vm, wait_health
from harness import check, contains, equal, scenario

FOREIGN_LUN, FIRST_LUN, NEXT_LUN = 2, 5, 4  # 1 is the distro's own disk
WORDS = "written before\n"
SYNCED = "written just before the power cut\n"
SHARE = "/mnt/wsl/keel/run"
# Says on what it ended, in a volume and where no disk is needed.
STOPPABLE = ("trap 'echo by SIGTERM >>/run/end; echo by SIGTERM >>/n/end; exit 0' TERM; echo up >/run/end; "
             "while :; do sleep 0.1; done")
RESERVED = 32 << 20  # of the VM, what isolation leaves to WSL


def is_ready(document):
    return document["ready"] and document["status"] == "ready"


def make_vhdx(t, guest):
    """A data disk of keel's as a dynamic VHDX."""
    raw, path = data_file(t, f"-{guest}.img"), data_file(t, f"-{guest}.vhdx")
    gallery.ext4(raw, 1024 * gallery.MIB)
    machine.make_data_file(path, "1G")
    subprocess.run(["qemu-img", "convert", "-n", "-f", "raw", "-O", "vhdx", raw, path], check=True, timeout=60)
    raw.unlink()
    return path


def session(guest, command, distro="keel", options=""):
    return sh(guest, f"wsl session {distro} {options} -e sh -c '{command}'")


def events(guest, name, distro="keel"):
    """What the launcher has told: [{"how": "poweroff", "t": microseconds}]."""
    lines = [line.split() for line in ask(guest, "wsl events").splitlines()]
    return [dict(word.split("=", 1) for word in words[2:]) for words in lines if words[:2] == [name, distro]]


def start_container(guest, name):
    docker(guest, "run", "-d", "--name", name, "-v", "notes:/n", "-v", "/run/lab:/run", IMAGE, "/bin/sh", "-c", STOPPABLE)
    harness.retry_until(30, lambda: session(guest, "cat /run/lab/end") == "up\n", f"{name} is up")


def clean(guest, lun):
    """e2fsck in the VM, outside of the distro that has let go of the disk."""
    result = vm("sh", guest, f"e2fsck -fn /dev/$(ls /sys/bus/scsi/devices/*:{lun}/block)")
    equal(result.returncode, 0, f"e2fsck: {result.stdout.decode()}")


def take_away(guest, lun):
    """wsl --unmount: WSL's init flushes the disk and deletes it, then the host takes it."""
    sh(guest, f"wsl detach {lun}")
    must("unplug", guest, "--lun", str(lun))


def wait_released(guest):
    """The engine stopped and the dead disk let go of: waited for as at boot."""
    wait_health(guest, lambda document: document["disk"]["state"] == "waiting", "let go of", 120)
    equal(session(guest, "grep -c \" /data \" /proc/mounts || :"), "0\n", "mounts of the dead disk")


def check_words(guest):
    equal(docker(guest, "run", "--rm", "-v", "notes:/n", IMAGE, "/bin/cat", "/n/words"), WORDS, "the words in the volume")


def write_words(guest, words=WORDS):
    docker(guest, "run", "--rm", "-i", "-v", "notes:/n", IMAGE, "/bin/sh", "-c", "cat >/n/words; busybox sync",
           data=words.encode())


def group_of(guest, path):
    return ask(guest, f"cat /sys/fs/cgroup{path}").strip()


def memory_total(guest):
    return int(ask(guest, "sed -n 's/MemTotal: *//p' /proc/meminfo").split()[0]) << 10


def check_container_group(guest, base):
    """Where containers are, and that the limits there are those of the VM's size."""
    docker(guest, "run", "-d", "--name", "grouped", "--memory", "64m", IMAGE, "/bin/sleep", "1000")
    pid = docker(guest, "inspect", "-f", "{{.State.Pid}}", "grouped").strip()
    group = session(guest, f"cat /proc/{pid}/cgroup").strip()
    check(group.startswith(f"0::{base}/containers/"), f"a container is in {group}, not below {base}/containers")
    equal(group_of(guest, f"{group[3:]}/memory.max"), str(64 << 20), "its limit")
    limit = int(group_of(guest, f"{base}/containers/memory.max"))
    total = memory_total(guest)
    check(total // 2 < limit < total - RESERVED, f"limit of all containers: {limit} of {total}")
    docker(guest, "rm", "-f", "grouped")


def check_reclaim(guest, base):
    """Cache of a running container goes on request, in groups below a base that is not the root."""
    docker(guest, "run", "-d", "--name", "filler", "-v", "notes:/n", IMAGE, "/bin/sh", "-c",
           "busybox dd if=/dev/zero of=/n/fill bs=1M count=96; busybox sync; echo done >/n/filled; sleep 1000")
    harness.retry_until(60, lambda: session(guest, "ls /data/docker/volumes/notes/_data/filled"), "the cache is filled")
    before = int(group_of(guest, f"{base}/containers/memory.current"))
    answer = json.loads(must("api", guest, "--deadline", "70", "POST", "/v1/memory/reclaim",
                             '{"bytes":"all","timeout_ms":60000}'))
    after = int(group_of(guest, f"{base}/containers/memory.current"))
    check(before - after >= 48 << 20, f"containers held {before >> 20} MiB, then {after >> 20}: {answer}")
    docker(guest, "rm", "-f", "filler")


def check_late_disk(t, guest, vhdx, foreign):
    """Nothing, then somebody else's at a lower LUN, then ours."""
    equal(session(guest, "echo here"), "here\n", "a session without a data disk")
    contains(guests.health(guest)["reason"], "wsl --mount", "reason without a disk")
    plug(guest, foreign, FOREIGN_LUN)
    document = wait_health(guest, lambda document: "labelled theirs" in document["reason"], "the disk that is not ours", 60)
    equal((document["status"], document["ready"]), ("degraded", False), "status, ready")
    plug(guest, vhdx, FIRST_LUN)
    document = wait_health(guest, is_ready, "ready", guests.BOOT_SECONDS)
    device = ask(guest, f"ls /sys/bus/scsi/devices/*:{FIRST_LUN}/block").strip()
    equal(document["disk"]["device"], f"/dev/{device}", "the disk that was taken")
    t.note(f"the disk at LUN {FIRST_LUN} is {device}")


def check_other_distro(guest):
    """What one of them does with mounts below /mnt/wsl does not reach the other."""
    session(guest, "mkdir /mnt/wsl/theirs && mount -t tmpfs none /mnt/wsl/theirs && echo kept >/mnt/wsl/theirs/file", "other")
    equal(session(guest, "cat /mnt/wsl/theirs/file"), "kept\n", "a mount of the other distro, seen here")


def check_terminate(guest, lun):
    before = len(events(guest, "ended"))
    sh(guest, "wsl terminate keel", seconds=100)
    equal(events(guest, "ended")[before]["how"], "poweroff", "how the distro ended")
    equal(events(guest, "poweroff-timeout"), [], "WSL's own time-out")
    clean(guest, lun)
    equal(session(guest, "cat /mnt/wsl/theirs/file", "other"), "kept\n", "the other distro's mount after our end")


@scenario("a distro of the newest WSL, whose VHDX comes and goes", deadline=600)
def comes_and_goes(t):
    guest, vhdx, foreign = "wsl-head", make_vhdx(t, "ours"), data_file(t, "-foreign.img")
    gallery.ext4(foreign, label="theirs", marker=None, files={"letter": "dear diary"})
    untouched = digest(foreign)
    up(t, guest, "--wsl", "head", "--no-data", append="keel.disk.wait=5 keel.disk.format=never", wait="degraded")
    base = ask(guest, "wsl session keel -e cat /proc/1/cgroup").strip().removeprefix("0::").removesuffix("/keel/init")
    with t.step("PID 1 and sessions are in the groups of isolation"):
        pid = events(guest, "launched")[0]["pid"]
        equal(base, f"/wsl-user/distro-{pid}/systemd", "base")
        equal(ask(guest, "wsl session keel -e cat /proc/self/cgroup").strip(), f"0::/wsl-user/distro-{pid}/non-systemd",
              "a session's group")
        contains(session(guest, "grep \" /sys/fs/cgroup \" /proc/mounts"), "nsdelegate", "the hierarchy's options")
        equal(int(group_of(guest, "/wsl-user/memory.max")), memory_total(guest) - RESERVED, "the limit of all distros")
        equal(group_of(guest, "/wsl-user/cpu.max"), f"{int(ask(guest, 'nproc')) * 100000 - 1000} 100000", "their CPU time")
    with t.step("the modules that are none of WSL's kernel's own are loaded by the distro"):
        equal(session(guest, "grep -c \"^br_netfilter \" /proc/modules"), "1\n", "br_netfilter")
    with t.step("a VHDX that comes long after boot is taken, one of somebody else is left alone"):
        check_late_disk(t, guest, vhdx, foreign)
    import_image(guest)
    write_words(guest)
    with t.step("containers are below that group, limited by the VM's size"):
        check_container_group(guest, base)
    with t.step("memory is reclaimed there"):
        check_reclaim(guest, base)
    with t.step("both kinds of session see the data disk"):
        for options in ("", "--elevated"):
            contains(session(guest, "cat /data/.keel-disk", options=options), "keel-disk 1", f"session {options}")
    session(guest, "mkdir -p /run/lab")
    with t.step("taken away while a container runs: stopped by its own signal, let go of"):
        start_container(guest, "first")
        take_away(guest, FIRST_LUN)
        wait_released(guest)
        contains(session(guest, "cat /run/lab/end"), "by SIGTERM", "the container's last words")
    with t.step("back at another LUN: taken up without a restart, nothing lost"):
        plug(guest, vhdx, NEXT_LUN)
        wait_health(guest, is_ready, "ready again", guests.BOOT_SECONDS)
        check_words(guest)
        equal(len(events(guest, "exec-init")), 1, "boots of the distro")
    with t.step("wsl -t with a container: stopped by its own signal, the disk clean, the other distro unharmed"):
        check_other_distro(guest)
        docker(guest, "rm", "-f", "first")
        start_container(guest, "second")
        check_terminate(guest, NEXT_LUN)
    with t.step("the next session boots it again, all is there"):
        equal(session(guest, "echo again"), "again\n", "session")
        wait_health(guest, is_ready, "ready", guests.BOOT_SECONDS)
        check_words(guest)
        contains(docker(guest, "run", "--rm", "-v", "notes:/n", IMAGE, "/bin/cat", "/n/end"), "by SIGTERM", "its last words")
    with t.step("wsl --shutdown: in order, clean"):
        must("down", guest, "--deadline", "90")
        equal(client.how_it_ended(guest), "powered-off", "how the VM ended")
        equal(guests.file_system_errors(vhdx), "", "e2fsck")
        equal(digest(foreign), untouched, "SHA-256 of the foreign disk")


def share_status(document):
    return next(entry["status"] for entry in document["services"] if entry["name"] == "keel-share.service")


def unmount_like_an_init(guest):
    """The other distro goes down as a plain init lets it: it unmounts all it can, what keel has published too."""
    contains(session(guest, "cat /proc/mounts"), f" {SHARE} ", "what is published")
    vm("sh", guest, "wsl session other -e umount -a -r")  # its status tells of what was busy
    sh(guest, "wsl terminate other")
    wait_health(guest, lambda document: "published again" in share_status(document), "that it was published again")
    contains(session(guest, "cat /proc/mounts"), f" {SHARE} ", "what is published, afterwards")


def recover(t, vhdx):
    """What a power cut left: the journal is replayed, nothing else is to be mended; the raw image."""
    raw = data_file(t, "-cut.img")
    subprocess.run(["qemu-img", "convert", "-O", "raw", vhdx, raw], check=True, timeout=60)
    subprocess.run(["e2fsck", "-fp", raw], check=False, capture_output=True, timeout=60)
    equal(guests.file_system_errors(raw), "", "e2fsck after the replay")
    return raw


@scenario("a distro of WSL 2.9, its VHDX torn away, the VM cut off", deadline=400)
def torn_away(t):
    guest, vhdx = "wsl-29", make_vhdx(t, "torn")
    up(t, guest, "--wsl", "2.9", "--data", vhdx, append="keel.disk.format=never")
    with t.step("all groups are in the root, as before isolation"):
        equal(ask(guest, "wsl session keel -e cat /proc/1/cgroup").strip(), "0::/keel/init", "PID 1's group")
        equal(ask(guest, "wsl session keel -e cat /proc/self/cgroup").strip(), "0::/", "a session's group")
    import_image(guest)
    write_words(guest)
    with t.step("containers are limited by the VM's size"):
        check_container_group(guest, "")
    session(guest, "mkdir -p /run/lab")
    with t.step("torn away without a word: told, let go of, taken up at another LUN"):
        start_container(guest, "first")
        must("unplug", guest)
        wait_released(guest)
        plug(guest, vhdx, FIRST_LUN)
        wait_health(guest, is_ready, "ready again", guests.BOOT_SECONDS)
        check_words(guest)
    with t.step("another distro that unmounts all it can does not touch the engine"):
        session(guest, "echo shared >/mnt/wsl/file")
        unmount_like_an_init(guest)
        check_words(guest)
        equal(session(guest, "cat /mnt/wsl/file"), "shared\n", "/mnt/wsl")
    with t.step("a power cut loses nothing that was synced"):
        write_words(guest, SYNCED)
        must("kill", guest)
        raw = recover(t, vhdx)
        equal(gallery.run("debugfs", "-R", "cat /docker/volumes/notes/_data/words", raw).split("\n", 1)[1], SYNCED,
              "the words in the volume")
