"""The experiments of a board: their records are loaded again while runs go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING

from superparams.cli.recorded_experiments import RecordedExperiment
from superparams.errors import CommandError
from superparams.store.results import Results
from superparams.store.runs.folder import run_folders
from superparams.views.board.record_stamp import RecordStamps

if TYPE_CHECKING:
    from superparams.cli.session import Session

__all__ = ["ReloadedExperiment", "followed"]


class ReloadedExperiment:
    """An experiment whose records are loaded again whenever they are asked for."""

    def __init__(self, record: RecordedExperiment) -> None:
        """Take an experiment and its records."""
        files = [] if record.cls is None else [record.cls.file]
        self._found = record
        self._stamps = RecordStamps(record.root, files)
        self._file_stamps = RecordStamps(record.root / "none", files)
        self._known: Hashable = None

    @property
    def name(self) -> str:
        """``module.Class``."""
        return self._found.name

    @property
    def root(self) -> Path:
        """The folder of its records."""
        return self._found.root

    def stamp(self) -> Hashable:
        """A value that changes with the records, the decisions and the file of the class."""
        return self._stamps.stamp()

    def read_again(self) -> Results:
        """The results as they are recorded now; without rows before the first run."""
        self._look_at_code()
        record = self._found
        codes, code = record.codes, record.now.code
        if not record.has_records:
            return Results.empty(record.root, codes=codes, code=code)
        results = Results.load(record.root, codes=codes, code=code, writes=False)
        if record.cls is not None and record.cls.goal is not None:
            results.goal = record.cls.goal
        return results

    def _look_at_code(self) -> None:
        """Look at the code again, if the file of the class, a decision or the runs have changed."""
        runs = tuple(run.name for run in run_folders(self.root))
        stamp = (self._file_stamps.stamp(), runs)
        if stamp != self._known:
            self._found = dataclasses.replace(self._found)  # the copy has read nothing yet
            self._known = stamp


def followed(
    session: Session, target: str | None, results: Path | None
) -> list[ReloadedExperiment]:
    """The experiments that a name means, or all experiments in a results folder.

    Args:
        session: The session.
        target: The name or the path; None for the results folder.
        results: The folder of ``--results``.

    Raises:
        CommandError: When the name has no meaning, and when nothing is recorded.
    """
    folder = results or session.project / "results" if target is None else None
    if folder is not None and not folder.is_dir():
        raise CommandError(
            f"there are no results in {folder}: run an experiment first, or give a NAME to wait "
            "for its first run"
        )
    records = session.recorded_by_text(target or str(folder), results)
    return [ReloadedExperiment(record) for record in records]
