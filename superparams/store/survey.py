"""Which outcome of each setting is the newest, over the table and the ledgers of all runs.

One pass over the keys, in bounded memory: the table that was made before (rows whose runs it took
in whole), then the ledgers of runs that it does not know or that have grown since. An outcome of a
later run is newer; within a run, the one with the higher sequence number.
"""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import json
import struct
import warnings
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from superparams.columns import metadata_of, plain_array, plain_scalar
from superparams.store import seal, spill
from superparams.store.folder import TABLE, RunFolder, run_folders
from superparams.store.reading import Entry, LedgerWarning, Reader, ledger_files, read_file
from superparams.store.unify import Form
from superparams.store.without import ALL, Without

STATUSES = ("done", "failed", "killed", "timeout")
# Schema metadata of the table: JSON of the runs it holds, their codes, and notes.
HEAD = b"superparams"
# The age of a row is one integer: place of its run, sequence number, place in a batch.
RUN_BITS, SEQ_BITS = 44, 20
# Rows are looked at, and written, so many at a time, or fewer when they are long.
GROUP_ROWS, GROUP_BYTES = 1 << 16, 32 << 20


class Piece(NamedTuple):
    """Rows that are read together.

    A batch of a ledger (at an offset) or a row group of the table.
    """

    run: str | None  # None: a row group of the table
    path: Path
    offset: int
    first: int  # smallest index of a setting in it
    start: int  # place of its first row in the arrays of the survey
    rows: int
    size: int  # bytes, about


_Sized = TypeVar("_Sized", Piece, Entry)


@dataclass(slots=True)
class Old:
    """The table as it was made before."""

    path: Path
    file: Any  # pyarrow.parquet.ParquetFile
    schema: pa.Schema
    rows: int
    runs: dict[str, int]  # bytes of the ledger of each run that it holds
    codes: dict[str, str | None]  # fingerprint of the code of each run
    notes: list[str]

    def group(self, number: int, columns: list[str] | None = None) -> pa.Table:
        """One row group."""
        return self.file.read_row_group(number, columns=columns)

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()


def open_table(path: Path, *, verify: bool = True) -> Old | None:
    """The table at a path; None when there is none.

    Raises OSError when it is damaged or not ours.
    """
    if not path.exists():
        return None
    try:
        if verify:
            seal.check(path)
        file = parquet.ParquetFile(path)
    except (ValueError, OSError, TypeError, NotImplementedError) as error:
        raise OSError(f"{path} is damaged: {error}") from error
    try:
        schema = file.schema_arrow
        head = json.loads(metadata_of(schema)[HEAD])
        return Old(
            path, file, schema, file.metadata.num_rows, head["runs"], head["codes"], head["notes"]
        )
    except (ValueError, OSError, TypeError, KeyError) as error:
        file.close()
        raise OSError(f"{path} is damaged, or was not written by superparams: {error!r}") from error


@dataclass(slots=True)
class Survey:
    """Keys and ages of all rows, and where they are."""

    root: Path
    old: Old | None
    runs: list[RunFolder]
    sizes: dict[str, int]  # bytes of each run's ledger when the survey began
    codes: dict[str, str | None]
    pieces: list[Piece] = field(default_factory=list[Piece])
    schemas: dict[Path, pa.Schema] = field(default_factory=dict[Path, pa.Schema])
    spilled: dict[str, dict[Form, None]] = field(default_factory=dict[str, dict[Form, None]])
    keys: list[pa.Array] = field(default_factory=list[pa.Array])  # 16 bytes each
    ages: list[pa.Array] = field(
        default_factory=list[pa.Array]
    )  # int64; higher is newer, -1: superseded
    status: list[pa.Array] = field(default_factory=list[pa.Array])  # int8, place in STATUSES
    rows: int = 0
    without: Without = ALL
    is_damaged: bool = False  # the table that was there
    has_many_rows: bool = False  # of one setting

    @property
    def is_fresh(self) -> bool:
        """Whether the table holds all there is."""
        return self.old is not None and all(map(self.has_all_of, self.runs))

    def has_all_of(self, run: RunFolder) -> bool:
        """Whether the table holds all of a run's ledger."""
        return self.old is not None and self.old.runs.get(run.name) == self.sizes[run.name]

    def names(self) -> list[str]:
        """All runs, oldest first, also those whose folder is gone."""
        return sorted({run.name for run in self.runs} | set(self.old.runs if self.old else ()))

    def sizes_all(self) -> dict[str, int]:
        """The bytes of each run's ledger that a table made from this survey holds."""
        every = (self.old.runs if self.old else {}) | self.sizes
        return {name: size for name, size in every.items() if name not in self.without.runs}

    def add(
        self,
        pieces: Sequence[Piece],
        schema: pa.Schema,
        keys: pa.Array,
        ages: pa.Array,
        status: pa.Array,
    ) -> None:
        """Take in the rows of pieces of one file."""
        if self.without.failures:
            is_done = pc.equal(status, plain_scalar(0, pa.int8()))
            ages = pc.if_else(is_done, ages, plain_scalar(-1, pa.int64()))
        self.pieces.extend(pieces)
        self.schemas.setdefault(pieces[0].path, schema)
        self.keys.append(keys)
        self.ages.append(ages)
        self.status.append(status)
        self.rows += len(keys)

    def kept(self) -> pa.Array:
        """Whether each row belongs to the newest outcome of its setting."""
        ages = joined(self.ages, pa.int64())
        self.keys, self.ages = [joined(self.keys, pa.binary(16))], [ages]  # no two copies of them
        counts = pc.greater_equal(ages, plain_scalar(0, pa.int64()))
        if are_distinct(self.keys[0]):  # as after a single run
            return counts
        keys = self.keys[0].dictionary_encode().indices
        newest_first = pc.array_sort_indices(ages, order="descending")
        # In the order of the numbers of the keys: where each stands first.
        places = newest_first.take(first_places(keys.take(newest_first), keys.unique()))
        return pc.and_(counts, pc.equal(ages, ages.take(places).take(keys)))

    def forget(self) -> None:
        """Let go of keys and ages, once it is known which rows are kept."""
        for arrays in (self.keys, self.ages, self.status):
            arrays.clear()

    def load(self, reader: Reader, piece: Piece) -> list[pa.RecordBatch]:
        """The rows of a piece, with all columns."""
        if piece.run is not None:
            return [reader.entry(piece.path, piece.offset).batch]
        assert self.old is not None
        batches: list[pa.RecordBatch] = self.old.group(piece.offset).to_batches()
        return batches

    def close(self) -> None:
        """Let go of the table."""
        if self.old is not None:
            self.old.close()


