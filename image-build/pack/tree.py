# SPDX-License-Identifier: MIT
"""tree.py - the guest's files before they are packed, and the archive made from them.

A tree is {path without leading "/": Entry}. Nothing in it depends on who builds where and when: modes
are decided here and not by the umask, owners are 0:0, times are the lock's epoch, the order is the paths'.
"""
import collections
import gzip
import io
import os
import posixpath
import tarfile

# kind: "dir", "file", "link". data: bytes of a file, target of a link. origin: name of a package.
LINKS = 40  # that are followed on the way to a file: the kernel's limit
Entry = collections.namedtuple("Entry", "kind mode data origin")


class TreeError(Exception):
    """One line for the user."""


def add(tree, path, entry):
    if path in tree and tree[path] != entry:
        raise TreeError(f"/{path} comes from both {tree[path].origin} and {entry.origin}")
    tree[path] = entry


def add_directory(tree, path, origin, mode=0o755):
    add(tree, path, Entry("dir", mode, None, origin))


def add_file(tree, path, data, origin, mode=0o644):
    add(tree, path, Entry("file", mode, data, origin))


def add_link(tree, path, target, origin):
    add(tree, path, Entry("link", 0o777, target, origin))


def add_parents(tree, origin):
    """The directories that the entries lie in."""
    for path in list(tree):
        while path := posixpath.dirname(path):
            if path not in tree:
                add_directory(tree, path, origin)


def follow(path, look):
    """The path behind a path, all links on the way followed inside the tree; None if they lead nowhere or in a circle.
    look(path) is a link's target, False for what is no link, None for what is not there."""
    done, rest, budget = "", path.split("/"), LINKS
    while rest:
        part = rest.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            done = posixpath.dirname(done)
            continue
        current = posixpath.join(done, part)
        target = look(current)
        if target is None:
            return None
        if target is False:
            done = current
            continue
        budget -= 1
        if budget < 0:
            return None
        if target.startswith("/"):
            done = ""
        rest = target.split("/") + rest
    return done


def resolve(tree, path):
    """The entry behind a path, all links on the way followed inside the tree; None if there is none."""
    def look(current):
        entry = tree.get(current)
        if entry is None:
            return None
        return entry.data if entry.kind == "link" else False

    return tree.get(follow(path, look))


def _member(path, entry, epoch):
    member = tarfile.TarInfo(path + "/" if entry.kind == "dir" else path)
    member.mode, member.mtime = entry.mode, epoch
    if entry.kind == "dir":
        member.type = tarfile.DIRTYPE
    elif entry.kind == "link":
        member.type, member.linkname = tarfile.SYMTYPE, entry.data
    else:
        member.size = len(entry.data)
    return member


def write(tree, paths, output, epoch, level, last=True):
    """One gzip member with the entries of paths, and the end of the archive if it is the last.
    Returns {path: compressed bytes}, exact but for the compressor's own buffer."""
    sizes = {}
    with gzip.GzipFile(filename="", mode="wb", compresslevel=level, fileobj=output, mtime=0) as packed:
        for path in sorted(paths):
            entry = tree[path]
            before = output.tell()
            packed.write(_member(path, entry, epoch).tobuf(tarfile.USTAR_FORMAT))
            if entry.kind == "file":
                packed.write(entry.data + b"\0" * (-len(entry.data) % tarfile.BLOCKSIZE))
            sizes[path] = output.tell() - before
        if last:
            packed.write(b"\0" * tarfile.RECORDSIZE)
    return sizes


def packed(tree, paths, epoch, level, last):
    output = io.BytesIO()
    sizes = write(tree, paths, output, epoch, level, last)
    return output.getvalue(), sizes


def save(path, data):
    """Whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.chmod(0o644)
    temporary.replace(path)


def link(path, other):
    """The same file under another name. A saved file is never written to, so neither changes behind the other's back."""
    temporary = other.with_name(f".{other.name}.{os.getpid()}")
    temporary.hardlink_to(path)
    temporary.replace(other)
    temporary.unlink(missing_ok=True)  # rename(2) does nothing if both are the same file already
