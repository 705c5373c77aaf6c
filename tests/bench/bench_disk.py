"""make bench-disk: the data disk's options against WSL's own, each option by itself, `discard` against fstrim, and the
shipped dockerd on both. Writes build/bench/disk.json and the tables, disk.md, which it prints. docs/data-disk.md says
what was concluded.

    bench_disk.py [--quick] [--rounds N] [PART...]          parts: options, engine, trickle, format, trim

All setups take turns in rounds whose order rotates; ratios are taken within a round. --quick shows that all of it works;
its figures mean little.
"""
import argparse
import json
import os
import platform
import re
import signal
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, f"{TESTS}/ns", f"{TESTS}/lib"]

import disk_engine  # noqa: E402
import disk_loads  # noqa: E402
import disk_trim  # noqa: E402
import engine  # noqa: E402
import figures  # noqa: E402
from disk_medium import Pool, Setup, medium  # noqa: E402
from tables import number, table  # noqa: E402

OUT = figures.TOP / "build" / "bench"
# Inode tables and journal count as zeroed in every setup: the first minutes of a new disk are a setup of their own.
ZEROED = ["-E", "assume_storage_prezeroed=1,nodiscard"]
KEEL_MKFS = ["-b", "4096", "-m", "1"]
KEEL_OPTIONS = "noatime,errors=remount-ro"
TRICKLE_SECONDS, FIRST_SECONDS = 60, 90


def keel_with(name, mkfs=(), options=""):
    """keel's setup with something more."""
    return Setup(name, KEEL_MKFS + ZEROED + list(mkfs), KEEL_OPTIONS + options)


KEEL = keel_with("keel")
WSL = Setup("WSL", ["-G", "4096"] + ZEROED, "discard,errors=remount-ro,data=ordered")
OTHERS = (
    Setup("relatime", KEEL.mkfs, "errors=remount-ro"),
    keel_with("lazytime", options=",lazytime"),
    keel_with("commit=15", options=",commit=15"),
    keel_with("commit=30", options=",commit=30"),
    keel_with("data_err=abort", options=",data_err=abort"),
    keel_with("noauto_da_alloc", options=",noauto_da_alloc"),
    keel_with("discard", options=",discard"),
    keel_with("-G 4096", ["-G", "4096"]),
    keel_with("-J size=64", ["-J", "size=64"]),
    keel_with("-J size=1024", ["-J", "size=1024"]),
    keel_with("fast_commit", ["-O", "fast_commit"]),
    keel_with("no orphan_file", ["-O", "^orphan_file"]),
    Setup("lazy init", KEEL_MKFS + ["-E", "lazy_itable_init=1,nodiscard"], KEEL_OPTIONS),
)
TRICKLED = (KEEL, keel_with("lazytime", options=",lazytime"), keel_with("commit=15", options=",commit=15"),
            keel_with("commit=30", options=",commit=30"), WSL)

# What is written to make one and in the first minute of its life. WSL's as it is.
FORMATTED = (KEEL, Setup("WSL", ["-G", "4096"], WSL.options),
             Setup("lazy init", KEEL_MKFS + ["-E", "lazy_itable_init=1,nodiscard"], KEEL_OPTIONS),
             Setup("tables at once", KEEL_MKFS + ["-E", "lazy_itable_init=0,nodiscard"], KEEL_OPTIONS))


def check_product():
    """The setup called keel is the one that is shipped."""
    source = "".join((figures.TOP / "init" / "disk" / name).read_text(encoding="utf-8")
                     for name in os.listdir(figures.TOP / "init" / "disk") if name.endswith(".c"))
    access, options = KEEL_OPTIONS.split(",", 1)
    if access != "noatime" or "MS_NOATIME" not in source or not re.search(f'"{re.escape(options)}"', source):
        sys.exit("bench-disk: the mount options of init/disk are not those that are measured as keel's")


class Results:
    """part -> case -> figure -> what each round gave."""

    def __init__(self):
        self.values = {}

    def add(self, part, case, found):
        for name, value in found.items():
            self.values.setdefault(part, {}).setdefault(case, {}).setdefault(name, []).append(value)

    def figures(self):
        return {f"{part}.{case}.{name}": figures.figure(unit(name), runs)
                for part, cases in self.values.items() for case, names in cases.items()
                for name, runs in names.items()}

    def median(self, part, case, name):
        runs = self.values.get(part, {}).get(case, {}).get(name)
        return statistics.median(runs) if runs else None

    def ratio(self, part, case, base, name):
        """Of the same round, the median of all; None where it would say nothing."""
        runs = self.values[part][case].get(name, []), self.values[part][base].get(name, [])
        pairs = [first / second for first, second in zip(*runs) if second]
        return statistics.median(pairs) if pairs else None


def unit(name):
    for ending, word in (("_us", "us"), ("ms", "ms"), ("_mib", "MiB")):
        if name.endswith(ending):
            return word
    return "count"


# ---- the parts --------------------------------------------------------------------------------

def rotated(setups, turn):
    turn %= len(setups)
    return setups[turn:] + setups[:turn]


def run_options(results, options, pool, layer):
    setups = (KEEL, WSL) + OTHERS
    for turn in range(options.rounds):
        for setup in rotated(setups, turn):
            with medium(pool, setup) as target:
                for load, found in disk_loads.every_load(target, layer, 0.1 if options.quick else 1).items():
                    results.add(load, setup.name, found)
        print(f"  options: round {turn + 1} of {options.rounds}", flush=True)


