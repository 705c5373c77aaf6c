# SPDX-License-Identifier: MIT
"""run.py - `make run` from the boot onwards, everything being built.

Boots a guest with a new data disk, prints each stage and service as the guest reports it, the health
document when it is ready, makes a small image of our own root file system and runs a container of it
through the forwarded Docker API. Then a shell in the guest if stdin is a terminal. Shuts the guest down
cleanly and exits 0. A failure ends the guest, names the stage, shows what matters and exits 1.
"""
import contextlib
import gzip
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import time

import client
import machine
import rootimage
import vm
import vsock

NAME = "run"
IMAGE = "keel/hello"
BOOT_SECONDS = 180
FINAL_STAGE = ("done", "degraded", "failed", "skipped")
FINAL_SERVICE = ("active", "failed", "backoff", "inactive")
APPLETS = ("sh", "echo", "uname", "cat", "ls", "wc", "sleep", "id", "true")
MIB = 1 << 20


class Failed(Exception):
    """(stage, sentence)"""


def say(text):
    print(text, flush=True)


@contextlib.contextmanager
def stage(name):
    """What goes wrong inside is reported with the stage's name."""
    say(f"== {name}")
    start = time.monotonic()
    try:
        yield
    except (machine.VmError, OSError, subprocess.SubprocessError) as error:
        raise Failed(name, str(error)) from error
    say(f"   {name}: {time.monotonic() - start:.1f} s")


def show_changes(shown, health):
    """Prints the stages and services that have reached a new state worth a line."""
    for kind, parts, final in (("stage", health.get("stages", []), FINAL_STAGE),
                               ("service", health.get("services", []), FINAL_SERVICE)):
        for part in parts:
            key = kind, part["name"]
            if part["state"] not in final or shown.get(key) == part["state"]:
                continue
            if part["state"] == "inactive" and key not in shown:
                continue  # not started yet
            shown[key] = part["state"]
            say(describe(kind, part))


def describe(kind, part):
    took = part.get("ms") if kind == "stage" else span(part.get("exec_ms"), part.get("ready_ms"))
    text = f"   {kind:8}{part['name']:22}{part['state']:10}"
    text += f"{took:>7.0f} ms" if took is not None else " " * 10
    return text + (f"  {part['reason']}" if part.get("reason") else "")


def span(start, end):
    return end - start if start and end else None


def boot():
    args = vm.parse(["up", "--name", NAME, "--fresh", "--append", "mitigations=off"])[1]
    if client.is_running(NAME):
        say(f"   a guest '{NAME}' was left running: ending it")
        vm.verb_kill(args)
    vm.boot(args)
    config = machine.read_config(NAME)
    say(f"   {config['cpus']} CPUs ({config['accel']}), {config['mem']}, data disk {config['data']}")
    shown, health = {}, {}
    deadline = time.monotonic() + BOOT_SECONDS
    try:
        for line in client.follow(NAME, deadline):
            if line["type"] == "hello":
                say(f"   the guest says hello {line['host_ms'] / 1000:.1f} s after power-on: keel "
                    f"{line.get('version')}, mode {line.get('mode')}")
            elif line["type"] == "health":
                health = line["health"]
                show_changes(shown, health)
                if health.get("status") in vm.FINAL_STATES:
                    break
            elif line.get("event") == "exit":
                raise machine.VmError(f"the guest ended: {line['how']}")
    except TimeoutError:
        raise machine.VmError(f"no final report within {BOOT_SECONDS} s; last status: "
                              f"{health.get('status', 'none')}") from None
    if not health.get("ready"):
        raise machine.VmError(f"the guest is {health.get('status')}: {health.get('reason')}")
    say(f"   ready {health['uptime_ms'] / 1000:.1f} s after the kernel's start")


def show_health():
    uds = machine.state_dir(NAME) / "vsock.sock"
    status, reason, body = vsock.http_request(uds, vsock.API_PORT, "GET", "/v1/health")
    say(body.decode().strip())
    if status != 200:
        raise machine.VmError(f"GET /v1/health: {status} {reason}")


def small_image():
    """A tar of the shipped BusyBox and a few of its links: it is static and needs nothing else."""
    with tarfile.open(rootimage.ROOTFS, "r:*") as source:
        members = {str(pathlib.PurePosixPath(m.name.lstrip("/"))): m for m in source}
        busybox = next((m for name, m in members.items()
                        if pathlib.PurePosixPath(name).name == "busybox" and m.isreg()), None)
        if busybox is None:
            raise machine.VmError(f"{rootimage.ROOTFS} holds no busybox")
        data = source.extractfile(busybox).read()
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w") as output:
        for directory in ("bin", "etc", "tmp"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            output.addfile(entry)
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(data), 0o755
        output.addfile(entry, io.BytesIO(data))
        for applet in APPLETS:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            output.addfile(entry)
    return image.getvalue()


def docker(*arguments, data=b"", seconds=120):
    """Output of a Docker command; VmError with its words when it fails."""
    command = [sys.executable, vm.__file__, "docker", "--name", NAME, "--deadline", str(seconds), *arguments]
    result = subprocess.run(command, input=data, capture_output=True, timeout=seconds + 10, check=False)
    if result.returncode != 0:
        raise machine.VmError(f"docker {arguments[0]} ended with {result.returncode}: "
                              f"{result.stderr.decode(errors='replace').strip()}")
    return result.stdout.decode()


def run_container():
    image = small_image()
    docker("import", "-", IMAGE, data=gzip.compress(image, 1))
    say(f"   imported {IMAGE}: {len(image) / MIB:.1f} MiB")
    output = docker("run", "--rm", IMAGE, "/bin/sh", "-c",
                    "echo hello from a container on $(uname -sr), PID $$, user $(id -u)")
    if "hello from a container" not in output:
        raise machine.VmError(f"the container printed {output!r}")
    say(f"   {output.strip()}")


def debug_shell():
    say("== a shell in the guest; exit shuts the guest down")
    vm.verb_sh(vm.parse(["sh", "--name", NAME])[1])


def shut_down():
    if vm.verb_down(vm.parse(["down", "--name", NAME])[1]) != 0:
        raise machine.VmError("the guest did not power off cleanly")


def sizes():
    for path in (rootimage.KERNEL, rootimage.ROOTFS, rootimage.MODULES):
        say(f"   {path.stat().st_size / MIB:6.1f} MiB  {path.relative_to(machine.TOP)}")


def give_up(failed):
    where, why = failed.args
    health = client.last_health(NAME) if machine.state_dir(NAME).exists() else None
    with contextlib.suppress(OSError):
        vm.show_trouble(NAME, health)
    with contextlib.suppress(machine.VmError):
        vm.verb_kill(vm.parse(["kill", "--name", NAME])[1])
    print(f"make run: stage '{where}' failed: {why}", file=sys.stderr)
    sys.exit(1)


def main():
    os.environ.setdefault("TERM", "xterm")
    try:
        with stage("lab image"):
            rootimage.ensure()
            sizes()
        with stage("boot"):
            boot()
        with stage("health"):
            show_health()
        with stage("container"):
            run_container()
        if sys.stdin.isatty():
            debug_shell()
        with stage("shutdown"):
            shut_down()
    except Failed as failed:
        give_up(failed)
    except KeyboardInterrupt:
        give_up(Failed("interrupted", "Ctrl-C"))


if __name__ == "__main__":
    main()
