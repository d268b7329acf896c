"""Rows of results as tables for people: which rows and columns, and how values are written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors import StoreError
from superparams.errors.safe_text import line, shortened
from superparams.errors.tables import Table
from superparams.errors.units import counted, duration
from superparams.outcomes.arrow import python_values
from superparams.outcomes.outcome import FAILURES
from superparams.store.names.field_owners import NONE, FieldOwners
from superparams.store.runs.folder import run_folders
from superparams.store.runs.recorded_codes import held_by_code
from superparams.store.runs.results_folder import short_path
from superparams.store.table.filters import unknown_column
from superparams.store.table.lazy_rows import Rows, as_dicts

if TYPE_CHECKING:
    from superparams.store.averages import Averages
    from superparams.store.results import Results

__all__ = [
    "KEY",
    "cell",
    "full",
    "is_alike",
    "mark_nones",
    "notes_of_goal",
    "numbers",
    "shown_averages",
    "shown_of",
    "summary_of",
    "table_of",
]

ROWS: Final = 10  # rows shown, half of them from the end
CHARS: Final = 30  # characters of a cell
_RUNS: Final = 16  # of the newest runs are looked at
KEY: Final = 8  # digits of a key that are shown; more if two keys begin with the same digits


def summary_of(results: Results, elapsed: float | None = None) -> str:
    """How settings ended, by which code, and the path of the table, in one line.

    Args:
        results: The results.
        elapsed: Seconds that the run took; None to leave them out.
    """
    by_other = results.ended[1]
    parts = [
        f"{count:,} {name}"
        + (f" ({by_other[name]:,} by other code)" if name != "done" and name in by_other else "")
        for name, count in results.counts.items()
    ]
    total = sum(results.counts.values())
    text = counted(total, "setting")
    text += f": {', '.join(parts)}" if parts else ""
    took = "" if elapsed is None else f" in {duration(elapsed)}"
    unknown = [_unknown(results)] if parts and not results.is_code_known else []
    return " · ".join([f"{text}{took}", *_best(results), *unknown, line(short_path(results.path))])


def _best(results: Results) -> Iterator[str]:
    """Text for the best value of the goal, if there are several to choose from."""
    if results.goal is not None and len(results) > 1:
        with suppress(StoreError):  # no row has a value
            yield (
                f"best {line(results.goal.column)} {cell('', results.best()[results.goal.column])}"
            )


def notes_of_goal(results: Results) -> Iterator[str]:
    """A note on a goal that no row has, although some are done."""
    goal = results.goal
    if goal is not None and goal.column not in results.columns and "done" in results.counts:
        name, why = (
            results.root.name.rpartition(".")[2],
            unknown_column(goal.column, results.results),
        )
        yield f"{name}.goal is {goal!r}, and the results have {why}"


def _unknown(results: Results) -> str:
    """Text for results whose current code is not known: how many codes made the rows."""
    number = _count_codes(results)
    return f"code unknown, rows of {number:,} codes" if number > 1 else "code unknown"


def _count_codes(results: Results) -> int:
    """How many codes made the rows; the codes of the alternatives of one class are one code."""
    codes = set(results.column("code").unique().to_pylist())
    recent = run_folders(results.root)[-_RUNS:] if len(codes) > 1 else []
    if any(codes <= held_by_code(run.manifest()).keys() for run in reversed(recent)):
        return 1
    return len(codes)


def shown_of(results: Results, rows: Rows, *, is_html: bool) -> Table:
    """The first rows of results and the last ones, with the columns that people look at.

    Args:
        results: The results.
        rows: Their rows.
        is_html: Whether to show the keys of settings, and numbers on the right.
    """
    errors = ["error"] if results.counts.keys() & set(FAILURES) else []
    names = [*results.params, *results.results, "status", *errors]
    marks = [results.stale_name] if any(results.ended[1].values()) else []
    # If the current code is not known, the column of codes tells the rows of each code apart.
    is_mixed = not results.is_code_known and _count_codes(results) > 1
    codes = ["code"] if is_mixed and "code" not in names else []
    names = [*(["key"] if is_html else []), *names, *marks, *codes, "seconds"]
    nones = FieldOwners(rows).none_masks(names)
    read = [name for name in names if name not in marks]
    every = rows.columns(*read, *(["code"] if marks else []))
    every = results.marked(every).select(names) if marks else every
    size, half = every.num_rows, ROWS // 2
    some = every
    if size > ROWS:
        some = pa.concat_tables([every.slice(0, half), every.slice(size - half)])
    dicts = as_dicts(some)
    shown = range(size) if size <= ROWS else [*range(half), *range(size - half, size)]
    mark_nones(dicts, shown, nones)
    table = table_of(results, every, dicts, keep=marks, nones=nones)
    failed = ["failed" if row["status"] in FAILURES else "" for row in dicts]
    stale = ["stale" if any(row[name] for name in marks) else "" for row in dicts]
    return replace(
        table,
        title=results.summary,
        right=table.right if is_html else frozenset(),
        marks=[f"{failure} {other}".strip() for failure, other in zip(failed, stale, strict=True)],
        skipped=max(0, size - ROWS),
    )


def shown_averages(averages: Averages, most: int) -> Table:
    """The first rows of averages and the last ones; parameters and means are never left out."""
    every, half = averages.to_arrow(), most // 2
    size = every.num_rows
    some = every
    if size > most:
        some = pa.concat_tables([every.slice(0, half), every.slice(size - half)])
    names: list[str] = every.column_names
    return Table(
        list(map(line, names)),
        [[cell(name, x) for name, x in row.items()] for row in as_dicts(some)],
        right=numbers(every.schema),
        size=size,
        title=line(averages.summary),
        skipped=max(0, size - most),
    )


def table_of(
    results: Results,
    every: pa.Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    keep: Collection[str] = (),
    is_sorted: bool = False,
    longest: Mapping[str, int] | None = None,
    nones: Mapping[str, pa.Array] | None = None,
) -> Table:
    """Some rows of results as short text.

    Args:
        results: The results.
        every: The columns to show, with all rows.
        rows: The rows to show.
        keep: Columns that are never left out.
        is_sorted: Whether the rows are sorted by a result; its column is never left out.
        longest: The most characters of a cell, for columns that have more than usual.
        nones: A mask of rows with None, for columns in which a null can be a None.
    """
    most: Mapping[str, int] = {} if longest is None else longest
    names: list[str] = every.column_names
    columns: list[list[str]] = []
    for name in names:
        values = [row[name] for row in rows]
        if name in ("key", "code"):
            columns.append(short_keys([x or "" for x in values]))
        elif name == results.stale_name:
            columns.append(list(map(_stale, values)))
        else:
            columns.append([cell(name, x, most.get(name, CHARS)) for x in values])
    return Table(
        list(map(line, names)),
        list(zip(*columns, strict=True)),
        right=numbers(every.schema),
        keep=frozenset(place for place, name in enumerate(names) if name in keep),
        order=order_of(names, results.params, _by_weight(results), is_sorted=is_sorted),
        size=every.num_rows,
        alike=alike_in(every, names, nones or {}),
        whole=frozenset(place for place, name in enumerate(names) if name in results.results),
    )


def _by_weight(results: Results) -> list[str]:
    """The columns of results, that of the goal first."""
    goal = results.goal
    return sorted(results.results, key=lambda name: goal is None or name != goal.column)


def _stale(is_stale: bool | None) -> str:
    return "code unknown" if is_stale is None else "stale" if is_stale else ""


def order_of(
    names: Sequence[str], params: Sequence[str], results: Sequence[str], *, is_sorted: bool
) -> list[int]:
    """The indices of columns, the most important first.

    Each result is followed by two parameters; status and seconds come last. In rows that are sorted
    by a result, all parameters come first, since they explain the order.
    """
    places = {name: place for place, name in enumerate(names)}
    if is_sorted:
        ordered = [*params, *results]
    else:
        turns = zip_longest(results, params[::2], params[1::2])
        ordered = [name for turn in turns for name in turn if name is not None]
    indices = dict.fromkeys(
        places[name] for name in (*ordered, "status", "error") if name in places
    )
    return [*indices, *(place for place in places.values() if place not in indices)]


def mark_nones(
    rows: Sequence[dict[str, Any]], places: Iterable[int], nones: Mapping[str, pa.Array]
) -> None:
    """Put `NONE` into cells of fields that are None; cells of missing fields stay empty.

    Args:
        rows: The rows to show.
        places: The index of each among all rows.
        nones: As for `table_of`.
    """
    for row, place in zip(rows, places, strict=False):
        row.update({name: NONE for name, mask in nones.items() if mask[place].as_py()})


def alike_in(
    table: pa.Table, names: Sequence[str], nones: Mapping[str, pa.Array]
) -> Callable[[Sequence[int]], set[int]]:
    """A function that finds, among some columns, those with the same value in all rows.

    Args:
        table: All rows, also those that are not shown.
        names: The names of the columns that are shown.
        nones: As for `table_of`.
    """

    def is_same(name: str) -> bool:
        mask = nones.get(name)
        return is_alike(table.column(name)) and (mask is None or bool(pc.all(mask).as_py()))

    def alike(places: Sequence[int]) -> set[int]:
        return {place for place in places if is_same(names[place])}

    return alike


def is_alike(column: pa.ChunkedArray) -> bool:
    """Whether all rows of a column have the same value, or none has a value."""
    try:
        return int(pc.count_distinct(column, mode="all").as_py()) <= 1
    except NotImplementedError:  # a list, a struct
        return len(set(map(repr, python_values(column)))) <= 1


def numbers(schema: pa.Schema) -> frozenset[int]:
    """The indices of columns that hold numbers."""
    is_a = pa.types
    return frozenset(
        place
        for place, field in enumerate(schema)
        if is_a.is_integer(field.type)
        or is_a.is_floating(field.type)
        or is_a.is_decimal(field.type)
    )


def short_keys(keys: Sequence[str]) -> list[str]:
    """The first digits of keys, as many as make them different."""
    digits, n_keys = KEY, len(set(keys))
    while digits < 32 and len({key[:digits] for key in keys}) < n_keys:
        digits += 1
    return [key[:digits] for key in keys]


def cell(name: str, value: object, longest: int = CHARS) -> str:
    """A value of a column in one short line that is safe to show."""
    return shortened(full(name, value), longest)


def full(name: str, value: object) -> str:
    """A value of a column in one line that is safe to show."""
    if value is None:
        return ""
    if name == "seconds" and isinstance(value, float):
        return f"{value:.{_decimals(value)}f}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return line(" ".join(str(value).split()))


def _decimals(seconds: float) -> int:
    """Decimals for milliseconds below a second, and for three digits above."""
    return 3 if seconds < 1 else 2 if seconds < 10 else 1 if seconds < 100 else 0
