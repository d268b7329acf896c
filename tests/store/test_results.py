"""Results: the table in the hands of a person or a program."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import enum
import io
import math
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from rich.console import Console

from superparams.errors import StoreError
from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome
from superparams.store.ledger.writer import Ledger
from superparams.store.results import Results
from superparams.store.runs.folder import RunFolder
from superparams.store.staleness.acceptances import accept, equivalent
from tests.runs import output, script


def key(number: int) -> str:
    return f"{number:032x}"


def outcomes(n: int) -> list[Outcome]:
    made = []
    for at in range(n):
        params = {"kernel": "rbf" if at % 2 else "linear", "C": at / 10, "optimizer.lr": 0.1}
        bad = at % 5 == 0
        made.append(
            Outcome(
                at,
                key(at),
                "failed" if bad else "done",
                params,
                None if bad else {"accuracy": at / 7},
                "ValueError: <b>no</b>" if bad else None,
                log_start=3 * at,
                log_end=3 * at + 3,
            )
        )
    return made


def run(root: Path, made: list[Outcome], code: str = "c1", **manifest: Any) -> RunFolder:
    folder = RunFolder.create(root, {"code": code, **manifest})
    with Ledger(folder.ledger) as ledger:
        ledger.append(encode(made))
    folder.finish()
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Results:
    run(tmp_path, outcomes(12))
    return Results.load(tmp_path, codes=["c1"])


def test_the_same_table_in_every_form(results: Results) -> None:
    assert len(results) == 12
    assert results.to_arrow().num_rows == 12
    assert results.to_pandas()["accuracy"].count() == 9
    assert results.to_polars()["accuracy"].null_count() == 3
    assert pl.DataFrame(results).equals(results.to_polars())
    assert pa.table(results).equals(results.to_arrow())
    assert [row["C"] for row in results] == [at / 10 for at in range(12)]
    assert results.path.name == "results.parquet"
    assert results.path.exists()


def test_columns(results: Results) -> None:
    assert results.params == ["kernel", "C", "optimizer.lr"]
    assert results.results == ["accuracy"]


def test_failures(results: Results) -> None:
    assert [row["key"] for row in results.failures] == [key(0), key(5), key(10)]
    assert {row["error"] for row in results.failures} == {"ValueError: <b>no</b>"}
    assert not results.failures.where(C=0.1)


def test_where(results: Results) -> None:
    assert [row["C"] for row in results.where(kernel="rbf", C=0.3)] == [0.3]
    assert len(results.where(**{"optimizer.lr": 0.1})) == 12
    assert len(results.where(accuracy=None)) == 3
    assert len(results.where(C=1)) == 1
    assert len(results.where(C=77)) == 0
    with pytest.raises(StoreError, match=r"C='x': that column holds double such as 0\.0, 0\.1"):
        results.where(C="x")
    with pytest.raises(StoreError, match=r"no column 'kernl'.*did you mean 'kernel'\?"):
        results.where(kernl="rbf")


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def test_where_takes_what_the_results_were(tmp_path: Path) -> None:
    values: list[Any] = [
        Colour.RED, Path("a/b"), dt.date(2020, 1, 2), np.float32(0.5), math.nan, [1, 2], "text",
        True, 1, 2**70,
    ]  # fmt: skip
    rows = [Outcome(at, key(at), "done", {}, {f"x{at}": x}) for at, x in enumerate(values)]
    run(tmp_path, rows)
    found = Results.load(tmp_path)
    for at, value in enumerate(values):
        assert [row["index"] for row in found.where(**{f"x{at}": value})] == [at], value
    assert len(found.where(x0=Colour.BLUE)) == 0
    with pytest.raises(StoreError, match="x6=7: that column holds string such as 'text'"):
        found.where(x6=7)


def test_where_in_a_column_of_mixed_types(tmp_path: Path) -> None:
    values: list[Any] = [1, "1", True, [1], None, 2.5, {"a": 1}]
    run(tmp_path, [Outcome(n, key(n), "done", {}, {"x": [x]}) for n, x in enumerate(values)])
    found = Results.load(tmp_path)
    for at, value in enumerate(values):
        assert [row["index"] for row in found.where(x=[value])] == [at], value
    assert [row["index"] for row in found.where(x=[1.0])] == [0]


POINTS = """
from superparams import Experiment, Params, search
class Adam(Params):
    rate: float = search([0.1, 0.2])
