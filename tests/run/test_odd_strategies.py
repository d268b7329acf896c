"""Strategies that go wrong: what the user reads, and that nothing recorded is lost."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, minimize, search
from superparams.errors import StrategyError
from superparams.strategies import Evolution
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")


class Fit(Experiment):
    x: float = search(low=0.0, high=1.0)
    kind: str = search(["a", "b"])
    goal = minimize("loss")

    def run(self) -> dict[str, float]:
        return {"loss": self.x}


POINT = {"x": 0.5, "kind": 0}


class Odd:
    """Proposes something odd as trial 3, or with other odd attributes."""

    trials: Any = 8
    ahead: Any = 2

    def __init__(self, proposal: Any = POINT, at: int = 3, **attributes: Any) -> None:
        self.proposal, self.at = proposal, at
        self.__dict__.update(attributes)

    def begin(self, space: Any, seed: int) -> None:
        pass

    def ask(self, trial: int) -> Any:
        return self.proposal if trial == self.at else {"x": trial / 10 + 0.01, "kind": 0}

    def tell(self, trial: int, outcome: Any) -> None:
        pass


NONSENSE: list[tuple[Any, str]] = [
    ({"z": 1.0}, "a value for 'x' is missing; there are 'z'"),
    ({**POINT, "z": 1}, "'z' is no dimension of this space: give 'x', 'kind'"),
    ({**POINT, "x": 99}, r"x=99 is not a number from 0\.0 to 1\.0"),
    ({**POINT, "x": math.nan}, r"x=nan is not a number from 0\.0 to 1\.0"),
    ({**POINT, "x": "0.5"}, r"x='0\.5' is not a number from 0\.0 to 1\.0"),
    ({**POINT, "x": None}, r"x=None is not a number from 0\.0 to 1\.0"),
    ({**POINT, "kind": 2}, "kind=2 is no place among its 2 values: give an int from 0 to 1"),
    ({**POINT, "kind": "b"}, "kind='b' is no place among its 2 values"),
    ([0.5, 0], r"\[0\.5, 0\] is no mapping of names to values"),
    (Fit(x=0.5, kind="a"), r"Fit\(x=0\.5, kind='a'\) is no mapping of names to values"),
    ({}, "a value for 'x' is missing; there are no values"),
]


@sweep(1, "engine", ["serial", "threads", "processes"])
@pytest.mark.parametrize(("proposal", "message"), NONSENSE, ids=[text for _, text in NONSENSE])
def test_nonsense_names_the_strategy_and_the_trial(
    engine: Any, proposal: Any, message: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"results": tmp_path, "progress": False, "engine": engine}
    num_proc = 1 if engine == "serial" else 2
    message = f"Odd has proposed no point for trial 3: {message}"
    with pytest.raises(StrategyError, match=message):
        Fit().run_all(num_proc, strategy=Odd(proposal), **options)
    n_before = len(Fit.results(tmp_path))
    assert n_before >= 2  # trial 3 is asked for when trials 0 and 1 have ended
    mended = Fit().run_all(num_proc, strategy=Odd(), **options)
    assert len(mended) == 8
    assert len(Fit.results(tmp_path)) == 8  # and none of those ran again
    first = mended.of_runs(mended.runs[0])
    assert len(first) == n_before


def test_a_search_that_ends_early_says_so(tmp_path: Path) -> None:
    options: dict[str, Any] = {"progress": False}
    (note,) = Fit().run_all(strategy=Odd(None), results=tmp_path / "1", **options).notes
    assert note == "Odd.ask(3) returned None, so the search has ended with 3 of 8 trials"
    found = Fit().run_all(
        2, strategy=Odd(None, at=0, trials=None, patience=3), results=tmp_path / "2", **options
    )
    assert found.notes == ("Odd.ask(0) returned None, so the search has ended with 0 of 1 trial",)
    assert len(found) == 0
    whole = Fit().run_all(2, strategy=Odd(None, trials=3), results=tmp_path / "3", **options)
    assert (len(whole), whole.notes) == (3, ())


ATTRIBUTES: list[tuple[dict[str, Any], str]] = [
    ({"ahead": 0}, "ahead=0: give a whole number, 1 or more, or None"),
    ({"ahead": "8"}, "ahead='8': give a whole number"),
    ({"ahead": True}, "ahead=True: give a whole number"),
    ({"trials": "ten"}, "trials='ten': give a whole number"),
    ({"trials": 2.5}, r"trials=2\.5: give a whole number"),
    ({"patience": -1}, "patience=-1: give a whole number"),
    ({"seconds": "1"}, "seconds='1': give a number, 0 or more, or None"),
    ({"target": math.nan}, "target=nan: give a number, or None"),
    ({"seed": "x"}, "seed='x': give an int, such as seed=0"),
    ({"maximize": 3}, "maximize=3: give the name of a result, or a list of names"),
    ({"minimize": ["loss", 3]}, r"minimize=\['loss', 3\]: give the name of a result"),
    ({"order": "random"}, 'order=\'random\': give "index" or "arrival"'),
    ({"enqueue": 3}, "enqueue=3: give a list of settings, or of mappings"),
    ({"enqueue": POINT}, "enqueue=.*: give a list of settings, or of mappings"),
]


@pytest.mark.parametrize(
    ("attributes", "message"), ATTRIBUTES, ids=[text for _, text in ATTRIBUTES]
)
def test_odd_attributes_are_refused(
    attributes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(StrategyError, match=rf"Odd\.{message}"):
        Fit().run_all(2, strategy=Odd(**attributes), results=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_points_to_try_may_be_any_list(tmp_path: Path) -> None:
    strategy = Evolution(trials=4, enqueue=Fit().sample(3))
    found = Fit().run_all(strategy=strategy, results=tmp_path, progress=False)
    assert [row["key"] for row in found][:3] == [setting.key for setting in Fit().sample(3)]


class Unseeded:
    trials, ahead = 10, 2

    def begin(self, space: Any, seed: int) -> None:
        self.space, self.lot = space, random.SystemRandom()

    def ask(self, trial: int) -> Any:
        return self.space.made(lambda one: one.at(self.lot.getrandbits(64)))

    def tell(self, trial: int, outcome: Any) -> None:
        pass


def test_a_strategy_without_a_seed_loses_nothing(tmp_path: Path) -> None:
    options: dict[str, Any] = {"results": tmp_path, "progress": False}
    first = Fit().run_all(2, strategy=Unseeded(), **options)
    assert not first.notes
    for n in range(1, 4):
        again = Fit().run_all(2, strategy=Unseeded(), **options)
        (note,) = [one for one in again.notes if "a different point" in one]
        assert note.startswith(
            "trial 0 of this search is now a different point than when it ran: Uns"
        )
        assert len(again) == 10
        assert len(Fit.results(tmp_path)) == 10 * (n + 1)
    keys = {row["key"] for row in Fit.results(tmp_path)}
    assert {row["key"] for row in first} <= keys
