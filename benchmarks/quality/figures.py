"""What all searches came to: regrets relative to random's, tests, and runs that were saved."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.quality.problems import HPOLIB
from benchmarks.quality.searches import ALONE

LEVEL = 0.05  # of the test whether a strategy is worse than random search
DRAWS = 2000  # of seeds, for the interval of a ratio
Regrets = Mapping[tuple[str, str], Sequence[float]]  # by problem and method, a number for each seed


@dataclass(frozen=True)
class Figures:
    """What one strategy came to.

    Attributes:
        strategy: Its name.
        n_problems: On how many problems it was tried.
        relative: The mean of its regrets, relative to random's.
        alone: The same of the sampler alone.
        ratio: `relative` to `alone`: 1 if the proposals that run at once cost nothing.
        low: The ratio of the 5th of 100 draws of seeds.
        high: The same of the 95th.
        geometric: The ratio of geometric means, which the worst problems do not decide.
        worse: Problems on which it is significantly worse than random search.
        saved: The share of trials on HPOLib that cost no run; None if it was not tried there.
    """

    strategy: str
    n_problems: int
    relative: float
    alone: float
    ratio: float
    low: float
    high: float
    geometric: float
    worse: Sequence[str]
    saved: float | None


def figures(rows: Iterable[Mapping[str, Any]]) -> list[Figures]:
    """Of each strategy.

    Args:
        rows: Have ``problem``, ``method``, ``instance``, ``trials``, ``regret`` and ``runs``.
    """
    ordered = sorted(rows, key=lambda row: int(row["instance"]))
    regrets: dict[tuple[str, str], list[float]] = {}
    for row in ordered:
        regrets.setdefault((row["problem"], row["method"]), []).append(float(row["regret"]))
    return [
        figures_of(strategy, alone, regrets, saved(strategy, ordered))
        for strategy, alone in ALONE.items()
        if any(method == strategy for _, method in regrets)
    ]


def figures_of(strategy: str, alone: str, regrets: Regrets, share: float | None) -> Figures:
    problems = [problem for problem, method in regrets if method == strategy]
    n_seeds = len(regrets[problems[0], strategy])
    ours, theirs = (relative(one, problems, regrets) for one in (strategy, alone))
    low, high = interval(strategy, alone, problems, regrets, n_seeds)
    return Figures(
        strategy,
        len(problems),
        statistics.fmean(ours),
        statistics.fmean(theirs),
        statistics.fmean(ours) / statistics.fmean(theirs),
        low,
        high,
        geometric_mean(ours) / geometric_mean(theirs),
        [one for one in problems if is_worse(regrets[one, strategy], regrets[one, "Random"])],
        share,
    )


def relative(
    method: str, problems: Sequence[str], regrets: Regrets, seeds: Sequence[int] | None = None
) -> list[float]:
    """The mean regret on each problem, relative to random's."""

    def mean(problem: str, method: str) -> float:
        every = regrets[problem, method]
        return statistics.fmean(every if seeds is None else [every[seed] for seed in seeds])

    return [mean(problem, method) / mean(problem, "Random") for problem in problems]


def geometric_mean(shares: Sequence[float]) -> float:
    """A problem that was solved for every seed counts as a millionth of random's regret."""
    return math.exp(statistics.fmean(math.log(max(share, 1e-6)) for share in shares))


def interval(
    strategy: str, alone: str, problems: Sequence[str], regrets: Regrets, n_seeds: int
) -> tuple[float, float]:
    """Where nine of ten ratios are if seeds are drawn anew."""
    generator = random.Random(0)
    ratios: list[float] = []
    for _ in range(DRAWS):
        seeds = generator.choices(range(n_seeds), k=n_seeds)
        ours, theirs = (
            statistics.fmean(relative(one, problems, regrets, seeds)) for one in (strategy, alone)
        )
        ratios.append(ours / theirs)
    ratios.sort()
    return ratios[DRAWS // 20], ratios[-DRAWS // 20]


def is_worse(regrets: Sequence[float], of_random: Sequence[float]) -> bool:
    """Whether regrets are significantly larger than random's, seed by seed: Wilcoxon's test."""
    from scipy.stats import wilcoxon

    if all(one == other for one, other in zip(regrets, of_random, strict=True)):
        return False
    return bool(wilcoxon(regrets, of_random, alternative="greater").pvalue < LEVEL)


def saved(strategy: str, rows: Iterable[Mapping[str, Any]]) -> float | None:
    """The share of trials that cost no run, on tables."""
    of_tables = [row for row in rows if row["method"] == strategy and row["problem"] in HPOLIB]
    if not of_tables:
        return None
    return 1 - sum(row["runs"] for row in of_tables) / sum(row["trials"] for row in of_tables)
