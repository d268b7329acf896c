"""Settings that do nothing, in a module that workers load at once.

It imports no package but superparams, so that no random generators are seeded for its settings.
"""

from __future__ import annotations

from superparams import Experiment, search


class Nothing(Experiment):
    """Settings that only return one number."""

    i: int = search(range(100_000))

    def run(self) -> dict[str, int]:
        return {"x": self.i}


def nothing(i: int) -> dict[str, int]:
    """The same as a function."""
    return {"i": i, "x": i}
