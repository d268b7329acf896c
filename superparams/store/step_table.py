"""The table of steps: the rows that settings recorded while they ran, with their parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors import StoreError, safe_text
from superparams.errors.units import counted
from superparams.outcomes.arrow import metadata_of, plain_scalar, typed_values
from superparams.outcomes.step_batches import FIELD
from superparams.store.staleness.stale_rows import CurrentCode, stale_name
from superparams.store.table.column_order import PARAM
from superparams.store.table.filters import unknown_column
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.recorded_steps import NOTE, OWN, owners_of, steps_of_rows
from superparams.store.table.row import key_given
from superparams.store.table.schema import source_of
from superparams.store.table.whole_table import WholeTable, as_pandas, as_polars

__all__ = ["StepTable"]


class StepTable(WholeTable):
    """The steps of some rows of results: a row for each step, read on first use.

    Each has the parameters of its setting, the fields that the setting gave, and the columns
    ``step`` (its number in its attempt, from 1), ``seconds`` (since the attempt began),
    ``attempt``, ``key``, ``run`` and ``code``. Only steps of the attempt that made a row count. A
    parameter or a field with the name of one of these columns has a prefix, as in ``step.seconds``.

    Any library that reads Arrow accepts this object. ``results.steps(row)`` gives the steps of one
    setting.
    """

    def __init__(self, root: Path, rows: Rows, code: CurrentCode) -> None:
        """Use `Results.steps`.

        root: the folder of the experiment; rows: those of the results; code: the current code.
        """
        self._root = root
        self._rows = rows
        self._code = code

    def __call__(self, row: Mapping[str, object] | str) -> StepTable:
        """The steps of one setting.

        Args:
            row: A row of the results, or its key, or the beginning of its key.

        Raises:
            StoreError: When no setting, or more than one, has such a key.
        """
        key = key_given("steps", row)
        keys: list[str] = pc.unique(self._rows.columns("key").column(0)).to_pylist()
        matching = [candidate for candidate in keys if candidate.startswith(key)]
        if len(matching) != 1:
            what = f"{len(matching)} settings have" if matching else "no setting has"
            raise StoreError(f"{what} a key that begins with {key!r} among these results")
        matching_key = plain_scalar(matching[0], pa.string())
        rows = self._rows
        selected = rows.selected(lambda: pc.equal(rows.columns("key").column(0), matching_key))
        return StepTable(self._root, selected, self._code)

    def by_key(self) -> dict[str, list[dict[str, Any]]]:
        """The steps of each setting by its key, as the setting gave them: without other columns.

        The rows of a data frame, which were recorded at one moment, are one step: the last of them.
        """
        owners, steps = self._recorded
        keys: list[str] = owners.column("key").to_pylist()
        names = [name.removeprefix(FIELD) for name in steps.column_names[3:]]
        steps = steps.filter(_is_last_of_moment(steps))
        columns = [typed_values(steps.column(n), steps.field(n)) for n in range(3, len(names) + 3)]
        rows: list[dict[str, Any]] = [
            dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)
        ] or [{} for _ in range(steps.num_rows)]
        by_key: dict[str, list[dict[str, Any]]] = {}
        places: list[int] = steps.column("owner").to_pylist()
        for owner, row in zip(places, rows, strict=True):
            by_key.setdefault(keys[owner], []).append(row)
        return by_key

    @cached_property
    def _params(self) -> dict[str, pa.Field]:
        return {x.name: x for x in self._rows.schema if (source_of(x) or "").startswith(PARAM)}

    @cached_property
    def _recorded(self) -> tuple[pa.Table, pa.Table]:
        """The rows that steps belong to, and the steps; see `steps_of_rows`."""
        needed = [*self._params, "key", "run", "code", "index", "attempt", "n_steps"]
        owners = owners_of(self._rows.columns(*needed))
        return owners, steps_of_rows(self._root, owners)

    @cached_property
    def _table(self) -> pa.Table:
        params = self._params
        owners, steps = self._recorded
        place = steps.column("owner")
        recorded = list(steps.schema)[3:]
        fields = [*params.values(), *recorded]
        columns = [owners.column(name).take(place) for name in params]
        columns += [steps.column(field.name) for field in recorded]
        labels = _labels(params, [field.name for field in recorded])
        fields = [x.with_name(label) for x, label in zip(fields, labels, strict=True)]
        for name in OWN:
            own = steps.column(name) if name in steps.column_names else None
            columns.append(owners.column(name).take(place) if own is None else own)
            fields.append(pa.field(name, columns[-1].type))
        return pa.Table.from_arrays(columns, schema=pa.schema(fields))

    def to_arrow(self, *, stale: bool = False) -> pa.Table:
        """As a pyarrow.Table; stale=True adds a column that tells which rows other code made."""
        if not stale:
            return self._table
        return self._code.marked(self._table, stale_name(self._table.column_names))

    def to_pandas(self, *, stale: bool = False) -> Any:
        """As a pandas.DataFrame; see `to_arrow`."""
        return as_pandas(self.to_arrow(stale=stale))

    def to_polars(self, *, stale: bool = False) -> Any:
        """As a polars.DataFrame; see `to_arrow`."""
        return as_polars(self.to_arrow(stale=stale))

    @property
    def fields(self) -> list[str]:
        """The names of the columns that hold what settings recorded."""
        return self.columns[len(self._params) : -len(OWN)]

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on columns, as on those that hold values of several types."""
        fields = list(self._recorded[1].schema)
        found = (metadata_of(field).get(NOTE) for field in fields)
        return tuple(note.decode() for note in found if note)

    def column(self, name: str) -> pa.ChunkedArray:
        """The values of a column."""
        if name not in self.columns:
            raise StoreError(unknown_column(name, self.columns))
        return self._table.column(name)

    def __repr__(self) -> str:
        settings = counted(len(pc.unique(self._table.column("key"))), "setting")
        head = f"{counted(len(self), 'step')} of {settings}: {', '.join(self.fields)}"
        return "\n".join([head, *(f"note: {safe_text.line(note)}" for note in self.notes)])


def _is_last_of_moment(steps: pa.Table) -> pa.Array:
    """A mask of the steps after which another setting, or another moment, follows."""
    moments: list[Any] = list(
        zip(steps.column("owner").to_pylist(), steps.column("seconds").to_pylist(), strict=True)
    )
    following = [*moments[1:], None]
    last = [x != y for x, y in zip(moments, following[: len(moments)], strict=True)]
    return pa.array(last, pa.bool_())  # without the type, no steps would give null


def _labels(params: Iterable[str], fields: Iterable[str]) -> list[str]:
    """The names of the columns of parameters and of fields; no two are the same."""
    used: set[str] = set(OWN)
    labels: list[str] = []
    named = [(name, PARAM + name) for name in params]
    named += [(name.removeprefix(FIELD), name) for name in fields]
    for plain, whole in named:
        label = plain if plain and plain not in used else whole
        while label in used:
            label += "~"
        used.add(label)
        labels.append(label)
    return labels
