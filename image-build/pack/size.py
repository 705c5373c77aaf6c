# SPDX-License-Identifier: MIT
"""size.py - what takes how much of keel-rootfs.tar.gz, by component and by package; ends with 1 if it is
over the budget. Reads what rootfs.py left in build/work; run by `make size`.

A file's share of the archive is what the compressor had put out after it: exact in sum, and to within
its buffer (some tens of KiB) for one file.
"""
import collections
import json
import sys

import rootfs

COMPONENTS = {"keel": "keel", "busybox": "tools", "kmod": "tools", "e2fsprogs": "tools"}


def table(title, rows, key):
    packed, size = collections.Counter(), collections.Counter()
    for row in rows:
        packed[key(row)] += row["packed"]
        size[key(row)] += row["size"]
    print(f"{title:<34}{'in archive':>12}{'unpacked':>12}   KiB")
    for name, value in packed.most_common():
        print(f"  {name:<32}{value / 1024:>12.0f}{size[name] / 1024:>12.0f}")
    print()


def main():
    manifest, archive = rootfs.BUILD / "work" / "manifest.json", rootfs.OUT / "keel-rootfs.tar.gz"
    if not manifest.exists() or not archive.exists():
        sys.exit("size: nothing is built: run make rootfs")
    rows = json.loads(manifest.read_text())
    table("component", rows, lambda row: COMPONENTS.get(row["package"], "engine"))
    table("package", rows, lambda row: row["package"])
    programs = [row for row in rows if row["package"] == "keel" and row["path"] in rootfs.image.PROGRAMS.values()]
    table("keel's programs", programs, lambda row: f"/{row['path']}")
    total = archive.stat().st_size
    print(f"total {total} bytes = {total / 2**20:.1f} MiB of {rootfs.BUDGET >> 20} MiB")
    return 0 if total <= rootfs.BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
