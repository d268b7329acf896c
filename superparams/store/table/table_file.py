"""The file `results.parquet` as it lies on disk, verified before anything of it is believed."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as parquet

from superparams.errors import StoreError
from superparams.outcomes.arrow import metadata_of, plain_scalar
from superparams.outcomes.columns import COLUMNS, FIRST_FORMAT, refuse_newer_format
from superparams.store.plain_files import is_passing, open_plain
from superparams.store.table import checksum

__all__ = [
    "GROUP_ROWS",
    "HEAD",
    "OUTCOME",
    "SOURCE",
    "NotReadable",
    "Old",
    "open_table",
    "outcome_column",
    "refuse_nulls",
    "superparams_version",
]

# Schema metadata of the table: JSON of the runs it holds, their codes, and notes.
HEAD: Final = b"superparams"
# Rows of a row group at most: a file that claims more is not ours, and may be a bomb.
GROUP_ROWS: Final = 1 << 16
# Field metadata: `param.<name>` or `result.<name>`, of which a column has the values.
SOURCE: Final = b"superparams.source"
_TIME: Final = pa.timestamp("us", "UTC")
# The columns of outcomes in the table, by name.
OUTCOME: dict[str, Any] = {
    column.name: _TIME if column.type == str(_TIME) else pa.type_for_alias(column.type)
    for column in COLUMNS
}
NEVER_NULL: Final = ("key", "status", "run", "row")  # what tells which setting a row is of


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
    alone: dict[str, int]  # rows of each run that its ledger did not hold any more
    has_all_columns: bool  # an older superparams did not write those that were added since
    fields: Any = None  # which fields its settings have, see `owned`
    order: Any = None  # that of the columns of parameters, see `order`
    meanings: Any = None  # of the names of points, by run, see `meanings`
    named: Any = None  # the names that rows have in the table

    def group(self, number: int, columns: list[str] | None = None) -> pa.Table:
        """One row group."""
        return self.file.read_row_group(number, columns=columns)

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()


class NotReadable(OSError):
    """The table cannot be read now, and nothing says that it is damaged."""


def open_table(path: Path, *, verify: bool = True) -> Old | None:
    """The table at a path; None when there is none.

    Raises NotReadable when it cannot be read now, another OSError when it is damaged or not ours.
    """
    if not path.exists() and not path.is_symlink():
        return None
    try:
        with open_plain(path) as plain:
            if verify:
                checksum.check(plain)
        file = parquet.ParquetFile(path)
    except (ValueError, OSError, TypeError, NotImplementedError, MemoryError) as error:
        if is_passing(error):
            raise NotReadable(str(error)) from error
        raise OSError(f"{path} is damaged: {error}") from error
    try:
        return _opened(path, file)
    except (ValueError, OSError, TypeError, KeyError, RecursionError) as error:
        file.close()
        reason = error if isinstance(error, ValueError) else repr(error)
        raise OSError(f"{path} is damaged, or was not written by superparams: {reason}") from error


def _opened(path: Path, file: Any) -> Old:
    schema, rows = file.schema_arrow, file.metadata.num_rows
    head = json.loads(metadata_of(schema)[HEAD])
    version = head.get("version", FIRST_FORMAT)
    if not isinstance(version, int):
        raise TypeError(f"{version!r:.40} is no version of the format")
    refuse_newer_format(path, version, head.get("superparams"))
    has_all_columns = _has_all_columns(schema, version)
    groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
    if any(group.num_rows > GROUP_ROWS for group in groups):
        raise ValueError(f"it claims more than {GROUP_ROWS:,} rows in one group")
    for name in _with_nulls(file):
        raise ValueError(_nulls(name))
    notes: list[str] = [note for note in head["notes"] if isinstance(note, str)]
    runs, alone = _counts(head["runs"]), _counts(head.get("alone", {}))
    codes: dict[str, str | None] = {
        str(name): code if isinstance(code, str) else None for name, code in head["codes"].items()
    }
    told = map(head.get, ("fields", "order", "meanings", "named"))
    return Old(path, file, schema, rows, runs, codes, notes, alone, has_all_columns, *told)


def _own_places(schema: pa.Schema) -> dict[str, int]:
    """Where the columns of outcomes stand in a table or a ledger.

    A result may have had the name of a column that was added since.
    """
    fields = enumerate(schema)
    return {field.name: at for at, field in fields if SOURCE not in metadata_of(field)}


def _has_all_columns(schema: pa.Schema, version: int) -> bool:
    """Whether no column of outcomes is missing; a version has those that it knew."""
    places = _own_places(schema)
    for column in COLUMNS:
        at, form = places.get(column.name), OUTCOME[column.name]
        if at is None and column.since > version:
            continue
        if at is None or schema.field(at).type != form:
            raise ValueError(f"it has no column {column.name!r} of {form}")
    return OUTCOME.keys() <= places.keys()


def outcome_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column of outcomes; its default where an older superparams wrote the table without it."""
    place = _own_places(table.schema).get(name)
    if place is not None:
        return table.column(place)
    (default,) = (column.default for column in COLUMNS if column.name == name)
    return pa.chunked_array([pa.repeat(plain_scalar(default, OUTCOME[name]), table.num_rows)])


@functools.cache  # to read it takes as long as to write a small table
def superparams_version() -> str | None:
    """The version of this superparams; None where it is not installed."""
    from importlib import metadata

    try:
        return metadata.version("superparams")
    except metadata.PackageNotFoundError:
        return None


def refuse_nulls(path: Path, table: pa.Table) -> None:
    """Complain about rows of a table that do not tell which setting they are of.

    Args:
        path: The file.
        table: Some of its columns.

    Raises:
        StoreError: Names the column and the remedy.
    """
    for name in NEVER_NULL:
        if name in table.column_names and table.column(name).null_count:
            raise StoreError(
                f"{path} is damaged: {_nulls(name)}; remove it, and it is made anew from "
                "the ledgers"
            )


def _nulls(name: str) -> str:
    return f"there are rows without a value in the column {name!r}"


def _with_nulls(file: Any) -> Iterator[str]:
    """The columns of `NEVER_NULL` with nulls, by the statistics of the file where it has any."""
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        for column in map(group.column, range(group.num_columns)):
            name, told = column.path_in_schema, column.statistics
            if name not in NEVER_NULL:
                continue
            if told is not None and told.has_null_count:
                nulls = told.null_count
            else:
                nulls = file.read_row_group(number, columns=[name]).column(name).null_count
            if nulls:
                yield name


def _counts(found: Any) -> dict[str, int]:
    if not isinstance(found, dict):
        raise TypeError(f"{found!r:.80} is no mapping of runs")
    return {str(name): int(n) for name, n in found.items()}  # pyright: ignore
