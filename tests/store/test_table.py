"""The table holds the newest outcome of every setting, in columns that lose nothing."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import os
import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome
from superparams.store.ledger.writer import MAX_STREAMS, Ledger
from superparams.store.runs.folder import RunFolder, run_folders
from superparams.store.table.index import read_index
from superparams.store.table.merge import OUTCOME, compact
from tests.recording import keys_of
from tests.runs import output


def key(number: int) -> str:
    return f"{number:032x}"


def done(number: int, result: Any = None, **known: Any) -> Outcome:
    given = {"status": "done", "params": {"a": number}, **known}
    return Outcome(number, key(number), result=result, **given)


def run(root: Path, outcomes: Sequence[Outcome], *, code: str = "c1", size: int = 1) -> RunFolder:
    """A finished run that recorded these outcomes in batches of some size."""
    folder = RunFolder.create(root, {"code": code})
    with Ledger(folder.ledger) as ledger:
        for start in range(0, len(outcomes), size):
            ledger.append(encode(outcomes[start : start + size]))
    folder.finish()
    return folder


def table(root: Path) -> pa.Table:
    return parquet.read_table(compact(root).path, page_checksum_verification=True)


def column(root: Path, name: str = "x") -> list[Any]:
    return table(root).column(name).to_pylist()


def test_one_row_a_setting_with_all_columns(tmp_path: Path) -> None:
    folder = run(tmp_path, [done(0, {"x": 0.5}, started=1700000000.25, seconds=2.0, rank=1)])
    made = table(tmp_path)
    assert made.column_names == ["a", "x", *OUTCOME]
    (row,) = made.to_pylist()
    started = dt.datetime.fromtimestamp(1700000000.25, dt.timezone.utc)
    assert (row["a"], row["x"], row["key"], row["code"]) == (0, 0.5, key(0), "c1")
    assert (row["status"], row["started"], row["seconds"]) == ("done", started, 2.0)
    assert (row["run"], row["rank"], row["attempt"], row["row"]) == (folder.name, 1, 1, 0)


def test_an_experiment_without_outcomes_has_an_empty_table(tmp_path: Path) -> None:
    run(tmp_path, [])
    assert table(tmp_path).num_rows == 0
    assert len(read_index(tmp_path)) == 0


def test_the_newest_outcome_wins(tmp_path: Path) -> None:
    run(tmp_path, [done(0, {"x": 1}), done(1, {"x": 1})])
    assert column(tmp_path) == [1, 1]
    run(tmp_path, [done(1, {"x": 2})])
    assert column(tmp_path) == [1, 2]
    failed = Outcome(0, key(0), "failed", {"a": 0}, error="no")
    run(tmp_path, [failed, done(2, {"x": 3}), done(2, {"x": 4})])
    made = table(tmp_path)
    assert dict(zip(made["a"].to_pylist(), made["x"].to_pylist(), strict=True)) == {
        1: 2,
        0: None,
        2: 4,
    }


def test_a_frame_is_replaced_as_a_whole(tmp_path: Path) -> None:
    run(tmp_path, [done(0, pa.table({"x": [1, 2, 3]})), done(1, {"x": 9})], size=2)
    assert column(tmp_path) == [1, 2, 3, 9]
    assert len(read_index(tmp_path)) == 2
    run(tmp_path, [done(0, pa.table({"x": [5, 6]}))])
    assert sorted(column(tmp_path)) == [5, 6, 9]
    assert column(tmp_path, "row").count(1) == 1


def test_rows_stand_in_the_order_of_the_space(tmp_path: Path) -> None:
    numbers = list(range(300))
    random.Random(1).shuffle(numbers)
    run(tmp_path, [done(n, {"x": n} if n % 3 else {"x": n / 2}) for n in numbers])
    assert column(tmp_path, "a") == list(range(300))


def test_what_was_taken_in_is_not_read_again(tmp_path: Path) -> None:
    first = run(tmp_path, [done(0, {"x": 1})])
    compact(tmp_path)
    shutil.rmtree(first.path)  # a user who needs the room
    run(tmp_path, [done(1, {"x": 2})])
    assert column(tmp_path) == [1, 2]
    assert keys_of(read_index(tmp_path), "done", by=["c1"]) == {key(0), key(1)}


def test_a_run_that_grows_is_taken_in_again(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, {"code": "c1"})
    with Ledger(folder.ledger) as ledger:
        for number in range(3):
            ledger.append(encode([done(number, {"x": number})]))
            assert column(tmp_path) == list(range(number + 1))
    assert column(tmp_path) == [0, 1, 2]


def test_a_fresh_table_is_left_alone(tmp_path: Path) -> None:
    run(tmp_path, [done(0)])
    before = compact(tmp_path).path.stat()
    after = compact(tmp_path).path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


CASES: list[tuple[list[Any], str, list[Any]]] = [
    ([1, 2.5], "double", [1.0, 2.5]),
    ([2**53 + 1, 2.5], "string", ["9007199254740993", "2.5"]),
    ([None, 1], "int64", [None, 1]),
    ([1, "a"], "string", ["1", '"a"']),
    ([True, 1], "string", ["true", "1"]),
    ([1, 2**70], "string", ["1", str(2**70)]),
    ([2**70, 0.5], "string", [str(2**70), "0.5"]),
    ([math.inf, 1], "double", [math.inf, 1.0]),
    ([np.int8(1), 300], "int64", [1, 300]),
    ([np.uint64(2**64 - 1), -1], "string", [str(2**64 - 1), "-1"]),
    ([np.float32(0.5), 1.5], "double", [0.5, 1.5]),
    (["a", Path("b")], "string", ["a", "b"]),
    ([[], [1]], "list<element: int64>", [[], [1]]),
    ([[1], [0.5]], "list<element: double>", [[1.0], [0.5]]),
    ([[2**53 + 1], [0.5]], "string", ["[9007199254740993]", "[0.5]"]),
    ([np.array([2**53 + 1]), np.array([0.5])], "string", ["[9007199254740993]", "[0.5]"]),
    ([[[2**53 + 1]], [[0.5]]], "string", ["[[9007199254740993]]", "[[0.5]]"]),
    ([[2**53 + 1, 0.5], [1]], "string", ["[9007199254740993, 0.5]", "[1]"]),
    ([np.array([2**64 - 1], np.uint64), [-1]], "string", ["[18446744073709551615]", "[-1]"]),
    ([[{"b": 2**53 + 1}], [{"b": 0.5}]], "string", ['[{"b": 9007199254740993}]', '[{"b": 0.5}]']),
    ([[2**53], [0.5]], "list<element: double>", [[2.0**53], [0.5]]),
    ([[1], ["a"]], "string", ["[1]", '["a"]']),
    ([[1, "a"], [1]], "string", ['[1, "a"]', "[1]"]),
    ([decimal.Decimal("1.5"), decimal.Decimal("1.25")], "decimal128(38, 2)",
     [decimal.Decimal("1.50"), decimal.Decimal("1.25")]),
    ([dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 5)], "string",
     ['"2020-01-01"', '"2020-01-01 05:00:00.000000"']),
    ([np.datetime64("2020-01-01", "ns"), dt.datetime(2020, 1, 1)], "timestamp[ns]",
     [dt.datetime(2020, 1, 1)] * 2),
    ([np.datetime64("2020-01-01", "ns"), dt.datetime(3000, 1, 1)], "string",
     ['"2020-01-01 00:00:00.000000000"', '"3000-01-01 00:00:00.000000"']),
    ([dt.timedelta(days=1, microseconds=3), "a"], "string", ['"1 day, 0:00:00.000003"', '"a"']),
    ([b"a", "a"], "string", ["\"b'a'\"", '"a"']),
    ([{"b": 1}, 1], "int64", [None, 1]),
]  # fmt: skip


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("values", "form", "expected"), CASES)
def test_drifting_types(
    tmp_path: Path, values: list[Any], form: str, expected: list[Any], at_once: bool
) -> None:
    outcomes = [done(at, {"x": value}) for at, value in enumerate(values)]
    if at_once:
        run(tmp_path, outcomes, size=2)
    else:
        for one in outcomes:
            run(tmp_path, [one])
            compact(tmp_path)
    made = table(tmp_path)
    assert (str(made.schema.field("x").type), made.column("x").to_pylist()) == (form, expected)


WITHOUT_PANDAS = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas":
            raise ImportError(name)
sys.meta_path.insert(0, Missing())
import numpy as np
from superparams import Experiment, search
time, span = np.datetime64("2020-01-01T00:00:00.000000001"), np.timedelta64(3, "ns")
class Times(Experiment):
    x: int = search([0, 1])
    def run(self):
        at = np.array([time])
        return {"t": time, "ts": at, "d": span, "mixed": [at, 1][self.x], "own": [span, 1][self.x]}
found = Times().run_all(progress=False)
row = next(iter(found))
print([row[name] for name in ("t", "ts", "d", "mixed", "own")])
print(found.row(row["key"]) == row, "00000001" in repr(found), len(found.where(t=time)))
"""


