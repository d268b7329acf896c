"""What stands in the table alone, since the ledger of a run is shorter than it was, or gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import plain_scalar

__all__ = ["Lost", "attempts_of", "has_lost"]

_SHOWN = 5  # runs that are named


@dataclass(slots=True)
class Lost:
    """Which rows of the table no ledger has any more.

    Attributes:
        groups, rows: row groups and rows of the table, which stand first in a survey.
        read: runs of the table whose ledgers were read again.
        alone: rows of each run whose folder is there, but whose ledger does not have them.
        gone: rows of each run whose folder is gone.
    """

    groups: int = 0
    rows: int = 0
    read: set[str] = field(default_factory=set[str])
    alone: dict[str, int] = field(default_factory=dict[str, int])
    gone: dict[str, int] = field(default_factory=dict[str, int])

    def places(self, ages: pa.Array, mask: pa.Array, bits: int) -> dict[int, int]:
        """How many rows of the table are kept, by the place of their run in the order of runs."""
        kept = ages.slice(0, self.rows).filter(mask.slice(0, self.rows))
        met = pc.shift_right(kept, plain_scalar(bits, pa.int64())).value_counts().to_pylist()
        return {one["values"]: one["counts"] for one in met}

    def count(self, rows: Mapping[str, int], gone: Collection[str]) -> None:
        """Remember how many rows each run has in the table alone.

        rows: how many rows of the table are kept of each run.
        """
        self.alone = {name: n for name, n in rows.items() if name in self.read}
        self.gone = {name: n for name, n in rows.items() if name in gone}

    def of_table(self, old: Any, gone: Collection[str]) -> None:
        """The same of a table that is looked at no further."""
        self.alone = {name: n for name, n in old.alone.items() if name not in gone}
        for number in range(old.file.num_row_groups if gone else 0):
            for one in old.group(number, ["run"]).column("run").value_counts().to_pylist():
                if one["values"] in gone:
                    self.gone[one["values"]] = self.gone.get(one["values"], 0) + one["counts"]

    def notes(self) -> Iterator[str]:
        """What there is to say of it."""
        told = (
            (self.gone, "whose folder is gone"),
            (self.alone, "whose ledger is damaged or shorter than it was"),
        )
        for rows, what in told:
            if rows:
                names = sorted(rows)
                more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
                shown = ", ".join(f"{name} ({rows[name]:,})" for name in names[:_SHOWN])
                number = sum(rows.values())
                are = "row stands" if number == 1 else "rows stand"
                yield (
                    f"{number:,} {are} in results.parquet alone, of "
                    f"{'a run' if len(names) == 1 else 'runs'} {what}: {shown}{more}"
                )


def has_lost(known: Mapping[str, int], run: str, sizes: Mapping[str, int]) -> bool:
    """Whether the ledger of a run is shorter than the table knows it."""
    return sizes[run] < known.get(run, 0)


def attempts_of(parts: Iterable[tuple[pa.Array, pa.Array]]) -> dict[bytes, int]:
    """The last attempt of each setting, by its key."""
    found: dict[bytes, int] = {}
    for keys, attempts in parts:
        for key, attempt in zip(keys.to_pylist(), attempts.to_pylist(), strict=True):
            found[key] = max(found.get(key, 0), attempt or 0)
    return found
