"""How long settings took, by what is recorded of them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from superparams.outcomes.batches import encode
from superparams.store.ledger.writer import Ledger
from superparams.store.table.index import mean_seconds
from superparams.store.table.merge import compact
from tests.recording import begun, done, failed, run


def test_nothing_recorded(tmp_path: Path) -> None:
    assert mean_seconds(tmp_path / "none") is None
    run(tmp_path, [])
    assert mean_seconds(tmp_path) is None
    compact(tmp_path)
    assert mean_seconds(tmp_path) is None


def test_those_that_are_done_count(tmp_path: Path) -> None:
    run(tmp_path, [done(1, seconds=1.0), failed(2, seconds=100.0), done(3, seconds=2.0)])
    assert mean_seconds(tmp_path) == 1.5
    compact(tmp_path)
    assert mean_seconds(tmp_path) == 1.5


def test_where_none_is_done_all_count(tmp_path: Path) -> None:
    run(tmp_path, [failed(1, seconds=3.0), failed(2, "timeout", seconds=5.0)])
    assert mean_seconds(tmp_path) == 4.0


def test_what_the_table_does_not_hold_yet_counts_too_and_nothing_is_written(tmp_path: Path) -> None:
    run(tmp_path, [done(1, seconds=1.0)])
    compact(tmp_path)
    begun(tmp_path, [done(2, seconds=5.0)])
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert mean_seconds(tmp_path) == 3.0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == files


def test_a_run_that_goes_on_behind_the_table(tmp_path: Path) -> None:
    folder = begun(tmp_path, [done(1, seconds=1.0)])
    compact(tmp_path)
    with Ledger(folder.ledger) as ledger:
        ledger.append(encode([done(2, seconds=5.0)]))
    assert mean_seconds(tmp_path) == 3.0


def test_a_setting_that_returned_a_frame_counts_once(tmp_path: Path) -> None:
    frame = pa.table({"y": list(range(100))})
    run(tmp_path, [done(1, frame, seconds=1.0), done(2, {"y": 1}, seconds=3.0)])
    assert mean_seconds(tmp_path) == 2.0
    compact(tmp_path)
    assert mean_seconds(tmp_path) == 2.0


@pytest.mark.parametrize("damage", [b"", b"no table"])
def test_a_damaged_table_is_passed_over(tmp_path: Path, damage: bytes) -> None:
    run(tmp_path, [done(1, seconds=1.0)])
    compact(tmp_path)
    (tmp_path / "results.parquet").write_bytes(damage)
    assert mean_seconds(tmp_path) == 1.0
