"""Show everything about one setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from superparams.cli import common_options, json_document
from superparams.cli.click_types import KEY
from superparams.cli.session import Session
from superparams.cli.terminal import COLOURS, aligned, lines_of, room, styled
from superparams.errors import safe_text, units
from superparams.errors.units import counted, first_few

if TYPE_CHECKING:
    from superparams.cli.setting_lookup import Setting
    from superparams.store.runs.run_records import Run

__all__ = ["command"]

LOG_LINES = 10
ROWS = 5  # of a frame
FILES = 10


@click.command("show")
@common_options.named
@click.argument("words", metavar="KEY", nargs=-1, required=True, type=KEY)
@common_options.in_results
@common_options.as_json
@click.pass_obj
def command(
    session: Session, target: str, words: Sequence[str], results: Path | None, is_json: bool
) -> None:
    """Show everything about one setting.

    That is its parameters, its outcome, the end of its output, the run and the code that made it,
    and how to restore that code. KEY is the beginning of a key that `experiment results` shows, or
    conditions that hold for one setting only.

    \b
    Examples:
      experiment show RQ1 3f2a
      experiment show RQ1 kernel=rbf C=1
    """
    from superparams.cli.setting_lookup import find_setting
    from superparams.store.runs.run_records import run_of_name

    recorded_setting = find_setting(session, target, words, results)
    run = run_of_name(recorded_setting.results.root, str(recorded_setting.row["run"]))
    rerun_command = [
        *session.program.split(),
        "rerun",
        recorded_setting.status.name,
        recorded_setting.key,
    ]
    back = list(run.kept_code.commands(session.project, rerun_command)) if run.exists else []
    if is_json:
        json_document.write(_document(recorded_setting, run, back))
        return
    parts = (
        _setting(recorded_setting),
        _outcome(recorded_setting),
        _log(recorded_setting),
        _origin(recorded_setting, run),
        _commands_to_run_again(back),
    )
    for line in (line for part in parts for line in part):
        click.echo(line)


# ---- for people


def _setting(recorded_setting: Setting) -> Iterator[str]:
    from superparams.cli.table_formats import cell_text
    from superparams.store.names.field_owners import FieldOwners
    from superparams.store.table.lazy_rows import Rows

    yield styled(
        safe_text.line(f"{recorded_setting.status.name} {recorded_setting.key}"), bold=True
    )
    params = recorded_setting.results.params
    nones = FieldOwners(Rows.of_table(recorded_setting.rows.slice(0, 1))).none_masks(params)
    yield from aligned(
        (name, "None" if name in nones else cell_text(recorded_setting.row[name]))
        for name in params
    )


def _outcome(recorded_setting: Setting) -> Iterator[str]:
    row = recorded_setting.row
    yield ""
    status = styled(safe_text.line(row["status"]), bold=True, fg=COLOURS.get(row["status"]))
    attempt = f", attempt {row['attempt']}" if (row["attempt"] or 1) > 1 else ""
    memory = f", {units.size(row['peak_memory'])} of memory" if row["peak_memory"] else ""
    took = units.duration(row["seconds"])
    yield f"{status}: took {took}, begun {units.local_time(row['started'])}{attempt}{memory}"
    if row["error"]:
        for line in safe_text.lines(row["error"]).splitlines():
            yield f"  {styled(line, fg='red')}"
    yield from _results(recorded_setting)
    if row["traceback"]:
        yield ""
        yield from safe_text.lines(row["traceback"]).splitlines()


def _results(recorded_setting: Setting) -> Iterator[str]:
    from superparams.cli.table_formats import cell_text, frame

    names = recorded_setting.results.results
    if recorded_setting.rows.num_rows == 1:
        cells = ((name, recorded_setting.row[name]) for name in names)
        yield from aligned((name, cell_text(x)) for name, x in cells if x is not None)
        return
    rows = recorded_setting.rows.select(names)
    yield counted(rows.num_rows, "row")
    table = frame(rows, ROWS).fitted(room())
    yield from (f"  {line}" for line in lines_of(table))
    if rows.num_rows > ROWS:
        yield f"  … {rows.num_rows - ROWS:,} more"


def _log(recorded_setting: Setting) -> Iterator[str]:
    from superparams.store.runs.setting_logs import log_of

    log = log_of(recorded_setting.results.root, recorded_setting.row)
    text, is_cut = ("", False) if log is None else log.tail(LOG_LINES)
    if not text:
        return
    yield ""
    yield f"printed{f', the last {LOG_LINES} lines; `experiment logs` has all' if is_cut else ''}:"
    for line in safe_text.lines(text).splitlines():
        yield f"  {line}"


def _origin(recorded_setting: Setting, run: Run) -> Iterator[str]:
    yield ""
    yield "made by"
    if not run.exists:
        yield f"  run {safe_text.line(run.name)}, whose folder is gone: nothing else is known"
        return
    yield from aligned((name, text) for name, text in _facts(recorded_setting, run) if text)


def _facts(recorded_setting: Setting, run: Run) -> Iterator[tuple[str, str]]:
    from superparams.cli.package_versions import other_packages

    yield "run", f"{run.name}, {run.state}"
    yield "code", f"{str(recorded_setting.row['code'])[:8]}, {_code(recorded_setting)}"
    changes = ", with changes that were not committed" if run.is_dirty else ""
    branch = f" on {run.git.get('branch')}" if run.git.get("branch") else ""
    yield "commit", f"{run.commit}{branch}{changes}" if run.commit else ""
    yield "files", first_few(run.kept_code.project_files, FILES)
    why = run.kept_code.read_error
    yield "kept in", f"{run.folder.source}{f', which cannot be read ({why})' if why else ''}"
    yield "machine", ", ".join(filter(None, map(run.text, ("host", "platform", "cpu"))))
    yield "python", run.text("python") or ""
    for name, (then, now) in other_packages(run).items():
        yield "package", f"{name} {then} then, {now or 'none'} now"


def _code(recorded_setting: Setting) -> str:
    code, current = recorded_setting.row["code"], recorded_setting.status.current
    if current is None:
        return f"code unknown: {safe_text.line(recorded_setting.status.now.why)}"
    if code in current.own:
        return "the current code"
    if code in recorded_setting.status.codes:
        return "accepted for the current code"
    change = next(
        (
            code_change
            for code_change in recorded_setting.results.changes()
            if code_change.code == code
        ),
        None,
    )
    parts = ", ".join(map(str, (change.parts if change else None) or ()))
    return f"changed since: {parts}" if parts else "changed since"


def _commands_to_run_again(commands: Sequence[str]) -> Iterator[str]:
    if commands:
        yield ""
        yield "to run it again with that code"
        yield from (f"  {safe_text.line(line)}" for line in commands)


# ---- for programs


def _document(recorded_setting: Setting, run: Run, back: Sequence[str]) -> dict[str, Any]:
    from superparams.cli.package_versions import other_packages
    from superparams.cli.table_formats import rows
    from superparams.store.runs.setting_logs import log_of

    log = log_of(recorded_setting.results.root, recorded_setting.row)
    records = list(rows(recorded_setting.rows))
    names = {
        *recorded_setting.results.params,
        *recorded_setting.results.results,
        "key",
        "row",
        "run",
    }
    return {
        "experiment": recorded_setting.status.name,
        "key": recorded_setting.key,
        "params": {name: records[0][name] for name in recorded_setting.results.params},
        "outcome": {name: x for name, x in records[0].items() if name not in names},
        "rows": [{name: row[name] for name in recorded_setting.results.results} for row in records],
        "log": None if log is None else log.tail(LOG_LINES)[0],
        "is_stale": recorded_setting.row["code"] not in recorded_setting.status.codes
        if recorded_setting.status.codes
        else None,
        "code_unknown": recorded_setting.status.now.why or None,
        "run": {
            **json_document.run_account(run),
            "branch": run.git.get("branch"),
            "python": run.text("python"),
            "platform": run.text("platform"),
            "cpu": run.text("cpu"),
            "versions": run.versions,
            "files": run.kept_code.project_files,
        },
        "packages": {
            name: {"then": then, "now": now} for name, (then, now) in other_packages(run).items()
        },
        "back": list(back),
    }
