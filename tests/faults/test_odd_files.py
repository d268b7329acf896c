"""Row 61: what is no plain file, or claims to be huge, is left out or refused in bounded time."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from superparams.errors import StoreError
from superparams.store.ledger.reader import LedgerWarning
from superparams.store.results import Results
from superparams.store.runs.folder import RunFolder
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.merge import compact
from superparams.store.table.table_file import EMPTY_SEAL, seal
from tests.recording import done, run
from tests.runs import output

pytestmark = pytest.mark.usefixtures("no_leaks")

TIB = 1 << 40


def fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def zeros(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, TIB)


def circle(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def deep(path: Path) -> None:
    path.write_text("[" * 1_000_000)


def claims(path: Path) -> None:
    path.write_bytes(b"\xff\xff\xff\xff\x10\0\0\0" + b"\xff" * 100)


@pytest.mark.parametrize("fault", [fifo, zeros, folder, sparse, circle, deep, claims])
def test_61_odd_files_lose_no_row_and_take_bounded_time(
    tmp_path: Path, fault: Callable[[Path], None]
) -> None:
    def places(root: Path, made: RunFolder) -> list[Path]:
        return [
            root / "results.parquet",
            root / "runs" / "odd",
            made.path / "run.json",
            made.ledger / "7.arrows",
            made.ledger / "\u00b2.arrows",
            made.source / "parts.json",
            made.source / "uncommitted.patch",
        ]

    for number in range(7):
        root = tmp_path / str(number)
        made = run(root, [done(n, {"x": n}) for n in range(3)])
        compact(root)
        fault(places(root, made)[number])
        begun = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LedgerWarning)
            found = Results.load(root)
            assert sorted(row["x"] for row in found) == [0, 1, 2], number
            try:
                found.provenance(next(iter(found)))
            except StoreError:
                assert fault is sparse
            found.log(next(iter(found))["key"])
        assert time.monotonic() - begun < 30, number


LARGE = """
import resource
import sys
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from superparams.errors import StoreError
from superparams.store.table.lazy_rows import Rows

path = Path("large.parquet")
text = pa.array(["a" * 100_000_000])
parquet.write_table(
    pa.table({"x": list(range(8)), "y": pa.chunked_array([text] * 8)}), path, compression="zstd"
)
assert path.stat().st_size < 1_000_000
rows = Rows.of_file(path)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 300_000_000, resource.RLIM_INFINITY))
for names in (["y"], ["x", "y"]):
    try:
        rows.columns(*names)
    except StoreError as error:
        told = f"not enough memory to read columns {', '.join(names)} of {path}"
        assert told in str(error), error
    else:
        raise SystemExit("there was enough memory")
assert rows.columns("x").num_rows == 8
print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
@pytest.mark.thorough
def test_61_a_small_table_that_holds_gigabytes_is_a_clear_error(tmp_path: Path) -> None:
    assert output(tmp_path, LARGE).strip() == "refused"


def forged(path: Path, table: pa.Table, *, statistics: bool = True) -> None:
    """Write a table as superparams does, with a seal that fits."""
    with open(path, "w+b") as file:
        with parquet.ParquetWriter(
            file, table.schema, write_page_checksum=True, write_statistics=statistics
        ) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata(EMPTY_SEAL)
        seal(file)


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("name", ["key", "status", "run", "row"])
def test_61_a_forged_table_without_keys_is_made_anew(
    tmp_path: Path, name: str, statistics: bool
) -> None:
    run(tmp_path, [done(0, {"x": 1}), done(1, {"x": 2})])
    path = compact(tmp_path).path
    good = parquet.read_table(path)
    column = good.column_names.index(name)
    first = good.column(name).slice(0, 1).combine_chunks()
    some = pa.concat_arrays([first, pa.nulls(1, first.type)])
    for nulls in (some, pa.nulls(2, first.type)):
        forged(path, good.set_column(column, good.schema.field(name), nulls), statistics=statistics)
        with pytest.warns(LedgerWarning, match=f"rows without a value in the column '{name}'"):
            found = Results.load(tmp_path).to_arrow()
        assert found.column("key").to_pylist() == good.column("key").to_pylist()
    forged(path, good)  # the same file with all its values is taken
    assert Results.load(tmp_path).to_arrow().equals(good)


def test_61_keys_that_are_null_are_refused_when_they_are_read(tmp_path: Path) -> None:
    run(tmp_path, [done(0, {"x": 1}), done(1, {"x": 2})])
    path = compact(tmp_path).path
    good = parquet.read_table(path)
    names = good.column_names
    bad = good.set_column(names.index("key"), "key", pa.nulls(2, pa.string()))
    parquet.write_table(bad, path, write_page_checksum=True)
    rows = Rows.of_file(path)  # after the statistics were believed
    with pytest.raises(StoreError, match="'key'; remove it, and it is made anew"):
        rows.columns("key", "x")
    assert rows.columns("x").num_rows == 2
    with pytest.raises(StoreError, match="without a value in the column 'key'"):
        rows.whole()
