# SPDX-License-Identifier: MIT
"""make bench-memory: what the host holds for a guest after its containers' work has ended, by policy: keel's own, WSL's two
algorithms, a constant loop, nothing. Writes build/bench/memory.json, the tables, memory.md, which it prints, and a plot
a scenario, memory-SCENARIO.svg. How it is measured is in docs/bench-memory.md.

    bench_memory.py [--quick] [--rounds N] [--scale S] [--scenarios NAME,...] [--policies NAME,...] [--window S]
                    [--continue]

One guest for all. In each round each scenario is done once with each policy, in an order that rotates. --scale makes the
work and the guest smaller, --quick shows that all of it works; its figures mean little. What is measured is saved after
each cell: --continue goes on where a run was broken off.
"""
import argparse
import json
import os
import platform
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, f"{TESTS}/vm", f"{TESTS}/lib"]

import figures  # noqa: E402
import machine  # noqa: E402
import memory_figures  # noqa: E402
import memory_plot  # noqa: E402
from memory_guest import Broken, Guest, Sampler  # noqa: E402
from memory_loads import BUSY, BUSY_PERCENT, GUEST_MIB, LOADS, START_SECONDS  # noqa: E402
from tables import number  # noqa: E402

OUT = figures.TOP / "build" / "bench"
NAME = "bench-memory"
# How long the guest is watched after the work. WSL's two want two idle minutes first; `off` does nothing at all.
WINDOWS = {"off": 90, "adaptive": 120, "senpai": 240, "dropcache": 300, "gradual": 300}
POLICIES = tuple(WINDOWS)
QUICK = {"scale": 0.25, "window": 40}
SENPAI = "/usr/lib/keel-lab/senpai /sys/fs/cgroup/containers"
# About what a cell takes beside its window, at scale 1, emulated on two processors.
WORK_GUESS, RESET_GUESS = {"build": 90, "busy": 130, "pull": 300, "fragmented": 90, "hot": 120,
                           "restarted": 150}, 35
PLOT_SECONDS = 0.5


# ---- a cell ---------------------------------------------------------------------------------------

def start_policy(guest, policy):
    guest.set_mode("off" if policy == "senpai" else policy)
    if policy == "senpai":
        guest.sh(f"setsid {SENPAI} >/dev/null 2>&1 </dev/null &")


def end_policy(guest):
    """Nothing reclaims while the guest is brought back to its floor."""
    guest.sh("killall senpai 2>/dev/null; true")
    guest.set_mode("off")


def cost(before, after):
    """CPU seconds of all that reclaims, refaults of containers."""
    cpu = {name: round(after["cpu"][name] - before["cpu"][name], 2) for name in after["cpu"]}
    return {"cpu_s": sum(cpu.values()), "cpu": cpu, "refaults": after["refaults"] - before["refaults"]}


def measure(guest, load, policy, window):
    """Figures and what the host held, from the beginning of the work on."""
    start_policy(guest, policy)
    load.prepare()
    base = guest.settle()
    before = guest.facts()
    offset_us = before["uptime"] * 1e6 - time.monotonic() * 1e6
    sampler = Sampler(guest)
    sampler.start()
    try:
        load.work()
        end = time.monotonic()
        time.sleep(max(0.0, end + window - time.monotonic()))  # nobody talks to the guest
    finally:
        samples = sampler.stop()
    after = guest.facts()
    found = cost(before, after) | load.finish(offset_us + end * 1e6, min(window, min(WINDOWS.values())))
    samples = [(at + sampler.zero - end, held) for at, held in samples]
    return found, samples, base, after


def cell(guest, options, turn, scenario, policy):
    load = LOADS[scenario](guest, options.scale)
    window = options.window or WINDOWS[policy]
    entry = {"round": turn, "scenario": scenario, "policy": policy}
    try:
        found, samples, base, after = measure(guest, load, policy, window)
        found |= memory_figures.of_host(samples, base, load.held, guest.total, options.window or max(WINDOWS.values()))
        entry |= {"figures": found, "held_mib": load.held, "samples": thinned(samples),
                  "left_mib": memory_figures.left(after, guest.total, samples[-1][1]),
                  "free_mib_by_order": after["free"], "memory_mib": after["memory"]}
    except (Broken, OSError, machine.VmError) as error:
        entry["why"] = str(error)
    end_policy(guest)
    load.close_after(guest.to_the_floor)
    return entry


def thinned(samples):
    """Two a second are enough for a plot."""
    kept = []
    for at, held in samples:
        if not kept or at - kept[-1][0] >= PLOT_SECONDS:
            kept.append((round(at, 2), round(held, 1)))
    return kept


# ---- the run --------------------------------------------------------------------------------------

def order(options):
    """(round, scenario, policy) of all cells."""
    for turn in range(options.rounds):
        shift = turn % len(options.policies)
        for scenario in options.scenarios:
            for policy in options.policies[shift:] + options.policies[:shift]:
                yield turn, scenario, policy


