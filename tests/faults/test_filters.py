"""Rows 55, 71 and 72: a filter finds what it means or is refused, with the class and without it."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from superparams import Experiment, Params, Results, search
from superparams.cli.conditions import matching
from superparams.errors import FieldError, StoreError
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")


class Base(Params):
    lr: float = 0.1


class Sub(Base):
    momentum: float = 0.9


class SGD(Base):
    pass


class Never(Base):
    pass


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Inner(Params):
    opt: Base = search({"plain": Base(), "sub": Sub(), "sub2": Sub()})
    size: int = search({"small": 1, "large": 2})


class Fit(Experiment):
    o: Base = search({"one": Base(), "two": Sub(), "three": SGD(lr=search([1.0, 2.0]))})
    p: Base = search([Base(), Sub()])
    kernel: str = search({"fast": "rbf", "slow": "poly"})
    s: Inner = Inner(size=1)
    c: int = search([1, 2])
    word: str = search(["a", "b"])
    pair: tuple[int, int] = (1, 2)

    def run(self) -> dict[str, int]:
        return {"y": 1}


def size(found: Any) -> int:
    return found.num_rows if isinstance(found, pa.Table) else len(found)


# The filter, and which part of all rows it finds.
FOUND: list[tuple[str, Any, float]] = [
    ("o", "one", 1 / 4),
    ("o", "three", 1 / 2),
    ("o", "SGD", 1 / 2),
    ("o", SGD, 1 / 2),
    ("o", SGD(lr=2.0), 1 / 4),
    ("o", SGD(lr=7.0), 0),
    ("o", SGD(lr=search([1.0, 2.0])), 1 / 2),
    ("o", Base, 1 / 4),
    ("o", Sub(), 1 / 4),
    ("p", "Base", 1 / 2),
    ("p", Sub, 1 / 2),
    ("p", Sub(), 1 / 2),
    ("kernel", "fast", 1 / 2),
    ("kernel", "rbf", 1 / 2),
    ("s.opt", "sub", 1 / 2),
    ("s.opt", "sub2", 1 / 2),
    ("s.opt", "Sub", 1 / 2),
    ("s.opt", Sub, 1 / 2),
    ("s.opt", Base(), 1 / 2),
    ("s.size", "small", 1),
    ("s.size", 1, 1),
    ("s.size", 1.0, 1),
    ("s.size", 2, 0),
    ("s.size", "large", 0),
    ("s.size", 17, 0),
    ("c", 1, 1 / 2),
    ("c", 3, 0),
    ("word", "a", 1 / 2),
    ("word", "other", 0),
    ("pair", (1, 2), 1),
    ("pair", [1, 2], 1),
    ("pair", (2, 1), 0),
]
REFUSED: list[tuple[str, Any, str]] = [
    ("o", Never, "o='?Never.*'one', 'two', 'three'"),
    ("o", Never(), "o='?Never.*'one', 'two', 'three'"),
    ("o", "Never", "o='Never'.*'one', 'two', 'three'"),
    ("o", "plain", "o='plain'.*'one', 'two', 'three'"),
    ("o", 3, "o=3.*holds string such as 'one'"),
    ("o", ["one", "two"], "o=\\['one', 'two'\\]"),
    ("o", [SGD, Base], "o=\\["),
    ("o", [SGD()], "o=\\["),
    ("o", lambda row: True, "o=<function.*compared as one value"),  # type: ignore[misc]
    ("p", Never, "p='?Never'?.*'Base', 'Sub'"),
    ("p", SGD(), "p='?SGD.*'Base', 'Sub'"),
    ("p", "one", "p='one'.*'Base', 'Sub'"),
    ("kernel", "linear", "kernel='linear'.*'fast', 'slow'"),
    ("kernel", ["fast"], "kernel=\\['fast'\\]"),
    ("kernel", lambda row: True, "kernel=<function"),  # type: ignore[misc]
    ("kernel", Base, "kernel='?Base"),
    ("s.opt", Never, "s.opt='?Never.*'plain', 'sub', 'sub2'"),
    ("s.opt", "one", "s.opt='one'.*'plain', 'sub', 'sub2'"),
    ("c", [1, 2], "c=\\[1, 2\\].*such as 1, 2"),
    ("c", (1,), "c=\\(1,\\)"),
    ("c", {1}, "c=\\{1\\}"),
    ("c", "1", "c='1'"),
    ("c", int, "c='builtins.int'"),
    ("c", lambda row: True, "c='"),  # type: ignore[misc]
    ("c", Base(), "c='Base'"),
    ("word", 1, "word=1"),
    ("word", ["a"], "word=\\['a'\\]"),
    ("word", SGD, "word=SGD.*'a', 'b'"),
    ("word", lambda row: True, "word=<function.*compared as one value"),  # type: ignore[misc]
    ("word", [SGD], "word=\\["),
    ("pair", 1, "pair=1"),
    ("pair", "a", "pair='a'"),
    ("pair", SGD, "pair='SGD'"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    return Fit().run_all(results=folder, progress=False).root


@pytest.fixture(params=["with the class", "without it", "made anew", "copied"])
def results(request: pytest.FixtureRequest, root: Path) -> Results:
    if request.param == "made anew":  # from the ledgers
        (root / "results.parquet").unlink()
    found = Results.load(root, of=Fit if request.param == "with the class" else None)
    table = found.to_arrow()  # lets go of the file
    return Results(root, table) if request.param == "copied" else found


def test_71_a_filter_finds_what_it_means_or_is_refused(results: Results) -> None:
    rows = len(results)
    wrong = [
        (name, x, found, part * rows)
        for name, x, part in FOUND
        if (found := len(results.where(**{name: x}))) != part * rows
    ]
    assert wrong == []
    for name, x, said in REFUSED:
        with pytest.raises(StoreError, match=said):
            results.where(**{name: x})
    # Nothing that is left is nothing to complain about.
    left = results.where(p=Base).where(o="one", kernel="rbf")
    assert len(left.where(p=Sub)) == len(left.where(o=SGD)) == len(left.where(kernel="poly")) == 0


def test_71_where_of_the_command_finds_the_same(results: Results) -> None:
    table = results.to_arrow()
    for name, x, part in FOUND:
        if isinstance(x, str | int) and not (name == "s.size" and x == 17):
            found = matching(table, [f"{name}={x}"], results.of)
            assert found.num_rows == part * len(results), (name, x)
            others = matching(table, [f"{name}!={x}"], results.of)
            assert others.num_rows == len(results) - found.num_rows
    assert matching(table, ["o=SGD,one"], results.of).num_rows == len(results) * 3 / 4
    for name, x, _ in REFUSED:
        if isinstance(x, str):
            with pytest.raises((StoreError, FieldError)):
                matching(table, [f"{name}={'x' if name == 'c' else x}"], results.of)


def test_71_results_of_older_runs_are_filtered_by_name_or_refuse(tmp_path: Path) -> None:
    results = Fit(p=Base(), c=1, word="a").run_all(results=tmp_path, progress=False)
    for path in results.root.glob("runs/*/run.json"):
        manifest = json.loads(path.read_text())
        assert "names" not in manifest  # one record of what names mean
        del manifest["meanings"]
        path.write_text(json.dumps(manifest))
    results.path.unlink()
    old = Results.load(results.root)
    assert len(old.where(o="three")) == len(old) / 2
    for x in ("SGD", SGD, SGD(lr=1.0), "nothing"):
        with pytest.raises(StoreError, match="there are 'one', 'three', 'two'"):
            old.where(o=x)
    assert len(Fit.results(tmp_path).where(o=SGD)) == len(old) / 2


POINTS: list[Any] = [None, 3, [1], {"one": 3}, {"one": {"text": 3}}, {"one": {}}]
DAMAGE: list[Any] = [
    *(None, 3, [1], [{"runs": 3}]),
    *([{"column": "o", "of": "", "when": [{}], "points": points}] for points in POINTS),
]


@pytest.mark.parametrize("names", DAMAGE)
def test_71_damaged_names_of_a_run_are_as_none(root: Path, names: Any) -> None:
    table = Results.load(root).to_arrow()
    head = json.loads(table.schema.metadata[b"superparams"])
    (known,) = head["meanings"]
    points = {one["column"]: one["points"] for one in known["meanings"]}
    assert points["o"]["three"]["class"] == "SGD"
    assert points["kernel"]["fast"]["value"] == "rbf"
    for meanings in (names, [{**known, "meanings": names}]):
        damaged = json.dumps({**head, "meanings": meanings})
        found = Results(root, table.replace_schema_metadata({b"superparams": damaged}))
        assert len(found.where(o="one")) == len(found) / 4
        with pytest.raises(StoreError, match="there are 'one'"):
            found.where(o=SGD)


# -- values that are none of the named points -----------------------------------------------------


class Sized(Experiment):
    a: int = search({"x": 1, "y": 2, "7": 3})
    rate: float = search({"low": 0.1, "high": 0.9})
    maybe: Base | None = search({"base": Base(), "none": None})
    text: str = search({"x": "long text", "y": "other"})
    colour: Colour = search({"c": Colour.RED})
    layers: list[int] = search({"flat": [1, 2]})
    on: bool = search({"yes": True})
    path: Path = search({"here": Path("x")})
    inner: Inner = Inner(opt="plain")

    def run(self) -> dict[str, int]:
        return {"y": 1}


BESIDE: list[tuple[str, Any, str | None]] = [
    ("a", 8, "8"),
    ("a", 7, "7 (int)"),  # "7" is the name of another point
    ("a", None, None),
    ("rate", 0.5, "0.5"),
    ("rate", float("inf"), "inf"),
    ("maybe", SGD(), "SGD"),
    ("text", "free", "free"),
    ("colour", Colour.BLUE, "BLUE"),
    ("layers", [3], "[3]"),
    ("on", False, "False"),
    ("path", Path("y/z"), "y/z"),
    ("inner.size", 5, "5"),
]


@sweep(1, "num_proc", [1, 2])
def test_72_a_value_beside_named_points_stands_as_its_text(tmp_path: Path, num_proc: int) -> None:
    small = Sized(rate="low", maybe="base", text="x")
    small.run_all(num_proc, results=tmp_path, progress=False)
    for name, x, shown in BESIDE:
        one = small.replace(**{name: x})
        assert {row[name] for row in (each.as_row() for each in one)} == {shown}
        one.run_all(num_proc, results=tmp_path, progress=False)
    several = small.replace(a=search([1, 9]))  # points that are given at the call
    several.run_all(num_proc, results=tmp_path, progress=False)
    full = Sized.results(tmp_path)
    assert full.notes == ()
    for results in (full, Results.load(full.root)):
        for name, x, shown in [*BESIDE, ("a", 9, "9")]:
            found = results.where(**{name: x})
            assert set(found.column(name).to_pylist()) == {shown}, name
            wanted = {one.key for one in small.replace(**{name: x})}
            assert set(found.column("key").to_pylist()) == wanted, name
        names = Counter(results.column("a").to_pylist())
        assert set(names) == {"x", "y", "7", "8", "7 (int)", "9", None}
        assert len(results.where(a=1)) == names["x"]
        assert len(results.where(a=3)) == len(results.where(a="7")) == names["7"]
        assert matching(results.to_arrow(), ["a=8,9"], results.of).num_rows == 4
        assert matching(results.to_arrow(), ["a=x"], results.of).num_rows == names["x"]
        with pytest.raises(StoreError, match="a='nothing'"):
            results.where(a="nothing")


# -- values of a column of several types ----------------------------------------------------------

BERLIN = dt.timezone(dt.timedelta(hours=1))
NEW_YEAR = dt.datetime(2020, 1, 1)
SEVERAL_TYPES: dict[str, list[Any]] = {
    "naive and aware": [NEW_YEAR, NEW_YEAR.replace(tzinfo=dt.timezone.utc)],
    "two zones": [NEW_YEAR.replace(tzinfo=BERLIN), NEW_YEAR.replace(tzinfo=dt.timezone.utc)],
    "a day and a moment": [dt.date(2020, 1, 1), NEW_YEAR],
    "a moment and text": [NEW_YEAR.replace(microsecond=5), "x"],
    "seconds and text": [np.datetime64("2020-01-01T00:00:01"), "x"],
    "nanoseconds and text": [np.datetime64("2020-01-01T00:00:00.000000001"), 3],
    "a time and a number": [dt.time(1, 30), 3, None],
    "a duration and a number": [dt.timedelta(hours=30), 3],
    "fractions": [Fraction(1, 3), 0.5, "x"],
    "decimals": [Decimal("1.10"), Decimal("1E+40"), "x"],
    "numpy texts": [np.str_("a"), 1, b"b"],
    "lists with NaN": [[float("nan")], [1.0]],
}


class Odd(Experiment):
    x: Any = None

    def run(self) -> dict[str, object]:
        return {"y": self.x}


@pytest.mark.parametrize("what", SEVERAL_TYPES)
@pytest.mark.parametrize("is_one_run", [True, False])
def test_31_each_value_of_several_types_is_found(
    tmp_path: Path, what: str, is_one_run: bool
) -> None:
    points = SEVERAL_TYPES[what]
    space = Odd(x=search(points))
    if is_one_run:
        results = space.run_all(results=tmp_path, progress=False)
    else:
        for setting in space:
            setting.run_all(results=tmp_path, progress=False)
        results = Odd.results(tmp_path)
    assert results.counts == {"done": len(points)}
    for found in (results, Results.load(results.root)):
        for name in ("x", "y"):
            keys = [found.where(**{name: x}).column("key").to_pylist() for x in points]
            assert keys == [[setting.key] for setting in space], name


def test_55_names_that_the_call_gives_are_known_without_the_class(tmp_path: Path) -> None:
    space = Fit(
        o=search({"q": SGD(lr=3.0), "r": Sub(momentum=0.5)}),
        kernel=search({"new": "linear", "other": "cosine"}),
        word=search({"c": "ccc", "d": "ddd"}),
    )
    results = space.run_all(results=tmp_path, progress=False)
    for found in (results, Results.load(results.root)):
        for name, x in [
            ("o", SGD),
            ("o", "SGD"),
            ("o", "q"),
            ("kernel", "linear"),
            ("word", "ddd"),
        ]:
            assert len(found.where(**{name: x})) == len(found) / 2, (name, x)
        assert found.has_field("o.momentum").to_pylist() == [
            x == "r" for x in found.column("o").to_pylist()
        ]