class SGD(Params):
    size: int = search({"small": 64, "large": 512})
def square(x): return x * x
class Named(Experiment):
    width: int = search({"narrow": 64, "wide": 512})
    optimizer: Adam | SGD = search([Adam(), SGD()])
    f: object = search([square, len])
    def run(self):
        return {"y": self.width}
"""
ASKED = """
from points import *
from superparams import search
Named().run_all(progress=False)
for found in (Named.results(), Named().run_all(progress=False), Named(width=64).results()):
    print(
        len(found),
        len(found.where(width=64)),
        len(found.where(width="wide")),
        len(found.where(optimizer=Adam)),
        len(found.where(optimizer="SGD")),
        len(found.where(**{"optimizer.size": 64})),
        len(found.where(**{"optimizer.size": "large"})),
        len(found.where(optimizer=Adam(rate=0.2))),
        len(found.where(optimizer=SGD(size=512), f=square)),
    )
given = Named(width=search({"tiny": 1})).run_all(progress=False)
print([len(given.where(width=x)) for x in (1, "tiny")], len(given.stale))
print(len(Named.results()), len(Named.results().where(width="tiny")))
"""


def test_where_takes_points_as_a_call_does(tmp_path: Path) -> None:
    script(tmp_path, POINTS, "points.py")
    assert output(tmp_path, ASKED).splitlines() == [
        "16 8 8 8 8 4 4 4 2",
        "16 8 8 8 8 4 4 4 2",
        "8 8 0 4 4 2 2 2 1",
        "[8, 8] 0",
        "24 8",
    ]


SPACES = """
from superparams import Experiment, search
from superparams.errors import StoreError
class Fit(Experiment):
    x: int = search([1, 2, 3, 4])
    def run(self):
        return {"y": -self.x}
try:
    Fit(x=1).results()
except StoreError as error:
    print("run the experiment first" in str(error))
Fit().run_all(progress=False)
Fit(x=9).run_all(progress=False)
print(len(Fit.results()), len(Fit().results()))
print([row["x"] for row in Fit(x=search([3, 7, 1])).results()])
print([row["y"] for row in Fit(x=2).results()], [row["y"] for row in Fit()[3].results()])
print(len(Fit.results("results")), len(Fit(x=2).results(results="results")))
"""


def test_results_of_a_space_are_those_of_its_settings(tmp_path: Path) -> None:
    assert output(tmp_path, SPACES).splitlines() == ["True", "5 4", "[3, 1]", "[-2] [-4]", "5 1"]


WRONG = """
from pathlib import Path
from superparams import Experiment, Results, search
class Fit(Experiment):
    x: int = search([1, 2])
    def run(self):
        return {"y": -self.x}