def guess_seconds(options, cells):
    return sum(RESET_GUESS + WORK_GUESS[scenario] * max(0.3, options.scale) + (options.window or WINDOWS[policy])
               for _, scenario, policy in cells)


def settings(options):
    return {"scale": options.scale, "window": options.window, "guest_mib": options.memory}


def load_document(options):
    """What an earlier run has measured, if it is to go on."""
    path = OUT / "memory.json"
    if options.go_on and path.exists():
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["settings"] != settings(options):
            sys.exit(f"bench-memory: {path} is of other settings ({document['settings']}): run without --continue")
        document["cells"] = [entry for entry in document["cells"] if "why" not in entry]
        return document
    return {"schema": 1, "bench": "memory", "kernel": platform.release(), "cpus": os.cpu_count(),
            "settings": settings(options), "cells": []}


def write(document):
    OUT.mkdir(parents=True, exist_ok=True)
    document["load"] = os.getloadavg()[0]
    machine.write_atomically(OUT / "memory.json", json.dumps(document) + "\n")


def run(options, document, todo):
    with Guest(NAME, options.memory, options.append) as guest:
        guest.set_mode("off")
        guest.to_the_floor()
        if "per_second" not in document:
            document["per_second"] = calibrate(guest, options)
        guest.per_second = document["per_second"]
        for count, (turn, scenario, policy) in enumerate(todo, 1):
            entry = cell(guest, options, turn, scenario, policy)
            document["cells"].append(entry)
            write(document)
            print(f"  {count} of {len(todo)}: {scenario}, {policy}: {summary(entry)}", flush=True)


def calibrate(guest, options):
    """Requests a second that keep one CPU busy for the share that the server is to have: the same for all."""
    load = LOADS["busy"](guest, options.scale)
    try:
        return float(load.memload("pace", "/w/pace", load.mib(BUSY), str(BUSY_PERCENT), until="", seconds=START_SECONDS))
    finally:
        load.close_after(guest.to_the_floor)


def summary(entry):
    if "why" in entry:
        return entry["why"]
    found = entry["figures"]
    return (f"excess {found['excess_mib']:.0f} MiB, half after {memory_figures.shown(found['half_s'])} s, 90 % after "
            f"{memory_figures.shown(found['ninety_s'])} s, left {found['residual_percent']:.1f} % of the VM")


def text_of(document, options):
    cells = memory_figures.Cells(document["cells"])
    head = (f"Guest of {options.memory} MiB with 2 emulated processors, page reporting from order 5, work at scale "
            f"{number(options.scale)}; a host with {os.cpu_count()} CPUs; medians of the rounds.\n")
    parts = [memory_figures.scenario_table(cells, name, LOADS[name].title) for name in cells.scenarios()]
    parts.append(memory_figures.left_table(cells))
    if any(entry["policy"] == "adaptive" for entry in cells.cells):
        parts.append(memory_figures.goal_table(cells))
    return "\n".join([head, *parts])


def plot(document):
    """The first round's lines."""
    cells = memory_figures.Cells(document["cells"])
    for scenario in cells.scenarios():
        found = [entry for entry in cells.cells if entry["scenario"] == scenario and entry["round"] == 0 and
                 "samples" in entry]
        if found:
            base = min(entry["figures"]["base_mib"] + entry["held_mib"] for entry in found)
            (OUT / f"memory-{scenario}.svg").write_text(memory_plot.draw(
                f"{scenario}: {LOADS[scenario].title}", {entry["policy"]: entry["samples"] for entry in found}, base),
                encoding="utf-8")


def parse():
    parser = argparse.ArgumentParser(description="reclaim policies, measured from outside")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--window", type=int, help="seconds, for all policies")
    parser.add_argument("--scenarios", type=figures.names(LOADS), default=list(LOADS))
    parser.add_argument("--policies", type=figures.names(POLICIES), default=list(POLICIES))
    parser.add_argument("--append", default="", help="for the kernel's command line")
    parser.add_argument("--continue", dest="go_on", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.scale, options.window = QUICK["scale"], options.window or QUICK["window"]
    options.memory = max(1024, round(GUEST_MIB * options.scale))
    return options


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # broken off: the guest ends all the same
    document = load_document(options)
    have = {(entry["round"], entry["scenario"], entry["policy"]) for entry in document["cells"]}
    todo = [key for key in order(options) if key not in have]
    print(f"  {len(todo)} cells, about {guess_seconds(options, todo) / 60:.0f} minutes", flush=True)
    try:
        if todo:
            run(options, document, todo)
    except (Broken, machine.VmError) as error:
        sys.exit(f"bench-memory: {error}")
    finally:  # broken off, what there is
        text = text_of(document, options)
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / "memory.md").write_text(text, encoding="utf-8")
        plot(document)
        print("\n" + text)


main()
