"""What steps cost: how many a second two workers record, and what they cost beside no steps.

    python benchmarks/steps.py [--quick]

The bar is 20,000 steps a second. Each number is the median of several tries.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from superparams import Experiment, search

BAR = 20_000  # steps a second


class Long(Experiment):
    """Two settings of many steps."""

    a: int = search(range(2))
    n: int = 100_000

    def run(self) -> Iterator[dict[str, Any]]:
        for n in range(self.n):
            yield {"epoch": n, "loss": n * 0.5}


class Short(Experiment):
    """Many settings of a few steps."""

    a: int = search(range(10_000))

    def run(self) -> Iterator[dict[str, Any]]:
        for n in range(10):
            yield {"epoch": n, "loss": n * 0.5}


class Without(Experiment):
    """As many settings without steps."""

    a: int = search(range(10_000))

    def run(self) -> dict[str, Any]:
        return {"epoch": 9, "loss": 4.5}


def seconds(space: Experiment, tries: int) -> float:
    """How long a run with two workers takes, the median of some tries."""
    taken: list[float] = []
    for _ in range(tries):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            space.run_all(2, engine="processes", results=folder, progress=False)
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def main() -> int:
    """Print the rates, and say whether they hold the bar."""
    tries, n = (1, 20_000) if "--quick" in sys.argv else (5, 100_000)
    seconds(Long(n=1), 1)  # an interpreter that stays warm
    start = seconds(Long(n=1), tries)
    long, short = seconds(Long(n=n), tries), seconds(Short(), tries)
    without = seconds(Without(), tries)
    rates = {
        f"2 settings of {n:,} steps": 2 * n / max(1e-9, long - start),
        "10,000 settings of 10 steps": 100_000 / max(1e-9, short - start),
    }
    for what, rate in rates.items():
        print(f"{what:30} {rate:12,.0f} steps/s   bar {BAR:,}")
    print(f"{'10,000 settings without steps':30} {without:12.2f} s        with ten: {short:.2f} s")
    return int(any(rate < BAR for rate in rates.values()))


if __name__ == "__main__":
    sys.exit(main())
