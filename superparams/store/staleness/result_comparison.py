"""What two runs of an experiment recorded of the same settings, side by side.

Each run is read from its own ledger: the table holds the newest outcomes only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import kind_of, plain_scalar, python_values
from superparams.store.names.renames import renamed_as
from superparams.store.runs.folder import RunFolder
from superparams.store.table.column_types import JSON, Form, fits, recast, widest
from superparams.store.table.lazy_rows import as_dicts
from superparams.store.table.merge import recorded_by
from superparams.store.table.schema import source_of

__all__ = ["ColumnDifference", "Compared", "Pair", "compare"]

LARGEST = 3  # differences that are told of each column
_ZERO = plain_scalar(0, pa.int64())


@dataclass(frozen=True)
class Pair:
    """One value of a setting in two runs.

    Attributes:
        key: of the setting.
        row: which row of its frame that is; None for a setting that has one row.
        params: what the setting is.
        before, after: the value in either run.
    """

    key: str
    row: int | None
    params: Mapping[str, Any]
    before: Any
    after: Any


@dataclass(frozen=True)
class ColumnDifference:
    """A result that differs: of how many settings, and where most, at most once a setting.

    rows: how many rows differ, which is more where settings have many.
    """

    name: str
    settings: int
    rows: int
    largest: Sequence[Pair]


@dataclass(frozen=True)
class Compared:
    """The outcomes of two runs.

    Attributes:
        both, before, after: how many settings are in both runs, in the first alone, in the second
            alone.
        different: how many of those in both differ in status or result.
        lengths: how many have another number of rows in the second run.
        status: how many went from one status to another, by the pair of the two.
        columns: the results that differ.
    """

    both: int
    before: int
    after: int
    different: int
    lengths: int
    status: Mapping[tuple[str, str], int]
    columns: Sequence[ColumnDifference]


def compare(before: RunFolder, after: RunFolder) -> Compared:
    """Compare what two runs recorded, setting by setting."""
    old, new = recorded_by(before), recorded_by(after)
    return _Sides(renamed_as(old, new), new).compared()


class _Sides:
    """The rows of two runs, those that both have in one order."""

    def __init__(self, old: pa.Table, new: pa.Table) -> None:
        keys = [set(one.column("key").unique().to_pylist()) for one in (old, new)]
        self._both = keys[0] & keys[1]
        self._alone = len(keys[0] - self._both), len(keys[1] - self._both)
        ids = [_ids(one) for one in (old, new)]
        place = pc.index_in(ids[0], value_set=ids[1])
        is_paired = pc.is_valid(place)
        # Rows of frames that have other numbers of rows in the two runs.
        more = _keys(old, pc.invert(is_paired)) | _keys(
            new, pc.invert(pc.is_in(ids[1], value_set=ids[0]))
        )
        self._different = more & self._both
        self._lengths = len(self._different)
        self._many = _keys(old, pc.greater(old.column("row"), _ZERO)) | _keys(
            new, pc.greater(new.column("row"), _ZERO)
        )
        self.old = old.filter(is_paired)
        self.new = new.take(place.drop_null())

    def compared(self) -> Compared:
        status = self._statuses()
        columns = list(self._columns())
        alone = self._alone
        different = len(self._different)
        return Compared(len(self._both), *alone, different, self._lengths, status, columns)

    def _statuses(self) -> dict[tuple[str, str], int]:
        old, new = self.old.column("status"), self.new.column("status")
        differs = pc.not_equal(old, new)
        self._different |= _keys(self.old, differs)
        three = [one.filter(differs).to_pylist() for one in (self.old.column("key"), old, new)]
        # Once a setting, not once a row of its frame.
        return Counter((then, now) for _, then, now in dict.fromkeys(zip(*three, strict=True)))

    def _columns(self) -> Iterator[ColumnDifference]:
        for source in _sources(self.old, self.new):
            old, new = self._pair(source)
            differs = _differs(old, new)
            keys = _keys(self.old, differs)
            if keys:
                self._different |= keys
                largest = list(self._largest(old, new, differs))
                name, rows = source.partition(".")[2], int(differs.true_count)
                yield ColumnDifference(name, len(keys), rows, largest)

    def _pair(self, source: str) -> tuple[pa.Array, pa.Array]:
        """A column of both in one form; nulls where one does not have it."""
        found = [_column(table, source) for table in (self.old, self.new)]
        form, must_try = widest([own for _, own in found])
        if must_try and not all(fits(array, own, form) for array, own in found):
            form = JSON
        old, new = (recast(array, own, form) for array, own in found)
        return old, new

    def _largest(self, old: pa.Array, new: pa.Array, differs: pa.Array) -> Iterator[Pair]:
        places = pc.indices_nonzero(differs)
        order = _by_gap(old.take(places), new.take(places))
        names = {field.name: source_of(field) or "" for field in self.old.schema}
        params = [name for name, source in names.items() if source.startswith("param.")]
        keys = self.old.column("key").take(places).to_pylist()
        firsts: dict[str, int] = {}
        for at in order:  # of each setting the largest
            firsts.setdefault(keys[at], at)
            if len(firsts) == LARGEST:
                break
        for place in [places[at].as_py() for at in firsts.values()]:
            (row,) = as_dicts(self.old.select(["key", "row", *params]).slice(place, 1))
            given = {name: row[name] for name in params if row[name] is not None}
            before, after = (python_values(one.slice(place, 1))[0] for one in (old, new))
            number = row["row"] if row["key"] in self._many else None
            yield Pair(row["key"], number, given, before, after)


def _ids(table: pa.Table) -> pa.Array:
    """What tells a row of a run from all others."""
    row = pc.cast(table.column("row"), pa.string())
    return pc.binary_join_element_wise(table.column("key"), row, "-").combine_chunks()


def _keys(table: pa.Table, mask: Any) -> set[str]:
    return set(table.column("key").filter(mask).to_pylist())


def _sources(*tables: pa.Table) -> list[str]:
    """The results of any of the tables."""
    found = (source_of(field) or "" for table in tables for field in table.schema)
    return [one for one in dict.fromkeys(found) if one.startswith("result.")]


def _column(table: pa.Table, source: str) -> tuple[pa.Array, Form]:
    for place, field in enumerate(table.schema):
        if source_of(field) == source:
            return table.column(place).combine_chunks(), Form(field.type, kind_of(field))
    return pa.nulls(table.num_rows), Form(pa.null())


def _differs(old: pa.Array, new: pa.Array) -> pa.Array:
    """Where two columns differ; null is equal to null, and NaN to NaN."""
    try:
        same = pc.fill_null(pc.equal(old, new), plain_scalar(False, pa.bool_()))
    except (ValueError, TypeError, NotImplementedError):
        pairs = zip(python_values(old), python_values(new), strict=True)
        return pa.array([repr(one) != repr(other) for one, other in pairs], pa.bool_())
    same = pc.or_(same, pc.and_(pc.is_null(old), pc.is_null(new)))
    if pa.types.is_floating(old.type):
        are_nan = pc.and_(pc.is_nan(old), pc.is_nan(new))
        same = pc.or_(same, pc.fill_null(are_nan, plain_scalar(False, pa.bool_())))
    return pc.invert(same)


def _by_gap(old: pa.Array, new: pa.Array) -> list[int]:
    """Places in order of how far numbers are apart, what has no number last."""
    if not (pa.types.is_integer(old.type) or pa.types.is_floating(old.type)):
        return list(range(len(old)))
    apart = pc.subtract(*(pc.cast(one, pa.float64(), safe=False) for one in (old, new)))
    order: list[int] = pc.array_sort_indices(pc.abs(apart), order="descending").to_pylist()
    return order
