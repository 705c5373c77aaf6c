"""One scenario for each of WSL's versions, and the table of what came out."""
import re

import harness
import wsl_guest

MARK = re.compile(r"(.*) \[WSL ([^\]]+)\](.*)")


def by_profile(name, profiles=wsl_guest.PROFILES, deadline=40):
    """Registers function(t, profile) as "NAME [WSL PROFILE]" for each."""
    def register(function):
        for profile in profiles:
            def run(t, profile=profile):
                return function(t, profile)
            harness.scenario(f"{name} [WSL {profile}]", deadline=deadline, skip=wsl_guest.unavailable)(run)
        return function
    return register


def single(name, deadline=40):
    """A scenario that is the same for all versions; the newest release stands for them."""
    return harness.scenario(name, deadline=deadline, skip=wsl_guest.unavailable)


def table(tap):
    """Markdown: scenarios down, profiles across, from a TAP file's text."""
    rows = {}
    for line in tap.splitlines():
        point = re.match(r"(ok|not ok) \d+ - (.*?)(?: # (SKIP|time=).*)?$", line)
        if not point:
            continue
        found = MARK.match(point[2])
        name, profile = (found[1], found[2]) if found else (point[2].split(": ")[0], "any")
        result = "fails" if point[1] == "not ok" else "skipped" if point[3] == "SKIP" else "passes"
        row = rows.setdefault(name, {})
        if row.get(profile) != "fails":
            row[profile] = result
    lines = ["| scenario | " + " | ".join((*wsl_guest.PROFILES, "any")) + " |", "|---" * (len(wsl_guest.PROFILES) + 2) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(row.get(profile, "") for profile in (*wsl_guest.PROFILES, "any")) + " |")
    return "\n".join(lines)
