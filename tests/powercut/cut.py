# SPDX-License-Identifier: MIT
"""What came of one cut. Made by phases.py and workload.py, shown by suite.py and soak.py."""
import dataclasses


@dataclasses.dataclass
class Cut:
    """A line of the soak's output; `problem` is "" if everything is as it must be."""
    phase: str
    kind: str
    seed: int
    point: str = ""
    kept: int = 0
    lost: int = 0
    reported: int = 0
    verified: int = 0
    problem: str = ""

    def __str__(self):
        words = [f"{self.phase:8} {self.kind:5} seed={self.seed:<10} {self.point:18} "
                 f"unflushed kept {self.kept:4} lost {self.lost:4}  reported {self.reported:5} "
                 f"verified {self.verified:5}  {'FAILED' if self.problem else 'ok'}"]
        return "\n".join([*words, *(f"    {line}" for line in self.problem.splitlines())])


def suffix(kind):
    return ".vhdx" if kind == "vhdx" else ".raw"
