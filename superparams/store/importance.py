"""Which fields matter for a result: a table with a row for each field that varies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from superparams.declare.goal import Goal
from superparams.declare.repeats import derived_of
from superparams.errors import StoreError
from superparams.errors.safe_text import line
from superparams.errors.tables import Table
from superparams.errors.units import counted
from superparams.outcomes.arrow import plain_array, plain_scalar, python_values
from superparams.store.names.field_owners import FieldOwners
from superparams.store.runs.run_records import recorded_derived
from superparams.store.staleness.rows_by_code import RowsByCode
from superparams.store.table.arrow_arrays import first_places, flat
from superparams.store.table.filters import unknown_column
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.whole_table import WholeTable
from superparams.store.variance_shares import (
    Factor,
    Share,
    factor_of,
    mean_by,
    numbered_rows,
    variance_shares,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Importance", "RankedFields"]

ALL: Final = "all settings"


class Importance(WholeTable):
    """How much each field that varies matters for a result, the most important field first.

    A row has the columns ``field``, ``importance``, ``alone``, ``with_others``, ``of``,
    ``settings`` and ``exact``; see `Results.importance`. Any library that reads Arrow accepts this
    object.
    """

    def __init__(self, table: pa.Table, column: str) -> None:
        """Use `Results.importance()` instead of this constructor.

        table: the rows; column: the result.
        """
        self.column = column
        """The name of the result."""
        self._table = table

    def to_arrow(self) -> pa.Table:
        """As a pyarrow.Table."""
        return self._table

    @property
    def summary(self) -> str:
        """One line: ``importance of 2 fields for accuracy``."""
        why = "" if len(self) else ": no field varies"
        return f"importance of {counted(len(self), 'field')} for {line(self.column)}{why}"

    def __repr__(self) -> str:
        return self._shown_table().text(None) if len(self) else self.summary

    def _repr_html_(self) -> str:
        return self._shown_table().html()

    def _shown_table(self) -> Table:
        rows = [[_cell(x) for x in row.values()] for row in self]
        return Table(self.columns, rows, right=frozenset((1, 2, 3, 5)), title=self.summary)


class RankedFields(RowsByCode):
    """Rows that can tell how much each field matters for a result."""

    root: Path
    of: Any

    @property
    @abstractmethod
    def params(self) -> list[str]:
        """The names of the columns that hold parameters."""

    @cached_property
    @abstractmethod
    def goal(self) -> Goal | None:
        """The goal of the experiment, if it has one."""

    @property
    @abstractmethod
    def repeats(self) -> tuple[str, ...]:
        """The columns of axes with ``repeat=True``."""

    def importance(self, column: str | None = None, *, stale: bool = False) -> Importance:
        """How much each field that varies matters for a result: its share of the variance.

        The table has these columns, and a row for each field, the most important one first:

        - ``field``: its name. Fields that always vary together, such as zipped ones, are one row.
        - ``importance``: from 0 to 1, the share of the variance that the field accounts for, alone
          and together with others. What several fields make together counts for each of them, so
          the sum may exceed 1. Null where there are too few settings to tell.
        - ``alone``: the share of the means of its values. ``with_others``: the rest of
          ``importance``, which are interactions.
        - ``of``: the settings that are compared. A field that only some alternatives have is
          compared among the settings that have it, as in ``optimizer=Adam``.
        - ``settings``: how many these are. ``exact``: whether they are a full grid, so that the
          shares are exact.

        The shares are those of Sobol' (1993), where all settings have the same weight. For samples,
        ranges and grids with gaps, they are estimates: ranges are put into at most 20 bins with
        equally many settings, an additive model is fitted by least squares, and pairs of fields
        explain a part of what is left. Nothing is random, so every call gives the same table.

        Repetitions are averaged first, and so are many rows of one setting. Fields of alternatives
        are averaged where all settings are compared. Only rows with the status ``done`` and a
        finite value count. Rows of other code do not, as in `best`. Derived fields are left out.

        Args:
            column: A column of numbers; None for that of the `goal`.
            stale: Whether rows of other code count, too.

        Raises:
            StoreError: For a column without numbers, and without a column where there is no goal.
        """
        column = self.column_of_numbers(column, "importance")
        rows = self._rows.selected(lambda: self._counting(column, stale=stale))
        left_out = {*self.repeats, *self.derived}
        fields = [name for name in self.params if name not in left_out and name != column]
        return Importance(_table(_entries(rows, fields, column)), column)

    def with_numbers(self, column: str) -> Self:
        """The rows with the status ``done`` and a finite number in a column.

        Rows of other code are left out, unless these are `stale` results, or the current code is
        not known.
        """
        return self._selected(lambda: self._counting(column, stale=False))

    @property
    def current(self) -> Self:
        """The rows of the current code; all, if these are `stale` ones, or it is not known."""
        if self._is_of_stale or not self.is_code_known:
            return self
        return self._of_code(is_stale=False)

    @property
    def derived(self) -> Sequence[str]:
        """The columns of fields that follow from others."""
        return recorded_derived(self.root) if self.of is None else derived_of(self.of)

    def column_of_numbers(self, column: str | None, method: str) -> str:
        """The name of a column that has numbers; without one that of the goal.

        Args:
            column: The name.
            method: The method that needs it, for messages.

        Raises:
            StoreError: For any other column, and without one where there is no goal.
        """
        name = self.root.name.rpartition(".")[2]
        if column is None and self.goal is None:
            raise StoreError(
                f"{method}() of {name}, which has no goal: name a column, as in "
                f"{method}('accuracy'), or write goal = maximize('accuracy') in the class"
            )
        column = self.goal.column if column is None and self.goal is not None else column
        if column not in self.columns:
            raise StoreError(f"{method}() of {name}: {unknown_column(str(column), self.columns)}")
        form, is_a = self._rows.schema.field(column).type, pa.types
        if not any(is_it(form) for is_it in (is_a.is_integer, is_a.is_floating, is_a.is_boolean)):
            raise StoreError(
                f"{method}({column!r}): this column of {name} has no numbers, but {form}; "
                "name a column of numbers"
            )
        return column

    def _counting(self, column: str, *, stale: bool) -> pa.Array:
        """A mask of the rows that count."""
        rows = self._rows.columns(*dict.fromkeys((column, "status", "code")))
        values = pc.cast(_as_number(rows.column(column)), pa.float64(), safe=False)
        is_done = pc.equal(rows.column("status"), plain_scalar("done", pa.string()))
        mask = pc.and_(is_done, pc.fill_null(pc.is_finite(values), plain_scalar(False, pa.bool_())))
        if self.is_code_known and not (stale or self._is_of_stale):
            mask = pc.and_(mask, self._current_code.is_current(rows.column("code")))
        return flat(mask)


class _Entry(NamedTuple):
    """A row of the table."""

    fields: Sequence[str]  # several where they always vary together
    share: Share
    of: str
    settings: int
    exact: bool


class _Settings(NamedTuple):
    """Settings with the mean of their rows, and the numbers of their fields' values."""

    factors: Mapping[str, Factor]
    owners: Mapping[str, pa.Array | None]  # which settings have a field; None for all
    values: pa.Array

    def with_field(self, mask: pa.Array | None) -> _Settings:
        """The settings that a mask selects."""
        if mask is None:
            return self
        factors = {name: _selected(x, mask) for name, x in self.factors.items()}
        owners = {n: None if x is None else x.filter(mask) for n, x in self.owners.items()}
        return _Settings(factors, owners, self.values.filter(mask))


