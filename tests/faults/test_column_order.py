"""Row 71: columns stand in the order of the declaration, whatever ran first and in any format."""

from __future__ import annotations

import csv
import io
import itertools
import json
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from superparams import Experiment, Params, Results, search
from superparams.store.table.column_order import checked_order, in_order, joined_orders
from tests.cli.command import Project
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")


class Deep(Params):
    b: int = 1
    a: int = 2


class P(Params):
    z: int = 1
    a: int = 2


class Q(Params):
    m: int = 3
    z: int = 4
    deep: Deep | None = search([None, Deep()])
    k: int | None = None


class Fit(Experiment):
    o: P | Q = search([Q(), P()])
    c: int = search([1, 2])
    n: P | Q | None = search([None, P(), Q(deep=None)])
    named: Params = search({"p": P(), "deep": Deep()})

    def run(self) -> dict[str, int]:
        return {"r2": 1, "r1": 2} if isinstance(self.o, P) else {"r0": 1, "r1": 2}


class FitLater(Fit):
    async def run(self) -> dict[str, int]:  # type: ignore[override]  # pyright: ignore
        return super().run()


PARAMS = [
    *("o", "o.m", "o.z", "o.deep", "o.deep.b", "o.deep.a", "o.k", "o.a"),
    "c",
    *("n", "n.z", "n.a", "n.m", "n.deep", "n.k"),
    *("named", "named.z", "named.a", "named.b"),
]
PARTS = [Fit(o=P(), n=None), Fit(o=Q(), c=2), Fit(n=P(), named="deep"), Fit(n=Q(deep=None), o=P())]


@sweep(2, ("num_proc", "engine"), [(1, "serial"), (2, "processes"), (2, "threads"), (2, "asyncio")])
def test_71_every_engine_gives_the_declared_order(
    tmp_path: Path, num_proc: int, engine: str
) -> None:
    space = FitLater() if engine == "asyncio" else Fit()
    results = space.run_all(num_proc, engine=engine, results=tmp_path, progress=False)
    assert results.params == PARAMS
    assert results.results == ["r0", "r1", "r2"]
    results.path.unlink()  # made anew from the ledgers
    assert Results.load(results.root).columns == results.columns


@sweep(1, "parts", list(itertools.permutations(PARTS, 3))[::5])
def test_71_whichever_rows_come_first(tmp_path: Path, parts: Any) -> None:
    for part in parts:
        part.run_all(results=tmp_path, progress=False)
    results = Fit.results(tmp_path)
    assert results.params == [name for name in PARAMS if name in results.params]
    Fit(o=P()).run_all(results=tmp_path, progress=False)
    Fit().run_all(results=tmp_path, progress=False)
    Fit(o=P(), c=1).run_all(results=tmp_path, progress=False, resume=False)
    assert Fit.results(tmp_path).params == PARAMS
    Fit.results(tmp_path).path.unlink()
    assert Results.load(results.root).params == PARAMS


def test_71_what_the_call_gives_follows_what_is_declared(tmp_path: Path) -> None:
    class Extra(Params):
        y: int = 1
        z: int = 2

    wanted = ["o", "o.m", "o.z", "o.deep", "o.deep.b", "o.deep.a", "o.k", "o.a", "o.y"]
    for place, spaces in enumerate(itertools.permutations([Fit(o=Extra()), Fit()])):
        for space in spaces:
            space.run_all(results=tmp_path / str(place), progress=False)
        assert Fit.results(tmp_path / str(place)).params[: len(wanted)] == wanted


def test_71_orders_of_several_runs_are_joined() -> None:
    assert joined_orders([]) == []
    assert joined_orders([["a", "b"], []]) == ["a", "b"]
    assert joined_orders([["a", "c"], ["a", "b", "c", "d"], ["0", "d"]]) == [
        "0",
        "a",
        "b",
        "c",
        "d",
    ]
    assert joined_orders([[], ["b", "a"]]) == ["b", "a"]
    sources = ["result.z", "param.x", "param.b.q", "param.a", "result.a", "param.b"]
    wanted = ["param.b.q", "param.b", "param.a", "param.x", "result.z", "result.a"]
    assert in_order(sources, ["b", "a"]) == wanted
    for damage in (None, 3, {}, "abc"):
        assert checked_order(damage) == []
    assert checked_order(["a", 3, None, "b"]) == ["a", "b"]


PROJECT = """
from superparams import Experiment, Params, search

class P(Params):
    z: int = 1

class Q(Params):
    m: int = 3

class Fit(Experiment):
    o: P | Q = search([Q(), P()])
    c: int = search([1, 2])

    def run(self):
        return {"loss": self.c}
"""


def test_71_files_of_all_formats_have_one_order(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write({"experiments/t.py": PROJECT})
    assert project.run("run", "t").code == 0
    (path,) = project.folder.glob("results/*/results.parquet")
    columns: list[str] = parquet.read_schema(path).names
    assert columns[:6] == ["o", "o.m", "o.z", "c", "loss", "key"]
    results = Results.load(path.parent)
    assert results.columns == columns
    assert list(results.to_pandas().columns) == results.to_polars().columns == columns
    assert [list(row) for row in results] == [columns] * 4
    assert list(results.best("loss")) == columns

    def written(form: str) -> str:
        done = project.run("results", "t", "--format", form)
        assert done.code == 0, done.err
        return done.out

    with_stale = [*columns, "stale"]
    assert next(csv.reader(io.StringIO(written("csv")))) == with_stale
    assert {tuple(row) for row in json.loads(written("json"))} == {tuple(with_stale)}
    assert project.run("results", "t", "-o", "x.parquet").code == 0
    assert parquet.read_schema(project.folder / "x.parquet").names == with_stale
    head = [one.strip() for one in written("markdown").splitlines()[0].strip("| ").split("|")]
    assert head == [name for name in with_stale if name in head]
    assert "key" in head


class Curves(Experiment):
    """Settings with ever other fields; the last ones end first."""

    a: int = search(range(6))

    def run(self) -> Any:
        time.sleep(0.05 * (6 - self.a))
        for n in range(3):
            if n == self.a % 3:
                yield {f"f{self.a}": 1, "late": n, "epoch": n}
            else:
                yield {"epoch": n, f"g{self.a % 2}": 2.0}
        yield {"last": 7, "epoch": 4}


@pytest.mark.parametrize("many", [False, True])
def test_steps_have_their_columns_in_one_order_for_any_number_of_workers(
    many: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if many:  # the steps of all but the first names are written as text
        monkeypatch.setattr("superparams.store.ledger.writer.MAX_STREAMS", 2)
    orders = {
        (*found.steps.fields, "", *found.results)
        for n in (1, 6)
        if (found := Curves().run_all(n, results=tmp_path / str(n), progress=False))
    }
    (order,) = orders
    assert order[:6] == ("f0", "late", "epoch", "g0", "last", "g1")
