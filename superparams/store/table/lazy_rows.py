"""Rows of a table that are read on first use, and only the columns that are used.

A million settings take a quarter of a gigabyte as Arrow. A program that only counts failures, or
does not look at the rows at all, need not hold them in memory.
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
from superparams.store.table.arrow_arrays import joined, key_bytes
from superparams.store.table.table_file import OUTCOME, refuse_nulls

__all__ = ["Rows", "as_dicts", "places_of"]

# Columns of these names, or all.
Read = Callable[[Sequence[str] | None], pa.Table]


class Rows:
    """Some rows with all their columns, read column by column until all are in memory.

    Picklable (they are read for that). Safe to use from several threads.
    """

    def __init__(self, schema: pa.Schema, read: Read) -> None:
        self.schema = schema
        self._read: Read | None = read
        self._table: pa.Table | None = None

    @classmethod
    def of_table(cls, table: pa.Table) -> Rows:
        """The rows of a table that is in memory."""
        rows = cls(table.schema, lambda names: table if names is None else table.select(names))
        rows.whole()
        return rows

    @classmethod
    def of_file(cls, path: Path) -> Rows:
        """The rows of a parquet file as it is now.

        The file stays open until all is read: when a later run replaces the file, these rows
        remain as they were. Each page is verified as it is read.
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
            return cls.of_table(table)
        return cls(file.schema_arrow, read)

    @classmethod
    def empty(cls) -> Rows:
        """No rows, of an experiment that never ran."""
        return cls.of_table(pa.schema(list(OUTCOME.items())).empty_table())

    def __reduce__(self) -> Any:
        return Rows.of_table, (self.whole(),)

    def columns(self, *names: str) -> pa.Table:
        """The columns of these names."""
        return self._columns(names)

    def whole(self) -> pa.Table:
        """All columns, which then stay in memory."""
        if self._table is None:
            self._table = self._columns(None)
            self._read = None  # closes the file
        return self._table

    def selected(self, selection: Callable[[], pa.Array | None]) -> Rows:
        """Fewer rows, or in another order.

        Args:
            selection: Called once, on first use. It returns a mask, or the places of the rows, or
                None for all rows as they are.
        """
        cached = functools.cache(selection)

        def read(names: Sequence[str] | None) -> pa.Table:
            table, rows = self._columns(names), cached()
            if rows is None:
                return table
            return table.filter(rows) if pa.types.is_boolean(rows.type) else table.take(rows)

        return Rows(self.schema, read)

    def _columns(self, names: Sequence[str] | None) -> pa.Table:
        read = self._read
        if read is not None:
            return read(names)
        assert self._table is not None
        return self._table if names is None else self._table.select(names)


def places_of(rows: Rows, keys: pa.Array) -> pa.Array | None:
    """The places of the rows of settings, in the order of the keys of these settings.

    Args:
        rows: The rows.
        keys: The keys of settings, 16 bytes each.

    Returns:
        None when all rows are in this order already, since a copy of a long table takes long.
    """
    table = rows.columns("key", "row")
    row_keys = joined([key_bytes(chunk) for chunk in table.column("key").chunks], pa.binary(16))
    place = pc.index_in(row_keys, value_set=keys)
    if not place.null_count and (pc.min(pc.pairwise_diff(place)).as_py() or 0) >= 0:
        return None
    order = pa.Table.from_arrays([place, table.column("row")], names=["place", "row"])
    sort_keys = [("place", "ascending"), ("row", "ascending")]
    places = pc.sort_indices(order, sort_keys=sort_keys)  # those of other settings come last
    return places.slice(0, len(place) - place.null_count)


def as_dicts(table: pa.Table | pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a table, by name of column."""
    names: list[str] = table.schema.names
    columns = map(python_values, table.columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
