"""Compare two runs: space, code, packages and results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from superparams.cli import common_options, json_document
from superparams.cli.session import Session, single
from superparams.cli.terminal import aligned, diff_line, styled
from superparams.errors import safe_text, units
from superparams.errors.units import counted

if TYPE_CHECKING:
    from superparams.store.staleness.run_difference import (
        ColumnDifference,
        Difference,
        OutcomeComparison,
        Pair,
    )

__all__ = ["command"]

KEY = 8  # digits that are shown


@click.command("diff")
@common_options.named
@click.argument("called", metavar="[RUN [RUN]]", nargs=-1)
@common_options.in_results
@common_options.as_json
@click.pass_obj
def command(
    session: Session, target: str, called: Sequence[str], results: Path | None, is_json: bool
) -> None:
    """Compare two runs: space, code, packages, machine, and the results of the same settings.

    RUN is a name that `experiment runs` shows, the beginning or the last six digits of it, or last,
    last~1 and so on. A single RUN is compared with the newest run; without RUN, the last two runs
    are compared.

    \b
    Examples:
      experiment diff RQ1
      experiment diff RQ1 last~3 last
    """
    from superparams.store.runs.run_records import find_run
    from superparams.store.staleness.run_difference import difference

    if len(called) > 2:
        raise click.UsageError("give at most two runs")
    root = single(session.recorded_by_text(target, results), "a run belongs to").root
    names = [["last~1", "last"], [*called, "last"], called][len(called)]
    before, after = (find_run(root, name) for name in names)
    run_difference = difference(before, after)
    if is_json:
        json_document.write(_document(run_difference))
        return
    parts = (
        _head(run_difference),
        _space(run_difference),
        _code(run_difference),
        _packages_and_surroundings(run_difference),
        _results(run_difference.results),
    )
    for line in (line for part in parts for line in part):
        click.echo(line)


# ---- for people


def _head(difference: Difference) -> Iterator[str]:
    for mark, run in (("-", difference.before), ("+", difference.after)):
        yield safe_text.line(f"{mark} {run.name}  {units.local_time(run.start)}  {run.state}")


def _space(difference: Difference) -> Iterator[str]:
    is_same = not difference.space and not difference.fixed
    yield from _title("space", "the same" if is_same else "")
    yield from (f"  {diff_line(line)}" for line in difference.space[3:])
    yield from aligned(_changes(difference.fixed, "not fixed"))


def _code(difference: Difference) -> Iterator[str]:
    is_same = difference.before.code == difference.after.code
    unknown = "different, but the difference was not kept" if not difference.code else ""
    yield from _title("code", "the same" if is_same else unknown)
    for change in difference.code:
        yield f"  {safe_text.line(change)}"
    for change in difference.code:
        yield from (f"  {diff_line(line)}" for line in change.diff.splitlines())


def _packages_and_surroundings(difference: Difference) -> Iterator[str]:
    for title, pairs in (
        ("packages", difference.packages),
        ("surroundings", difference.surroundings),
    ):
        yield from _title(title, "" if pairs else "the same")
        yield from aligned(_changes(pairs, "none"))


def _changes(pairs: Mapping[str, tuple[object, object]], absent: str) -> Iterator[tuple[str, str]]:
    """Each name with its value before and after."""
    for name, values in pairs.items():
        yield name, " → ".join(absent if x is None else safe_text.line(x) for x in values)


def _results(comparison: OutcomeComparison) -> Iterator[str]:
    differ = (
        f", of which {comparison.different:,} differ" if comparison.different else ", all the same"
    )
    alone = [(comparison.before, "the first"), (comparison.after, "the second")]
    only = "".join(f"; {number:,} only in {where}" for number, where in alone if number)
    both = f"{counted(comparison.both, 'setting')} in both{differ if comparison.both else ''}"
    yield from _title("results", both + only)
    for (old, new), number in comparison.status.items():
        yield f"  {number:,} {safe_text.line(old)} → {safe_text.line(new)}"
    if comparison.lengths:
        yield f"  {counted(comparison.lengths, 'setting')} with a different number of rows"
    for column in comparison.columns:
        yield from _column(column)


def _column(column: ColumnDifference) -> Iterator[str]:
    more = ", most in" if len(column.largest) < column.settings else ""
    rows = f" ({column.rows:,} rows)" if column.rows > column.settings else ""
    settings = counted(column.settings, "setting")
    yield f"  {safe_text.line(column.name)} differs in {settings}{rows}{more}"
    for pair in column.largest:
        row = "" if pair.row is None else f"  row {pair.row:,}"
        values = f"{_text(pair.before)} → {_text(pair.after)}"
        yield f"    {pair.key[:KEY]}{row}  {values}{_params(pair)}"


def _params(pair: Pair) -> str:
    given_ = ", ".join(f"{name}={_text(x)}" for name, x in pair.params.items())
    return f"  ({safe_text.line(given_)})" if given_ else ""


def _text(x: object) -> str:
    from superparams.views.result_tables import cell

    return "none" if x is None else safe_text.line(cell("", x))


def _title(name: str, text: str) -> Iterator[str]:
    yield ""
    yield styled(name, bold=True) + (f": {text}" if text else "")


# ---- for programs


def _document(difference: Difference) -> dict[str, Any]:
    two = ("before", "after")
    return {
        "before": json_document.run_account(difference.before),
        "after": json_document.run_account(difference.after),
        "space": list(difference.space),
        "fixed": {n: dict(zip(two, pair, strict=True)) for n, pair in difference.fixed.items()},
        "code": [
            {"name": change.name, "how": change.how, "diff": change.diff}
            for change in difference.code
        ],
        "packages": {
            n: dict(zip(two, pair, strict=True)) for n, pair in difference.packages.items()
        },
        "surroundings": {
            n: dict(zip(two, pair, strict=True)) for n, pair in difference.surroundings.items()
        },
        "results": {
            "both": difference.results.both,
            "before_alone": difference.results.before,
            "after_alone": difference.results.after,
            "different": difference.results.different,
            "lengths": difference.results.lengths,
            "status": [
                {"before": old, "after": new, "settings": number}
                for (old, new), number in difference.results.status.items()
            ],
            "columns": [
                {
                    "name": column.name,
                    "settings": column.settings,
                    "rows": column.rows,
                    "largest": [vars(pair) for pair in column.largest],
                }
                for column in difference.results.columns
            ],
        },
    }
