# SPDX-License-Identifier: MIT
"""Pure: from what the host held over time to figures, from cells to the tables and verdicts of make bench-memory."""
import statistics

from tables import number, table

# Names, titles of the tables' columns.
COLUMNS = (("excess_mib", "excess MiB"), ("half_s", "half back, s"), ("ninety_s", "90 % back, s"),
           ("residual_60_percent", "after 60 s, % of VM"), ("residual_percent", "at the end, % of VM"),
           ("integral_gib_min", "GiB·min"), ("excess_gib_min", "excess, GiB·min"), ("cpu_s_per_gib", "CPU s per GiB"),
           ("refaults", "refaults"))
SERVER = (("per_second", "answers/s"), ("service_ms", "service, ms"), ("p50_ms", "p50 ms"), ("p99_ms", "p99 ms"),
          ("worst_ms", "worst ms"), ("missing_percent", "hot set evicted, %"), ("reread_ms", "re-read, ms"))
SERVED = ("busy", "hot", "restarted")
NOISE_PERCENT = 1
REPORTING_ORDER = 5  # machine.py's command line


def value_at(samples, at):
    """The last sample not later; samples are in order."""
    value = samples[0][1]
    for when, held in samples:
        if when > at:
            break
        value = held
    return value


def reached(samples, level):
    """Seconds after the end of the work (0) until the host held no more than that; None: never."""
    return next((round(at, 2) for at, held in samples if at >= 0 and held <= level), None)


def integral(samples, start, end, floor=0.0):
    """GiB·min above the floor. After the last sample it counts as held on."""
    points = [(start, value_at(samples, start))] + [(at, held) for at, held in samples if start < at < end]
    points.append((end, value_at(samples, end)))
    area = sum((after - before) * max(0.0, held - floor) for (before, held), (after, _) in zip(points, points[1:]))
    return area / 1024 / 60


def of_host(samples, base, held, total, window):
    """samples: (seconds since the end of the work, MiB), from the beginning of the work on. base: what the host held
    before it. held: what of the work still runs. All of the same window, `window` seconds after the end."""
    wanted = base + held
    peak = max(value for at, value in samples if at <= 1)
    excess, end = peak - wanted, samples[-1][0]
    return {"base_mib": base, "peak_mib": peak, "excess_mib": excess, "end_mib": samples[-1][1],
            "half_s": reached(samples, wanted + excess / 2), "ninety_s": reached(samples, wanted + excess / 10),
            "residual_60_percent": 100 * (value_at(samples, min(60, end)) - wanted) / total,
            "residual_percent": 100 * (samples[-1][1] - wanted) / total,
            "integral_gib_min": integral(samples, samples[0][0], window),
            "excess_gib_min": integral(samples, 0, window, wanted)}


def left(after, total, held):
    """What the host holds in the end, by what it is. `other`: nothing that the guest told of (below zero: of what it told
    something was never touched, so that the host has no page for it)."""
    memory = after["memory"]
    parts = {"anonymous": memory["AnonPages"] + memory["Shmem"],
             "cache": memory["Cached"] + memory["Buffers"] - memory["Shmem"], "slab": memory["Slab"],
             "small free blocks": sum(after["free"][:REPORTING_ORDER]), "per-CPU lists": after["per_cpu"]}
    parts["kernel"] = memory["MemTotal"] - memory["MemFree"] - sum(
        parts[name] for name in ("anonymous", "cache", "slab", "per-CPU lists"))
    parts["reserved"] = total - memory["MemTotal"]
    return {"held": held} | parts | {"other": held - sum(parts.values())}


