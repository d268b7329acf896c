"""Finds the newest outcome of each setting in the table and the ledgers of all runs.

This is one pass over the keys, in bounded memory: first the older table, then the ledgers of runs
that the table does not have or that have changed since. An outcome of a later run is newer; within
a run, the one with the higher sequence number. A ledger may have been shortened, damaged or
removed; rows that then only the table has are kept.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors.user_lines import warn_user
from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.outcomes.outcome import STATUSES
from superparams.store.json_values import json_text
from superparams.store.ledger.exclusions import NO_EXCLUSIONS, Exclusions
from superparams.store.ledger.reader import (
    Entry,
    LedgerReader,
    LedgerWarning,
    ledger_files,
    ledger_size,
    read_file,
    unreadable,
)
from superparams.store.plain_files import is_passing
from superparams.store.runs.folder import TABLE, RunFolder, run_folders
from superparams.store.runs.recorded_codes import CODES, held_by_code
from superparams.store.table import text_columns
from superparams.store.table.arrow_arrays import (
    are_distinct,
    first_places,
    flat,
    joined,
    key_bytes,
)
from superparams.store.table.lost_rows import LostRows, attempts_of
from superparams.store.table.row_codes import codes_of_ledger
from superparams.store.table.table_file import (
    GROUP_ROWS,
    NotReadable,
    TableFile,
    open_table,
    refuse_nulls,
)
from superparams.store.table.text_columns import ColumnType

# The age of a row is one integer: place of its run, sequence number, place in a batch.
RUN_BITS, SEQ_BITS = 44, 20
# Rows are surveyed, and written, so many bytes at a time.
GROUP_BYTES = 32 << 20


class Piece(NamedTuple):
    """Rows that are read together: a batch of a ledger, or a row group of the table."""

    run: str | None  # None: a row group of the table
    path: Path
    offset: int  # in bytes; the number of a row group
    first: int  # smallest index of a setting in it
    start: int  # place of its first row in the arrays of the survey
    rows: int
    size: int  # bytes, about


_Sized = TypeVar("_Sized", Piece, Entry)


@dataclass(slots=True)
class Survey:
    """Keys and ages of all rows, and where they are."""

    root: Path
    table: TableFile | None  # the older table, if it can be used
    runs: list[RunFolder]  # oldest first
    sizes: dict[str, int]  # bytes of each run's ledger when the survey began
    codes: dict[str, str | None]  # fingerprint of the code of each run
    # The alternatives that the settings of each code hold; empty if each run has one code.
    held: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    pieces: list[Piece] = field(default_factory=list[Piece])
    schemas: dict[Path, pa.Schema] = field(default_factory=dict[Path, pa.Schema])
    spilled: dict[str, dict[ColumnType, None]] = field(
        default_factory=dict[str, dict[ColumnType, None]]
    )  # the types of values that were written as text, by column
    keys: list[pa.Array] = field(default_factory=list[pa.Array])  # 16 bytes each
    ages: list[pa.Array] = field(default_factory=list[pa.Array])  # int64, the newest highest
    status: list[pa.Array] = field(default_factory=list[pa.Array])  # int8, place in STATUSES
    attempts: list[pa.Array] = field(default_factory=list[pa.Array])  # int32
    row_codes: list[pa.Array] = field(
        default_factory=list[pa.Array]
    )  # texts; none where runs have one code
    rows: int = 0
    exclusions: Exclusions = NO_EXCLUSIONS  # their rows have the age -1
    is_damaged: bool = False  # the existing table
    not_readable: OSError | None = None  # why the table cannot be read; it may be intact
    has_frames: bool = False  # a setting with many rows
    lost: LostRows = field(default_factory=LostRows)

    @property
    def has_setting_codes(self) -> bool:
        """Whether settings of one run have different codes, so that rows' codes are surveyed."""
        return bool(self.held)

    @property
    def table_runs(self) -> dict[str, int]:
        """The bytes of each run's ledger that the older table holds."""
        return self.table.runs if self.table else {}

    @property
    def is_table_current(self) -> bool:
        """Whether the table holds all records, in all columns of outcomes."""
        is_complete = self.table is not None and self.table.has_all_columns
        return is_complete and all(map(self.is_in_table, self.runs))

    def is_in_table(self, run: RunFolder) -> bool:
        """Whether the table holds all of a run's ledger."""
        return self.table_runs.get(run.name) == self.sizes[run.name]

    @property
    def gone(self) -> set[str]:
        """The runs that the table holds and whose folders are gone."""
        return set(self.table_runs) - {run.name for run in self.runs}

    def run_names(self) -> list[str]:
        """All runs, oldest first, also those whose folder is gone."""
        return sorted({run.name for run in self.runs} | self.table_runs.keys())

    def new_table_runs(self) -> dict[str, int]:
        """The bytes of each run's ledger that a table made from this survey holds."""
        sizes = self.table_runs | self.sizes
        return {name: size for name, size in sizes.items() if name not in self.exclusions.runs}

    def add(
        self,
        pieces: Sequence[Piece],
        schema: pa.Schema,
        keys: pa.Array,
        ages: pa.Array,
        status: pa.Array,
        attempts: pa.Array,
        codes: pa.Array | None = None,
    ) -> None:
        """Add the rows of pieces of one file; codes: their codes, if the survey has those."""
        status = pc.cast(pc.index_in(status, plain_array(list(STATUSES), pa.string())), pa.int8())
        if self.exclusions.failures:
            is_done = pc.equal(status, plain_scalar(0, pa.int8()))
            ages = pc.if_else(is_done, ages, plain_scalar(-1, pa.int64()))
        if codes is not None:
            self.row_codes.append(codes)
            excluded = pc.is_in(codes, plain_array(sorted(self.exclusions.codes), pa.string()))
            ages = pc.if_else(excluded, plain_scalar(-1, pa.int64()), ages)
        self.pieces.extend(pieces)
        self.schemas.setdefault(pieces[0].path, schema)
        self.keys.append(key_bytes(keys))
        self.ages.append(ages)
        self.status.append(status)
        self.attempts.append(attempts)
        self.rows += len(keys)

    def newest(self) -> pa.Array:
        """Whether each row belongs to the newest outcome of its setting."""
        # Joined here, so that there are no two copies.
        self.keys, self.ages = [joined(self.keys, pa.binary(16))], [joined(self.ages, pa.int64())]
        ages = self.ages[0]
        mask = pc.greater_equal(ages, plain_scalar(0, pa.int64()))
        if not are_distinct(self.keys[0]):  # as they are after a single run
            keys = self.keys[0].dictionary_encode().indices
            newest_first = pc.array_sort_indices(ages, order="descending")
            # The first position of each key, in the order of the numbers of the keys.
            places = newest_first.take(first_places(keys.take(newest_first), keys.unique()))
            mask = pc.and_(mask, pc.equal(ages, ages.take(places).take(keys)))
        self.lost.count(ages, mask, RUN_BITS, self.run_names(), self.gone)
        return mask

    def release_arrays(self) -> None:
        """Free the memory of keys and ages, once it is known which rows are the newest."""
        for arrays in (self.keys, self.ages, self.status, self.attempts, self.row_codes):
            arrays.clear()

    def load(self, reader: LedgerReader, piece: Piece) -> list[pa.RecordBatch]:
        """The rows of a piece, with all columns."""
        if piece.run is not None:
            return [reader.entry(piece.path, piece.offset).batch]
        assert self.table is not None
        batches: list[pa.RecordBatch] = self.table.group(piece.offset).to_batches()
        return batches

    def close(self) -> None:
        """Close the table."""
        if self.table is not None:
            self.table.close()