@contextlib.contextmanager
def survey(
    root: Path, *, rebuild: bool = False, glance: bool = False, without: Without = ALL
) -> Generator[Survey]:
    """Look through the table and the ledgers of an experiment's folder.

    Damage is left out with a LedgerWarning; a damaged table is made anew from the ledgers. rebuild:
    do so in any case. glance: look at no row when the table holds all there is.
    """
    found = _survey(root, rebuild, glance and not without, without)
    try:
        yield found
    finally:
        found.close()
        pa.default_memory_pool().release_unused()


def _survey(root: Path, rebuild: bool, glance: bool, without: Without) -> Survey:
    found = _begin(root, rebuild, without)
    if glance and found.is_fresh:
        return found
    try:
        fresh = _to_read(found)
        _take_table(found, {run.name for run in fresh} | without.runs)
    except OSError as error:
        found.close()
        warn_damaged(root / TABLE, error)
        found = _begin(root, True, without)
        found.is_damaged, fresh = True, _to_read(found)
    places = {name: place for place, name in enumerate(found.names())}
    for run in fresh:
        growing = run.state() == "running"
        for path in ledger_files(run.ledger):
            for entries in together(read_file(path, growing=growing), _rows_of):
                _take_entries(found, run, entries, places[run.name])
    return found


def _to_read(found: Survey) -> list[RunFolder]:
    """The runs whose ledgers are read.

    All of them when some outcomes do not count: the table does not hold what those superseded.
    """
    there = [run for run in found.runs if run.name not in found.without.runs]
    return there if found.without else [run for run in there if not found.has_all_of(run)]


def _begin(root: Path, rebuild: bool, without: Without) -> Survey:
    """What a glance at the folder tells: the runs, how long their ledgers are, and the table."""
    old = None if rebuild else _open_or_warn(root / TABLE)
    runs = run_folders(root)
    known = old.codes if old else {}
    codes = known | {run.name: run.code() for run in runs}
    sizes = {run.name: ledger_size(run) for run in runs}
    found = Survey(root, old, runs, sizes, codes, without=without)
    found.is_damaged = old is None and not rebuild and (root / TABLE).exists()
    return found


def ledger_size(run: RunFolder) -> int:
    """The bytes of the files of a run's ledger."""
    return sum(path.stat().st_size for path in ledger_files(run.ledger))


def _open_or_warn(path: Path) -> Old | None:
    try:
        return open_table(path)
    except OSError as error:
        warn_damaged(path, error)
        return None


def warn_damaged(path: Path, error: Exception) -> None:
    """Tell that a table is damaged, and what happens now."""
    message = f"{path} is damaged and is made anew from the ledgers: {error}"
    warnings.warn(message, LedgerWarning, stacklevel=3)


def _take_table(found: Survey, again: set[str]) -> None:
    """Take in the rows of the table, but for those of runs that are read again."""
    old = found.old
    if old is None:
        return
    names = found.names()
    ages = plain_array(
        [_age(-1 if one in again else at, 0) for at, one in enumerate(names)], pa.int64()
    )
    runs = plain_array(names, pa.string())
    for number in range(old.file.num_row_groups):
        table = old.group(number, ["key", "run", "status", "row"])
        found.has_many_rows |= bool(pc.max(table.column("row")).as_py())
        keys, run, status = (table.column(one).combine_chunks() for one in ("key", "run", "status"))
        size = old.file.metadata.row_group(number).total_byte_size
        piece = Piece(None, old.path, number, number, found.rows, len(keys), size)
        age = ages.take(pc.index_in(run, runs))
        found.add([piece], old.schema, key_bytes(keys), age, _status(status))


