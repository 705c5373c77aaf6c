# SPDX-License-Identifier: MIT
"""Chooses how QEMU runs the guest's CPU.

/dev/kvm may exist and still not run a kernel (nested, filtered): KVM is used only when the very kernel
booted with it once, as far as its panic for want of a root disk. The answer is kept until the host
boots again. KEEL_ACCEL=kvm|tcg decides without a probe.
"""
import json
import os
import pathlib
import subprocess

import machine

PROBE_SECONDS = 10


def choose(kernel):
    wanted = os.environ.get("KEEL_ACCEL")
    if wanted in ("kvm", "tcg"):
        return wanted
    if wanted:
        raise machine.VmError(f"KEEL_ACCEL={wanted}: there is kvm and tcg")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    return "kvm" if probe_cached(kernel) else "tcg"


def probe_cached(kernel):
    boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    stat = kernel.stat()
    key = f"{boot_id} {kernel} {stat.st_size} {stat.st_mtime_ns}"
    cache = machine.BASE / ".kvm-probe.json"
    try:
        known = json.loads(cache.read_text())
    except (OSError, ValueError):
        known = {}
    if known.get("key") != key:
        known = {"key": key, "works": probe(kernel)}
        machine.write_atomically(cache, json.dumps(known))
    return known["works"]


def probe(kernel):
    """True if the kernel comes as far as looking for its root disk; a guest that hangs is killed."""
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-M", "q35", "-m", "256M",
               "-nodefaults", "-display", "none", "-no-reboot", "-no-user-config", "-serial", "stdio",
               "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return b"Kernel panic" in result.stdout and b"VFS" in result.stdout
