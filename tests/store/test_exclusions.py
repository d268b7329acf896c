"""Tables and indices in which some outcomes are taken as not there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from superparams.store.ledger.exclusions import ALL, Without
from superparams.store.table.index import read_index
from superparams.store.table.merge import compact, recorded_by
from superparams.store.table.newest_outcomes import STATUSES
from tests.recording import done, failed, key, keys_of, run


def rows(root: Path) -> dict[int, Any]:
    table = parquet.read_table(root / "results.parquet", page_checksum_verification=True)
    return dict(zip(table["a"].to_pylist(), table["x"].to_pylist(), strict=True))


@pytest.mark.parametrize("has_table", [True, False])
def test_what_a_run_superseded_counts_again_without_it(tmp_path: Path, has_table: bool) -> None:
    run(tmp_path, [done(0, {"x": 1}), done(1, {"x": 1})], code="c1")
    later = run(tmp_path, [done(0, {"x": 2}), done(2, {"x": 2})], code="c2")
    if has_table:
        compact(tmp_path)
    index = read_index(tmp_path, without=Without(frozenset([later.name])))
    assert (keys_of(index, "done", by=["c1"]), keys_of(index, "done", by=["c2"])) == (
        {key(0), key(1)},
        set(),
    )
    assert len(read_index(tmp_path)) == 3  # nothing has changed
    shutil.rmtree(later.path)
    compact(tmp_path, without=Without(frozenset([later.name])))
    assert rows(tmp_path) == {0: 1, 1: 1}
    compact(tmp_path)
    assert rows(tmp_path) == {0: 1, 1: 1}
    assert later.name not in read_index(tmp_path).runs


def test_rows_of_another_run_whose_folder_is_gone_stay(tmp_path: Path) -> None:
    gone = run(tmp_path, [done(0, {"x": 1})])
    compact(tmp_path)
    shutil.rmtree(gone.path)
    later = run(tmp_path, [done(1, {"x": 2})])
    compact(tmp_path)
    shutil.rmtree(later.path)
    compact(tmp_path, without=Without(frozenset([later.name])))
    assert rows(tmp_path) == {0: 1}


@pytest.mark.parametrize("has_table", [True, False])
def test_what_failed_is_left_out_and_what_was_done_before_counts(
    tmp_path: Path, has_table: bool
) -> None:
    run(tmp_path, [done(0, {"x": 1}), failed(1), failed(2, "killed"), done(3, {"x": 3})])
    run(tmp_path, [failed(0), done(1, {"x": 2}), failed(2, "timeout")])
    if has_table:
        compact(tmp_path)
    index = read_index(tmp_path, without=Without(failures=True))
    assert keys_of(index, *STATUSES) == keys_of(index, "done") == {key(0), key(1), key(3)}
    found = read_index(tmp_path)
    every = [keys_of(found, status) for status in STATUSES]
    assert every == [{key(1), key(3)}, {key(0)}, set(), {key(2)}]
    compact(tmp_path, without=Without(failures=True))
    assert rows(tmp_path) == {0: 1, 1: 2, 3: 3}


def test_nothing_is_left_out_unless_it_is_said(tmp_path: Path) -> None:
    assert not ALL
    assert Without(failures=True)
    assert Without(frozenset(["x"]))


def test_what_one_run_recorded_whatever_came_later(tmp_path: Path) -> None:
    first = run(tmp_path, [done(0, {"x": 1}), done(0, {"x": 2}), failed(1)])
    second = run(tmp_path, [done(0, {"x": 3, "y": "new"})])
    empty = run(tmp_path, [])
    compact(tmp_path)
    made = recorded_by(first)
    assert [(row["a"], row["x"], row["status"]) for row in made.to_pylist()] == [
        (0, 2, "done"),
        (1, None, "failed"),
    ]
    assert [(row["x"], row["y"]) for row in recorded_by(second).to_pylist()] == [(3, "new")]
    assert recorded_by(empty).num_rows == 0
    assert set(made.column_names) & {"key", "run", "seconds"} == {"key", "run", "seconds"}