def together(parts: Iterable[_Sized], rows_of: Callable[[_Sized], int]) -> Iterator[list[_Sized]]:
    """Parts in order, as many at a time as are looked at in one go, and at least one."""
    some: list[_Sized] = []
    rows = size = 0
    for part in parts:
        if some and (rows >= GROUP_ROWS or size + part.size > GROUP_BYTES):
            yield some
            some, rows, size = [], 0, 0
        some.append(part)
        rows, size = rows + rows_of(part), size + part.size
    if some:
        yield some


def _take_entries(found: Survey, run: RunFolder, entries: list[Entry], rank: int) -> None:
    schema = entries[0].batch.schema
    first = [_first_index(entry.batch) for entry in entries]
    table = pa.Table.from_batches([entry.batch for entry in entries])
    key, status, row = (table.column(one).combine_chunks() for one in ("key", "status", "row"))
    begins = pc.cast(pc.equal(row, plain_scalar(0, row.type)), pa.int64())
    found.has_many_rows |= pc.sum(begins).as_py() != len(begins)
    # A setting that returned a frame has many rows of one age; all others differ.
    begun = pc.cumulative_sum(begins)
    bases, pieces, start = array("q"), list[Piece](), 0
    for entry, index in zip(entries, first, strict=True):
        rows = entry.batch.num_rows
        before = begun[start - 1].as_py() if start else 0
        bases.extend(array("q", [_age(rank, entry.seq) - before]) * rows)
        place = found.rows + start
        pieces.append(Piece(run.name, entry.path, entry.offset, index, place, rows, entry.size))
        start += rows
    base = pa.Array.from_buffers(pa.int64(), start, [None, pa.py_buffer(bases)])
    found.add(pieces, schema, key_bytes(key), pc.add(begun, base), _status(status))
    if spill.SPILLED in schema.names:
        for each in spill.rows_of(table):
            for name, value in each.items():
                found.spilled.setdefault(name, {})[Form(*spill.form_of(value))] = None


def _rows_of(entry: Entry) -> int:
    rows: int = entry.batch.num_rows
    return rows


def _first_index(batch: pa.RecordBatch) -> int:
    return pc.min(batch.column("index")).as_py() or 0


def _age(rank: int, seq: int) -> int:
    return -1 if rank < 0 else (rank << RUN_BITS) + (seq << SEQ_BITS)


def _status(column: pa.Array) -> pa.Array:
    return pc.cast(pc.index_in(column, plain_array(list(STATUSES), pa.string())), pa.int8())


def joined(arrays: list[pa.Array], form: Any) -> pa.Array:
    """Arrays end to end, as one."""
    if len(arrays) == 1:
        return arrays[0]
    return pa.concat_arrays(arrays) if arrays else pa.nulls(0, form)


def are_distinct(keys: pa.Array) -> bool:
    """Whether no two keys begin alike; in a third of the memory that comparing all of them takes.

    keys: 16 bytes each, without nulls and from the start of their buffer.
    """
    words = pa.Array.from_buffers(pa.int64(), 2 * len(keys), [None, keys.buffers()[1]])
    pairs = pa.FixedSizeListArray.from_arrays(words, 2)
    halves = pc.list_element(pairs, plain_scalar(0, pa.int64()))
    steps = pc.pairwise_diff(halves.take(pc.array_sort_indices(halves)))
    return not pc.any(pc.equal(steps, plain_scalar(0, pa.int64()))).as_py()


def first_places(values: pa.Array, which: pa.Array | None = None) -> pa.Array:
    """Where each of the values that `which` names (all: in order of appearance) stands first."""
    return pc.index_in(values.unique() if which is None else which, value_set=values)


def key_bytes(column: pa.Array) -> pa.Array:
    """Keys of 32 hex digits as 16 bytes each, half the memory; other text by its hash."""
    count = len(column)
    try:
        raw = binascii.unhexlify(_digits(column))
    except ValueError:
        texts: list[Any] = column.to_pylist()
        raw = b"".join(hashlib.blake2b(str(one).encode(), digest_size=16).digest() for one in texts)
    return pa.Array.from_buffers(pa.binary(16), count, [None, pa.py_buffer(raw)])


def _digits(column: pa.Array) -> Any:
    """The text of all keys end to end. Raises ValueError unless each has 32 bytes."""
    if not len(column):
        return b""
    sizes = pc.min_max(pc.binary_length(column)).as_py()
    if column.null_count or sizes != {"min": 32, "max": 32}:
        raise ValueError("not a key of superparams")
    (start,) = struct.unpack_from("<i", column.buffers()[1], 4 * column.offset)
    return column.buffers()[2][start : start + 32 * len(column)]
