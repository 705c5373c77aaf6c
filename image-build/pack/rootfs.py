# SPDX-License-Identifier: MIT
"""rootfs.py - packs build/out from build/bin, build/deps, rootfs/ and the locked packages.

Run by image-build/rootfs in the build environment:  rootfs.py [--engine-archive FILE]
Stdin has the inputs, one a line: SHA256 FILE NAME VERSION ROLE (fetch --list engine kernel source).

The archive is two gzip members, which together are one gzip file: what changes while one works, and the
engine, which takes the time and is kept in build/work by the hash of its inputs.
"""
import argparse
import hashlib
import json
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile

import deb
import engine
import image
import sbom
import tree as trees
import verify

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
OUT = BUILD / "out"
BUDGET = 100 * 2**20
LEVEL = 6  # of gzip: 9 takes three times as long for one per cent

# Which locked sources are in which of our programs.
LINKED = {
    "libinih": list(image.PROGRAMS.values()),
    "yyjson": ["usr/lib/keel/keel-agent", "usr/bin/keelctl"],
    "libhttp-parser-xs-perl": ["usr/lib/keel/keel-agent", "usr/bin/keelctl"],
    "kmod": ["usr/lib/keel/keel-modules"],
    "util-linux": ["usr/lib/keel/keel-disk"],
    "libmnl-dev": ["usr/lib/keel/keel-net"],
    "musl-dev": [*image.PROGRAMS.values(), "usr/bin/busybox", "usr/bin/kmod", "usr/sbin/e2fsck",
                 "usr/sbin/mke2fs", "usr/sbin/e2undo", "usr/sbin/tune2fs", "usr/sbin/dumpe2fs"],
}
# Where a package's copyright file lies in the guest if not under its own name.
DOCUMENTS = {"libinih": "inih", "libhttp-parser-xs-perl": "picohttpparser", "libmnl-dev": "libmnl"}


def read_inputs(lines):
    """[(sha256, path, name, version, role)]"""
    return [tuple(line.split()) for line in lines]


def digest(*parts):
    result = hashlib.sha256()
    for part in parts:
        result.update(part if isinstance(part, bytes) else str(part).encode())
        result.update(b"\0")
    return result.hexdigest()


def load_engine(inputs, archive, epoch):
    """(tree, compressed, sizes) of the engine, from the last time if nothing that it is made of changed."""
    sources = [path.read_bytes() for path in sorted(pathlib.Path(__file__).parent.glob("*.py"))]
    key = digest(*sources, *sorted(row[0] for row in inputs), epoch, archive.read_bytes() if archive else b"")
    kept = BUILD / "work" / f"engine-{key[:32]}.pickle"
    if kept.exists():
        return pickle.loads(kept.read_bytes())
    tree = engine.build({row[2]: row[1] for row in inputs}, archive)
    result = (tree, *trees.packed(tree, tree, epoch, LEVEL, last=True))
    for old in kept.parent.glob("engine-*"):
        old.unlink()
    trees.save(kept, pickle.dumps(result))
    return result


def pack_rootfs(inputs, archive, version, epoch):
    """Writes the archive. Returns the whole tree and the compressed size of each entry."""
    tree = image.build(TOP, version)
    debs = [row for row in inputs if row[4].startswith("engine")]
    engine_tree, engine_packed, engine_sizes = load_engine(debs, archive, epoch)
    for path, entry in engine_tree.items():
        # An applet gives way to a program; of a package that we also link in, one copyright file is enough.
        if path in tree and ((tree[path].origin == "busybox" and tree[path].kind == "link") or
                             path == f"usr/share/doc/{entry.origin}/copyright"):
            del tree[path]
        trees.add(tree, path, entry)
    trees.add_parents(tree, image.OWN)
    problems = verify.problems(tree)
    if problems:
        raise trees.TreeError("the image is not fit to be shipped:\n  " + "\n  ".join(problems))
    own_packed, own_sizes = trees.packed(tree, set(tree) - set(engine_tree), epoch, LEVEL, last=False)
    trees.save(OUT / "keel-rootfs.tar.gz", own_packed + engine_packed)
    trees.link(OUT / "keel-rootfs.tar.gz", OUT / "keel.wsl")
    return tree, {**own_sizes, **engine_sizes}


