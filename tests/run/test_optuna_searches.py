"""Runs with strategies of Optuna: equal tables, see also `test_killed_searches`."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Params, Results, minimize, search
from superparams.strategies import ASHA, CMAES, NSGA2, TPE, Optuna
from superparams.strategies.optuna_strategies import SamplerStrategy
from tests.sweeps import sweep

pytest.importorskip("optuna", reason="Optuna is not installed")
pytestmark = pytest.mark.usefixtures("no_leaks")


class Adam(Params):
    rate: float = search(low=1e-5, high=1e-1, log=True)


class SGD(Params):
    momentum: float = search([0.1, 0.5, 0.9])


class Fit(Experiment):
    x: float = search(low=-2.0, high=2.0)
    y: float = search(low=0.0, high=1.0, step=0.1)
    optimizer: Adam | SGD = search([Adam(), SGD()])
    kind: str = search(["a", "b", "c"])
    fold: int = search(range(2), repeat=True)
    goal = minimize("loss")

    def run(self) -> dict[str, float]:
        time.sleep(random.SystemRandom().uniform(0, 0.004))
        if int(self.key, 16) % 13 == 0:
            raise ValueError("it diverged")
        sgd = 0.5 if isinstance(self.optimizer, SGD) else 0.0
        loss = (self.x - 0.3) ** 2 + self.y + sgd + (self.kind != "b") + self.fold * 0.01
        return {"loss": loss, "size": self.x}


class Curve(Fit):
    def run(self) -> Any:
        for epoch in range(1, 10):
            yield {"epoch": epoch, "loss": (self.x - 0.3) ** 2 + 1 / epoch}


STRATEGIES: list[SamplerStrategy] = [
    TPE(trials=24, startup=5),
    CMAES(trials=24, population=4),
    NSGA2(trials=24, population=6, minimize=["loss", "size"]),
    Optuna("RandomSampler", trials=24),
]


def table(found: Results) -> list[tuple[Any, ...]]:
    names = ("key", "status", "loss", "index", "n_steps", "stopped_by")
    return [tuple(row[name] for name in names) for row in found]


@sweep(1, "strategy", STRATEGIES, ids=lambda x: type(x).__name__)
def test_the_table_is_that_of_one_worker(strategy: Any, tmp_path: Path) -> None:
    alone = Fit().run_all(strategy=strategy, results=tmp_path / "1", progress=False)
    assert len(alone) > 30
    assert set(alone.counts) == {"done", "failed"}
    for name, options in {
        "2 processes": {"num_proc": 2},
        "4 threads": {"num_proc": 4, "engine": "threads"},
        "8 processes": {"num_proc": 8},
    }.items():
        found = Fit().run_all(**options, strategy=strategy, results=tmp_path / name, progress=False)
        assert table(found) == table(alone), name


def test_with_a_stopper(tmp_path: Path) -> None:
    options: dict[str, Any] = {"progress": False, "stop": ASHA()}
    strategy = TPE(trials=20, startup=5)
    alone = Curve().run_all(strategy=strategy, results=tmp_path / "1", **options)
    assert set(alone.counts) == {"done", "stopped"}
    for num_proc in (2, 4):
        results = tmp_path / f"{num_proc}"
        found = Curve().run_all(num_proc, strategy=strategy, results=results, **options)
        assert table(found) == table(alone)


def test_a_resumed_search_asks_for_the_last_trials_alone(tmp_path: Path) -> None:
    asked: list[int] = []

    class Counting(TPE):
        def ask(self, trial: int) -> Any:
            asked.append(trial)
            return super().ask(trial)

    def run(trials: int, folder: str) -> Results:
        strategy = Counting(trials=trials, startup=5)
        return Fit().run_all(strategy=strategy, results=tmp_path / folder, progress=False)

    unbroken = run(36, "unbroken")
    run(30, "resumed")
    asked.clear()
    assert table(run(36, "resumed")) == table(unbroken)
    assert min(asked) >= 20
    assert set(range(30, 36)) <= set(asked)
