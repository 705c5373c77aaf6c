# SPDX-License-Identifier: MIT
"""points.py - TAP points of check_*.py, counted on from the first argument."""
import sys

POINTS = []


def point(name, problems):
    POINTS.append(not problems)
    number = int(sys.argv[1] if len(sys.argv) > 1 else 0) + len(POINTS)
    print(f"{'not ok' if problems else 'ok'} {number} - {name}")
    for problem in problems[:20]:
        print(f"# {problem}")


def status():
    return 0 if all(POINTS) else 1
