"""Strategies of Optuna, driven by hand: the same points again, whatever becomes of the helper."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from superparams.errors import StrategyError
from superparams.space.search_space import (
    Categories,
    ConditionalChoice,
    NumberRange,
    OrderedNumbers,
    SearchDimension,
    SearchPoint,
    SearchSpace,
)
from superparams.strategies.optuna_strategies import (
    CMAES,
    GP,
    NSGA2,
    TPE,
    Optuna,
    SamplerStrategy,
)
from superparams.strategies.sampler_process import MOST_DEATHS
from superparams.strategies.strategy import Strategy, TrialOutcome, TrialStatus
from tests.sweeps import sweep
from tests.timing import wait_for

pytest.importorskip("optuna", reason="Optuna is not installed")
pytestmark = pytest.mark.usefixtures("no_leaks")  # helpers end with their strategies

AHEAD = 8
BOX = SearchSpace(tuple(NumberRange(f"x{n}", -5.0, 5.0) for n in range(5)))


def rate_of(optimizer: str) -> SearchDimension:
    return NumberRange(f"optimizer.{optimizer}.rate", 1e-5, 1e-1, log=True)


MIXED = SearchSpace(
    (
        NumberRange("lr", 1e-4, 1.0, log=True),
        NumberRange("width", 16, 512, log=True),
        NumberRange("dropout", 0.0, 0.9, step=0.1),
        NumberRange("layers", 1, 9, step=2),
        OrderedNumbers("batch", (8, 32, 128)),
        Categories("kind", 3),
        Categories("alone", 1),
        ConditionalChoice(
            "optimizer",
            ("Adam", "SGD"),
            (
                (rate_of("Adam"), NumberRange("optimizer.Adam.beta", 0.0, 1.0)),
                (
                    NumberRange("optimizer.SGD.rate", 1e-3, 10.0, log=True),
                    ConditionalChoice(
                        "optimizer.SGD.schedule",
                        ("Constant", "Step"),
                        ((), (NumberRange("optimizer.SGD.schedule.Step.every", 1, 10),)),
                    ),
                ),
            ),
        ),
    )
)


def bowl(point: SearchPoint) -> tuple[float, ...]:
    return (-sum((point[f"x{n}"] - n / 2) ** 2 for n in range(5)),)


def mixed(point: SearchPoint) -> tuple[float, ...]:
    score = -abs(math.log10(point["lr"]) + 2) - abs(math.log2(point["width"] / 64))
    score += point["batch"] - abs(point["dropout"] - 0.3) + (point["kind"] == 1)
    if point["optimizer"] == 0:
        return (score - abs(math.log10(point["optimizer.Adam.rate"]) + 3),)
    return (score - 3 - abs(math.log10(point["optimizer.SGD.rate"])),)


Objective = Callable[[SearchPoint], tuple[float, ...]]


class Search:
    """A search by hand: proposal i is asked for when the trials up to i - `AHEAD` were told."""

    def __init__(self, strategy: Strategy, space: SearchSpace, of: Objective, seed: int = 0):
        self.strategy, self.space, self.of = strategy, space, of
        self.points: list[dict[str, Any]] = []
        self.n_told = 0
        self.status: dict[int, TrialStatus] = {}  # of trials that fail
        self.before_ask: Callable[[int], object] = lambda trial: None
        strategy.begin(space, seed)

    def run(self, trials: int) -> list[dict[str, Any]]:
        for trial in range(len(self.points), trials):
            while self.n_told < trial - AHEAD + 1:
                self.tell()
            self.before_ask(trial)
            asked = self.strategy.ask(trial)
            assert asked is not None
            point = self.space.checked(asked)
            assert dict(asked) == point, "values are those that dimensions have"
            self.points.append(point)
        while self.n_told < trials:
            self.tell()
        return self.points

    def tell(self) -> None:
        point, status = self.points[self.n_told], self.status.get(self.n_told, "done")
        scores = self.of(point)
        if status != "done":
            known = [self.of(one) for n, one in enumerate(self.points[: self.n_told])]
            known = [one for n, one in enumerate(known) if n not in self.status]
            worst = [min(column) for column in zip(*known, strict=True)]
            scores = tuple(worst or [-math.inf] * len(scores))
        count = int(status == "done")
        outcome = TrialOutcome(point, scores[0], scores, count, status)
        self.strategy.tell(self.n_told, outcome)
        self.n_told += 1


def two(point: SearchPoint) -> tuple[float, ...]:
    far = sum(point[f"x{n}"] ** 2 for n in range(1, 5))
    return -(point["x0"] ** 2) - far, -((point["x0"] - 2) ** 2) - far


KINDS: dict[str, tuple[Callable[[], SamplerStrategy], SearchSpace, Objective]] = {
    "TPE": (lambda: TPE(maximize="y", startup=4), MIXED, mixed),
    "univariate TPE": (lambda: TPE(maximize="y", startup=4, multivariate=False), MIXED, mixed),
    "CMAES": (lambda: CMAES(maximize="y", population=4), BOX, bowl),
    "CMAES with texts": (lambda: CMAES(maximize="y", population=4), MIXED, mixed),
    "NSGA2": (lambda: NSGA2(maximize=["y", "z"], population=6), BOX, two),
    "NSGA2 with texts": (lambda: NSGA2(maximize="y", population=6), MIXED, mixed),
    "QMC": (lambda: Optuna("QMCSampler", maximize="y"), BOX, bowl),
    "random": (lambda: Optuna("RandomSampler", maximize="y", startup=3), MIXED, mixed),
}
TRIALS = 26


@pytest.fixture(scope="module")
def expected() -> Callable[[str], list[dict[str, Any]]]:
    """The points of a search that nothing disturbs, by its kind."""
    known: dict[str, list[dict[str, Any]]] = {}

    def points(kind: str) -> list[dict[str, Any]]:
        if kind not in known:
            make, space, of = KINDS[kind]
            strategy = make()
            known[kind] = Search(strategy, space, of).run(TRIALS)
            strategy.close()
        return known[kind]

    return points


@sweep(1, "kind", KINDS)
def test_the_same_points_again(kind: str, expected: Callable[[str], list[dict[str, Any]]]) -> None:
    make, space, of = KINDS[kind]
    points = expected(kind)
    assert len({repr(one) for one in points}) > TRIALS / 2
    strategy = make()
    assert Search(strategy, space, of).run(TRIALS) == points
    assert Search(strategy, space, of, seed=1).run(TRIALS) != points
    assert Search(strategy, space, of).run(TRIALS) == points, "begin() forgets"
    strategy.close()


@sweep(1, "kind", KINDS)
def test_the_same_points_whenever_the_helper_dies(
    kind: str, expected: Callable[[str], list[dict[str, Any]]]
) -> None:
    make, space, of = KINDS[kind]
    strategy, lot = make(), random.Random(kind)
    search = Search(strategy, space, of)
    killed: list[int] = []
    moments = lot.sample(range(10, TRIALS), 4)
    kinds = dict(zip(moments, ("before", "before", "meanwhile", "meanwhile"), strict=True))
    threads: list[threading.Timer] = []

    def kill() -> None:
        if (pid := strategy.helper_pid) is not None and pid not in killed:
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    def disturb(trial: int) -> None:
        if kinds.get(trial) == "before":
            kill()
        if kinds.get(trial) == "meanwhile":
            threads.append(threading.Timer(lot.random() / 100, kill))
            threads[-1].start()

    search.before_ask = disturb
    try:
        assert search.run(TRIALS) == expected(kind)
        assert len(killed) > 1
    finally:
        for thread in threads:
            thread.join()
        strategy.close()


@pytest.mark.parametrize("kind", ["TPE", "CMAES", "NSGA2"])
def test_a_search_is_taken_up_with_the_points_that_are_known(
    kind: str, expected: Callable[[str], list[dict[str, Any]]]
) -> None:
    make, space, of = KINDS[kind]
    strategy, points = make(), expected(kind)
    search = Search(strategy, space, of)
    if not strategy.take(0, points[0]):
        assert kind != "TPE"  # a sampler with notes of its own has to be asked again
    else:
        for trial, point in enumerate(points[:20]):
            while search.n_told < trial - AHEAD + 1:
                search.tell()
            search.points.append(point)
            assert trial == 0 or strategy.take(trial, point)
        assert search.run(TRIALS) == points
    strategy.close()


@sweep(1, "kind", ["TPE", "CMAES", "NSGA2"])
def test_failures_refusals_and_other_points(kind: str) -> None:
    """Points that the sampler has not proposed, failures before the first score, refusals."""
    make, space, of = KINDS[kind]
    found: list[list[dict[str, Any]]] = []
    for kills in (False, True):
        strategy = make()
        search = Search(strategy, space, of)
        search.status = dict.fromkeys([0, 1, 2, 14, 15, 18], "failed")
        early = space.made(lambda one: one.at(1 << 62))
        scores = of(early)
        strategy.tell(-1, TrialOutcome(early, scores[0], scores))
        refused: list[dict[str, Any]] = []

        def refuse(
            trial: int,
            strategy: SamplerStrategy = strategy,
            search: Search = search,
            refused: list[dict[str, Any]] = refused,
            kills: bool = kills,
        ) -> None:
            if trial % 5 == 4:  # `valid` refuses the first point
                point = search.space.checked(strategy.ask(trial))
                refused.append(point)
                worst = [-100.0] * len(search.of(point))
                strategy.tell(trial, TrialOutcome(point, worst[0], worst, 0, "refused"))
                if kills and strategy.helper_pid:
                    os.kill(strategy.helper_pid, signal.SIGKILL)

        search.before_ask = refuse
        search.run(12)
        # The driver has taken another point than the one that was proposed.
        search.points[-3] = space.made(lambda one: one.at(1 << 61))
        found.append([*search.run(TRIALS), *refused])
        assert all(one not in search.points for one in refused)
        strategy.close()
    assert found[0] == found[1]


def random_best(space: SearchSpace, of: Objective, trials: int, seed: int) -> float:
    lot = random.Random(seed)
    points = [space.made(lambda one: one.at(lot.getrandbits(64))) for _ in range(trials)]
    return max(of(point)[0] for point in points)


@sweep(1, "kind", [TPE, CMAES])
def test_better_than_random(kind: type[SamplerStrategy]) -> None:
    seeds, trials = range(5), 60
    strategy = kind(maximize="y")
    best = [
        max(bowl(point)[0] for point in Search(strategy, BOX, bowl, seed).run(trials))
        for seed in seeds
    ]
    strategy.close()
    by_chance = [random_best(BOX, bowl, trials, seed) for seed in seeds]
    assert sum(x > y for x, y in zip(best, by_chance, strict=True)) >= 4
    assert sum(best) > sum(by_chance) / 2, "the distance is less than half of that of chance"


def test_alternatives_are_learned_apart() -> None:
    """Both alternatives have a rate, with another best value; one of them is better."""
    strategy = TPE(maximize="y")
    points = Search(strategy, MIXED, mixed).run(90)
    strategy.close()
    late = points[60:]
    adam = [point for point in late if point["optimizer"] == 0]
    assert len(adam) > 20
    for point in points:
        assert ("optimizer.Adam.rate" in point) == (point["optimizer"] == 0)
        assert ("optimizer.SGD.rate" in point) == (point["optimizer"] == 1)
        assert ("optimizer.SGD.schedule.Step.every" in point) == (
            point.get("optimizer.SGD.schedule") == 1
        )
    assert sum(one["batch"] == 2 for one in late) > 15
    assert sum(one["kind"] == 1 for one in late) > 15
    names = ("dropout", "layers", "width")
    values: dict[str, set[Any]] = {name: {one[name] for one in points} for name in names}
    assert values["dropout"] <= {0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}
    assert values["layers"] <= {1, 3, 5, 7, 9}
    assert all(isinstance(one["width"], int) and 16 <= one["width"] <= 512 for one in points)


def test_failures_are_not_proposed_again_and_again() -> None:
    """Points with a large x0 fail; they are told as the worst ones."""

    def fails(point: SearchPoint) -> bool:
        return bool(point["x0"] > 0)

    strategy = TPE(maximize="y")
    search = Search(strategy, BOX, lambda point: (-sum(abs(x + 1) for x in point.values()),))

    def note(trial: int) -> None:
        search.status |= {n: "failed" for n, one in enumerate(search.points) if fails(one)}

    search.before_ask = note
    points = search.run(80)
    strategy.close()
    assert sum(map(fails, points[:20])) >= 4
    assert sum(map(fails, points[50:])) <= 6


def test_two_goals_by_nsga2() -> None:
    """The front lies at x0 from 0 to 2, and 0 elsewhere: points approach it."""
    strategy = NSGA2(maximize=["y", "z"], population=20)
    points = Search(strategy, BOX, two).run(240)
    strategy.close()

    def far(point: SearchPoint) -> float:
        return sum(point[f"x{n}"] ** 2 for n in range(1, 5)) + max(0, -point["x0"]) ** 2

    first, last = sorted(map(far, points[:60])), sorted(map(far, points[-60:]))
    assert last[30] < first[30] / 2


@pytest.mark.torch
def test_gaussian_processes() -> None:
    for name in ("torch", "scipy"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    strategy = GP(maximize="y")
    points = Search(strategy, BOX, bowl).run(30)
    assert Search(strategy, BOX, bowl).run(30) == points
    strategy.close()
    best = max(bowl(point)[0] for point in points)
    assert best > random_best(BOX, bowl, 30, 0)


# ---- the process


DRIVER = """
import sys, time
from superparams.space.search_space import NumberRange, SearchSpace
from superparams.strategies.optuna_strategies import {kind}
from superparams.strategies.strategy import TrialOutcome

