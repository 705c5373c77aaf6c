"""Figures: how they are summed up, judged and written (build/bench/NAME.json)."""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import statistics
import time

TOP = pathlib.Path(__file__).resolve().parents[2]


def figure(unit, runs, limit=None, note=None):
    """limit: the largest median that is acceptable."""
    entry = {"unit": unit, "runs": len(runs), "median": statistics.median(runs), "min": min(runs), "max": max(runs)}
    if limit is not None:
        entry.update(limit=limit, met=entry["median"] <= limit)
    if note:
        entry["note"] = note
    entry["values"] = runs
    return entry


def names(known):
    """The type of an argument that is some of them, with commas between."""
    def split(text):
        if set(text.split(",")) - set(known):
            raise argparse.ArgumentTypeError(f"names are {', '.join(known)}")
        return [name for name in known if name in text.split(",")]
    return split


def write(name, figures):
    """Prints a line a figure and writes them all. Returns how many miss their limit."""
    directory = TOP / "build" / "bench"
    directory.mkdir(parents=True, exist_ok=True)
    for key, entry in figures.items():
        verdict = "" if "limit" not in entry else f"  limit {entry['limit']}: {'met' if entry['met'] else 'MISSED'}"
        print(f"  {key:34} {short(entry['median'])} {entry['unit']:9} "
              f"({short(entry['min'])} .. {short(entry['max'])}, {entry['runs']} runs){verdict}", flush=True)
    document = {"schema": 1, "bench": name, "kernel": platform.release(), "cpus": os.cpu_count(),
                "load": os.getloadavg()[0], "figures": figures}
    (directory / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return sum(1 for entry in figures.values() if entry.get("met") is False)


@contextlib.contextmanager
def favoured():
    """While it is measured this process and its children come before what else the machine does: a cpu group
    of largest weight (v1's, where that has the controller). Also takes the scheduler's autogroups out of the
    comparison. Yields whether it could be done."""
    group = pathlib.Path(f"/sys/fs/cgroup/cpu/keel-bench-{os.getpid()}")
    home = group.parent / "cgroup.procs"
    try:
        group.mkdir()
        (group / "cpu.shares").write_text("262144", encoding="ascii")
        (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        home.write_text(str(os.getpid()), encoding="ascii")
        for _ in range(100):
            try:
                group.rmdir()
                break
            except OSError:  # a process that is just ending
                time.sleep(0.02)


def short(number):
    return f"{number:.3f}" if isinstance(number, float) else str(number)
