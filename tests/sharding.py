"""Tables that must be equal however their settings were divided among runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from superparams import Results

# Two tables are equal whatever these say: when, where and how often a setting was tried.
OTHERWISE = frozenset(
    {
        *("run", "rank", "attempt", "index", "started", "seconds", "host"),
        *("log_start", "log_end", "peak_memory", "memory"),
    }
)


def rows_of_file(root: Path) -> list[dict[str, Any]]:
    """The rows of `results.parquet` as any other program reads them, by key."""
    return comparable(parquet.read_table(root / "results.parquet").to_pylist())


def rows_of(results: Results) -> list[dict[str, Any]]:
    """The rows of results, by key."""
    return comparable(results.to_arrow(stale=True).to_pylist())


def comparable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = [{name: x for name, x in row.items() if name not in OTHERWISE} for row in rows]
    return sorted(kept, key=lambda row: (row["key"], row["row"]))