@contextlib.contextmanager
def open_survey(
    root: Path,
    *,
    rebuild: bool = False,
    skip_current: bool = False,
    exclusions: Exclusions = NO_EXCLUSIONS,
) -> Generator[Survey]:
    """Survey the table and the ledgers of an experiment's folder.

    Damaged parts are left out with a LedgerWarning. A damaged table is made anew from the ledgers.
    A table that cannot be read at the moment is left out.

    Args:
        root: The folder.
        rebuild: Use no row of the table.
        skip_current: Survey no row if the table holds all records.
        exclusions: Outcomes that do not count.
    """
    survey = _read_survey(root, rebuild, skip_current and not exclusions, exclusions)
    try:
        yield survey
    finally:
        survey.close()
        pa.default_memory_pool().release_unused()


def _read_survey(root: Path, rebuild: bool, skip_current: bool, exclusions: Exclusions) -> Survey:
    survey = _begin(root, rebuild, exclusions)
    if skip_current and survey.is_table_current:
        return survey
    try:
        runs = _runs_to_read(survey)
        _add_table(survey)
    except (OSError, ValueError, MemoryError) as error:
        survey.close()
        _warn_of_table(root / TABLE, error)
        survey = _begin(root, True, exclusions)
        if isinstance(error, OSError) and is_passing(error):
            survey.not_readable = error
        else:
            survey.is_damaged = True
        runs = _runs_to_read(survey)
    places = {name: place for place, name in enumerate(survey.run_names())}
    for run in runs:
        _add_ledger(survey, run, places[run.name])
    return survey


