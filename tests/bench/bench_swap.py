# SPDX-License-Identifier: MIT
"""make bench-swap: what swap is worth to a container that outgrows memory: none, compressed in memory (zram), a file on the
data disk, the same behind zswap. Writes build/bench/swap.json and the table, swap.md, which it prints.

    bench_swap.py [--rounds N] [--only KIND,...]

A guest of its own for each cell, in turn. The container fills OUTGROWN MiB of anonymous memory, half of each page
with noise, in a guest of GUEST_MIB; asks for a quarter of it at random for HOT_SECONDS; reads all of it again.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, f"{TESTS}/vm", f"{TESTS}/lib"]

import figures  # noqa: E402
import machine  # noqa: E402
from memory_guest import IMAGE, MIB, Broken, Guest  # noqa: E402
from memory_loads import deadline  # noqa: E402
from tables import number, table  # noqa: E402

OUT = figures.TOP / "build" / "bench"
GUEST_MIB, OUTGROWN, SWAP_MIB = 1024, 900, 1024
HOT_SECONDS, CELL_SECONDS = 20, 900
KERNEL = ("--kernel", f"{machine.BUILD}/out/vmlinuz-keel", "--modules", f"{machine.BUILD}/out/keel-modules-keel.tar.gz")
SWAP_FILE = f"fallocate -l {SWAP_MIB}M /data/swap && mkswap /data/swap >/dev/null && swapon /data/swap"
# Kernel command line; command before the work.
KINDS = {"none": ("", None), "zram": ("keel.memory.zram=100", None), "file": ("", SWAP_FILE),
         "zswap": ("keel.memory.zswap=yes", SWAP_FILE)}
GROUP = "/sys/fs/cgroup/containers"
FACTS = f"""sed -n 's/^zswap/stat zswap/p' {GROUP}/memory.stat; echo max $(cat {GROUP}/memory.max)
echo current $(cat {GROUP}/memory.current); echo swap $(cat {GROUP}/memory.swap.current)
echo zram $(cat /sys/block/zram0/mm_stat 2>/dev/null); echo enabled $(cat /sys/module/zswap/parameters/enabled)"""
COLUMNS = (("filled_s", "filled, s"), ("hot_p50_ms", "hot part: p50 ms"), ("hot_p99_ms", "p99 ms"), ("again_s", "all read again, s"),
           ("swapped_mib", "swapped out, MiB"), ("compressed_mib", "compressed to, MiB"), ("held_mib", "held by the host, MiB"),
           ("max_mib", "containers may have, MiB"))


def facts(guest, kind):
    """While the hot part is used: what is swapped out, and what it takes in memory."""
    seen = {}
    for line in guest.sh(FACTS).splitlines():
        words = line.removeprefix("stat ").split()
        seen[words[0]] = [int(word) if word.isdigit() else word for word in words[1:]]
    if (kind == "zswap") != (seen["enabled"] == ["Y"]):
        raise Broken(f"zswap: enabled is {seen['enabled']}")
    found = {"swapped_mib": seen["swap"][0] / MIB, "max_mib": seen["max"][0] / MIB, "held_mib": guest.rss()}
    if kind == "zram":
        found["compressed_mib"] = seen["zram"][2] / MIB  # mm_stat: orig_data_size compr_data_size mem_used_total ...
    if kind == "zswap":
        found["compressed_mib"] = seen["zswap"][0] / MIB
    return found


def outgrow(guest, kind):
    process = guest.docker_open("run", "--rm", IMAGE, "/memload", "outgrow", str(OUTGROWN), str(HOT_SECONDS),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = {}
    with process, deadline(process, CELL_SECONDS):
        for line in process.stdout:
            word, *values = line.split()
            if word == "filled":
                found |= {"filled_s": int(values[0]) / 1e6} | facts(guest, kind)
            elif word == "hot":
                found |= {"hot_p50_ms": int(values[0]) / 1e3, "hot_p99_ms": int(values[1]) / 1e3}
            elif word == "again":
                found["again_s"] = int(values[0]) / 1e6
        words = process.stderr.read()
    if process.returncode == 137:
        return {"killed": True}
    if process.returncode != 0 or "again_s" not in found:
        raise Broken(f"{kind}: docker run ended with {process.returncode}: {words.strip()[-300:]}")
    return found


def cell(kind):
    append, command = KINDS[kind]
    with Guest("bench-swap", GUEST_MIB, append, KERNEL) as guest:
        if command:
            guest.sh(command)
        return outgrow(guest, kind)


def text_of(cells):
    rows = [["swap"] + [title for _, title in COLUMNS]]
    for kind in dict.fromkeys(entry["kind"] for entry in cells):
        runs = [entry["figures"] for entry in cells if entry["kind"] == kind]
        alive = [run for run in runs if "killed" not in run]
        rows.append([kind if alive else f"{kind}: killed {len(runs)} of {len(runs)}"])
        for key, _ in COLUMNS:
            values = [run[key] for run in alive if key in run]
            rows[-1].append(f"{number(statistics.median(values))} ({number(min(values))} to {number(max(values))})" if values
                            else "-")
    return table(rows)


def main():
    parser = argparse.ArgumentParser(description="what swap is worth")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=figures.names(KINDS), default=list(KINDS))
    options = parser.parse_args()
    cells = []
    for turn in range(options.rounds):
        for kind in options.only:
            cells.append({"round": turn, "kind": kind, "figures": cell(kind)})
            print(f"  round {turn + 1}: {kind}: {cells[-1]['figures']}", flush=True)
            OUT.mkdir(parents=True, exist_ok=True)
            machine.write_atomically(OUT / "swap.json", json.dumps({"schema": 1, "bench": "swap", "cells": cells}) + "\n")
    text = (f"A container that fills {OUTGROWN} MiB, in a guest of {GUEST_MIB} MiB with 2 emulated processors; "
            f"medians (least to most) of {options.rounds} rounds.\n\n" + text_of(cells))
    (OUT / "swap.md").write_text(text, encoding="utf-8")
    print("\n" + text)


try:
    main()
except (Broken, machine.VmError) as error:
    sys.exit(f"bench-swap: {error}")
