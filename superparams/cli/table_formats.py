"""Writes a table of results in the formats of ``--format``."""

from __future__ import annotations

import csv
import datetime as dt
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from superparams.cli import json_document
from superparams.cli.output_file import output_file
from superparams.cli.terminal import is_terminal
from superparams.errors import CommandError, safe_text
from superparams.errors.tables import Table
from superparams.store.names.field_owners import FieldOwners
from superparams.store.table.lazy_rows import Rows, as_dicts
from superparams.views.result_tables import cell, mark_nones, numbers, short_keys, table_of

if TYPE_CHECKING:
    from superparams.store.results import Results

__all__ = ["SUFFIXES", "as_table", "cell_text", "for_people", "frame", "has_stale", "rows", "write"]

SUFFIXES: Final = {".csv": "csv", ".json": "json", ".parquet": "parquet", ".md": "markdown"}


def write(table: pa.Table, form: str, file: Path | None) -> None:
    """Write a table to a file, or to standard output.

    An existing file is replaced when the new one is complete.

    Args:
        table: The table.
        form: ``csv``, ``json``, ``markdown`` or ``parquet``.
        file: The file; None for standard output.

    Raises:
        CommandError: When the file cannot be written, and for parquet at a terminal.
    """
    if form == "parquet":
        _parquet(table, file)
        return
    writer = _WRITERS[form]
    if file is None:
        writer(table, sys.stdout)
        return
    with output_file(file) as path, open(path, "w", encoding="utf-8", newline="") as opened:
        writer(table, opened)


def _parquet(table: pa.Table, file: Path | None) -> None:
    if file is None and is_terminal():
        raise CommandError("parquet cannot be shown at a terminal: write it to a file with -o FILE")
    table = table.replace_schema_metadata(None)  # not those of results.parquet
    if file is None:
        parquet.write_table(table, sys.stdout.buffer)
        return
    with output_file(file) as path:
        parquet.write_table(table, path)


def _csv(table: pa.Table, file: IO[str]) -> None:
    # At a terminal, each row is one line, without control characters.
    show: Callable[[object], str] = safe_text.line if file.isatty() else str
    plain = csv.writer(file, lineterminator="\n")
    quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(map(show, table.column_names))
    for row in rows(table):
        cells = [show(cell_text(x)) for x in row.values()]
        # A carriage return alone ends a line for readers, but is not quoted by writers.
        (quoted if any("\r" in text for text in cells) else plain).writerow(cells)


def cell_text(x: object) -> str:
    """A value as the text of one cell, in full."""
    if x is None:
        return ""
    if isinstance(x, float):
        return repr(x)
    value = json_document.json_value(x)
    return value if isinstance(value, str) else json_document.text(value)


def _json(table: pa.Table, file: IO[str]) -> None:
    file.write("[")
    for n, row in enumerate(rows(table)):
        file.write((",\n " if n else "\n ") + json_document.text(row))
    file.write("\n]\n" if table.num_rows else "]\n")


def _markdown(table: pa.Table, file: IO[str]) -> None:
    right = numbers(table.schema)
    rules = ["---:" if n in right else "---" for n in range(table.num_columns)]
    for cells in (map(_escaped, table.column_names), rules):
        file.write(f"| {' | '.join(cells)} |\n")
    for row in rows(table):
        file.write(f"| {' | '.join(_escaped(_text(x)) for x in row.values())} |\n")


def _escaped(text: str) -> str:
    return safe_text.line(" ".join(text.split())).replace("\\", "\\\\").replace("|", "\\|")


def _text(x: object) -> str:
    return f"{x:.6g}" if isinstance(x, float) else cell_text(x)


_WRITERS: Final[dict[str, Callable[[pa.Table, IO[str]], None]]] = {
    "csv": _csv,
    "json": _json,
    "markdown": _markdown,
}


def rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows, each by the names of its columns."""
    times = {field.name: field.type.tz for field in table.schema if _is_time(field.type)}
    for batch in _timed(table).to_batches(max_chunksize=4096):
        for row in as_dicts(batch):
            for name, zone in times.items():
                row[name] = _time(row[name], zone)
            yield row


def _is_time(form: pa.DataType) -> bool:
    """Whether Python has a type for these times. Arrow would load pandas to convert them."""
    return pa.types.is_timestamp(form) and form.unit != "ns" and form.tz in (None, "UTC")


def _time(micros: int | None, zone: str | None) -> dt.datetime | None:
    if micros is None:
        return None
    utc = None if zone is None else dt.timezone.utc
    return dt.datetime(1970, 1, 1, tzinfo=utc) + dt.timedelta(microseconds=micros)


def _timed(table: pa.Table) -> pa.Table:
    """The table with times as microseconds, or as text where Python has no type for them."""
    for n, field in enumerate(table.schema):
        form = field.type
        if _is_time(form):
            column = table.column(n).cast(pa.timestamp("us", form.tz)).cast(pa.int64())
            table = table.set_column(n, pa.field(field.name, pa.int64()), column)
        elif (pa.types.is_timestamp(form) or pa.types.is_time(form)) and form.unit == "ns":
            column = table.column(n).cast(pa.string())
            table = table.set_column(n, pa.field(field.name, pa.string()), column)
        elif pa.types.is_duration(form) and form.unit == "ns":
            column = table.column(n).cast(pa.duration("us"), safe=False)
            table = table.set_column(n, pa.field(field.name, column.type), column)
    return table


# ---- for people


def for_people(results: Results, rows: pa.Table, more: Iterable[str] = ()) -> pa.Table:
    """Rows of results with the columns for people, and `more` columns.

    There is a column of errors if a row has an error, and a column that marks stale rows if a row
    is stale, or if the present code is not known.
    """
    errors = ["error"] if rows.column("error").null_count < rows.num_rows else []
    stale = [results.stale_name] if has_stale(results, rows) else []
    names = ["key", *results.params, *results.results, "status", *errors, *stale, "seconds", *more]
    return rows.select(list(dict.fromkeys(names)))


def has_stale(results: Results, rows: pa.Table) -> bool:
    """Whether other code made any of these rows, or may have made them."""
    return not results.is_code_known or bool(pc.any(rows.column(results.stale_name)).as_py())


def as_table(
    results: Results,
    table: pa.Table,
    *,
    most: int | None = None,
    sort: Iterable[str] = (),
    keep: Iterable[str] = (),
    longest: Mapping[str, int] | None = None,
    every: pa.Table | None = None,
) -> Table:
    """Rows of results as short text.

    Args:
        results: The results.
        table: The rows, with the columns to show.
        most: The number of rows to show; None for all.
        sort: The columns by which the rows are sorted.
        keep: Columns that are shown in any width; so are the columns of `sort`, the key, and the
            mark of stale rows.
        longest: The length of cells by column, if it is more than usual.
        every: The same rows with all columns, which distinguish None from a missing field.
    """
    sorts = set(sort)
    pinned = {"key", results.stale_name, *keep, *sorts}
    some = list(rows(table.slice(0, most)))
    nones = (
        {} if every is None else FieldOwners(Rows.of_table(every)).none_masks(table.column_names)
    )
    mark_nones(some, range(len(some)), nones)
    is_sorted = not sorts.isdisjoint(results.results)
    return table_of(
        results, table, some, keep=pinned, is_sorted=is_sorted, longest=longest, nones=nones
    )


def frame(table: pa.Table, most: int) -> Table:
    """The first rows of any table as short text; a column ``key`` has keys."""
    names = table.column_names
    some = list(rows(table.slice(0, most)))
    if "key" in names:
        for row, key in zip(some, short_keys([str(row["key"]) for row in some]), strict=True):
            row["key"] = key
    cells = [[cell(name, x) for name, x in row.items()] for row in some]
    return Table(list(map(safe_text.line, names)), cells, numbers(table.schema))
