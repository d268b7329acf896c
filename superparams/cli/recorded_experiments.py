"""Finds recorded experiments by a name or by a path, without importing files of the user.

A NAME means classes in the text of the experiments folder. If the file is gone, or creates its
classes during the import, the name is looked up in the results folder. A PATH is that of a results
folder, of the folder of one experiment in it, or of its table.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from superparams.cli.name_lookup import ExperimentReference, Root, resolve, without_run
from superparams.errors import CommandError
from superparams.identity.code.roots import project_root
from superparams.store.json_values import json_text
from superparams.store.plain_files import is_plain
from superparams.store.runs.folder import TABLE, experiment_folder, has_records, run_folders

if TYPE_CHECKING:
    from superparams.cli.text_classes import TextClass, TextClasses
    from superparams.declare.params import Params
    from superparams.store.results import Results
    from superparams.store.staleness.code_now import CodeNow
    from superparams.store.staleness.current_codes import CurrentCodes

__all__ = ["ExperimentsByText", "RecordedExperiment", "find_recorded", "has_path"]


@dataclass(frozen=True)
class RecordedExperiment:
    """An experiment, known from its results folder and from the text of its file.

    Attributes:
        name: ``module.Class``.
        root: The folder in which all of its results are kept.
        cls: The class in the text of a file; None if there is none.
        why: Why there is no such class, as a sentence without a full stop.
        is_importable: Whether the typed name means a class that can be imported.
    """

    name: str
    root: Path
    cls: TextClass | None = None
    why: str = ""
    is_importable: bool = False

    @property
    def has_records(self) -> bool:
        """Whether anything is recorded."""
        return has_records(self.root)

    @cached_property
    def now(self) -> CodeNow:
        """The present code."""
        from superparams.store.staleness.code_now import CodeNow, code_now

        if self.cls is None:
            return CodeNow(None, self.why)
        return code_now(self.root, self.cls.file, self.cls.qualname)

    @cached_property
    def current(self) -> CurrentCodes | None:
        """The recorded codes that are current; None if the present code is not known."""
        from superparams.store.staleness.current_codes import CurrentCodes

        return None if self.now.code is None else CurrentCodes(self.root, self.now.code)

    @property
    def codes(self) -> list[str]:
        """The fingerprints of the present code, and of code accepted for it; empty if not known."""
        return [] if self.current is None else self.current.codes

    @cached_property
    def results(self) -> Results:
        """The recorded results; raises StoreError if there are none."""
        from superparams.store.results import Results

        results = Results.load(self.root, codes=self.codes, code=self.now.code)
        if self.cls is not None and self.cls.goal is not None:
            results.goal = self.cls.goal
        return results

    @cached_property
    def schema(self) -> type[Params] | None:
        """The recorded schema, which reads words as the class did; None if there is none."""
        from superparams.declare.words.recorded_schema import class_of_schema
        from superparams.store.runs.run_records import recorded_schema

        return class_of_schema(recorded_schema(self.root))


def find_recorded(
    target: str, root: Root | CommandError, results: Path
) -> list[RecordedExperiment]:
    """The experiments that a name or a path means.

    Args:
        target: The name or the path.
        root: The experiments folder, or the reason why there is none.
        results: The results folder, for a name.

    Raises:
        CommandError: When it has no meaning, or several.
    """
    roots = _roots_at(target) if has_path(target) else []
    if roots:
        return [_recorded_at(root, each) for each in roots]
    try:
        if isinstance(root, CommandError):
            raise root
        references = resolve(root, target)
    except CommandError:
        named = list(_named(results, target, "the experiments folder has no file of this name"))
        named = named or [_recorded_at(root, each) for each in _roots_at(target)]
        if named:
            return named
        raise
    return ExperimentsByText(root, results).experiments(references)


def has_path(target: str) -> bool:
    """Whether a text can only be a path, not a dotted name."""
    is_home = os.path.expanduser(target) != target
    return os.sep in target or "/" in target or target in (".", "..") or is_home


# ---- by path


def _roots_at(target: str) -> list[Path]:
    """The folders of experiments at a path; empty if there are no results."""
    try:
        path = Path(os.path.abspath(os.path.expanduser(target)))
        if path.name == TABLE and path.is_file():
            path = path.parent
        if not path.is_dir():
            return []
        if has_records(path):
            return [path]
        return [Path(x.path) for x in _entries(path) if has_records(Path(x.path))]
    except OSError:
        return []


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted((x for x in entries if x.is_dir()), key=lambda x: x.name)


def _recorded_at(root: Root | CommandError, folder: Path) -> RecordedExperiment:
    """The experiment of a folder, with the class of its name in the experiments folder, if any."""
    name = _name_of(folder, is_moved=True)
    cls, why = None, "there is no experiments folder here"
    if not isinstance(root, CommandError):
        try:
            cls, why = _class_named(root, name)
        except CommandError:
            why = "the experiments folder here has no file of this name"
    cls = cls or _class_of_script(folder, name)
    return RecordedExperiment(name, folder, cls, "" if cls is not None else why)


def _class_of_script(folder: Path, name: str) -> TextClass | None:
    """The class in the file that the newest run names, if that is in the project of the results.

    A results folder may be untrusted, so nothing in it counts as code.
    """
    from superparams.cli.text_classes import TextClass
    from superparams.store.runs.results_folder import FILE

    results = folder.parent.resolve()
    for run in run_folders(folder)[-1:]:
        recorded_path = json_text(run.manifest().get(FILE))
        file = Path(os.path.normpath(results / (recorded_path or "")))
        project = project_root(results / "_.py")
        is_beside = file.is_relative_to(project) or file.is_relative_to(results.parent)
        if is_beside and not file.is_relative_to(results) and is_plain(file):
            qualname = name.rpartition(".")[2]
            return TextClass(name, file, qualname, True) if file.suffix == ".py" else None
    return None


def _name_of(root: Path, *, is_moved: bool = False) -> str:
    """The name that the newest run recorded; the name of the folder if they do not agree.

    Args:
        root: The folder of an experiment.
        is_moved: Whether the folder may have been renamed.
    """
    for folder in reversed(run_folders(root)):
        name = json_text(folder.manifest().get("experiment"))
        if name and (is_moved or experiment_folder(root.parent, name) == root):
            return name
    return root.name


def _class_named(root: Root, name: str) -> tuple[TextClass | None, str]:
    from superparams.cli.text_classes import TextClasses

    why = "the experiments folder here has no class of this name"
    for reference in resolve(root, name):
        if reference.cls is not None:
            cls = TextClasses(root).called(reference, reference.cls)
            return cls, "" if cls is not None else why
    return None, why


# ---- by name


def _named(results: Path, target: str, why: str) -> Iterator[RecordedExperiment]:
    """The recorded experiments of a name that is not in the experiments folder."""
    dotted_name = target.removesuffix(".py").replace("/", ".").replace(":", ".")
    try:
        entries = _entries(results)
    except OSError:
        return
    for entry in entries:
        root = Path(entry.path)
        is_named = entry.name == dotted_name or entry.name.startswith(f"{dotted_name}.")
        if is_named and has_records(root):
            yield RecordedExperiment(_name_of(root), root, None, why)


class ExperimentsByText:
    """Finds the experiments of files, in their texts and in the results folder.

    Attributes:
        texts: The classes in the texts.
    """

    def __init__(self, root: Root, results: Path) -> None:
        from superparams.cli.text_classes import TextClasses

        self.texts: TextClasses = TextClasses(root)
        self._results = results

    def experiments(self, references: Sequence[ExperimentReference]) -> list[RecordedExperiment]:
        """The experiments of some files and classes, in their order."""
        records: dict[Path, RecordedExperiment] = {}
        for reference in references:
            several = self.of_file(reference)
            records.update((x.root, x) for x in several if x.root not in records)
        if not records:
            raise CommandError(self._none(references))
        return list(records.values())

    def of_file(self, reference: ExperimentReference) -> Iterator[RecordedExperiment]:
        """The experiments of a file, or the requested class in it.

        Raises:
            CommandError: When the file does not have that class.
        """
        if reference.cls is not None:
            yield self._of_class(reference, reference.cls)
            return
        classes = self.texts.public(reference)
        for cls in classes:
            record = self._recorded(cls)
            if cls.is_experiment or (cls.is_experiment is None and record.has_records):
                yield record
        # Classes that the file creates during the import, or that a damaged file does not show.
        text = self.texts.text_of(reference)
        names = {cls.name for cls in classes}
        why = f"{reference.file.name} has no class statement for it"
        for record in _named(self._results, reference.name, why):
            last = record.name.rpartition(".")[2]
            if record.name not in names and last in text and not last.startswith("_"):
                yield record

    def _of_class(self, reference: ExperimentReference, name: str) -> RecordedExperiment:
        cls = self.texts.called(reference, name)
        if cls is not None and cls.is_experiment is not False:
            return self._recorded(cls)
        full_name = f"{reference.name}.{name}"
        why = f"{reference.file.name} has no class statement for it"
        if cls is None:
            record = next(
                (x for x in _named(self._results, full_name, why) if x.name == full_name), None
            )
            if record is not None:
                return record
        there = [x.qualname for x in self.texts.public(reference) if x.is_experiment is not False]
        raise CommandError(
            f"there is no experiment {name} in {reference.file}; "
            f"it has {', '.join(there) or 'none'}"
        )

    def _recorded(self, cls: TextClass) -> RecordedExperiment:
        root = experiment_folder(self._results, cls.name)
        return RecordedExperiment(cls.name, root, cls, is_importable=True)

    def _none(self, references: Sequence[ExperimentReference]) -> str:
        files = ", ".join(str(reference.file) for reference in references)
        problems = [(reference.file, self.texts.problem(reference)) for reference in references]
        broken = [f"{file.name}, {problem}" for file, problem in problems if problem]
        classes = [x for reference in references for x in self.texts.public(reference)]
        idle = [x.qualname for x in classes]
        if broken:
            return f"there is no experiment in {files}: {'; '.join(broken)}"
        if all(x.lacks_run for x in classes):
            return f"there is no experiment in {files}{without_run(idle)}"
        return (
            f"there is no experiment in {files} that can run, as far as its text tells; "
            f"it has {', '.join(idle)}"
        )
