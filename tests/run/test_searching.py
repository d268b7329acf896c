"""Runs with a strategy: the same table for any number of workers, and after any kill."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Params, Results, maximize, minimize, search
from superparams.errors import EngineError, RunError, SettingFailed, StrategyError
from superparams.store.ledger.reader import read
from superparams.strategies import ASHA, Evolution, Median, Random, Sobol, TrialOutcome
from superparams.strategies.strategy import GoalStrategy
from tests.runs import output, script, start
from tests.sweeps import sweep
from tests.timing import wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")


class Adam(Params):
    rate: float = search(low=1e-5, high=1e-1, log=True)


class SGD(Params):
    momentum: float = search([0.1, 0.5, 0.9])


def loss_of(fit: Any) -> float:
    sgd = 0.5 if isinstance(fit.optimizer, SGD) else 0.0
    return float((fit.x - 0.3) ** 2 + sgd + fit.seed_of_data * 0.01)


class Fit(Experiment):
    x: float = search(low=-2.0, high=2.0)
    optimizer: Adam | SGD = search([Adam(), SGD()])
    seed_of_data: int = search(range(2), repeat=True)
    goal = minimize("loss")

    def run(self) -> dict[str, float]:
        time.sleep(random.SystemRandom().uniform(0, 0.004))
        if int(self.key, 16) % 13 == 0:
            raise ValueError("it diverged")
        return {"loss": loss_of(self)}


class AsyncFit(Fit):
    async def run(self) -> Any:  # type: ignore[override]
        await asyncio.sleep(random.SystemRandom().uniform(0, 0.004))
        if int(self.key, 16) % 13 == 0:
            raise ValueError("it diverged")
        return {"loss": loss_of(self)}


class Curve(Fit):
    def run(self) -> Iterator[dict[str, float]]:  # type: ignore[override]
        for epoch in range(1, 10):
            time.sleep(random.SystemRandom().uniform(0, 0.001))
            yield {"epoch": epoch, "loss": loss_of(self) + 1 / epoch}


@dataclass(kw_only=True, repr=False)
class Cautious(GoalStrategy):
    """It depends on all that it was told, and on the order of that."""

    def begin(self, space: Any, seed: int) -> None:
        self.space, self.state = space, f"{seed}"

    def ask(self, trial: int) -> Any:
        generator = random.Random(f"{self.state} {trial}")
        return self.space.made(lambda one: one.at(generator.getrandbits(64)))

    def tell(self, trial: int, outcome: TrialOutcome) -> None:
        self.state += f" {trial} {outcome.score!r} {outcome.status}"


class Plain:
    """The shortest strategy: three methods, and the options that it wants."""

    trials = 12

    def begin(self, space: Any, seed: int) -> None:
        self.space, self.n_told = space, 0

    def ask(self, trial: int) -> Any:
        generator = random.Random(trial * 1000 + self.n_told)
        return self.space.made(lambda one: one.at(generator.getrandbits(64)))

    def tell(self, trial: int, outcome: TrialOutcome) -> None:
        self.n_told += 1


def table(found: Results) -> list[tuple[Any, ...]]:
    names = ("key", "status", "loss", "index", "n_steps", "stopped_by")
    return [tuple(row[name] for name in names) for row in found]


def n_runs(found: Results) -> int:
    return len(list((found.root / "runs").iterdir()))


WAYS: dict[str, tuple[type[Fit], dict[str, Any]]] = {
    "4 threads": (Fit, {"num_proc": 4, "engine": "threads"}),
    "2 processes": (Fit, {"num_proc": 2}),
    "8 processes": (Fit, {"num_proc": 8}),
    "8 tasks": (AsyncFit, {"num_proc": 8}),
}
STRATEGIES = [
    Evolution(trials=25, population=6),
    Cautious(trials=25, seed=4),
    Random(trials=25, target=-1.0),
    Random(trials=25),
    Sobol(trials=25),
]


@sweep(2, "strategy", STRATEGIES, ids=str)
def test_the_table_is_that_of_one_worker(strategy: Any, tmp_path: Path) -> None:
    alone = Fit().run_all(strategy=strategy, results=tmp_path / "1", progress=False)
    assert len(alone) > 40  # some were proposed twice
    assert set(alone.counts) == {"done", "failed"}
    for name, (cls, options) in WAYS.items():
        found = cls().run_all(**options, strategy=strategy, results=tmp_path / name, progress=False)
        assert table(found) == table(alone), name


def test_the_table_of_an_executor_is_the_same(tmp_path: Path) -> None:
    strategy = Cautious(trials=15)
    alone = Fit().run_all(strategy=strategy, results=tmp_path / "1", progress=False)
    with ProcessPoolExecutor(2) as pool:
        options: dict[str, Any] = {"engine": pool, "results": tmp_path / "2", "progress": False}
        found = Fit().run_all(2, strategy=strategy, **options)
    assert table(found) == table(alone)


@pytest.mark.parametrize("stopper", [ASHA(reduction_factor=2), Median(min_settings=3)], ids=str)
def test_the_table_with_a_stopper_is_that_of_one_worker(stopper: Any, tmp_path: Path) -> None:
    strategy = Cautious(trials=25)
    options: dict[str, Any] = {"strategy": strategy, "stop": stopper, "progress": False}
    alone = Curve().run_all(**options, results=tmp_path / "1")
    assert set(alone.counts) == {"done", "stopped"}
    for num_proc, engine in ((4, "threads"), (2, "processes"), (8, "processes")):
        more = {**options, "engine": engine, "results": tmp_path / f"{num_proc}"}
        assert table(Curve().run_all(num_proc, **more)) == table(alone), (num_proc, engine)
    again = Curve().run_all(2, **options, results=tmp_path / "2")
    assert table(again) == table(alone)
    assert n_runs(again) == 1


def test_any_object_with_the_three_methods_is_a_strategy(tmp_path: Path) -> None:
    alone = Fit().run_all(strategy=Plain(), results=tmp_path / "1", progress=False)
    assert len(alone) == 24
    found = Fit().run_all(4, strategy=Plain(), results=tmp_path / "2", progress=False)
    assert table(found) == table(alone)
    again = Fit().run_all(4, strategy=Plain(), results=tmp_path / "2", progress=False)
    assert (n_runs(again), table(again)) == (1, table(alone))


def test_a_search_that_is_over_replays_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    options: dict[str, Any] = {"results": tmp_path, "progress": False}
    first = Fit().run_all(2, strategy=Evolution(trials=15), **options)
    again = Fit().run_all(4, strategy=Evolution(trials=15), **options)
    assert table(again) == table(first)
    assert n_runs(again) == 1
    more = Fit().run_all(2, strategy=Evolution(trials=30), **options)
    whole = Fit().run_all(strategy=Evolution(trials=30), results=tmp_path / "w", progress=False)
    assert table(more) == table(whole)
    assert table(more)[: len(first)] == table(first)
    assert n_runs(more) == 2


class WithTrials(Plain):
    """A strategy of one's own, whose budget is an attribute."""

    def __init__(self, trials: int) -> None:
        self.trials = trials  # type: ignore[misc]