def run_engine(results, options, pool, layer):
    reason = engine.unavailable()
    if reason:
        print(f"  engine: not measured: {reason}")
        return
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="keel-bench-") as image:
        disk_engine.save_image(pool, KEEL, layer, image.name)
        for turn in range(options.rounds):
            for setup in rotated((KEEL, WSL), turn):
                for load, found in disk_engine.measure(pool, setup, image.name).items():
                    results.add(load, setup.name, found)
            print(f"  engine: round {turn + 1} of {options.rounds}", flush=True)


def nested(pool, setups, act, media=()):
    """All mounted at the same time."""
    if not setups:
        return act(media)
    with medium(pool, setups[0]) as target:
        return nested(pool, setups[1:], act, (*media, target))


def run_format(results, options, pool, _layer):
    def act(media):
        for target, setup in zip(media, FORMATTED):
            target.sync()
            results.add("format", setup.name, {"written_mib": target.since(target.device.blanked)["write_sectors"] / 2048})
        time.sleep(5 if options.quick else FIRST_SECONDS)
        for target, setup in zip(media, FORMATTED):
            target.sync()
            results.add("format", setup.name,
                        {"written_then_mib": target.since(target.device.blanked)["write_sectors"] / 2048,
                         "allocated_mib": target.allocated() / (1 << 20)})
    nested(pool, FORMATTED, act)


def run_trickle(results, options, pool, _layer):
    """All at the same time: nothing is timed, the requests are counted."""
    seconds = 10 if options.quick else TRICKLE_SECONDS
    found = nested(pool, TRICKLED, lambda media: disk_loads.trickle(media, seconds))
    for setup, asked in zip(TRICKLED, found):
        results.add("trickle", setup.name, asked)


def run_trim(results, options, pool, layer):
    for turn in range(1 if options.quick else max(3, options.rounds // 2)):
        for part, cases in disk_trim.main(pool, KEEL, layer).items():
            for case, found in cases.items():
                results.add(part, case, found)
        print(f"  trim: round {turn + 1}", flush=True)


PARTS = {"options": run_options, "engine": run_engine, "trickle": run_trickle, "format": run_format, "trim": run_trim}

# ---- what is printed --------------------------------------------------------------------------


def cell(value):
    return "-" if value is None else number(value)


def against(results):
    """WSL's figures, keel's, and the ratio of each pair."""
    rows = [["load", "figure", "keel", "WSL", "WSL / keel"]]
    for part in ("append_fsync", "overwrite_fdatasync", "replace", "unpack", "read", "delete", "docker_load",
                 "docker_rmi", "trickle"):
        for name in results.values.get(part, {}).get("keel", {}):
            values = [results.median(part, case, name) for case in ("keel", "WSL")]
            if any(values):
                rows.append([part, name] + [cell(value) for value in values] +
                            [cell(results.ratio(part, "WSL", "keel", name))])
    return "## keel's options against WSL's\n\n" + table(rows) if len(rows) > 1 else ""


def by_themselves(results):
    """Each option more or less: its ratio to keel's setup."""
    columns = [(part, name) for part in ("append_fsync", "overwrite_fdatasync", "replace", "unpack", "read", "delete")
               for name in ("median_us", "ms", "written_mib") if results.median(part, "keel", name) is not None]
    if not columns:
        return ""
    rows = [["keel with"] + [f"{part} {name.removeprefix('median_')}" for part, name in columns]]
    for setup in OTHERS:
        rows.append([setup.name] + [cell(results.ratio(part, setup.name, "keel", name)) for part, name in columns])
    return "## Each option by itself: ratio to keel's setup\n\n" + table(rows)


def listing(results, part, title):
    cases = results.values.get(part)
    if not cases:
        return ""
    names = list(dict.fromkeys(name for case in cases.values() for name in case))
    rows = [["case"] + names]
    rows += [[case] + [cell(results.median(part, case, name)) for name in names] for case in cases]
    return f"## {title}\n\n" + table(rows)


def text_of(results, options):
    parts = [against(results), by_themselves(results),
             listing(results, "trickle", "An almost idle guest: what the device was asked in a minute"),
             listing(results, "format", "Made, and the first minute and a half"),
             listing(results, "removal", "Removal: discard against a trim afterwards"),
             listing(results, "least", "The least extent of a trim, after every second file was removed"),
             listing(results, "beside", "fsync of a neighbour meanwhile")]
    head = (f"{os.cpu_count()} CPUs, kernel {platform.release().split('-')[0]}, sparse file of 64 GiB on ext4, loop device "
            f"with direct I/O; medians of {options.rounds} rounds (trim: fewer).\n")
    return "\n".join([head] + [part for part in parts if part])


def write(results, options, text):
    OUT.mkdir(parents=True, exist_ok=True)
    document = {"schema": 1, "bench": "disk", "kernel": platform.release(), "cpus": os.cpu_count(),
                "load": os.getloadavg()[0], "rounds": options.rounds, "figures": results.figures()}
    (OUT / "disk.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (OUT / "disk.md").write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="the data disk's options, measured")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args()
    if set(options.parts) - set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    if options.quick:
        options.rounds = 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # broken off: mounts and devices go all the same
    check_product()
    results = Results()
    try:
        measure(results, options)
    finally:  # broken off, what there is
        text = text_of(results, options)
        write(results, options, text)
        print("\n" + text)


def measure(results, options):
    devices = max(len(TRICKLED), len(FORMATTED))
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="keel-bench-") as layer, figures.favoured(), \
            Pool(devices) as pool:
        print(f"  the layer: {disk_loads.archive(layer.name)}", flush=True)
        for name in options.parts or PARTS:
            PARTS[name](results, options, pool, layer.name)


main()
