"""Rows that only the table has, since the ledger of their run was shortened or removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors.units import first_few
from superparams.outcomes.arrow import plain_scalar
from superparams.store.table.table_file import TableFile

__all__ = ["LostRows", "attempts_of"]

_SHOWN = 5  # runs that are named


@dataclass(slots=True)
class LostRows:
    """Counts the rows of the table that are no longer in any ledger."""

    groups: int = 0  # row groups of the table, which come first in a survey
    rows: int = 0  # rows of the table
    read_again: set[str] = field(default_factory=set[str])  # runs of the table
    beyond_ledger: dict[str, int] = field(default_factory=dict[str, int])  # by run with a folder
    without_folder: dict[str, int] = field(default_factory=dict[str, int])  # by run

    def count(
        self, ages: pa.Array, mask: pa.Array, run_bits: int, names: list[str], gone: Collection[str]
    ) -> None:
        """Count the rows of a survey: those of the table that are the newest of their setting."""
        newest = ages.slice(0, self.rows).filter(mask.slice(0, self.rows))
        places = pc.shift_right(newest, plain_scalar(run_bits, pa.int64())).value_counts()
        rows: dict[str, int] = {names[x["values"]]: x["counts"] for x in places.to_pylist()}
        self.beyond_ledger = {name: n for name, n in rows.items() if name in self.read_again}
        self.without_folder = {name: n for name, n in rows.items() if name in gone}

    def count_in_table(self, table: TableFile, gone: Collection[str]) -> None:
        """Count the rows of a table whose rows were not surveyed."""
        self.beyond_ledger = {n: rows for n, rows in table.beyond_ledger.items() if n not in gone}
        for number in range(table.file.num_row_groups if gone else 0):
            for x in table.group(number, ["run"]).column("run").value_counts().to_pylist():
                if x["values"] in gone:
                    rows = self.without_folder.get(x["values"], 0) + x["counts"]
                    self.without_folder[x["values"]] = rows

    def notes(self) -> Iterator[str]:
        """Notes for the user."""
        for rows, reason in (
            (self.without_folder, "whose folder is gone"),
            (self.beyond_ledger, "whose ledger is damaged or shorter than it was"),
        ):
            if rows:
                shown = first_few([f"{name} ({n:,})" for name, n in sorted(rows.items())], _SHOWN)
                total = sum(rows.values())
                yield (
                    f"{total:,} {'row stands' if total == 1 else 'rows stand'} in results.parquet "
                    f"alone, of {'a run' if len(rows) == 1 else 'runs'} {reason}: {shown}"
                )


def attempts_of(parts: Iterable[tuple[pa.Array, pa.Array]]) -> Mapping[bytes, int]:
    """The last attempt of each setting, by its key.

    Args:
        parts: Arrays of keys and of attempts.
    """
    attempts: dict[bytes, int] = {}
    for keys, numbers in parts:
        for key, number in zip(keys.to_pylist(), numbers.to_pylist(), strict=True):
            attempts[key] = max(attempts.get(key, 0), number or 0)
    return attempts
