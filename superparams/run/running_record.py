"""Records which settings run now, for other processes; see `store.runs.running_settings`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from superparams.executor.engines.contract import Activity
from superparams.executor.engines.output_log import log_path
from superparams.outcomes.arrow import kind_of
from superparams.outcomes.batches import encode
from superparams.outcomes.ipc_streams import decode
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.running_settings import RunningSetting, forget_running, save_running
from superparams.store.table.column_order import PARAM
from superparams.store.table.text_columns import texts

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.outcomes.outcome import Status

__all__ = ["RunningRecord"]

_LONG: Final = 0.5  # seconds after which a setting is recorded
MOST: Final = 1000  # settings that are recorded, those that have run longest


@dataclass(frozen=True)
class _Attempt:
    """Identifies an attempt of a setting among all attempts of its run."""

    rank: int
    index: int
    attempt: int
    in_setup: bool
    log_start: int


@dataclass(frozen=True)
class _Identity:
    """The key and the parameters of a setting, and when its attempt began."""

    key: str
    params: dict[str, dict[str, str | None]]
    started: float


class RunningRecord:
    """A context in which `update` records what runs.

    Nothing is written for settings that end within half a second.

    Args:
        run: The folder of the run.
        program: Knows the settings by their index.
        activity: Returns what each worker does now.
    """

    def __init__(
        self, run: RunFolder, program: Program, activity: Callable[[], Sequence[Activity]]
    ) -> None:
        self._run = run
        self._program = program
        self._activity = activity
        self._identities: dict[_Attempt, _Identity | None] = {}
        self._written: list[RunningSetting] = []

    def __enter__(self) -> RunningRecord:
        return self

    def __exit__(self, *error: object) -> None:
        self._write([])

    def update(self) -> None:
        """Record which settings run now, if that has changed."""
        sizes = {attempt: self._log_size(attempt) for attempt in self._long_attempts()}
        # A log up to its size is certainly the output of a setting only if the setting still runs.
        running = self._long_attempts() if sizes else {}
        before, self._identities = self._identities, {}
        for attempt, seconds in running.items():
            if attempt in sizes:
                is_known = attempt in before
                identity = before[attempt] if is_known else self._identify(attempt, seconds)
                self._identities[attempt] = identity
        settings: list[RunningSetting] = []
        for attempt, facts in self._identities.items():
            if facts is not None:
                log_end = max(attempt.log_start, sizes[attempt])
                settings.append(RunningSetting(**vars(facts), **vars(attempt), log_end=log_end))
        self._write(settings)

    def _long_attempts(self) -> dict[_Attempt, float]:
        """The attempts that have been running for half a second or more, with their seconds."""
        try:
            activities = self._activity()
        except Exception:  # an error of an engine that somebody else wrote
            return {}
        long = [each for each in activities if each.index is not None and each.seconds > _LONG]
        if len(long) > MOST:
            long = sorted(long, key=lambda each: -each.seconds)[:MOST]
        return {
            _Attempt(
                each.rank, each.index, each.attempt, each.in_setup, each.log_start
            ): each.seconds
            for each in long
            if each.index is not None and each.log_start is not None
        }

    def _log_size(self, attempt: _Attempt) -> int:
        try:
            return log_path(self._run.path, attempt.rank).stat().st_size
        except OSError:
            return 0

    def _identify(self, attempt: _Attempt, seconds: float) -> _Identity | None:
        started = time.time() - seconds
        try:
            status = cast("Status", "running")  # it has no outcome yet
            outcome = self._program.outcome_of_lost(attempt.index, status=status)
            (batch,) = decode(encode([outcome]))
            return _Identity(outcome.key, _params(batch), started)
        except Exception:  # a repr or a derived field of the user's code fails
            return None

    def _write(self, settings: list[RunningSetting]) -> None:
        if settings == self._written:
            return
        with suppress(OSError):  # the disk is full; the run goes on
            if settings:
                save_running(self._run, settings)
            else:
                forget_running(self._run)
            self._written = settings


def _params(batch: Any) -> dict[str, dict[str, str | None]]:
    """The parameters of one row, by column."""
    params: dict[str, dict[str, str | None]] = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if field.name.startswith(PARAM):
            kind = kind_of(field)
            (text,) = texts(column, kind)
            cell = {"type": str(field.type), "kind": kind, "text": text}
            params[field.name.removeprefix(PARAM)] = cell
    return params
