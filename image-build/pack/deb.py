# SPDX-License-Identifier: MIT
"""deb.py - reads Debian packages without dpkg: an ar archive with a tar archive of the files in it."""
import io
import tarfile

AR_MAGIC = b"!<arch>\n"
COMPRESSION = {"data.tar.xz": "xz", "data.tar.gz": "gz", "data.tar": ""}


def open_data(path):
    """The data archive of a package as a TarFile. ValueError if it is no package."""
    with open(path, "rb") as deb:
        if deb.read(8) != AR_MAGIC:
            raise ValueError(f"{path} is not a Debian package")
        while header := deb.read(60):
            name = header[:16].decode().strip().rstrip("/")
            size = int(header[48:58])
            if name in COMPRESSION:
                return tarfile.open(fileobj=io.BytesIO(deb.read(size)), mode=f"r:{COMPRESSION[name]}")
            deb.seek(size + size % 2, io.SEEK_CUR)
    raise ValueError(f"{path} has no data archive that can be read")


def read_files(path, wanted):
    """{path in the package: bytes, or the str target of a link} of the members that wanted(path) is true
    for. Paths have no leading "./" or "/"; directories are left out."""
    files = {}
    with open_data(path) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if not wanted(name):
                continue
            if member.issym():
                files[name] = member.linkname
            elif member.islnk():
                files[name] = files[member.linkname.removeprefix("./")]
            elif member.isreg():
                files[name] = archive.extractfile(member).read()
    return files
