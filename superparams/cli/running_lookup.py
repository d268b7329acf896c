"""Finds a setting that runs now, by the beginning of its key or by conditions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from superparams.cli.setting_lookup import SHOWN, Setting, find_setting, selected
from superparams.errors import CommandError, SuperparamsError
from superparams.errors.units import first_few
from superparams.store.runs.folder import run_folders
from superparams.store.runs.run_records import Run
from superparams.store.runs.running_settings import RunningSetting, running_settings
from superparams.store.table.running_rows import rows_of_running

if TYPE_CHECKING:
    from superparams.cli.recorded_experiments import RecordedExperiment
    from superparams.cli.session import Session

__all__ = ["RunningNow", "find_or_wait", "find_running"]

_PATIENCE: Final = 2.0  # seconds until a setting that has just begun is recorded as running
_TICK: Final = 0.1


@dataclass(frozen=True)
class RunningNow:
    """A setting that runs now.

    Attributes:
        of: Its experiment.
        run: Its run.
        entry: The setting, as its run recorded it.
    """

    of: RecordedExperiment
    run: Run
    entry: RunningSetting


def find_running(
    session: Session, target: str, words: Sequence[str], results: Path | None
) -> RunningNow | None:
    """The only running setting for which all words hold; None if there is none.

    If several runs run the same setting, the newest run counts.

    Args:
        session: The session.
        target: The name of experiments.
        words: The start of a key, or conditions such as ``kernel=rbf``.
        results: The folder of ``--results``; None without this option.

    Raises:
        CommandError: When the words hold for several settings.
    """
    settings = {
        running.entry.key: running
        for experiment in session.recorded_by_text(target, results)
        for run in _runs(experiment.root)
        for running in _matching(experiment, run, words)
    }
    if len(settings) > 1:
        raise CommandError(
            f"{' '.join(words)!r} matches {len(settings):,} running settings of {target}: "
            f"{first_few(list(settings), SHOWN)}; give more digits of the key, or more conditions"
        )
    return next(iter(settings.values()), None)


def find_or_wait(
    session: Session, target: str, words: Sequence[str], results: Path | None
) -> RunningNow | Setting:
    """The running setting, or else the recorded setting, for which all words hold.

    If there is no such setting but a run is in progress, this waits for two seconds, since the
    setting may have just begun.

    Args:
        session: The session.
        target: The name of experiments.
        words: The start of a key, or conditions such as ``kernel=rbf``.
        results: The folder of ``--results``; None without this option.

    Raises:
        CommandError: When the words hold for no setting, or for several.
        StoreError: When nothing is recorded.
    """
    limit = time.monotonic() + _PATIENCE
    while True:
        running = find_running(session, target, words, results)
        if running is not None:
            return running
        try:
            return find_setting(session, target, words, results)
        except SuperparamsError:
            is_running = any(
                run.state == "running"
                for record in session.recorded_by_text(target, results)
                for run in _runs(record.root)
            )
            if not is_running or time.monotonic() > limit:
                raise
        time.sleep(_TICK)


def _runs(root: Path) -> Iterator[Run]:
    """The runs of an experiment that are in progress, oldest first."""
    runs = map(Run.of, run_folders(root))
    return (run for run in runs if run.state == "running")


def _matching(record: RecordedExperiment, run: Run, words: Sequence[str]) -> Iterator[RunningNow]:
    settings = running_settings(run.folder)
    if not settings:
        return
    try:
        table = selected(rows_of_running(run, settings), words, record.schema)
    except SuperparamsError:  # a condition on a result, which running settings do not have
        return
    indices = set(table.column("index").to_pylist())
    yield from (RunningNow(record, run, entry) for entry in settings if entry.index in indices)
