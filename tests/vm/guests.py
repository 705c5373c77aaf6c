# SPDX-License-Identifier: MIT
"""The guests of the VM suite, driven through tests/vm/vm, the tool that people use. They have a directory of their
own, so that the suite can run beside anybody's guests.
"""
import contextlib
import json
import os
import pathlib
import subprocess

import harness
import machine
import run

HERE = pathlib.Path(__file__).resolve().parent
machine.BASE = machine.BASE.with_name(machine.BASE.name + "-suite")
os.environ["KEEL_VM_DIR"] = str(machine.BASE)
DATA = machine.BUILD / "vm" / "suite"
IMAGE = "keel/test"
BOOT_SECONDS = 240  # two emulated CPUs, another guest beside


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


def data_file(t, suffix=".vhdx"):
    DATA.mkdir(parents=True, exist_ok=True)
    path = DATA / (t.name.split(",")[0].replace(" ", "-").replace("'", "") + suffix)
    path.unlink(missing_ok=True)
    t.cleanup(lambda: path.unlink(missing_ok=True))
    return path


def end(guest):
    with contextlib.suppress(harness.Failure):
        vm("kill", guest, seconds=20)


def up(t, guest, *options, append="", wait="ready"):
    """Starts a guest and waits for its status. mitigations=off: a third less emulation."""
    t.cleanup(end, guest)
    must("up", guest, "--no-wait", "--append", f"mitigations=off {append}".strip(), *options)
    result = vm("wait", guest, wait, BOOT_SECONDS, seconds=BOOT_SECONDS + 20)
    if result.returncode != 0:
        console = vm("console", guest).stdout.decode(errors="replace")[-3000:]
        raise harness.Failure(f"{result.stderr.decode()}\n{vm('health', guest).stdout.decode()}\n{console}")


def health(guest):
    return json.loads(vm("health", guest).stdout)


def events(guest):
    return [json.loads(line) for line in must("events", guest).splitlines()]


def import_image(guest):
    docker(guest, "import", "-", IMAGE, data=run.small_image())
