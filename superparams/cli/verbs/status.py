"""Count what is done, failed, stale and to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from superparams.cli import common_options
from superparams.cli.session import Session
from superparams.errors.units import counted

if TYPE_CHECKING:
    from superparams.run.status import ExperimentStatus
    from superparams.store.runs.run_records import Run
    from superparams.store.staleness.code_changes import Changes

__all__ = ["command"]


@click.command("status")
@common_options.named
@common_options.in_results
@common_options.as_json
@click.pass_obj
def command(session: Session, target: str, results: Path | None, is_json: bool) -> None:
    """Count settings that are done, failed, stale and to do.

    For each experiment of NAME, it shows the space, the number of settings in each state, the
    newest run and, if results are stale, what changed in the code. Nothing is run.

    \b
    Example:
      experiment status RQ1
    """
    from superparams.cli import json_document
    from superparams.cli.streams import stdout_to_stderr
    from superparams.run.status import status_of

    folder = session.results(results)
    classes = session.experiments(target)
    with stdout_to_stderr():
        made = [status_of(cls, folder) for cls in classes]
    if is_json:
        json_document.write([_document(one) for one in made])
        return
    for place, one in enumerate(made):
        click.echo("\n".join([*([""] if place else []), *_lines(one)]))


def _lines(found: ExperimentStatus) -> Iterator[str]:
    from superparams.cli.terminal import styled
    from superparams.errors import safe_text

    yield styled(safe_text.line(found.name), bold=True)
    size = found.declared.size
    if size is not None:
        at_most = "" if found.declared.is_exact else "at most "
        yield f"  space    {at_most}{counted(size, 'setting')}"
        for name, text in found.declared.axes.items():
            yield f"           {name}: {safe_text.line(text)}"
    if found.declared.why:
        yield f"  space    {safe_text.line(found.declared.why)}"
    yield f"  {'settings' if not found.declared.why else 'recorded'} {_counts(found)}"
    if found.others:
        yield f"           and {found.others:,} recorded outside of this space"
    yield from _of_runs(found)
    changes = _changes(found)
    for change in changes or ():
        yield from _of_change(change)
    if changes:
        yield "           `experiment accept` keeps them, if the change does not matter"


def _counts(found: ExperimentStatus) -> str:
    from superparams.cli.terminal import COLOURS, styled

    parts = [
        styled(f"{number:,} {name}", fg=COLOURS.get(name))
        for name, number in found.counts.items()
        if number and name != "new"
    ]
    todo = found.todo
    if todo is not None:
        parts.append(f"{todo:,} to do" if todo else "nothing to do")
    return ", ".join(parts) or "none"


def _of_runs(found: ExperimentStatus) -> Iterator[str]:
    from superparams.errors import safe_text
    from superparams.store.runs.run_records import runs

    made = runs(found.root)
    if not made:
        yield "  run      none yet"
        return
    for run in [one for one in made[:-1] if one.state == "running"] + made[-1:]:
        commit = f", commit {run.commit[:8]}{'+' * run.is_dirty}" if run.commit else ""
        host = f" on {run.host}" if run.host and run.unseen is None else ""
        yield "  run      " + safe_text.line(f"{run.name}: {_state(run)}{host}{commit}")
    if (found.root / "results.parquet").exists():
        yield f"  table    {safe_text.line(found.root / 'results.parquet')}"
    if len(made) > 1:
        yield f"           {counted(len(made), 'run')} in all"


def _state(run: Run) -> str:
    from superparams.errors import units

    if run.unseen is not None:
        return run.unseen
    if run.state == "running":
        return f"running now for {units.duration(run.seconds)} (process {run.pid})"
    lasted = f" after {units.duration(run.seconds)}" if run.seconds is not None else ""
    when = units.local_time(run.start)
    return f"{run.state}{lasted}{f', begun {when}' if when else ''}"


def _changes(found: ExperimentStatus) -> Changes | None:
    """What changed since the stale rows were made; None when there are none."""
    return found.results.changes() if found.counts["stale"] else None


def _of_change(change: Any) -> Iterator[str]:
    from superparams.errors import safe_text

    what = counted(change.settings, "setting")
    yield f"  changed  since {what} ran, by code {str(change.code)[:8]}:"
    for part in change.parts or ("what that code was is not kept",):
        yield f"           {safe_text.line(part)}"


def _document(found: ExperimentStatus) -> dict[str, Any]:
    from superparams.cli.run_document import run_account
    from superparams.store.runs.run_records import runs

    made = runs(found.root)
    changes = _changes(found) or ()
    return {
        "experiment": found.name,
        "size": found.declared.size,
        "is_exact": found.declared.is_exact,
        "axes": found.declared.axes,
        "why": found.declared.why or None,
        **found.numbers,
        "table": str(found.root / "results.parquet"),
        "runs": len(made),
        "running": [run_account(one) for one in made if one.state == "running"],
        "newest_run": run_account(made[-1]) if made else None,
        "changes": [
            {
                "code": change.code,
                "settings": change.settings,
                "parts": [{"name": part.name, "how": part.how} for part in change.parts or ()],
            }
            for change in changes
        ],
    }
