"""Runs with strategies of Optuna: equal tables, also after kills of driver and helper."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Params, Results, minimize, search
from superparams.strategies import ASHA, CMAES, NSGA2, TPE, Optuna
from superparams.strategies.optuna_strategies import SamplerStrategy
from tests.runs import family, output, script, start
from tests.timing import wait_for

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


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda x: type(x).__name__)
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


SCRIPT = """
import random, time
from superparams import Experiment, Params, minimize, search
from superparams.strategies import CMAES, NSGA2, TPE

class Fit(Experiment):
    x: float = search(low=-2.0, high=2.0)
    width: int = search(low=1, high=512, log=True)
    kind: str = search(["a", "b", "c"])
    goal = minimize("loss")

    def run(self):
        with open("ran", "a") as file:
            file.write(self.key + "\\n")
        time.sleep(random.SystemRandom().uniform(0, 0.02))
        return {{"loss": (self.x - 0.3) ** 2 + abs(self.width - 64) / 99 + (self.kind != "b")}}

if __name__ == "__main__":
    strategy = {strategy}
    rows = Fit().run_all(2, strategy=strategy, progress=False)
    print([(row["key"], row["status"], row["loss"], row["index"]) for row in rows])
"""
SEARCHES = {
    "TPE": "TPE(trials=60, startup=6)",
    "CMAES": "CMAES(trials=60, population=5)",
    "NSGA2": "NSGA2(trials=60, population=8)",
}


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_driver_and_a_helper_that_are_killed(kind: str, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    text = SCRIPT.format(strategy=SEARCHES[kind])
    expected = output(whole, text)
    n_settings, lot = n_ran(whole), random.Random(kind)
    script(broken, text)
    for kill in range(2):
        driver = start(broken, "script.py", start_new_session=True)
        try:
            wait_for_settings(broken, 12 + kill * 14 + lot.randrange(5))
            for one in family(driver.pid):
                if any("optuna_helper" in word for word in one.cmdline()):
                    one.kill()
            wait_for_settings(broken, n_ran(broken) + 6)
        finally:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.communicate()
    assert output(broken, text) == expected
    # Two workers run again what they ran, and what they had not sent yet.
    assert n_ran(broken) <= n_settings + 2 * 2 * 2


def wait_for_settings(folder: Path, number: int) -> None:
    wait_for(lambda: n_ran(folder) >= number)


def n_ran(folder: Path) -> int:
    file = folder / "ran"
    return len(file.read_text().splitlines()) if file.exists() else 0


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
