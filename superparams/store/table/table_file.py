"""The file `results.parquet`, which is verified before any of it is used."""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as parquet

from superparams.errors import StoreError
from superparams.outcomes.arrow import metadata_of, plain_scalar
from superparams.outcomes.columns import COLUMNS, FIRST_FORMAT, refuse_newer_format
from superparams.store.json_values import is_object, json_object, json_text
from superparams.store.plain_files import is_passing, open_plain, refuse_holes

__all__ = [
    "EMPTY_SEAL",
    "GROUP_ROWS",
    "HEAD",
    "HELD",
    "OUTCOME",
    "SOURCE",
    "NotReadable",
    "TableFile",
    "head_of",
    "open_table",
    "outcome_column",
    "refuse_nulls",
    "seal",
    "superparams_version",
]

# Schema metadata of the table: JSON of the runs it holds, their codes, and notes.
HEAD: Final = b"superparams"
HELD: Final = "held"  # in that JSON: the alternatives that the settings of each code hold
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
_SEAL_KEY: Final = "superparams.seal"
_SEAL: Final = "crc32=00000000"
EMPTY_SEAL: Final = {_SEAL_KEY: _SEAL}  # metadata of a file that `seal` completes
_CHUNK: Final = 1 << 20
_LARGEST_FOOTER: Final = 1 << 30  # bytes
NEVER_NULL: Final = ("key", "status", "run", "row")  # identify the setting of a row


@dataclass(slots=True)
class TableFile:
    """The file of an older table, open for reading."""

    path: Path
    file: parquet.ParquetFile
    schema: pa.Schema
    rows: int
    runs: dict[str, int]  # bytes of the ledger of each run that it holds
    codes: dict[str, str | None]  # fingerprint of the code of each run
    notes: list[str]  # on its columns
    beyond_ledger: dict[str, int]  # rows of each run that were no longer in its ledger
    has_all_columns: bool  # a table of an older superparams lacks later columns
    fields: object = None  # which fields the settings of each run have, see `field_owners`
    order: object = None  # of the columns of parameters, see `column_order`
    meanings: object = None  # of the names of points in each run, see `meanings`
    named: object = None  # the names of points that its rows have
    held: object = None  # the alternatives that settings of each code hold, see `recorded_codes`

    def group(self, number: int, columns: list[str] | None = None) -> pa.Table:
        """One row group."""
        return self.file.read_row_group(number, columns=columns)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class NotReadable(OSError):
    """The table cannot be read now, but is perhaps not damaged."""


def open_table(path: Path, *, verify: bool = True) -> TableFile | None:
    """The table at a path; None when there is none.

    Args:
        path: The file.
        verify: Whether its checksum is compared with all of its bytes.

    Raises:
        NotReadable: When it cannot be read now.
        OSError: When it is damaged, or was not written by superparams.
    """
    if not path.exists() and not path.is_symlink():
        return None
    try:
        with open_plain(path) as plain:
            if verify:
                verify_seal(plain)
        file = parquet.ParquetFile(path)
    except (ValueError, OSError, TypeError, NotImplementedError, MemoryError) as error:
        if is_passing(error):
            raise NotReadable(str(error)) from error
        raise OSError(f"{path} is damaged: {error}") from error
    try:
        return _table_file(path, file)
    except (ValueError, OSError, TypeError, KeyError, RecursionError) as error:
        file.close()
        reason = error if isinstance(error, ValueError) else repr(error)
        raise OSError(f"{path} is damaged, or was not written by superparams: {reason}") from error


def _table_file(path: Path, file: Any) -> TableFile:
    schema, rows = file.schema_arrow, file.metadata.num_rows
    head = json.loads(metadata_of(schema)[HEAD])
    version = head.get("version", FIRST_FORMAT)
    if not isinstance(version, int):
        raise TypeError(f"{version!r:.40} is not a version of the format")
    refuse_newer_format(path, version, head.get("superparams"))
    has_all_columns = _has_all_columns(schema, version)
    groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
    if any(group.num_rows > GROUP_ROWS for group in groups):
        raise ValueError(f"it claims more than {GROUP_ROWS:,} rows in one group")
    for name in _columns_with_nulls(file):
        raise ValueError(_null_message(name))
    notes: list[str] = [note for note in head["notes"] if isinstance(note, str)]
    runs, beyond_ledger = _counts(head["runs"]), _counts(head.get("alone", {}))
    codes = {str(name): json_text(code) for name, code in head["codes"].items()}
    others = map(head.get, ("fields", "order", "meanings", "named", HELD))
    counts = runs, codes, notes, beyond_ledger
    return TableFile(path, file, schema, rows, *counts, has_all_columns, *others)


