"""Rows 20 and 31: a frame of a type that Parquet lacks keeps no other row from the table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from superparams import Experiment, Results, search
from tests.recording import done, run

pytestmark = pytest.mark.usefixtures("no_leaks")

FAR = 2**62
SECONDS = pa.timestamp("s")


def union() -> pa.Array:
    parts = [pa.array([1]), pa.array(["x"])]
    return pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), parts)


def two_of_one_name() -> pa.Array:
    return pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])


# The values that the table holds; None where the setting fails.
FRAMES: dict[str, tuple[Callable[[], pa.Array], Any]] = {
    "seconds": (lambda: pa.array([5], SECONDS), dt.datetime(1970, 1, 1, 0, 0, 5)),
    "far seconds": (lambda: pa.array([FAR], SECONDS), f"<value out of range: {FAR}>"),
    "far seconds in a list": (
        lambda: pa.array([[FAR]], pa.list_(SECONDS)),
        [f"<value out of range: {FAR}>"],
    ),
    "words of far seconds": (
        lambda: pa.array([FAR], SECONDS).dictionary_encode(),
        f"<value out of range: {FAR}>",
    ),
    "no fields": (lambda: pa.array([{}], pa.struct([])), "{}"),
    "no fields in a list": (lambda: pa.array([[{}]], pa.list_(pa.struct([]))), ["{}"]),
    "months": (lambda: pa.array([pa.MonthDayNano([1, 2, 3])]), [1, 2, 3]),
    "union": (union, 1),
    "runs": (lambda: pa.RunEndEncodedArray.from_arrays([1], [5]), 5),
    "bytes of no width": (lambda: pa.array([b""], pa.binary(0)), b""),
    "lists of no size": (lambda: pa.array([[]], pa.list_(pa.int8(), 0)), []),
    "no such zone": (lambda: pa.array([0], pa.timestamp("us", "Mars/Phobos")), None),
    "two fields of one name": (two_of_one_name, None),
}


@pytest.mark.parametrize("what", FRAMES)
def test_31_each_frame_leaves_a_table_that_can_be_read(tmp_path: Path, what: str) -> None:
    make, expected = FRAMES[what]

    class Framed(Experiment):
        kind: str = search(["frame", "step", "plain"])

        def run(self) -> Any:
            if self.kind == "step":
                yield pa.table({"v": make()})
            return pa.table({"v": make()}) if self.kind == "frame" else {"z": 1}

    results = Framed().run_all(results=tmp_path, progress=False)
    if expected is None:
        assert {row["kind"] for row in results.failures} == {"frame", "step"}
        assert all("column 'v' of type" in row["error"] for row in results.failures)
    else:
        assert results.counts == {"done": 3}
        assert next(iter(results))["v"] == expected
        assert [dict(step)["v"] for step in results.steps] == [expected]
    for found in (results, Results.load(results.root)):
        assert [row["kind"] for row in found] == ["frame", "step", "plain"]
        assert "3 settings" in repr(found)
    again = Framed().run_all(results=tmp_path, progress=False, resume=False)
    assert len(again) == 3


OLD: dict[str, tuple[Callable[[], pa.Array], str]] = {
    "no fields": (lambda: pa.array([{}], pa.struct([])), "{}"),
    "no fields in a list": (lambda: pa.array([[{}]], pa.list_(pa.struct([]))), "[{}]"),
    "months": (
        lambda: pa.array([pa.MonthDayNano([1, 2, 3])]),
        "[1, 2, 3]",
    ),
    "union": (union, "1"),
    "runs": (lambda: pa.RunEndEncodedArray.from_arrays([1], [5]), "5"),
    "bytes of no width": (lambda: pa.array([b""], pa.binary(0)), "\"b''\""),
}


@pytest.mark.parametrize("what", OLD)
def test_31_a_ledger_of_an_older_version_with_such_a_frame_is_read(
    tmp_path: Path, what: str
) -> None:
    make, expected = OLD[what]
    run(tmp_path, [done(0, pa.table({"v": make()})), done(1, {"z": 1})])
    found = Results.load(tmp_path)
    assert found.column("v").to_pylist() == [expected, None]
    assert found.column("z").to_pylist() == [None, 1]
    assert (tmp_path / "results.parquet").exists()
    assert "kept as JSON text" in found.notes[0]


def test_31_a_duration_that_python_lacks_is_text_with_its_unit(tmp_path: Path) -> None:
    class Long(Experiment):
        n: int = search([1, FAR])

        def run(self) -> Any:
            return pa.table({"v": pa.array([self.n], pa.duration("s"))})

    results = Long().run_all(results=tmp_path, progress=False)
    assert [row["v"] for row in results] == [dt.timedelta(seconds=1), f"{FAR} s"]


def test_31_moments_that_python_lacks_are_read_as_text(tmp_path: Path) -> None:
    zones = [dt.timezone(dt.timedelta(hours=hours)) for hours in (14, -14)]
    points = [
        dt.datetime.min.replace(tzinfo=zones[0]),
        dt.datetime.max.replace(tzinfo=zones[1]),
        np.datetime64("20000-01-01", "s"),
        [np.datetime64("-0044-03-15", "s")],
    ]

    class Far(Experiment):
        x: Any = search(points)

        def run(self) -> dict[str, Any]:
            return {f"y{points.index(self.x)}": self.x}

    results = Far().run_all(results=tmp_path, progress=False)
    rows = list(results)
    assert results.counts == {"done": 4}
    assert rows[0]["y0"] == "0001-01-01 00:00:00.000000+1400"
    assert rows[1]["y1"] == "9999-12-31 23:59:59.999999-1400"
    assert str(rows[2]["y2"]).startswith("20000-01-01")
    assert len(rows[3]["y3"]) == 1
    assert "4 settings" in repr(results)
