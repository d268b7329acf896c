"""Count what is done, failed, stale and to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from superparams.cli import common_options, json_document
from superparams.cli.session import Session
from superparams.cli.streams import stdout_to_stderr
from superparams.cli.terminal import COLOURS, styled
from superparams.errors import safe_text, units
from superparams.errors.units import counted

if TYPE_CHECKING:
    from superparams.cli.recorded_status import RecordedStatus, SpaceNow
    from superparams.run.search_status import SearchAccount
    from superparams.run.status import ExperimentStatus
    from superparams.store.runs.run_records import Run
    from superparams.store.runs.running_settings import RunningSetting
    from superparams.store.runs.running_steps import LastStep
    from superparams.store.staleness.stale_rows import Changes, CodeChange

__all__ = ["command", "count_texts"]

MOST_SETTINGS: Final = 16  # running settings that are shown

Status: TypeAlias = "ExperimentStatus | RecordedStatus"


@click.command("status")
@common_options.named
@click.option(
    "--import",
    "is_imported",
    is_flag=True,
    help="Import the file, to count the settings of a space that has not run yet.",
)
@common_options.in_results
@common_options.as_json
@click.pass_obj
def command(
    session: Session, target: str, is_imported: bool, results: Path | None, is_json: bool
) -> None:
    """Count settings that are done, failed, stale and to do.

    For each experiment of NAME, it shows the space, the number of settings in each state, the
    newest run, the settings that run now and, if results are stale, what changed in the code.
    Nothing is run.

    The file of the experiment is read and not imported. The space is known if a run recorded it;
    otherwise --import counts its settings.

    \b
    Example:
      experiment status RQ1
    """
    statuses = (
        _imported(session, target, results) if is_imported else _read(session, target, results)
    )
    if is_json:
        json_document.write([_document(status) for status in statuses])
        return
    for n, status in enumerate(statuses):
        click.echo("\n".join([*([""] if n else []), *_lines(status)]))


def _imported(session: Session, target: str, results: Path | None) -> Sequence[Status]:
    statuses = session.statuses(target, results)
    with stdout_to_stderr():
        for status in statuses:
            _ = status.counts  # runs code of the experiment
    return statuses


def _read(session: Session, target: str, results: Path | None) -> Sequence[Status]:
    from superparams.cli.recorded_status import RecordedStatus

    return [RecordedStatus(record) for record in session.recorded_by_text(target, results)]


def _lines(status: Status) -> Iterator[str]:
    yield styled(safe_text.line(status.name), bold=True)
    yield from _of_space(_space(status))
    counts = [styled(text, fg=COLOURS.get(name)) for name, text in count_texts(status).items()]
    if status.todo is None:
        yield f"  recorded {', '.join(counts) or 'none'}"
    else:
        todo = f"{status.todo:,} to do" if status.todo else "nothing to do"
        yield f"  settings {', '.join([*counts, todo])}"
    if status.others:
        yield f"           and {status.others:,} recorded outside of this space"
    if status.code_unknown:
        yield f"  code     unknown: {safe_text.line(status.code_unknown)}"
    yield from _of_runs(status)
    changes = _changes(status)
    for change in changes or ():
        yield from _of_change(change)
    if changes:
        yield "           `experiment accept` keeps them, if the change does not matter"


def _of_space(declared: SpaceNow) -> Iterator[str]:
    if declared.size is not None:
        at_most = "" if declared.is_exact else "at most "
        origin = "" if declared.run is None else f", as in run {declared.run}"
        yield f"  space    {at_most}{counted(declared.size, 'setting')}{safe_text.line(origin)}"
        for name, text in declared.axes.items():
            yield f"           {safe_text.line(name)}: {safe_text.line(text)}"
    if declared.why:
        yield f"  space    {safe_text.line(declared.why)}{declared.remedy}"


def _space(status: Status) -> SpaceNow:
    from superparams.cli.recorded_status import SpaceNow

    space = status.declared
    if isinstance(space, SpaceNow):
        return space
    return SpaceNow(space.size, space.is_exact, space.axes, space.why)


def count_texts(status: Status) -> dict[str, str]:
    """``5 done``, ``1 failed``: the counts of recorded settings, without zeros, by their name."""
    counts = {name: number for name, number in status.counts.items() if name != "new"}
    return {name: f"{number:,} {name}" for name, number in counts.items() if number}


def _of_runs(status: Status) -> Iterator[str]:
    from superparams.store.runs.run_records import runs

    recorded = runs(status.root)
    if not recorded:
        yield "  run      none yet"
        return
    for run in [
        earlier_run for earlier_run in recorded[:-1] if earlier_run.state == "running"
    ] + recorded[-1:]:
        commit = f", commit {run.commit[:8]}{'+' * run.is_dirty}" if run.commit else ""
        host = f" on {run.host}" if run.host and run.place_elsewhere is None else ""
        shard = f"shard {run.shard}, " if run.shard is not None else ""
        yield "  run      " + safe_text.line(f"{run.name}: {shard}{_state(run)}{host}{commit}")
        yield from _of_settings(run)
    search = _search(status)
    if search is not None:
        yield f"  search   {safe_text.line(search.text)}"
    if (status.root / "results.parquet").exists():
        yield f"  table    {safe_text.line(status.root / 'results.parquet')}"
    if len(recorded) > 1:
        yield f"           {counted(len(recorded), 'run')} in all"


def _search(status: Status) -> SearchAccount | None:
    """The progress of the search of the newest run, if that was a search."""
    from superparams.run.search_status import newest_search

    return newest_search(status.root)


def _steps(run: Run) -> list[LastStep]:
    """The last step of each setting that runs now."""
    from superparams.store.runs.running_steps import running_steps

    return running_steps(run.folder) if run.state == "running" else []


def _of_settings(run: Run) -> Iterator[str]:
    """Text on the running settings: each with its last step, its parameters, and its worker."""
    from superparams.store.runs.running_settings import running_settings

    running = {entry.index: entry for entry in running_settings(run.folder)}
    steps = {step.index: step for step in _steps(run)}
    indices = sorted(running.keys() | steps.keys())
    for index in indices[:MOST_SETTINGS]:
        yield safe_text.line(f"           {_of_setting(run, running.get(index), steps.get(index))}")
    if len(indices) > MOST_SETTINGS:
        yield f"           and {counted(len(indices) - MOST_SETTINGS, 'more setting')}"


def _of_setting(run: Run, running: RunningSetting | None, last: LastStep | None) -> str:
    from superparams.views.result_tables import cell

    key = next((entry.key for entry in (running, last) if entry is not None), "")
    parts = [key[:8]]
    if last is not None:
        values = ", ".join(f"{name}={cell(name, x)}" for name, x in last.row.items())
        parts.append(f"at step {last.step:,}: {values}")
    if running is None:
        return " ".join(parts)
    facts = [f"{name}={cell(name, x)}" for name, x in _searched(run, running.values).items()]
    facts.append(f"worker {running.rank}")
    facts += [f"attempt {running.attempt}"] if running.attempt > 1 else []
    facts.append(f"{'in setup ' * running.in_setup}for {units.duration(running.seconds)}")
    return f"{' '.join(parts)} ({', '.join(facts)})"


def _searched(run: Run, values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that differ from setting to setting."""
    axes = tuple(run.group("axes"))
    inside = tuple(f"{name}." for name in axes)
    params = {name: x for name, x in values.items() if name in axes or name.startswith(inside)}
    return {name: "None" if x is None else x for name, x in params.items()}


