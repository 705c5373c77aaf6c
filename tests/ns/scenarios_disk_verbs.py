# SPDX-License-Identifier: MIT
"""The jobs of keel-disk and what the disk stage does to real file systems: growth, trim, repair and its way back, init,
adoption, a format that is killed anywhere. Loop devices in a namespace of its own, as in scenarios_disk.py.

The file systems are made by the product itself (an image of zeroes, disk.format=blank), with the e2fsprogs that ship.
"""
import contextlib
import fcntl
import functools
import json
import os
import subprocess
import tempfile
import time

import harness
from harness import TOP, check, equal
from scenarios_disk import DATA, KEEL_DISK, MIB, Lab, all_loop_devices, digest, unavailable
from stage_helper import Helper, enter, run

TOOLS = str(TOP / "build/deps/bin")
# Not the kernel command line's: what the machine is started with is none of ours.
OPTIONS = [f"--option=disk.mountpoint={DATA}"]


def scenario(name, deadline=300):
    def register(function):
        @functools.wraps(function)
        def wrapped(*_test):
            with all_loop_devices(), tempfile.TemporaryDirectory(prefix="keel-verbs-") as directory, \
                    contextlib.ExitStack() as stack:
                function(VerbLab(directory, stack))
        return harness.scenario(f"keel-disk verbs: {name}", deadline=deadline, skip=unavailable)(wrapped)
    return register


class VerbLab(Lab):
    """A lab with the shipped mke2fs and e2fsck, and a /run of its own: the lock of jobs is there."""

    def __init__(self, directory, stack):
        super().__init__(directory, stack)
        self.inside("mount", "-t", "tmpfs", "tmpfs", "/run")
        for name in ("mke2fs", "e2fsck"):
            self.inside("mount", "--bind", f"{TOOLS}/{name}", f"/usr/sbin/{name}")

    def replace(self, name, script):
        """Puts a script in the place of a program of /usr/sbin, until restore()."""
        path = os.path.join(self.directory, f"{name}.sh")
        with open(path, "w", encoding="ascii") as file:
            file.write(script)
        os.chmod(path, 0o755)
        self.inside("mount", "--bind", path, f"/usr/sbin/{name}")

    def restore(self, name):
        self.inside("umount", f"/usr/sbin/{name}")

    def made(self, size=300 * MIB):
        """(image, device) of a disk that keel-disk made, not mounted."""
        path = self.image(size)
        device = self.loop(path)
        helper = self.start(device, format="blank", wait="20")
        helper.until("done")
        helper.ends_with(0)
        self.unmount()
        return path, device

    def mounted(self, device, **options):
        helper = self.start(device, **options)
        report = helper.until("done")
        helper.ends_with(0)
        return report

    def unmount(self):
        self.inside("umount", "/var/lib/docker", "/var/lib/containerd", DATA)

    def command(self, *arguments):
        return enter(self.holder, KEEL_DISK, *OPTIONS, "--json", *arguments)

    def job(self, *arguments, status=0, environment=None, prefix=()):
        """Runs a job to its end: (what its last line says, its progress lines)."""
        command = self.command(*arguments)
        result = subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=200, check=False,
                                env={**os.environ, **(environment or {})})
        check(result.returncode == status, f"{arguments}: status {result.returncode}: {result.stdout}{result.stderr}")
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        check(lines and all("progress" in line for line in lines[:-1]), f"{arguments}: {result.stdout}")
        return lines[-1]["result" if status == 0 else "error"], [line["progress"] for line in lines[:-1]]

    def uuid(self, device):
        return run("blkid", "-p", "-s", "UUID", "-o", "value", device).strip()


def fsck(device):
    """What a look at it finds, "" if it is clean."""
    result = subprocess.run(["e2fsck", "-fn", device], capture_output=True, text=True, timeout=100, check=False)
    return "" if result.returncode == 0 else result.stdout


def damage(device, directory="docker"):
    """The inode of a directory with something in it is gone and the kernel has noticed: -p leaves that to people, -y
    mends it."""
    for command in (f"mkdir {directory}/deep", f"mkdir {directory}/deep/deeper", f"clri {directory}"):
        run("debugfs", "-w", "-R", command, device)
    run("debugfs", "-w", "-R", "ssv state 3", device)
    check(fsck(device), "not damaged")