@dataclass
class WithFields(Plain):
    """The same as a dataclass: its repr has the budget."""

    trials: int  # type: ignore[misc]


class WithRepr(WithTrials):
    """A repr that cannot do without the number."""

    def __repr__(self) -> str:
        return f"WithRepr with {self.trials:,} trials"


@pytest.mark.parametrize("kind", [WithTrials, WithFields])
def test_a_larger_budget_of_a_strategy_of_ones_own_goes_on(tmp_path: Path, kind: Any) -> None:
    """As another search, it would try a random point after 20 that cost no run."""

    class Line(Experiment):
        x: float = search(low=-2.0, high=2.0)
        goal = minimize("loss")

        def run(self) -> dict[str, float]:
            return {"loss": abs(self.x)}

    first = Line().run_all(2, strategy=kind(24), results=tmp_path, progress=False)
    keys = [row["key"] for row in first]
    more = Line().run_all(2, strategy=kind(30), results=tmp_path, progress=False)
    whole = Line().run_all(strategy=kind(30), results=tmp_path / "whole", progress=False)
    assert [row["key"] for row in more] == [row["key"] for row in whole]
    assert [row["key"] for row in more][: len(keys)] == keys


def test_a_repr_that_needs_the_budget_is_taken_as_it_is(tmp_path: Path) -> None:
    Fit().run_all(2, strategy=WithRepr(5), results=tmp_path, progress=False)
    again = Fit().run_all(2, strategy=WithRepr(5), results=tmp_path, progress=False)
    assert n_runs(again) == 1


