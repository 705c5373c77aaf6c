"""Faults: what happens around PID 1 when something is missing, full, refused or killed. The namespace suite's
guests (tests/ns) with one thing broken each; PID 1 must go on, say what is wrong and recover.

inject.py fails system calls from outside; scenarios_inject.py does so with every one of the loop; scenarios_storm.py
has too much of everything at a time; scenarios_resources.py uses memory, processes and file systems up.

Run by tests/run fault (make test-fault) in the lab environment.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, f"{TESTS}/ns", f"{TESTS}/lib"]

import harness  # noqa: E402
import scenarios_engine_fault  # noqa: E402,F401
import scenarios_exhaustion  # noqa: E402,F401
import scenarios_full_disk  # noqa: E402,F401
import scenarios_inject  # noqa: E402,F401
import scenarios_resources  # noqa: E402,F401
import scenarios_storm  # noqa: E402,F401
import scenarios_teardown  # noqa: E402,F401

harness.main("fault", jobs=2)
