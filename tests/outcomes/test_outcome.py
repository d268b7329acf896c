"""Outcomes survive their encoding whatever their shape, and nothing in them is lost in silence."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import socket
import threading
import uuid
import zoneinfo
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superparams.outcomes.arrow import kind_of, plain_array, plain_scalar
from superparams.outcomes.batches import META, encode
from superparams.outcomes.ipc_streams import decode
from superparams.outcomes.outcome import Outcome

KEY = "0123456789abcdef0123456789abcdef"


class Colour(enum.IntEnum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Pair(NamedTuple):
    left: int
    right: str


def outcome(result: Any = None, index: int = 0, **known: Any) -> Outcome:
    given = {"key": f"{index:032x}", "status": "done", "params": {}, **known}
    return Outcome(index, result=result, **given)


def stored(result: Any) -> tuple[pa.Field, Any]:
    """The field and the value that one result has after encoding."""
    (batch,) = decode(encode([outcome({"v": result})]))
    assert batch.column("error")[0].as_py() is None
    (field,) = [field for field in batch.schema if field.name.startswith("result.")]
    return field, batch.column(field.name)[0].as_py()


def test_nothing_is_no_bytes() -> None:
    assert encode([]) == b""
    assert decode(b"") == []


def test_all_of_an_outcome_comes_back() -> None:
    known: dict[str, Any] = {
        "error": "ValueError: no",
        "traceback": "Traceback …",
        "started": 1.5,
        "seconds": 0.25,
        "rank": 3,
        "attempt": 2,
        "log_start": 10,
        "log_end": 20,
        "peak_memory": 1 << 40,
        "n_steps": 3,
        "stopped_by": "ASHA()",
    }
    made = Outcome(10**12, KEY, "failed", {"C": 0.1, "kernel": "rbf"}, None, **known)
    (batch,) = decode(encode([made]))
    (row,) = batch.to_pylist()
    expected = {"index": 10**12, "row": 0, "key": KEY, "status": "failed", **known}
    assert row == {**expected, "param.C": 0.1, "param.kernel": "rbf"}
    assert batch.schema.names[: len(META)] == list(META)


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        (True, "bool", True),
        (3, "int64", 3),
        (2.5, "double", 2.5),
        ("é", "string", "é"),
        (b"\xff", "binary", b"\xff"),
        (bytearray(b"a"), "binary", b"a"),
        (np.float32(0.5), "float", 0.5),
        (np.float16(0.5), "float", 0.5),
        (np.int8(-3), "int8", -3),
        (np.uint64(2**64 - 1), "uint64", 2**64 - 1),
        (np.bool_(True), "bool", True),
        (np.str_("a"), "string", "a"),
        (np.array(3.5), "double", 3.5),
        (np.arange(3, dtype="int32"), "list<item: int32>", [0, 1, 2]),
        (np.ones((2, 1)), "list<item: list<item: double>>", [[1.0], [1.0]]),
        (np.array([1, 2], ">i4"), "list<item: int32>", [1, 2]),
        (np.ma.masked_array([1, 2], [0, 1]), "list<item: int64>", [1, None]),
        ([], "list<item: null>", []),
        ([1, 2.5], "list<item: double>", [1.0, 2.5]),
        ((1, None), "list<item: int64>", [1, None]),
        ({2, 1}, "list<item: int64>", [1, 2]),
        ([{"a": 1}, {"a": 2}], "list<item: struct<a: int64>>", [{"a": 1}, {"a": 2}]),
        (dt.date(2020, 1, 2), "date32[day]", dt.date(2020, 1, 2)),
        (dt.time(1, 2, 3), "time64[us]", dt.time(1, 2, 3)),
        (dt.timedelta(days=1), "duration[us]", dt.timedelta(days=1)),
        (dt.datetime(2020, 1, 2, 3), "timestamp[us]", dt.datetime(2020, 1, 2, 3)),
        (np.datetime64("2020-01-02", "D"), "timestamp[s]", dt.datetime(2020, 1, 2)),
        (decimal.Decimal("1.50"), "decimal128(38, 2)", decimal.Decimal("1.50")),
        (pd.Series([1, 2]), "list<item: int64>", [1, 2]),
        (pl.Series([1, 2]), "list<item: int64>", [1, 2]),
        (pd.NaT, "null", None),
        (pd.NA, "null", None),
    ],
)  # fmt: skip
def test_a_value_keeps_its_type(value: Any, form: str, expected: Any) -> None:
    field, found = stored(value)
    assert (str(field.type), kind_of(field), found) == (form, None, expected)


BEYOND = 2**60 + 1  # not a float


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        (pl.Series([BEYOND, None]), "int64", [BEYOND, None]),
        (pl.Series([True, None]), "bool", [True, None]),
        (pl.Series([None, "a"], dtype=pl.Categorical), "string", [None, "a"]),
        (pl.Series([None, dt.date(2020, 1, 2)]), "date32[day]", [None, dt.date(2020, 1, 2)]),
        (pl.Series([{"a": BEYOND}, None]), "struct<a: int64>", [{"a": BEYOND}, None]),
        (pl.Series([[1], None]), "list<item: int64>", [[1], None]),
        (pl.Series([float("inf"), None]), "double", [float("inf"), None]),
        (pd.Series([BEYOND, None], dtype="Int64"), "int64", [BEYOND, None]),
        (pd.Series([BEYOND, None], dtype="int64[pyarrow]"), "int64", [BEYOND, None]),
        (pd.array([BEYOND, None], dtype="Int64"), "int64", [BEYOND, None]),
        (pd.Index([BEYOND, None], dtype="Int64"), "int64", [BEYOND, None]),
        (pd.Series([True, None], dtype="boolean"), "bool", [True, None]),
        (pd.Series(["a", None], dtype="string"), "string", ["a", None]),
        (pd.Series([BEYOND, None], dtype="category"), "int64", [BEYOND, None]),
        (pd.Categorical(["a", None]), "string", ["a", None]),
        (pd.Series([1, 2], dtype="Int64"), "int64", [1, 2]),
        (pa.array([BEYOND, None]), "int64", [BEYOND, None]),
    ],
)
def test_a_missing_value_changes_no_other_one(value: Any, form: str, expected: Any) -> None:
    field, found = stored(value)
    assert (str(field.type), found) == (f"list<item: {form}>", expected)
    nested, inside = stored([value, value])
    assert (str(nested.type), inside) == (f"list<item: list<item: {form}>>", [expected] * 2)


def test_a_series_of_polars_keeps_its_zone() -> None:
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    moments = [dt.datetime(2020, 1, 2, tzinfo=zone), None]
    assert stored(pl.Series(moments, dtype=pl.Datetime("us", "Europe/Berlin")))[1] == moments


def test_periods_in_a_frame_are_readable() -> None:
    months = pd.PeriodIndex(["2020-01", "NaT", "2020-03"], freq="M")
    for frame in (pd.DataFrame({"month": months}), pd.DataFrame(index=months.rename("month"))):
        (batch,) = decode(encode([outcome(frame)]))
        assert batch.column("result.month").to_pylist() == ["2020-01", None, "2020-03"]
    mixed = pd.DataFrame({"month": months, "x": [1, "a", None]})
    (batch,) = decode(encode([outcome(mixed)]))
    assert batch.column("result.month").to_pylist() == ["2020-01", None, "2020-03"]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (2**63, "int", str(2**63)),
        pytest.param(10**5000, "int", hex(10**5000), id="5001 digits"),
        (1 + 2j, "repr", "(1+2j)"),
        (np.complex64(1), "repr", "(1+0j)"),
        (Colour.RED, "enum", "RED"),
        (pathlib.PurePosixPath("/a/b"), "path", "/a/b"),
        (uuid.UUID(int=1), "uuid", str(uuid.UUID(int=1))),
        ("a\udcffb", "escaped", "a\\udcffb"),
        (decimal.Decimal("NaN"), "decimal", "NaN"),
        (decimal.Decimal("1e100"), "decimal", "1E+100"),
        (dt.timedelta.max, "timedelta", str(dt.timedelta.max)),
        (dt.time(1, tzinfo=dt.timezone.utc), "time", "01:00:00+00:00"),
        ([1, "a"], "json", '[1, "a"]'),
        ([np.str_("a"), 1, None], "json", '["a", 1, null]'),
        ([np.bytes_(b"a"), 1], "json", "[\"b'a'\", 1]"),
        ([{"a": 1}, {"b": "\udcff"}], "json", '[{"a": 1}, {"b": "\\udcff"}]'),
        (np.array([1, None, "a"], object), "json", '[1, null, "a"]'),
        ({}, "json", "{}"),
        (int, "name", "builtins.int"),
        ([pathlib.PurePosixPath("/a")], "path", ["/a"]),
    ],
)
def test_what_arrow_has_no_type_for_is_readable_text(value: Any, kind: str, expected: Any) -> None:
    field, found = stored(value)
    assert (kind_of(field), found) == (kind, expected)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "+05:30"])
def test_times_keep_zone_and_nanoseconds(zone: str) -> None:
    hours = dt.timedelta(hours=5, minutes=30)
    tz = dt.timezone(hours) if zone == "+05:30" else zoneinfo.ZoneInfo(zone)
    value = dt.datetime(2024, 7, 1, 12, 0, 0, 5, tzinfo=tz)
    field, found = stored(value)
    assert (field.type, found) == (pa.timestamp("us", zone), value)
    exact = pd.Timestamp(value) + pd.Timedelta(7, "ns")
    field, found = stored(exact)
    assert (field.type.unit, field.type.tz, found) == ("ns", zone, exact)


def test_a_day_that_is_repeated_in_autumn_is_no_other_time() -> None:
    tz = zoneinfo.ZoneInfo("Europe/Berlin")
    for fold in (0, 1):
        value = dt.datetime(2024, 10, 27, 2, 30, fold=fold, tzinfo=tz)
        (batch,) = decode(encode([outcome({"v": value})]))
        (since,) = batch.column("result.v").cast(pa.int64()).to_pylist()
        assert since == value.timestamp() * 1e6


@pytest.mark.parametrize(
    ("value", "columns"),
    [
        ({"a": {"b": 1, "c": {"d": "x"}}}, {"result.a.b": 1, "result.a.c.d": "x"}),
        ({"p": Point(1, 2.0)}, {"result.p.x": 1, "result.p.y": 2.0}),
        ({"p": Pair(1, "x")}, {"result.p.left": 1, "result.p.right": "x"}),
        ({1: 2, "1": 3}, {"result.1": 2, "result.1~2": 3}),
        ({"a": {"b": 1}, "a.b": 2}, {"result.a.b": 1, "result.a.b~2": 2}),
        ({"a\udcff": 1}, {"result.a\\udcff": 1}),
    ],
)
def test_nested_results_are_dotted_columns(value: Any, columns: dict[str, Any]) -> None:
    (batch,) = decode(encode([outcome(value)]))
    assert {
        name: batch.column(name)[0].as_py() for name in batch.schema.names[len(META) :]
    } == columns


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize("make", [threading.Lock, socket.socket, object, lambda: lambda: 1, Broken])
def test_a_result_that_no_table_holds_fails_its_setting_alone(make: Any) -> None:
    value = make()
    rows = [
        row
        for batch in decode(encode([outcome({"a": 1}, 0), outcome({"b": value}, 1)]))
        for row in batch.to_pylist()
    ]
    if isinstance(value, socket.socket):
        value.close()
    by_index = {row["index"]: row for row in rows}
    assert [by_index[0]["status"], by_index[1]["status"]] == ["done", "failed"]
    assert "result 'b'" in by_index[1]["error"]
    assert f"{1:032x}" in by_index[1]["error"]


def test_a_parameter_always_has_a_text() -> None:
    (batch,) = decode(encode([outcome(params={"x": Broken(), "f": lambda: 1})]))
    assert batch.column("param.x")[0].as_py() == "<Broken, its repr raises RuntimeError>"
    assert "<lambda>" in batch.column("param.f")[0].as_py()


@pytest.mark.parametrize("result", [3.5, [1], "text", object()])
def test_what_is_no_row_fails_with_the_remedy(result: Any) -> None:
    (batch,) = decode(encode([outcome(result)]))
    assert batch.column("status")[0].as_py() == "failed"
    assert "return a dict, None or a data frame" in batch.column("error")[0].as_py()


def test_a_list_that_holds_itself_ends() -> None:
    value: list[Any] = [1]
    value.append(value)
    (batch,) = decode(encode([outcome({"v": value})]))
    assert batch.num_rows == 1


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pl.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pa.table({"a": [1, 2], "b": ["x", None]}),
        pl.DataFrame({"a": [1, 2], "b": ["x", None]}).with_columns(
            pl.col("b").cast(pl.Categorical)
        ),
        pd.DataFrame({"a": [1, 2], "b": pd.Categorical(["x", None])}),
    ],
)
def test_a_frame_gives_many_rows(frame: Any) -> None:
    (batch,) = decode(encode([outcome(frame, 4, params={"C": 1})]))
    assert batch.column("row").to_pylist() == [0, 1]
    assert batch.column("index").to_pylist() == [4, 4]
    assert batch.column("param.C").to_pylist() == [1, 1]
    assert batch.column("result.a").to_pylist() == [1, 2]
    assert batch.column("result.b").to_pylist() == ["x", None]
    assert not any(pa.types.is_dictionary(field.type) for field in batch.schema)


def test_frames_of_odd_shapes() -> None:
    mixed = pd.DataFrame({"a": [1, "x", None]})
    (batch,) = decode(encode([outcome(mixed)]))
    assert batch.column("result.a").to_pylist() == ["1", '"x"', None]
    labelled = pd.DataFrame({0: [1]}, index=["z"])
    (batch,) = decode(encode([outcome(labelled)]))
    assert batch.column("result.0").to_pylist() == [1]
    assert batch.column("result.index").to_pylist() == ["z"]
    (batch,) = decode(encode([outcome(pl.DataFrame({"a": []}))]))
    assert batch.column("status").to_pylist() == ["done"]


def test_rows_of_other_types_go_into_other_streams() -> None:
    results = [{"a": 1}, {"a": 2.5}, {"a": "x"}, {"a": None}, {"b": 1}, None, {"a": 3}]
    batches = decode(encode([outcome(result, at) for at, result in enumerate(results)]))
    found: dict[int, dict[str, Any]] = {}
    for batch in batches:
        for row in batch.to_pylist():
            values = {n[7:]: v for n, v in row.items() if n.startswith("result.") and v is not None}
            found[row["index"]] = values
    assert found == {
        at: {k: v for k, v in (result or {}).items() if v is not None}
        for at, result in enumerate(results)
    }
    assert len(batches) <= 4


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=())),
    st.binary(max_size=5),
    st.datetimes(),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(),
    st.complex_numbers(),
    st.fractions(),
    st.uuids(),
    st.sampled_from([Colour.RED, pathlib.PurePosixPath("a"), np.float64(1.5), np.int8(1), pd.NaT]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


def leaves(value: Any) -> int:
    if isinstance(value, dict) and value:
        return sum(map(leaves, value.values()))
    return 1


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), min_size=1, max_size=5))
def test_every_row_of_any_shape_is_kept(results: list[dict[str, Any]]) -> None:
    batches = decode(encode([outcome(result, at) for at, result in enumerate(results)]))
    rows = {row["index"]: row for batch in batches for row in as_rows(batch)}
    assert len(rows) == sum(batch.num_rows for batch in batches) == len(results)
    for at, result in enumerate(results):
        assert rows[at]["error"] is None
        kept = [v for name, v in rows[at].items() if name.startswith("result.") and v is not None]
        assert len(kept) == leaves(result) - missing(result) if result else not kept


def missing(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(missing, value.values()))
    return value is None or value is pd.NaT


def as_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    return list(batch.to_pylist())


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ([1, None, -3], pa.int64()),
        ([None, 2], pa.int32()),
        ([1.5, None, math.nan], pa.float64()),
        ([True, None, False], pa.bool_()),
        (["a", None, "é", ""], pa.string()),
        ([b"a", None], pa.binary()),
        ([None, None], pa.string()),
        ([], pa.int8()),
    ],
)
def test_plain_columns_are_those_that_arrow_makes(values: list[Any], form: pa.DataType) -> None:
    made = plain_array(values, form)
    made.validate(full=True)
    assert str(made) == str(pa.array(values, form))
    assert (made.type, made.null_count) == (form, values.count(None))
    for value in values:
        assert str(plain_scalar(value, form)) == str(pa.scalar(value, form))
