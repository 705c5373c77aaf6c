# SPDX-License-Identifier: MIT
"""engine.py - the engine's files: from Debian's packages, or the daemons from an official static archive; and the
tools of the debugging shell, which are from the same packages.

Both give the same paths in the guest. The libraries are not listed anywhere: they are what the programs'
ELF headers ask for, looked up in the locked packages, and a library that is nowhere ends the build.
"""
import posixpath
import tarfile

import deb
import elf
import tree as trees

LIBRARY_DIR = "usr/lib/x86_64-linux-gnu"
XTABLES_DIR = f"{LIBRARY_DIR}/xtables"
LOADER_LINK = "usr/lib64/ld-linux-x86-64.so.2"

# guest path: (package, path in it). These the official archive has too, under their last name.
DAEMONS = {
    "usr/bin/containerd": ("containerd", "usr/bin/containerd"),
    "usr/bin/containerd-shim-runc-v2": ("containerd", "usr/bin/containerd-shim-runc-v2"),
    "usr/bin/ctr": ("containerd", "usr/bin/ctr"),
    "usr/bin/docker": ("docker-cli", "usr/bin/docker"),
    "usr/bin/docker-init": ("tini", "usr/bin/tini-static"),
    "usr/bin/docker-proxy": ("docker.io", "usr/sbin/docker-proxy"),
    "usr/bin/dockerd": ("docker.io", "usr/sbin/dockerd"),
    "usr/bin/runc": ("runc", "usr/sbin/runc"),
}
IPTABLES = "usr/sbin/xtables-nft-multi"
IPTABLES_NAMES = ("iptables", "iptables-save", "iptables-restore",
                  "ip6tables", "ip6tables-save", "ip6tables-restore")
# The debugging shell. What keeps a guest going when glibc is damaged stays static (image.py, BusyBox).
TOOLS = {
    "usr/bin/bash": "bash", "usr/bin/findmnt": "util-linux", "usr/bin/ip": "iproute2", "usr/sbin/ip": "iproute2",
    "usr/bin/less": "less", "usr/bin/lsblk": "util-linux", "usr/bin/ss": "iproute2", "usr/bin/strace": "strace",
}
COMPLETION_DIR = "usr/share/bash-completion"
TERMINFO = tuple(f"usr/share/terminfo/{name[0]}/{name}" for name in (
    "ansi", "dumb", "linux", "screen", "screen-256color", "tmux", "tmux-256color", "vt100", "vt220", "xterm",
    "xterm-256color", "xterm-color"))
# Data files that belong to them.
TOOL_DATA = {
    f"{COMPLETION_DIR}/bash_completion": "bash-completion",
    "etc/bash_completion.d/000_bash_completion_compat.bash": "bash-completion",  # the names that docker's uses
    **{f"{COMPLETION_DIR}/completions/{name}": package for package, names in (
        ("bash-completion", ("ip", "ss", "strace")), ("containerd", ("ctr",)), ("docker-cli", ("docker",)),
        ("util-linux", ("dmesg", "findmnt", "lsblk", "nsenter"))) for name in names},
    **{path: "ncurses-base" for path in TERMINFO},
}
# Opened by name at run time, so no header asks for it: glibc loads it when a thread is cancelled.
DLOPENED = ("libgcc_s.so.1",)
CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def _wanted(package):
    """What may be needed of a package; the rest is not even kept in memory."""
    programs = {path for owner, path in DAEMONS.values() if owner == package}
    copyright_file = f"usr/share/doc/{package}/copyright"

    def wanted(path):
        return (path in programs or path in (IPTABLES, LOADER_LINK, copyright_file)
                or package in (TOOLS.get(path), TOOL_DATA.get(path))
                or path == f"usr/share/doc/{package}"  # some are a link to another package's
                or (path.startswith(LIBRARY_DIR + "/") and ".so" in path)
                or path.startswith("usr/share/ca-certificates/mozilla/"))
    return wanted


def read_packages(inputs, static_archive):
    """{package: {path: data}} of the locked engine packages."""
    skip = {owner for owner, _ in DAEMONS.values()} if static_archive else set()
    return {name: deb.read_files(path, _wanted(name)) for name, path in inputs.items() if name not in skip}


def _add_daemons(tree, packages):
    for path, (package, source) in DAEMONS.items():
        if source not in packages.get(package, {}):
            raise trees.TreeError(f"package {package} has no {source}; see image-build/pack/engine.py")
        trees.add_file(tree, path, packages[package][source], package, 0o755)


