# SPDX-License-Identifier: MIT
"""difference.py ONE OTHER - says where two files differ first: of tar archives the member, its metadata or
its bytes. Exit status 1 if they differ. Run by tests/repro/run."""
import sys
import tarfile

METADATA = ("name", "type", "mode", "uid", "gid", "uname", "gname", "mtime", "linkname", "size")


def first_byte(one, other):
    position = next((i for i, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    start = max(0, position - 8)
    return (f"byte {position}: ...{one[start:position + 24]!r} against ...{other[start:position + 24]!r}")


def differences(one, other):
    for left, right in zip(one, other):
        for key in METADATA:
            if getattr(left, key) != getattr(right, key):
                yield f"{left.name}: {key} {getattr(left, key)!r} against {getattr(right, key)!r}"
                if key == "name":
                    return
        if left.isreg() and right.isreg():
            data, same = one.extractfile(left).read(), other.extractfile(right).read()
            if data != same:
                yield f"{left.name}: {first_byte(data, same)}"


def main(one, other):
    with open(one, "rb") as file, open(other, "rb") as same:
        data, copy = file.read(), same.read()
    if data == copy:
        print("the same")
        return 0
    try:
        with tarfile.open(one) as left, tarfile.open(other) as right:
            found = next(differences(left, right), None)
            print(found or f"the members are the same, the archive is not: {first_byte(data, copy)}")
    except tarfile.TarError:
        print(first_byte(data, copy))
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
