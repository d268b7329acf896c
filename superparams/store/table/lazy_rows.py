"""Rows of a table that are read when they are asked for, and only the columns that are.

A million settings take a quarter of a gigabyte as Arrow; a program that asks how many of them
failed, or for nothing at all, needs none of that in memory.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from superparams.errors import StoreError
from superparams.outcomes.arrow import python_values
from superparams.store.table.key_arrays import joined, key_bytes
from superparams.store.table.table_file import OUTCOME, refuse_nulls

# Columns of these names, or all.
Read = Callable[[Sequence[str] | None], pa.Table]


def flat(found: Any) -> Any:
    """A column of a table as one array; an array as it is."""
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


class Rows:
    """Some rows with all their columns, read by column until they are all asked for.

    Picklable (they are read for that). Safe to use from several threads.
    """

    def __init__(self, schema: pa.Schema, read: Read) -> None:
        self.schema = schema
        self._read: Read | None = read
        self._table: pa.Table | None = None

    @classmethod
    def of_table(cls, table: pa.Table) -> Rows:
        """The rows of a table that is in memory."""
        return _held(table)

    @classmethod
    def of_file(cls, path: Path) -> Rows:
        """The rows of a parquet file as it is now.

        The file stays open until all is read: when a later run puts another in its place, these
        are still the rows that they were. Each page is verified as it is read.
        """
        file = parquet.ParquetFile(path, page_checksum_verification=True)
        lock = Lock()

        def read(names: Sequence[str] | None) -> pa.Table:
            try:
                with lock:
                    table = file.read(columns=None if names is None else list(names))
            except MemoryError as error:  # a file of a few KB may hold GBs
                what = "all columns" if names is None else f"columns {', '.join(names)}"
                raise StoreError(
                    f"there is not enough memory to read {what} of {path}: {error}"
                ) from error
            except (ValueError, OSError) as error:
                raise StoreError(
                    f"{path} was damaged since it was opened: {error}; load the results again, "
                    "which makes it anew from the ledgers"
                ) from error
            refuse_nulls(path, table)
            return table if names is None else table.select(names)

        if os.name == "nt":  # where a file that is open cannot be replaced
            table = read(None)
            file.close()
            return _held(table)
        return cls(file.schema_arrow, read)

    @classmethod
    def none(cls) -> Rows:
        """No rows, of an experiment that never ran."""
        arrays = [pa.nulls(0, form) for form in OUTCOME.values()]
        return _held(pa.Table.from_arrays(arrays, schema=pa.schema(list(OUTCOME.items()))))

    def __reduce__(self) -> Any:
        return _held, (self.whole(),)

    def columns(self, *names: str) -> pa.Table:
        """The columns of these names."""
        return self._some(names)

    def whole(self) -> pa.Table:
        """All columns; from then on they are in memory."""
        if self._table is None:
            self._table = self._some(None)
            self._read = None  # lets go of the file
        return self._table

    def picked(self, pick: Callable[[], pa.Array | None]) -> Rows:
        """Fewer rows, or in another order.

        pick: called once, when rows are first asked for; gives a mask, or the places of the rows,
        or None for all rows as they are.
        """
        once = functools.cache(pick)
        return Rows(self.schema, lambda names: _gathered(self._some(names), once()))

    def _some(self, names: Sequence[str] | None) -> pa.Table:
        read = self._read
        if read is not None:
            return read(names)
        assert self._table is not None
        return self._table if names is None else self._table.select(names)


def _held(table: pa.Table) -> Rows:
    rows = Rows(table.schema, lambda names: table if names is None else table.select(names))
    rows.whole()
    return rows


def _gathered(table: pa.Table, pick: pa.Array | None) -> pa.Table:
    if pick is None:
        return table
    return table.filter(pick) if pa.types.is_boolean(pick.type) else table.take(pick)


def places_of(rows: Rows, keys: pa.Array) -> pa.Array | None:
    """Where the rows of settings stand, in the order of these keys (16 bytes each).

    None when that is how they stand already: a copy of a long table takes its time.
    """
    table = rows.columns("key", "row")
    found = joined([key_bytes(chunk) for chunk in table.column("key").chunks], pa.binary(16))
    place = pc.index_in(found, value_set=keys)
    if not place.null_count and (pc.min(pc.pairwise_diff(place)).as_py() or 0) >= 0:
        return None
    order = pa.Table.from_arrays([place, table.column("row")], names=["place", "row"])
    sorts = [("place", "ascending"), ("row", "ascending")]
    places = pc.sort_indices(order, sort_keys=sorts)  # those of other settings come last
    return places.slice(0, len(place) - place.null_count)


def as_dicts(table: pa.Table | pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a table, by name of column."""
    names: list[str] = table.schema.names
    columns = map(python_values, table.columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
