# SPDX-License-Identifier: MIT
"""rule.py - what a rule is, and the list of them.

A rule is a function of a distro.Distro. It returns the sentence of what was found, or raises Broken with what is wrong and
the way out, or NotApplicable. One that needs what another rule demands says NotApplicable when that is missing: each
fault is told once.
"""
import collections

Rule = collections.namedtuple("Rule", "id demand source function")
RULES = []


class Broken(Exception):
    """What was found, and the way out."""

    def __init__(self, found, way_out):
        super().__init__(found)
        self.found, self.way_out = found, way_out


class NotApplicable(Exception):
    """Why the rule says nothing of this archive."""


def rule(identifier, demand, source):
    """Adds the decorated function to RULES. source: where the rule is known from."""
    def add(function):
        RULES.append(Rule(identifier, demand, source, function))
        return function
    return add


def some(names, limit=3):
    """The first few of a list, for a sentence. What came from the archive is shown escaped."""
    names = list(names)
    shown = ", ".join(show(name) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def show(text):
    """Text of an archive on one line of a terminal, and not too much of it."""
    safe = "".join(letter if letter.isprintable() else "?" for letter in str(text))
    return safe if len(safe) <= 100 else safe[:97] + "..."


def demand(condition, found, way_out):
    if not condition:
        raise Broken(found, way_out)
