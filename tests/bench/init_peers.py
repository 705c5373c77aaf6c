"""keel-init against its peers, each as a real PID 1 in the namespace lab (peers.py): restart after kill -9, start of
many services, orphans, memory, idle wake-ups, size. The peers take turns within each round and the order rotates, so
that a machine that gets slower does so for all. A peer that cannot do something is told with the reason.
"""
import contextlib
import os
import pathlib
import re
import sys
import time

import figures
import peers
from peers import PeerGuest, Unavailable

KIB = 1024
RESTARTED = 20     # services that are killed in turn, so that each has run for
GAP_US = 1_200_000  # before it is killed: runsv and s6-supervise pause when a service ends within its first second
METRICS = {
    "restart": ("ms", "restart after kill -9, service up for 1.2 s"),
    "at_once": ("ms", "restart after kill -9 of a service that has just started"),
    "missed": ("kills", "kills without a new process, or with more than one"),
    "parallel": ("ms", "start of N services of `true` in parallel"),
    "chain": ("ms", "start of N services of `true`, each after the one before"),
    "orphans": ("per s", "orphans made and reaped per second"),
    "reap": ("ms", "N orphans at once: reaped after"),
    "private": ("KiB", "private memory of PID 1 and supervisors, one service"),
    "resident": ("KiB", "resident memory (Rss) of PID 1 and supervisors, one service"),
    "per_service": ("KiB", "private memory per service more"),
    "wakeups": ("per min", "idle wake-ups of PID 1 and supervisors"),
    "programs": ("KiB", "size of the programs that run"),
    "size": ("KiB", "the same with their shared libraries"),
}


def services_max():
    """What one keel-init supervises at most (lib/control.h)."""
    text = (figures.TOP / "lib" / "control.h").read_text(encoding="utf-8")
    return int(re.search(r"#define CONTROL_SERVICES_MAX\s+(\d+)", text)[1])


