# SPDX-License-Identifier: MIT
"""check_libarchive.py [COUNT] - what WSL unpacks with (bsdtar is libarchive) finds in an archive what the validator finds.
Run by tests/image/run in the lab environment, which has the library; goes on counting from COUNT. Prints TAP.
"""
import ctypes
import gzip
import lzma
import pathlib
import stat
import sys
import tarfile
import tempfile

import check_validator as distros
from points import point, status

LIBRARY = ctypes.CDLL("libarchive.so.13")
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", 0: "hardlink"}
EOF, OK = 1, 0
for name in ("archive_read_new", "archive_error_string", "archive_entry_pathname", "archive_entry_symlink",
             "archive_entry_hardlink"):
    getattr(LIBRARY, name).restype = ctypes.c_void_p if name == "archive_read_new" else ctypes.c_char_p
for name in ("archive_entry_size", "archive_entry_uid", "archive_entry_gid"):
    getattr(LIBRARY, name).restype = ctypes.c_int64


def members(path):
    """[(name, kind, mode, uid, gid, size, target)] as libarchive reads them."""
    reader, entry, found = ctypes.c_void_p(LIBRARY.archive_read_new()), ctypes.c_void_p(), []
    LIBRARY.archive_read_support_filter_all(reader)
    LIBRARY.archive_read_support_format_all(reader)
    try:
        if LIBRARY.archive_read_open_filename(reader, str(path).encode(), ctypes.c_size_t(1 << 16)) != OK:
            raise OSError(LIBRARY.archive_error_string(reader))
        while (status := LIBRARY.archive_read_next_header(reader, ctypes.byref(entry))) != EOF:
            if status != OK:
                raise OSError(LIBRARY.archive_error_string(reader))
            kind = KINDS.get(LIBRARY.archive_entry_filetype(entry) & 0o170000, "other")
            link = LIBRARY.archive_entry_hardlink(entry)
            found.append((LIBRARY.archive_entry_pathname(entry).decode(), "hardlink" if link else kind,
                          LIBRARY.archive_entry_perm(entry) & 0o7777, LIBRARY.archive_entry_uid(entry),
                          LIBRARY.archive_entry_gid(entry), LIBRARY.archive_entry_size(entry) if kind == "file" and not link else 0,
                          (link or LIBRARY.archive_entry_symlink(entry) or b"").decode()))
    finally:
        LIBRARY.archive_read_free(reader)
    return found


def ours(path):
    with open(path, "rb") as file:
        _, entries, _, error = distros.archive.read(file, {})
    if error is not None:
        raise OSError(str(error))
    return [(entry.raw, entry.kind, entry.mode, entry.uid, entry.gid, entry.size, entry.target) for entry in entries]


def differences(path):
    theirs, own = members(path), ours(path)
    if len(theirs) != len(own):
        return [f"{len(theirs)} members for libarchive, {len(own)} for us"]
    return [f"{one} for libarchive, {other} for us" for one, other in zip(theirs, own) if one != other]


def main():
    point("libarchive reads keel.wsl as the validator does", differences(distros.TOP / "build" / "out" / "keel.wsl"))
    long = {**distros.tiny(), "long": distros.member("etc/" + "/".join(["d" * 100] * 4), b"x")}
    forms = {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT}
    wrong = []
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "tiny")
        for form, code in forms.items():
            data = distros.tar(long, code)
            for packing, packed in {"plain": data, "gzip": gzip.compress(data, mtime=0), "xz": lzma.compress(data),
                                    "two members": gzip.compress(data[:5000]) + gzip.compress(data[5000:])}.items():
                path.write_bytes(packed)
                wrong += [f"{form}, {packing}: {one}" for one in differences(path)]
    point("and a small one as pax and GNU tar, plain, gzip, xz, in two gzip members", wrong)
    return status()


if __name__ == "__main__":
    sys.exit(main())
