"""The methods of all tables: libraries that read Arrow take them, and their rows are dicts."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from superparams.errors import StoreError
from superparams.store.table.lazy_rows import as_dicts

__all__ = ["WholeTable", "as_pandas", "as_polars"]


class WholeTable:
    """A table that is read from an Arrow table; `to_arrow` gives that."""

    def to_arrow(self) -> pa.Table:
        """As a pyarrow.Table."""
        raise NotImplementedError

    def to_pandas(self) -> Any:
        """As a pandas.DataFrame."""
        return as_pandas(self.to_arrow())

    def to_polars(self) -> Any:
        """As a polars.DataFrame."""
        return as_polars(self.to_arrow())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return int(self.to_arrow().num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.to_arrow().to_batches():
            yield from as_dicts(batch)

    @property
    def columns(self) -> list[str]:
        """The names of all columns."""
        return list(self.to_arrow().column_names)


def as_pandas(table: pa.Table) -> Any:
    """An Arrow table as a pandas.DataFrame; loads pandas.

    Raises:
        StoreError: When pandas is not installed.
    """
    _library("pandas")
    return table.to_pandas()


def as_polars(table: pa.Table) -> Any:
    """An Arrow table as a polars.DataFrame; loads polars.

    Raises:
        StoreError: When polars is not installed.
    """
    return _library("polars").from_arrow(table)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise StoreError(
            f"to_{name}() needs {name}, which is not installed: pip install {name}; "
            "without it, to_arrow() returns the same table"
        ) from error