def test_nanoseconds_need_no_pandas(tmp_path: Path) -> None:
    shown = "2020-01-01 00:00:00.000000001"
    assert output(tmp_path, WITHOUT_PANDAS).splitlines() == [
        str([shown, [shown], "3 ns", f'["{shown}"]', '"3 ns"']),
        "True True 2",
    ]


def test_a_column_that_became_text_is_told_once(tmp_path: Path) -> None:
    run(tmp_path, [done(0, {"x": 1}), done(1, {"x": "a"}), done(2, {"x": [1]})])
    (note,) = compact(tmp_path).notes
    assert "'x'" in note
    assert "JSON text" in note
    run(tmp_path, [done(3, {"x": 5})])
    assert compact(tmp_path).notes == [note]


def test_superseded_types_are_forgotten(tmp_path: Path) -> None:
    run(tmp_path, [done(0, {"x": "typo"}), done(1, {"x": 1})])
    run(tmp_path, [done(0, {"x": 2})])
    compact(tmp_path)
    assert sorted(column(tmp_path)) == [1, 2]


def test_columns_stand_as_in_the_newest_run(tmp_path: Path) -> None:
    run(tmp_path, [done(0, {"x": 1, "y": 2}, params={"a": 0, "c": 1})])
    compact(tmp_path)
    newer = {"a": 1, "b": 2, "c": 3}
    run(tmp_path, [done(1, {"w": 0, "x": 1}, params=newer)])
    assert table(tmp_path).column_names[:6] == ["a", "b", "c", "w", "x", "y"]
    run(tmp_path, [Outcome(2, key(2), "failed", newer, error="no")])
    assert table(tmp_path).column_names[:6] == ["a", "b", "c", "w", "x", "y"]


