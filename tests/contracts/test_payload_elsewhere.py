"""Data reaches workers that cannot open the memory of the driver: by a file, or with a task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superparams.errors import PayloadError
from superparams.executor import payload
from superparams.executor.engines.registry import find
from superparams.executor.payload.segment import Segment, UnreachableError
from superparams.executor.payload.segment_files import SegmentFile, open_copy, write_copy
from tests.contracts.programs import execute, rows
from tests.small_cluster import OTHER_HOST, SmallCluster, needs_namespaces

SIZE = 4_000_000  # bytes of the data
ARRAY = np.arange(SIZE // 8)
TOTAL = int(ARRAY.sum())


@pytest.fixture
def elsewhere() -> Iterator[SmallCluster]:
    with SmallCluster(3, command=OTHER_HOST) as executor:
        yield executor


def _totals(executor: SmallCluster, **options: Any) -> list[int]:
    data = ARRAY

    def total(index: int, place: Any) -> dict[str, int]:
        return {"total": int(data.sum())}

    found = rows(execute(find(executor), total, 60, num_proc=3, **options))
    assert sorted(row["index"] for row in found) == list(range(60))
    return [row["result.total"] for row in found]


@needs_namespaces
def test_data_goes_through_a_file_in_the_folder_of_the_run(
    elsewhere: SmallCluster, tmp_path: Path
) -> None:
    assert _totals(elsewhere, folder=tmp_path) == [TOTAL] * 60
    assert elsewhere.n_bytes < SIZE / 10
    assert list(tmp_path.iterdir()) == []


@needs_namespaces
def test_without_a_folder_data_travels_once_to_each_worker(elsewhere: SmallCluster) -> None:
    assert _totals(elsewhere) == [TOTAL] * 60
    # A task that carries it may come to another worker than the one that asked, on a busy machine
    # again and again; each of the 60 settings would be 60 times.
    assert SIZE <= elsewhere.n_bytes < 20 * SIZE


@needs_namespaces
def test_a_folder_that_cannot_be_written_is_no_error(
    elsewhere: SmallCluster, tmp_path: Path
) -> None:
    (tmp_path / "payload").touch()
    assert _totals(elsewhere, folder=tmp_path) == [TOTAL] * 60


class TestCopies:
    @pytest.fixture
    def packed(self) -> Iterator[payload.Payload]:
        with payload.pack({"data": ARRAY}) as packed:
            yield packed

    def test_a_copy_is_opened_where_the_memory_is_not(
        self, packed: payload.Payload, tmp_path: Path
    ) -> None:
        handle = packed.in_files(tmp_path / "copies")
        packed.close()
        with payload.attach(handle) as attached:
            assert (attached.load()["data"] == ARRAY).all()

    @pytest.mark.parametrize("change", ["shorter", "longer", "other", "gone"])
    def test_another_file_is_not_taken(
        self, packed: payload.Payload, tmp_path: Path, change: str
    ) -> None:
        handle = packed.in_files(tmp_path / "copies")
        packed.close()
        for path in (tmp_path / "copies").iterdir():
            data = path.read_bytes()
            if change == "gone":
                path.unlink()
            else:
                cut = data[:-1]
                path.write_bytes(
                    {"shorter": cut, "longer": data + b"x", "other": cut + b"x"}[change]
                )
        with pytest.raises(UnreachableError):
            payload.attach(handle)

    def test_a_copy_of_many_blocks_has_all_bytes(self, tmp_path: Path) -> None:
        with Segment.create("test") as segment:
            data = np.random.default_rng(0).bytes((20 << 20) + 5)
            segment.write(0, memoryview(data))
            copy = write_copy(segment, tmp_path / "copy")
        with open_copy(copy) as opened:
            assert opened.content() == data
        with pytest.raises(UnreachableError):
            open_copy(SegmentFile(copy.path, copy.size, "0" * 32))

    def test_a_handle_of_a_process_serves_others_of_its_host(self, packed: payload.Payload) -> None:
        portable = packed.portable()
        packed.close()
        with payload.attach(portable) as attached:
            here = attached.handle_here(portable)
            assert not here.contents
            with payload.attach(here) as again:
                assert (again.load()["data"] == ARRAY).all()
        with pytest.raises(PayloadError):
            payload.attach(here)
