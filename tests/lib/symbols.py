# SPDX-License-Identifier: MIT
"""symbols.py - the functions of an ELF program, from its symbol table (elf(5)): the lab has no binutils."""
import struct


def functions(path):
    """{name: (address relative to where the program is loaded, size)}"""
    with open(path, "rb") as file:
        data = file.read()
    offset, = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size) for i in range(count)]
    found = {}
    for _, kind, _, _, start, length, link, _, _, entry in sections:
        for at in range(start, start + length, entry) if kind == 2 else ():
            name, info, _, _, value, size = struct.unpack_from("<IBBHQQ", data, at)
            if info & 15 == 2 and size:
                begin = sections[link][4] + name
                found[data[begin:data.index(b"\0", begin)].decode()] = value, size
    return found


def function_at(table, address):
    return next((name for name, (start, size) in table.items() if start <= address < start + size), "?")


def load_base(maps, program):
    """Where the text of a /proc/PID/maps says that the program was loaded."""
    return min(int(line.split("-")[0], 16) for line in maps.splitlines() if line.endswith(program))
