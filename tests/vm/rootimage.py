#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""rootimage.py - makes the lab's root disk from the shipped archives and the lab shell.

ext4, made by mke2fs from a tar stream, so that owners and modes are right without root. Made again
when an input has changed (name, size or time); written beside and renamed, so that running guests keep
theirs. `vm up` calls it; `make lab-image` too.
"""
import fcntl
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile

import machine

GUEST = pathlib.Path(__file__).resolve().parent / "guest"
LAB_SHELL = machine.BUILD / "lab" / "lab-shell"
DURABLE = machine.BUILD / "lab" / "durable"
MEMLOAD = machine.BUILD / "lab" / "memload"
VSOCK_HEAR = machine.BUILD / "lab" / "vsock-hear"
VSOCK_PROBE = machine.BUILD / "lab" / "vsock-probe"
SENPAI = machine.BUILD / "lab" / "senpai"
WSL_LAUNCHER = machine.BUILD / "ns" / "wsl-launcher"
ROOTFS = machine.OUT / "keel-rootfs.tar.gz"
MODULES = machine.OUT / "keel-modules.tar.gz"
KERNEL = machine.OUT / "vmlinuz"
SIZE = "1G"  # sparse; the guest's writes go to a snapshot that ends with it

# What the lab adds: path in the guest, source, mode.
OVERLAY = (
    ("usr/lib/keel-lab/lab-shell", LAB_SHELL, 0o755),
    ("usr/lib/keel-lab/durable", DURABLE, 0o755),
    ("usr/lib/keel-lab/memload", MEMLOAD, 0o755),
    ("usr/lib/keel-lab/vsock-hear", VSOCK_HEAR, 0o755),
    ("usr/lib/keel-lab/senpai", SENPAI, 0o755),
    ("usr/lib/keel-lab/cgroup-v1", GUEST / "cgroup-v1", 0o755),
    ("usr/lib/keel-lab/cgroup-plain", GUEST / "cgroup-plain", 0o755),
    ("usr/lib/keel-lab/wsl", GUEST / "wsl", 0o755),
    ("usr/lib/keel-lab/wsl-vm", GUEST / "wsl-vm", 0o755),
    ("usr/lib/keel-lab/wsl-launcher", WSL_LAUNCHER, 0o755),
    ("etc/keel/units/lab-shell.service", GUEST / "lab-shell.service", 0o644),
)


def image_path(modules):
    """The usual image, or one of its own for other modules."""
    if modules == MODULES:
        return machine.BUILD / "vm" / "root.img"
    tag = hashlib.sha256(os.fsencode(modules.resolve())).hexdigest()[:8]
    return machine.BUILD / "vm" / f"root-{tag}.img"


def fingerprint(inputs):
    stats = [(str(path), path.stat()) for path in inputs]
    return json.dumps([(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats])


def check_inputs(inputs):
    for path in inputs:
        if not path.is_file():
            raise machine.VmError(f"there is no {path}: run 'make lab-image'")


def copy_archive(archive, output):
    with tarfile.open(archive, "r:*") as source:
        for member in source:
            output.addfile(member, source.extractfile(member) if member.isreg() else None)


def add_overlay(output):
    for path, source, mode in OVERLAY:
        data = source.read_bytes()
        parents = pathlib.PurePath(path).parents
        for parent in list(parents)[-2::-1]:
            entry = tarfile.TarInfo(str(parent))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            output.addfile(entry)
        entry = tarfile.TarInfo(path)
        entry.size, entry.mode = len(data), mode
        output.addfile(entry, io.BytesIO(data))


def build(image, archives):
    temporary = image.with_name(f".{image.name}.new")
    temporary.unlink(missing_ok=True)
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "keel-root", "-d", "-", str(temporary), SIZE]
    utf8 = dict(os.environ, LC_ALL="C.UTF-8")  # names of certificates are not ASCII
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=utf8) as mke2fs:
        try:
            with tarfile.open(fileobj=mke2fs.stdin, mode="w|", format=tarfile.PAX_FORMAT) as output:
                for archive in archives:
                    copy_archive(archive, output)
                add_overlay(output)
            mke2fs.stdin.close()
        except BrokenPipeError:
            pass  # mke2fs has said why
        if mke2fs.wait() != 0:
            temporary.unlink(missing_ok=True)
            raise machine.VmError(f"mke2fs could not make {image}")
    temporary.rename(image)


def ensure(rootfs=ROOTFS, modules=MODULES):
    """Path of an image that is up to date."""
    inputs = [rootfs, modules, *(source for _, source, _ in OVERLAY), pathlib.Path(__file__)]
    check_inputs(inputs)
    image = image_path(modules)
    image.parent.mkdir(parents=True, exist_ok=True)
    stamp = image.with_suffix(".inputs")
    with open(image.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        want = fingerprint(inputs)
        if not image.exists() or not stamp.exists() or stamp.read_text() != want:
            build(image, [rootfs, modules])
            machine.write_atomically(stamp, want)
    return image


def main():
    try:
        print(ensure())
    except machine.VmError as error:
        sys.exit(f"rootimage: {error}")


if __name__ == "__main__":
    main()
