# SPDX-License-Identifier: MIT
"""The verbs of `vm` that change a running guest's SCSI disks: plug, unplug, resize, errors. Called by vm.py.

What is done is a sequence of QMP commands through the guest's monitor. A command that QEMU refuses undoes what
was done before it.
"""
import argparse
import contextlib
import pathlib

import client
import scsi
from machine import VmError

UNPLUG_SECONDS = 30  # a guest that is still booting answers late
UNITS = {"K": 10, "M": 20, "G": 30, "T": 40}


def qmp(guest, execute, event=None, timeout=10, **arguments):
    """One command of QEMU's; with `event` it ends when that has happened to the same device."""
    return client.request(guest, {"do": "qmp", "execute": execute, "event": event,
                                  "arguments": {key.replace("_", "-"): value for key, value in arguments.items()}},
                          timeout)


def plug(guest, description, errors=()):
    lun = description["lun"]
    with contextlib.ExitStack() as undo:
        qmp(guest, "blockdev-add", **scsi.image_node(description))
        undo.callback(qmp, guest, "blockdev-del", node_name=f"disk{lun}")
        if errors:
            qmp(guest, "blockdev-add", **scsi.error_node(lun, errors))
            undo.callback(qmp, guest, "blockdev-del", node_name=f"errors{lun}")
        # QEMU wants this one's arguments as they are written on its command line.
        client.request(guest, {"do": "qmp", "execute": "device_add", "event": None, "arguments":
                               scsi.device(description, f"errors{lun}" if errors else None)})
        undo.pop_all()


def nodes(guest):
    return {node["node-name"] for node in qmp(guest, "query-named-block-nodes")["return"]}


def unplug(guest, lun):
    """The guest's kernel is told and lets go of the disk at once, whatever uses it."""
    try:
        qmp(guest, "device_del", event="DEVICE_DELETED", timeout=UNPLUG_SECONDS, id=f"lun{lun}")
    except TimeoutError:
        raise VmError(f"the guest did not let go of LUN {lun} within {UNPLUG_SECONDS} s") from None
    for node in (f"errors{lun}", f"disk{lun}"):
        if node in nodes(guest):
            qmp(guest, "blockdev-del", node_name=node)


def resize(guest, lun, size):
    qmp(guest, "block_resize", node_name=f"disk{lun}", size=size)


def use_node(guest, lun, node):
    """The device reads and writes this node from now on."""
    drive = {"path": f"/machine/peripheral/lun{lun}", "property": "drive"}
    if qmp(guest, "qom-get", **drive)["return"] != node:  # QEMU 10 aborts when a device is given what it has
        qmp(guest, "qom-set", **drive, value=node)


def set_errors(guest, lun, rules):
    """Puts a node with these errors between the disk's image and its device, or takes it away."""
    use_node(guest, lun, f"disk{lun}")
    if f"errors{lun}" in nodes(guest):
        qmp(guest, "blockdev-del", node_name=f"errors{lun}")
    if rules:
        qmp(guest, "blockdev-add", **scsi.error_node(lun, rules))
        use_node(guest, lun, f"errors{lun}")


def parse_size(text):
    digits, shift = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 0)
    if not digits.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is no size: a number of bytes, or with K, M, G or T")
    return int(digits) << shift


# ---- the verbs --------------------------------------------------------------------------------------

def verb_plug(args):
    source = args.file if args.file.startswith(scsi.NBD) else pathlib.Path(args.file).absolute()
    plug(args.name, scsi.disk(source, args.lun, read_only=args.read_only, removable=args.removable,
                              block_size=args.block_size), args.errors)
    return 0


def verb_unplug(args):
    unplug(args.name, args.lun)
    return 0


def verb_resize(args):
    resize(args.name, args.lun, args.size)
    return 0


def verb_errors(args):
    set_errors(args.name, args.lun, args.rules)
    return 0


def add_lun(parser):
    parser.add_argument("--lun", type=int, default=scsi.DATA_LUN, help=f"default {scsi.DATA_LUN}: the data disk")


def add_plug(parser):
    add_lun(parser)
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--removable", action="store_true")
    parser.add_argument("--block-size", type=int, default=512, choices=(512, 4096), help="of a logical block")
    parser.add_argument("--errors", action="append", default=[], metavar="TYPE[@SECTOR]", type=scsi.error_rule)
    parser.add_argument("file", help=f".vhdx, .qcow2, else raw, or {scsi.NBD}PATH")


def add_resize(parser):
    add_lun(parser)
    parser.add_argument("size", type=parse_size)


def add_errors(parser):
    add_lun(parser)
    parser.add_argument("rules", nargs="*", metavar="TYPE[@SECTOR]", type=scsi.error_rule)


VERBS = {"plug": (verb_plug, add_plug), "unplug": (verb_unplug, add_lun), "resize": (verb_resize, add_resize),
         "errors": (verb_errors, add_errors)}
