# SPDX-License-Identifier: MIT
"""boot.py - the image on our kernel and on the stock one: does it work, and how fast does it boot?

`make test-kernel` runs it in the lab environment. Both kernels do the same: boot, have their
configuration judged by the guest itself, run a container, power off. Then both boot KEEL_KERNEL_RUNS
times (default 3), in pairs whose order alternates, because the machine's speed varies between minutes.
The figures go to build/bench/kernel.json. Mitigations stay on, as in the product. Prints TAP.
"""
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "vm"), str(HERE.parent / "lib")]
os.environ["KEEL_VM_DIR"] = f"/tmp/keel-vm-{os.getuid()}-kernel"

import harness  # noqa: E402
import machine  # noqa: E402
import run  # noqa: E402
from harness import check, contains, equal, retry_until, scenario  # noqa: E402

OUT = machine.OUT
KERNELS = {
    "stock": (OUT / "vmlinuz", OUT / "keel-modules.tar.gz"),
    "ours": (OUT / "vmlinuz-keel", OUT / "keel-modules-keel.tar.gz"),
}
RUNS = int(os.environ.get("KEEL_KERNEL_RUNS", "3"))
BENCH = machine.BUILD / "bench" / "kernel.json"
DATA = machine.BUILD / "vm" / "kernel"
IMAGE = "keel/kernel-test"
BOOT_SECONDS = 240
# Modules on ours as on WSL's kernels: the guest has to load them by name.
LOADED = ("bridge", "br_netfilter", "nft_compat", "xt_addrtype", "xt_conntrack", "xt_MASQUERADE")


