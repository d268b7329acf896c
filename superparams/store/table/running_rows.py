"""Rows of settings that run now, with the columns of the table: conditions can select them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from superparams.errors import StoreError
from superparams.outcomes.arrow import plain_array
from superparams.store.json_values import shared_by_runs
from superparams.store.names.field_owners import FIELDS_OF, fields_from_json
from superparams.store.names.meanings import MEANINGS, names_from_json, names_to_head
from superparams.store.runs.run_records import Run
from superparams.store.runs.running_settings import RunningSetting
from superparams.store.table.arrow_arrays import flat
from superparams.store.table.column_order import ORDER_OF, PARAM, checked_order, in_order
from superparams.store.table.schema import Column, common_type, recast
from superparams.store.table.table_file import HEAD, OUTCOME
from superparams.store.table.text_columns import ColumnType, type_of, value_of

__all__ = ["rows_of_running"]

_Cell = tuple[pa.Array, ColumnType]


def rows_of_running(run: Run, settings: Sequence[RunningSetting]) -> pa.Table:
    """A row for each setting, with its parameters and the known part of its outcome.

    Args:
        run: The run.
        settings: The settings that it runs.

    Raises:
        StoreError: When a parameter cannot be read.
    """
    names = dict.fromkeys(name for setting in settings for name in setting.params)
    ordered = in_order([PARAM + name for name in names], checked_order(run.manifest.get(ORDER_OF)))
    fields: list[pa.Field] = []
    arrays: list[pa.Array] = []
    for source in ordered:
        name = source.removeprefix(PARAM)
        try:
            column, array = _column(
                source, [_cell(setting.params.get(name)) for setting in settings]
            )
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise StoreError(
                f"{run.folder.path}: {name!r} of a running setting cannot be read"
            ) from error
        fields.append(column.field)
        arrays.append(array)
    for name, form in OUTCOME.items():
        fields.append(pa.field(name, form))
        arrays.append(_outcome(name, form, run, settings))
    head = json.dumps(_head(run)).encode()
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={HEAD: head}))


def _cell(cell: Mapping[str, str | None] | None) -> _Cell | None:
    """A parameter and its type; None if it is null, or where the setting has none."""
    if cell is None or cell["text"] is None:
        return None
    return value_of(cell), type_of(cell)


def _column(source: str, cells: Sequence[_Cell | None]) -> tuple[Column, pa.Array]:
    values = [cell for cell in cells if cell is not None]
    form = common_type([own for _, own in values], values)
    null = pa.nulls(1, form.type)
    parts = [null if cell is None else recast(*cell, form) for cell in cells]
    plain = source.removeprefix(PARAM)
    label = source if plain in OUTCOME else plain
    return Column(source, label, form), flat(pa.chunked_array(parts, form.type))


def _outcome(
    name: str, form: pa.DataType, run: Run, settings: Sequence[RunningSetting]
) -> pa.Array:
    if name == "started":
        micros = plain_array([round(setting.started * 1e6) for setting in settings], pa.int64())
        return micros.cast(form)
    shared = {"status": "running", "run": run.name, "row": 0}
    if name in shared:
        return plain_array([shared[name]] * len(settings), form)
    return plain_array([getattr(setting, name, None) for setting in settings], form)


def _head(run: Run) -> dict[str, object]:
    """The metadata of the table, about the fields of this run."""
    fields = fields_from_json(run.manifest.get(FIELDS_OF))
    names = names_from_json(run.manifest.get(MEANINGS))
    return {
        "runs": {run.name: 0},
        FIELDS_OF: [] if fields is None else shared_by_runs({run.name: fields}, FIELDS_OF),
        MEANINGS: [] if names is None else names_to_head({run.name: names}),
    }