def _own_places(schema: pa.Schema) -> dict[str, int]:
    """The places of the columns of outcomes in a table or a ledger, by their names.

    In older files, a result may have the name of a column that was added later.
    """
    fields = enumerate(schema)
    return {field.name: place for place, field in fields if SOURCE not in metadata_of(field)}


def _has_all_columns(schema: pa.Schema, version: int) -> bool:
    """Whether no column of outcomes is missing, except for those that are newer than the file."""
    places = _own_places(schema)
    for column in COLUMNS:
        place, form = places.get(column.name), OUTCOME[column.name]
        if place is None and column.since > version:
            continue
        if place is None or schema.field(place).type != form:
            raise ValueError(f"it has no column {column.name!r} of {form}")
    return OUTCOME.keys() <= places.keys()


def outcome_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column of outcomes, with its default if an older superparams wrote the table without it."""
    place = _own_places(table.schema).get(name)
    if place is not None:
        return table.column(place)
    (default,) = (column.default for column in COLUMNS if column.name == name)
    return pa.chunked_array([pa.repeat(plain_scalar(default, OUTCOME[name]), table.num_rows)])


@functools.cache  # reading it takes as long as writing a small table
def superparams_version() -> str | None:
    """The version of this superparams; None if it is not installed as a package."""
    from importlib import metadata

    try:
        return metadata.version("superparams")
    except metadata.PackageNotFoundError:
        return None


def head_of(schema: pa.Schema) -> dict[str, Any]:
    """The entries of the metadata of the table; empty if the metadata is missing or damaged."""
    try:
        return json_object(json.loads(metadata_of(schema).get(HEAD, b"null")))
    except (ValueError, RecursionError):
        return {}


def refuse_nulls(path: Path, table: pa.Table) -> None:
    """Refuse rows of a table that do not identify their setting.

    Args:
        path: The file.
        table: Some of its columns.

    Raises:
        StoreError: Names the column and the remedy.
    """
    for name in NEVER_NULL:
        if name in table.column_names and table.column(name).null_count:
            raise StoreError(
                f"{path} is damaged: {_null_message(name)}; remove it, and it is made anew from "
                "the ledgers"
            )


def _null_message(name: str) -> str:
    return f"there are rows without a value in the column {name!r}"


def _columns_with_nulls(file: Any) -> Iterator[str]:
    """The columns of `NEVER_NULL` with nulls, by the statistics of the file where it has any."""
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        for column in map(group.column, range(group.num_columns)):
            name, statistics = column.path_in_schema, column.statistics
            if name not in NEVER_NULL:
                continue
            if statistics is not None and statistics.has_null_count:
                nulls = statistics.null_count
            else:
                nulls = file.read_row_group(number, columns=[name]).column(name).null_count
            if nulls:
                yield name


def _counts(value: object) -> dict[str, int]:
    if not is_object(value):
        raise TypeError(f"{value!r:.80} is not a mapping of runs")
    return {str(name): int(n) for name, n in value.items()}


# ---- the checksum over all bytes of the file
#
# Parquet's own checksums cover the content of pages alone. The seal is an entry of the key-value
# metadata in the footer, so that the file is a parquet file like any other. The CRC-32 is taken
# with its own eight digits as zeros.


def seal(file: BinaryIO) -> None:
    """Write the checksum of a file into its `EMPTY_SEAL`."""
    place = _checksum_offset(file)
    crc = _crc(file, place)
    file.seek(place)
    file.write(b"%08x" % crc)


def verify_seal(file: BinaryIO) -> None:
    """Raise OSError unless the checksum of a file is that of its bytes."""
    place = _checksum_offset(file)
    refuse_holes(file, 0, place)
    file.seek(place)
    if file.read(8) != b"%08x" % _crc(file, place):
        raise OSError("its checksum does not fit")


def _checksum_offset(file: BinaryIO) -> int:
    """The offset of the digits of the checksum in the file."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    length = int.from_bytes(file.read(4), "little")
    start = size - 8 - length
    if start < 0 or length > _LARGEST_FOOTER:
        raise OSError("the file has no footer")
    file.seek(start)
    footer = file.read(length)
    entry = footer.rfind(_SEAL_KEY.encode())
    place = footer.find(_SEAL[:6].encode(), max(0, entry))
    if entry < 0 or place < 0:
        raise OSError("the file has no seal of superparams")
    return start + place + 6


def _crc(file: BinaryIO, place: int) -> int:
    """The checksum of all bytes, with its own digits as zeros."""
    file.seek(0)
    crc = position = 0
    while chunk := file.read(_CHUNK):
        if position < place + 8 and place < position + len(chunk):
            blank = bytearray(chunk)
            first, last = max(0, place - position), min(len(chunk), place + 8 - position)
            blank[first:last] = b"0" * (last - first)
            chunk = bytes(blank)
        crc = zlib.crc32(chunk, crc)
        position += len(chunk)
    return crc
