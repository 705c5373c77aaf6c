#!/usr/bin/env python3
"""coverage_pure.py - fails unless the unit tests take every branch of the modules that decide, or coverage-reasons says
why one cannot be taken. A reason that is needed by nothing fails too. Run by coverage, in the build environment, after
the unit tests of build/cov.
"""
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
PURE = ("init/service_sm", "init/service_sm_stop", "init/boot_status", "init/shutdown_plan", "init/disk/disk_policy",
        "init/disk/disk_judge", "init/disk/superblock", "init/disk/marker", "init/disk/format_intent", "init/disk/e2fsck",
        "lib/uuid", "lib/memory_limits", "lib/cmdline", "lib/vmm_address", "agent/vmm_words",
        "agent/common/health", "agent/common/health_disk", "agent/common/component", "agent/common/hint",
        "agent/common/clock_policy", "agent/common/clock_edge", "agent/clock_body", "agent/metrics_clock",
        "agent/common/engine_policy", "agent/common/docker_facts",
        "agent/common/space_policy", "agent/common/trim_policy", "agent/common/kernel_message", "agent/common/mount_flags",
        "agent/common/resolv_conf", "agent/common/proxy_settings", "agent/common/route_overlap", "agent/common/route_line",
        "agent/common/redact", "agent/common/tar", "agent/common/exec_frame",
        "agent/memory/group_kind", "agent/runner_check",
        "agent/share/share_policy", "agent/dns/dns_slot",
        "agent/common/memory_read", "lib/memory_mode", "agent/metrics_memory", "agent/ctl/bytes",
        "agent/ctl/nearest", "agent/ctl/shell_quote", "agent/ctl/command_line",
        "agent/metrics_text", "agent/metrics_node", "agent/metrics_disk", "agent/metrics_services", "agent/metrics_agent",
        "agent/query", "agent/event_ring", "agent/event_flood", "agent/event_query", "agent/event_cursor", "agent/ctl/sse",
        "agent/memory/reclaim_policy", "agent/memory/reclaim_adaptive", "agent/memory/reclaim_step",
        "agent/memory/reclaim_guard", "agent/memory/reclaim_groups", "agent/memory/reclaim_wsl")
COUNT = re.compile(r"^ *([0-9-]+|#####|=====)\*?: *(\d+):(.*)$")
SWITCH = re.compile(r"^switch \(")


def listing(module):
    """gcov's lines for one module."""
    text = subprocess.run(["gcov", "-t", "-b", "-c", "-o", f"build/cov/{module}.o", f"{module}.c"], cwd=TOP, check=True,
                          capture_output=True, text=True).stdout
    # Headers with code of their own follow.
    own = text.split("0:Source:")[1]
    if not own.startswith(f"{module}.c\n"):
        sys.exit(f"coverage_pure: gcov begins with another file than {module}.c")
    return own.splitlines()


def gaps(module):
    """(branches, taken, [(line number, text) of lines that never ran or have a branch never taken])."""
    branches = taken = 0
    missing, number, text = [], 0, ""
    for line in listing(module):
        found = COUNT.match(line)
        if found:
            number, text = int(found[2]), found[3].strip()
            if found[1] in ("#####", "====="):
                missing.append((number, text))
        elif line.startswith("branch"):
            branches += 1
            if "never executed" in line or re.search(r"taken 0\b", line):
                missing.append((number, text))
            else:
                taken += 1
    return branches, taken, sorted(set(missing))


def reasons():
    found = {}
    for line in (TOP / "tests/check/coverage-reasons").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            module, text, reason = line.split("\t")
            found[module, text] = reason
    return found


def main():
    known, used, bad = reasons(), set(), []
    total = took = excused = 0
    for module in PURE:
        branches, taken, missing = gaps(module)
        total, took = total + branches, took + taken
        for number, text in missing:
            if SWITCH.match(text):
                excused += 1
            elif (module, text) in known:
                used.add((module, text))
                excused += 1
            else:
                bad.append(f"{module}.c:{number}: never taken, without a reason: {text}")
    bad += [f"coverage-reasons: {module}: not needed: {text}" for module, text in known if (module, text) not in used]
    for line in bad:
        print(line)
    if total == 0:
        bad.append("no branch was counted")
    print(f"pure modules: {took} of {total} branches taken; {excused} lines with a reason, {len(bad)} problems")
    return 1 if bad else 0


sys.exit(main())
