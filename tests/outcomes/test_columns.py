"""The columns of outcomes stand in one list; all else agrees with it."""

from __future__ import annotations

import dataclasses
import pickle
import re
from pathlib import Path

import pytest

from superparams.errors import StoreError
from superparams.outcomes.batches import META, encode
from superparams.outcomes.columns import (
    CODE,
    COLUMNS,
    FORMAT,
    LEDGER_COLUMNS,
    WORKER_COLUMNS,
    refuse_newer_format,
)
from superparams.outcomes.ipc_streams import decode
from superparams.outcomes.outcome import Columns, Outcome, own_columns, parts
from superparams.store.table.table_file import OUTCOME

DOCS = Path(__file__).parents[2] / "docs"


def test_an_outcome_has_an_attribute_for_each_column_that_a_worker_fills() -> None:
    fields = {field.name for field in dataclasses.fields(Outcome)} - {
        "params",
        "result",
        "steps",
        "carried_seconds",
        CODE,
    }
    assert fields == {column.name for column in WORKER_COLUMNS}
    assert set(own_columns([])) == fields


def test_each_name_stands_once() -> None:
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)
    assert list(OUTCOME) == names
    assert {name: str(form) for name, form in OUTCOME.items()} == {
        column.name: column.type for column in COLUMNS
    }


def test_columns_keep_their_values_by_every_way_to_arrow() -> None:
    known = {"error": "e", "traceback": "t", "started": 1.5, "seconds": 2.5, "rank": 3}
    known |= {"attempt": 4, "log_start": 5, "log_end": 6, "peak_memory": 7, "n_steps": 8}
    known |= {"stopped_by": "ASHA()"}
    expected = {"index": 8, "key": "0" * 32, "status": "failed", "row": 0, **known}
    for result in (None, {"y": 1}, {"y": [1, {"z": 2}]}, {"y": object}):
        one = Outcome(8, "0" * 32, "failed", {"x": 1}, result, **known)  # type: ignore[arg-type]
        (batch,) = decode(encode([one]))
        found = batch.select(list(META)).to_pylist()[0]
        if result == {"y": object}:  # which no table can hold
            expected = {**expected, "error": found["error"]}
        assert found == expected, result


def test_columns_come_back_as_the_outcomes_that_they_were() -> None:
    made = [Outcome(at, f"{at:032x}", "done", {"x": at}, {"y": at}, rank=at) for at in range(3)]
    (part,) = parts(made)
    assert isinstance(part, Columns)
    assert part.rows() == made


def test_a_value_of_every_row_takes_the_place_of_one() -> None:
    made = [
        Outcome(at, f"{at:032x}", "failed", {"x": at}, error="é", rank=7) for at in range(1_000)
    ]
    (part,) = parts(made)
    assert isinstance(part, Columns)
    assert part.rows() == made
    assert len(pickle.dumps(part.own)) < len(pickle.dumps([(one.index, one.key) for one in made]))
    (batch,) = decode(encode(made))
    for name, expected in (("error", "é"), ("rank", 7), ("traceback", None), ("n_steps", 0)):
        assert batch.column(name).to_pylist() == [expected] * len(made)
        assert batch.column(name).type == META[name]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_row_that_differs_keeps_its_value(place: int) -> None:
    made = [Outcome(at, f"{at:032x}", "done", {"x": at}, {"y": at}) for at in range(3)]
    made[place].peak_memory = 5
    (part,) = parts(made)
    assert isinstance(part, Columns)
    assert [one.peak_memory for one in part.rows()] == [one.peak_memory for one in made]
    (batch,) = decode(encode(made))
    assert batch.column("peak_memory").to_pylist() == [one.peak_memory for one in made]


def test_the_page_on_ledgers_has_the_list() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (\d+) \| (.+) \|$", page("ledger"), re.MULTILINE)
    assert rows == [
        (column.name, column.ledger_type or column.type, str(column.since), column.meaning)
        for column in LEDGER_COLUMNS
    ]


def test_the_page_on_results_names_each_column() -> None:
    section = page("results").partition("## Columns")[2].partition("\n\nA cell is null")[0]
    rows = re.findall(r"^\| (`.+?) \| ", section, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(OUTCOME)


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


@pytest.mark.parametrize("version", [1, FORMAT])
def test_no_version_up_to_this_one_is_refused(version: int) -> None:
    refuse_newer_format("file", version, None)


def test_a_newer_version_is_refused_with_the_remedy() -> None:
    for writer, told in (("9.0", r"by superparams 9\.0, "), (None, "by a newer superparams, ")):
        with pytest.raises(StoreError, match=f"file was written {told}.*Upgrade superparams"):
            refuse_newer_format("file", FORMAT + 1, writer)