def test_names_that_clash(tmp_path: Path) -> None:
    run(tmp_path, [done(0, {"a": 2, "key": 3, "x": 4}, params={"a": 1, "status": 5})])
    (row,) = table(tmp_path).to_pylist()
    assert (row["a"], row["result.a"], row["result.key"], row["param.status"]) == (1, 2, 3, 5)
    assert (row["key"], row["status"], row["x"]) == (key(0), "done", 4)
    notes = compact(tmp_path).notes
    assert len(notes) == 3
    run(tmp_path, [done(1, {"a": 2, "key": 3, "x": 4}, params={"a": 1, "status": 5})])
    assert table(tmp_path).column("result.a").to_pylist() == [2, 2]
    assert compact(tmp_path).notes == notes


def test_ever_new_names_end_in_one_column(tmp_path: Path) -> None:
    n = MAX_STREAMS + 20
    results = [{f"loss_{at}": at + 0.5, **({"x": at} if at > n - 3 else {})} for at in range(n)]
    run(tmp_path, [done(at, result) for at, result in enumerate(results)])
    for _ in range(2):
        rows = table(tmp_path).to_pylist()
        assert len(rows) == n
        for at, row in enumerate(rows):
            found = json.loads(row["more"]) if row["more"] else {}
            found |= {
                name: row[name]
                for name in row
                if name.startswith("loss_") and row[name] is not None
            }
            assert found[f"loss_{at}"] == at + 0.5
        run(tmp_path, [done(n - 1, {"loss_0": 1.0, f"loss_{n - 1}": n - 0.5})])


def test_spilled_values_find_their_typed_column(tmp_path: Path) -> None:
    outcomes = [done(at, {f"n{at}": 1, "x": at / 2}) for at in range(MAX_STREAMS + 5)]
    run(tmp_path, outcomes)
    assert column(tmp_path) == [at / 2 for at in range(MAX_STREAMS + 5)]


def test_other_tools_read_the_table(tmp_path: Path) -> None:
    run(tmp_path, [done(at, {"x": at / 2}) for at in range(5)])
    frame = pl.read_parquet(compact(tmp_path).path)
    assert frame["x"].to_list() == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_a_table_that_is_not_ours_is_made_anew(tmp_path: Path) -> None:
    run(tmp_path, [done(0, {"x": 1})])
    parquet.write_table(pa.table({"b": [1]}), tmp_path / "results.parquet")
    with pytest.warns(UserWarning, match=r"results\.parquet is damaged"):
        assert column(tmp_path) == [1]


