# SPDX-License-Identifier: MIT
"""What a workload has reported as durable, and whether a directory still holds it.

Used by phases.py and workload.py. The lines are those of tests/vm/guest/durable.c; a page is the line
"NAME GENERATION PAGE/PAGES" over and over. Something may be newer than reported, never older, and never half.
"""
import random

PAGE = 4096
RECORD = 64


def page(name, generation, number, pages):
    line = f"{name} {generation} {number}/{pages}\n".encode()
    return (line * (PAGE // len(line) + 1))[:PAGE]


def whole_file(name, pages):
    return b"".join(page(name, 0, number, pages) for number in range(pages))


def generations(name, content):
    """The generation of each page; ValueError with what is wrong if one is not whole."""
    pages, rest = divmod(len(content), PAGE)
    if rest or not pages:
        raise ValueError(f"{name} has {len(content)} bytes")
    found = []
    for number in range(pages):
        got = content[number * PAGE:(number + 1) * PAGE]
        words = got.split(b"\n", 1)[0].split()
        generation = int(words[1]) if len(words) == 3 and words[1].isdigit() else -1
        if got != page(name, generation, number, pages):
            raise ValueError(f"page {number} of {name} is torn or foreign: it begins with {got[:40]!r}")
        found.append(generation)
    return found


class Ledger:
    """The reports about one directory."""

    def __init__(self):
        self.files = {}      # name: pages
        self.going = set()   # may be there or not
        self.gone = set()
        self.slots = {}      # name: (generation, pages)
        self.pages = {}      # name: {page: generation}
        self.logs = {}       # name: records
        self.reports = 0

    def take(self, line):
        """One line of the workload. What is not understood is a fault of the test: ValueError."""
        kind, name, *numbers = line.split()
        numbers = [int(number) for number in numbers]
        if kind == "going":
            self.files.pop(name)
            self.going.add(name)
            return
        self.reports += 1
        if kind == "file":
            self.files[name] = numbers[0]
        elif kind == "gone":
            self.going.discard(name)
            self.gone.add(name)
        elif kind == "slot":
            self.slots[name] = tuple(numbers)
        elif kind == "page":
            self.pages.setdefault(name, {})[numbers[1]] = numbers[0]
        elif kind == "log":
            self.logs[name] = numbers[0]
        else:
            raise ValueError(f"the workload said {line!r}")

    def count(self):
        """How many durable things there are to be verified."""
        return (len(self.files) + len(self.gone) + len(self.slots) + len(self.logs) +
                sum(map(len, self.pages.values())))

    def complaints(self, tree):
        """What is wrong with a directory, {name: content}, in sentences."""
        checks = [*((self.check_file, name) for name in self.files), *((self.check_going, name) for name in self.going),
                  *((self.check_gone, name) for name in self.gone), *((self.check_slot, name) for name in self.slots),
                  *((self.check_log, name) for name in self.logs)]
        found = []
        for check, name in checks:
            try:
                check(tree, name)
            except KeyError:
                found.append(f"{name} is lost")
            except ValueError as error:
                found.append(str(error))
        return found

    def check_file(self, tree, name):
        if tree[name] != whole_file(name, self.files[name]):
            generations(name, tree[name])
            raise ValueError(f"{name} is not what was written")

    @staticmethod
    def check_going(tree, name):
        if name in tree:
            generations(name, tree[name])

    @staticmethod
    def check_gone(tree, name):
        if name in tree:
            raise ValueError(f"{name} was removed and is there again")

    def check_slot(self, tree, name):
        generation, pages = self.slots[name]
        found = generations(name, tree[name])
        overwritten = self.pages.get(name, {})
        for number, got in enumerate(found):
            if got < overwritten.get(number, generation):
                raise ValueError(f"page {number} of {name} is of generation {got}, "
                                 f"{overwritten.get(number, generation)} was reported")
        if not overwritten and (len(set(found)) > 1 or found[0] == generation and len(found) != pages):
            raise ValueError(f"{name} is a mixture: {found}")

    def check_log(self, tree, name):
        content = tree[name]
        for number in range(self.logs[name]):
            want = f"{name:<20} {number:042d}\n".encode()
            if content[number * RECORD:(number + 1) * RECORD] != want:
                raise ValueError(f"record {number} of {self.logs[name]} reported ones of {name} is lost")


def prepared(directory, count, pages_max, seed=1, prefix="kept"):
    """Files in a new directory and the ledger that knows them."""
    directory.mkdir(parents=True)
    ledger, rng = Ledger(), random.Random(seed)
    for number in range(count):
        name, pages = f"{prefix}-{number}", rng.randint(1, pages_max)
        (directory / name).write_bytes(whole_file(name, pages))
        ledger.take(f"file {name} {pages}")
    return ledger
