"""What a search costs in addition to its settings: `python -m benchmarks.searches [--quick]`.

Each row is a ratio to the least that the same work takes, or a time, and the bar that it must stay
under. The sides of a ratio are measured in turn, so a busy machine slows both.
"""

from __future__ import annotations

import importlib
import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import superparams.run.loop  # noqa: F401  # imports are counted on no side
from benchmarks.drawn_space import Drawn
from superparams import Experiment, search
from superparams.strategies import TPE, Random
from superparams.strategies.strategy import GoalStrategy


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


def in_turn(tries: int, *sides: Callable[[], float]) -> list[float]:
    """The median of each side, measured in turn after a first time that does not count."""
    took: list[list[float]] = [[] for _ in sides]
    for _ in range(tries + 1):
        for one, side in zip(took, sides, strict=True):
            one.append(side())
    return [statistics.median(one[1:]) for one in took]


def random_to_grid(num_proc: int, tries: int, n: int = 10_200) -> list[float]:
    """Seconds of n random trials that do nothing, and of as many settings of a grid."""
    grid = Grid(y=search([place / 100 for place in range(n // 300)]))
    return in_turn(
        tries,
        lambda: seconds(Drawn(), num_proc, strategy=Random(trials=n)),
        lambda: seconds(grid, num_proc),
    )


def until_new(strategy: GoalStrategy, tries: int) -> float:
    """Seconds until the first new trial of a search that is resumed; it gets two more each time."""
    took: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        Drawn().run_all(2, strategy=strategy, results=folder, progress=False)
        for one in range(1, tries + 1):
            more = replace(strategy, trials=(strategy.trials or 0) + 2 * one)
            begun = time.time()
            found = Drawn().run_all(2, strategy=more, results=folder, progress=False)
            new = found.of_runs(max(found.runs))
            took.append(min(row["started"].timestamp() for row in new) - begun)
    return statistics.median(took)


def proposals_in_time(tries: int, n: int = 200) -> list[float]:
    """Seconds of n trials of 50 ms on two workers after the first 20, and what is ideal."""

    def tried() -> float:
        with tempfile.TemporaryDirectory() as folder:
            options: dict[str, Any] = {"results": folder, "progress": False}
            found = Drawn(seconds=0.05).run_all(2, strategy=TPE(trials=n + 20), **options)
            rows = [(row["started"].timestamp(), row["seconds"]) for row in found]
        rows = sorted(rows)[20:]
        return float(max(begun + took for begun, took in rows) - rows[0][0])

    return [statistics.median(tried() for _ in range(tries)), n * 0.05 / 2]


def quick_trials(tries: int, n: int = 100) -> list[float]:
    """Seconds of n trials of TPE that do nothing, here and in Optuna in memory."""
    optuna: Any = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def loss(trial: Any) -> float:
        x, y = trial.suggest_float("x", -2, 2), trial.suggest_float("y", 1e-4, 1, log=True)
        return float(x**2 + y + (trial.suggest_categorical("kind", ["a", "b", "c"]) != "b"))

    def theirs() -> float:
        begun = time.perf_counter()
        sampler = optuna.samplers.TPESampler(seed=0, multivariate=True)
        optuna.create_study(sampler=sampler).optimize(loss, n_trials=n)
        return time.perf_counter() - begun

    return in_turn(tries, lambda: seconds(Drawn(), 2, strategy=TPE(trials=n)), theirs)


def show(what: str, ours: float, theirs: float | None, bar: str) -> None:
    """Print a row."""
    ratio = "" if theirs is None else f" / {theirs:.3f} s = {ours / theirs:.2f}"
    print(f"{what:58} {ours:.3f} s{ratio}  (bar: {bar})")


def main(*, is_quick: bool) -> None:
    """Print a table of all measurements."""
    tries = 3 if is_quick else 9
    for num_proc in (1, 2):
        what = f"10,200 random trials, to a grid, num_proc={num_proc}"
        show(what, *random_to_grid(num_proc, tries), "1.5")
    what = "10,000 random trials resumed, until the first new one"
    show(what, until_new(Random(trials=10_000), tries), None, "0.3 s")
    if importlib.util.find_spec("optuna") is None:
        return
    what = "1,000 trials of TPE resumed, until the first new one"
    show(what, until_new(TPE(trials=300 if is_quick else 1000), tries), None, "2 s")
    what = "200 trials of TPE of 50 ms on two workers, to what is ideal"
    show(what, *proposals_in_time(1 if is_quick else 3), "1.05")
    what = "100 trials of TPE that do nothing, to Optuna in memory"
    show(what, *quick_trials(tries), "-")


if __name__ == "__main__":
    main(is_quick="--quick" in sys.argv)
