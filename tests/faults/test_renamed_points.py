"""Rows 56, 71 and 72: names of points that change in the class mix no rows and lose none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from superparams import Experiment, Params, Results, search
from superparams.errors import StoreError
from superparams.store.runs.run_records import run_of_name
from superparams.store.staleness.run_difference import compare
from tests.cli.command import Project

pytestmark = pytest.mark.usefixtures("no_leaks")

LOW_HIGH = {"low": 1.0, "high": 2.0}
SWAPPED = {"low": 2.0, "high": 1.0}
SMALL = {"small": 1.0, "high": 2.0}
CHANGED = {"low": 1.5, "high": 2.0}


class Sgd(Params):
    rate: float = search({"slow": 0.1, "fast": 0.2})
    momentum: float = 0.0


class Adam(Params):
    rate: float = search({"slow": 0.001})


def one(x: float) -> float:
    return x


def two(x: float) -> float:
    return 2 * x


def fit(points: Any, seeds: int = 1) -> type[Experiment]:
    """The experiment `Fit` of which this is the class body now."""

    class Fit(Experiment):
        a: float = search(points)
        seed: int = search(range(seeds))

        def run(self) -> dict[str, float]:
            if self.seed > 5:
                raise ValueError("a failure")
            return {"y": self.a}

    return Fit


def train(optimizers: Any, things: Any) -> type[Experiment]:
    class Train(Experiment):
        o: Sgd | Adam = search(optimizers)
        thing: Any = search(things)

        def run(self) -> dict[str, float]:
            return {"y": self.o.rate, "m": getattr(self.o, "momentum", -1.0)}

    return Train


@pytest.fixture
def ran(tmp_path: Path) -> Callable[..., Results]:
    def run(space: Experiment, **how: Any) -> Results:
        return space.run_all(results=tmp_path / "r", progress=False, **how)

    return run


def read(tmp_path: Path, cls: type[Experiment]) -> Results:
    return cls.results(tmp_path / "r")


def pairs(results: Results) -> list[tuple[Any, Any]]:
    return [(row["a"], row["y"]) for row in results]


def n_runs(results: Results) -> int:
    return len(list((results.root / "runs").iterdir()))


Ran = Callable[..., Results]


def test_72_swapped_names_go_with_the_values(tmp_path: Path, ran: Ran) -> None:
    ran(fit(LOW_HIGH)())
    before = read(tmp_path, fit(SWAPPED))
    assert pairs(before) == [("high", 1.0), ("low", 2.0)]
    assert pairs(before.where(a=2.0)) == pairs(before.where(a="low")) == [("low", 2.0)]
    table = ran(fit(SWAPPED, 2)())
    mixed = [("low", 2.0), ("low", 2.0), ("high", 1.0), ("high", 1.0)]
    assert sorted(pairs(table)) == sorted(mixed)
    for found in (table, read(tmp_path, fit(SWAPPED, 2)), Results.load(table.root)):
        assert pairs(found.where(a=2.0)) == pairs(found.where(a="low")) == mixed[:2]
        assert pairs(found.where(a=1.0)) == pairs(found.where(a="high")) == mixed[2:]
    stored = parquet.read_table(table.path).select(["a", "y"]).to_pylist()
    assert sorted((row["a"], row["y"]) for row in stored) == sorted(mixed)


def test_72_a_renamed_point_has_its_new_name_and_nothing_runs_again(
    tmp_path: Path, ran: Ran
) -> None:
    first = ran(fit(LOW_HIGH)())
    again = ran(fit(SMALL)())
    assert n_runs(again) == n_runs(first) == 1
    assert pairs(again) == [("small", 1.0), ("high", 2.0)]
    assert len(again.where(a="small")) == len(again.where(a=1.0)) == 1
    with pytest.raises(StoreError, match="no row has a='low'"):
        again.where(a="low")
    assert parquet.read_table(again.path).column("a").to_pylist() == ["small", "high"]
    assert pairs(Results.load(again.root)) == pairs(again)
    assert pairs(read(tmp_path, fit(LOW_HIGH))) == [("low", 1.0), ("high", 2.0)]


def test_72_a_value_that_changed_under_its_name_is_told_apart(tmp_path: Path, ran: Ran) -> None:
    ran(fit(LOW_HIGH)())
    table = ran(fit(CHANGED)())
    assert pairs(table) == [("low", 1.5), ("high", 2.0)]
    every = read(tmp_path, fit(CHANGED))
    assert sorted(pairs(every)) == [("high", 2.0), ("low", 1.5), ("low (1.0)", 1.0)]
    for found in (every, Results.load(table.root)):
        assert pairs(found.where(a=1.0)) == [("low (1.0)", 1.0)]
        assert pairs(found.where(a="low (1.0)")) == [("low (1.0)", 1.0)]
        assert pairs(found.where(a="low")) == pairs(found.where(a=1.5)) == [("low", 1.5)]
    third = ran(fit({"low": 1.5, "old": 1.0})())
    assert sorted(pairs(third)) == [("low", 1.5), ("old", 1.0)]
    assert sorted(pairs(read(tmp_path, fit(LOW_HIGH)))) == [
        ("high", 2.0),
        ("low", 1.0),
        ("low (1.5)", 1.5),
    ]


def test_72_names_that_are_removed_and_added(tmp_path: Path, ran: Ran) -> None:
    ran(fit(LOW_HIGH)())
    fewer = read(tmp_path, fit({"high": 2.0}))
    assert pairs(fewer.where(a=1.0)) == pairs(fewer.where(a="low")) == [("low", 1.0)]
    plain = read(tmp_path, fit([1.0, 2.0]))
    assert pairs(plain.where(a=1.0)) == [("low", 1.0)]
    assert pairs(ran(fit([1.0, 2.0])()).where(a=2.0)) == [("high", 2.0)]
    more = ran(fit({**LOW_HIGH, "mid": 1.2})())
    assert pairs(more) == [("low", 1.0), ("high", 2.0), ("mid", 1.2)]


def test_72_points_that_had_no_names_are_found_by_the_names_of_today(
    tmp_path: Path, ran: Ran
) -> None:
    ran(fit([1.0, 2.0])())
    named = read(tmp_path, fit(LOW_HIGH))
    assert [y for _, y in pairs(named.where(a=1.0))] == [1.0]
    assert [y for _, y in pairs(named.where(a="high"))] == [2.0]
    both = ran(fit(LOW_HIGH, 2)())
    assert [y for _, y in pairs(both.where(a=1.0))] == [1.0, 1.0]
    assert [y for _, y in pairs(both.where(a="low"))] == [1.0, 1.0]


def test_72_a_note_says_once_which_names_changed(ran: Ran) -> None:
    assert ran(fit(LOW_HIGH)()).notes == ()
    (note,) = ran(fit(SWAPPED)()).notes
    assert "'low' was 1.0 and is 2.0 now" in note
    assert "restore the names in Fit" in note
    assert ran(fit(SWAPPED)()).notes == ()
    (note,) = ran(fit({"small": 1.0, "low": 2.0}, 2)()).notes
    assert "1.0 was 'high' and is 'small' now" in note
    again = ran(fit({"small": 1.0, "low": 2.0}, 3)())
    assert again.notes == ()


def test_72_alternatives_and_their_fields_keep_what_they_hold(tmp_path: Path, ran: Ran) -> None:
    before = train(
        {"plain": Sgd(), "heavy": Sgd(momentum=0.9), "adam": Adam()}, {"s": [1], "f": one}
    )
    ran(before())
    now = train({"heavy": Sgd(), "plain": Sgd(momentum=0.9), "adam2": Adam()}, {"s": one, "f": two})
    ran(now(thing="f"))
    table = read(tmp_path, now)
    held = {(row["o"], row["m"]) for row in table}
    assert held == {("heavy", 0.0), ("plain", 0.9), ("adam2", -1.0)}
    assert {row["m"] for row in table.where(o=Sgd(momentum=0.9))} == {0.9}
    assert len(table.where(o=Adam)) == len(table.where(o="adam2")) == 3
    assert len(table.where(o="plain")) == 6
    # The same name means another value in another alternative.
    assert {row["y"] for row in table.where(**{"o.rate": 0.001})} == {0.001}
    assert {row["y"] for row in table.where(**{"o.rate": 0.1})} == {0.1}
    assert [len(table.where(thing=x)) for x in ([1], one, two, "s")] == [5, 5, 5, 5]
    assert set(table.column("thing").to_pylist()) == {"s ([1])", "s", "f"}
    has = table.has_field("o.momentum").to_pylist()
    assert has == [row["o"] != "adam2" for row in table]


def test_72_only_failed_and_diff_after_a_rename(tmp_path: Path, ran: Ran) -> None:
    first = ran(fit(LOW_HIGH, 7)())
    assert len(first.failures) == 2
    again = ran(fit(SWAPPED, 7)(), only="failed")
    assert sorted(again.failures.column("a").to_pylist()) == ["high", "low"]
    folders = [
        run_of_name(first.root, name).folder
        for name in sorted(path.name for path in (first.root / "runs").iterdir())
    ]
    assert compare(*folders).both == 2
    rows = {row["a"] for row in again if row["y"] == 2.0}
    assert rows == {"low"}


def test_72_rows_without_recorded_names_are_found_as_before(tmp_path: Path, ran: Ran) -> None:
    first = ran(fit(LOW_HIGH)())
    (manifest,) = first.root.glob("runs/*/run.json")
    told = json.loads(manifest.read_text("utf-8"))
    assert told.pop("meanings")
    manifest.write_text(json.dumps(told), "utf-8")
    first.path.unlink()
    table = read(tmp_path, fit(LOW_HIGH))
    assert pairs(table.where(a=2.0)) == pairs(table.where(a="high")) == [("high", 2.0)]
    (note,) = ran(fit(LOW_HIGH)()).notes
    assert "an older version recorded the last run" in note
    assert ran(fit(LOW_HIGH)()).notes == ()
    for damage in (
        [{"column": 1}],
        "meanings",
        [{"column": "a", "of": "", "when": [], "points": 3}],
    ):
        manifest.write_text(json.dumps({**told, "meanings": damage}), "utf-8")
        first.path.unlink()
        assert pairs(read(tmp_path, fit(LOW_HIGH)).where(a=2.0)) == [("high", 2.0)]


class Mapped(Experiment):
    conf: dict[str, int] = search({"small": {"w": 1}, "mid": {"w": 2}, "large": {"w": 3}})

    def run(self) -> dict[str, int]:
        return {"y": self.conf["w"]}


NAMES = {1: "small", 2: "mid", 3: "large"}


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize(
    "word", ["{w:1},{w:9}", "{w:9},{w:8},{w:7}", "{w:2}", "mid,large", "large,small", "mid"]
)
def test_72_a_run_of_other_points_leaves_each_name_with_its_value(
    word: str, is_first: bool, ran: Ran
) -> None:
    spaces = [Mapped.from_cli([f"conf={word}"]), Mapped()]
    for space in spaces if is_first else reversed(spaces):
        table = ran(space, resume=False)
    every = Results.load(table.root)
    shown = {row["y"]: row["conf"] for row in every}
    assert shown.items() >= NAMES.items()
    for y, name in NAMES.items():
        for value in (name, {"w": y}):
            assert {row["y"] for row in every.where(conf=value)} == {y}


FILE = """
from superparams import Experiment, search

