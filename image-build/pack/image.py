# SPDX-License-Identifier: MIT
"""image.py - what is where in the guest, the engine apart: the overlay of rootfs/, our programs, BusyBox,
kmod and e2fsprogs. Usr-merged, as Debian and WSL expect it.
"""
import os
import pathlib
import posixpath
import subprocess

import icon
import tree as trees

OWN = "keel"
MERGED = ("bin", "sbin", "lib", "lib64")
DIRECTORIES = {
    "data": 0o755, "dev": 0o755, "etc/keel/units": 0o755, "etc/modules-load.d": 0o755, "home": 0o755,
    "mnt": 0o755, "opt": 0o755, "proc": 0o755, "root": 0o700, "run": 0o755, "srv": 0o755, "sys": 0o755,
    "tmp": 0o1777, "usr/lib/modules": 0o755, "usr/local/bin": 0o755, "usr/local/sbin": 0o755,
    "var/cache": 0o755, "var/lib/containerd": 0o711, "var/lib/docker": 0o710, "var/log": 0o755,
    "var/tmp": 0o1777,
}
LINKS = {"var/run": "../run", "var/lock": "../run/lock", "etc/mtab": "../proc/self/mounts"}
MODES = {"etc/shadow": 0o600, "usr/lib/wsl/terminal-profile.json": 0o640}

PROGRAMS = {
    "keel-init": "usr/sbin/init", "keel-modules": "usr/lib/keel/keel-modules",
    "keel-disk": "usr/lib/keel/keel-disk", "keel-net": "usr/lib/keel/keel-net",
    "keel-log": "usr/lib/keel/keel-log", "keel-dns": "usr/lib/keel/keel-dns",
    "keel-share": "usr/lib/keel/keel-share", "keel-agent": "usr/lib/keel/keel-agent",
    "keelctl": "usr/bin/keelctl",
}
PROGRAM_LINKS = {"usr/bin/systemctl": "keelctl", "usr/bin/journalctl": "keelctl", "usr/sbin/poweroff": "../bin/keelctl",
                 "usr/sbin/reboot": "../bin/keelctl", "usr/sbin/halt": "../bin/keelctl"}
# The check of a running kernel, for health and for people: name here, name in the guest.
KERNEL_CHECK = {"check": "usr/lib/keel/kernel-check", "requirements": "usr/lib/keel/kernel-requirements"}

E2FSPROGS = ("dumpe2fs", "e2fsck", "e2undo", "mke2fs", "tune2fs")
E2FSPROGS_LINKS = {"fsck.ext4": "e2fsck", "mkfs.ext4": "mke2fs", "e2label": "tune2fs"}
KMOD_NAMES = ("depmod", "insmod", "lsmod", "modinfo", "modprobe", "rmmod")


def _read(path):
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise trees.TreeError(f"there is no {path}: run make, which builds it first") from None


def add_base(tree, version):
    for name in MERGED:
        trees.add_link(tree, name, f"usr/{name}", OWN)
        trees.add_directory(tree, f"usr/{name}", OWN)
    for path, mode in DIRECTORIES.items():
        trees.add_directory(tree, path, OWN, mode)
    for path, target in LINKS.items():
        trees.add_link(tree, path, target, OWN)
    trees.add_link(tree, "etc/os-release", "../usr/lib/os-release", OWN)
    release = (f'NAME="keel"\nID=keel\nPRETTY_NAME="keel {version}"\nVERSION_ID={version}\n')
    trees.add_file(tree, "usr/lib/os-release", release.encode(), OWN)
    trees.add_file(tree, "usr/lib/wsl/keel.ico", icon.ico(), OWN)