def vm(verb, guest, *arguments, data=b"", seconds=120):
    """Runs tests/vm/vm, which has to succeed; its output as text."""
    command = [str(HERE.parent / "vm" / "vm"), verb, "--name", guest, *map(str, arguments)]
    try:
        result = subprocess.run(command, input=data, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise harness.Failure(f"vm {verb} {arguments}: no end after {seconds} s") from None
    if result.returncode != 0:
        words = (result.stdout[-2000:] + result.stderr[-4000:]).decode(errors="replace")
        raise harness.Failure(f"vm {verb} {' '.join(map(str, arguments))}: status {result.returncode}\n{words}")
    return result.stdout.decode(errors="replace")


def end(guest):
    with contextlib.suppress(harness.Failure):
        vm("kill", guest, seconds=20)


def up(kernel, *options):
    image, modules = KERNELS[kernel]
    vm("up", kernel, "--kernel", image, "--modules", modules, "--data", DATA / f"{kernel}.vhdx",
       "--deadline", BOOT_SECONDS, *options, seconds=BOOT_SECONDS + 60)
    return json.loads(vm("health", kernel))


def down(kernel):
    vm("down", kernel, seconds=120)


def run_container(kernel):
    """Seconds that `docker run` took, seen from the host."""
    start = time.monotonic()
    output = vm("docker", kernel, "run", "--rm", IMAGE, "/bin/uname", "-r")
    took = time.monotonic() - start
    equal(output.strip(), vm("sh", kernel, "uname -r").strip(), "uname -r in the container")
    return took


def kernel_check(kernel):
    """The guest's own verdict, which a service writes after the engine is up."""
    return retry_until(60, lambda: json.loads(vm("health", kernel))["kernel"].get("check"),
                       "kernel.check in the health document")


def smoke(kernel):
    health = up(kernel, "--fresh")
    equal((health["ready"], health["status"]), (True, "ready"), "ready, status")
    verdict = kernel_check(kernel)
    equal((verdict["ok"], verdict["missing_required"], verdict["missing_recommended"]), (True, [], []),
          "the kernel check: ok, missing")
    equal(verdict["release"], health["kernel"]["release"], "release")
    vm("docker", kernel, "import", "-", IMAGE, data=run.small_image())
    run_container(kernel)
    if kernel == "ours":
        contains(health["kernel"]["release"], "-keel", "release")
        equal(verdict["source"], "/proc/config.gz", "where the configuration came from")
        modules = {line.split()[0] for line in vm("sh", kernel, "cat /proc/modules").splitlines()}
        equal([name for name in LOADED if name not in modules], [], "modules that are not loaded")
    down(kernel)


def measure(kernel):
    """One boot: figures by name. Guest times count from the kernel's start, host times from QEMU's."""
    health = up(kernel)
    services = {service["name"].removesuffix(".service"): service for service in health["services"]}
    stages = {stage["name"]: stage for stage in health["stages"]}
    ready = next(line["host_ms"] for line in map(json.loads, vm("events", kernel).splitlines())
                 if line.get("health", {}).get("status") == "ready")
    figures = {
        "pid1": min(stage["start_ms"] for stage in health["stages"] if stage["state"] == "done") / 1000,
        "modules": stages["modules"]["ms"] / 1000,
        "dockerd_exec": services["docker"]["exec_ms"] / 1000,
        "dockerd_ready": services["docker"]["ready_ms"] / 1000,
        "ready_from_power_on": ready / 1000,
        "container": run_container(kernel),
    }
    down(kernel)
    return figures


def summary(runs):
    return {"unit": "s", "runs": [round(value, 3) for value in runs], "median": round(statistics.median(runs), 3),
            "min": round(min(runs), 3), "max": round(max(runs), 3)}


def write_figures(rounds):
    """`rounds` is a list of {kernel: {figure: seconds}}, one a pair of boots."""
    names = list(rounds[0]["ours"])
    report = {"benchmark": "kernel", "accel": machine.read_config("ours")["accel"],
              "cpus": machine.read_config("ours")["cpus"], "mem": machine.read_config("ours")["mem"],
              "load_average": os.getloadavg()[0],
              "sizes": {kernel: {"kernel_bytes": image.stat().st_size, "modules_bytes": modules.stat().st_size}
                        for kernel, (image, modules) in KERNELS.items()},
              "figures": {kernel: {name: summary([pair[kernel][name] for pair in rounds]) for name in names}
                          for kernel in KERNELS},
              "ours_to_stock": {name: round(statistics.median(pair["ours"][name] / pair["stock"][name]
                                                              for pair in rounds), 3) for name in names}}
    BENCH.parent.mkdir(parents=True, exist_ok=True)
    machine.write_atomically(BENCH, json.dumps(report, indent=1) + "\n")


def print_table(report):
    print(f"# {'seconds, median':22}{'stock':>8}{'ours':>8}{'ratio':>8}")
    for name, ratio in report["ours_to_stock"].items():
        stock, ours = (report["figures"][kernel][name]["median"] for kernel in ("stock", "ours"))
        print(f"# {name:22}{stock:8.2f}{ours:8.2f}{ratio:8.2f}")
    print(f"# all of it in {BENCH.relative_to(machine.TOP)}")


@scenario("stock and our kernel", deadline=(2 + 2 * RUNS) * (BOOT_SECONDS + 120))
def compare(t):
    DATA.mkdir(parents=True, exist_ok=True)
    worked = []
    for kernel in KERNELS:
        t.cleanup((DATA / f"{kernel}.vhdx").unlink, True)
        t.cleanup(end, kernel)
        with t.step(f"{kernel}: boots, judges itself clean, runs a container, powers off"):
            smoke(kernel)
            worked.append(kernel)
    with t.step(f"figures of {RUNS} pairs of boots"):
        check(len(worked) == len(KERNELS), "both have to work")
        write_figures([{kernel: measure(kernel) for kernel in sorted(KERNELS, reverse=bool(i % 2))}
                       for i in range(RUNS)])


def main():
    for path in (path for paths in KERNELS.values() for path in paths):
        if not path.exists():
            harness.stop(f"there is no {path.relative_to(machine.TOP)}: run 'make lab-image kernel'")
    BENCH.unlink(missing_ok=True)
    try:
        harness.main("kernel-boot")
    finally:
        if BENCH.exists():
            print_table(json.loads(BENCH.read_text()))


if __name__ == "__main__":
    main()
