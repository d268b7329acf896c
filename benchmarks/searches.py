"""What a search costs beside its settings: `python benchmarks/searches.py [--quick]`.

Each row is a ratio to the least that the same work takes, or a time, and the bar that it must stay
under. The sides of a ratio are measured in turn, so a busy machine slows both.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import superparams.run.loop  # noqa: F401  # imports are counted on no side
from superparams import Experiment, minimize, search
from superparams.strategies import Random


class Drawn(Experiment):
    """Settings that do nothing, of a space with ranges."""

    x: float = search(low=-2.0, high=2.0)
    y: float = search(low=1e-4, high=1.0, log=True)
    kind: str = search(["a", "b", "c"])
    goal = minimize("loss")

    def run(self) -> dict[str, float]:
        return {"loss": self.x**2 + self.y}


class Grid(Drawn):
    """The same settings, of a grid."""

    x: float = search([place / 25 for place in range(100)])
    y: float = search([place / 100 for place in range(34)])


def seconds(space: Experiment, num_proc: int, **options: Any) -> float:
    """The time of a run into an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        space.run_all(num_proc, results=folder, progress=False, **options)
        return time.perf_counter() - begun


def random_to_grid(num_proc: int, tries: int, n: int = 10_200) -> tuple[float, float]:
    """Seconds of n random trials that do nothing, and of as many settings of a grid; medians."""
    grid = Grid(y=search([place / 100 for place in range(n // 300)]))
    sides: dict[str, Callable[[], float]] = {
        "random": lambda: seconds(Drawn(), num_proc, strategy=Random(trials=n)),
        "grid": lambda: seconds(grid, num_proc),
    }
    took: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(tries + 1):
        for name, run in sides.items():
            took[name].append(run())
    random, grid_seconds = (statistics.median(one[1:]) for one in took.values())
    return random, grid_seconds


def main(*, is_quick: bool) -> None:
    """Print a table of all measurements."""
    for num_proc in (1, 2):
        ours, theirs = random_to_grid(num_proc, 3 if is_quick else 9)
        what = f"10,200 random trials to a grid, num_proc={num_proc}"
        print(f"{what:52} {ours:.3f} s / {theirs:.3f} s = {ours / theirs:.2f}  (bar: 1.5)")


if __name__ == "__main__":
    main(is_quick="--quick" in sys.argv)
