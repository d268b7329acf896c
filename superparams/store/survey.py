"""Which outcome of each setting is the newest, over the table and the ledgers of all runs.

One pass over the keys, in bounded memory: the table that was made before (rows whose runs it took
in whole), then the ledgers of runs that it does not know or that have grown since. An outcome of a
later run is newer; within a run, the one with the higher sequence number.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from superparams.columns import metadata_of
from superparams.store import seal, spill
from superparams.store.folder import TABLE, RunFolder, run_folders
from superparams.store.reading import Entry, LedgerWarning, ledger_files, read_file
from superparams.store.unify import Form

STATUSES = ("done", "failed", "killed", "timeout")
# Schema metadata of the table: JSON of the runs it holds, their codes, and notes.
HEAD = b"superparams"
# The age of a row is one integer: place of its run, sequence number, place in a batch.
RUN_BITS, SEQ_BITS = 44, 20


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
    is_damaged: bool = False  # the table that was there
    has_many_rows: bool = False  # of one setting

    @property
    def is_fresh(self) -> bool:
        """Whether the table holds all there is."""
        old = self.old
        return old is not None and all(
            old.runs.get(run) == size for run, size in self.sizes.items()
        )

    def names(self) -> list[str]:
        """All runs, oldest first, also those whose folder is gone."""
        return sorted({run.name for run in self.runs} | set(self.old.runs if self.old else ()))

    def sizes_all(self) -> dict[str, int]:
        """The bytes of each run's ledger that a table made from this survey holds."""
        return (self.old.runs if self.old else {}) | self.sizes

    def add(
        self, piece: Piece, schema: pa.Schema, keys: pa.Array, ages: pa.Array, status: pa.Array
    ) -> None:
        """Take in the rows of one piece."""
        self.pieces.append(piece)
        self.schemas.setdefault(piece.path, schema)
        self.keys.append(keys)
        self.ages.append(ages)
        self.status.append(status)
        self.rows += piece.rows

    def kept(self) -> pa.Array:
        """Whether each row belongs to the newest outcome of its setting."""
        ages = joined(self.ages, pa.int64())
        coded = joined(self.keys, pa.binary(16)).dictionary_encode()
        keys, n_keys = coded.indices, len(coded.dictionary)
        del coded
        if n_keys == self.rows:  # each key once, as after a single run
            return pc.greater_equal(ages, 0)
        newest = pa.table({"key": keys, "age": ages}).group_by("key").aggregate([("age", "max")])
        newest = newest.sort_by("key").column("age_max").combine_chunks()
        return pc.and_(pc.equal(ages, newest.take(keys)), pc.greater_equal(ages, 0))

    def close(self) -> None:
        """Let go of the table."""
        if self.old is not None:
            self.old.close()


@contextlib.contextmanager
def survey(root: Path, *, rebuild: bool = False) -> Generator[Survey]:
    """Look through the table and the ledgers of an experiment's folder.

    Damage is left out with a LedgerWarning; a damaged table is made anew from the ledgers. rebuild:
    do so in any case.
    """
    found = _survey(root, rebuild)
    try:
        yield found
    finally:
        found.close()
        pa.default_memory_pool().release_unused()


def _survey(root: Path, rebuild: bool) -> Survey:
    old = None if rebuild else _open_or_warn(root / TABLE)
    runs = run_folders(root)
    codes = (old.codes if old else {}) | {run.name: run.code() for run in runs}
    found = Survey(root, old, runs, {run.name: ledger_size(run) for run in runs}, codes)
    found.is_damaged = old is None and not rebuild and (root / TABLE).exists()
    fresh = [run for run in runs if old is None or old.runs.get(run.name) != found.sizes[run.name]]
    try:
        _take_table(found, {run.name for run in fresh})
    except OSError as error:
        found.close()
        warn_damaged(root / TABLE, error)
        anew = _survey(root, rebuild=True)
        anew.is_damaged = True
        return anew
    names = found.names()
    for run in fresh:
        growing = run.state() == "running"
        for path in ledger_files(run.ledger):
            for entry in read_file(path, growing=growing):
                _take_entry(found, run, entry, names.index(run.name))
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
    ages = pa.array(
        [_age(-1 if one in again else at, 0) for at, one in enumerate(names)], pa.int64()
    )
    for number in range(old.file.num_row_groups):
        table = old.group(number, ["key", "run", "status", "row"])
        found.has_many_rows |= bool(pc.max(table.column("row")).as_py())
        keys, run, status = (table.column(one).combine_chunks() for one in ("key", "run", "status"))
        age = ages.take(pc.index_in(run, pa.array(names, pa.string())))
        piece = Piece(None, old.path, number, number, found.rows, len(keys))
        found.add(piece, old.schema, key_bytes(keys), age, _status(status))


def _take_entry(found: Survey, run: RunFolder, entry: Entry, rank: int) -> None:
    batch = entry.batch
    begins = pc.cast(pc.equal(batch.column("row"), 0), pa.int64())
    found.has_many_rows |= pc.sum(begins).as_py() != batch.num_rows
    ages = pc.add(pc.cumulative_sum(begins), _age(rank, entry.seq))
    first = pc.min(batch.column("index")).as_py() or 0
    piece = Piece(run.name, entry.path, entry.offset, first, found.rows, batch.num_rows)
    keys, status = key_bytes(batch.column("key")), _status(batch.column("status"))
    found.add(piece, batch.schema, keys, ages, status)
    if spill.SPILLED in batch.schema.names:
        for row in spill.rows_of(batch):
            for name, value in row.items():
                found.spilled.setdefault(name, {})[Form(*spill.form_of(value))] = None


def _age(rank: int, seq: int) -> int:
    return -1 if rank < 0 else (rank << RUN_BITS) + (seq << SEQ_BITS)


def _status(column: pa.Array) -> pa.Array:
    return pc.cast(pc.index_in(column, pa.array(STATUSES)), pa.int8())


def joined(arrays: list[pa.Array], form: Any) -> pa.Array:
    """Arrays end to end, as one."""
    return pa.chunked_array(arrays, form).combine_chunks()


def key_bytes(column: pa.Array) -> pa.Array:
    """Keys of 32 hex digits as 16 bytes each, half the memory; other text by its hash."""
    texts: list[Any] = column.to_pylist()
    try:
        raw = bytes.fromhex("".join(texts))
        if set(map(len, texts)) - {32}:
            raise ValueError("not a key of superparams")
    except (ValueError, TypeError):
        raw = b"".join(hashlib.blake2b(str(one).encode(), digest_size=16).digest() for one in texts)
    return pa.Array.from_buffers(pa.binary(16), len(texts), [None, pa.py_buffer(raw)])