strategy = {kind}(maximize="y", startup=1)
strategy.begin(SearchSpace((NumberRange("x", 0.0, 1.0), NumberRange("z", 0.0, 1.0))), 0)
for trial in range(3):
    point = strategy.ask(trial)
    strategy.tell(trial, TrialOutcome(point, point["x"], (point["x"],)))
print(strategy.helper_pid, flush=True)
{end}
"""


def start(folder: Path, end: str, kind: str = "TPE") -> subprocess.Popen[str]:
    (folder / "drive.py").write_text(DRIVER.format(kind=kind, end=end))
    return subprocess.Popen(
        [sys.executable, "drive.py"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    "end", ["time.sleep(1000)", "pass", "1 / 0", "import os; os._exit(3)", "sys.exit(1)"]
)
def test_the_helper_ends_with_the_driver(tmp_path: Path, end: str) -> None:
    driver = start(tmp_path, end)
    assert driver.stdout is not None
    pid = int(driver.stdout.readline())
    if "sleep" in end:
        assert not is_gone(pid)
        driver.kill()
    _, err = driver.communicate(timeout=60)
    wait_for(lambda: is_gone(pid))
    assert ("ZeroDivisionError" in err) == ("1 / 0" in end)


@pytest.mark.parametrize("kind", ["TPE", "CMAES", "NSGA2"])
def test_nothing_is_printed_and_nothing_of_the_user_is_imported(tmp_path: Path, kind: str) -> None:
    for name in ("optuna", "cmaes", "user", "sqlalchemy", "tqdm"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w').close()")
    # In the driver the file hides Optuna, which it never imports.
    driver = start(tmp_path, "assert 'optuna' not in sys.modules", kind)
    out, err = driver.communicate(timeout=60)
    assert (driver.returncode, err) == (0, "")
    assert int(out) > 0
    assert not (tmp_path / "imported").exists()


def test_ctrl_c_is_not_for_the_helper() -> None:
    strategy = TPE(maximize="y", startup=1)
    search = Search(strategy, BOX, bowl)
    search.run(12)
    pid = strategy.helper_pid
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    search.run(14)
    assert strategy.helper_pid == pid
    strategy.close()


def test_the_helper_ends_with_the_last_trial() -> None:
    strategy = TPE(maximize="y", startup=1, trials=12)
    Search(strategy, BOX, bowl).run(12)
    assert strategy.helper_pid is None


@pytest.mark.parametrize("kind", [TPE, CMAES])
def test_one_helper_makes_all_points_of_the_last_trial(
    kind: Callable[..., SamplerStrategy],
) -> None:
    strategy = kind(maximize="y", startup=1, trials=2)
    strategy.begin(BOX, 0)
    strategy.tell(0, TrialOutcome(dict(strategy.ask(0) or {}), 0.5, (0.5,)))
    pids: set[int | None] = set()
    for _ in range(3):  # `valid` refuses them
        point = dict(strategy.ask(1) or {})
        pids.add(strategy.helper_pid)
        strategy.tell(1, TrialOutcome(point, 0.5, (0.5,), 0, "refused"))
    assert len(pids) == 1
    assert strategy.helper_pid in pids
    strategy.tell(1, TrialOutcome(point, 0.5, (0.5,)))
    assert strategy.helper_pid is None


# ---- what goes wrong


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(
        StrategyError, match=r"CMAES needs cmaes.*pip install 'superparams\[optuna\]'"
    ):
        CMAES(maximize="y")
    TPE(maximize="y")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(StrategyError, match=r"GP needs torch.*superparams\[optuna\]' torch"):
        GP(maximize="y")
    monkeypatch.setitem(sys.modules, "optuna", None)
    for make in (TPE, NSGA2, lambda: Optuna("RandomSampler")):
        with pytest.raises(
            StrategyError, match=r"needs optuna.*pip install 'superparams\[optuna\]'$"
        ):
            make()


class Local(dict[str, Any]):
    """Has no text that says what it is."""

    def __repr__(self) -> str:
        return object.__repr__(self)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TPE(startup=0), r"TPE\.startup=0: give a whole number, 1 or more"),
        (lambda: TPE(startup=None), r"TPE\.startup=None: give a whole number"),  # type: ignore
        (lambda: TPE(ahead=None), r"TPE\.ahead=None: give a whole number"),
        (lambda: TPE(maximize=["a", "b"]), "NSGA2 takes several"),
        (lambda: CMAES(population=1), r"CMAES\.population=1: give a whole number, 2 or more"),
        (lambda: NSGA2(population=0), r"NSGA2\.population=0"),
        (lambda: Optuna(3), r"Optuna\.sampler=3: give the name of a sampler"),
        (lambda: Optuna(), r"Optuna\.sampler=None: give the name of a sampler"),
        (lambda: Optuna(type("Mine", (), {"__module__": "__main__"})), "write it into a module"),
        (lambda: Optuna("RandomSampler", options={"a": Local()}), r"Optuna\.options\['a'\]"),
    ],
)
def test_options_that_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        make()


@pytest.mark.parametrize(
    ("sampler", "options", "message"),
    [
        ("NoSampler", {}, "NoSampler"),
        ("RandomSampler", {"nothing": 1}, "nothing"),
        ("DyingSampler", {}, f"died {MOST_DEATHS} times in a row; it printed:\nno memory left"),
        ("RaisingSampler", {}, "ZeroDivisionError: by zero"),
    ],
)
def test_a_sampler_that_fails(sampler: str, options: dict[str, Any], message: str) -> None:
    from tests.strategies import odd_samplers

    kind: Any = getattr(odd_samplers, sampler, sampler)
    strategy = Optuna(kind, options=options, maximize="y")
    search = Search(strategy, BOX, bowl)
    with pytest.raises(StrategyError, match=message):
        search.run(3)
    strategy.close()


def test_a_class_of_a_sampler() -> None:
    import optuna

    strategy = Optuna(optuna.samplers.QMCSampler, maximize="y", options={"scramble": True})
    by_name = Optuna("QMCSampler", maximize="y", options={"scramble": True})
    points = Search(strategy, BOX, bowl).run(20)
    assert Search(by_name, BOX, bowl).run(20) == points
    assert "QMCSampler" in strategy.identity
    strategy.close()
    by_name.close()