class Plan:
    """How much is measured; KEEL_BENCH_KILLS and KEEL_BENCH_SERVICES change it."""

    def __init__(self, quick):
        self.rounds = 2 if quick else 5
        self.kills = int(os.environ.get("KEEL_BENCH_KILLS", "40" if quick else "1000"))
        self.services = min(int(os.environ.get("KEEL_BENCH_SERVICES", "100")), services_max())
        self.orphans = 2000 if quick else 10000
        self.idle_s = 5 if quick else 60
        self.settle_s = 2 if quick else 5  # what a boot leaves to do

    def kills_a_round(self, most):
        kills = self.kills if most is None else min(self.kills, most)
        return max(1, -(-kills // self.rounds))


class Results:
    """values[peer][metric] = [...]; reasons[peer][metric] = why there are none."""

    def __init__(self):
        self.values, self.reasons = {}, {}

    def add(self, peer, metric, *values):
        self.values.setdefault(peer.key, {}).setdefault(metric, []).extend(values)

    @contextlib.contextmanager
    def attempt(self, peer, *metrics):
        """What fails is told, and ends only this."""
        try:
            yield
        except Exception as error:  # pylint: disable=broad-except
            reason = (str(error).strip() or type(error).__name__).splitlines()
            if not isinstance(error, Unavailable):
                print(f"  {peer.key}: {', '.join(metrics)}: not measured: {reason[0]}", file=sys.stderr, flush=True)
                if os.environ.get("KEEL_VERBOSE") == "1":
                    print("\n".join(reason), file=sys.stderr, flush=True)
            for metric in (metric for metric in metrics if metric not in self.values.get(peer.key, {})):
                self.reasons.setdefault(peer.key, {})[metric] = reason[0]

    def failed(self, peer, metric):
        return metric in self.reasons.get(peer.key, {})


# ---- what is measured -------------------------------------------------------------------------

def kill_services(results, peer, guest, metric, slots, kills, gap_us):
    missed = 0
    for line in guest.benchsvc("kill", guest.board, slots, kills, gap_us):
        if line.isdigit():
            results.add(peer, metric, int(line) / 1e6)
        else:
            missed += 1
    results.add(peer, "missed", missed)


def measure_restart(plan, results, peer):
    if not peer.supervises:
        raise Unavailable("does not supervise")
    kills = plan.kills_a_round(peer.most_kills)
    with PeerGuest(peer, "up", min(RESTARTED, plan.services)) as guest:
        kill_services(results, peer, guest, "restart", min(RESTARTED, plan.services), kills, GAP_US)


def measure_at_once(plan, results, peer):
    if not peer.supervises:
        raise Unavailable("does not supervise")
    with PeerGuest(peer, "up", 1) as guest:
        kill_services(results, peer, guest, "at_once", 1, plan.kills_a_round(peer.most_at_once), 0)


def measure_start(plan, results, peer, kind):
    with PeerGuest(peer, kind, plan.services) as guest:
        results.add(peer, kind, (guest.wait_stamped(plan.services) - guest.start_ns()) / 1e6)


def measure_orphans(plan, results, peer):
    with PeerGuest(peer, "up", 1) as guest:
        guest.wait_stamped(1)
        making, reaping = map(int, guest.benchsvc("orphans", plan.orphans)[0].split())
        results.add(peer, "orphans", plan.orphans / ((making + reaping) / 1e9))
        results.add(peer, "reap", reaping / 1e6)


def memory_kib(pids):
    """(private, resident) of these processes together."""
    private = resident = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                words = line.split()
                if words[0] in ("Private_Clean:", "Private_Dirty:"):
                    private += int(words[1])
                elif words[0] == "Rss:":
                    resident += int(words[1])
    return private, resident


def mapped_sizes(guest, pids):
    """(bytes of programs, bytes of programs and libraries) that these processes have mapped, each file once."""
    programs, files = set(), set()
    for pid in pids:
        programs.add(os.readlink(f"/proc/{pid}/exe"))
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            files |= {line.split(None, 5)[5].strip() for line in maps if "x" in line.split()[1] and "/" in line}
    return tuple(sum(os.stat(guest.path(path)).st_size for path in paths) for paths in (programs, files | programs))


def switches(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
    return total


def footprint(plan, peer, count):
    """((private, resident), (programs, programs and libraries)). Alone: pages that two guests share are not private."""
    with PeerGuest(peer, "up", count) as guest:
        guest.wait_stamped(count)
        time.sleep(plan.settle_s)
        pids = guest.init_processes()
        return memory_kib(pids), mapped_sizes(guest, pids)


def measure_footprint(plan, results, peer):
    (private, resident), (programs, size) = footprint(plan, peer, 1)
    for metric, value in (("private", private), ("resident", resident), ("programs", programs / KIB),
                          ("size", size / KIB)):
        results.add(peer, metric, value)
    if not peer.supervises:
        raise Unavailable("does not supervise")
    more = footprint(plan, peer, plan.services)[0][0]
    results.add(peer, "per_service", (more - private) / (plan.services - 1))


def measure_idle(plan, results, chosen):
    """All guests at once: they sleep."""
    with contextlib.ExitStack() as stack:
        guests = []
        for peer in chosen:
            count = plan.services if peer.supervises else 1
            with results.attempt(peer, "wakeups"):
                guest = stack.enter_context(PeerGuest(peer, "up", count, seconds=plan.idle_s + 300))
                guest.wait_stamped(count)
                guests.append((peer, guest))
        time.sleep(plan.settle_s)
        watched = [(peer, guest.init_processes()) for peer, guest in guests]
        before = [switches(pids) for _, pids in watched]
        time.sleep(plan.idle_s)  # the time that is measured
        for (peer, pids), switched in zip(watched, before):
            with results.attempt(peer, "wakeups"):
                results.add(peer, "wakeups", (switches(pids) - switched) * 60 / plan.idle_s)


def measure(plan, chosen):
    results = Results()
    steps = (("restart", measure_restart), ("at_once", measure_at_once), ("orphans", measure_orphans),
             ("parallel", lambda *args: measure_start(*args, "parallel")),
             ("chain", lambda *args: measure_start(*args, "chain")))
    for number in range(plan.rounds):
        turn = number % len(chosen)
        for peer in chosen[turn:] + chosen[:turn]:
            print(f"  round {number + 1} of {plan.rounds}: {peer.title}", flush=True)
            for metric, step in steps:
                if not results.failed(peer, metric):
                    with results.attempt(peer, metric):
                        step(plan, results, peer)
    for peer in chosen:
        with results.attempt(peer, "private", "resident", "programs", "size", "per_service"):
            measure_footprint(plan, results, peer)
    measure_idle(plan, results, chosen)
    return results


# ---- what is asked of keel --------------------------------------------------------------------

def percentile(values, percent):
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def entries(plan, results, chosen):
    """{"PEER.METRIC": figure}"""
    found = {}
    for peer in chosen:
        for metric, values in results.values.get(peer.key, {}).items():
            unit, note = METRICS[metric]
            if metric == "missed":
                values = [sum(values)]
            entry = figures.figure(unit, values, note=note.replace(" N ", f" {plan.services} ").replace(
                "N orphans", f"{plan.orphans} orphans"))
            if metric in ("restart", "at_once"):
                entry["p99"] = percentile(values, 99)
            found[f"{peer.key}.{metric}"] = entry
    return found


def judge(found):
    """[(what, value, limit, met)]; sets limit and met of keel's figures."""
    verdicts = []

    def demand(what, key, field, limit, below=False):
        if key not in found or limit is None:
            return
        value = found[key][field]
        met = value < limit if below else value <= limit
        verdicts.append((what, value, limit, met))
        found[key].setdefault("limits", []).append({"of": field, "limit": limit, "below": below, "met": met})

    def median(key):
        return found[key]["median"] if key in found else None

    demand("restart, median ms", "keel.restart", "median", 2.0)
    demand("restart, median ms below runit's", "keel.restart", "median", median("runit.restart"), below=True)
    demand("restart, p99 ms", "keel.restart", "p99", 5.0)
    demand("kills missed", "keel.missed", "max", 0)
    demand("idle wake-ups per minute", "keel.wakeups", "max", 0)
    return verdicts


def machine_settings():
    """What an init as PID 1 may think is its own."""
    names = ("fs/nr_open", "fs/file-max", "vm/overcommit_memory", "vm/swappiness", "kernel/core_pattern", "kernel/pid_max")
    return {name: pathlib.Path(f"/proc/sys/{name}").read_text(encoding="ascii") for name in names}


def main(quick=False, only=()):
    plan, before = Plan(quick), machine_settings()
    chosen = [peer for peer in peers.PEERS if not only or peer.key in only]
    with figures.favoured() as favoured:
        results = measure(plan, chosen)
    if machine_settings() != before:
        raise RuntimeError(f"a guest changed the machine's settings; they were {before}")
    found = entries(plan, results, chosen)
    verdicts = judge(found)
    about = {peer.key: {"title": peer.title, "version": peer.version(), "configured": peer.configured,
                        "init": " ".join(peer.argv), "not_measured": results.reasons.get(peer.key, {})}
             for peer in chosen}
    return {"services": plan.services, "orphans": plan.orphans, "favoured": favoured, "peers": about,
            "absent": peers.ABSENT, "figures": found}, verdicts
