# SPDX-License-Identifier: MIT
"""check_archive.py [COUNT] - looks into build/out as it would be shipped. Run by tests/image/run in the build
environment; goes on counting from COUNT. Prints TAP."""
import hashlib
import json
import pathlib
import sys
import tarfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "image-build" / "pack"))
import tree as trees  # noqa: E402
import verify  # noqa: E402
from points import point, status  # noqa: E402

OUT = TOP / "build" / "out"


def read(path):
    """The archive as a tree, and its members."""
    tree, members = {}, []
    with tarfile.open(path) as archive:
        for member in archive:
            members.append(member)
            if member.isdir():
                entry = trees.Entry("dir", member.mode, None, "?")
            elif member.issym():
                entry = trees.Entry("link", member.mode, member.linkname, "?")
            else:
                entry = trees.Entry("file", member.mode, archive.extractfile(member).read(), "?")
            tree[member.name] = entry
    return tree, members


def check_members(members, epoch):
    names = [member.name for member in members]
    point("no member twice", sorted({name for name in names if names.count(name) > 1}))
    point("owner 0:0 without names, the lock's time, no devices", [
        member.name for member in members
        if (member.uid, member.gid, member.uname, member.gname, member.mtime) != (0, 0, "", "", epoch)
        or not (member.isreg() or member.isdir() or member.issym())])
    seen = set()
    orphans = []
    for member in members:
        parent = str(pathlib.PurePosixPath(member.name).parent)
        if parent != "." and parent not in seen:
            orphans.append(member.name)
        seen.add(member.name)
    point("a directory comes before what is in it", orphans)


def without(tree, path):
    return {key: entry for key, entry in tree.items() if key != path}


def check_verifier(tree):
    """The tree is sound, and each kind of damage would have been noticed."""
    point("libraries, links, modes, required files", verify.problems(tree))
    libraries = [path for path, entry in tree.items() if ".so" in path and entry.kind == "file"
                 and "/xtables/" not in path and "libgcc_s" not in path]
    unnoticed = [path for path in libraries if not verify.problems(without(tree, path))]
    point(f"each of the {len(libraries)} libraries is needed, and would be missed", unnoticed)
    damage = {
        "setuid": {"usr/bin/busybox": tree["usr/bin/busybox"]._replace(mode=0o4755)},
        "writable": {"etc/passwd": tree["etc/passwd"]._replace(mode=0o666)},
        "dangling link": {"usr/bin/x": trees.Entry("link", 0o777, "nothing", "?")},
        "absolute link": {"usr/bin/x": trees.Entry("link", 0o777, "/usr/bin/busybox", "?")},
        "not executable": {"usr/sbin/init": tree["usr/sbin/init"]._replace(mode=0o644)},
    }
    point("damage is noticed: " + ", ".join(damage),
          [kind for kind, change in damage.items() if not verify.problems({**tree, **change})])


def check_bill(tree):
    bill = json.loads((OUT / "sbom.spdx.json").read_text())
    listed = {file["fileName"].removeprefix("./"): file for file in bill["files"]}
    files = {path: entry for path, entry in tree.items() if entry.kind == "file"}
    point("the bill of materials lists every file and no other", sorted(set(listed) ^ set(files)))
    point("with its checksum", [
        path for path, entry in files.items()
        if {"algorithm": "SHA256", "checksumValue": hashlib.sha256(entry.data).hexdigest()}
        not in listed[path]["checksums"]])
    packages = {package["SPDXID"]: package for package in bill["packages"]}
    contained = {relation["relatedSpdxElement"]: relation["spdxElementId"]
                 for relation in bill["relationships"] if relation["relationshipType"] == "CONTAINS"}
    point("and the package that it comes from", [
        path for path, file in listed.items() if contained.get(file["SPDXID"]) not in packages])
    point("every package has a version, and a licence or the reason why not", [
        package["name"] for package in packages.values()
        if not package["versionInfo"] or (package["licenseDeclared"] == "NOASSERTION" and "comment" not in package)])
    identifiers = [item["SPDXID"] for item in bill["files"] + bill["packages"]]
    point("identifiers are unique", sorted({one for one in identifiers if identifiers.count(one) > 1}))
    extracted = {info["licenseId"] for info in bill["hasExtractedLicensingInfos"]}
    used = {word.strip("()") for package in packages.values() for word in package["licenseDeclared"].split()
            if word.strip("()").startswith("LicenseRef-")}
    point("every own licence name is explained", sorted(used ^ extracted))


def check_sums():
    wrong = []
    for line in (OUT / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        if hashlib.sha256((OUT / name).read_bytes()).hexdigest() != digest:
            wrong.append(name)
    point("SHA256SUMS is right", wrong)


def check_modules():
    tree, members = read(OUT / "keel-modules.tar.gz")
    versions = {path.split("/")[3] for path in tree if path.count("/") >= 3}
    point("the modules are of one kernel", [] if len(versions) == 1 else sorted(versions))
    base = f"usr/lib/modules/{versions.pop()}"
    wanted = ("modules.dep", "modules.dep.bin", "modules.alias.bin", "modules.builtin",
              "modules.builtin.bin", "modules.builtin.modinfo", "config")
    point("with indexes, what is built in, and the kernel's configuration",
          [name for name in wanted if f"{base}/{name}" not in tree])
    listed = [line.split(":")[0] for line in tree[f"{base}/modules.dep"].data.decode().splitlines()]
    point(f"all {len(listed)} of modules.dep are there", [name for name in listed if f"{base}/{name}" not in tree])
    point("no owner but 0:0", [m.name for m in members if (m.uid, m.gid) != (0, 0)])


def main():
    epoch = int((TOP / "image-build" / "lock" / "epoch").read_text())
    archive = OUT / "keel-rootfs.tar.gz"
    if not archive.exists():
        print("Bail out! nothing is packed: make rootfs")
        return 2
    tree, members = read(archive)
    check_members(members, epoch)
    check_verifier(tree)
    check_bill(tree)
    check_sums()
    check_modules()
    size = archive.stat().st_size
    point(f"at most 100 MiB: {size / 2**20:.1f}", [] if size <= 100 * 2**20 else ["too big: make size"])
    return status()


if __name__ == "__main__":
    sys.exit(main())
