"""The last steps of the settings that a run has not ended yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from superparams.outcomes.step_batches import values_of_steps
from superparams.store.ledger.reader import ledger_files, read
from superparams.store.runs.folder import RunFolder
from superparams.store.table import text_columns

__all__ = ["LastStep", "running_steps"]


@dataclass(frozen=True)
class LastStep:
    """The last step that is recorded of a setting; `row` has its fields."""

    index: int
    key: str
    attempt: int
    step: int
    seconds: float
    row: dict[str, Any]


def running_steps(run: RunFolder) -> list[LastStep]:
    """The last step of each setting without an outcome in this run, in the order of the space."""
    if not ledger_files(run.steps):
        return []
    last: dict[int, tuple[tuple[int, int], pa.RecordBatch]] = {}
    for batch in read(run.steps, growing=True):
        names = ("index", "attempt", "step")
        columns = [batch.column(name).to_pylist() for name in names]
        for place, (index, *age) in enumerate(zip(*columns, strict=True)):
            if index not in last or last[index][0] < tuple(age):
                last[index] = (age[0], age[1]), batch.slice(place, 1)
    for batch in read(run.ledger, growing=True):
        for index in batch.column("index").to_pylist():
            last.pop(index, None)
    return [_of(last[index][1]) for index in sorted(last)]


def _of(batch: pa.RecordBatch) -> LastStep:
    own, row = values_of_steps(batch)[0]
    if text_columns.SPILLED in row:
        cells = text_columns.spilled_rows(batch)[0]
        row = {name.partition(".")[2]: cell["text"] for name, cell in cells.items()}
    return LastStep(own["index"], own["key"], own["attempt"], own["step"], own["seconds"], row)
