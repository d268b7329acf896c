"""Slices and lists of settings run as a space of these settings does."""

from __future__ import annotations

from pathlib import Path

import pytest

import superparams
from superparams import Experiment, Params, Settings, search, value
from superparams.errors import EngineError, SpaceError

pytestmark = pytest.mark.usefixtures("no_leaks")


class Fast(Params):
    rate: float = 0.1


class Exact(Params):
    steps: int = 1
    order: list[int] = [1, 2]


def load() -> list[int]:
    return [1, 2, 3]


class Fit(Experiment):
    a: int = search([1, 2, 3])
    size: str = search({"small": "s", "large": "l"})
    how: Fast | Exact = search({"one": Fast(rate=search([0.1, 0.2])), "two": Exact()})
    order: list[int] = search([[1], [2]])
    data: list[int] = value(factory=load, key="v1")
    twice: int = value(derive=lambda s: 2 * s.a)
    fixed: float = 3.0

    def valid(self) -> bool:
        return self.a != 2 or self.size == "small"

    def run(self) -> dict[str, object]:
        return {"y": self.a * sum(self.data) + self.twice, "n": len(self.order)}


class Other(Experiment):
    a: int = search([1, 2])

    def run(self) -> dict[str, int]:
        return {"y": self.a}


SPACE = Fit()
SELECTIONS = {
    "slice": SPACE[3:9],
    "steps": SPACE[::7],
    "backwards": SPACE[9:3:-2],
    "part of a slice": SPACE[2:20][1:4],
    "one": SPACE[4:5],
    "last": SPACE[-3:],
    "all": SPACE[:],
    "list": Settings([SPACE[0], SPACE[5], SPACE[-1]]),
    "twice": Settings([SPACE[1], SPACE[0], SPACE[1]]),
    "the same": Settings([SPACE[1], SPACE[1]]),
    "others": Settings([SPACE[0], Fit(a=9, size="new", how=Exact(steps=4), order=[3])]),
    "replaced": Settings([SPACE[0], SPACE[0].replace(fixed=4.0)]),
    "a part of a list": Settings(list(SPACE))[1::3],
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_selection_is_a_sequence_and_a_space(name: str) -> None:
    some = SELECTIONS[name]
    settings = list(some)
    assert len(some) == len(settings)
    assert [some[at] for at in range(len(some))] == settings
    assert some[1:] == settings[1:]
    assert isinstance(some[1:], Settings)
    space = some.as_space()
    keys = [setting.key for setting in settings]
    assert [one.key for one in space] == keys if len(set(keys)) > 1 else space.key == keys[0]


def test_it_runs_and_has_results_in_its_order(tmp_path: Path) -> None:
    for some in SELECTIONS.values():
        keys = list(dict.fromkeys(setting.key for setting in some))
        results = some.run_all(results=tmp_path, progress=False)
        assert list(results.column("key").to_pylist()) == keys
        assert results.counts == {"done": len(keys)}
        assert list(some.results(tmp_path).column("key").to_pylist()) == keys
        names = {row["size"] for row in results}
        assert names <= {"small", "large", "new"}  # points keep their names
    whole = SPACE.run_all(results=tmp_path, progress=False)
    recorded = {row["key"]: row["run"] for row in Fit.results(tmp_path)}
    assert {row["run"] for row in whole} <= set(recorded.values())
    assert len(whole) == len(SPACE)


def test_workers_get_the_same(tmp_path: Path) -> None:
    some = Settings([SPACE[0], Fit(a=9, size="new", how=Exact(steps=4), order=[3]), SPACE[7]])
    here = some.run_all(results=tmp_path / "here", progress=False)
    there = some.run_all(2, results=tmp_path / "there", progress=False, retries=1)
    columns = ["key", "a", "size", "how", "order", "twice", "y", "n"]
    assert here.to_arrow().select(columns).equals(there.to_arrow().select(columns))
    again = some.run_all(2, results=tmp_path / "there", progress=False)
    assert again.elapsed is None  # nothing was left to run
    assert again.runs == there.runs


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"item 1 is a space of several settings"):
        Settings([SPACE[0], Fit()])
    with pytest.raises(SpaceError, match="item 0 is not a setting of an experiment: 3"):
        Settings([3])  # type: ignore[list-item]  # pyright: ignore
    with pytest.raises(SpaceError, match="of one class, and these are of Fit, Other"):
        Settings([SPACE[0], Other()[0]])  # type: ignore[list-item]
    with pytest.raises(SpaceError, match="no settings to run: the selection is empty"):
        SPACE[3:3].run_all(results=tmp_path)
    with pytest.raises(
        SpaceError, match=r"Fit.data differs between these settings, and in some of them it is made"
    ):
        Settings([SPACE[0], Fit(a=1, size="small", data=[5])[0]]).run_all(results=tmp_path)
    with pytest.raises(TypeError, match="unexpected keyword"):
        SPACE[:2].run_all(num_procs=2)  # type: ignore[call-arg]  # pyright: ignore
    with pytest.raises(
        SpaceError,
        match=r"Fit.twice differs between these settings, and in some of them it is made",
    ):
        Settings([SPACE[0], SPACE[0].replace(twice=1)]).as_space()
    with pytest.raises(EngineError, match="num_proc=0"):
        SPACE[:2].run_all(0)
    assert not any(tmp_path.iterdir())


def test_a_slice_of_a_huge_space_is_made_at_once() -> None:
    class Huge(Experiment):
        a: int = search(range(10**12))
        b: int = search(range(10**12))

    part = Huge()[10**23 :: 10**20]
    assert part[0].a == 10**11
    assert len(part[:5]) == 5
    assert [x.b for x in part[:2]] == [0, 10**20 % 10**12]
    assert superparams.Settings is Settings
