"""List all experiments: their files, how large they are, and how far."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from superparams.cli import common_options
from superparams.cli.click_types import NAME
from superparams.cli.session import Session
from superparams.errors import safe_text
from superparams.errors.units import counted

if TYPE_CHECKING:
    from superparams.cli.experiment_state import ExperimentState
    from superparams.cli.file_imports import LoadedFile
    from superparams.declare.experiment import Experiment

__all__ = ["command"]


@click.command("list")
@click.argument("target", metavar="[NAME]", type=NAME, required=False)
@common_options.in_results
@common_options.as_json
@click.pass_obj
def command(session: Session, target: str | None, results: Path | None, is_json: bool) -> None:
    """List all experiments, or those of NAME, with their files and their state.

    The numbers are for the space that the file declares. Settings are "to do" if they failed, if
    they are stale (other code made their results), or if they have never run.
    """
    from superparams.cli.file_imports import load_each
    from superparams.cli.name_lookup import all_files, resolve, shown

    folder, root = session.results(results), session.root
    found = all_files(root) if target is None else resolve(root, target)
    listed = [
        _File(one, [_entry(cls, folder) for cls in one.classes]) for one in load_each(root, found)
    ]
    if is_json:
        _print_json(listed)
    else:
        _print(listed, shown(root.folder) if target is None else target)


@dataclass
class _Entry:
    """One experiment of the list.

    needs: its fields that must be given before there is a space; problem: why it has none.
    """

    name: str
    description: str
    needs: list[str] = field(default_factory=list[str])
    settings: int | None = None
    is_exact: bool = True
    state: ExperimentState | None = None
    problem: str | None = None


@dataclass
class _File:
    loaded: LoadedFile
    entries: list[_Entry]


def _entry(cls: type[Experiment], results: Path) -> _Entry:
    from superparams.cli.experiment_state import size_of, state_of
    from superparams.cli.streams import stdout_to_stderr
    from superparams.declare.experiment import name_of
    from superparams.declare.metaclass import fields_of

    text = inspect.cleandoc(vars(cls).get("__doc__") or "").strip()
    entry = _Entry(name_of(cls), text.partition("\n")[0])
    entry.needs = [name for name, one in fields_of(cls).items() if one.is_required]
    try:
        with stdout_to_stderr():
            space = None if entry.needs else cls()
            if space is not None:
                entry.settings, entry.is_exact = size_of(space)
            entry.state = state_of(cls, space, entry.settings, results)
    except (Exception, SystemExit) as error:  # of the class, or of what is recorded of it
        entry.problem = " ".join(f"{type(error).__name__}: {error}".split())
    return entry


# ---- for people


def _print(listed: list[_File], where: str) -> None:
    from superparams.cli.name_lookup import shown
    from superparams.cli.terminal import styled

    entries = [entry for file in listed for entry in file.entries]
    if not entries and not any(file.loaded.error for file in listed):
        click.echo(f"There are no experiments in {safe_text.line(where)} yet.")
    rows = [_cells(entry) for entry in entries]
    widths = [max(map(safe_text.width, column)) for column in zip(*rows, strict=True)]
    for file in listed:
        error = file.loaded.error
        if file.entries or error is not None:
            click.echo(styled(safe_text.line(shown(file.loaded.found.file)), bold=True))
        for entry in file.entries:
            _print_entry(entry, *widths)
        if error is not None:
            click.echo(styled(f"  cannot be imported: {safe_text.line(error.brief)}", fg="red"))


def _cells(entry: _Entry) -> tuple[str, str, str]:
    return safe_text.line(entry.name), _size(entry), safe_text.line(_state(entry))


def _print_entry(entry: _Entry, *widths: int) -> None:
    from superparams.cli.terminal import room

    name, size, state = _cells(entry)
    size = safe_text.padded(size, widths[1], right=True)
    line = f"  {safe_text.padded(name, widths[0])}  {size}  {safe_text.padded(state, widths[2])}  "
    text = safe_text.line(entry.description)
    left = room()
    if left is not None and safe_text.width(line + text) > left:
        text = text[: max(0, left - safe_text.width(line) - 1)] + "…"
    click.echo((line + text).rstrip())


def _size(entry: _Entry) -> str:
    if entry.settings is None:
        return ""
    return ("" if entry.is_exact else "at most ") + counted(entry.settings, "setting")


def _state(entry: _Entry) -> str:
    if entry.problem is not None:
        return entry.problem
    parts = ["not run"]
    if entry.state is not None:
        counts = vars(entry.state)
        words = {"done": "done", "failed": "failed", "stale": "stale", "todo": "to do"}
        parts = [f"{counts[name]:,} {word}" for name, word in words.items() if counts[name]]
    needs = [f"needs {', '.join(entry.needs)}"] if entry.needs else []
    return "; ".join([", ".join(parts) or "nothing to do", *needs])


# ---- for programs


def _print_json(listed: list[_File]) -> None:
    from superparams.cli import json_document

    experiments = [
        {**dataclasses.asdict(entry), "file": file.loaded.found.file}
        for file in listed
        for entry in file.entries
    ]
    broken = [
        {"file": file.loaded.found.file, "error": file.loaded.error.brief}
        for file in listed
        if file.loaded.error is not None
    ]
    json_document.write({"experiments": experiments, "broken": broken})
