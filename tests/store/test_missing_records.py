"""A table that was replaced by an older one is brought up to date by the process that did so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from superparams import Results
from superparams.store.ledger.exclusions import NO_EXCLUSIONS, Exclusions
from superparams.store.runs.folder import RunFolder
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.merge import compact
from superparams.store.table.missing_records import lacks_records
from tests.recording import begun, done, run


def test_a_table_without_the_records_of_a_run_that_has_ended_is_behind(tmp_path: Path) -> None:
    first = run(tmp_path, [done(0), done(1)])
    compact(tmp_path)
    table = tmp_path / "results.parquet"
    shutil.copy(table, tmp_path / "older")
    own = {first.name: 1}
    assert not lacks_records(tmp_path, own, NO_EXCLUSIONS)
    second = run(tmp_path, [done(1), done(2)])
    compact(tmp_path)
    assert not lacks_records(tmp_path, own, NO_EXCLUSIONS)
    # The first process replaces it by a table that it made before the second run ended.
    shutil.copy(tmp_path / "older", table)
    assert lacks_records(tmp_path, own, NO_EXCLUSIONS)
    assert not lacks_records(tmp_path, own, Exclusions(frozenset({second.name})))
    compact(tmp_path)
    assert parquet.read_table(table).num_rows == 3
    table.unlink()
    assert lacks_records(tmp_path, own, NO_EXCLUSIONS)


def test_a_run_that_goes_on_brings_the_table_up_to_date_itself(tmp_path: Path) -> None:
    first = run(tmp_path, [done(0)])
    compact(tmp_path)
    going_on = begun(tmp_path, [done(1)])
    empty = RunFolder.create(tmp_path)
    empty.finish()
    assert not lacks_records(tmp_path, {first.name: 1}, NO_EXCLUSIONS)
    assert lacks_records(tmp_path, {going_on.name: 1}, NO_EXCLUSIONS)
    going_on.finish()
    assert lacks_records(tmp_path, {first.name: 1}, NO_EXCLUSIONS)


def test_results_are_complete_if_the_table_is_replaced_before_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by another process, which made an older table and renames it late."""
    run(tmp_path, [done(0)])
    compact(tmp_path)
    table = tmp_path / "results.parquet"
    shutil.copy(table, tmp_path / "older")
    run(tmp_path, [done(1), done(2)])
    opened = Rows.of_file

    def replaced(path: Path) -> Rows:
        shutil.copy(tmp_path / "older", table)
        return opened(path)

    monkeypatch.setattr(Rows, "of_file", replaced)
    assert len(Results.load(tmp_path)) == 3