def add_overlay(tree, directory):
    """The files of rootfs/ as they lie there. Of their modes only "executable" is kept, as in git."""
    for here, _, names in os.walk(directory):
        for name in names:
            source = posixpath.join(here, name)
            path = posixpath.relpath(source, directory)
            if os.path.islink(source):
                trees.add_link(tree, path, os.readlink(source), OWN)
                continue
            with open(source, "rb") as file:
                mode = MODES.get(path, 0o755 if os.access(source, os.X_OK) else 0o644)
                trees.add_file(tree, path, file.read(), OWN, mode)


def add_programs(tree, directory):
    for name, path in PROGRAMS.items():
        trees.add_file(tree, path, _read(directory / name), OWN, 0o755)
    for path, target in PROGRAM_LINKS.items():
        trees.add_link(tree, path, target, OWN)


def add_kernel_check(tree, directory):
    for name, path in KERNEL_CHECK.items():
        trees.add_file(tree, path, _read(directory / name), OWN, 0o755 if name == "check" else 0o644)


def add_manual(tree, docs):
    """Our manual pages as text with overstrikes, for man (rootfs/usr/bin/man); plain ASCII, for any terminal."""
    for page in sorted(docs.glob("*.[1-9]")):
        text = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=78", "-I", "os=keel", str(page)], check=True,
                              capture_output=True).stdout
        trees.add_file(tree, f"usr/share/keel/man/{page.name}", text, OWN)


def add_completion(tree, source):
    """For bash one file for all names that keelctl has, found by each of them (its loader goes by name); for zsh keelctl only."""
    trees.add_file(tree, "usr/share/bash-completion/completions/keelctl", _read(source / "completion.bash"), OWN)
    trees.add_file(tree, "usr/share/zsh/site-functions/_keelctl", _read(source / "completion.zsh"), OWN)
    for name in ("journalctl", "systemctl"):
        trees.add_link(tree, f"usr/share/bash-completion/completions/{name}", "keelctl", OWN)


def add_deps(tree, deps):
    for name in E2FSPROGS:
        trees.add_file(tree, f"usr/sbin/{name}", _read(deps / "bin" / name), "e2fsprogs", 0o755)
    for name, target in E2FSPROGS_LINKS.items():
        trees.add_link(tree, f"usr/sbin/{name}", target, "e2fsprogs")
    trees.add_file(tree, "usr/bin/kmod", _read(deps / "bin" / "kmod"), "kmod", 0o755)
    for name in KMOD_NAMES:
        trees.add_link(tree, f"usr/sbin/{name}", "../bin/kmod", "kmod")
    trees.add_link(tree, "usr/bin/lsmod", "kmod", "kmod")
    for source in sorted((deps / "share" / "copyright").iterdir()):
        trees.add_file(tree, f"usr/share/doc/{source.name}/copyright", _read(source), source.name)
    musl = pathlib.Path("/usr/share/doc/musl-dev/copyright")  # of the build environment: linked into all
    trees.add_file(tree, "usr/share/doc/musl-dev/copyright", _read(musl), "musl-dev")


def add_busybox(tree, deps):
    """Last: an applet gives way to a program of that name."""
    trees.add_file(tree, "usr/bin/busybox", _read(deps / "bin" / "busybox"), "busybox", 0o755)
    for line in _read(deps / "share" / "busybox.links").decode().split():
        name = posixpath.basename(line)
        directory = "usr/sbin" if "sbin" in line else "usr/bin"
        if f"usr/sbin/{name}" in tree or f"usr/bin/{name}" in tree:
            continue
        trees.add_link(tree, f"{directory}/{name}",
                       "busybox" if directory == "usr/bin" else "../bin/busybox", "busybox")


def build(top, version):
    """Everything but the engine."""
    tree = {}
    add_base(tree, version)
    add_overlay(tree, top / "rootfs")
    add_programs(tree, top / "build" / "bin")
    add_kernel_check(tree, top / "kernel-config")
    add_manual(tree, top / "docs")
    add_completion(tree, top / "agent" / "ctl")
    add_deps(tree, top / "build" / "deps")
    add_busybox(tree, top / "build" / "deps")
    return tree
