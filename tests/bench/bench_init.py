"""make bench-init: keel-init against its peers, natively (init_peers.py) and as a VM's init (init_vm.py). Writes
build/bench/init.json, init-vm.json and the tables, init.md, which it prints.

    bench_init.py [--quick] [--only native|vm] [PEER...]

--quick shows in a few minutes that all of it works; its figures mean little. A missed limit is told, not an error.
"""
import argparse
import json
import os
import platform
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, f"{TESTS}/ns", f"{TESTS}/vm", f"{TESTS}/lib"]

import figures  # noqa: E402
import init_peers  # noqa: E402
import tables  # noqa: E402

OUT = figures.TOP / "build" / "bench"


def write(name, document):
    OUT.mkdir(parents=True, exist_ok=True)
    head = {"schema": 1, "bench": name, "kernel": platform.release(), "cpus": os.cpu_count(),
            "load": os.getloadavg()[0]}
    (OUT / f"{name}.json").write_text(json.dumps(head | document, indent=1) + "\n", encoding="utf-8")


def run_native(options):
    reason = None if os.path.isdir(init_peers.peers.TREE) else "no build/env/peers: run 'make bench-init'"
    if reason:
        return f"Not measured: {reason}.\n", []
    document, verdicts = init_peers.main(options.quick, options.peers)
    write("init", document)
    return tables.native(document), verdicts


def run_vm(options):
    import init_vm  # pylint: disable=import-outside-toplevel  # needs what only the lab has
    document, verdicts = init_vm.main(options.quick, options.peers)
    write("init-vm", document)
    return tables.vm(document), verdicts


def main():
    parser = argparse.ArgumentParser(description="keel-init against its peers")
    parser.add_argument("--quick", action="store_true", default=os.environ.get("KEEL_BENCH_QUICK") == "1")
    parser.add_argument("--only", choices=("native", "vm"))
    parser.add_argument("peers", nargs="*", help="keys of peers.py or init_vm.py")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # broken off: guests, mounts and groups go all the same
    text, verdicts = "", []
    for name, run in (("native", run_native), ("vm", run_vm)):
        if options.only in (None, name):
            part, judged = run(options)
            text += part + "\n"
            verdicts += judged
    text += tables.limits(verdicts)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "init.md").write_text(text, encoding="utf-8")
    print("\n" + text)
    print(f"figures are in build/bench; {sum(not met for *_, met in verdicts)} limits missed")


main()