def test_random_trials_are_a_sample(tmp_path: Path) -> None:
    found = Fit().run_all(2, strategy=Random(trials=20, seed=7), results=tmp_path, progress=False)
    keys = [setting.key for setting in Fit().sample(20, seed=7)]
    assert [row["key"] for row in found] == keys
    again = Fit().sample(20, seed=7).run_all(results=tmp_path, progress=False)
    assert len(again) == len(found)


def test_what_is_done_already_costs_no_run(tmp_path: Path) -> None:
    class Small(Experiment):
        a: int = search(range(6))
        b: str = search(["p", "q"])
        goal = minimize("loss")

        def run(self) -> dict[str, int]:
            return {"loss": abs(self.a - 4)}

    options: dict[str, Any] = {"results": tmp_path, "progress": False}
    Small().run_all(**options)
    found = Small().run_all(2, strategy=Evolution(trials=40), **options)
    assert n_runs(found) == 1
    best = found.best()
    assert best is not None
    assert best["loss"] == 0
    fresh = Small().run_all(
        2, strategy=Evolution(trials=100), results=tmp_path / "f", progress=False
    )
    assert len(fresh) == 12  # each point once, however often it was proposed
    wider = Small(a=search(range(7))).run_all(2, strategy=Evolution(trials=60), **options)
    assert len(wider) == 14
    assert n_runs(wider) == 2
    assert len(wider.where(a=6)) == 2