class Fit(Experiment):
    a: float = search({points})

    def run(self):
        return {{"y": self.a}}
"""


def test_72_the_command_finds_rows_by_what_they_hold(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    for points in (LOW_HIGH, CHANGED, SWAPPED):
        project.write({"experiments/fit.py": FILE.format(points=points)})
        done = project.run("run", "fit", "--no-progress")
        assert done.code == 0, done.err
    for where, rows in {
        "a=2.0": [("low", 2.0)],
        "a=1": [("high", 1.0)],
        "a=1.5": [("low (1.5)", 1.5)],
        "a=low": [("low", 2.0)],
        "a=1.0,1.5": [("high", 1.0), ("low (1.5)", 1.5)],
    }.items():
        ((_, found),) = [
            (one["experiment"], one["rows"])
            for one in project.run("results", "fit", "--where", where, "--json").document
        ]
        assert sorted((row["a"], row["y"]) for row in found) == rows, where
    shown = project.run("show", "fit", "a=2.0", "--json").document
    assert shown["params"] == {"a": "low"}
    copy = tmp_path / "copy.parquet"
    assert project.run("results", "fit", "-o", str(copy)).code == 0
    stored = parquet.read_table(copy).select(["a", "y"]).to_pylist()
    assert sorted((row["a"], row["y"]) for row in stored) == [
        ("high", 1.0),
        ("low", 2.0),
        ("low (1.5)", 1.5),
    ]
