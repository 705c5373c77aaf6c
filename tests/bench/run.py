"""make bench: measures and writes build/bench/*.json; `run.py NAME...` measures only those.

Figures with a limit say whether it is met; a missed limit is told, not an error: the machine may be busy.
"""
import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, f"{TESTS}/ns", f"{TESTS}/vm", f"{TESTS}/lib"]

BENCHES = ("footprint", "boot_native", "idle", "boot_vm")


def main():
    names = sys.argv[1:] or [name for name in BENCHES if os.path.exists(f"{HERE}/{name}.py")]
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"usage: run.py [NAME...]; names: {' '.join(BENCHES)}", file=sys.stderr)
        sys.exit(2)
    missed = 0
    for name in names:
        print(f"{name}:", flush=True)
        missed += importlib.import_module(name).main()
    print(f"figures are in build/bench; {missed} limits missed")


main()