def _state(run: Run) -> str:
    if run.state == "running":
        where = run.place_elsewhere
        now = f"running now for {units.duration(run.seconds)} (process {run.pid})"
        return now if where is None else f"{now} {where}"
    lasted = f" after {units.duration(run.seconds)}" if run.seconds is not None else ""
    when = units.local_time(run.start)
    return f"{run.state}{lasted}{f', begun {when}' if when else ''}"


def _changes(status: Status) -> Changes | None:
    """The changes of the code since the stale rows were made; None if there are none."""
    return status.results.changes() if status.counts.get("stale") else None


def _of_change(change: CodeChange) -> Iterator[str]:
    yield f"  changed  since {safe_text.line(change.what)} ran, by code {str(change.code)[:8]}:"
    for part in change.parts or ("that code was not kept",):
        yield f"           {safe_text.line(part)}"


def _account(running: RunningSetting) -> dict[str, Any]:
    """A setting that runs now, for a program."""
    names = ("index", "key", "rank", "attempt", "in_setup", "seconds")
    return {**{name: getattr(running, name) for name in names}, "params": running.values}


def _document(status: Status) -> dict[str, Any]:
    from superparams.store.runs.run_records import runs
    from superparams.store.runs.running_settings import running_settings

    recorded = runs(status.root)
    changes, space, search = _changes(status) or (), _space(status), _search(status)
    return {
        "experiment": status.name,
        "size": space.size,
        "is_exact": space.is_exact,
        "axes": dict(space.axes),
        "why": space.why or None,
        "code_unknown": status.code_unknown or None,
        **status.numbers,
        "table": str(status.root / "results.parquet"),
        "runs": len(recorded),
        "running": [json_document.run_account(run) for run in recorded if run.state == "running"],
        "search": None if search is None else search.document,
        "newest_run": json_document.run_account(recorded[-1]) if recorded else None,
        "steps": [
            {"run": run.name, **dataclasses.asdict(last)}
            for run in recorded
            if run.state == "running"
            for last in _steps(run)
        ],
        "running_settings": [
            {"run": run.name, **_account(setting)}
            for run in recorded
            for setting in running_settings(run.folder)
        ],
        "changes": [
            {
                "code": change.code,
                "settings": change.settings,
                "parts": [{"name": part.name, "how": part.how} for part in change.parts or ()],
            }
            for change in changes
        ],
    }
