# SPDX-License-Identifier: MIT
"""The verb of `vm` that gives a running guest more memory, as a host does that adds some later. Called by vm.py.

The guest has to be started with `--max-mem`, which is how much it may have in the end. What is added is shared with the
host as the rest is: vsock's rings may lie in it.
"""
from disk_verbs import parse_size, qmp


def add(guest, size):
    number = len(qmp(guest, "query-memory-devices")["return"])
    qmp(guest, "object-add", qom_type="memory-backend-memfd", id=f"more{number}", size=size, share=True)
    qmp(guest, "device_add", driver="pc-dimm", id=f"dimm{number}", memdev=f"more{number}")


def verb_memory(args):
    add(args.name, args.size)
    return 0


def add_memory(parser):
    parser.add_argument("size", type=parse_size)


VERBS = {"memory": (verb_memory, add_memory)}
