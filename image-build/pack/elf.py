# SPDX-License-Identifier: MIT
"""elf.py - which libraries and which loader a 64-bit little-endian ELF file needs (elf(5))."""
import struct

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_NEEDED, DT_STRTAB = 0, 1, 5


def is_elf(data):
    return isinstance(data, bytes) and data[:4] == b"\x7fELF"


def _segments(data):
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for index in range(count):
        kind, _, start, address, _, length = struct.unpack_from("<IIQQQQ", data, offset + index * size)
        yield kind, start, address, length


def _string(data, offset):
    return data[offset:data.index(b"\0", offset)].decode()


def needed(data):
    """(names of DT_NEEDED, path of the loader or None)"""
    segments = list(_segments(data))
    loader = next((_string(data, start) for kind, start, _, _ in segments if kind == PT_INTERP), None)
    tags = []
    for kind, start, _, length in segments:
        if kind == PT_DYNAMIC:
            tags = [struct.unpack_from("<QQ", data, start + at) for at in range(0, length, 16)]
    tags = tags[:next((i for i, (tag, _) in enumerate(tags) if tag == DT_NULL), len(tags))]
    table = next((value for tag, value in tags if tag == DT_STRTAB), None)
    for kind, start, address, length in segments:
        if kind == PT_LOAD and table is not None and address <= table < address + length:
            return [_string(data, table - address + start + value)
                    for tag, value in tags if tag == DT_NEEDED], loader
    return [], loader