def _begin(root: Path, rebuild: bool, exclusions: Exclusions) -> Survey:
    """A survey without rows: the table, the runs, and the sizes of their ledgers."""
    table: TableFile | None = None
    failure: OSError | None = None
    try:
        table = None if rebuild else open_table(root / TABLE)
    except OSError as error:
        _warn_of_table(root / TABLE, error)
        failure = error
    runs = run_folders(root)
    codes_of_table = table.codes if table else {}
    manifests = {run.name: run.manifest() for run in runs}
    own = {name: json_text(manifest.get("code")) for name, manifest in manifests.items()}
    codes = codes_of_table | {name: code or codes_of_table.get(name) for name, code in own.items()}
    sizes = {run.name: ledger_size(run.ledger) for run in runs}
    survey = Survey(root, table, runs, sizes, codes, exclusions=exclusions)
    survey.held.update(held_by_code({CODES: table.held}) if table else {})
    for manifest in manifests.values():
        survey.held.update(held_by_code(manifest))
    survey.not_readable = failure if isinstance(failure, NotReadable) else None
    survey.is_damaged = failure is not None and survey.not_readable is None
    return survey


def _warn_of_table(path: Path, error: Exception) -> None:
    if isinstance(error, NotReadable) or is_passing(error):
        what = f"{path} cannot be read, and its rows are taken from the ledgers: {error}"
    else:
        what = f"{path} is damaged and is made anew from the ledgers: {error}"
    warn_user(what, LedgerWarning)


def _runs_to_read(survey: Survey) -> list[RunFolder]:
    """The runs whose ledgers are read.

    With exclusions, all: the table lacks outcomes that excluded outcomes have superseded.
    """
    runs = [run for run in survey.runs if run.name not in survey.exclusions.runs]
    lost = survey.table.beyond_ledger if survey.table else {}
    return [x for x in runs if survey.exclusions or x.name in lost or not survey.is_in_table(x)]


def _add_table(survey: Survey) -> None:
    """Add the rows of the table, without those of excluded runs.

    Rows of a run whose ledger is read again count as older than all rows of that ledger.
    """
    table = survey.table
    if table is None:
        return
    names = survey.run_names()
    excluded = survey.exclusions.runs
    ages = [-1 if name in excluded else _age(place, 0) for place, name in enumerate(names)]
    age_of_run, runs = plain_array(ages, pa.int64()), plain_array(names, pa.string())
    for number in range(table.file.num_row_groups):
        own = ["code"] if survey.has_setting_codes else []
        rows = table.group(number, ["key", "run", "status", "row", "attempt", *own])
        survey.has_frames |= bool(pc.max(rows.column("row")).as_py())
        refuse_nulls(table.path, rows)
        keys, run, status, attempts = (
            rows.column(name).combine_chunks() for name in ("key", "run", "status", "attempt")
        )
        size = table.file.metadata.row_group(number).total_byte_size
        piece = Piece(None, table.path, number, number, survey.rows, len(keys), size)
        # Rows of a run that the head does not name are the oldest.
        age = pc.fill_null(age_of_run.take(pc.index_in(run, runs)), plain_scalar(0, pa.int64()))
        codes = flat(rows.column("code")) if own else None
        survey.add([piece], table.schema, keys, age, status, attempts, codes)
    survey.lost.groups, survey.lost.rows = len(survey.ages), survey.rows


