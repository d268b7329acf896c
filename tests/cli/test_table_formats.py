"""Rows in the formats of other programs, and as short text."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superparams.cli.table_formats import as_table, rows, write
from superparams.errors import CommandError
from superparams.store.results import Results
from tests.recording import done, run

MIXED = pa.table(
    {
        "key": ["a" * 32, "a" * 9 + "b" * 23, "c" * 32],
        "x": pa.array([1, None, 2**60], pa.int64()),
        "y": [0.1, math.nan, None],
        "text": ["a|b\n\x1b[0m", '"quoted", twice', "long " * 20],
        "many": [[1, 2], [], None],
        "when": pa.array([1, None, 1_500_000_000], pa.timestamp("ns")),
        "took": pa.array([1_500_000_000, None, 0], pa.duration("ns")),
        "status": ["done", "failed", "done"],
    }
)


def written(table: pa.Table, form: str, folder: Path) -> str:
    file = folder / "file"
    write(table, form, file)
    return file.read_text("utf-8")


def test_csv_reads_back(tmp_path: Path) -> None:
    made = list(csv.DictReader(io.StringIO(written(MIXED, "csv", tmp_path))))
    assert [row["x"] for row in made] == ["1", "", str(2**60)]
    assert [row["y"] for row in made] == ["0.1", "nan", ""]
    assert made[0]["text"] == "a|b\n\x1b[0m"  # a file is not a terminal
    assert [row["many"] for row in made] == ["[1, 2]", "[]", ""]
    assert made[0]["when"] == "1970-01-01 00:00:00.000000001"
    assert made[0]["took"] == "1.5"


def test_json_reads_back(tmp_path: Path) -> None:
    made = json.loads(written(MIXED, "json", tmp_path))
    assert [row["x"] for row in made] == [1, None, 2**60]
    assert [row["y"] for row in made] == [0.1, "NaN", None]
    assert made[0]["many"] == [1, 2]
    assert made[2]["when"] == "1970-01-01 00:00:01.500000000"
    assert json.loads(written(MIXED.slice(0, 0), "json", tmp_path)) == []


def test_markdown_is_one_line_a_row(tmp_path: Path) -> None:
    lines = written(MIXED, "markdown", tmp_path).splitlines()
    assert len(lines) == 5
    assert lines[1] == "| --- | ---: | ---: | --- | --- | --- | --- | --- |"
    assert r"a\|b \\x1b[0m" in lines[2]


def test_parquet_reads_back_and_is_no_table_of_results(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    write(MIXED.replace_schema_metadata({"superparams": "{}"}), "parquet", file)
    made = parquet.read_table(file)
    assert made.drop_columns(["y"]).equals(MIXED.drop_columns(["y"]))
    assert not made.schema.metadata


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    for form in ("csv", "parquet"):
        with pytest.raises(CommandError, match="cannot write"):
            write(MIXED, form, tmp_path / "none" / "x")


def test_as_text(tmp_path: Path) -> None:
    run(tmp_path, [done(0)])
    made = as_table(Results.load(tmp_path), MIXED)
    assert [row[0] for row in made.rows] == ["a" * 10, "a" * 9 + "b", "c" * 10]  # told apart
    assert [row[1:3] for row in made.rows] == [("1", "0.1"), ("", "nan"), (str(2**60), "")]
    assert made.rows[0][3] == r"a|b \x1b[0m"
    assert len(made.rows[2][3]) == 30
    assert made.right == {1, 2}
    assert made.keep == {0}


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.text(max_size=5), max_size=3)))
def test_csv_holds_any_text(made: list[dict[str, str]]) -> None:
    import tempfile

    table = pa.Table.from_pylist(
        [{name: row.get(name) for name in "abc"} for row in made],
        schema=pa.schema([(name, pa.string()) for name in "abc"]),
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "x.csv")
        write(table, "csv", file)
        with open(file, encoding="utf-8", newline="") as opened:
            found = list(csv.DictReader(opened))
    assert found == [{name: row.get(name, "") for name in "abc"} for row in made]


def test_rows_come_one_after_the_other() -> None:
    made: Any = rows(pa.table({"x": range(10)}))
    assert next(made) == {"x": 0}
    assert len(list(made)) == 9


def test_times_of_python_stay_times() -> None:
    now = dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc)
    (row,) = rows(pa.table({"x": pa.array([now], pa.timestamp("us", "UTC"))}))
    assert row == {"x": now}
