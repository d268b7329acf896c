"""What steps and stoppers cost: how many steps and decisions there are a second.

    python benchmarks/steps.py [--quick]

The bars are 20,000 steps and 2,000 decisions a second, and 3 seconds for ASHA over 1,000 settings.
Each number is the median of several tries.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from superparams import Experiment, search
from superparams.strategies import ASHA, Median

BAR = 20_000  # steps a second
DECISIONS = 2_000  # a second
ASHA_SECONDS = 3.0


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


class Compared(Experiment):
    """Settings that do nothing but tell 27 steps, and that a stopper compares."""

    a: int = search(range(1_000))

    def run(self) -> Iterator[dict[str, Any]]:
        quality = self.a * 7919 % 1_000
        for n in range(27):
            yield {"epoch": n, "score": quality * (1 - 0.9 ** (n + 1))}


def seconds(space: Experiment, tries: int, stop: Any = None) -> float:
    """How long a run with two workers takes, the median of some tries."""
    taken: list[float] = []
    for _ in range(tries):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            space.run_all(2, engine="processes", stop=stop, results=folder, progress=False)
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
    asha = seconds(Compared(), tries, ASHA(maximize="score"))
    print(f"{'ASHA, 1,000 settings':30} {asha:12.2f} s        bar {ASHA_SECONDS:g} s")
    each = seconds(Compared(a=search(range(200))), tries, Median(minimize="epoch"))
    decided = 200 * 27 / max(1e-9, each - start)  # no setting is stopped: all epochs are equal
    print(f"{'a decision at every step':30} {decided:12,.0f} /s       bar {DECISIONS:,}")
    is_slow = any(rate < BAR for rate in rates.values())
    return int(is_slow or asha > ASHA_SECONDS or decided < DECISIONS)


if __name__ == "__main__":
    sys.exit(main())
