"""Outcomes that do not count: left out when a table is made, or taken out of the ledgers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import STATUSES, Outcome
from superparams.store.ledger.exclusions import NO_EXCLUSIONS, Exclusions, remove_excluded
from superparams.store.ledger.reader import ledger_files, read, read_file
from superparams.store.ledger.writer import Ledger
from superparams.store.runs.folder import RunFolder
from superparams.store.table.index import read_index
from superparams.store.table.merge import compact, recorded_by
from tests.recording import done, failed, key, keys_of, run
from tests.timing import PATIENCE


def rows(root: Path) -> dict[int, Any]:
    table = parquet.read_table(root / "results.parquet", page_checksum_verification=True)
    return dict(zip(table["a"].to_pylist(), table["x"].to_pylist(), strict=True))


@pytest.mark.parametrize("has_table", [True, False])
def test_what_a_run_superseded_counts_again_without_it(tmp_path: Path, has_table: bool) -> None:
    run(tmp_path, [done(0, {"x": 1}), done(1, {"x": 1})], code="c1")
    later = run(tmp_path, [done(0, {"x": 2}), done(2, {"x": 2})], code="c2")
    if has_table:
        compact(tmp_path)
    index = read_index(tmp_path, exclusions=Exclusions(frozenset([later.name])))
    assert (keys_of(index, "done", by=["c1"]), keys_of(index, "done", by=["c2"])) == (
        {key(0), key(1)},
        set(),
    )
    assert len(read_index(tmp_path)) == 3  # nothing has changed
    shutil.rmtree(later.path)
    compact(tmp_path, exclusions=Exclusions(frozenset([later.name])))
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
    compact(tmp_path, exclusions=Exclusions(frozenset([later.name])))
    assert rows(tmp_path) == {0: 1}


@pytest.mark.parametrize("has_table", [True, False])
def test_what_failed_is_left_out_and_what_was_done_before_counts(
    tmp_path: Path, has_table: bool
) -> None:
    run(tmp_path, [done(0, {"x": 1}), failed(1), failed(2, "killed"), done(3, {"x": 3})])
    run(tmp_path, [failed(0), done(1, {"x": 2}), failed(2, "timeout")])
    if has_table:
        compact(tmp_path)
    index = read_index(tmp_path, exclusions=Exclusions(failures=True))
    assert keys_of(index, *STATUSES) == keys_of(index, "done") == {key(0), key(1), key(3)}
    found = read_index(tmp_path)
    every = [keys_of(found, status) for status in STATUSES]
    assert every == [{key(1), key(3)}, {key(0)}, set(), {key(2)}, set()]
    compact(tmp_path, exclusions=Exclusions(failures=True))
    assert rows(tmp_path) == {0: 1, 1: 2, 3: 3}


def test_nothing_is_left_out_unless_it_is_said(tmp_path: Path) -> None:
    assert not NO_EXCLUSIONS
    assert Exclusions(failures=True)
    assert Exclusions(frozenset(["x"]))


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


def batched(root: Path, *batches: list[Outcome]) -> RunFolder:
    folder = RunFolder.create(root, {"code": "c1"})
    with Ledger(folder.ledger) as ledger:
        for batch in batches:
            ledger.append(encode(batch))
    folder.finish()
    return folder


def recorded_rows(folder: RunFolder) -> list[tuple[int, str]]:
    found = [row for batch in read(folder.ledger) for row in batch.to_pylist()]
    return sorted((row["param.a"], row["status"]) for row in found)


def sequences(folder: RunFolder) -> dict[int, int]:
    return {
        row["param.a"]: entry.seq
        for path in ledger_files(folder.ledger)
        for entry in read_file(path)
        for row in entry.batch.to_pylist()
    }


def test_what_is_not_done_goes_and_the_rest_keeps_its_place(tmp_path: Path) -> None:
    folder = batched(
        tmp_path,
        [done(0, {"x": 1}), failed(1)],
        [failed(2, "killed"), failed(3, "timeout")],
        [done(4, {"x": 1.5, "y": [1]})],
        [done(5), failed(6), done(7)],
    )
    before = sequences(folder)
    remove_excluded(folder, Exclusions(failures=True))
    assert recorded_rows(folder) == [(n, "done") for n in (0, 4, 5, 7)]
    after = sequences(folder)
    assert after == {number: before[number] for number in after}
    assert not list(folder.ledger.glob(".*"))


def test_files_without_failures_are_not_touched(tmp_path: Path) -> None:
    folder = batched(tmp_path, [done(0, {"x": 1})], [done(1, {"y": "a"})])
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in ledger_files(folder.ledger)}
    remove_excluded(folder, Exclusions(failures=True))
    assert {p: (p.stat().st_ino, p.read_bytes()) for p in ledger_files(folder.ledger)} == before


def test_any_reader_of_arrow_reads_what_is_left(tmp_path: Path) -> None:
    folder = batched(tmp_path, [failed(0), failed(1), done(2)], [failed(3)])
    remove_excluded(folder, Exclusions(failures=True))
    for path in ledger_files(folder.ledger):
        with pa.ipc.open_stream(path) as stream:
            assert set(stream.read_all()["status"].to_pylist()) <= {"done"}


def test_a_damaged_part_is_left_out_as_it_is_anyway(tmp_path: Path) -> None:
    folder = batched(tmp_path, [failed(0)], [failed(1)], [failed(2)])
    (path,) = ledger_files(folder.ledger)
    place = list(read_file(path))[1].offset
    data = bytearray(path.read_bytes())
    data[place + 40] ^= 1
    path.write_bytes(data)
    with pytest.warns(UserWarning, match="left out"):
        remove_excluded(folder, Exclusions(failures=True))
    assert recorded_rows(folder) == []


LIMITED = """
import resource, sys
from superparams.errors import StoreError
from pathlib import Path
from superparams.store.runs.folder import RunFolder
from superparams.store.ledger.exclusions import Exclusions, remove_excluded
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    remove_excluded(RunFolder(Path(sys.argv[1])), Exclusions(failures=True))
except StoreError as error:
    print(error)
"""


def test_a_ledger_that_cannot_be_written_stays_as_it_is(tmp_path: Path) -> None:
    folder = batched(tmp_path, [done(0), failed(1)])
    (path,) = ledger_files(folder.ledger)
    before = path.read_bytes()
    command = [sys.executable, "-c", LIMITED, str(folder.path)]
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=PATIENCE
    ).stdout
    assert f"cannot write {path}" in told
    assert path.read_bytes() == before
    assert list(folder.ledger.iterdir()) == [path]


def test_the_table_follows(tmp_path: Path) -> None:
    first = run(tmp_path, [done(0, {"x": 1})])
    second = run(tmp_path, [failed(0), failed(1), done(2, {"x": 2})])
    assert len(read_index(tmp_path)) == 3
    for folder in (first, second):
        remove_excluded(folder, Exclusions(failures=True))
    index = read_index(tmp_path)
    assert keys_of(index, "done") == {key(0), key(2)}
    assert keys_of(index, *STATUSES[1:]) == set()
