"""The experiment that `experiment init` writes."""

from __future__ import annotations

from typing import Final

__all__ = ["FILES", "NAME"]

NAME: Final = "example"

_EXAMPLE: Final = '''\
"""How close to pi do random points come? An example to change, copy, or delete.

    experiment example                      run all of it
    experiment example -n 2                 on two processes
    experiment example points=500 tries=0   other values than those below
    experiment results example              the table of results
"""

import math
import random

from superparams import Experiment, search, value


class Pi(Experiment):
    """How close to pi do random points come?"""

    # An axis: its points are combined with those of all other axes.
    points: int = search([100, 1_000, 10_000])
    """how many points are thrown (`experiment example --help` shows this)"""
    tries: int = search(range(4))
    # A constant. You can change it on the command line, too: radius=2
    radius: float = value(1.0)

    def run(self) -> dict[str, float]:
        """Runs one setting, in which each field has one value. Returns a row of the table."""
        # self.seed differs from setting to setting, and is the same when a setting runs again.
        rng = random.Random(self.seed)
        r = self.radius
        places = [(rng.uniform(-r, r), rng.uniform(-r, r)) for _ in range(self.points)]
        inside = sum(math.hypot(x, y) < r for x, y in places)
        pi = 4 * inside / self.points
        return {"pi": pi, "off": abs(pi - math.pi)}
'''

_MAIN: Final = '''\
"""Runs the experiments of this folder, from anywhere: python path/to/this/folder example"""

from superparams import entrypoint

entrypoint()
'''

FILES: Final = {f"{NAME}.py": _EXAMPLE, "__main__.py": _MAIN}