def test_points_to_try_first(tmp_path: Path) -> None:
    setting = Fit().sample(1, seed=99)[0].replace(x=0.25)
    point = {"x": 0.5, "optimizer": SGD(momentum=0.9)}
    strategy = Evolution(trials=5, enqueue=[setting, point])
    found = Fit().run_all(2, strategy=strategy, results=tmp_path, progress=False)
    assert [row["x"] for row in found][:4] == [0.25, 0.25, 0.5, 0.5]
    assert len(found) == 10
    for wrong, error in (
        ({"x": 9.0, "optimizer": SGD(momentum=0.9)}, r"enqueue: .* is no point to try"),
        ({"x": 0.5}, r"enqueue: .* is no point to try: it leaves axes open"),
        (3, r"enqueue: 3 is no point to try"),
    ):
        with pytest.raises(StrategyError, match=error):
            Fit().run_all(strategy=Evolution(trials=5, enqueue=[wrong]), results=tmp_path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"only": "failed"}, RunError, r"only='failed' cannot be used with strategy=Evolution\("),
        ({"num_proc": 9}, EngineError, r"give Evolution\(ahead=9\), or num_proc=8"),
        ({"strategy": Evolution()}, StrategyError, r"would never end: .* Evolution\(trials=100\)"),
        ({"strategy": Evolution}, RunError, r"give an instance, Evolution\(trials=100\)"),
        ({"strategy": "tpe"}, RunError, "give a strategy of superparams.strategies"),
    ],
)
def test_refusals(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Fit().run_all(**{"strategy": Evolution(trials=9), **options})


class OnlyThree(Evolution):
    def ask(self, trial: int) -> Any:
        return super().ask(trial) if trial < 3 else None


@pytest.mark.parametrize("size", [10**6, 10**6 + 1, 10**18])
def test_a_space_of_more_than_a_million_points_needs_a_budget(size: int, tmp_path: Path) -> None:
    class Wide(Experiment):
        x: int = search(low=1, high=size)
        goal = minimize("y")

        def run(self) -> dict[str, int]:
            return {"y": self.x}

    def n_found(**budget: int) -> int:
        return len(Wide().run_all(strategy=OnlyThree(**budget), results=tmp_path, progress=False))

    if size <= 10**6:
        assert n_found() == 3
    else:
        with pytest.raises(StrategyError, match=rf"would end after {size:,} trials: give it a bud"):
            n_found()
    assert n_found(trials=10) == 3


def test_a_search_needs_a_goal_and_an_axis(tmp_path: Path) -> None:
    class NoGoal(Experiment):
        x: float = search(low=0.0, high=1.0)

        def run(self) -> dict[str, float]:
            return {"y": self.x}

    with pytest.raises(StrategyError, match=r"NoGoal has no goal: give Evolution\(maximize="):
        NoGoal().run_all(strategy=Evolution(trials=9))
    with pytest.raises(StrategyError, match='set maximize = "accuracy" in Plain'):
        NoGoal().run_all(strategy=Plain())
    with pytest.raises(RunError, match="NoGoal has no open axis"):
        NoGoal(x=0.5).run_all(strategy=Evolution(trials=9))

    class Repeated(NoGoal):
        seed: int = search(range(2), repeat=True)

    for settings in (Repeated().sample(3), Repeated(x=search([0.1, 0.2]))[0:3]):
        with pytest.raises(RunError, match=r"take the repetitions of Repeated\.seed apart"):
            settings.run_all(strategy=Evolution(maximize="y", trials=9))
    found = NoGoal().run_all(
        strategy=Evolution(maximize="z", trials=3), results=tmp_path, progress=False
    )
    assert "no setting has a number as its result 'z'" in found.notes[-1]
    assert len(NoGoal().run_all(strategy=Random(trials=3), results=tmp_path, progress=False)) == 3


def test_budgets(tmp_path: Path) -> None:
    for budget in ({"target": 0.5}, {"patience": 6}):
        strategy = Cautious(**budget)
        alone = Fit().run_all(strategy=strategy, results=tmp_path / "1", progress=False)
        found = Fit().run_all(4, strategy=strategy, results=tmp_path / "4", progress=False)
        assert table(found) == table(alone)
        assert 0 < len(found) < 2000


@pytest.mark.timed
def test_a_budget_of_seconds(tmp_path: Path) -> None:
    """It counts from the start of the run: on a computer that stands still, no trial may begin."""
    since = time.monotonic()
    options: dict[str, Any] = {"results": tmp_path, "progress": False}
    timed = Fit().run_all(2, strategy=Cautious(seconds=1.5), **options)
    assert time.monotonic() - since >= 1.5
    assert len(timed) >= 16
    again = Fit().run_all(2, strategy=Cautious(seconds=1.5), **options)
    assert table(again) == table(timed)
    manifest = json.loads((timed.root / "runs" / timed.runs[0] / "run.json").read_text())
    assert manifest["search"]["is_reproducible"] is False


def test_a_replay_that_differs_goes_on_as_a_new_search(tmp_path: Path) -> None:
    class Unseeded(Cautious):
        shift = 0

        def ask(self, trial: int) -> Any:
            return super().ask(trial + (self.shift if trial >= 5 else 0))

    options: dict[str, Any] = {"results": tmp_path, "progress": False}
    first = Fit().run_all(2, strategy=Unseeded(trials=10), **options)
    Unseeded.shift = 1000
    second = Fit().run_all(2, strategy=Unseeded(trials=12), **options)
    (note,) = [one for one in second.notes if "a different point" in one]
    assert note.startswith(
        "trial 5 of this search is now a different point than when it ran: Unseeded"
    )
    assert len(second) == 24
    every = Fit.results(tmp_path)
    assert {row["key"] for row in first} <= {row["key"] for row in every}
    third = Fit().run_all(4, strategy=Unseeded(trials=12), **options)
    assert table(third) == table(second)
    assert not [one for one in third.notes if "a different point" in one]
    assert n_runs(third) == 2


def test_a_strategy_that_raises_loses_nothing(tmp_path: Path) -> None:
    class Broken(Cautious):
        is_broken = True

        def ask(self, trial: int) -> Any:
            if trial == 11 and self.is_broken:
                raise ZeroDivisionError("no variance")
            return super().ask(trial)

    options: dict[str, Any] = {"results": tmp_path, "progress": False}
    with pytest.raises(StrategyError, match=r"Broken raised an error in ask\(\) at trial 11: Zero"):
        Fit().run_all(2, strategy=Broken(trials=20), **options)
    n_before = len(Fit.results(tmp_path))
    assert n_before >= 8
    Broken.is_broken = False
    found = Fit().run_all(2, strategy=Broken(trials=20), **options)
    whole = Fit().run_all(strategy=Broken(trials=20), results=tmp_path / "w", progress=False)
    assert table(found) == table(whole)
    with pytest.raises(SettingFailed):
        Fit().run_all(strategy=Cautious(trials=40, seed=9), on_error="raise", **options)


SEARCH = """
import json, os, random, sys, time
from superparams import Experiment, search, minimize
from superparams.strategies import Evolution

class Fit(Experiment):
    x: float = search(low=-2.0, high=2.0)
    kind: str = search(["a", "b", "c"])
    goal = minimize("loss")

    def run(self):
        time.sleep(random.SystemRandom().uniform(0, 0.03))
        if int(self.key, 16) % 19 == 0:
            os.abort()
        return {"loss": (self.x - 0.3) ** 2 + (self.kind != "b")}

if __name__ == "__main__":
    found = Fit().run_all(4, strategy=Evolution(trials=200), progress=False)
    rows = [[row["key"], row["status"], row["loss"], row["index"]] for row in found]
    print(json.dumps(rows))
"""


@pytest.mark.thorough
def test_a_driver_that_is_killed_again_and_again(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        script(folder, SEARCH)
    expected = json.loads(output(whole, SEARCH))
    assert len(expected) > 150  # some points were proposed twice
    assert {row[1] for row in expected} == {"done", "killed"}
    moments, n_kills, n_before = random.Random(5), 0, 0
    while n_before < len(expected) - 10 and n_kills < 12:
        wanted = min(len(expected) - 10, n_before + moments.randint(5, 30))
        driver = start(killed, "script.py", start_new_session=True)
        try:
            wait_for(lambda n=wanted, d=driver: n_rows(killed) >= n or d.poll() is not None)
        finally:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.communicate()
        n_kills, n_before = n_kills + 1, n_rows(killed)
    assert n_kills >= 6
    assert json.loads(output(killed, SEARCH)) == expected
    assert n_rows(killed) == len(expected)  # nothing that was recorded ran again


def n_rows(folder: Path) -> int:
    """How many outcomes are in the ledgers."""
    ledgers = folder.glob("results/*/runs/*/ledger")
    return sum(batch.num_rows for one in ledgers for batch in read(one, growing=True))


CHANGED = """
from superparams import Experiment, search, minimize
from superparams.strategies import Evolution

class Fit(Experiment):
    x: float = search(low=-2.0, high=2.0)
    goal = minimize("loss")

    def run(self):
        return {{"loss": abs(self.x - {best})}}

if __name__ == "__main__":
    found = Fit().run_all(2, strategy=Evolution(trials=25, population=5), progress=False)
    print(len(found), len(found.runs), round(sum(row["x"] for row in found), 9))
"""


def test_changed_code_starts_again(tmp_path: Path) -> None:
    first = output(tmp_path, CHANGED.format(best=0.5))
    assert first.startswith("25 1 ")
    second = output(tmp_path, CHANGED.format(best=-1.5))
    assert second.startswith("25 ")
    assert second.split()[2] != first.split()[2]
    assert output(tmp_path, CHANGED.format(best=0.5)).split()[2] == first.split()[2]


def test_outcomes_may_be_told_as_they_come(tmp_path: Path) -> None:
    options: dict[str, Any] = {"results": tmp_path, "progress": False}
    strategy = Cautious(trials=30, order="arrival")
    first = Fit().run_all(4, strategy=strategy, **options)
    again = Fit().run_all(2, strategy=strategy, **options)
    assert table(again) == table(first)
    assert n_runs(again) == 1
    more = Fit().run_all(4, strategy=Cautious(trials=40, order="arrival"), **options)
    assert table(more)[: len(first)] == table(first)
    assert not [note for note in more.notes if "a different point" in note]


class Fails(Experiment):
    w: float = search(low=0.0, high=1.0)
    after: int = 2
    goal = maximize("acc")

    def run(self) -> Any:
        for n in range(10):
            if n == self.after and int(self.key, 16) % 2:
                raise ValueError(f"fails after {n} steps")
            yield {"acc": self.w * (n + 1)}


@pytest.mark.parametrize("after", [0, 1, 2, 5])
def test_a_resumed_search_knows_the_settings_that_failed_for_its_stopper(
    after: int, tmp_path: Path
) -> None:
    def rows(folder: str, trials: int) -> list[Any]:
        strategy = Random(trials=trials, patience=1000)
        found = Fails(after=after).run_all(
            strategy=strategy, stop=ASHA(), results=tmp_path / folder, progress=False
        )
        return [(row["w"], row["status"], row["n_steps"]) for row in found]

    whole = rows("whole", 24)
    assert {"failed", "stopped"} <= {status for _, status, _ in whole}
    rows("parts", 10)
    assert rows("parts", 24) == whole


class Odd(Experiment):
    a: int = search([1, 2, 3, 4])
    odd: Any = "n/a"
    goal = maximize("acc")

    def run(self) -> dict[str, Any]:
        return {"acc": self.odd if self.a == 1 else 5.0 * self.a}


class Tells:
    trials = 4

    def begin(self, space: Any, seed: int) -> None:
        self.scores: list[float] = []

    def ask(self, trial: int) -> dict[str, Any]:
        return {"a": trial}

    def tell(self, trial: int, outcome: Any) -> None:
        self.scores.append(outcome.score)


@pytest.mark.parametrize("odd", ["n/a", 2**70, True], ids=["text", "huge", "bool"])
def test_known_answers_are_those_of_a_run(odd: Any, tmp_path: Path) -> None:
    """Also where a column has values of several types; and the best row is that of a number."""
    fresh, known = Tells(), Tells()
    found = Odd(odd=odd).run_all(strategy=fresh, results=tmp_path / "fresh", progress=False)
    Odd(odd=odd).run_all(results=tmp_path / "grid", progress=False)
    Odd(odd=odd).run_all(strategy=known, results=tmp_path / "grid", progress=False)
    assert known.scores == fresh.scores
    assert fresh.scores[1:] == [10.0, 15.0, 20.0]
    assert found.best()["a"] == (1 if odd == 2**70 else 4)
    assert found.best("acc", "min")["a"] == (1 if odd is True else 2)


# -- `valid` ---------------------------------------------------------------------------------------


class Group(Params):
    width: int = search(range(1, 9))
    depth: int = search(range(1, 9))

    def valid(self) -> bool:
        return self.width < self.depth


class Partly(Experiment):
    """A low rate runs with the first seed alone."""

    group: Group = Group()
    rate: float = search(low=0.0, high=1.0)
    seed_of_data: int = search(range(3), repeat=True)
    goal = minimize("loss")

    def valid(self) -> bool:
        return self.rate > 0.3 or self.seed_of_data == 0

    def run(self) -> dict[str, float]:
        return {"loss": self.rate + self.seed_of_data / 100 + self.group.width}


@pytest.mark.parametrize(
    "strategy",
    [Random(trials=30), Random(trials=30, target=-1.0), Evolution(trials=30, population=8)],
    ids=["listed", "random", "evolution"],
)
def test_a_search_leaves_out_what_valid_refuses_and_goes_on(strategy: Any, tmp_path: Path) -> None:
    half = dataclasses.replace(strategy, trials=15)
    Partly().run_all(2, strategy=half, results=tmp_path / "two", progress=False)
    resumed = Partly().run_all(2, strategy=strategy, results=tmp_path / "two", progress=False)
    at_once = Partly().run_all(4, strategy=strategy, results=tmp_path / "one", progress=False)
    rows = [(x["group.width"], x["group.depth"], x["rate"], x["seed_of_data"]) for x in at_once]
    assert rows == [
        (x["group.width"], x["group.depth"], x["rate"], x["seed_of_data"]) for x in resumed
    ]
    assert all(width < depth for width, depth, _, _ in rows)
    seeds: dict[Any, set[int]] = {}
    for *point, seed in rows:
        seeds.setdefault(tuple(point), set()).add(seed)
    assert 24 < len(seeds) <= 30  # Evolution may try a point twice
    for (_, _, rate), found in seeds.items():
        assert found == ({0, 1, 2} if rate > 0.3 else {0})
    assert {len(found) for found in seeds.values()} == {1, 3}
    again = Partly().run_all(2, strategy=strategy, results=tmp_path / "two", progress=False)
    assert again.elapsed is None  # nothing ran


@pytest.mark.parametrize(
    "wrong", [{"group.width": 5, "group.depth": 2, "rate": 0.5}, {"seed_of_data": 1, "rate": 0.1}]
)
def test_a_point_to_try_that_valid_refuses_is_an_error(wrong: dict[str, Any]) -> None:
    if len(wrong) == 2:
        wrong = {**wrong, "group": Group(width=1, depth=2)}

    class Refused(Partly):
        def valid(self) -> bool:
            return self.rate > 0.3

    strategy = Evolution(trials=5, enqueue=[wrong])
    with pytest.raises(StrategyError, match=r"enqueue: .* valid\(\) refuses it"):
        Refused().run_all(strategy=strategy, progress=False)


# -- options of a strategy of one's own -----------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "wrong", "remedy"),
    [
        ("trials", "5", "a whole number, 1 or more, or None"),
        ("trials", 0, "a whole number"),
        ("trials", True, "a whole number"),
        ("patience", 2.5, "a whole number"),
        ("ahead", 0, "a whole number"),
        ("ahead", "x", "a whole number"),
        ("order", "x", '"index" or "arrival"'),
        ("order", ["index"], '"index" or "arrival"'),
        ("seed", "a", "an int, such as seed=0"),
        ("seconds", "1", "a number, 0 or more"),
        ("seconds", -1, "a number, 0 or more"),
        ("target", "z", "a number"),
        ("target", float("nan"), "a number"),
        ("maximize", 5, "the name of a result"),
        ("minimize", ["loss", 3], "the name of a result"),
        ("enqueue", 5, "a list of settings"),
        ("enqueue", "abc", "a list of settings"),
    ],
)
def test_wrong_options_of_any_strategy_are_refused(
    option: str, wrong: Any, remedy: str, tmp_path: Path
) -> None:
    strategy = Plain()
    setattr(strategy, option, wrong)
    with pytest.raises(StrategyError) as refused:
        Fit().run_all(strategy=strategy, results=tmp_path / "r", progress=False)
    assert str(refused.value).startswith(f"Plain.{option}={wrong!r}: give {remedy}")
    assert not (tmp_path / "r").exists()


def test_a_strategy_without_options_has_the_defaults(tmp_path: Path) -> None:
    nones = dict.fromkeys(["patience", "seconds", "target", "maximize", "order", "enqueue"])
    found = Fit().run_all(2, strategy=Plain(), results=tmp_path / "1", progress=False)
    other = Plain()
    vars(other).update(nones)
    again = Fit().run_all(2, strategy=other, results=tmp_path / "2", progress=False)
    assert found.column("x").to_pylist() == again.column("x").to_pylist()
    assert len(found) == 24


class Exact(Experiment):
    """The goal is a Decimal in some settings, and a float in others."""

    x: int = search(range(1, 13))
    goal = minimize("loss")

    def run(self) -> dict[str, Any]:
        return {"loss": Decimal(self.x) / 3 if self.x % 2 else self.x / 3}


@pytest.mark.parametrize("ran_before", [False, True])
def test_decimals_and_floats_are_one_goal_also_on_resume(ran_before: bool, tmp_path: Path) -> None:
    strategy = Evolution(trials=12, population=3)
    whole = Exact().run_all(strategy=strategy, results=tmp_path / "1", progress=False)
    if ran_before:
        Exact().run_all(results=tmp_path / "2", progress=False)
    else:
        half = Evolution(trials=6, population=3)
        Exact().run_all(strategy=half, results=tmp_path / "2", progress=False)
    found = Exact().run_all(strategy=strategy, results=tmp_path / "2", progress=False)
    assert {row["x"] for row in found} == {row["x"] for row in whole}
    assert found.best()["x"] == min(row["x"] for row in found)
    every = Exact().run_all(results=tmp_path / "3", progress=False)
    assert [row["x"] for row in every] == list(range(1, 13))
    assert every.best()["x"] == 1
    assert [row["x"] for row in every.where(loss=Decimal(5) / 3)] == [5]
    assert [row["x"] for row in every.where(loss=2 / 3)] == [2]
    assert "0.3333333333333333333333333333" in every.column("loss").to_pylist()
