# SPDX-License-Identifier: MIT
"""The guest's SCSI disks, as QEMU wants them described: on its command line (machine.py) and while it runs
(disk_verbs.py). A disk is a dictionary:

    source, format  the image: a file, or nbd+unix:///?socket=PATH
    lun             its place on the controller, which is its name too: node disk3 behind device lun3
    read_only, removable, block_size (bytes of a logical block)

Errors are injected by a node between the disk's image and its device, so that they can begin and end while
the guest runs. A rule is TYPE[@SECTOR] with TYPE read, write, flush, discard or write-zeroes and a sector of
512 bytes, whatever the disk's own: each request of that type fails (EIO), or each that touches the sector.
"""
import pathlib

ERROR_TYPES = ("read", "write", "flush", "discard", "write-zeroes")
DISTRO_LUN = 1  # tests/vm/guest/wsl
DATA_LUN = 3  # not the first, because no order may be relied on
NBD = "nbd+unix:///?socket="
FORMATS = {".vhdx": "vhdx", ".qcow2": "qcow2"}
EIO = 5


def image_format(source):
    """By the name; raw is what is known of no other format."""
    if source.startswith(NBD):
        return "nbd"
    return FORMATS.get(pathlib.Path(source).suffix, "raw")


def disk(source, lun=DATA_LUN, **options):
    """The description of a disk from a file or a server."""
    return {"source": str(source), "format": image_format(str(source)), "lun": lun, **options}


def image_node(description):
    """What holds the data. A discard is passed on where the format's driver can do that."""
    node = {"driver": description["format"], "node-name": f"disk{description['lun']}",
            "read-only": description.get("read_only", False), "discard": "unmap"}
    if description["format"] == "nbd":
        return node | {"server": {"type": "unix", "path": description["source"].removeprefix(NBD)}}
    return node | {"file": {"driver": "file", "filename": description["source"]}}


def error_rule(text):
    """blkdebug's words for a rule; ValueError if it is none."""
    kind, _, sector = text.partition("@")
    if kind not in ERROR_TYPES or (sector and not sector.isdigit()):
        raise ValueError(f"'{text}' is none of {', '.join(ERROR_TYPES)}, with @SECTOR or without")
    rule = {"event": "none", "iotype": kind, "errno": EIO, "once": False, "immediately": False}
    return rule | {"sector": int(sector)} if sector else rule


def error_node(lun, rules):
    """Fails what the rules (error_rule) say, over the disk's image."""
    return {"driver": "blkdebug", "node-name": f"errors{lun}", "image": f"disk{lun}",
            "inject-error": rules}


def device(description, node=None):
    lun = description["lun"]
    block_size = description.get("block_size", 512)
    return {"driver": "scsi-hd", "id": f"lun{lun}", "drive": node or f"disk{lun}", "bus": "sc.0", "lun": lun,
            "removable": description.get("removable", False),
            "logical_block_size": block_size, "physical_block_size": max(block_size, 4096)}
