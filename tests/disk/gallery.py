#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The gallery: raw images of every kind of disk that keel may meet, good and bad, and what is to be done about each.

Images are sparse files of some hundred MiB at most, built without root and without mounting by the programs of the lab
environment; the same call builds the same disk. Used natively on loop devices (tests/ns/scenarios_disk_gallery.py), in
guests by hot-plug (tests/vm), and by hand:

    python3 tests/disk/gallery.py DIR [NAME...]      build the images (all by default) into DIR
    python3 tests/disk/gallery.py --list             the table
"""
import argparse
import dataclasses
import os
import pathlib
import struct
import subprocess
import sys
import typing
import uuid as uuid_module
import zlib

MIB = 1 << 20
SUPERBLOCK = 1024
LABEL = "keel-data"
UUID = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
OTHER_UUID = "6fa459ea-ee8a-4ca4-894e-db77e160355e"
MADE = 1732567890
SIZE = 128 * MIB
# Two block groups and a bit: large enough for a backup superblock at 128 MiB, with blocks of 4 KiB.
SIZE_BACKUPS = 320 * MIB


def run(*command, **options):
    """Runs a program that must succeed; its clock stands still where it lets us."""
    environment = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "E2FSPROGS_FAKE_TIME": str(MADE),
                   "SOURCE_DATE_EPOCH": str(MADE)}
    result = subprocess.run(command, check=False, text=True, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=120, **options)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: status {result.returncode}: {result.stdout}")
    return result.stdout


def crc32c(data):
    """ext4's checksum: starts with all ones, nothing is inverted at the end."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc


