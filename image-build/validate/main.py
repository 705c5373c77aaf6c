# SPDX-License-Identifier: MIT
"""main.py - says of an archive, rule by rule, whether it is fit to be a WSL distro. Run by image-build/validate-distro."""
import argparse
import json
import sys

import archive
import distro as distros
import rule as rules
import rules_archive  # noqa: F401 - each adds its rules to rule.RULES, in this order
import rules_system  # noqa: F401
import rules_config  # noqa: F401


def judge(distro):
    """[(rule, "ok" | "FAIL" | "n/a", found, way out)] for every rule."""
    results = []
    for one in rules.RULES:
        try:
            results.append((one, "ok", one.function(distro), ""))
        except rules.Broken as broken:
            results.append((one, "FAIL", broken.found, broken.way_out))
        except rules.NotApplicable as reason:
            results.append((one, "n/a", str(reason), ""))
    return results


def print_rules():
    print("| rule | what it demands | known from |\n|---|---|---|")
    for one in rules.RULES:
        print("| `" + one.id + "` | " + one.demand.replace("|", "\\|") + " | " + one.source.replace("|", "\\|") + " |")


def print_results(name, results):
    for one, state, found, way_out in results:
        print(f"{state:<4} {one.id:<24} {found}")
        if state == "FAIL":
            print(f"     {'':<24} wanted: {one.demand}")
            print(f"     {'':<24} way out: {way_out}")
    count = {state: sum(result[1] == state for result in results) for state in ("ok", "FAIL", "n/a")}
    print(f"{rules.show(name)}: {count['ok']} ok, {count['FAIL']} failed, {count['n/a']} not applicable")


def as_json(name, results):
    return json.dumps({"schema": 1, "file": name, "valid": all(result[1] != "FAIL" for result in results), "rules": [
        {"id": one.id, "state": state, "found": found, "way_out": way_out, "demand": one.demand, "source": one.source}
        for one, state, found, way_out in results]}, indent=1)


def main():
    parser = argparse.ArgumentParser(
        prog="validate-distro", description="Says of a .wsl file (tar, gzip, xz), rule by rule, whether it is fit to be a WSL distro.",
        epilog="Exit status: 0 every rule holds or does not apply, 1 a rule is broken, 2 wrong use or no such file.")
    parser.add_argument("--json", action="store_true", help="the same as one JSON document")
    parser.add_argument("--rules", action="store_true", help="print the list of rules with where each is known from")
    parser.add_argument("--machine", choices=tuple(rules_system.MACHINES), default="x86_64", help="what it is for (%(default)s)")
    parser.add_argument("--most", type=int, default=archive.MAX_UNPACKED >> 20, metavar="MIB",
                        help="what it may unpack to (%(default)s)")
    parser.add_argument("file", nargs="?", metavar="FILE")
    arguments = parser.parse_args()
    if arguments.rules:
        print_rules()
        return 0
    if arguments.file is None:
        parser.error("a FILE is needed")
    try:
        with open(arguments.file, "rb") as file:
            results = judge(distros.Distro(file, arguments.machine, arguments.most << 20))
    except OSError as error:
        print(f"validate-distro: {error.filename or arguments.file}: {error.strerror}", file=sys.stderr)
        return 2
    if arguments.json:
        print(as_json(arguments.file, results))
    else:
        print_results(arguments.file, results)
    return 1 if any(result[1] == "FAIL" for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
