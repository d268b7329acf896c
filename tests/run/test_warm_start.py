"""A search that begins with what other runs of the same code have recorded."""

from __future__ import annotations

import json
import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Params, Results, minimize, search
from superparams.errors import StrategyError
from superparams.strategies import Evolution, Random, TrialOutcome
from superparams.strategies.strategy import GoalStrategy
from tests.runs import output, start
from tests.timing import wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")


class Adam(Params):
    rate: float = search(low=1e-5, high=1e-1, log=True)
    decay: float = 0.5


class SGD(Params):
    momentum: float = search([0.1, 0.5, 0.9])
    layers: tuple[int, ...] = search([(1, 2), (3, 4)])


class Fit(Experiment):
    x: float = search(low=-2.0, high=2.0)
    n: int = search(range(3))
    a: int = search([1, 2], zip="together")
    b: str = search(["p", "q"], zip="together")
    optimizer: Adam | SGD = search([Adam(), SGD()])
    seed: int = search(range(2), repeat=True)
    epochs: int = 3
    goal = minimize("loss")

    def run(self) -> dict[str, float]:
        if int(self.key, 16) % 7 == 0:
            raise ValueError("it diverged")
        return {"loss": self.x**2 + self.seed}


@dataclass(kw_only=True, repr=False)
class Listens(GoalStrategy):
    """It depends on all that it was told."""

    def begin(self, space: Any, seed: int) -> None:
        self.space, self.state = space, f"{seed}"
        self.before: list[tuple[int, TrialOutcome]] = []

    def ask(self, trial: int) -> Any:
        generator = random.Random(f"{self.state} {trial}")
        return self.space.made(lambda one: one.at(generator.getrandbits(64)))

    def tell(self, trial: int, outcome: TrialOutcome) -> None:
        self.state += f" {trial} {outcome.score!r} {outcome.status}"
        if trial < 0:
            self.before.append((trial, outcome))


def told(strategy: Listens) -> list[tuple[float, int, float]]:
    return [(one.point["x"], one.count, one.score) for _, one in strategy.before]


def hints(found: Results) -> list[str]:
    return [note for note in found.notes if "warm=True" in note]


def table(found: Results) -> list[Any]:
    return [(row["key"], row["status"], row["loss"], row["index"]) for row in found]


def test_it_is_told_each_point_with_its_repetitions_and_nothing_else(tmp_path: Path) -> None:
    options: dict[str, Any] = {"results": tmp_path, "progress": False}
    drawn = Fit().sample(12).run_all(**options)
    grid = Fit(x=search([0.5, 1.5]), optimizer=SGD()).run_all(**options)
    Fit(epochs=4).sample(5, seed=1).run_all(**options)  # other settings
    Fit(x=search([-9.0, 9.0]), optimizer=SGD(), n=1).run_all(**options)  # not of this space
    strategy = Listens(minimize="loss", trials=3, warm=True)
    found = Fit().run_all(strategy=strategy, **options)
    assert not hints(found)
    expected: dict[Any, list[float]] = {}
    for row in [*drawn, *grid]:
        if row["status"] == "done":
            names = ("x", "n", "a", "optimizer", "optimizer.rate", "optimizer.momentum")
            cells = (*(row[name] for name in names), str(row["optimizer.layers"]))
            expected.setdefault(cells, []).append(row["loss"])
    numbers = [trial for trial, _ in strategy.before]
    assert numbers == list(range(-len(expected), 0))
    means = sorted((x[0], len(y), round(-sum(y) / len(y), 9)) for x, y in expected.items())
    scores = [score for _, _, score in told(strategy)]
    assert scores == sorted(scores)  # the best one comes last
    assert sorted((x, n, round(y, 9)) for x, n, y in told(strategy)) == means
    for _, outcome in strategy.before:
        assert strategy.space.checked(outcome.point) == outcome.point
        assert outcome.point["n"] in range(3)
        alternative = ("Adam.rate",), ("SGD.momentum", "SGD.layers")
        inside = {f"optimizer.{name}" for name in alternative[outcome.point["optimizer"]]}
        assert inside <= set(outcome.point)
    assert len({row["index"] for row in found}) == len(found)  # what it was told is no trial
    assert len(found) == 6


def test_without_it_a_hint_says_that_there_is_something(tmp_path: Path) -> None:
    options: dict[str, Any] = {"results": tmp_path, "progress": False}
    assert not hints(Fit().run_all(strategy=Evolution(trials=2), **options))  # nothing is there
    assert not hints(Fit().run_all(strategy=Evolution(trials=4), **options))  # its own alone
    (hint,) = hints(Fit().run_all(strategy=Evolution(trials=4, seed=1), **options))
    assert "Evolution(warm=True) begins with their outcomes" in hint
    assert not hints(Fit().run_all(strategy=Random(trials=4, seed=2, patience=9), **options))
    assert not hints(Fit(epochs=7).run_all(strategy=Evolution(trials=2), **options))
    strategy = Listens(minimize="loss", trials=2)
    Fit().run_all(strategy=strategy, **options)
    assert not strategy.before
    with pytest.raises(StrategyError, match=r"Evolution\.warm=1: give True or False"):
        Evolution(trials=2, warm=1)  # type: ignore[arg-type]