def blank(path, size=SIZE):
    """A sparse file, replacing what was there."""
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def write_at(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def marker_text(uuid=UUID, first="keel-disk 1"):
    return f"{first}\nuuid={uuid}\nmade={MADE}\nby=0.1.0\n"


def ext4(path, size=SIZE, label=LABEL, uuid=UUID, marker=True, options=(), files=None):
    """An ext4 as keel makes it; `marker` may be another text, or None. `files` are names and contents to put in."""
    source = path.with_suffix(".files")
    contents = dict(files or {})
    if marker:
        contents[".keel-disk"] = marker_text(uuid) if marker is True else marker
    for name, data in contents.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        os.utime(source / name, (MADE, MADE))
    source.mkdir(exist_ok=True)
    blank(path, size)
    # A file that is new has offsets of its own in directories unless the hash's seed is given.
    run("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-L", label, "-U", uuid, "-m", "0", "-d", source, "-E",
        f"hash_seed={OTHER_UUID},lazy_itable_init=1,nodiscard", *options, path)
    subprocess.run(["rm", "-rf", source], check=True)
    return path


def debugfs(path, *requests):
    for request in requests:
        run("debugfs", "-w", "-R", request, path)


def set_superblock(path, field, value, offset=SUPERBLOCK):
    """Changes one 32-bit field of a superblock and mends its checksum, which debugfs would not do for what it does not know."""
    with open(path, "r+b") as file:
        file.seek(offset)
        data = bytearray(file.read(1024))
        struct.pack_into("<I", data, field, value)
        struct.pack_into("<I", data, 1020, crc32c(data[:1020]))
        file.seek(offset)
        file.write(data)


def get_superblock(path, field):
    with open(path, "rb") as file:
        file.seek(SUPERBLOCK + field)
        return struct.unpack("<I", file.read(4))[0]


def dos_partitions(path, start, sectors):
    """A DOS partition table with one Linux partition."""
    write_at(path, 446, struct.pack("<B3xB3xII", 0, 0x83, start, sectors) + bytes(48) + b"\x55\xaa")


# --- the builders: each gets the path of the image to make, and the paths of the others of its entry ------------------

def build_blank(path):
    """Every byte is there, and zero."""
    with open(path, "wb") as file:
        for _ in range(SIZE // MIB):
            file.write(bytes(MIB))


def build_one_byte(path):
    """At 48 MiB of 90: where everything is read. On larger disks the middle is read in samples."""
    write_at(blank(path, 90 * MIB), 48 * MIB + 4321, b"\1")


def build_noise(path):
    """Content that nobody knows: what an encrypted disk without a header looks like."""
    state, words = 1, bytearray()
    for _ in range(64 * 1024):
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        words += struct.pack("<Q", state)
    write_at(blank(path), 0, words)


def build_xfs(path, label=None):
    run("mkfs.xfs", "-q", "-m", f"uuid={UUID}", *(["-L", label] if label else []), blank(path, SIZE_BACKUPS))


def build_xfs_ours(path):
    build_xfs(path, LABEL)


def build_btrfs(path):
    run("mkfs.btrfs", "-q", "-U", UUID, blank(path, SIZE_BACKUPS))


def build_ntfs(path):
    run("mkfs.ntfs", "-q", "-Q", "-F", "-T", "-s", "512", "-p", "0", "-H", "255", "-S", "63", blank(path))


def build_vfat(path):
    run("mkfs.vfat", "-i", "12345678", "-n", "FOREIGN", blank(path))


def build_swap(path):
    run("mkswap", "-q", "-U", UUID, blank(path))


def build_luks(path, label=""):
    """The header of LUKS 2 as cryptsetup writes it, without key slots: nobody is to open it."""
    header = bytearray(4096)
    struct.pack_into(">6sHQQ48s32s64s40s48s", header, 0, b"LUKS\xba\xbe", 2, 16384, 1, label.encode(), b"sha256", bytes(64),
                     UUID.encode(), b"")
    write_at(blank(path), 0, header)


def build_luks_ours(path):
    build_luks(path, LABEL)


def build_gpt(path):
    """A GUID partition table (UEFI 5.3) without partitions."""
    blank(path)
    last = SIZE // 512 - 1
    entries = bytes(128 * 128)

    def header(here, other, table):
        def pack(checksum):
            return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, checksum, 0, here, other, 34, last - 33,
                               uuid_module.UUID(UUID).bytes_le, table, 128, 128, zlib.crc32(entries))
        return pack(zlib.crc32(pack(0)))

    write_at(path, 446, struct.pack("<B3xB3xII", 0, 0xee, 1, last) + bytes(48) + b"\x55\xaa")
    write_at(path, 512, header(1, last, 2))
    write_at(path, last * 512, header(last, 1, last - 32))


def build_dos(path):
    """One partition, with nothing in it."""
    dos_partitions(blank(path), 2048, 131072)


def build_ours(path):
    ext4(path)


def build_partition(path):
    """Our file system in the first partition of a disk."""
    inner = ext4(path.with_suffix(".inner"))
    blank(path, SIZE + 2 * MIB)
    dos_partitions(path, 2048, SIZE // 512)
    subprocess.run(["dd", f"if={inner}", f"of={path}", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"], check=True)
    inner.unlink()


def build_foreign_label(path):
    ext4(path, label="somebody", marker=None)


def build_other_uuid(path):
    ext4(path, uuid=OTHER_UUID)


def build_no_marker(path):
    ext4(path, marker=None)


def build_newer_marker(path):
    ext4(path, marker=marker_text(first="keel-disk 2"))


def build_copied_marker(path):
    """The file of another disk: somebody copied all files of the data disk to a new file system."""
    ext4(path, marker=marker_text(OTHER_UUID))


def build_marker_garbage(path):
    ext4(path, marker="keel-disk 1\nuuid=" + "x" * 2000)


def build_bad_superblock(path):
    write_at(ext4(path, SIZE_BACKUPS), SUPERBLOCK, bytes(1024))


def build_bad_backups(path):
    """No superblock is left, but everything else is."""
    build_bad_superblock(path)
    write_at(path, 32768 * 4096, bytes(1024))


def build_error_flag(path):
    debugfs(ext4(path), "set_super_value state 3", "set_super_value last_error_func ext4_find_entry")


def build_needs_decision(path):
    """Two files own the same block, and the error flag is set: e2fsck -p does not choose between them."""
    ext4(path, files={"one": bytes(4096 * [1]), "two": bytes(4096 * [2])})
    with open(path, "rb") as file:
        data = file.read()
    one = [run("debugfs", "-R", f"blocks /{name}", path).split()[-1] for name in ("one", "two")]
    check_distinct(one)
    debugfs(path, "set_super_value state 3")
    extent = data.find(struct.pack("<IHHI", 0, 1, 0, int(one[1])))
    write_at(path, extent + 8, struct.pack("<I", int(one[0])))


def check_distinct(blocks):
    if len(set(blocks)) != len(blocks):
        raise RuntimeError(f"blocks {blocks}")


def read_block(path, number):
    with open(path, "rb") as file:
        file.seek(number * 4096)
        return file.read(4096)


def write_journal(path, number, data):
    """A transaction in the journal, as a power cut leaves it: the block on the disk is another one."""
    block, script = path.with_suffix(".block"), path.with_suffix(".script")
    block.write_bytes(data)
    script.write_text(f"journal_open\njournal_write -b {number} {block}\njournal_close\n", encoding="ascii")
    run("debugfs", "-w", "-f", script, path)
    script.unlink()
    block.unlink()


def build_dirty_journal(path):
    ext4(path, files={"precious": b"precious\n"})
    number = int(run("debugfs", "-R", "blocks /precious", path).split()[-1])
    write_journal(path, number, b"replayed\n".ljust(4096, b"\0"))


def build_marker_in_journal(path):
    """Cut while the marker of an adopted disk was written back: its name is there, its inode is in the journal only."""
    ext4(path)
    number = int(run("debugfs", "-R", "imap /.keel-disk", path).split("located at block ")[1].split(",")[0])
    data = read_block(path, number)
    debugfs(path, "clri /.keel-disk")
    write_journal(path, number, data)


def build_orphans(path):
    """A file that was deleted while it was open: to be freed at the next mount."""
    ext4(path, files={"orphan": bytes(65536)}, options=("-O", "^orphan_file"))
    inode = run("debugfs", "-R", "stat /orphan", path).split("Inode:")[1].split()[0]
    debugfs(path, "unlink /orphan", f"set_inode_field <{inode}> links_count 0", f"set_super_value last_orphan {inode}")


# What a disk that was used has: who finds it full must not need to make it.
USED = {"docker/engine-id": b"1", "containerd/.keep": b""}


def build_full(path):
    """All but the last few blocks are used."""
    ext4(path, 64 * MIB, files=USED)
    free = get_superblock(path, 0x0c)
    ext4(path, 64 * MIB, files={**USED, "fill": bytes([0x5a]) * (4096 * (free - 8))})


def build_no_inodes(path):
    """Not one inode is left."""
    inodes = ("-N", "128")
    ext4(path, files=USED, options=inodes)
    free = get_superblock(path, 0x10)
    ext4(path, files={**USED, **{f"file{number}": b"" for number in range(free)}}, options=inodes)
    if get_superblock(path, 0x10) != 0:
        raise RuntimeError(f"{get_superblock(path, 0x10)} inodes are left")


def build_truncated(path):
    os.truncate(ext4(path, SIZE_BACKUPS), 200 * MIB)


def build_enlarged(path):
    os.truncate(ext4(path), 256 * MIB)


def build_unknown_incompat(path):
    ext4(path)
    set_superblock(path, 0x60, get_superblock(path, 0x60) | 0x40000000)


def build_unknown_ro_compat(path):
    ext4(path)
    set_superblock(path, 0x64, get_superblock(path, 0x64) | 0x40000000)


def build_large_blocks(path):
    """Blocks of 64 KiB: a machine with larger pages made it."""
    ext4(path, SIZE_BACKUPS, options=("-b", "65536"))


def build_small(path):
    ext4(path, 32 * MIB)


def build_huge(path):
    """A device larger than any VHDX. Not every host's file system has such files."""
    os.truncate(ext4(path), 65 << 40)


def format_intent(size, uuid=UUID):
    """init/disk/format_intent.h."""
    record = bytearray(512)
    struct.pack_into("<16sQ37s", record, 0, b"keel-format v1\n", size, uuid.encode())
    struct.pack_into("<I", record, 508, crc32c(record[:508]) ^ 0xffffffff)
    return bytes(record)


def build_interrupted_format(path):
    """The power went while mke2fs wrote: the superblock, which comes last, is not there yet."""
    build_bad_superblock(path)
    write_at(path, 2048, format_intent(SIZE_BACKUPS))


def build_stale_intent(path):
    """Lost its superblock, and carries a record of the format of another file system: not ours to format."""
    build_bad_superblock(path)
    write_at(path, 2048, format_intent(SIZE_BACKUPS, OTHER_UUID))


# --- the table --------------------------------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Entry:
    """A disk, or several, and what is to be done about it."""
    name: str
    builders: typing.Tuple
    action: str  # the first decision: the words of the policy
    situation: str
    words: str  # in the reason; {0} and {1} are the devices
    health: str = "degraded"  # of the whole guest, in the end; "starting" goes on to ready by itself
    options: typing.Mapping = dataclasses.field(default_factory=dict)  # keys of [disk] in keel.conf
    read_only: bool = False  # the device
    partitions: int = 0  # bytes in its one partition, which a loop device has to be asked for
    machine: str = ""  # what it takes a virtual machine for; such an entry is the VM suite's
    blank_read: bool = False  # the decision comes after a look at the whole disk
    outcome: str = "ok"  # the situation in the end, where the first decision is no refusal

    @property
    def untouched(self):
        """Not one byte of it may change."""
        return self.action in ("refuse", "wait")


FORMAT = {"format": "blank"}
PINNED = {"data": f"UUID={UUID}"}

ENTRIES = (
    # Nothing on it.
    Entry("blank", (build_blank,), "format", "ok", "is blank and the only unused disk", "ready", FORMAT, blank_read=True),
    Entry("blank-sparse", (blank,), "format", "ok", "is blank and the only unused disk", "ready", FORMAT, blank_read=True),
    Entry("blank-not-allowed", (blank,), "refuse", "blank", "{0} looks empty; set disk.format=blank"),
    Entry("blank-two", (blank, blank), "refuse", "not-found", "2 unused devices", options=FORMAT),
    Entry("blank-beside-foreign", (blank, build_foreign_label), "refuse", "not-found", "2 unused devices", options=FORMAT),
    Entry("blank-pinned", (blank,), "refuse", "blank", f"no disk with UUID {UUID}", options={**FORMAT, **PINNED}),
    Entry("one-byte", (build_one_byte,), "refuse", "not-blank", "{0} is unknown but not blank", options=FORMAT, blank_read=True),
    Entry("noise", (build_noise,), "refuse", "not-blank", "{0} is unknown but not blank", options=FORMAT, blank_read=True),
    Entry("interrupted-format", (build_interrupted_format,), "format", "ok", "when a format of it was interrupted", "ready",
          FORMAT),
    Entry("stale-intent", (build_stale_intent,), "refuse", "bad-superblock", "keelctl disk repair {0}", options=FORMAT),
    # Something else on it.
    Entry("xfs", (build_xfs,), "refuse", "foreign", "{0} holds xfs", options=FORMAT),
    Entry("btrfs", (build_btrfs,), "refuse", "foreign", "{0} holds btrfs", options=FORMAT),
    Entry("ntfs", (build_ntfs,), "refuse", "foreign", "{0} holds ntfs", options=FORMAT),
    Entry("vfat", (build_vfat,), "refuse", "foreign", "{0} holds vfat labelled FOREIGN", options=FORMAT),
    Entry("swap", (build_swap,), "refuse", "foreign", "{0} holds swap", options=FORMAT),
    Entry("luks", (build_luks,), "refuse", "encrypted", "{0} is encrypted (LUKS)", options=FORMAT),
    Entry("gpt", (build_gpt,), "refuse", "foreign", "{0} holds gpt", options=FORMAT),
    Entry("dos", (build_dos,), "refuse", "blank", "1 looks empty", options=FORMAT, partitions=64 * MIB),
    Entry("foreign-label", (build_foreign_label,), "refuse", "foreign", "{0} holds ext4 labelled somebody", options=FORMAT),
    # Our label, and not our disk.
    Entry("luks-ours", (build_luks_ours,), "refuse", "encrypted", "{0} is encrypted (LUKS)", options=FORMAT),
    Entry("xfs-ours", (build_xfs_ours,), "refuse", "other-file-system", "holds xfs, not ext4", options=FORMAT),
    Entry("no-marker", (build_no_marker,), "refuse", "no-marker", f"keelctl disk adopt --uuid {UUID} {{0}}", options=FORMAT),
    Entry("no-marker-pinned", (build_no_marker,), "mount", "ok", "{0} is the data disk", "ready", PINNED),
    Entry("newer-marker", (build_newer_marker,), "refuse", "marker-newer", "made by a later keel (schema 2"),
    Entry("newer-marker-pinned", (build_newer_marker,), "refuse", "marker-newer", "made by a later keel (schema 2",
          options=PINNED),
    Entry("copied-marker", (build_copied_marker,), "refuse", "marker-bad", "{0} has a marker that is damaged or not its own"),
    Entry("marker-garbage", (build_marker_garbage,), "refuse", "marker-bad", "{0} has a marker that is damaged or not its own"),
    Entry("marker-in-journal", (build_marker_in_journal,), "refuse", "marker-bad", "cannot be read without its journal"),
    Entry("marker-in-journal-pinned", (build_marker_in_journal,), "replay+mount", "ok", "its journal is replayed", "ready",
          PINNED),
    Entry("other-uuid", (build_other_uuid,), "refuse", "other-uuid", "{0} is labelled keel-data", options=PINNED),
    # Ours.
    Entry("ours", (build_ours,), "mount", "ok", "{0} is the data disk", "ready"),
    Entry("ours-partition", (build_partition,), "mount", "ok", "1 is the data disk", "ready", partitions=SIZE),
    Entry("ours-and-foreign", (build_ours, build_foreign_label), "mount", "ok", "{0} is the data disk", "ready"),
    Entry("ours-and-blank", (build_ours, blank), "mount", "ok", "{0} is the data disk", "ready", FORMAT),
    Entry("two-of-ours", (build_ours, build_other_uuid), "refuse", "two-disks", "{0} and {1} are both disks labelled keel-data"),
    Entry("two-clones", (build_ours, build_ours), "refuse", "two-disks", "{0} and {1} are both disks with UUID", options=PINNED),
    Entry("two-of-ours-pinned", (build_ours, build_other_uuid), "mount", "ok", "{0} is the data disk", "ready", PINNED),
    Entry("dirty-journal", (build_dirty_journal,), "replay+mount", "ok", "its journal is replayed", "ready"),
    Entry("orphans", (build_orphans,), "mount", "ok", "{0} is the data disk", "ready"),
    Entry("enlarged", (build_enlarged,), "mount", "ok", "{0} is the data disk", "ready"),
    Entry("full", (build_full,), "mount", "ok", "{0} is the data disk", "degraded"),
    Entry("no-inodes", (build_no_inodes,), "mount", "ok", "{0} is the data disk", "degraded"),
    # Ours, and damaged.
    Entry("error-flag", (build_error_flag,), "check+mount", "ok", "error flag of ext4, last set by ext4_find_entry", "ready"),
    Entry("needs-decision", (build_needs_decision,), "check+mount", "ok", "{0} carries the error flag of ext4",
          outcome="needs-repair"),
    Entry("needs-decision-rescue", (build_needs_decision,), "check+mount", "ok", "{0} carries the error flag of ext4",
          options={"damaged": "read-only"}, outcome="needs-repair"),
    Entry("bad-superblock", (build_bad_superblock,), "refuse", "bad-superblock", "keelctl disk repair {0}", options=FORMAT),
    Entry("bad-superblock-pinned", (build_bad_superblock,), "refuse", "bad-superblock", "keelctl disk repair {0}",
          options=PINNED),
    Entry("bad-backups", (build_bad_backups,), "refuse", "not-blank", "{0} is unknown but not blank", options=FORMAT,
          blank_read=True),
    # Ours, and it does not fit.
    Entry("truncated", (build_truncated,), "refuse", "truncated", "{0} has 200 MiB, its file system 320"),
    Entry("unknown-incompat", (build_unknown_incompat,), "refuse", "unknown-features", "incompat 40000000"),
    Entry("unknown-ro-compat", (build_unknown_ro_compat,), "refuse", "unknown-features", "ro_compat 40000000"),
    Entry("large-blocks", (build_large_blocks,), "refuse", "block-size", "file-system blocks of 65536 bytes"),
    Entry("small", (build_small,), "refuse", "too-small", "smaller than 64 MiB"),
    Entry("huge", (build_huge,), "refuse", "too-large", "larger than a VHDX can be"),
    Entry("read-only", (build_ours,), "refuse", "read-only-device", "the device is read-only", read_only=True),
    # What it takes a machine for.
    Entry("io-errors-superblock", (build_ours,), "refuse", "read-error", "{0} cannot be read",
          machine="reads of the first MiB fail"),
    Entry("io-errors-middle", (blank,), "refuse", "read-error", "{0} has read errors", options=FORMAT, blank_read=True,
          machine="reads somewhere in the first 16 MiB, behind the first, fail"),
    Entry("ours-late", (build_ours,), "mount", "ok", "{0} is the data disk", "ready", machine="it arrives 20 s after the boot"),
    Entry("ours-vanishes", (build_ours,), "mount", "ok", "{0} is the data disk", "degraded",
          machine="it is taken away while it is mounted; then the situation is vanished"),
)


def find(name):
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    raise KeyError(name)


def build(entry, directory):
    """Makes the images of an entry. Returns their paths, DIR/NAME.img or DIR/NAME-N.img."""
    directory = pathlib.Path(directory)
    paths = []
    for number, builder in enumerate(entry.builders):
        suffix = f"-{number + 1}" if len(entry.builders) > 1 else ""
        path = directory / f"{entry.name}{suffix}.img"
        builder(path)
        paths.append(path)
    return paths


def print_table():
    for entry in ENTRIES:
        options = " ".join(f"disk.{key}={value}" for key, value in entry.options.items())
        print(f"{entry.name:22} {entry.action:13} {entry.situation:17} {entry.health:9} {options}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--list", action="store_true", help="print the table")
    parser.add_argument("directory", nargs="?")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    if arguments.list:
        print_table()
        return 0
    if not arguments.directory:
        parser.error("a directory for the images is missing")
    os.makedirs(arguments.directory, exist_ok=True)
    for name in arguments.names or [entry.name for entry in ENTRIES]:
        for path in build(find(name), arguments.directory):
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
