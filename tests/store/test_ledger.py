"""The ledger records outcomes as they come, and reads back what is intact."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from superparams.errors import StoreError
from superparams.outcomes.batches import encode
from superparams.outcomes.ipc_streams import decode
from superparams.outcomes.outcome import Outcome
from superparams.store.ledger.reader import (
    MAX_OPEN,
    LedgerReader,
    LedgerWarning,
    ledger_files,
    read,
    read_file,
)
from superparams.store.ledger.writer import MAX_STREAMS, Ledger
from superparams.store.table.text_columns import SPILLED

pytestmark = pytest.mark.usefixtures("no_leaks")


def outcome(index: int, result: Any = None) -> Outcome:
    return Outcome(index, f"{index:032x}", "done", {"a": index}, result)


def indices(folder: Path, **how: bool) -> list[int]:
    return sorted(i for batch in read(folder, **how) for i in batch.column("index").to_pylist())


def filled(folder: Path, n: int = 3) -> Path:
    """A ledger with one file of `n` batches of one outcome; the file."""
    with Ledger(folder) as ledger:
        for index in range(n):
            ledger.append(encode([outcome(index, {"x": index / 2})]))
    (path,) = ledger_files(folder)
    return path


def test_what_was_appended_is_read(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append(encode([outcome(0, {"x": 1.0}), outcome(1, {"x": 2.0})]))
        ledger.append(encode([outcome(2, {"x": 3.0})]))
        assert indices(tmp_path, growing=True) == [0, 1, 2]  # without a close
    rows = [row for batch in read(tmp_path) for row in batch.to_pylist()]
    assert [row["result.x"] for row in rows] == [1.0, 2.0, 3.0]


def test_any_arrow_tool_reads_it_while_it_grows(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        for n in range(1, 4):
            ledger.append(encode([outcome(n, {"x": n})]))
            with pa.ipc.open_stream(str_of(ledger_files(tmp_path)[0])) as reader:
                assert reader.read_all().column("result.x").to_pylist() == list(range(1, n + 1))
    with pa.ipc.open_stream(str_of(ledger_files(tmp_path)[0])) as reader:
        assert reader.read_all().num_rows == 3


def str_of(path: Path) -> Any:
    return pa.BufferReader(path.read_bytes())


def test_one_file_a_schema_however_often_it_flips(tmp_path: Path) -> None:
    values = [1, 2.5, "x", None] * 5
    with Ledger(tmp_path) as ledger:
        for index, value in enumerate(values):
            ledger.append(encode([outcome(index, {"x": value})]))
    assert len(ledger_files(tmp_path)) == 4
    assert indices(tmp_path) == list(range(20))


def test_sequence_numbers_tell_the_order_over_all_files(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        for index, value in enumerate([1, 2.5, 3, 4.5]):
            ledger.append(encode([outcome(index, {"x": value})]))
    with Ledger(tmp_path) as ledger:
        ledger.append(encode([outcome(4, {"x": 5})]))
    entries = [entry for path in ledger_files(tmp_path) for entry in read_file(path)]
    entries.sort(key=lambda entry: entry.seq)
    assert [entry.batch.column("index")[0].as_py() for entry in entries] == [0, 1, 2, 3, 4]


def test_more_schemas_than_files_may_be(tmp_path: Path) -> None:
    n = MAX_STREAMS + 40
    before = set(os.listdir("/proc/self/fd"))
    with Ledger(tmp_path) as ledger:
        for index in range(n):
            ledger.append(encode([outcome(index, {f"loss_{index}": index + 0.5})]))
            assert len(set(os.listdir("/proc/self/fd")) - before) <= MAX_OPEN + 2
    assert len(ledger_files(tmp_path)) == MAX_STREAMS + 1
    assert indices(tmp_path) == list(range(n))
    spilled = [batch for batch in read(tmp_path) if SPILLED in batch.schema.names]
    assert sum(batch.num_rows for batch in spilled) == 40
    texts = {
        name: value
        for batch in spilled
        for row in batch.to_pylist()
        for name, value in row[SPILLED]
    }
    assert texts["result.loss_100"] == {"type": "double", "kind": None, "text": "100.5"}


def test_a_torn_tail_costs_the_last_batch_at_every_byte(tmp_path: Path) -> None:
    path = filled(tmp_path / "whole", 2)
    data = path.read_bytes()
    entries = list(read_file(path))
    head, ends = entries[0].offset, [entry.offset + entry.size for entry in entries]
    folder = tmp_path / "torn"
    folder.mkdir()
    for size in range(len(data)):
        (folder / "0.arrows").write_bytes(data[:size])
        expected = list(range(sum(end <= size for end in ends)))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert indices(folder, growing=True) == expected
            assert told == []
            assert indices(folder) == expected
        is_clean = size in (0, head, *ends)
        assert [str(one.message).startswith(f"{folder / '0.arrows'}: bytes ") for one in told] == (
            [] if is_clean else [True]
        )


def test_appending_after_a_torn_tail_is_safe(tmp_path: Path) -> None:
    path = filled(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    with pytest.warns(LedgerWarning), Ledger(tmp_path) as ledger:
        ledger.append(encode([outcome(7, {"x": 1.5})]))
    with pytest.warns(LedgerWarning):
        assert indices(tmp_path) == [0, 1, 7]
    assert path.read_bytes() == data[:-100]


def test_garbage_in_the_middle_costs_what_it_covers(tmp_path: Path) -> None:
    path = filled(tmp_path, 5)
    data = bytearray(path.read_bytes())
    third = list(read_file(path))[2]
    data[third.offset : third.offset + third.size] = os.urandom(third.size)
    path.write_bytes(data)
    with pytest.warns(LedgerWarning, match="left out"):
        assert indices(tmp_path) == [0, 1, 3, 4]


def test_a_closed_ledger_takes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.close()
    ledger.close()
    with pytest.raises(StoreError, match="is closed"):
        ledger.append(encode([outcome(0)]))


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot open the ledger"):
        Ledger(tmp_path / "file" / "ledger")


def test_several_threads_may_append(tmp_path: Path) -> None:
    def work(first: int) -> None:
        for index in range(first, first + 50):
            ledger.append(encode([outcome(index, {"x": index} if index % 2 else {"y": index})]))

    with Ledger(tmp_path) as ledger:
        threads = [threading.Thread(target=work, args=(n * 50,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert indices(tmp_path) == list(range(200))


def test_batches_are_found_again_by_their_place(tmp_path: Path) -> None:
    path = filled(tmp_path)
    entries = list(read_file(path))
    with LedgerReader() as reader:
        for entry in reversed(entries):
            assert reader.entry(path, entry.offset).batch.equals(entry.batch)
        with pytest.raises(StoreError, match=r"0\.arrows: damaged at byte"):
            reader.entry(path, entries[1].offset + 8)


def test_frames_and_many_batches_at_once(tmp_path: Path) -> None:
    frame = pa.table({"step": [1, 2, 3]})
    with Ledger(tmp_path) as ledger:
        ledger.append(encode([outcome(0, frame), outcome(1, {"x": 1}), outcome(2, {"x": "a"})]))
    assert indices(tmp_path) == [0, 0, 0, 1, 2]


def test_decode_takes_what_encode_makes_in_one_piece_or_several() -> None:
    data = encode([outcome(0, {"x": 1}), outcome(1, {"x": "a"})])
    assert [batch.num_rows for batch in decode(memoryview(data))] == [1, 1]