def test_unfinished_files_of_long_ago_go(tmp_path: Path) -> None:
    run(tmp_path, [done(0)])
    old, new = (tmp_path / f".results.parquet.{n}.part" for n in (1, 2))
    for path in (old, new):
        path.write_text("x")
    os.utime(old, (1, 1))
    compact(tmp_path)
    assert (old.exists(), new.exists()) == (False, True)


class TestIndex:
    """What is done, and by which code."""

    def test_codes(self, tmp_path: Path) -> None:
        run(tmp_path, [done(0), done(1)], code="c1")
        failed = Outcome(2, key(2), "killed", {"a": 2})
        run(tmp_path, [done(1), failed], code="c2")
        for _ in range(2):  # from the ledgers, then from the table
            index = read_index(tmp_path)
            assert keys_of(index, "done") == {key(0), key(1)}
            assert keys_of(index, "done", by=["c2"]) == {key(1)}
            assert keys_of(index, "done", by=["c1"]) == {key(0)}
            assert keys_of(index, "killed", by=["c2"]) == {key(2)}
            assert keys_of(index, "failed", "timeout") == set()
            compact(tmp_path)

    def test_a_crashed_run_counts(self, tmp_path: Path) -> None:
        folder = RunFolder.create(tmp_path, {"code": "c1"})
        ledger = Ledger(folder.ledger)
        ledger.append(encode([done(0)]))
        assert keys_of(read_index(tmp_path), "done", by=["c1"]) == {key(0)}
        ledger.close()

    def test_no_folder_at_all(self, tmp_path: Path) -> None:
        assert len(read_index(tmp_path / "nothing")) == 0


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.dates(),
    st.datetimes(),
    st.lists(st.integers() | st.text(max_size=2), max_size=2),
    st.lists(st.integers(-(2**70), 2**70), max_size=2),
    st.lists(st.floats(allow_nan=False) | st.integers(-(2**54), 2**54), max_size=2),
    st.complex_numbers(),
    st.binary(max_size=3),
    st.sampled_from([np.float32(0.5), np.int8(3), Path("p"), np.ones(2), np.array([2**53 + 1])]),
)
ROWS = st.dictionaries(st.sampled_from(["x", "y", "a"]), VALUES)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(ROWS, min_size=1, max_size=4), min_size=1, max_size=3), st.booleans())
def test_no_value_is_lost(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[dict[str, Any]]], between: bool
) -> None:
    root = tmp_path_factory.mktemp("any")
    model: dict[int, Mapping[str, Any]] = {}
    for at, results in enumerate(runs):
        run(root, [done(n + at, result) for n, result in enumerate(results)], size=2)
        model |= {n + at: result for n, result in enumerate(results)}
        if between:
            compact(root)
    rows = {row["index"]: row for row in table(root).to_pylist()}
    assert rows.keys() == model.keys()
    for number, result in model.items():
        for name, value in result.items():
            found = rows[number]["result.a" if name == "a" else name]
            assert is_readable(found, value), (value, found)
    assert len(run_folders(root)) == len(runs)


@pytest.mark.parametrize(
    ("found", "value"),
    [
        ([float(2**53)], [2**53 + 1]),
        ("[9007199254740992.0]", [2**53 + 1]),
        (float(2**53), 2**53 + 1),
        ("[1]", [1, 2]),
        ([1.0], [True]),
    ],
)
def test_what_was_rounded_is_not_readable(found: Any, value: Any) -> None:
    assert not is_readable(found, value)


def is_readable(found: Any, value: Any) -> bool:
    """Whether a person who sees `found` knows the value."""
    if value is None or found is None:
        return value is found
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return found == "NaN" or math.isnan(float(found))
    if isinstance(value, Path):
        value = str(value)
    if isinstance(found, list):
        pairs = zip(found, value, strict=False)
        return len(found) == len(value) and all(is_readable(one, other) for one, other in pairs)
    if isinstance(found, str):
        if isinstance(value, list) and found.startswith("["):
            return is_readable(json.loads(found), value)  # JSON, number by number
        return is_text_of(found, value)
    return bool(found == value) and isinstance(found, bool) == isinstance(value, bool)


def is_text_of(found: str, value: Any) -> bool:
    shown = {str(value), repr(value), json.dumps(value, default=str, ensure_ascii=False)}
    shown |= {json.dumps(one, ensure_ascii=False) for one in (str(value), repr(value))}
    if isinstance(value, int) and not isinstance(value, bool):
        shown.add(repr(float(value)) if abs(value) < 2**53 else str(value))
    if isinstance(value, dt.datetime):
        shown |= {f'"{value.isoformat(" ", "microseconds")}"', value.isoformat(" ", "microseconds")}
    return found in shown
