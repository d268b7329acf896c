"""Results of tools that keep nothing themselves: one parquet file, written at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy  # noqa: F401  # pyarrow looks for both late; imports are counted on no side
import pandas  # noqa: F401
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

NAME = "rows.parquet"


def write(rows: list[dict[str, Any]], folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist(rows), folder / NAME)


def read(folder: Path) -> pa.Table:
    return pq.read_table(folder / NAME)
