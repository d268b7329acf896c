"""Outcomes as Arrow IPC streams, of which the ledger is made.

The first columns are `LEDGER_COLUMNS`, then come `param.<name>` and `result.<name>`. Nested values
have dotted names (`result.a.b`).
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from superparams.adapters.content import items_of
from superparams.outcomes.arrow import (
    Cell,
    cell_or_repr,
    flatten,
    plain_array,
    plain_scalar,
    text,
    typed_values,
)
from superparams.outcomes.cell_rows import (
    arrays_of_cells,
    frame_columns,
    groups_of_one_type,
    plain_arrays,
    recorded_cell,
)
from superparams.outcomes.columns import CODE, LEDGER_COLUMNS
from superparams.outcomes.ipc_streams import encode_batch
from superparams.outcomes.outcome import (
    Columns,
    Outcome,
    OwnColumn,
    Part,
    Repeated,
    own_columns,
    parts,
)
from superparams.outcomes.result_copies import Refused
from superparams.outcomes.step_batches import encode_steps

# The columns of outcomes in ledgers, by name.
META: dict[str, Any] = {
    column.name: pa.type_for_alias(column.ledger_type or column.type) for column in LEDGER_COLUMNS
}
_META_FIELDS = [pa.field(name, form) for name, form in META.items()]
_CODE_FIELD = pa.field(CODE, pa.string())


def encode(outcomes: Sequence[Outcome]) -> bytes:
    """Outcomes as Arrow IPC streams, one after another in the same bytes.

    Rows whose columns differ in type go into separate streams, and so do the steps of outcomes that
    have some. Never raises for what a setting returned: a result that no table can hold makes that
    outcome `failed`, with an error that names the result and the key.
    """
    data = encode_parts(parts(outcomes))
    if any(outcome.steps for outcome in outcomes):
        data += encode_steps([step for outcome in outcomes for step in outcome.steps or ()])
    return data


def encode_parts(outcome_parts: Iterable[Part]) -> bytes:
    """As `encode`, of what `superparams.outcomes.outcome.parts` made."""
    return b"".join(encode_batch(batch) for part in outcome_parts for batch in _encoded(part))


def _encoded(part: Part) -> Iterator[pa.RecordBatch]:
    batch = _plain_batch(part) if isinstance(part, Columns) else None
    if batch is None:
        yield from _batches(part.rows() if isinstance(part, Columns) else part)
    else:
        yield batch


def warm_up() -> None:
    """Load what Arrow loads when it first meets a list: pandas, where that is installed.

    Before threads start, since two that meet it at once find half of it, and before workers are
    forked, since each would load it.
    """
    pa.array([0])


def counts(rows: pa.RecordBatch | pa.Table) -> dict[str, int]:
    """How many settings ended in which status; one whose frame has many rows counts once."""
    import pyarrow.compute as pc  # for the driver: a worker that encodes has no use for it

    is_first = pc.equal(rows.column("row"), plain_scalar(0, META["row"]))
    status_counts = rows.column("status").filter(is_first).value_counts().to_pylist()
    return {entry["values"]: entry["counts"] for entry in status_counts}


def seconds(rows: pa.RecordBatch) -> tuple[int, float, float]:
    """How many settings ended, how long they took together, and the longest of them."""
    import pyarrow.compute as pc  # as in `counts`

    column = rows.column("seconds")
    if pc.max(rows.column("row")).as_py():  # a frame of many rows has its seconds on each of them
        column = column.filter(pc.equal(rows.column("row"), plain_scalar(0, META["row"])))
    return len(column), pc.sum(column).as_py() or 0.0, pc.max(column).as_py() or 0.0


def values_of(batch: pa.RecordBatch, column: str) -> list[Any]:
    """The values of a result, or of another column, in a batch; none where it has no such column.

    Args:
        batch: Outcomes.
        column: The name, as in the table.
    """
    names = [name for name in (f"result.{column}", column) if name in batch.schema.names]
    return typed_values(batch.column(names[0]), batch.schema.field(names[0])) if names else []


class Returned:
    """How many settings of a run returned nothing, although a result was to be expected.

    Args:
        cls: The experiment; the annotation of its ``run`` may promise a result.
    """

    def __init__(self, cls: type[Any]) -> None:
        self._cls = cls
        self._done = 0
        self._empty = 0

    def add(self, batch: pa.RecordBatch, done: int) -> None:
        """Count the outcomes of a batch, of which `done` ended well."""
        self._done += done
        names = [name for name in batch.schema.names if name.startswith("result.")]
        columns = [batch.column(name) for name in names]
        if done and not any(column.null_count == 0 for column in columns):
            import pyarrow.compute as pc

            is_empty = pc.and_(
                pc.equal(batch.column("status"), plain_scalar("done", META["status"])),
                pc.equal(batch.column("row"), plain_scalar(0, META["row"])),
            )
            for column in columns:
                is_empty = pc.and_(is_empty, pc.is_null(column))
            self._empty += is_empty.true_count

    @property
    def notes(self) -> list[str]:
        """What to tell of them: one note, or none."""
        promise = _promise(self._cls)
        is_mixed = promise is None and self._empty < self._done
        if not self._empty or not (promise or is_mixed):
            return []
        why = f"its annotation promises {promise}" if promise else "others returned one"
        return [
            f"{self._cls.__name__}.run() gave no result for {self._empty:,} of {self._done:,} "
            f"settings, and {why}: is a return missing? Annotate it -> None, or dict | None, where "
            f"that is meant"
        ]


def _promise(cls: type[Any]) -> str | None:
    """What the annotation of ``run`` promises; nothing where it allows None, None without one."""
    function = inspect.unwrap(cls.run)
    try:
        annotations: Mapping[str, Any] = function.__annotations__
    except Exception:  # Python 3.14 looks names up now, and some are for type checkers alone
        return None
    if "return" not in annotations:
        return None
    written = annotations["return"]
    text = written if isinstance(written, str) else inspect.formatannotation(written)
    is_union = re.match(r"(\w+\.)*(Optional|Union|Annotated)\[", text)
    outside = text if is_union else re.sub(r"\[.*\]", "", text)
    if re.search(r"\b(Any|object)\b", outside):
        return None
    return "" if re.search(r"\b(None|NoneType|Optional|NoReturn|Never)\b", outside) else text


def _schema(own: Mapping[str, object], fields: Sequence[pa.Field]) -> Any:
    return pa.schema([*_META_FIELDS, *([_CODE_FIELD] if CODE in own else []), *fields])


# ---- the fast path: every outcome has the same names, every column one plain scalar type


def _plain_batch(columns: Columns) -> pa.RecordBatch | None:
    named = (
        (prefix + name, values)
        for prefix, part in (("param.", columns.params), ("result.", columns.results))
        for name, values in part.items()
    )
    arrays = plain_arrays(named)
    if arrays is None:
        return None
    try:
        fields = [pa.field(name, array.type) for name, array in arrays.items()]
        schema = _schema(columns.own, fields)
        return pa.record_batch([*_meta(columns.own), *arrays.values()], schema=schema)
    except (OverflowError, ValueError, TypeError, NotImplementedError):
        return None  # a name with a lone surrogate


def _meta(own: Mapping[str, OwnColumn]) -> list[pa.Array]:
    """The arrays of `META`, and of codes; an outcome is one row here, its first."""
    columns = {**own, "row": Repeated(0, len(own["index"]))}
    arrays = [_meta_array(name, columns[name], META[name]) for name in META]
    return [*arrays, _meta_array(CODE, own[CODE], _CODE_FIELD.type)] if CODE in own else arrays


def _meta_array(name: str, values: OwnColumn, form: pa.DataType) -> pa.Array:
    if isinstance(values, Repeated):
        if values.value is None:
            return pa.nulls(values.size, form)
        return pa.repeat(_meta_array(name, [values.value], form)[0], values.size)
    if name in ("error", "traceback"):
        values = [None if value is None else text(value).value for value in values]
    return plain_array(values, form)


# ---- the general path


@dataclass(slots=True)
class _Row:
    """One outcome with the cells of its columns."""

    outcome: Outcome
    cells: dict[str, Cell]


def _batches(outcomes: Sequence[Outcome]) -> Iterator[pa.RecordBatch]:
    rows: list[_Row] = []
    for outcome in outcomes:
        params = _param_cells(outcome.params)
        if _is_frame(outcome.result):
            batch = _frame_batch(outcome, params)
            if isinstance(batch, Outcome):
                rows.append(_Row(batch, params))
            else:
                yield batch
        else:
            rows.append(_row(outcome, params))
    for places in groups_of_one_type([row.cells for row in rows]):
        yield _batch([rows[place] for place in places])


def _param_cells(params: Mapping[str, object]) -> dict[str, Cell]:
    return {f"param.{name}": cell_or_repr(value) for name, value in flatten(params).items()}


def _row(outcome: Outcome, params: dict[str, Cell]) -> _Row:
    if outcome.result is None:
        return _Row(outcome, params)
    if isinstance(outcome.result, Refused):
        return _Row(_refused(outcome, outcome.result.why), params)
    values = items_of(outcome.result)
    if values is None:
        kind = type(outcome.result).__qualname__
        return _Row(
            _refused(outcome, f"run() returned a {kind}; return a dict, None or a data frame"),
            params,
        )
    name: Any = ""
    try:
        cells: dict[str, Cell] = {}
        for name, value in flatten(values).items():
            cells[f"result.{name}"] = recorded_cell(value)
    except Exception as error:  # whatever a foreign object's methods raise
        remedy = "return numbers, text, dates, arrays or a repr of it, or save it in self.folder"
        return _Row(_refused(outcome, f"result {name!r}: {error}; {remedy}"), params)
    return _Row(outcome, params | cells)


def _refused(outcome: Outcome, why: str) -> Outcome:
    """The outcome of a setting that ran, but whose result no table can hold."""
    error = f"TypeError: setting {outcome.key}: {why}"
    return dataclasses.replace(outcome, status="failed", result=None, error=error)


def _batch(rows: Sequence[_Row]) -> pa.RecordBatch:
    fields, arrays = arrays_of_cells([row.cells for row in rows])
    own = own_columns([row.outcome for row in rows])
    return pa.record_batch([*_meta(own), *arrays], schema=_schema(own, fields))


# ---- frames: many rows of one setting


def _is_frame(result: object) -> bool:
    return hasattr(result, "__arrow_c_stream__")


def _frame_batch(outcome: Outcome, params: dict[str, Cell]) -> pa.RecordBatch | Outcome:
    try:
        return _repeated(outcome, params, *frame_columns(outcome.result, "result."))
    except Exception as error:  # whatever a foreign frame's methods raise
        return _refused(
            outcome, f"the data frame that run() returned: {type(error).__name__}: {error}"
        )


def _repeated(
    outcome: Outcome,
    params: dict[str, Cell],
    fields: list[pa.Field],
    columns: list[pa.Array],
    size: int,
) -> pa.RecordBatch:
    row = _batch([_Row(outcome, params)])
    if size == 0:  # a frame without rows is still a setting that is done
        columns = [pa.nulls(1, column.type) for column in columns]
        size = 1
    arrays = [pa.repeat(column[0], size) if len(column) else column for column in row.columns]
    arrays[row.schema.names.index("row")] = plain_array(list(range(size)), META["row"])
    schema = pa.schema([*row.schema, *fields])
    return pa.record_batch([*arrays, *columns], schema=schema)
