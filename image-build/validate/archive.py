# SPDX-License-Identifier: MIT
"""archive.py - reads a tar archive (plain, gzip, xz) as bsdtar would, within limits, and believes nothing in it.

The archive is read in one pass from front to back; memory grows with the number and length of names only, which are
bounded. Whatever a hostile archive does ends in ArchiveError, one sentence for the user. `tarfile` is not used: it reads
extended headers of any length into memory, and mends what it should report.
"""
import lzma
import zlib

BLOCK = 512
CHUNK = 1 << 16
HEAD = 4096  # of each file that can be executed: ELF headers and the interpreter's name
HEADS = 64 << 20  # together; of what comes later only a little is kept

MAX_UNPACKED = 8 << 30
MAX_ENTRIES = 200_000
MAX_PATH = 4095  # PATH_MAX less its NUL
MAX_NAME = 255   # NAME_MAX
MAX_NAMES = 32 << 20   # all of them together
MAX_HEADER = 1 << 20   # an extended header: names, and extended attributes of 64 KiB
MAX_RECORDS = 100      # of an extended header: a dozen, and extended attributes
XZ_MEMORY = 128 << 20  # xz -9 wants 65 MiB to unpack

GZIP_MAGIC, XZ_MAGIC = b"\x1f\x8b", b"\xfd7zXZ\0"
OTHER_MAGIC = {b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip (an appx?)",
               b"vhdxfile": "VHDX (import it with --vhd)", b"7z\xbc\xaf": "7z"}

KINDS = {b"0": "file", b"\0": "file", b"7": "file", b"1": "hardlink", b"2": "symlink", b"3": "character device",
         b"4": "block device", b"5": "dir", b"6": "fifo"}


class ArchiveError(Exception):
    """rule: the id of the rule that is broken by it."""

    def __init__(self, rule, message):
        super().__init__(message)
        self.rule = rule


class Entry:
    """One member. raw: its name as it is written; path: without "./", leading and trailing slashes."""
    __slots__ = ("raw", "path", "kind", "mode", "uid", "gid", "size", "target", "xattrs", "head", "order")

    def __init__(self, raw, kind, order):
        self.raw, self.kind, self.order = raw, kind, order
        self.path = "/".join(part for part in raw.split("/") if part not in ("", "."))
        self.mode = self.uid = self.gid = self.size = 0
        self.target, self.xattrs, self.head = "", (), b""


class _Unpacked:
    """The bytes of the tar archive, in turn, whatever it is packed with."""

    def __init__(self, file, most):
        self.file, self.most, self.buffer, self.total, self.offset = file, most, b"", 0, 0
        magic = file.read(8)
        file.seek(0)
        self.format = "gzip" if magic.startswith(GZIP_MAGIC) else "xz" if magic.startswith(XZ_MAGIC) else "tar"
        for known, name in OTHER_MAGIC.items():
            if magic.startswith(known):
                raise ArchiveError("format", f"it is {name}")
        self.packed, self.codec, self.members = b"", None, 0

    def _next_member(self):
        """False at the end. Members one after the other are one stream, for gzip and for xz."""
        while True:
            self.packed = self.packed or self.file.read(CHUNK)
            if not self.packed:
                return False
            if self.format == "xz" and self.members:  # streams are padded with zeros
                self.packed = self.packed.lstrip(b"\0")
            if self.packed:
                break
        magic = GZIP_MAGIC if self.format == "gzip" else XZ_MAGIC
        if not self.packed.startswith(magic[:len(self.packed)]):
            raise ArchiveError("whole", "something that is not compressed data follows the compressed data")
        self.members += 1
        self.codec = zlib.decompressobj(31) if self.format == "gzip" else lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY)
        return True

    def _inflate(self):
        """The next bytes, at most CHUNK; b"" at the end."""
        if self.format == "tar":
            return self.file.read(CHUNK)
        while self.codec is not None or self._next_member():
            try:
                data = self.codec.decompress(self.packed, CHUNK)
            except (lzma.LZMAError, zlib.error) as error:
                raise ArchiveError("whole", f"{self.format}: {error}") from None
            if self.codec.eof:
                self.packed, self.codec = self.codec.unused_data, None
            else:
                self.packed = self.codec.unconsumed_tail if self.format == "gzip" else b""
                if not data and not self.packed:
                    self.packed = self.file.read(CHUNK)
                    if not self.packed:
                        raise ArchiveError("whole", "the compressed data ends in the middle")
            if data:
                return data
        return b""

    def _more(self):
        data = self._inflate()
        self.total += len(data)
        if self.total > self.most:
            raise ArchiveError("limits", f"it unpacks to more than {self.most >> 20} MiB")
        self.buffer, self.offset = self.buffer[self.offset:] + data, 0
        return bool(data)

    def read(self, size):
        """At most size bytes; fewer at the end."""
        while len(self.buffer) - self.offset < size and self._more():
            pass
        data = self.buffer[self.offset:self.offset + size]
        self.offset += len(data)
        return data

    def pieces(self, size):
        """The next size bytes in pieces."""
        while size:
            data = self.read(min(size, CHUNK))
            if not data:
                raise ArchiveError("whole", "it ends in the middle of a file")
            size -= len(data)
            yield data


