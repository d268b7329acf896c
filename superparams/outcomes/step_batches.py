"""Steps as Arrow IPC streams: the columns of `STEP_COLUMNS`, then `step.<name>` for their fields.

A mark in the metadata of each schema tells these streams from those of outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import pyarrow as pa

from superparams.outcomes.arrow import Cell, cell_or_repr, flatten, plain_array, python_values
from superparams.outcomes.cell_rows import (
    CellRow,
    arrays_of_cells,
    frame_columns,
    groups_of_one_type,
    plain_arrays,
    recorded_cell,
)
from superparams.outcomes.columns import STEP_COLUMNS
from superparams.outcomes.ipc_streams import encode_batch
from superparams.outcomes.step import Step, StepColumns, dict_of, step_parts

FIELD: Final = "step."  # the beginning of the columns of fields
STEPS_KEY: Final = b"superparams.steps"
# The columns of steps by name.
STEP_META: dict[str, Any] = {column.name: pa.type_for_alias(column.type) for column in STEP_COLUMNS}
_HEAD = {STEPS_KEY: b"1"}
_META_FIELDS = [pa.field(name, form) for name, form in STEP_META.items()]


def encode_steps(steps: Sequence[Step]) -> bytes:
    """Steps as Arrow IPC streams; never raises for what a setting recorded."""
    return encode_step_parts(step_parts(steps))


def encode_step_parts(parts: Iterable[StepColumns | Step]) -> bytes:
    """As `encode_steps`, of what `superparams.outcomes.step.step_parts` made."""
    return b"".join(encode_batch(batch) for part in parts for batch in _batches(part))


def is_of_steps(schema: pa.Schema) -> bool:
    """Whether a schema is one of steps, not of outcomes."""
    return STEPS_KEY in (schema.metadata or ())


def _batches(part: StepColumns | Step) -> Iterator[pa.RecordBatch]:
    if isinstance(part, Step):
        yield _of_one(part)
        return
    arrays = plain_arrays((FIELD + name, values) for name, values in part.fields.items())
    if arrays is not None:
        with suppress(ValueError):  # a name with a lone surrogate
            fields = [pa.field(name, array.type) for name, array in arrays.items()]
            yield _batch(part.own, fields, list(arrays.values()))
            return
    names = list(part.fields)
    rows = [
        _cells(dict(zip(names, values, strict=True)))
        for values in zip(*part.fields.values(), strict=True)
    ]
    for places in groups_of_one_type(rows):
        own = {name: [values[place] for place in places] for name, values in part.own.items()}
        yield _batch(own, *arrays_of_cells([rows[place] for place in places]))


def _batch(
    own: Mapping[str, list[Any]], fields: list[pa.Field], arrays: list[pa.Array]
) -> pa.RecordBatch:
    meta = [plain_array(own[name], form) for name, form in STEP_META.items()]
    schema = pa.schema([*_META_FIELDS, *fields], metadata=_HEAD)
    return pa.record_batch([*meta, *arrays], schema=schema)


def _of_one(step: Step) -> pa.RecordBatch:
    """A step whose names are no plain text, or a data frame, each row of which is a step."""
    row = dict_of(step.row)
    if row is not None:
        return _batch(_columns_of_step(step, 1), *arrays_of_cells([_cells(row)]))
    fields, arrays, size = frame_columns(step.row, FIELD)
    return _batch(_columns_of_step(step, size), fields, arrays)


def _columns_of_step(step: Step, size: int) -> dict[str, list[Any]]:
    return {
        "key": [step.key] * size,
        "index": [step.index] * size,
        "attempt": [step.attempt] * size,
        "step": list(range(step.step, step.step + size)),
        "seconds": [step.seconds] * size,
    }


def _cells(row: Mapping[Any, object]) -> CellRow:
    return {FIELD + name: _cell(value) for name, value in flatten(row).items()}


def _cell(value: object) -> Cell:
    try:
        return recorded_cell(value)
    except Exception:  # whatever a foreign object's methods raise; `recorded_row` refused the rest
        return cell_or_repr(value)


def values_of_steps(batch: pa.RecordBatch) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The steps of a batch as values of Python: the columns of every step, and the fields."""
    names: list[str] = batch.schema.names
    rows = zip(*map(python_values, batch.columns), strict=True)
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for row in rows:
        values = dict(zip(names, row, strict=True))
        own = {name: values[name] for name in STEP_META}
        steps.append((own, {n.removeprefix(FIELD): x for n, x in values.items() if n not in own}))
    return steps
