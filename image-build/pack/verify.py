# SPDX-License-Identifier: MIT
"""verify.py - what must hold of the guest's tree before it is shipped."""
import posixpath

import elf
import tree as trees

# What WSL runs or looks for, and what the engine runs by name.
REQUIRED_PROGRAMS = ("sbin/init", "bin/sh", "bin/login", "bin/mount", "bin/grep", "usr/bin/systemctl",
                     "usr/bin/dockerd", "usr/bin/containerd", "usr/bin/containerd-shim-runc-v2",
                     "usr/bin/runc", "usr/bin/docker-init", "usr/bin/docker-proxy", "usr/sbin/iptables",
                     "usr/sbin/ip6tables", "usr/sbin/modprobe", "usr/sbin/e2fsck", "usr/sbin/mke2fs")
REQUIRED_FILES = ("etc/passwd", "etc/group", "etc/os-release", "etc/wsl.conf",
                  "etc/ssl/certs/ca-certificates.crt")
# Links to what exists only at run time.
RUNTIME = ("run/", "proc/")


def _library_problems(tree):
    for path, entry in sorted(tree.items()):
        if not elf.is_elf(entry.data):
            continue
        names, loader = elf.needed(entry.data)
        for wanted in [f"usr/lib/x86_64-linux-gnu/{name}" for name in names] + ([loader] if loader else []):
            found = trees.resolve(tree, wanted)
            if found is None or not elf.is_elf(found.data):
                yield f"/{path} needs {wanted}, which is not there"


def _link_problems(tree):
    for path, entry in sorted(tree.items()):
        if entry.kind != "link":
            continue
        target = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), entry.data)).lstrip("/")
        if entry.data.startswith("/"):
            yield f"/{path} is an absolute link"
        elif trees.resolve(tree, path) is None and not (target + "/").startswith(RUNTIME):
            yield f"/{path} leads to {entry.data}, which is not there"


def _mode_problems(tree):
    for path, entry in sorted(tree.items()):
        if entry.kind == "file" and entry.mode & 0o7000:
            yield f"/{path} is setuid, setgid or sticky"
        if entry.kind == "file" and entry.mode & 0o022:
            yield f"/{path} can be written by others"


def _required_problems(tree):
    for path in REQUIRED_PROGRAMS + REQUIRED_FILES:
        found = trees.resolve(tree, path)
        if found is None or found.kind != "file":
            yield f"/{path} is missing"
        elif path in REQUIRED_PROGRAMS and not found.mode & 0o100:
            yield f"/{path} cannot be executed"
    for path in ("init", "etc/resolv.conf", "etc/hostname"):  # WSL's, or made at boot
        if path in tree:
            yield f"/{path} must not be in the image"


def problems(tree):
    """A list of sentences; empty if the tree can be shipped."""
    return [*_required_problems(tree), *_library_problems(tree), *_link_problems(tree),
            *_mode_problems(tree)]
