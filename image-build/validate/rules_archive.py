# SPDX-License-Identifier: MIT
"""rules_archive.py - the archive as such: format, names, kinds of entries, owners, links."""
import posixpath

import archive
import distro as distros
from rule import Broken, NotApplicable, demand, rule, some

WSL = "WSL source"
DOC = "learn.microsoft.com/windows/wsl/build-custom-distro"
CHECK = "WSL's distributions/validate-modern.py"
BSDTAR = "bsdtar(1), which WSL runs as -x -p --xattrs --numeric-owner (src/linux/init/main.cpp)"


def reading(distro, name):
    """Ends the rule NAME if it is the one that stopped the reading."""
    error = distro.error
    if error is not None and error.rule == name:
        ways = {"format": "make a tar archive, packed with gzip", "whole": "make the archive again, or copy it again",
                "limits": "make a smaller archive: this tool reads no further", "types": "pack it as plain files"}
        raise Broken(str(error), ways[name])


def need_whole(distro):
    if distro.error is not None:
        raise NotApplicable(f"the archive could not be read to its end: see {distro.error.rule}")


@rule("format", "it is a tar archive, plain or packed with gzip or xz", f"{BSDTAR}; {CHECK}")
def check_format(distro):
    reading(distro, "format")
    return f"{distro.format}, {len(distro.entries)} entries"


@rule("compression", "it is packed with gzip (or xz, which old versions of WSL do not read)", f"{DOC}; {CHECK}")
def check_compression(distro):
    if distro.format is None or (distro.error is not None and distro.error.rule == "format"):
        raise NotApplicable("see format")
    demand(distro.format != "tar", "it is not packed", "pack it: gzip --best")
    return distro.format + ("" if distro.format == "gzip" else "; gzip is what every version of WSL reads")


@rule("whole", "checksums are right, nothing is cut off, nothing follows the end", BSDTAR)
def check_whole(distro):
    reading(distro, "whole")
    need_whole(distro)
    return "to the end"


@rule("limits", "it unpacks within limits", f"this tool's own: {archive.MAX_UNPACKED >> 30} GiB, {archive.MAX_ENTRIES} entries, "
      f"names of {archive.MAX_PATH} bytes and {archive.MAX_NAMES >> 20} MiB together; Linux's PATH_MAX and NAME_MAX")
def check_limits(distro):
    reading(distro, "limits")
    need_whole(distro)
    return f"{sum(entry.size for entry in distro.entries) / 2**20:.1f} MiB unpacked"


@rule("types", "only files, directories and links: no device nodes, sockets, sparse files",
      "WSL mounts its own devtmpfs on /dev (src/linux/init/config.cpp)")
def check_types(distro):
    reading(distro, "types")
    bad = [f"/{entry.path}: {entry.kind}" for entry in distro.entries
           if entry.kind not in ("file", "dir", "symlink", "hardlink")]
    demand(not bad, some(bad), "leave them out: --exclude=./dev/*")
    need_whole(distro)
    return f"{sum(entry.kind == 'file' for entry in distro.entries)} files"


@rule("names-relative", "no name begins with / or has .. in it", BSDTAR + ": it cuts off the one and refuses the other")
def check_relative(distro):
    bad = [entry.raw for entry in distro.entries if entry.raw.startswith("/") or ".." in entry.raw.split("/")]
    demand(not bad, some(bad), "pack from inside the root directory: tar -C rootfs -c .")
    return "all"


@rule("names-one-form", "all names are written as ./x, or all as x", f"{CHECK} looks for either; so do other readers")
def check_form(distro):
    dotted = [entry.raw for entry in distro.entries if entry.raw == "." or entry.raw.startswith("./")]
    plain = [entry.raw for entry in distro.entries if entry.raw.strip("/") and not entry.raw.startswith((".", "/"))]
    demand(not dotted or not plain, f"{some(dotted, 1)} and {some(plain, 1)}", "pack everything with one command")
    return "./x" if dotted else "x"


@rule("names-unique", "no name is there twice", f"{BSDTAR}: the last one wins, links of the first one included")
def check_unique(distro):
    seen, twice = set(), []
    for entry in distro.entries:
        (twice.append(f"/{entry.path}") if entry.path in seen and entry.kind != "dir" else seen.add(entry.path))
    demand(not twice, some(twice), "do not append to an archive; make it anew")
    return f"{len(seen)} names"


@rule("names-text", "names are UTF-8 without control characters",
      "libarchive converts names by the locale; WSL sets a UTF-8 one for it (src/linux/init/main.cpp)")
def check_text(distro):
    bad = [entry.raw for entry in distro.entries
           if any(ord(letter) < 32 or 0xdc80 <= ord(letter) <= 0xdcff for letter in entry.raw)]
    demand(not bad, some(bad), "rename these files")
    return "all"