Fit().run_all(progress=False)
Path("file").write_text("")
print(len(Results.load("results/script.Fit")))
for act in (
    lambda: Fit().run_all(results="file"),
    lambda: Fit.results("file"),
    lambda: Fit().run_all(results="file/deeper"),
    lambda: Results.load("file"),
    lambda: Results.load("results/script.Fat"),
    lambda: Results.load("results"),
):
    try:
        act()
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
"""


def test_folders_that_are_none(tmp_path: Path) -> None:
    told = output(tmp_path, WRONG).splitlines()
    assert told[0] == "2"
    wrong = "file is a file; give the folder to keep results in"
    assert told[1] == told[2] == f"StoreError: results='file': {wrong}"
    assert told[3] == f"StoreError: results='file/deeper': {wrong}"
    wrong = "file is a file; give the folder of an experiment, such as results/module.Class"
    assert told[4] == f"StoreError: results='file': {wrong}"
    assert "results has those of script.Fit" in told[5]
    assert told[6].startswith("StoreError: results holds experiments (script.Fit)")


def test_best(results: Results) -> None:
    assert results.best("accuracy")["C"] == 1.1
    assert results.best("accuracy", "min")["C"] == 0.1
    with pytest.raises(StoreError, match="did you mean 'accuracy'"):
        results.best("acuracy")
    with pytest.raises(StoreError, match="mode is 'max' or 'min'"):
        results.best("accuracy", "most")  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="no row"):
        results.failures.best("accuracy")


def test_best_passes_over_nan(tmp_path: Path) -> None:
    values = [math.nan, 1.0, math.nan, 3.0]
    run(tmp_path, [Outcome(at, key(at), "done", {}, {"x": x}) for at, x in enumerate(values)])
    assert Results.load(tmp_path).best("x")["x"] == 3.0


@pytest.mark.parametrize("kind", [int, float, str, decimal.Decimal, np.float32])
@pytest.mark.parametrize("mode", ["max", "min"])
def test_best_is_the_first_of_equal_rows_of_current_code(
    tmp_path: Path, kind: Any, mode: Any
) -> None:
    def rows(numbers: Sequence[int | None]) -> list[Outcome]:
        results = [None if n is None else {"x": kind(n)} for n in numbers]
        return [Outcome(at, key(at), "done", {}, x) for at, x in enumerate(results)]

    run(tmp_path, rows([None, 4, 7, 4, 7, None, 9, 1]), "c1")
    run(tmp_path, rows([None, 4, 7, 4, 7]), "c2")
    now = Results.load(tmp_path, codes=["c2"])
    place, stale_place = (2, 6) if mode == "max" else (1, 7)
    assert now.best("x", mode)["key"] == key(place)
    assert now.best("x", mode, stale=True)["key"] == key(stale_place)
    assert Results.load(tmp_path).best("x", mode)["key"] == key(stale_place)


def test_log(results: Results, tmp_path: Path) -> None:
    (folder,) = (tmp_path / "runs").iterdir()
    (folder / "logs" / "0.log").write_bytes(b"aaabbbccc\xff\xffd")
    assert results.log(key(1)) == "bbb"
    assert results.log(key(3)) == "\ufffd\ufffdd"
    with pytest.raises(StoreError, match="no setting has a key"):
        results.log("ffff")
    with pytest.raises(StoreError, match="12 settings have a key"):
        results.log("0")
    (folder / "logs" / "0.log").unlink()
    assert results.log(key(1)) == ""


def test_stale(tmp_path: Path) -> None:
    run(tmp_path, outcomes(3), "c1")
    run(tmp_path, outcomes(2), "c2")
    now = Results.load(tmp_path, codes=["c2"])
    assert [row["key"] for row in now.stale] == [key(2)]
    assert len(Results.load(tmp_path).stale) == 0
    accept(tmp_path, "c1", "c2")
    codes = equivalent(tmp_path, "c2")
    assert codes == ["c2", "c1"]
    assert len(Results.load(tmp_path, codes=codes).stale) == 0


def test_summary_and_text(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert results.summary == "12 settings: 9 done, 3 failed · results.parquet"
    lines = repr(results).splitlines()
    assert lines[0] == results.summary
    assert lines[1].split() == [
        "kernel",
        "C",
        "optimizer.lr",
        "accuracy",
        "status",
        "error",
        "seconds",
    ]
    assert "… 2 more rows" in lines
    assert all(len(line) < 120 for line in lines)
    assert results.failures.summary.startswith("3 settings: 3 failed")
    assert results.where(C=0.1).summary.startswith("1 setting: 1 done")


def test_html_is_escaped(results: Results) -> None:
    text = results._repr_html_()
    assert text.startswith("<table>")
    assert "&lt;b&gt;no" in text
    assert "<b>" not in text


def test_rich(results: Results) -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(results)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "accuracy" in text
    assert "<b>no</b>" in text


def test_frames_count_as_one_setting(tmp_path: Path) -> None:
    run(tmp_path, [Outcome(0, key(0), "done", {}, pa.table({"x": list(range(5))}))])
    found = Results.load(tmp_path)
    assert len(found) == 5
    assert found.summary.startswith("1 setting: 1 done")


def test_without_results(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="run the experiment first"):
        Results.load(tmp_path / "none")
    run(tmp_path, [])
    empty = Results.load(tmp_path)
    assert len(empty) == 0
    assert repr(empty).startswith("0 settings ·")


def test_results_stay_what_they_were(tmp_path: Path) -> None:
    run(tmp_path, outcomes(2))
    before = Results.load(tmp_path)
    run(tmp_path, outcomes(4))
    Results.load(tmp_path)
    assert len(before) == 2
    assert before.to_arrow().num_rows == 2


def test_what_is_asked_for_is_all_that_is_read(tmp_path: Path) -> None:
    run(tmp_path, outcomes(12))
    found = Results.load(tmp_path, codes=["c1"])
    data = found.path.read_bytes()
    where = data.index(b"linear")  # in a page of `kernel`
    with open(found.path, "r+b") as file:  # the same file, not one in its place
        file.seek(where)
        file.write(b"LINEAR")
    assert found.counts == {"done": 9, "failed": 3}
    assert len(found.failures) == 3
    assert found.results == ["accuracy"]
    with pytest.raises(StoreError, match=r"results\.parquet was damaged since it was opened"):
        found.to_arrow()


def test_rows_of_some_keys_in_their_order(results: Results) -> None:
    def keys(*numbers: int) -> pa.Array:
        return pa.array([bytes.fromhex(key(number)) for number in numbers], pa.binary(16))

    assert [row["key"] for row in results.of_keys(keys(7, 3, 99, 5))] == [key(7), key(3), key(5)]
    assert results.of_keys(keys(7, 3, 99, 5)).failures.to_arrow()["key"].to_pylist() == [key(5)]
    assert results.of_keys(keys(*range(20))).to_arrow().equals(results.to_arrow())
    assert len(results.of_keys(keys())) == 0


def test_rows_of_some_keys_keep_the_order_of_frames(tmp_path: Path) -> None:
    frames = [pa.table({"x": [10 * at, 10 * at + 1]}) for at in range(3)]
    run(tmp_path, [Outcome(at, key(at), "done", {}, frame) for at, frame in enumerate(frames)])
    keys = pa.array([bytes.fromhex(key(number)) for number in (2, 0)], pa.binary(16))
    found = Results.load(tmp_path).of_keys(keys)
    assert [row["x"] for row in found] == [20, 21, 0, 1]
    assert found.counts == {"done": 2}


def test_rows_of_some_runs(tmp_path: Path) -> None:
    first, second = run(tmp_path, outcomes(3)).name, run(tmp_path, outcomes(2)).name
    found = Results.load(tmp_path)
    assert found.runs == [first, second]
    assert [row["key"] for row in found.of_runs(first)] == [key(2)]
    assert len(found.of_runs(first, second)) == 3
    assert len(found.of_runs("")) == 0


def test_results_are_copied_with_their_rows(results: Results) -> None:
    some = pickle.loads(pickle.dumps(results.where(kernel="rbf")))
    assert some.to_arrow().equals(results.where(kernel="rbf").to_arrow())
    assert some.summary == results.where(kernel="rbf").summary
    assert copy.deepcopy(results).to_arrow().equals(results.to_arrow())


def test_no_results_at_all(tmp_path: Path) -> None:
    none = Results.empty(tmp_path)
    run(tmp_path, [])
    assert (len(none), none.counts, none.runs, len(none.failures)) == (0, {}, [], 0)
    assert none.columns == Results.load(tmp_path).columns


def test_a_run_loads_no_library_for_frames(tmp_path: Path) -> None:
    """They take longer to load than all else that such a run does."""
    script = tmp_path / "plain.py"
    script.write_text(PLAIN)
    asked = [sys.executable, str(script)]
    for _ in ("first", "resumed", "all done"):
        ended = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert ended.stdout.split() == ["6", "[]"]


PLAIN = """
import sys
from superparams import Experiment, search

class Plain(Experiment):
    a: int = search([1, 2, 3])
    b: str = search(["u", "v"])

    def run(self):
        if self.a == 3 and not self.folder.joinpath("again").exists():
            self.folder.joinpath("again").touch()
            raise ValueError("once")
        return {"x": self.a / 2}

found = Plain().run_all(progress=False)
print(len(found), sorted({"pandas", "polars"} & sys.modules.keys()))
"""


BARE = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name in ("pandas", "polars"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
from superparams import Results
results = Results.load(sys.argv[1])
for table in (results, results.steps, results.average("kernel")):
    for name in ("pandas", "polars"):
        try:
            getattr(table, f"to_{name}")()
        except Exception as error:
            print(type(error).__name__, error)
"""


def test_without_a_library_for_frames_the_error_tells_what_to_install(results: Results) -> None:
    command = [sys.executable, "-c", BARE, str(results.root)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = ended.stdout.splitlines()
    assert len(lines) == 6
    for name, line in zip(["pandas", "polars"] * 3, lines, strict=True):
        assert line.startswith(f"StoreError to_{name}() needs {name}, which is not installed: ")
        assert f"pip install {name}" in line
