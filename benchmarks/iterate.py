"""What it costs to import superparams, to iterate a space, and to take one setting by its index.

Each row is a ratio of medians within one run: of superparams to what one would write by hand.

    python benchmarks/iterate.py [--quick]
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from superparams import Experiment, search

ROOT = Path(__file__).resolve().parents[1]
Action = Callable[[], object]


class Hyperparams(Experiment):
    """A million settings."""

    epochs: int = search(range(100))
    batch_size: int = search([2**i for i in range(100)])
    learning_rate: float = search([i / 100 for i in range(100)])


class Huge(Experiment):
    """A million million settings."""

    epochs: int = search(range(10**4))
    batch_size: int = search(range(10**4))
    learning_rate: float = search([i / 10**4 for i in range(10**4)])


class Small(Experiment):
    """A thousand settings."""

    epochs: int = search(range(10))
    batch_size: int = search(range(10))
    learning_rate: float = search([i / 10 for i in range(10)])


@dataclasses.dataclass(kw_only=True)
class Plain:
    """The same fields without superparams."""

    epochs: int
    batch_size: int
    learning_rate: float


def seconds(action: Action) -> float:
    """How long an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def medians(ours: Action, theirs: Action, repeats: int) -> tuple[float, float]:
    """Median seconds of two actions that take turns, so that a slow moment meets both."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def iteration(settings: int = 10**6, repeats: int = 7) -> tuple[float, float]:
    """Seconds to iterate so many settings, and the same by hand."""
    epochs = range(settings // 10**4)
    space = Hyperparams(epochs=search(epochs))
    axes = (epochs, [2**i for i in range(100)], [i / 100 for i in range(100)])

    def ours() -> None:
        for _ in space:
            pass

    def by_hand() -> None:
        for e, b, rate in itertools.product(*axes):
            Plain(epochs=e, batch_size=b, learning_rate=rate)

    return medians(ours, by_hand, repeats)


def indexing(calls: int = 2000, repeats: int = 15) -> tuple[float, float]:
    """Seconds for ``space[i]`` among 10**12 settings, and among 10**3."""
    huge, small = Huge(), Small()

    def take(space: Experiment) -> Action:
        places = [i * len(space) // calls for i in range(calls)]

        def action() -> None:
            for place in places:
                space[place]

        return action

    of_huge, of_small = medians(take(huge), take(small), repeats)
    return of_huge / calls, of_small / calls


def importing(repeats: int = 15) -> tuple[float, float]:
    """Seconds of a Python that imports superparams, and of one that imports what it stands on."""
    with tempfile.TemporaryDirectory() as cache:
        # Compiled files must be kept, or each import would compile the package anew.
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment = {**kept, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": cache}

        def starting(statement: str) -> Action:
            command = [sys.executable, "-c", statement]
            return lambda: subprocess.run(command, env=environment, check=True)

        ours, base = starting("import superparams"), starting("import dataclasses, typing")
        ours(), base()
        return medians(ours, base, repeats)


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    rows = [
        ("all settings / product + dataclass", iteration(10**5 if quick else 10**6), 1.5),
        ("space[i], 10**12 / 10**3 settings", indexing(), 1.5),
        ("import superparams / dataclasses, typing", importing(7 if quick else 25), 1.5),
    ]
    print(f"{'':44}{'ours':>12}{'theirs':>12}{'ratio':>8}{'bar':>6}")
    for name, (ours, theirs), bar in rows:
        print(f"{name:44}{told(ours):>12}{told(theirs):>12}{ours / theirs:>8.2f}{bar:>6}")


def told(seconds: float) -> str:
    """Seconds in a unit that suits them."""
    unit, factor = next((u, f) for u, f in (("s", 1), ("ms", 1e3), ("us", 1e6)) if seconds * f >= 1)
    return f"{seconds * factor:.2f} {unit}"


if __name__ == "__main__":
    main()
