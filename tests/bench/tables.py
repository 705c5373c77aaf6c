"""The tables of make bench-init: Markdown that can be read as it is."""

COLUMNS = (("restart", "restart, median / p99 ms"), ("at_once", "restart at once, median / p99 ms"),
           ("missed", "missed"), ("parallel", "N parallel, ms"), ("chain", "N in a chain, ms"),
           ("orphans", "orphans/s"), ("private", "private KiB"), ("resident", "resident KiB"),
           ("per_service", "KiB a service"), ("wakeups", "wake-ups/min"), ("programs", "programs KiB"),
           ("size", "with libraries KiB"))


def number(value):
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}".rstrip("0").rstrip(".")


def table(rows):
    """Columns as wide as their widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def cell(document, key, metric):
    entry = document["figures"].get(f"{key}.{metric}")
    if not entry:
        return "-"
    text = number(entry["median"])
    if "p99" in entry:
        text += f" / {number(entry['p99'])} ({entry['runs']})"
    return text


def native(document):
    """A row a peer; medians, with the number of kills in brackets."""
    services = str(document["services"])
    rows = [["init"] + [title.replace("N ", f"{services} ") for _, title in COLUMNS]]
    for key, about in document["peers"].items():
        rows.append([about["title"]] + [cell(document, key, metric) for metric, _ in COLUMNS])
    text = "## In namespaces, natively\n\n" + table(rows) + "\n"
    for about in document["peers"].values():
        text += f"- {about['title']} {about['version']}: {about['configured']}\n"
    for about in document["peers"].values():
        for metric, reason in about["not_measured"].items():
            text += f"- {about['title']}, {metric}: not measured: {reason}\n"
    for name, reason in document["absent"].items():
        text += f"- {name}: not measured: {reason}\n"
    return text


def vm(document):
    rows = [["init", "hand-over to READY, median s", "min", "max", "runs", "to dockerd's exec, s",
             "kernel to hand-over, s"]]
    for key, about in document["peers"].items():
        entry = document["figures"].get(f"{key}.ready")
        before = [document["figures"].get(f"{key}.{metric}") for metric in ("exec", "kernel")]
        rows.append([about["title"]] + ([number(entry[field]) for field in ("median", "min", "max")] +
                                        [str(entry["runs"])] if entry else ["-"] * 4) +
                    [number(figure["median"]) if figure else "-" for figure in before])
    text = "## In a VM: kernel hand-over to dockerd READY\n\n" + table(rows) + "\n"
    for about in document["peers"].values():
        text += f"- {about['title']} {about['version']}: {about['configured']}\n"
        if about["not_measured"]:
            text += f"- {about['title']}: not measured: {about['not_measured']}\n"
    return text


def limits(verdicts):
    if not verdicts:
        return ""
    rows = [["demanded of keel", "measured", "limit", "verdict"]]
    for what, value, limit, met in verdicts:
        rows.append([what, number(value), number(limit), "met" if met else "MISSED"])
    return "## Limits\n\n" + table(rows)