def _add_static_daemons(tree, archive_path):
    names = {posixpath.basename(path): path for path in DAEMONS}
    with tarfile.open(archive_path) as archive:
        for member in archive:
            path = names.pop(posixpath.basename(member.name), None) if member.isreg() else None
            if path:
                trees.add_file(tree, path, archive.extractfile(member).read(), "engine-archive", 0o755)
    if names:
        raise trees.TreeError(f"{archive_path} has no {', '.join(sorted(names))}")


def _add_iptables(tree, packages):
    files = packages["iptables"]
    trees.add_file(tree, IPTABLES, files[IPTABLES], "iptables", 0o755)
    for name in IPTABLES_NAMES:
        trees.add_link(tree, f"usr/sbin/{name}", posixpath.basename(IPTABLES), "iptables")
    for path, data in files.items():
        # iptables and ip6tables; not the plug-ins of ebtables and arptables
        if posixpath.dirname(path) == XTABLES_DIR and posixpath.basename(path).startswith(
                ("libxt_", "libipt_", "libip6t_")):
            add = trees.add_link if isinstance(data, str) else trees.add_file
            add(tree, path, data, "iptables")


def _add_tools(tree, packages):
    for path, package in {**TOOLS, **TOOL_DATA}.items():
        data = packages.get(package, {}).get(path)
        if data is None:  # docker-cli, when the engine comes from an archive
            if package in packages:
                raise trees.TreeError(f"package {package} has no {path}; see image-build/pack/engine.py")
        elif isinstance(data, str):
            trees.add_link(tree, path, data, package)
        else:
            trees.add_file(tree, path, data, package, 0o755 if path in TOOLS else 0o644)


def _add_certificates(tree, packages):
    bundle = b"".join(data for path, data in sorted(packages["ca-certificates"].items())
                      if path.endswith(".crt"))
    if bundle.count(b"BEGIN CERTIFICATE") < 50:
        raise trees.TreeError("package ca-certificates has no certificates where they were")
    trees.add_file(tree, CA_BUNDLE, bundle, "ca-certificates")


def _find_library(packages, name):
    """(package, path, data) of a library; its data is a str if it is a link."""
    for package, files in packages.items():
        path = f"{LIBRARY_DIR}/{name}"
        if path in files:
            return package, path, files[path]
    return None


def _add_library(tree, packages, name, asked_by):
    """The library and what its link leads to. Returns the bytes to look into."""
    found = _find_library(packages, name)
    if not found:
        raise trees.TreeError(f"library {name}, needed by {asked_by}, is in no package of"
                              " lock/engine.lock: add its package to sets.conf and run make lock")
    package, path, data = found
    if isinstance(data, str):
        trees.add_link(tree, path, data, package)
        return _add_library(tree, packages, posixpath.basename(data), asked_by)
    # The loader is a program too; ldd and people run it.
    trees.add_file(tree, path, data, package, 0o755 if name.startswith("ld-") else 0o644)
    return data


def add_libraries(tree, packages):
    """Everything that the ELF files of the tree need, to the last."""
    queue = [(f"/{path}", entry.data) for path, entry in sorted(tree.items()) if elf.is_elf(entry.data)]
    queue += [("glibc", None)]
    done = set()
    while queue:
        asked_by, data = queue.pop(0)
        names, loader = elf.needed(data) if data else (DLOPENED, None)
        if loader and loader.strip("/") != LOADER_LINK.replace("usr/", ""):
            raise trees.TreeError(f"{asked_by} wants the loader {loader}, which the guest does not have")
        if loader and LOADER_LINK not in tree:
            trees.add_link(tree, LOADER_LINK, packages["libc6"][LOADER_LINK], "libc6")
            names = [*names, posixpath.basename(packages["libc6"][LOADER_LINK])]
        for name in names:
            if name not in done:
                done.add(name)
                queue.append((name, _add_library(tree, packages, name, asked_by)))


def _copyright(packages, package):
    documents = packages[package].get(f"usr/share/doc/{package}", package)
    data = packages.get(documents, {}).get(f"usr/share/doc/{documents}/copyright")
    if data is None:
        raise trees.TreeError(f"package {package} has no copyright file")
    return data


def build(inputs, static_archive):
    """The engine as a tree. inputs: {package: path of its .deb}."""
    packages = read_packages(inputs, static_archive)
    tree = {}
    if static_archive:
        _add_static_daemons(tree, static_archive)
    else:
        _add_daemons(tree, packages)
    _add_iptables(tree, packages)
    _add_certificates(tree, packages)
    _add_tools(tree, packages)
    add_libraries(tree, packages)
    for package in sorted({entry.origin for entry in tree.values()} & set(packages)):
        trees.add_file(tree, f"usr/share/doc/{package}/copyright", _copyright(packages, package), package)
    return tree
