"""The steps of the settings that a run has not ended yet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import plain_array
from superparams.outcomes.step_batches import values_of_steps
from superparams.store.ledger.reader import Entry, ledger_files, read_file
from superparams.store.runs.folder import RunFolder
from superparams.store.table import text_columns
from superparams.store.table.recorded_steps import (
    StepBatch,
    steps_in_order,
    steps_of_settings,
)

__all__ = ["LastStep", "RunningSteps", "running_steps"]

_MANY: Final = 64  # batches, after which those of one schema are joined
_RECENT: Final = 5.0  # seconds for which ended settings are known


@dataclass(frozen=True)
class LastStep:
    """The last recorded step of a setting; `row` has its fields."""

    index: int
    key: str
    attempt: int
    step: int
    seconds: float
    row: dict[str, Any]


def running_steps(run: RunFolder) -> list[LastStep]:
    """The last step of each setting without an outcome in this run, in the order of the space."""
    steps = RunningSteps(run)
    if ledger_files(run.steps):
        steps.update()
    return steps.last


class RunningSteps:
    """The steps of the settings without an outcome in a run; the records are read as they grow."""

    def __init__(self, run: RunFolder) -> None:
        """Take a run. `update` reads its records."""
        self._run = run
        self._ends: dict[Path, int] = {}  # the offset up to which each file was read
        self._batches: list[StepBatch] = []
        self._last: dict[int, LastStep] = {}
        self._ended: list[tuple[float, set[int]]] = []  # times of reading outcomes, and settings

    @property
    def last(self) -> list[LastStep]:
        """The last step of each setting, in the order of the space."""
        return [self._last[index] for index in sorted(self._last)]

    def update(self) -> bool:
        """Read the new records; returns whether there were any."""
        # Outcomes first: the steps of a setting are recorded before its outcome.
        index_arrays = [entry.batch.column("index") for entry in self._recorded(self._run.ledger)]
        new = sorted(self._recorded(self._run.steps), key=lambda entry: entry.seq)
        for entry in new:
            self._take(entry.batch)
        self._batches += map(steps_in_order, new)
        now = time.monotonic()
        self._ended = [
            (read_time, indices) for read_time, indices in self._ended if now - read_time < _RECENT
        ]
        if index_arrays:
            indices = pa.concat_arrays(index_arrays)
            self._ended.append((now, set(indices.to_pylist())))
            self._leave_out(indices)
        if len(self._batches) > _MANY:
            self._batches = _joined(self._batches)
        return bool(index_arrays or new)

    def has_ended(self, index: int) -> bool:
        """Whether the outcome of a setting was recorded in the last seconds."""
        return any(index in indices for _, indices in self._ended)

    def _recorded(self, folder: Path) -> Iterator[Entry]:
        for path in ledger_files(folder):
            for entry in read_file(path, growing=True, start=self._ends.get(path, 0)):
                self._ends[path] = entry.offset + entry.size
                yield entry

    def _take(self, batch: pa.RecordBatch) -> None:
        """Note the last step of each setting in new steps; an earlier attempt may be superseded."""
        columns = [batch.column(name).to_pylist() for name in ("index", "attempt")]
        newest: dict[int, tuple[int, int]] = {}
        for place, (index, attempt) in enumerate(zip(*columns, strict=True)):
            newest[index] = max(newest.get(index, (0, 0)), (attempt, place))
        for index, (attempt, place) in newest.items():
            newest_step = self._last.get(index)
            if newest_step is None or newest_step.attempt <= attempt:
                self._last[index] = _last_step(batch.slice(place, 1))

    def _leave_out(self, indices: pa.Array) -> None:
        """Leave out settings that have ended."""
        left = [_without(batch, indices) for batch in self._batches]
        self._batches = [steps for steps in left if steps.batch.num_rows]
        for index in indices.to_pylist():
            self._last.pop(index, None)

    def table(self) -> pa.Table:
        """The steps of these settings in their newest attempts: `owner` is a place in `last`.

        The other columns are those of `steps_of_settings`.
        """
        last = self.last
        owners = {
            "index": plain_array([step.index for step in last], pa.int64()),
            "attempt": plain_array([step.attempt for step in last], pa.int64()),
            "n_steps": plain_array([step.step for step in last], pa.int64()),
        }
        return steps_of_settings(self._batches, pa.table(owners))


def _without(steps: StepBatch, indices: pa.Array) -> StepBatch:
    is_left = pc.invert(pc.is_in(steps.batch.column("index"), value_set=indices))
    return StepBatch(steps.order.filter(is_left), steps.batch.filter(is_left))


def _joined(every: list[StepBatch]) -> list[StepBatch]:
    """The same steps in few batches, one for each schema."""
    by_schema: list[list[StepBatch]] = []
    for steps in every:
        same = next((x for x in by_schema if x[0].batch.schema.equals(steps.batch.schema)), None)
        if same is None:
            by_schema.append([steps])
        else:
            same.append(steps)
    return [
        StepBatch(
            pa.concat_arrays([batch.order for batch in same]),
            pa.Table.from_batches([batch.batch for batch in same]).combine_chunks().to_batches()[0],
        )
        for same in by_schema
    ]


def _last_step(batch: pa.RecordBatch) -> LastStep:
    own, row = values_of_steps(batch)[0]
    if text_columns.SPILLED in row:
        cells = text_columns.spilled_rows(batch)[0]
        row = {name.partition(".")[2]: cell["text"] for name, cell in cells.items()}
    return LastStep(own["index"], own["key"], own["attempt"], own["step"], own["seconds"], row)
