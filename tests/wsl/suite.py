"""The WSL suite: the shipped root file system under a stand-in for WSL's launcher, for several of WSL's versions.

Run by tests/run wsl (make test-wsl) in the lab environment. scenarios_*.py are the scenarios, wsl_guest.py starts a
distro, *.c are the launcher; README.md says which test shows which fact. `suite.py --table` prints what the last run
gave, as Markdown: scenarios by WSL version.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, *(os.path.join(os.path.dirname(HERE), name) for name in ("ns", "lib", "disk"))]

import harness  # noqa: E402
import profiles  # noqa: E402
import scenarios_end  # noqa: E402,F401
import scenarios_engine_wsl  # noqa: E402,F401
import scenarios_facts  # noqa: E402,F401
import scenarios_sessions  # noqa: E402,F401
import scenarios_start  # noqa: E402,F401

if sys.argv[1:] == ["--table"]:
    print(profiles.table((harness.TOP / "build" / "test" / "wsl.tap").read_text(encoding="utf-8")))
else:
    harness.main("wsl", jobs=2)
