#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Dynamic VHDX files as Hyper-V treats them, where QEMU's driver does not: vhdx.py info|compact|grow FILE [SIZE].

QEMU drops discards of a VHDX and cannot resize one. Here a discarded block becomes unmapped in the block allocation
table (its place in the file stays, and is used again), compact() moves the last blocks to where nothing is and
cuts the file off, as Optimize-VHD does, and grow() is Resize-VHD. Image is
what tests/powercut/medium.py serves to QEMU; used by tests/vm/scenarios_disk_space.py. [MS-VHDX] in brackets below.

The format's log is not written: who is killed in the middle leaves a file that may be inconsistent. A file whose log
is not empty is refused.
"""
import argparse
import array
import ctypes
import functools
import os
import struct
import sys
import uuid

MIB = 1 << 20
HEADERS = (64 << 10, 128 << 10)  # [2.2]
HEADER_BYTES = 4096
REGION_TABLE = 192 << 10
REGION_BAT = uuid.UUID("2DC27766-F623-4200-9D64-115E9BFD4A08")
REGION_METADATA = uuid.UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E")
ITEM_PARAMETERS = uuid.UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B")
ITEM_SIZE = uuid.UUID("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
ITEM_SECTOR = uuid.UUID("8141BF1D-A96F-4709-BA47-F233A8FAAB5F")
NO_LOG = bytes(16)
UNMAPPED, PRESENT = 3, 6  # [2.5.1.1] payload block states; all others but PRESENT read as zero here
STATE = 7
SIZE_MAX = 64 << 40  # [2.6.2.1]

FALLOC_ZERO_RANGE = 0x10
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)


class VhdxError(Exception):
    """A sentence: what is wrong with the file."""


@functools.cache
def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


def crc32c(data):
    crc, table = 0xFFFFFFFF, crc_table()
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def guid(data):
    return uuid.UUID(bytes_le=bytes(data))


class Image:
    """An open VHDX: read, write, zero, flush; then close."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self.begin_writing()
            regions = self.regions()
            self.read_metadata(regions[REGION_METADATA][0])
            self.read_table(*regions[REGION_BAT])
        except BaseException:
            os.close(self.fd)
            raise
        self.free = self.unused_places()

    def close(self):
        self.flush()
        os.close(self.fd)

    # ---- opening ---------------------------------------------------------------------------------

    def begin_writing(self):
        """The newer header gets a successor that says that somebody writes [2.2.2.1]."""
        headers = []
        for place in HEADERS:
            header = bytearray(os.pread(self.fd, HEADER_BYTES, place))
            checksum = struct.unpack_from("<I", header, 4)[0]
            struct.pack_into("<I", header, 4, 0)
            if header[:4] == b"head" and crc32c(header) == checksum:
                headers.append((struct.unpack_from("<Q", header, 8)[0], place, header))
        if not headers:
            raise VhdxError("it has no valid header: no VHDX")
        sequence, place, header = max(headers)
        if header[48:64] != NO_LOG:
            raise VhdxError("its log is not empty: whoever wrote it did not end; open it with QEMU first")
        header[16:48] = uuid.uuid4().bytes_le + uuid.uuid4().bytes_le
        struct.pack_into("<Q", header, 8, sequence + 1)
        struct.pack_into("<I", header, 4, crc32c(header))
        os.pwrite(self.fd, header, HEADERS[place == HEADERS[0]])
        log_length, log_offset = struct.unpack_from("<IQ", header, 68)
        self.occupied = [(0, MIB), (log_offset, log_length)]

    def regions(self):
        """{GUID: (offset, length)} of the file's regions [2.2.3]."""
        table = os.pread(self.fd, 64 << 10, REGION_TABLE)
        if table[:4] != b"regi":
            raise VhdxError("it has no region table")
        count = struct.unpack_from("<I", table, 8)[0]
        entries = [struct.unpack_from("<16sQI", table, 16 + 32 * n) for n in range(count)]
        self.occupied += [entry[1:] for entry in entries]
        return {guid(name): (offset, length) for name, offset, length in entries}

    def read_metadata(self, place):
        table = os.pread(self.fd, 64 << 10, place)
        items = {}
        for n in range(struct.unpack_from("<H", table, 10)[0]):
            name, offset = struct.unpack_from("<16sI", table, 32 + 32 * n)
            items[guid(name)] = place + offset
        self.block, flags = struct.unpack("<II", os.pread(self.fd, 8, items[ITEM_PARAMETERS]))
        sector = struct.unpack("<I", os.pread(self.fd, 4, items[ITEM_SECTOR]))[0]
        if flags:
            raise VhdxError("it is of fixed size or has a parent")
        self.size_place = items[ITEM_SIZE]
        self.size = struct.unpack("<Q", os.pread(self.fd, 8, self.size_place))[0]
        self.chunk = (sector << 23) // self.block  # so many entries, then one for a bitmap that only a child has

    def read_table(self, place, length):
        self.table_place, self.table_entries = place, length // 8
        self.table = array.array("Q", os.pread(self.fd, length, place))

    def unused_places(self):
        """Offsets in the file where a block could be: between what is in use, lowest last."""
        taken = {entry & ~(MIB - 1) for entry in self.table if entry & STATE == PRESENT}
        for offset, length in self.occupied:
            taken.update(range(offset & ~(MIB - 1), offset + length, MIB))
        self.end = (os.fstat(self.fd).st_size + MIB - 1) & ~(MIB - 1)
        if self.block == MIB:
            return [place for place in range(self.end - MIB, 0, -MIB) if place not in taken]
        return []  # larger blocks: the file only grows

    # ---- data ------------------------------------------------------------------------------------

    def pieces(self, offset, length):
        """(index of the table's entry, first byte in the block, bytes) of a range."""
        while length:
            block, start = divmod(offset, self.block)
            size = min(length, self.block - start)
            yield block + block // self.chunk, start, size
            offset, length = offset + size, length - size

    def set_entry(self, index, place, state):
        self.table[index] = place | state
        os.pwrite(self.fd, struct.pack("<Q", place | state), self.table_place + 8 * index)

    def allocate(self, index):
        """A block of zeros."""
        if self.free:
            place = self.free.pop()
            if LIBC.fallocate(self.fd, FALLOC_ZERO_RANGE, place, self.block) < 0:
                raise OSError(ctypes.get_errno(), "cannot zero a block")
        else:
            place, self.end = self.end, self.end + self.block
            os.truncate(self.fd, self.end)
        self.set_entry(index, place, PRESENT)

    def present(self, index):
        return self.table[index] & STATE == PRESENT

    def place(self, index):
        return self.table[index] & ~(MIB - 1)

    def read(self, offset, length):
        return b"".join(os.pread(self.fd, size, self.place(index) + start) if self.present(index) else bytes(size)
                        for index, start, size in self.pieces(offset, length))

    def write(self, offset, data):
        at = 0
        for index, start, size in self.pieces(offset, len(data)):
            if not self.present(index):
                self.allocate(index)
            os.pwrite(self.fd, data[at:at + size], self.place(index) + start)
            at += size

    def zero(self, offset, length):
        """A discard, or zeros written: what is discarded in whole blocks is unmapped."""
        for index, start, size in self.pieces(offset, length):
            if not self.present(index):
                continue
            if size == self.block:
                self.free.append(self.place(index))
                self.set_entry(index, 0, UNMAPPED)
            else:
                os.pwrite(self.fd, bytes(size), self.place(index) + start)

    def flush(self):
        os.fdatasync(self.fd)

    def persist(self, _offset, _length):
        """What was written with FUA."""
        self.flush()

    # ---- what the host does with a file that nobody uses ---------------------------------------------

    def mapped(self):
        """Bytes of the blocks that hold data."""
        return self.block * sum(entry & STATE == PRESENT for entry in self.table)

    def compact(self):
        """The last blocks move to the first free places; what is behind is cut off."""
        free = sorted(self.free)
        present = [index for index in range(len(self.table)) if self.present(index)]
        for index, place in zip(sorted(present, key=self.place, reverse=True), free):
            if self.place(index) < place:
                break
            os.pwrite(self.fd, os.pread(self.fd, self.block, self.place(index)), place)
            self.set_entry(index, place, PRESENT)
        self.end = max([self.place(index) + self.block for index in present] +
                       [offset + length for offset, length in self.occupied])
        os.truncate(self.fd, self.end)
        self.free = self.unused_places()

    def grow(self, size):
        """A larger disk in the same file: as far as the table reaches."""
        blocks = -(-size // self.block)
        if size % MIB or not self.size < size <= SIZE_MAX or blocks + (blocks - 1) // self.chunk > self.table_entries:
            raise VhdxError(f"it cannot become {size} bytes large")
        os.pwrite(self.fd, struct.pack("<Q", size), self.size_place)
        self.size = size


def main():
    parser = argparse.ArgumentParser(description="dynamic VHDX files as Hyper-V treats them")
    parser.add_argument("verb", choices=("info", "compact", "grow"))
    parser.add_argument("file")
    parser.add_argument("size", nargs="?", type=int, help="bytes")
    args = parser.parse_args()
    try:
        image = Image(args.file)
        if args.verb == "compact":
            image.compact()
        if args.verb == "grow":
            image.grow(args.size or 0)
        image.close()
    except (VhdxError, OSError) as error:
        sys.exit(f"vhdx: {args.file}: {error}")
    print(f"{args.file}: disk {image.size >> 20} MiB, blocks in use {image.mapped() >> 20} MiB, "
          f"file {os.path.getsize(args.file) >> 20} MiB")


if __name__ == "__main__":
    main()
