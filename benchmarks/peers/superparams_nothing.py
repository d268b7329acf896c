"""Settings that do nothing, in a file that imports superparams alone.

Workers load the file of an experiment, and random generators are seeded for the packages that it
imports, so the works of other tools are kept out of it.
"""

from __future__ import annotations

from superparams import Experiment, search


class Nothing(Experiment):
    """Settings that only return one number."""

    a: int = search(range(10))
    b: int = search(range(100))

    def run(self) -> dict[str, int]:
        return {"x": self.a * 100 + self.b}
