"""CMA-ES wastes no trial when several run at once, and begins where CMA-ES begins."""

from __future__ import annotations

import statistics
import warnings
from typing import Any

import pytest

from superparams.space.search_space import (
    Categories,
    ConditionalChoice,
    NumberRange,
    OrderedNumbers,
    SearchSpace,
)
from superparams.strategies import CMAES
from superparams.strategies.parallel_cmaes import numbers_of, parallel_cmaes, population_of

optuna = pytest.importorskip("optuna", reason="Optuna is not installed")
pytest.importorskip("cmaes", reason="cmaes is not installed")
pytestmark = pytest.mark.usefixtures("no_leaks")

NAMES = [f"x{n}" for n in range(5)]
TRIALS = 100


def n_generations(kind: type[Any], population: int, ahead: int) -> int:
    """How many generations a search of 100 trials comes to; outcomes are told `ahead` later."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = kind(seed=1, popsize=population, n_startup_trials=0)
    study = optuna.create_study(sampler=sampler)
    running: list[tuple[Any, float]] = []
    for _ in range(TRIALS):
        if len(running) == ahead:
            study.tell(*running.pop(0))
        trial = study.ask()
        x = [trial.suggest_float(name, -5.0, 5.0) for name in NAMES]
        running.append((trial, sum((one - at) ** 2 for at, one in enumerate(x))))
    return 1 + max(
        int(x)
        for trial in study.get_trials()
        for name, x in trial.system_attrs.items()
        if name.endswith(":generation")
    )


@pytest.mark.parametrize(("population", "ahead"), [(8, 8), (4, 8), (12, 8), (8, 1), (6, 16)])
def test_every_trial_counts_in_a_generation(population: int, ahead: int) -> None:
    distribution = optuna.distributions.FloatDistribution(-5.0, 5.0)
    base = optuna.samplers.CmaEsSampler
    kind = parallel_cmaes(base, dict.fromkeys(NAMES, distribution), population)
    n_whole = (TRIALS - ahead) // population
    assert n_whole <= n_generations(kind, population, ahead) <= n_whole + 2
    if ahead > 1:
        assert n_generations(base, population, ahead) < n_whole


@pytest.mark.thorough
def test_the_first_points_are_those_of_the_first_generation() -> None:
    """Before any outcome, they are near the middle, as the distribution begins."""
    space = SearchSpace(tuple(NumberRange(name, 0.0, 1.0) for name in NAMES))
    strategy = CMAES(minimize="y")
    shares: list[float] = []
    for seed in range(4):
        strategy.begin(space, seed)
        for trial in range(8):
            point = strategy.ask(trial)
            assert point is not None
            shares += [point[name] for name in NAMES]
    strategy.close()
    assert len(set(shares)) == len(shares)
    assert 0.14 < statistics.pstdev(shares) < 0.20, "a sixth of the range; random ones have 0.29"
    assert abs(statistics.fmean(shares) - 0.5) < 0.05


def test_numbers_that_every_point_has_are_searched() -> None:
    inner = NumberRange("kind.A.rate", 0.0, 1.0)
    dimensions = (
        NumberRange("rate", 0.0, 1.0),
        OrderedNumbers("width", (8, 16)),
        OrderedNumbers("alone", (8,)),
        Categories("name", 3),
        ConditionalChoice("kind", ("A", "B"), ((inner,), ())),
    )
    assert numbers_of(SearchSpace(dimensions)) == ["rate", "width"]


def test_the_population_grows_with_the_numbers() -> None:
    assert [population_of(n) for n in (0, 1, 5, 100)] == [4, 4, 6, 12]


def test_a_sampler_with_other_methods_is_taken_as_it_is() -> None:
    class Other:
        def _restore_optimizer(self) -> None: ...

    assert parallel_cmaes(Other, {}, 8) is Other