def _entries(rows: Rows, fields: Sequence[str], column: str) -> list[_Entry]:
    """The rows of the table, in order."""
    conditions = FieldOwners(rows).conditions
    settings = _settings(rows, fields, column)
    groups: dict[bytes, tuple[pa.Array | None, list[str]]] = {}
    for name in fields:
        mask = settings.owners[name]
        same = b"" if mask is None else bytes(mask.to_pylist())
        groups.setdefault(same, (mask, []))[1].append(name)
    entries: list[_Entry] = []
    for mask, names in groups.values():
        among = ALL if mask is None else conditions(names[0])
        entries += _compared(settings.with_field(mask), names, among)
    entries.sort(key=lambda entry: fields.index(entry.fields[0]))
    return sorted(entries, key=lambda entry: -(entry.share.total or 0.0))


def _settings(rows: Rows, fields: Sequence[str], column: str) -> _Settings:
    """The settings of rows, each with the mean of its rows, relative to the largest value."""
    table = rows.columns(*dict.fromkeys((*fields, column)))
    values = pc.cast(flat(_as_number(table.column(column))), pa.float64(), safe=False)
    factors = {name: _factor(table.column(name)) for name in fields}
    owners = _owners(rows, table, fields)
    if not len(values):
        return _Settings(factors, owners, values)
    largest = pc.max(pc.abs(values)).as_py() or 1.0
    values = pc.divide(values, plain_scalar(largest, pa.float64()))
    number = numbered_rows(list(factors.values()), len(values))
    means, _ = mean_by(number, values)
    if number.size == len(values):
        return _Settings(factors, owners, values)
    first = first_places(number.codes)
    factors = {name: _factor_of_some(x, first) for name, x in factors.items()}
    owned = {name: None if mask is None else mask.take(first) for name, mask in owners.items()}
    return _Settings(factors, owned, means)