def pack_kernel(inputs, epoch):
    """vmlinuz, and the modules with their indexes. Returns the name of the package."""
    row = next(row for row in inputs if row[4] == "kernel")
    if is_current(OUT / "vmlinuz", row[0]) and is_current(OUT / "keel-modules.tar.gz", row[0]):
        return row[2]
    version = row[2].removeprefix("linux-image-")
    files = deb.read_files(row[1], lambda path: path.startswith(("boot/", "usr/lib/modules/")))
    with tempfile.TemporaryDirectory() as base:
        for path, data in files.items():
            if path.startswith("usr/lib/modules/") and isinstance(data, bytes):
                target = pathlib.Path(base, path.removeprefix("usr/"))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        subprocess.run(["depmod", "-b", base, version], check=True)
        made = {f"usr/{path.relative_to(base)}": path.read_bytes()
                for path in pathlib.Path(base).rglob("*") if path.is_file()}
    tree = {}
    for path, data in made.items():
        trees.add_file(tree, path, data, row[2])
    trees.add_file(tree, f"usr/lib/modules/{version}/config", files[f"boot/config-{version}"], row[2])
    trees.add_parents(tree, row[2])
    for path in ("usr", "usr/lib"):
        tree.pop(path, None)
    # Modules are compressed already: the fastest level.
    trees.save(OUT / "keel-modules.tar.gz", trees.packed(tree, set(tree), epoch, 1, last=True)[0])
    trees.save(OUT / "vmlinuz", files[f"boot/vmlinuz-{version}"])
    for name in ("vmlinuz", "keel-modules.tar.gz"):
        stamp(OUT / name).write_text(row[0])
    return row[2]


def stamp(path):
    return BUILD / "work" / f"{path.name}.from"


def is_current(path, source):
    return path.exists() and stamp(path).exists() and stamp(path).read_text() == source


def describe_packages(tree, inputs, version, archive):
    """What the bill of materials says of each package that has a file in the tree or is linked in."""
    packages = {image.OWN: {"version": version, "supplier": "Organization: keel"}}
    origins = {entry.origin for entry in tree.values()}
    if archive:
        packages["engine-archive"] = {"version": archive.name, "sha256": digest_of(archive),
                                      "supplier": "NOASSERTION"}
    for sha256, path, name, package_version, role in inputs:
        if name not in origins and name not in LINKED and role != "kernel":
            continue
        arch = "source" if role == "source" else "amd64"
        info = packages.setdefault(name, {"version": package_version, "sha256": sha256})
        if ".orig." in path or role != "source":
            info["sha256"] = sha256
        info["purl"] = f"pkg:deb/debian/{name}@{package_version.replace('+', '%2B').replace(':', '%3A')}?arch={arch}"
        info["linked_into"] = LINKED.get(name, ())
        text = tree.get(f"usr/share/doc/{DOCUMENTS.get(name, name)}/copyright")
        info["copyright"] = text.data.decode(errors="replace") if text else None
    return packages


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_sums():
    names = ("keel-modules.tar.gz", "keel-rootfs.tar.gz", "keel.wsl", "sbom.spdx.json", "vmlinuz")
    trees.save(OUT / "SHA256SUMS", "".join(f"{digest_of(OUT / name)}  {name}\n" for name in names).encode())


def write_manifest(tree, sizes):
    """What `make size` reads: component and package of every file, its size, its share of the archive."""
    rows = [{"path": path, "package": entry.origin, "packed": sizes[path],
             "size": len(entry.data) if entry.kind == "file" else 0} for path, entry in sorted(tree.items())]
    trees.save(BUILD / "work" / "manifest.json", json.dumps(rows).encode())


def rename_doc_origins(tree):
    """Copyright files of what we link belong to the package that the lock names."""
    names = {alias: name for name, alias in DOCUMENTS.items()}
    return {path: entry._replace(origin=names.get(entry.origin, entry.origin)) for path, entry in tree.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine-archive", type=pathlib.Path)
    archive = parser.parse_args().engine_archive
    os.umask(0o022)
    OUT.mkdir(parents=True, exist_ok=True)
    (BUILD / "work").mkdir(parents=True, exist_ok=True)
    version = (TOP / "VERSION").read_text().strip()
    epoch = int((TOP / "image-build" / "lock" / "epoch").read_text())
    inputs = read_inputs(sys.stdin)
    tree, sizes = pack_rootfs(inputs, archive, version, epoch)
    tree = rename_doc_origins(tree)
    pack_kernel(inputs, epoch)
    packages = describe_packages(tree, inputs, version, archive)
    trees.save(OUT / "sbom.spdx.json", sbom.document(tree, packages, version, epoch).encode())
    write_manifest(tree, sizes)
    write_sums()
    size = (OUT / "keel-rootfs.tar.gz").stat().st_size
    print(f"rootfs: build/out/keel-rootfs.tar.gz, {size / 2**20:.1f} MiB, {len(tree)} entries")
    if size > BUDGET:
        raise trees.TreeError(f"over the budget of {BUDGET >> 20} MiB: see make size")


if __name__ == "__main__":
    try:
        main()
    except trees.TreeError as error:
        sys.exit(f"rootfs: {error}")