def test_without_resume_it_is_told_nothing(tmp_path: Path) -> None:
    options: dict[str, Any] = {"results": tmp_path, "progress": False}
    Fit().sample(4).run_all(**options)
    strategy = Listens(minimize="loss", trials=2, warm=True)
    Fit().run_all(strategy=strategy, resume=False, **options)
    assert not strategy.before


def test_it_is_told_the_same_when_it_goes_on(tmp_path: Path) -> None:
    unbroken, parts = tmp_path / "unbroken", tmp_path / "parts"
    for folder in (unbroken, parts):
        Fit().sample(10).run_all(results=folder, progress=False)
    first = Listens(minimize="loss", trials=30, warm=True)
    expected = Fit().run_all(2, strategy=first, results=unbroken, progress=False)
    Fit().run_all(
        strategy=Listens(minimize="loss", trials=12, warm=True), results=parts, progress=False
    )
    Fit().sample(20, seed=5).run_all(results=parts, progress=False)  # newer rows
    second = Listens(minimize="loss", trials=30, warm=True)
    found = Fit().run_all(4, strategy=second, results=parts, progress=False)
    assert told(second) == told(first)
    assert table(found) == table(expected)
    assert not [note for note in found.notes if "a different point" in note]
    other = Listens(minimize="loss", trials=2, warm=True, seed=3)
    Fit().run_all(strategy=other, results=parts, progress=False)
    assert len(other.before) > len(second.before)


SCRIPT = """
import json, os, random, sys, time
from superparams import Experiment, search, minimize
from superparams.strategies import Evolution

class Fit(Experiment):
    x: float = search(low=-2.0, high=2.0)
    kind: str = search(["a", "b", "c"])
    goal = minimize("loss")

    def run(self):
        with open("begun", "a") as file:
            file.write(".")
        while os.path.exists("held") and os.path.getsize("begun") > os.path.getsize("held"):
            time.sleep(0.01)
        time.sleep(random.SystemRandom().uniform(0, 0.02))
        return {"loss": (self.x - 0.3) ** 2 + (self.kind != "b") + SHIFT}

if __name__ == "__main__":
    if sys.argv[1:]:
        Fit().sample(30, seed=int(sys.argv[1])).run_all(2, progress=False)
    else:
        strategy = Evolution(trials=60, population=8, warm=True)
        rows = Fit().run_all(2, strategy=strategy, progress=False)
        print(json.dumps([(row["key"], row["loss"], row["index"]) for row in rows]))
"""


def searches_of(folder: Path) -> list[dict[str, Any]]:
    manifests = sorted(folder.glob("results/*/runs/*/run.json"))
    found = [json.loads(one.read_text()).get("search") for one in manifests]
    return [one for one in found if one]


def n_trials(folder: Path) -> int:
    """How many trials the runs have noted."""
    files = folder.glob("results/*/runs/*/trials.jsonl")
    return sum(one.read_text().count("\n") for one in files)


def test_after_a_kill_it_is_told_what_is_pinned_and_nothing_newer(tmp_path: Path) -> None:
    text, whole, broken = SCRIPT.replace("SHIFT", "0"), tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        output(folder, text, "1")
    expected = output(whole, text)
    for seed in (2, 3):
        # After some more settings those that follow wait, so that it is killed before its end.
        (broken / "held").write_text("." * ((broken / "begun").stat().st_size + 16))
        driver = start(broken, "script.py", start_new_session=True)
        try:
            before = n_trials(broken)
            wait_for(lambda n=before, d=driver: n_trials(broken) > n + 8 or d.poll() is not None)
        finally:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.communicate()
            (broken / "held").unlink()
        output(broken, text, str(seed))  # a sample that is newer
    assert output(broken, text) == expected
    pins = [one["warm"] for one in searches_of(broken)]
    assert len(pins) == 3
    assert pins[0] == pins[1] == pins[2]
    assert len(pins[0]) == 30
    # By other code, no row counts: the search begins again, and is told what that code has made.
    changed = text.replace("+ 0}", "+ 1}")
    output(broken, changed, "7")
    output(broken, changed)
    last = searches_of(broken)[-1]["warm"]
    assert len(last) == 30
    assert all(answer[1] >= 1 for _, answers in last for answer in answers)
    assert last != pins[0]