class Cells:
    """All cells of a run: {"round", "scenario", "policy", "figures", ...}."""

    def __init__(self, cells):
        self.cells = cells
        for cell in cells:
            self.add_cost(cell)

    def one(self, turn, scenario, policy):
        return next((cell for cell in self.cells if (cell["round"], cell["scenario"], cell["policy"]) ==
                     (turn, scenario, policy)), None)

    def add_cost(self, cell):
        """CPU a GiB, both beyond `off` of the same round: memory that comes back by itself is nobody's merit."""
        off = self.one(cell["round"], cell["scenario"], "off")
        if not off or off is cell or "figures" not in off or "figures" not in cell:
            return
        gib = (off["figures"]["end_mib"] - cell["figures"]["end_mib"]) / 1024
        if gib > 0.05:
            cell["figures"]["cpu_s_per_gib"] = max(0.0, cell["figures"]["cpu_s"] - off["figures"]["cpu_s"]) / gib

    def all(self, scenario, policy, name):
        """None: it was never reached."""
        return [cell["figures"].get(name) for cell in self.cells
                if cell["scenario"] == scenario and cell["policy"] == policy and name in cell.get("figures", {})]

    def median(self, scenario, policy, name):
        """A round in which it was not reached counts as worse than any other."""
        values = self.all(scenario, policy, name)
        if not values:
            return None
        middle = sorted(values, key=lambda value: float("inf") if value is None else value)[len(values) // 2]
        return statistics.median(values) if None not in values else middle

    def ratio(self, scenario, name, policy, to):
        """Of the same round, the median of all."""
        pairs = []
        for cell in self.cells:
            other = self.one(cell["round"], scenario, to)
            if cell["scenario"] == scenario and cell["policy"] == policy and other:
                mine, theirs = (found.get("figures", {}).get(name) for found in (cell, other))
                if mine is not None and theirs:
                    pairs.append(mine / theirs)
        return statistics.median(pairs) if pairs else None

    def policies(self, scenario):
        return list(dict.fromkeys(cell["policy"] for cell in self.cells if cell["scenario"] == scenario))

    def scenarios(self):
        return list(dict.fromkeys(cell["scenario"] for cell in self.cells))


def shown(value):
    if value is None:
        return "-"
    return number(value) if abs(value) >= 0.005 else "0"


def scenario_table(cells, scenario, title):
    columns = COLUMNS + (SERVER if scenario in SERVED else ())
    rows = [["policy"] + [heading for _, heading in columns]]
    for policy in cells.policies(scenario):
        rows.append([policy] + [shown(cells.median(scenario, policy, name)) for name, _ in columns])
    text = f"## {scenario}: {title}\n\n" + table(rows)
    for cell in cells.cells:
        if cell["scenario"] == scenario and "why" in cell:
            text += f"\n- {cell['policy']}, round {cell['round'] + 1}: not measured: {cell['why']}\n"
    return text


def left_table(cells):
    """Of the first round."""
    rows = []
    for cell in cells.cells:
        if cell["round"] == 0 and "left_mib" in cell:
            rows = rows or [["scenario", "policy", *cell["left_mib"]]]
            rows.append([cell["scenario"], cell["policy"]] + [f"{mib:.0f}" for mib in cell["left_mib"].values()])
    return "## What the host holds in the end, MiB\n\n" + table(rows) if rows else ""


def at_most(value, limit):
    return "not measured" if value is None else "met" if value <= limit else "MISSED"


def goals(cells):
    """(what, measured, limit, verdict) of adaptive."""
    rows = []

    def judge(what, value, limit):
        rows.append((what, shown(value), shown(limit), at_most(value, limit)))

    def judge_time(scenario, name, what, limit):
        if not cells.all(scenario, "adaptive", name):
            return
        value = cells.median(scenario, "adaptive", name)
        rows.append((f"{scenario}: {what}", "never" if value is None else shown(value), shown(limit),
                     at_most(float("inf") if value is None else value, limit)))

    for scenario in ("build", "busy"):
        judge_time(scenario, "half_s", "half of the excess back, s", 10)
        judge_time(scenario, "ninety_s", "90 % back, s", 30)
    for scenario in cells.scenarios():
        judge(f"{scenario}: residual after 60 s, % of the VM", cells.median(scenario, "adaptive", "residual_60_percent"),
              15 if scenario == "fragmented" else 5)
    if "busy" in cells.scenarios():
        judge("busy: service time, ratio to off", cells.ratio("busy", "service_ms", "adaptive", "off"),
              1 + NOISE_PERCENT / 100)
        judge("busy: p99, ratio to off", cells.ratio("busy", "p99_ms", "adaptive", "off"), 1 + NOISE_PERCENT / 100)
    if "hot" in cells.scenarios():
        judge("hot: hot set evicted, %", cells.median("hot", "adaptive", "missing_percent"), 2)
        judge("hot: re-read, ratio to off", cells.ratio("hot", "reread_ms", "adaptive", "off"), 1.02)
    for scenario in cells.scenarios():
        rows.append((f"{scenario}: CPU s per GiB, ratio to dropcache",
                     shown(cells.ratio(scenario, "cpu_s_per_gib", "adaptive", "dropcache")), "-", "for comparison"))
        judge(f"{scenario}: GiB·min, ratio to gradual", cells.ratio(scenario, "integral_gib_min", "adaptive", "gradual"),
              0.5)
    return rows


def goal_table(cells):
    return "## Goals of `adaptive`\n\n" + table([["goal", "measured", "limit", "verdict"]] +
                                                [list(row) for row in goals(cells)])