def _owners(rows: Rows, table: pa.Table, fields: Sequence[str]) -> dict[str, pa.Array | None]:
    """Which rows have each field, by the records of the run, or else by the cells with a value."""
    owners = FieldOwners(rows)
    masks: dict[str, pa.Array | None] = dict.fromkeys(fields)
    for name in fields:
        if "." in name:
            mask = pc.coalesce(flat(owners.has(name)), flat(pc.is_valid(table.column(name))))
            masks[name] = None if pc.all(mask).as_py() else mask
    return masks


def _compared(settings: _Settings, names: Sequence[str], among: str) -> list[_Entry]:
    """The rows of some fields, among settings that all have them."""
    shared = [
        name
        for name, mask in settings.owners.items()
        if settings.factors[name].size > 1 and (mask is None or pc.all(mask).as_py())
    ]
    same: dict[bytes, list[str]] = {}
    for name in shared:
        same.setdefault(_partition(settings.factors[name]), []).append(name)
    if not any(name in names for name in shared):
        return []
    factors = [settings.factors[together[0]] for together in same.values()]
    number = numbered_rows(factors, len(settings.values))
    means, within = mean_by(number, settings.values)
    if number.size < len(settings.values):
        first = first_places(number.codes)
        factors = [_factor_of_some(x, first) for x in factors]
    shares, is_exact = variance_shares(factors, _centred(means), within)
    return [
        _Entry(together, share, among, len(settings.values), is_exact)
        for together, share in zip(same.values(), shares, strict=True)
        if together[0] in names
    ]


def _partition(factor: Factor) -> bytes:
    """The same bytes for fields that vary together."""
    codes = factor.codes
    if factor.size == len(codes) and factor.ranks is not None:  # no two settings have the same
        codes = pc.cast(factor.ranks, pa.int64())
    start = 8 * codes.offset
    return bytes(codes.buffers()[1])[start : start + 8 * len(codes)]


def _centred(values: pa.Array) -> pa.Array:
    """The values relative to their mean; zeros if they differ only by rounding."""
    centred = pc.subtract(values, pc.mean(values))
    spread = pc.max(pc.abs(centred)).as_py()
    return pc.multiply(centred, plain_scalar(0.0 if spread < 1e-14 else 1.0, pa.float64()))


def _factor_of_some(factor: Factor, places: pa.Array) -> Factor:
    """The factor of some settings, which have all of its values."""
    ranks = None if factor.ranks is None else factor.ranks.take(places)
    ranks = None if ranks is None else pc.rank(ranks, sort_keys="ascending", tiebreaker="min")
    return Factor(factor.codes.take(places), factor.size, ranks)


def _selected(factor: Factor, mask: pa.Array) -> Factor:
    """The factor of some settings, renumbered for the values that are left."""
    left = factor_of(factor.codes.filter(mask))
    ranks = None if factor.ranks is None else factor.ranks.filter(mask)
    ranks = None if ranks is None else pc.rank(ranks, sort_keys="ascending", tiebreaker="min")
    return Factor(left.codes, left.size, ranks)


def _factor(column: pa.ChunkedArray) -> Factor:
    try:
        return factor_of(column)
    except (NotImplementedError, TypeError, ValueError):  # lists and the like
        return factor_of(plain_array([repr(x) for x in python_values(column)], pa.string()))


def _as_number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A bool counts as 0 or 1."""
    return pc.cast(column, pa.int64()) if pa.types.is_boolean(column.type) else column


def _table(entries: Sequence[_Entry]) -> pa.Table:
    alone = [entry.share.alone for entry in entries]
    total = [entry.share.total for entry in entries]
    others = [None if x is None or y is None else x - y for x, y in zip(total, alone, strict=True)]
    columns: dict[str, tuple[list[Any], pa.DataType]] = {
        "field": ([", ".join(entry.fields) for entry in entries], pa.string()),
        "importance": (total, pa.float64()),
        "alone": (alone, pa.float64()),
        "with_others": (others, pa.float64()),
        "of": ([entry.of for entry in entries], pa.string()),
        "settings": ([entry.settings for entry in entries], pa.int64()),
        "exact": ([entry.exact for entry in entries], pa.bool_()),
    }
    arrays = [plain_array(values, form) for values, form in columns.values()]
    return pa.Table.from_arrays(arrays, names=list(columns))


def _cell(x: object) -> str:
    if isinstance(x, bool):
        return "yes" if x else "no"
    if isinstance(x, float):
        return f"{x:.3f}"
    return "" if x is None else line(str(x))