@rule("names-parents", "nothing lies in something that is no directory, or behind a symbolic link",
      f"{BSDTAR}: it refuses to write through a link")
def check_parents(distro):
    bad, good = [], set()
    for entry in distro.entries:
        parents, path = [], entry.path
        while (path := posixpath.dirname(path)) and path not in good:
            parents.append(path)
        wrong = next((parent for parent in parents if parent in distro.tree and distro.tree[parent].kind != "dir"), None)
        if wrong:
            bad.append(f"/{entry.path} in /{wrong}")
        else:
            good.update(parents)
    demand(not bad, some(bad), "pack the files under the path that the link leads to")
    return "all"


@rule("root", "the archive's root is the root of the file system", f"{DOC}; import refuses what has neither /etc nor /bin/sh")
def check_root(distro):
    need_whole(distro)
    top = {entry.path.split("/")[0] for entry in distro.entries if entry.path}
    missing = [name for name in ("bin", "etc", "sbin", "usr") if name not in top]
    demand("etc" in top or "bin" in top or len(top) != 1, f"all of it lies in /{some(top)}", "pack from inside that directory")
    demand(not missing, f"no {some('/' + name for name in missing)} among {len(top)} names at the top",
           "pack a whole root file system")
    return f"{len(top)} names at the top"


@rule("root-directories", "/bin, /sbin, /etc, /tmp, /dev, /proc, /sys, /run are directories, or links that lead to one",
      f"{WSL}: src/linux/init/config.cpp makes or mounts them at the start; a failure there ends the distro")
def check_directories(distro):
    need_whole(distro)
    bad = []
    for name in ("bin", "sbin", "etc", "tmp", "dev", "proc", "sys", "run"):
        if name in distro.tree and not distro.is_directory(name):
            bad.append(f"/{name}: {distro.tree[name].kind} {distro.tree[name].target}".rstrip())
    demand(not bad, some(bad), "make it a directory")
    return "all"


@rule("links-symbolic", "every symbolic link leads to something in the archive, or to what exists only at run time",
      f"{WSL}: links below a directory that is not there fail at the start; verified for all since each is a fault")
def check_symbolic(distro):
    need_whole(distro)
    bad, count = [], 0
    for entry in distro.entries:
        if entry.kind != "symlink":
            continue
        count += 1
        target = posixpath.normpath(posixpath.join("/", posixpath.dirname(entry.path), entry.target)).lstrip("/")
        runtime = any(target == name or target.startswith(name + "/") for name in distros.RUNTIME)
        if not runtime and distro.resolve(entry.path) is None and not distro.is_directory(entry.path):
            bad.append(f"/{entry.path} -> {entry.target}")
    demand(not bad, some(bad), "add what is missing, or remove the link")
    return f"{count} links"


@rule("links-hard", "every hard link leads to a file that comes before it", BSDTAR)
def check_hard(distro):
    bad, files, count = [], set(), 0
    for entry in distro.entries:
        if entry.kind == "file":
            files.add(entry.path)
        elif entry.kind == "hardlink":
            count += 1
            target = archive.Entry(entry.target, "", 0).path
            if target not in files or ".." in entry.target.split("/"):
                bad.append(f"/{entry.path} = {entry.target}")
            files.add(entry.path)
    demand(not bad, some(bad), "pack the file together with its links")
    return f"{count} links"


@rule("owners", "every owner and group is one of the archive's own /etc/passwd and /etc/group",
      f"{BSDTAR}: numbers count, names are ignored")
def check_owners(distro):
    need_whole(distro)
    users, groups = distro.accounts("etc/passwd", 7), distro.accounts("etc/group", 4)
    if not users or not groups:
        raise NotApplicable("see passwd and group")
    uids, gids = {line[2] for line in users}, {line[2] for line in groups} | {line[3] for line in users}
    bad = [f"/{entry.path}: {entry.uid}:{entry.gid}" for entry in distro.entries
           if str(entry.uid) not in uids or str(entry.gid) not in gids]
    demand(not bad, some(bad), "pack with --numeric-owner as root, or with --owner=0 --group=0")
    return f"{len({(entry.uid, entry.gid) for entry in distro.entries})} different"


@rule("xattrs", "no extended attributes that WSL 1 cannot store: security.selinux, security.ima, security.evm", CHECK)
def check_xattrs(distro):
    bad = [f"/{entry.path}: {name}" for entry in distro.entries for name in entry.xattrs
           if name in ("security.selinux", "security.ima", "security.evm")]
    demand(not bad, some(bad), "pack with --no-selinux, or without --xattrs")
    return "none"
