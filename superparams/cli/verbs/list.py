"""List all experiments, with their files, sizes and states."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from superparams.cli import common_options, json_document
from superparams.cli.click_types import NAME
from superparams.cli.session import Session
from superparams.cli.streams import stdout_to_stderr
from superparams.cli.terminal import room, styled
from superparams.errors import CommandError, headline, safe_text
from superparams.errors.tables import Table
from superparams.errors.units import counted

if TYPE_CHECKING:
    from superparams.cli.name_lookup import ExperimentReference, Root
    from superparams.cli.recorded_experiments import RecordedExperiment
    from superparams.cli.text_classes import TextClasses
    from superparams.cli.text_spaces import TextSpace
    from superparams.cli.verbs.status import Status
    from superparams.declare.experiment import Experiment

__all__ = ["command"]


@click.command("list")
@click.argument("target", metavar="[NAME]", type=NAME, required=False)
@click.option(
    "--import",
    "is_imported",
    is_flag=True,
    help="Import the files to count the settings of all experiments.",
)
@common_options.in_results
@common_options.as_json
@click.pass_obj
def command(
    session: Session,
    target: str | None,
    is_imported: bool,
    results: Path | None,
    is_json: bool,
) -> None:
    """List all experiments, or those of NAME, with their files and their state.

    The numbers are for the space that the file declares. Settings are "to do" if they failed, if
    they are stale (other code made their results), or if they have never run.

    Files are read and not imported. Spaces are known if a run recorded them, or if all points are
    written out in the file; --import counts the settings of all other spaces.

    In place of NAME, the path of a results folder lists what is recorded there.
    """
    from superparams.cli.name_lookup import shown

    listed, is_recorded = _listed(session, target, results, is_imported=is_imported)
    if is_json:
        _print_json(listed)
    else:
        _print(listed, shown(session.root.folder) if target is None else target)
        uncounted = sum(_is_uncounted(entry) for file in listed for entry in file.entries)
        if uncounted and not (is_imported or is_recorded):
            click.echo(
                f"`experiment list --import` counts the settings of {_count_of_more(uncounted)}."
            )


def _listed(
    session: Session, target: str | None, results: Path | None, *, is_imported: bool
) -> tuple[list[_File], bool]:
    """The experiments of a name or a path, and whether only the results know them."""
    from superparams.cli.name_lookup import all_files, resolve

    try:
        folder, root = session.results(results), session.root
        references = all_files(root) if target is None else resolve(root, target)
    except CommandError:
        if target is None or is_imported:
            raise
        # A path, or a name that only the results know; if it is neither, the error says so.
        return list(_recorded(session.recorded_by_text(target, results))), True
    return list((_imported if is_imported else _read)(root, references, folder)), False


@dataclass
class _Entry:
    """One experiment of the list.

    Attributes:
        name: ``module.Class``.
        description: The first line of its docstring.
        needs: The required fields, without which there is no space.
        settings: The size of the space.
        is_exact: Whether `settings` is the exact size, and not an upper bound.
        state: The status; None if nothing is recorded.
        problem: Why there is no space, or why the records cannot be read.
        ranges: How many ranges it has, in words, if it has some and thus no size.
    """

    name: str
    description: str
    needs: list[str] = field(default_factory=list[str])
    settings: int | None = None
    is_exact: bool = True
    state: Status | None = None
    problem: str | None = None
    ranges: str = ""


@dataclass
class _File:
    """A file, or a folder of results without a file.

    Attributes:
        file: The file or the folder.
        entries: Its experiments.
        problem: Why the file cannot be imported, in one line.
    """

    file: Path
    entries: list[_Entry]
    problem: str | None = None


def _imported(
    root: Root, references: Sequence[ExperimentReference], results: Path
) -> Iterator[_File]:
    from superparams.cli.file_imports import load_each

    for loaded_file in load_each(root, references):
        problem = None if loaded_file.error is None else loaded_file.error.brief
        yield _File(
            loaded_file.reference.file,
            [_entry(cls, results) for cls in loaded_file.classes],
            problem,
        )


def _read(root: Root, references: Sequence[ExperimentReference], results: Path) -> Iterator[_File]:
    from superparams.cli.recorded_experiments import ExperimentsByText

    by_text = ExperimentsByText(root, results)
    for reference in references:
        entries = [_entry_by_text(each, by_text.texts) for each in by_text.of_file(reference)]
        problem = by_text.texts.problem(reference)
        if problem is not None:
            file, project = reference.file, root.project
            where = file.relative_to(project) if file.is_relative_to(project) else file
            problem = f"{where}: {problem}"
        yield _File(reference.file, entries, problem)


def _recorded(records: Sequence[RecordedExperiment]) -> Iterator[_File]:
    for file, of_file in itertools.groupby(records, key=_file_of):
        yield _File(file, [_entry_by_text(record, None) for record in of_file])


def _file_of(record: RecordedExperiment) -> Path:
    return record.root if record.cls is None else record.cls.file


def _entry_by_text(record: RecordedExperiment, texts: TextClasses | None) -> _Entry:
    """An experiment by its text, if there is one, and by its records.

    Args:
        record: The experiment.
        texts: The classes in the experiments folder; None to look only at the records.
    """
    entry = _Entry(record.name, "" if record.cls is None else record.cls.description)
    if record.cls is not None and texts is not None:
        space = texts.space(record.cls)
        entry.needs, entry.settings, entry.is_exact = space.needs, space.size, space.is_exact
        entry.ranges = _ranges(space)
    if not record.has_records:
        return entry
    from superparams.cli.recorded_status import RecordedStatus

    try:
        status = RecordedStatus(record)
        _ = status.counts, status.code_unknown  # may fail
        declared, entry.state = status.declared, status
        if declared.size is not None:
            entry.settings, entry.is_exact = declared.size, declared.is_exact
    except Exception as error:  # the records cannot be read
        entry.problem = " ".join(headline(error).split())
    return entry


def _ranges(space: TextSpace) -> str:
    if not space.n_ranges:
        return ""
    if not space.is_whole:
        return f"{space.n_ranges} or more ranges"
    return counted(space.n_ranges, "range")


def _entry(cls: type[Experiment], results: Path) -> _Entry:
    from superparams.declare.layout import has_range, ranges_of
    from superparams.declare.metaclass import fields_of
    from superparams.run.status import declared_space, status_of

    status = status_of(cls, results)
    text = inspect.cleandoc(vars(cls).get("__doc__") or "").strip()
    entry = _Entry(status.name, text.partition("\n")[0])
    entry.needs = [name for name, declaration in fields_of(cls).items() if declaration.is_required]
    try:
        with stdout_to_stderr():
            # The store, and with it pyarrow, is loaded only if something is recorded.
            if status.has_records:
                _ = status.counts  # may fail
                entry.state = status
            declared = status.declared if status.has_records else declared_space(cls)
        entry.settings, entry.is_exact = declared.size, declared.is_exact
        if declared.space is not None and has_range(declared.space):
            entry.ranges = counted(len(list(ranges_of(declared.space))), "range")
        if declared.space is None and not entry.needs:
            entry.problem = declared.why
    except (Exception, SystemExit) as error:  # the records cannot be read
        entry.problem = " ".join(headline(error).split())
    return entry


# ---- for people


def _print(listed: list[_File], where: str) -> None:
    from superparams.cli.name_lookup import shown

    entries = [entry for file in listed for entry in file.entries]
    if not entries and not any(file.problem for file in listed):
        click.echo(f"There are no experiments in {safe_text.line(where)} yet.")
    _, *lines = Table(("", "", "", ""), list(map(_cells, entries)), right=frozenset({1})).lines()
    line_of = iter(lines)
    most = room()
    for file in listed:
        if file.entries or file.problem is not None:
            click.echo(styled(safe_text.line(shown(file.file)), bold=True))
        for line in itertools.islice(line_of, len(file.entries)):
            click.echo(f"  {line if most is None else safe_text.shortened(line, most - 2)}")
        if file.problem is not None:
            click.echo(styled(f"  cannot be imported: {safe_text.line(file.problem)}", fg="red"))


def _is_uncounted(entry: _Entry) -> bool:
    """Whether an import would find the size of its space."""
    is_told = entry.settings is not None and entry.is_exact
    return not (is_told or entry.ranges or entry.needs or entry.problem)


def _count_of_more(number: int) -> str:
    return "one more experiment" if number == 1 else f"{number:,} more experiments"


def _cells(entry: _Entry) -> tuple[str, str, str, str]:
    state, text = safe_text.line(_state(entry)), safe_text.line(entry.description)
    return safe_text.line(entry.name), _size(entry), state, text


def _size(entry: _Entry) -> str:
    if entry.settings is None:
        return ""
    return ("" if entry.is_exact else "at most ") + counted(entry.settings, "setting")


def _state(entry: _Entry) -> str:
    parts: list[str] = []
    if entry.state is not None:
        parts.append(_counts(entry.state))
    elif entry.problem is None:
        parts.append("not run")
    if entry.ranges:
        parts.append(f"{entry.ranges} to draw from")
    if entry.problem is not None:
        parts.append(entry.problem)
    if entry.needs:
        parts.append(f"needs {', '.join(entry.needs)}")
    return "; ".join(parts)


def _counts(state: Status) -> str:
    from superparams.cli.verbs.status import count_texts

    todo = [f"{state.todo:,} to do"] if state.todo else []
    text = ", ".join([*count_texts(state).values(), *todo]) or "nothing to do"
    return text if state.todo is not None else f"recorded {text}; the rest is not known"


# ---- for programs


def _print_json(listed: list[_File]) -> None:
    experiments = [
        {**_document(entry), "file": file.file} for file in listed for entry in file.entries
    ]
    broken = [
        {"file": file.file, "error": file.problem} for file in listed if file.problem is not None
    ]
    json_document.write({"experiments": experiments, "broken": broken})


def _document(entry: _Entry) -> dict[str, Any]:
    """The entry for a program. Counts have the same names as in `experiment status --json`."""
    state = entry.state
    counts: dict[str, Any] | None = None
    if state is not None:
        why = {"why": state.declared.why or None, "code_unknown": state.code_unknown or None}
        counts = {**state.numbers, **why}
    document = {name: x for name, x in vars(entry).items() if name != "ranges" or x}
    return {**document, "state": counts}