def _add_ledger(survey: Survey, run: RunFolder, place: int) -> None:
    """Add the rows of a ledger."""
    growing, damaged, n_before = run.state() == "running", set[Path](), len(survey.ages)
    for problem in unreadable(run.ledger):
        warn_user(problem, LedgerWarning)
    for path in ledger_files(run.ledger):
        entries = read_file(path, growing=growing, damaged=damaged)
        for group in in_groups(entries, lambda entry: entry.batch.num_rows):
            _add_entries(survey, run, group, place)
    if survey.table is not None and run.name in survey.table_runs:
        survey.lost.read_again.add(run.name)
        is_shorter = survey.sizes[run.name] < survey.table_runs[run.name]
        if damaged or is_shorter or run.name in survey.table.beyond_ledger:
            arrays = zip(survey.keys[n_before:], survey.attempts[n_before:], strict=True)
            _prefer_table(survey, place, attempts_of(arrays))


def _prefer_table(survey: Survey, place: int, attempts: Mapping[bytes, int]) -> None:
    """Let rows of the table win if they are newer than the rest of the ledger of a run.

    attempts: The last attempt of each setting that the ledger has.
    """
    newest = _age(place + 1, 0) - 1
    for part in range(survey.lost.groups):
        is_of_run = pc.equal(survey.ages[part], plain_scalar(_age(place, 0), pa.int64()))
        if not is_of_run.true_count:
            continue
        pairs = zip(survey.keys[part].to_pylist(), survey.attempts[part].to_pylist(), strict=True)
        is_newer = plain_array([(n or 0) > attempts.get(key, -1) for key, n in pairs], pa.bool_())
        mask = pc.and_(is_of_run, is_newer)
        survey.ages[part] = pc.if_else(mask, plain_scalar(newest, pa.int64()), survey.ages[part])


def in_groups(parts: Iterable[_Sized], rows_of: Callable[[_Sized], int]) -> Iterator[list[_Sized]]:
    """Parts in order, in groups of limited rows and bytes, with at least one part each."""
    group: list[_Sized] = []
    rows = size = 0
    for part in parts:
        if group and (rows >= GROUP_ROWS or size + part.size > GROUP_BYTES):
            yield group
            group, rows, size = [], 0, 0
        group.append(part)
        rows, size = rows + rows_of(part), size + part.size
    if group:
        yield group


def _add_entries(survey: Survey, run: RunFolder, entries: list[Entry], place: int) -> None:
    table = pa.Table.from_batches([entry.batch for entry in entries])
    key, status, row, attempts = (
        table.column(name).combine_chunks() for name in ("key", "status", "row", "attempt")
    )
    is_first_row = pc.cast(pc.equal(row, plain_scalar(0, row.type)), pa.int64())
    survey.has_frames |= pc.sum(is_first_row).as_py() != len(is_first_row)
    # A setting that returned a frame has many rows of one age; all others differ.
    n_settings = pc.cumulative_sum(is_first_row)
    bases, pieces, start = array("q"), list[Piece](), 0
    for entry in entries:
        rows = entry.batch.num_rows
        n_before = n_settings[start - 1].as_py() if start else 0
        bases.extend(array("q", [_age(place, entry.seq) - n_before]) * rows)
        index = pc.min(entry.batch.column("index")).as_py() or 0
        first_row = survey.rows + start
        pieces.append(Piece(run.name, entry.path, entry.offset, index, first_row, rows, entry.size))
        start += rows
    base = pa.Array.from_buffers(pa.int64(), start, [None, pa.py_buffer(bases)])
    schema = entries[0].batch.schema
    ages = pc.add(n_settings, base)
    codes = codes_of_ledger(table, survey.codes.get(run.name)) if survey.has_setting_codes else None
    survey.add(pieces, schema, key, ages, status, attempts, codes)
    if text_columns.SPILLED in schema.names:
        for cells in text_columns.spilled_rows(table):
            for name, cell in cells.items():
                survey.spilled.setdefault(name, {})[text_columns.type_of(cell)] = None


def _age(place: int, seq: int) -> int:
    return (place << RUN_BITS) + (seq << SEQ_BITS)
