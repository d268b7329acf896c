"""Show the table of results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from superparams.cli import common_options, json_document
from superparams.cli.session import Session, single
from superparams.cli.terminal import is_terminal, lines_of, room, styled
from superparams.errors import CommandError, safe_text
from superparams.errors.units import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from superparams.cli.recorded_experiments import RecordedExperiment
    from superparams.errors.tables import Table
    from superparams.store.results import Results

__all__ = ["command"]

FORMATS = ("table", "csv", "json", "markdown", "parquet")
SHOWN = 100  # rows at a terminal, by default
ERROR, LONGEST_ERROR = 30, 200  # characters of an error, without and with --failed


@dataclass(frozen=True)
class ResultsOptions:
    """The options that select rows and columns."""

    sort: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    is_failed: bool = False
    is_stale: bool = False
    is_average: bool = False
    are_steps: bool = False
    is_pareto: bool = False
    key: str | None = None


def _names_of_list(
    ctx: click.Context, option: click.Parameter, value: str | None
) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",")) if value else ()


@click.command("results")
@common_options.named
@click.option(
    "--where",
    multiple=True,
    metavar="CONDITION",
    help="Rows with kernel=rbf,poly or accuracy>0.9 or C!=1; of several options, all must hold.",
)
@click.option(
    "--sort",
    callback=_names_of_list,
    metavar="COLUMNS",
    help="Sort by these columns; -accuracy is descending.",
)
@click.option(
    "--columns",
    callback=_names_of_list,
    metavar="COLUMNS",
    help="Show these columns; a group name means all its columns, * is a pattern.",
)
@click.option(
    "--failed", "is_failed", is_flag=True, help="Only rows that failed, were killed or timed out."
)
@click.option("--stale", "is_stale", is_flag=True, help="Only rows that other code made.")
@click.option(
    "--average",
    "is_average",
    is_flag=True,
    help="Average over the axes with repeat=True: mean, std, count, min and max.",
)
@click.option(
    "--steps", "are_steps", is_flag=True, help="The steps of the settings, a row for each."
)
@click.option(
    "--pareto",
    "is_pareto",
    is_flag=True,
    help="Only rows that no other row beats in all goals of the search, or in all columns of "
    "--sort.",
)
@click.option("--key", metavar="KEY", help="Only the setting whose key begins with KEY.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"The first N rows, 0 for all; at a terminal the default is {SHOWN}.",
)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="The format; a table by default."
)
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=common_options.output_file,
    help="Write to a file; the end of its name gives the format.",
)
@common_options.in_results
@common_options.as_json
@click.pass_obj
def command(
    session: Session,
    target: str,
    where: tuple[str, ...],
    sort: tuple[str, ...],
    columns: tuple[str, ...],
    is_failed: bool,
    is_stale: bool,
    is_average: bool,
    are_steps: bool,
    is_pareto: bool,
    key: str | None,
    limit: int | None,
    form: str | None,
    file: Path | None,
    results: Path | None,
    is_json: bool,
) -> None:
    """Show the table of results: the newest outcome of each setting that ever ran.

    NAME may also be the path of a results folder, or of the folder of one experiment in it. The
    file of the experiment is read and not imported.

    \b
    Examples:
      experiment results RQ1 --sort -accuracy --limit 5
      experiment results RQ1 --where kernel=rbf --where 'accuracy>0.9'
      experiment results RQ1 --average --sort -accuracy
      experiment results RQ1 -o table.csv
      experiment results RQ1 --steps --where 'loss<0.1'
    """
    if is_average and (is_failed or are_steps):
        other_flag = "--failed" if is_failed else "--steps"
        why = "failures have no mean" if is_failed else "steps belong to single settings"
        raise click.UsageError(f"--average and {other_flag} exclude each other: {why}.")
    if is_pareto and (is_average or are_steps or is_failed):
        other_flag = "--average" if is_average else "--steps" if are_steps else "--failed"
        raise click.UsageError(f"--pareto and {other_flag} exclude each other: give one.")
    flags = is_failed, is_stale, is_average, are_steps, is_pareto
    options = ResultsOptions(sort, where, columns, *flags, key)
    form = form or _form_of(file, target)
    records = session.recorded_by_text(target, results)
    if not any(record.has_records for record in records):
        _ = records[0].results  # raises the error, which says what to do
    if is_json:
        json_document.write([_document(record, options, limit) for record in records])
    elif form == "table":
        _show(records, options, limit)
    else:
        _write(records, options, limit, form, file)


def _form_of(file: Path | None, target: str) -> str:
    """The format for the name of a file, into which the results of `target` are to be written.

    Raises:
        CommandError: When the name has no such ending.
    """
    from superparams.cli.table_formats import SUFFIXES

    if file is None:
        return "table"
    if file.suffix.lower() in (".html", ".htm"):
        raise CommandError(
            f"-o {file}: the page of results is written by `experiment report {target} -o {file}`"
        )
    if file.suffix.lower() not in SUFFIXES:
        raise CommandError(f"-o {file}: end its name in {', '.join(SUFFIXES)}, or give --format")
    return SUFFIXES[file.suffix.lower()]


def _rows(record: RecordedExperiment, options: ResultsOptions) -> pa.Table:
    """The selected rows, with all columns."""
    from superparams.cli.row_selection import ordered

    rows = record.results.failures if options.is_failed else record.results
    by_code = any(x.replace(" ", "").startswith(f"{rows.stale_name}=") for x in options.where)
    if (options.is_stale or by_code) and not record.codes:
        raise CommandError(f"which rows other code made is not known: {record.now.why}")
    rows = rows.stale if options.is_stale else rows
    rows = _front(rows, options) if options.is_pareto else rows
    rows = (
        rows if options.key is None else rows.where(key=str(record.results.row(options.key)["key"]))
    )
    table = rows.steps.to_arrow(stale=True) if options.are_steps else rows.to_arrow(stale=True)
    if options.where:
        table = _filtered(rows, table, record, options, by_code=by_code)
    elif options.is_average:
        table = rows.averages_of_rows(table, stale=options.is_stale or by_code).to_arrow()
    return ordered(table, options.sort)


def _filtered(
    rows: Results,
    table: pa.Table,
    record: RecordedExperiment,
    options: ResultsOptions,
    *,
    by_code: bool,
) -> pa.Table:
    """The rows, or the averages, for which all conditions hold.

    A condition on a column that averages do not have, such as the seed, selects rows before.
    """
    from superparams.cli.conditions import (  # loads all that reads words
        column_of_condition,
        matching,
    )

    if not options.is_average:
        return matching(table, options.where, schema=record.schema)
    names = rows.averages_of_rows(table, stale=True).columns
    of_averages = [
        condition for condition in options.where if column_of_condition(names, condition)
    ]
    before = [condition for condition in options.where if condition not in of_averages]
    table = matching(table, before, schema=record.schema)
    table = rows.averages_of_rows(table, stale=options.is_stale or by_code).to_arrow()
    return matching(table, of_averages, schema=record.schema)


def _front(rows: Results, options: ResultsOptions) -> Results:
    """The Pareto front, by the goals of the newest search, or by the columns of --sort."""
    large = [name[1:] for name in options.sort if name.startswith("-")]
    small = [name for name in options.sort if not name.startswith("-")]
    return rows.pareto(maximize=large or None, minimize=small or None)


def _selected(
    results: Results, table: pa.Table, options: ResultsOptions, *, is_for_people: bool
) -> pa.Table:
    """The selected columns; by default all columns, or those for people."""
    from superparams.cli.row_selection import chosen
    from superparams.cli.table_formats import for_people, has_stale

    if options.are_steps:
        return _selected_steps(results, table, options, is_for_people=is_for_people)
    if options.columns:
        names = chosen(table.column_names, options.columns)
        has_mark = is_for_people and not options.is_average and has_stale(results, table)
        mark = [results.stale_name] if has_mark else []
        return table.select(list(dict.fromkeys([*names, *mark])))
    if not is_for_people or options.is_average:
        return table
    selection = for_people(results, table, _sorts(options, table.column_names))
    if options.is_failed:  # rows that failed have no results, except those of data frames
        empty = {
            name
            for name in results.results
            if selection.column(name).null_count == selection.num_rows
        }
        selection = selection.select([name for name in selection.column_names if name not in empty])
    return selection


def _selected_steps(
    results: Results, table: pa.Table, options: ResultsOptions, *, is_for_people: bool
) -> pa.Table:
    """Do the same as `_selected` for the table of steps, whose last columns every step has."""
    from superparams.cli.row_selection import chosen
    from superparams.store.table.recorded_steps import OWN

    names: list[str] = table.column_names
    if options.columns:
        return table.select(chosen(names, options.columns))
    if not is_for_people:
        return table
    *recorded, stale = names[: -len(OWN) - 1] + names[-1:]
    params, fields = recorded[: len(results.params)], recorded[len(results.params) :]
    is_mixed = any(x is not False for x in table.column(stale).unique().to_pylist())
    columns = ["key", *params, "step", *fields, "seconds", *([stale] if is_mixed else [])]
    return table.select(list(dict.fromkeys([*columns, *_sorts(options, names)])))


def _show(
    records: Sequence[RecordedExperiment], options: ResultsOptions, limit: int | None
) -> None:
    most = (SHOWN if is_terminal() else 0) if limit is None else limit
    for n, status in enumerate(records):
        if n:
            click.echo()
        if not status.has_records:
            click.echo(f"{safe_text.line(status.name)}: not run yet")
            continue
        results = status.results
        every = _rows(status, options)
        table = _selected(results, every, options, is_for_people=True)
        click.echo(styled(safe_text.line(f"{status.name}: {results.summary}"), bold=True))
        if status.now.why:
            click.echo(f"code unknown: {safe_text.line(status.now.why)}")
        n_rows = len(results.steps if options.are_steps else results)
        if options.is_average:
            over = ", ".join(results.repeats)
            click.echo(safe_text.line(f"{counted(table.num_rows, 'average')} over {over}"))
        elif table.num_rows < n_rows or options.are_steps:
            total = counted(n_rows, "step" if options.are_steps else "row")
            none = ": yield {...} in run(), or self.log(...), records one" * (not n_rows)
            click.echo(
                total + none if table.num_rows == n_rows else f"{table.num_rows:,} of {total}"
            )
            if not table.num_rows:
                continue
        for note in results.steps.notes if options.are_steps else ():
            click.echo(safe_text.line(f"note: {note}"))
        text_table = _table(results, table, every, options, most or None)
        for line in lines_of(text_table):
            click.echo(line)
        if most and table.num_rows > most:
            click.echo(f"… {counted(table.num_rows - most, 'more row')}; --limit 0 shows all")
        for note in text_table.notes("--columns a,b chooses", room()):
            click.echo(note)


def _sorts(options: ResultsOptions, names: Sequence[str]) -> list[str]:
    """The columns to sort by."""
    return [name if name in names else name.removeprefix("-") for name in options.sort]


def _table(
    results: Results, table: pa.Table, every: pa.Table, options: ResultsOptions, most: int | None
) -> Table:
    """The rows as text, with the columns that an option names, and errors with --failed."""
    from superparams.cli.table_formats import as_table, frame

    if options.is_average or options.are_steps:
        return frame(table, table.num_rows if most is None else most).fitted(room())
    names: list[str] = table.column_names
    keep = names if options.columns else ["error"] if options.is_failed else []
    sorts = [name for name in _sorts(options, names) if name in names]

    def with_errors(length: int) -> Table:
        how: dict[str, Any] = {"most": most, "sort": sorts, "keep": keep, "every": every}
        return as_table(results, table, longest={"error": length}, **how).fitted(room())

    width = room()
    if not options.is_failed:
        return with_errors(ERROR)
    if width is None:
        return with_errors(LONGEST_ERROR)
    least = max(ERROR, width // 2)
    return with_errors(least + max(0, width - with_errors(least).width))


def _write(
    records: Sequence[RecordedExperiment],
    options: ResultsOptions,
    limit: int | None,
    form: str,
    file: Path | None,
) -> None:
    from superparams.cli.table_formats import write

    status = single(records, f"{form} holds")
    results, every = status.results, _rows(status, options)
    table = _selected(results, every, options, is_for_people=form == "markdown")
    if not options.columns:  # files of all formats have one order
        table = table.select([name for name in every.column_names if name in table.column_names])
    write(table.slice(0, limit) if limit else table, form, file)


def _document(
    status: RecordedExperiment, options: ResultsOptions, limit: int | None
) -> dict[str, Any]:
    from superparams.cli.table_formats import rows

    if not status.has_records:
        return {"experiment": status.name, "table": None, "rows": []}
    results = status.results
    table = _selected(results, _rows(status, options), options, is_for_people=False)
    return {
        "experiment": status.name,
        "table": str(results.path),
        "code_unknown": status.now.why or None,
        "rows": list(rows(table.slice(0, limit) if limit else table)),
    }
