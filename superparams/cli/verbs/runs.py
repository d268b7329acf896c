"""List the runs of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from superparams.cli import common_options, json_document
from superparams.cli.session import Session
from superparams.cli.terminal import lines_of, room, styled
from superparams.errors import safe_text, units

if TYPE_CHECKING:
    from superparams.errors.tables import Table
    from superparams.store.runs.run_records import Run

__all__ = ["command"]

NAMES = (
    "run",
    "started",
    "took",
    "state",
    "outcomes",
    "code",
    "commit",
    "host",
    "engine",
    "workers",
)


@click.command("runs")
@common_options.named
@common_options.in_results
@common_options.as_json
@click.pass_obj
def command(session: Session, target: str, results: Path | None, is_json: bool) -> None:
    """List the runs of an experiment, oldest first.

    Times are local. A + after a commit means changes that were not committed.

    \b
    Example:
      experiment runs RQ1
    """
    from superparams.store.runs.run_records import runs

    named = session.recorded_by_text(target, results)
    runs_by_name = {record.name: runs(record.root) for record in named}
    if is_json:
        json_document.write(
            [
                {"experiment": name, "runs": list(map(json_document.run_account, experiment_runs))}
                for name, experiment_runs in runs_by_name.items()
            ]
        )
        return
    for n, (name, recorded) in enumerate(runs_by_name.items()):
        if len(runs_by_name) > 1:
            click.echo(("\n" if n else "") + styled(safe_text.line(name), bold=True))
        if not recorded:
            click.echo(
                f"{safe_text.line(name)} has not run yet."
                if len(runs_by_name) == 1
                else "no runs yet"
            )
            continue
        table = _table(recorded).fitted(room())
        places = [(run.name, run.place_elsewhere) for run in recorded]
        elsewhere = [f"… {name} is running {place}" for name, place in places if place is not None]
        for line in [*lines_of(table), *table.notes(room=room()), *map(safe_text.line, elsewhere)]:
            click.echo(line)


def _table(recorded: list[Run]) -> Table:
    from superparams.errors.tables import Table

    shards = [run.shard or "" for run in recorded]
    names = (*NAMES, *(["shard"] if any(shards) else []))
    rows = [
        [safe_text.line(cell) for cell in [*_cells(run), shard][: len(names)]]
        for run, shard in zip(recorded, shards, strict=True)
    ]
    order = [names.index(name) for name in ("outcomes", "state", *names[10:], *NAMES[5:])]
    return Table(names, rows, frozenset({2, 9}), frozenset({0, 1, 2}), order)


def _cells(run: Run) -> list[str]:
    outcomes = ", ".join(f"{number:,} {name}" for name, number in run.counts.items())
    return [
        run.name,
        units.local_time(run.start),
        units.duration(run.seconds),
        run.state,
        outcomes or "none",
        (run.code or "")[:8],
        f"{run.commit[:8]}{'+' * run.is_dirty}" if run.commit else "",
        run.host or "",
        run.engine or "",
        "" if run.num_proc is None else str(run.num_proc),
    ]