def _number(field):
    """A numeric field: octal text, or binary with the first bit set."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        return -1 if field[0] == 0xff else value
    text = field.split(b"\0")[0].strip()
    try:
        return int(text, 8) if text else 0
    except ValueError:
        raise ArchiveError("whole", f"a header has {text[:16]!r} where a number belongs") from None


def _text(raw):
    return raw.decode("utf-8", "surrogateescape")


def _records(data):
    """{key: value} of a pax header: "LENGTH KEY=VALUE\\n"."""
    found, count, at, end = {}, 0, 0, len(data.rstrip(b"\0"))
    while at < end:
        length = data[at:at + 10].partition(b" ")[0]
        if not length.isdigit() or not len(length) + 2 < int(length) <= len(data) - at:
            raise ArchiveError("whole", "an extended header cannot be read")
        key, equals, value = data[at + len(length) + 1:at + int(length)].partition(b"=")
        if not equals or not value.endswith(b"\n"):
            raise ArchiveError("whole", "an extended header cannot be read")
        count += 1
        if count > MAX_RECORDS:
            raise ArchiveError("limits", f"an extended header has more than {MAX_RECORDS} records")
        found[_text(key)] = value[:-1]
        at += int(length)
    return found


def _record_number(records, key, default):
    if not records.get(key):  # an empty one takes back what was said for all
        return default
    if not records[key].isdigit() or len(records[key]) > 15:
        raise ArchiveError("whole", f"an extended header has a {key} that is none")
    return int(records[key])


class _Reader:
    def __init__(self, file, wanted, most):
        self.input, self.wanted = _Unpacked(file, most), wanted
        self.entries, self.contents, self.names, self.heads, self.end = [], {}, 0, 0, False
        self.long_name = self.long_target = None
        self.common, self.own = {}, {}

    def _extended(self, kind, size):
        """A header that describes the next entry, or all that follow."""
        if size > MAX_HEADER:
            raise ArchiveError("limits", f"an extended header of {size} bytes; {MAX_HEADER} is the limit")
        data = b"".join(self.input.pieces(size))
        self._skip(-size % BLOCK)
        if kind == b"L":
            self.long_name = data.split(b"\0")[0]
        elif kind == b"K":
            self.long_target = data.split(b"\0")[0]
        elif kind == b"g":
            self.common.update(_records(data))
            self._count(len(data))
            if len(self.common) > MAX_RECORDS:
                raise ArchiveError("limits", f"its extended headers for all that follows have more than {MAX_RECORDS} records")
        else:
            self.own = _records(data)

    def _skip(self, size):
        for _ in self.input.pieces(size):
            pass

    def _count(self, size):
        self.names += size
        if self.names > MAX_NAMES:
            raise ArchiveError("limits", f"its names are longer than {MAX_NAMES >> 20} MiB together")

    def _name(self, block, records):
        if "path" in records:
            return records["path"]
        if self.long_name is not None:
            return self.long_name
        name, prefix = block[:100].split(b"\0")[0], block[345:500].split(b"\0")[0]
        return prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name

    def _entry(self, block, kind, size):
        records = {**self.common, **self.own}
        if any(key.startswith("GNU.sparse") for key in records):
            raise ArchiveError("types", "it has a sparse file; pack it without --sparse")
        name = self._name(block, records)
        target = records.get("linkpath", self.long_target if self.long_target is not None
                             else block[157:257].split(b"\0")[0])
        if len(name) > MAX_PATH or len(target) > MAX_PATH or max(map(len, name.split(b"/"))) > MAX_NAME:
            raise ArchiveError("limits", f"the name {_text(name[:40])!r}... is too long for Linux")
        entry = Entry(_text(name), KINDS.get(kind, f"type {kind!r}"), len(self.entries))
        if entry.raw.endswith("/") and entry.kind == "file":
            entry.kind = "dir"  # as before POSIX
        entry.mode, entry.target = _number(block[100:108]) & 0o7777, _text(target)
        entry.uid = _record_number(records, "uid", _number(block[108:116]))
        entry.gid = _record_number(records, "gid", _number(block[116:124]))
        entry.xattrs = tuple(key.removeprefix("SCHILY.xattr.").removeprefix("LIBARCHIVE.xattr.") for key in records
                             if ".xattr." in key)
        entry.size = _record_number(records, "size", size) if entry.kind == "file" else 0
        self._count(len(name) + len(target) + sum(map(len, entry.xattrs)))
        self.long_name = self.long_target = None
        self.own = {}
        self.entries.append(entry)
        if len(self.entries) > MAX_ENTRIES:
            raise ArchiveError("limits", f"it has more than {MAX_ENTRIES} entries")
        self._body(entry, entry.size if entry.kind == "file" else 0 if kind in b"123456" else size)

    def _body(self, entry, size):
        limit = self.wanted.get(entry.path, 0)
        head = 0 if not entry.mode & 0o111 else HEAD if self.heads < HEADS else 64
        keep, kept = max(limit, head), []
        for piece in self.input.pieces(size):
            if keep > 0:
                kept.append(piece[:keep])
                keep -= len(piece)
        data = b"".join(kept)
        if limit:
            self.contents[entry.path] = data[:limit]
        entry.head = data[:head]
        self.heads += len(entry.head)
        self._skip(-size % BLOCK)

    def run(self):
        while True:
            block = self.input.read(BLOCK)
            if not block.strip(b"\0") and not self.entries:
                raise ArchiveError("format", "there is nothing in it")
            if not block.strip(b"\0") and len(block) in (0, BLOCK):
                self.end = self._ends(block)
                return
            if len(block) < BLOCK:
                raise ArchiveError("whole" if self.entries else "format", "it ends in the middle of a header")
            blank = block[:148] + b" " * 8 + block[156:]
            if sum(blank) != _checksum(block):
                raise ArchiveError("whole" if self.entries else "format",
                                   "a header has a wrong checksum" if self.entries else "it is no tar archive")
            kind, size = block[156:157], _number(block[124:136])
            if size < 0:
                raise ArchiveError("whole", "a header has a negative size")
            if kind in b"LKxg":
                self._extended(kind, size)
            elif kind == b"S":
                raise ArchiveError("types", "it has a sparse file; pack it without --sparse")
            else:
                self._entry(block, kind, size)

    def _ends(self, block):
        """True if the archive ends as one should, with two empty blocks; what follows them may only be zeros."""
        whole = bool(block) and self.input.read(BLOCK) == b"\0" * BLOCK
        while data := self.input.read(CHUNK):
            if data.strip(b"\0"):
                raise ArchiveError("whole", "something follows the end of the archive")
        return whole


def _checksum(block):
    text = block[148:156].split(b"\0")[0].strip()
    return int(text, 8) if text and all(digit in b"01234567" for digit in text) else -1


def read(file, wanted, most=MAX_UNPACKED):
    """Reads from an open binary file. wanted: {path: most bytes} of files whose content is kept; most: bytes unpacked.

    Returns (format, entries, contents, error): error is the ArchiveError that ended the reading, or None.
    """
    file.seek(0)
    reader, error = None, None
    try:
        reader = _Reader(file, wanted, most)
        reader.run()
        if not reader.end:
            error = ArchiveError("whole", "its end is missing: two empty blocks")
    except ArchiveError as found:
        error = found
    if reader is None:
        return None, [], {}, error
    return reader.input.format, reader.entries, reader.contents, error