def allocated(path):
    os.sync()
    return os.stat(path).st_blocks * 512


# ---- format -----------------------------------------------------------------------------------------

@scenario("a new disk carries the marker from its first moment and no record of its format")
def format_is_complete(lab):
    path, device = lab.made()
    marker = run("debugfs", "-R", "cat /.keel-disk", device)
    check("keel-disk 1\n" in marker and f"uuid={lab.uuid(device)}\n" in marker and "made=" in marker and "by=" in marker,
          marker)
    with open(path, "rb") as file:
        file.seek(2048)
        check(file.read(2048) == bytes(2048), "the record of the format is still there")
    equal(fsck(device), "")
    report = lab.mounted(device)
    check(report["made_by"] and abs(report["made_s"] - time.time()) < 300, f"{report}")
    equal(oct(int(lab.inside("stat", "-c", "%a", DATA), 8)), oct(0o755))
    check(allocated(path) < 24 * MIB, f"{allocated(path) >> 20} MiB allocated for nothing")


def inject_kill(call, number):
    return f"-e trace={call} -e inject={call}:signal=KILL:when={number}"


def writes_of_mke2fs(lab):
    """How many writes a format of this size makes."""
    log = os.path.join(lab.directory, "trace")
    lab.replace("mke2fs", f"#!/bin/sh\nexec strace -qq -o {log} -e trace=pwrite64,fsync {TOOLS}/mke2fs \"$@\"\n")
    lab.made()
    lab.restore("mke2fs")
    with open(log, encoding="utf-8") as file:
        return sum(1 for line in file if line.startswith("pwrite64"))


