# SPDX-License-Identifier: MIT
"""icon.py [FILE] - keel's icon, drawn: a hull with its keel on a dark square, in the sizes that Windows shows.

Shapes are signed distances in units of the icon's width, so every size is drawn anew and has smooth edges. Small sizes
are bitmaps, which anything reads; large ones are PNG, a tenth of that. The same Python and zlib give the same bytes.
"""
import math
import struct
import sys
import zlib

SIZES = (16, 20, 24, 32, 48, 64, 256)
BITMAPS = (16, 20, 24, 32)
SQUARE, HULL, FIN = (16, 42, 67), (240, 246, 250), (255, 178, 56)


def _rounded_box(x, y, half_width, half_height, radius):
    dx, dy = abs(x) - half_width + radius, abs(y) - half_height + radius
    return math.hypot(max(dx, 0), max(dy, 0)) + min(max(dx, dy), 0) - radius


def _hull(x, y):
    """Below the water line, inside two circles that meet at bow and stern."""
    return max(-0.10 - y, math.hypot(x, y + 0.34) - 0.52, abs(x) - 0.42)


def _fin(x, y):
    """The keel: narrower towards its foot."""
    return max(abs(x) - 0.13 + (y - 0.10) * 0.22, y - 0.36, 0.05 - y)


def _mast(x, y):
    return _rounded_box(x, y + 0.23, 0.028, 0.15, 0.02)


LAYERS = (
    (lambda x, y: _rounded_box(x, y, 0.5, 0.5, 0.11), SQUARE),
    (_mast, HULL),
    (_fin, FIN),
    (_hull, HULL),
)


def _pixel(column, row, size):
    x, y = (column + 0.5) / size - 0.5, (row + 0.5) / size - 0.5
    red = green = blue = alpha = 0.0
    for distance, color in LAYERS:
        cover = min(max(0.5 - distance(x, y) * size, 0.0), 1.0)
        red, green, blue = (old + (new - old) * cover if alpha else new
                            for old, new in zip((red, green, blue), color))
        alpha += (1 - alpha) * cover
    return tuple(round(value) for value in (red, green, blue, alpha * 255))


def _bitmap(rows, size):
    header = struct.pack("<IiiHHIIiiII", 40, size, 2 * size, 1, 32, 0, 0, 0, 0, 0, 0)
    colors = b"".join(bytes((blue, green, red, alpha)) for row in reversed(rows) for red, green, blue, alpha in row)
    mask = bytes((size + 31) // 32 * 4 * size)  # all of it is drawn: the alpha tells
    return header + colors + mask


def _png(rows, size):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    raw = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def ico():
    """The bytes of the .ico file."""
    images = []
    for size in SIZES:
        rows = [[_pixel(column, row, size) for column in range(size)] for row in range(size)]
        images.append(_bitmap(rows, size) if size in BITMAPS else _png(rows, size))
    entries, offset = b"", 6 + 16 * len(SIZES)
    for size, image in zip(SIZES, images):
        entries += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(image), offset)
        offset += len(image)
    return struct.pack("<HHH", 0, 1, len(SIZES)) + entries + b"".join(images)


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as output:
        output.write(ico())
