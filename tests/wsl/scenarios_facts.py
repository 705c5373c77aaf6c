"""Each fact of WSL's that README.md lists names a test that exists."""
import os
import re

import harness

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def all_sources():
    for base, _, names in os.walk(TESTS):
        for name in names:
            if name.endswith((".py", ".c")):
                with open(f"{base}/{name}", encoding="utf-8") as file:
                    yield file.read()


@harness.scenario("every fact in README.md has a test that exists, or a reason")
def facts(t):
    sources = "\n".join(text for text in all_sources())
    with open(f"{TESTS}/wsl/README.md", encoding="utf-8") as file:
        rows = [line.strip("| \n").split(" | ") for line in file if re.match(r"\| (?!fact|-)", line)]
    harness.check(len(rows) > 60, f"{len(rows)} facts")
    for row in rows:
        tests = re.findall(r"`([^`]+)`", row[-1])
        harness.check(tests or row[-1].startswith("untestable: "), f"neither a test nor a reason: {row}")
        for name in tests:
            harness.check(f'"{name}"' in sources or f"void {name}(" in sources, f"there is no test {name}")
    t.note(f"{len(rows)} facts, {sum(row[-1].startswith('untestable') for row in rows)} of them untestable here")
