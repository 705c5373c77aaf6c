# SPDX-License-Identifier: MIT
"""The guests of the VM suite, driven through tests/vm/vm, the tool that people use. They have a directory of their
own, so that the suite can run beside anybody's guests.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
import time

import client
import disk_verbs
import harness
import machine
import run
import scsi
import vsock

HERE = pathlib.Path(__file__).resolve().parent
machine.BASE = machine.BASE.with_name(machine.BASE.name + "-suite")
os.environ["KEEL_VM_DIR"] = str(machine.BASE)
DATA = machine.BUILD / "vm" / "suite"
IMAGE = "keel/test"
BOOT_SECONDS = 240  # two emulated CPUs, another guest beside
BOOT_ATTEMPTS = 3


def vm(verb, guest, *arguments, data=b"", seconds=120):
    """Runs tests/vm/vm; a CompletedProcess with bytes."""
    command = [str(HERE / "vm"), verb, "--name", guest, *map(str, arguments)]
    try:
        return subprocess.run(command, input=data, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise harness.Failure(f"vm {verb} {arguments}: no end after {seconds} s") from None


def must(verb, guest, *arguments, **options):
    """The same, but it has to succeed; its output as text."""
    result = vm(verb, guest, *arguments, **options)
    if result.returncode != 0:
        words = (result.stdout[-2000:] + result.stderr[-4000:]).decode(errors="replace")
        raise harness.Failure(f"{' '.join(result.args[1:])}: status {result.returncode}\n{words}")
    return result.stdout.decode(errors="replace")


def sh(guest, command, **options):
    return must("sh", guest, command, **options)


def docker(guest, *arguments, **options):
    return must("docker", guest, *arguments, **options)


def keelctl(guest, *words, data=b"", seconds=60):
    """keelctl on the host, as people call it there; a CompletedProcess with bytes."""
    return subprocess.run(keelctl_command(guest, *words), input=data, capture_output=True, timeout=seconds, check=False)


def keelctl_command(guest, *words):
    return [str(harness.TOP / "build/bin/keelctl"), "--vm", f"hvsock:{machine.state_dir(guest) / 'vsock.sock'}", *words]


def data_file(t, suffix=".vhdx"):
    """A file of the scenario's own that does not exist yet."""
    DATA.mkdir(parents=True, exist_ok=True)
    path = DATA / (t.name.split(",")[0].replace(" ", "-").replace("'", "") + suffix)
    path.unlink(missing_ok=True)
    t.cleanup(lambda: path.unlink(missing_ok=True))
    return path


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# In a command for the guest. Not pidof: the agent has a child now and then.
AGENT_PID = "$(systemctl show -p MainPID --value keel-agent.service)"


def ask(guest, command):
    """A short command's output, without a process on the host: for what is asked often."""
    output = []
    with vsock.connect(machine.state_dir(guest) / "vsock.sock", vsock.SHELL_PORT, 20) as sock:
        status = vsock.run_command(sock, command, None, lambda _fd, data: output.append(bytes(data)),
                                   time.monotonic() + 20)
    harness.equal(status, 0, f"status of {command!r}")
    return b"".join(output).decode(errors="replace")


def plug(guest, path, lun=scsi.DATA_LUN, errors=(), **options):
    """Attaches a disk (see scsi.py); its device in the guest."""
    disk_verbs.plug(guest, scsi.disk(path, lun, **options), [scsi.error_rule(rule) for rule in errors])
    name = harness.retry_until(30, lambda: ask(guest, f"ls /sys/bus/scsi/devices/*:{lun}/block").strip(),
                               f"the disk of LUN {lun}")
    return f"/dev/{name}"


def file_system_errors(path):
    """What e2fsck has to say about the file system in a disk's file; "" if it is clean."""
    raw = path if path.suffix != ".vhdx" else path.with_suffix(".raw")
    try:
        if raw != path:
            subprocess.run(["qemu-img", "convert", "-O", "raw", path, raw], check=True, timeout=60)
        result = subprocess.run(["e2fsck", "-fn", raw], capture_output=True, text=True, timeout=60, check=False)
        return "" if result.returncode == 0 else f"e2fsck {result.returncode}: {result.stdout}{result.stderr}"
    finally:
        if raw != path:
            raw.unlink(missing_ok=True)


def end(guest):
    with contextlib.suppress(harness.Failure):
        vm("kill", guest, seconds=20)


def emulator_crashed(guest):
    """QEMU 10 sometimes fails an assertion of its own (iotlb_to_section) while two emulated CPUs boot on a host that is
    short of CPU. That says nothing of the guest."""
    return not client.is_running(guest) and client.how_it_ended(guest) == "qemu-exit--6"


def up(t, guest, *options, append="", wait="ready"):
    """Starts a guest and waits for its status. mitigations=off: a third less emulation."""
    t.cleanup(end, guest)
    for attempt in range(BOOT_ATTEMPTS):
        must("up", guest, "--no-wait", "--append", f"mitigations=off {append}".strip(), *options)
        result = vm("wait", guest, wait, BOOT_SECONDS, seconds=BOOT_SECONDS + 20)
        if result.returncode == 0:
            return
        if not emulator_crashed(guest):
            break
        t.note(f"guest {guest}: QEMU crashed while it booted, attempt {attempt + 1} of {BOOT_ATTEMPTS}")
    console = vm("console", guest).stdout.decode(errors="replace")[-3000:]
    raise harness.Failure(f"{result.stderr.decode()}\n{vm('health', guest).stdout.decode()}\n{console}")


def health(guest):
    return json.loads(vm("health", guest).stdout)


def events(guest):
    return [json.loads(line) for line in must("events", guest).splitlines()]


def wait_health(guest, predicate, what, seconds=60):
    """The first health document for which predicate(document) is true: the last one that the guest has reported, or
    one that it reports within the time. Nothing is asked of the guest."""
    last, live = {}, False
    try:
        for line in client.follow(guest, time.monotonic() + seconds):
            live = live or line["type"] == "now"
            last = line.get("health", last)
            if live and last and predicate(last):
                return last
    except TimeoutError:
        pass
    raise harness.Failure(f"{what}: not reported within {seconds} s; last: {last.get('status')}: "
                          f"{last.get('reason')}; disk: {last.get('disk')}")


def import_image(guest):
    docker(guest, "import", "-", IMAGE, data=run.small_image())
