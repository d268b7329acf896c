"""Averages of results over repetitions: one row for settings that differ only in these."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import pyarrow as pa
import pyarrow.compute as pc

from superparams.declare.goal import Goal
from superparams.errors import StoreError
from superparams.errors.short_repr import shorten
from superparams.errors.units import counted
from superparams.outcomes.arrow import plain_scalar, python_values
from superparams.store.table.arrow_arrays import is_number_type
from superparams.store.table.best_row import Mode, best_place, column_and_mode
from superparams.store.table.filters import unknown_column
from superparams.store.table.lazy_rows import as_dicts
from superparams.store.table.whole_table import WholeTable

__all__ = ["Averages", "averages_of", "refuse_no_repetition"]

WIDTH: Final = 120  # characters, where there is no terminal
MOST_SHOWN: Final = 10  # rows
_STATISTICS: Final = ("std", "count", "min", "max")
_PLACE: Final = "place"


class Averages(WholeTable):
    """Results averaged over repetitions: a row for each setting without its seed or fold.

    A numeric result ``loss`` has the columns ``loss``, its mean, and ``loss_std``, the standard
    deviation of a sample (divided by n - 1; null for one value), ``loss_count``, ``loss_min`` and
    ``loss_max``. An average includes the repetitions that are done, which ``done`` counts.
    ``failed`` counts those that failed, and ``stopped``, if there are any, those that a stopper has
    ended. Any library that reads Arrow accepts this object.
    """

    def __init__(
        self,
        table: pa.Table,
        over: Sequence[str],
        root: Path,
        goal: Goal | None = None,
        *,
        n_stale: int = 0,
    ) -> None:
        """Use `Results.average()` instead of this constructor.

        table: the averages; over: the columns that are repetitions; root: the folder of the
        experiment; goal: its goal, if it has one; n_stale: how many rows of other code were left
        out.
        """
        self._n_stale = n_stale
        self.over = tuple(over)
        self._table = table
        self._root = root
        self._goal = goal

    def to_arrow(self) -> pa.Table:
        """As a pyarrow.Table."""
        return self._table

    def best(self, column: str | None = None, mode: Mode | None = None) -> dict[str, Any]:
        """The row with the largest or smallest average of a column, ignoring NaN and null.

        Args:
            column: The column; None for that of the experiment's goal.
            mode: ``"max"`` or ``"min"``; None for the mode of the goal if it has this column, else
                ``"max"``.

        Raises:
            StoreError: When no row has a value, and without a column where there is no goal.
        """
        if not len(self) and self._n_stale:
            rows = counted(self._n_stale, "row")
            raise StoreError(
                f"there are no averages of rows of the current code; {rows} of other code "
                f"{'was' if self._n_stale == 1 else 'were'} left out: take average(stale=True), "
                "run the experiment again, or accept_stale()"
            )
        name = self._root.name.rpartition(".")[2]
        column, mode = column_and_mode(column, mode, self._goal, name, self.columns)
        if column not in self.columns:
            raise StoreError(unknown_column(column, self.columns))
        place = best_place(
            self._root, self._table.field(column), self._table.column(column), mode, None
        )
        (row,) = as_dicts(self._table.slice(place, 1))
        return row

    @property
    def summary(self) -> str:
        """One line: ``6 averages over seed``."""
        averages = f"{counted(len(self), 'average')} over {', '.join(self.over)}"
        stale = f" · {counted(self._n_stale, 'row')} of other code left out" * bool(self._n_stale)
        return averages + stale

    def __repr__(self) -> str:
        width = shutil.get_terminal_size((WIDTH, 24)).columns
        return str(self._shown_table().text(width, ".columns names all"))

    def _repr_html_(self) -> str:
        return str(self._shown_table().html())

    def _shown_table(self) -> Any:
        from superparams.views.result_tables import shown_averages

        return shown_averages(self, MOST_SHOWN)


def refuse_no_repetition(over: Sequence[str], params: Sequence[str]) -> None:
    """Refuse an average over no column, or over one that is no parameter.

    Raises:
        StoreError: Names the columns that there are, and the remedy.
    """
    if not over:
        raise StoreError(
            "no axis is a repetition: declare one, as in seed: int = search(range(5), "
            f"repeat=True), or name columns, as in average({params[0] if params else 'seed'!r})"
        )
    for name in over:
        if not isinstance(cast("object", name), str):
            shown = shorten(name)
            raise StoreError(
                f"average({shown}): {shown} is not the name of a column; name the columns of the "
                f"repetitions, as in average({params[0] if params else 'seed'!r})"
            )
        if name not in params and not any(param.startswith(f"{name}.") for param in params):
            raise StoreError(f"average({name!r}): {unknown_column(name, params)}")


def averages_of(
    table: pa.Table,
    over: Sequence[str],
    *,
    params: Sequence[str],
    results: Sequence[str],
    derived: Sequence[str] = (),
    by_code: bool = False,
) -> pa.Table:
    """The averages of numeric results over some columns, in the order of the first rows.

    If settings returned data frames, rows with the same row number are averaged together.

    Args:
        table: The rows, with all columns.
        over: The columns of the repetitions.
        params: The columns of parameters.
        results: The columns of results.
        derived: The columns of derived parameters, which may depend on the repetition.
        by_code: Whether only rows of the same code are averaged together.
    """
    inside = tuple(f"{name}." for name in over)
    repeated = [name for name in params if name in over or name.startswith(inside)]
    shared = [name for name in params if name not in repeated]
    extra = [
        name
        for name, is_needed in (("row", _has_frames(table)), ("code", by_code))
        if is_needed and name not in params
    ]
    shared, groups = _grouped(table, [*shared, *extra], [*repeated, *extra], set(derived))
    numeric = [name for name in results if is_number_type(table.schema.field(name).type)]
    is_done, is_stopped = (
        pc.equal(table.column("status"), plain_scalar(status, pa.string()))
        for status in ("done", "stopped")
    )
    columns: dict[str, Any] = {
        "group": pa.array(groups, pa.int64()),
        _PLACE: pa.array(range(table.num_rows), pa.int64()),
        "done": pc.cast(is_done, pa.int64()),
        "stopped": pc.cast(is_stopped, pa.int64()),
    }
    aggregations: list[Any] = [(_PLACE, "min", None), (_PLACE, "count", None)]
    aggregations += [("done", "sum", None), ("stopped", "sum", None)]
    for n, name in enumerate(numeric):
        column = table.column(name)
        column = pc.if_else(is_done, column, plain_scalar(None, column.type))
        columns[f"{n}"], columns[f"{n} float"] = _numbers(column)
        aggregations += [(f"{n} float", "mean", None)]
        aggregations += [(f"{n} float", "stddev", pc.VarianceOptions(ddof=1))]
        aggregations += [(f"{n}", how, None) for how in ("count", "min", "max")]
    grouped = pa.table(columns).group_by("group", use_threads=False).aggregate(aggregations)
    grouped = grouped.sort_by(f"{_PLACE}_min")
    rows = table.select(shared).take(grouped.column(f"{_PLACE}_min"))
    return _named(rows, grouped, numeric)


def _grouped(
    table: pa.Table, shared: Sequence[str], repeated: Sequence[str], derived: set[str]
) -> tuple[list[str], list[int]]:
    """The columns of the averages, and the number of the average to which each row belongs.

    A derived column that differs between repetitions is left out. If it distinguishes settings, as
    when calls have fixed it, it is a column as any other.
    """
    codes = {name: _codes(table.column(name)) for name in dict.fromkeys([*shared, *repeated])}
    plain = [name for name in shared if name not in derived]
    groups = _numbered([codes[name] for name in plain], table.num_rows)
    n_groups = len(set(groups))
    each = _numbered([groups, *(codes[name] for name in repeated)], table.num_rows)
    if len(set(each)) < table.num_rows:
        return list(shared), _numbered([codes[name] for name in shared], table.num_rows)
    constant = [
        name
        for name in shared
        if name in plain or len(set(zip(groups, codes[name], strict=True))) == n_groups
    ]
    return constant, groups


def _named(rows: pa.Table, grouped: pa.Table, numeric: Sequence[str]) -> pa.Table:
    """The rows with the statistics of each group, under names that are not taken."""
    labels = {*rows.column_names, *numeric}
    fields, columns = list(rows.schema), list(rows.columns)

    def add(name: str, column: Any) -> None:
        fields.append(pa.field(name, column.type))
        columns.append(column)

    for n, name in enumerate(numeric):
        count = grouped.column(f"{n}_count")
        several = pc.greater(count, plain_scalar(1, pa.int64()))
        none = plain_scalar(None, pa.float64())
        deviation = pc.if_else(several, grouped.column(f"{n} float_stddev"), none)
        values = (deviation, count, grouped.column(f"{n}_min"), grouped.column(f"{n}_max"))
        add(name, grouped.column(f"{n} float_mean"))
        for statistic, column in zip(_STATISTICS, values, strict=True):
            add(_free(f"{name}_{statistic}", labels), column)
    done, stopped = grouped.column("done_sum"), grouped.column("stopped_sum")
    add(_free("done", labels), done)
    if pc.any(pc.greater(stopped, plain_scalar(0, pa.int64()))).as_py():
        add(_free("stopped", labels), stopped)
    n_with_result = pc.add(done, stopped)
    add(_free("failed", labels), pc.subtract(grouped.column(f"{_PLACE}_count"), n_with_result))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _free(name: str, labels: set[str]) -> str:
    while name in labels:
        name += "_"
    labels.add(name)
    return name


def _has_frames(table: pa.Table) -> bool:
    return bool(pc.any(pc.greater(table.column("row"), plain_scalar(0, pa.int64()))).as_py())


def _numbers(column: pa.ChunkedArray) -> tuple[Any, Any]:
    """Numbers unchanged, and as floats; a bool counts as 0 or 1."""
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.int64())
    return column, pc.cast(column, pa.float64(), safe=False)


def _numbered(columns: Sequence[Sequence[Any]], size: int) -> list[int]:
    """A number for each row: the same for rows with the same values in all columns."""
    numbers: dict[tuple[Any, ...], int] = {}
    if not columns:
        return [0] * size
    return [numbers.setdefault(row, len(numbers)) for row in zip(*columns, strict=True)]


def _codes(column: pa.ChunkedArray) -> list[Any]:
    """A hashable value for each cell; cells with the same content have the same one."""
    try:
        encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
        codes: list[Any] = encoded.indices.to_pylist()
    except (NotImplementedError, TypeError, ValueError):  # lists and the like
        codes = [repr(x) for x in python_values(column)]
    return codes