@scenario("an mke2fs that is killed at any of its writes is done again at the next start", deadline=600)
def killed_mke2fs(lab):
    total = writes_of_mke2fs(lab)
    points = sorted({1, 2, 3, 5, total // 3, total // 2, total - 1, total})
    print(f"# {total} writes, killed at {points}")
    for point in points:
        device = lab.loop(lab.image(300 * MIB))
        lab.replace("mke2fs", f"#!/bin/sh\nexec strace -qq -o /dev/null {inject_kill('pwrite64', point)} "
                              f"{TOOLS}/mke2fs \"$@\"\n")
        helper = lab.start(device, format="blank", wait="20")
        helper.until("failed", "mke2fs")
        helper.stop()
        lab.restore("mke2fs")
        report = lab.mounted(device, format="blank", wait="20")
        equal((point, report["formatted"], report["situation"]), (point, 1, "ok"))
        lab.unmount()
        equal((point, fsck(device)), (point, ""))


@scenario("keel-disk killed before, within and after its mke2fs finishes the format at the next start")
def killed_format(lab):
    # Its first sync is the record's; then mke2fs runs; its directory is removed; the second sync is of the record's end.
    for call, number, record, formatted in (("fsync", 1, True, 1), ("rmdir", 1, True, 0), ("fsync", 2, False, 0)):
        path = lab.image(300 * MIB)
        device = lab.loop(path)
        command = enter(lab.holder, "strace", "-qq", "-o", "/dev/null", *inject_kill(call, number).split(), KEEL_DISK,
                        *OPTIONS, "--option=disk.wait=20", "--option=disk.format=blank", f"--only={device}")
        helper = Helper(command)
        lab.stack.callback(helper.stop)
        helper.process.wait(60)
        with open(device, "rb") as node:
            node.seek(2048)
            equal((call, number, node.read(5) == b"keel-"), (call, number, record))
        report = lab.mounted(device, format="blank", wait="20")
        # A file system that was complete is kept.
        equal((call, number, report["formatted"]), (call, number, formatted))
        lab.unmount()
        equal(fsck(device), "")
        with open(path, "rb") as file:
            file.seek(2048)
            check(file.read(2048) == bytes(2048), "the record was mounted")


# ---- growth -----------------------------------------------------------------------------------------
# The kernel wants CAP_SYS_RESOURCE of who enlarges an ext4, which the root of a container may lack: growth itself is the VM's
# (tests/vm/scenarios_disk_space.py, tests/powercut).

def fs_size(lab):
    return int(lab.inside("stat", "-f", "-c", "%b", DATA)) * 4096


@scenario("there is nothing to grow into, or nothing that is mounted")
def grows_nothing(lab):
    _, device = lab.made()
    lab.mounted(device)
    result, _ = lab.job("grow")
    equal((result["device"], result["old_bytes"], result["new_bytes"]), (device, 300 * MIB, 300 * MIB))
    lab.unmount()
    error, _ = lab.job("grow", status=1)
    equal(error["code"], "not-mounted")


@scenario("a disk that is there is not let go of, and none is no failure")
def releases_nothing(lab):
    """One that went away: the VM suite."""
    _, device = lab.made()
    lab.mounted(device)
    error, _ = lab.job("release", status=1)
    equal(error["code"], "in-use")
    lab.unmount()
    result, _ = lab.job("release")
    equal(result["released"], False)


@scenario("a disk that the kernel does not enlarge is used as it is")
def growth_is_refused(lab):
    path, device = lab.made()
    os.truncate(path, 600 * MIB)
    run("losetup", "-c", device)
    # Where the root has it: without CAP_SYS_RESOURCE the kernel refuses.
    command = enter(lab.holder, "setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", KEEL_DISK, *OPTIONS,
                    "--option=disk.wait=1", f"--only={device}")
    helper = Helper(command)
    lab.stack.callback(helper.stop)
    report = helper.until("done")
    equal((report["grown"], fs_size(lab) < 300 * MIB), (0, True))
    helper.ends_with(0)
    lab.unmount()
    equal(fsck(device), "")


# ---- trim ---------------------------------------------------------------------------------------------

def fill(lab, name, mib):
    lab.inside("dd", "if=/dev/urandom", f"of={DATA}/{name}", "bs=1M", f"count={mib}", "conv=fsync", "status=none")


@scenario("trim gives back what was freed")
def trim_gives_back(lab):
    path, device = lab.made(2048 * MIB)
    lab.mounted(device)
    lab.job("trim")
    before = allocated(path)
    fill(lab, "big", 200)
    check(allocated(path) > before + 190 * MIB, "the file did not grow")
    lab.inside("rm", f"{DATA}/big")  # and at once: that it is free is not on the disk yet
    result, progress = lab.job("trim")
    check(result["trimmed_bytes"] >= 200 * MIB and result["pieces"] == 16 and result["stopped"] == "", f"{result}")
    check(progress and progress[0]["step"] == "trim", f"{progress}")
    check(allocated(path) < before + 10 * MIB, f"{before >> 20} MiB, then {allocated(path) >> 20} MiB")
    again, _ = lab.job("trim")
    check(again["trimmed_bytes"] < 10 * MIB, f"the same was trimmed again: {again}")


@scenario("trim stops between two pieces")
def trim_stops(lab):
    _, device = lab.made(3072 * MIB)
    lab.mounted(device)
    log = os.path.join(lab.directory, "ioctls")
    strace = ["strace", "-qq", "-f", "-o", log, "-e", "trace=ioctl"]
    result, _ = lab.job("trim", prefix=strace)
    equal((result["stopped"], result["pieces"]), ("", 24))
    with open(log, encoding="utf-8") as file:
        first = next(number for number, line in enumerate(file, 1) if "FITRIM" in line)
    for number, pieces in ((1, 0), (first, 1), (first + 1, 2)):
        result, _ = lab.job("trim", prefix=[*strace, "-e", f"inject=ioctl:signal=TERM:when={number}"])
        equal((number, result["stopped"], result["pieces"]), (number, "signal", pieces))
    for slice_name in ("engine", "containers"):
        os.makedirs(f"{lab.directory}/{slice_name}")
        with open(f"{lab.directory}/{slice_name}/io.pressure", "w", encoding="ascii") as file:
            file.write(f"some avg10={50 if slice_name == 'containers' else 0}.00 avg60=0.00 avg300=0.00 total=1\n")
    environment = {"KEEL_CGROUP": f"/../../..{lab.directory}"}
    result, _ = lab.job("trim", "--gentle", environment=environment)
    equal((result["stopped"], result["pieces"]), ("pressure", 0))
    result, _ = lab.job("trim", environment=environment)
    equal((result["stopped"], result["pieces"]), ("", 24))


# ---- repair ---------------------------------------------------------------------------------------------

def undo_path(lab, path):
    """As seen from outside of the namespace."""
    return f"/proc/{lab.holder}/root{path}" if path.startswith("/var/lib") else path


@scenario("repair mends what needs a decision, and can be taken back to the byte")
def repair_and_revert(lab):
    path, device = lab.made()
    lab.mounted(device)
    lab.inside("sh", "-c", f"mkdir {DATA}/docker/deep && echo precious > {DATA}/docker/deep/file")
    lab.unmount()
    damage(device)
    before, uuid = digest(path), lab.uuid(device)
    helper = lab.start(device)
    equal(helper.until("failed")["situation"], "needs-repair")
    helper.stop()
    checked = digest(path)  # e2fsck -p mended what needs no decision
    result, progress = lab.job("repair", f"--only={device}", "--uuid", uuid)
    equal((result["device"], result["uuid"], result["repaired"], len(result["undo"])), (device, uuid, True, 1))
    check({"repair", "verify"} <= {line["step"] for line in progress}, f"{progress}")
    equal(fsck(device), "")
    lab.inside("e2undo", result["undo"][0], device)
    equal(digest(path), checked)
    print(f"# the check before changed bytes: {before != checked}")
    lab.job("repair", device)
    lab.mounted(device)
    equal(lab.inside("sh", "-c", f"cat {DATA}/lost+found/*/deep/file {DATA}/lost+found/*/file 2>/dev/null || true"),
          "precious\n")


@scenario("repair keeps the two newest undo files and refuses without room for one")
def repair_undo_room(lab):
    _, device = lab.made()
    for _ in range(3):
        damage_count = subprocess.run(["debugfs", "-w", "-R", "ssv state 3", device], capture_output=True, check=False)
        equal(damage_count.returncode, 0)
        run("debugfs", "-w", "-R", "set_bg 0 free_blocks_count 7", device)
        lab.job("repair", device)
    names = lab.inside("ls", "/var/lib/keel/undo").split()
    check(len(names) == 2 and all(name.endswith(".e2undo") for name in names), f"{names}")
    lab.inside("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", "/var/lib/keel/undo")
    run("debugfs", "-w", "-R", "set_bg 0 free_blocks_count 7", device)
    error, _ = lab.job("repair", device, status=1)
    check(error["code"] == "no-space" and "--no-undo" in error["message"], f"{error}")
    check(fsck(device), "repaired all the same")
    result, _ = lab.job("repair", "--no-undo", device)
    equal((result["undo"], fsck(device)), ([], ""))


@scenario("repair takes a backup when the first superblock is gone")
def repair_superblock(lab):
    path, device = lab.made()
    uuid = lab.uuid(device)
    with open(path, "r+b") as file:
        file.seek(1024)
        file.write(bytes(1024))
    helper = lab.start(device)
    equal(helper.until("failed")["situation"], "bad-superblock")
    before = digest(path)
    result, _ = lab.job("repair", f"--only={device}")
    equal((result["uuid"], lab.uuid(device), fsck(device)), (uuid, uuid, ""))
    until_done(helper)  # which waited, and was woken by the end of the repair
    helper.ends_with(0)
    lab.unmount()
    check(before != digest(path), "nothing was done")


@scenario("repair says no to what it must not touch")
def repair_refuses(lab):
    _, device = lab.made()
    for arguments, code in (
            ((device, "--uuid", "11111111-2222-3333-4444-555555555555"), "identity"),
            (("/dev/nothing",), "no-such-device"),
            ((lab.loop(lab.image()),), "not-ext4")):
        error, _ = lab.job("repair", *arguments, status=1)
        equal(error["code"], code)
    lab.inside("mount", device, "/mnt")
    error, _ = lab.job("repair", device, status=1)
    equal(error["code"], "in-use")
    lab.inside("umount", "/mnt")


def until_done(helper):
    """Skips what is told while a job is at work."""
    while True:
        report = helper.next()
        if report["state"] == "done":
            return report


# ---- init, adopt -------------------------------------------------------------------------------------------

def identity(lab, device):
    listing, _ = lab.job("list", f"--only={device}")
    return next(disk["identity"] for disk in listing["disks"] if disk["device"] == device)


@scenario("init wants the identity of what is there")
def init_wants_identity(lab):
    path = lab.image(320 * MIB)
    run("mkfs.xfs", "-q", path)
    device = lab.loop(path)
    before = digest(path)
    error, _ = lab.job("init", "--uuid", "11111111-2222-3333-4444-555555555555", device, status=1)
    check(error["code"] == "identity" and lab.uuid(device) in error["message"], f"{error}")
    equal(digest(path), before)
    lab.inside("mount", device, "/mnt")
    error, _ = lab.job("init", "--uuid", lab.uuid(device), device, status=1)
    equal(error["code"], "in-use")
    lab.inside("umount", "/mnt")
    helper = lab.start(device)
    equal(helper.until("failed")["situation"], "foreign")
    result, _ = lab.job("init", "--uuid", identity(lab, device).upper(), device)
    equal(lab.uuid(device), result["uuid"])
    report = until_done(helper)  # it waited, and was woken by what init did and by its end
    equal((report["uuid"], report["label"]), (result["uuid"], "keel-data"))
    helper.ends_with(0)
    lab.unmount()
    equal(fsck(device), "")


@scenario("init of what has no UUID wants the word for its content")
def init_of_content(lab):
    path = lab.image(200 * MIB)
    with open(path, "r+b") as file:
        file.write(b"somebody's own format" * 100)
    device = lab.loop(path)
    word = identity(lab, device)
    check(word.startswith("content-") and len(word) == len("content-12345678"), word)
    with open(path, "r+b") as file:
        file.seek(200 * MIB - 1)
        file.write(b"!")
    run("blockdev", "--flushbufs", device)
    check(identity(lab, device) != word, "the content changed and its word did not")
    error, _ = lab.job("init", "--uuid", word, device, status=1)
    equal(error["code"], "identity")
    result, _ = lab.job("init", "--uuid", identity(lab, device), device)
    equal(lab.mounted(device)["uuid"], result["uuid"])


@scenario("adopt gives the marker to an ext4 of our label")
def adopt(lab):
    path = lab.ext4(marker=None)
    device = lab.loop(path)
    before, uuid = digest(path), lab.uuid(device)
    helper = lab.start(device)
    equal(helper.until("failed")["situation"], "no-marker")
    equal(digest(path), before)
    error, _ = lab.job("adopt", "--uuid", "11111111-2222-3333-4444-555555555555", device, status=1)
    equal((error["code"], digest(path)), ("identity", before))
    result, _ = lab.job("adopt", "--uuid", uuid, device)
    equal((result["uuid"], result["label"]), (uuid, "keel-data"))
    report = helper.until("done", passing="in-use")  # while the job still has it mounted
    check(report["uuid"] == uuid and report["made_by"], f"{report}")
    helper.ends_with(0)
    lab.unmount()
    equal(fsck(device), "")


@scenario("a disk named by its UUID is adopted when it is mounted")
def adopt_pinned(lab):
    device = lab.loop(lab.ext4(label="whatever", marker=None))
    uuid = lab.uuid(device)
    lab.mounted(device, data=f"UUID={uuid}")
    check(f"uuid={uuid}" in lab.inside("cat", f"{DATA}/.keel-disk"), "no marker")
    # Beyond the journal: whoever reads it replays none.
    run("blockdev", "--flushbufs", device)
    check(f"uuid={uuid}" in run("debugfs", "-c", "-R", "cat /.keel-disk", device), "the marker is in the journal only")
    lab.unmount()
    report = lab.mounted(device, data=f"UUID={uuid}")
    check(report["made_by"], f"{report}")


# ---- what the stage's helper waits for ------------------------------------------------------------------------

@scenario("a repair by hand is noticed, a write elsewhere is not")
def by_hand(lab):
    _, device = lab.made()
    damage(device)
    helper = lab.start(device, wait="0")
    equal(helper.until("failed")["situation"], "needs-repair")
    status = f"/proc/{helper.process.pid}/status"

    def switches():
        with open(status, encoding="ascii") as file:
            return [line for line in file if "ctxt_switches" in line]

    time.sleep(0.3)  # to have gone to sleep
    before = switches()
    lab.inside("sh", "-c", f"for i in 1 2 3; do echo > /dev/null; cat {device} > /dev/null; done")
    time.sleep(0.5)
    equal(switches(), before)
    subprocess.run(enter(lab.holder, "e2fsck", "-fy", device), stdout=subprocess.DEVNULL, check=False)
    helper.until("done")
    helper.ends_with(0)


@scenario("rescue mounts read-only and changes nothing")
def rescue(lab):
    path, device = lab.made()
    lab.mounted(device)
    lab.inside("sh", "-c", f"echo precious > {DATA}/docker/file")
    lab.unmount()
    damage(device, "containerd")
    # e2fsck itself, with whatever -p mends, is another scenario's.
    lab.replace("e2fsck", "#!/bin/sh\nexit 4\n")
    before = digest(path)
    helper = lab.start(device, damaged="read-only")
    report = helper.until("failed")
    equal((report["disk"], report["situation"], report["mountpoint"]), ("rescue", "needs-repair", DATA))
    options = next(fields[3] for fields in lab.mounts() if fields[1] == DATA).split(",")
    check("ro" in options, f"{options}")
    equal(lab.inside("cat", f"{DATA}/docker/file"), "precious\n")
    check(not [fields for fields in lab.mounts() if fields[1] == "/var/lib/docker"], "bound for an engine")
    check(helper.process.poll() is None, "does not wait on")
    lab.inside("umount", DATA)
    equal(digest(path), before)
    lab.inside("mount", "-o", "ro,noload", device, DATA)
    lab.restore("e2fsck")
    result, _ = lab.job("repair", f"--only={device}")
    check(result["repaired"], f"{result}")
    until_done(helper)  # woken by the end of the repair, which unmounted what it had mounted
    helper.ends_with(0)
    equal(lab.inside("cat", f"{DATA}/docker/file"), "precious\n")


# ---- jobs ------------------------------------------------------------------------------------------------------

@scenario("one job at a time, and none on a device that is being worked on")
def one_at_a_time(lab):
    _, device = lab.made()
    uuid = lab.uuid(device)
    lock_path = f"/proc/{lab.holder}/root/run/keel/disk.lock"
    lab.job("status")
    lab.job("repair", device)  # makes the lock
    with open(lock_path, "r+", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for arguments in (("trim",), ("grow",), ("repair",), ("init", "--uuid", "x", device),
                          ("adopt", "--uuid", "x", device)):
            error, _ = lab.job(*arguments, status=1)
            equal((arguments, error["code"]), (arguments, "busy"))
        lab.job("list")
    with open(device, "rb") as node:
        fcntl.flock(node, fcntl.LOCK_EX)
        error, _ = lab.job("repair", device, status=1)
        equal(error["code"], "busy")
        error, _ = lab.job("init", "--uuid", uuid, device, status=1)
        equal(error["code"], "busy")
        helper = lab.start(device)
        while "is being worked on" not in helper.next()["reason"]:
            pass
    with open(device, "r+b"):
        pass  # what ends a job: the close of a device that was open for writing
    helper.until("done")


@scenario("a job goes on when its reader has gone")
def reader_gone(lab):
    _, device = lab.made()
    damage(device)
    reader, writer = os.pipe()
    with subprocess.Popen(lab.command("repair", device), stdout=writer, stderr=subprocess.DEVNULL) as process:
        os.close(writer)
        os.close(reader)
        equal(process.wait(60), 0)
    equal(fsck(device), "")


@scenario("SIGTERM does not end a repair")
def repair_not_interrupted(lab):
    _, device = lab.made()
    damage(device)
    lab.replace("e2fsck", f"#!/bin/sh\nkill -TERM $PPID; kill -INT $PPID\nexec {TOOLS}/e2fsck \"$@\"\n")
    result, _ = lab.job("repair", device)
    check(result["repaired"], f"{result}")
    equal(fsck(device), "")


@scenario("command line of the verbs")
def command_line(lab):
    for arguments in (("repair", "/dev/a", "/dev/b"), ("init", "/dev/a"), ("init", "--uuid", "x"), ("adopt", "/dev/a"),
                      ("trim", "/dev/a"), ("list", "more")):
        result = subprocess.run(lab.command(*arguments), capture_output=True, text=True, timeout=20, check=False)
        check(result.returncode == 2 and "usage:" in result.stderr, f"{arguments}: status {result.returncode}")
    result, _ = lab.job("status")
    check(result["situation"] and result["reason"], f"{result}")
    text = subprocess.run(enter(lab.holder, KEEL_DISK, *OPTIONS, "grow"), capture_output=True, text=True, timeout=20,
                          check=False)
    check(text.returncode == 1 and "not mounted" in text.stderr, f"{text}")
