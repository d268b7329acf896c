"""Finds rows of a table that are new, or have changed since an older table."""

from __future__ import annotations

from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import plain_scalar
from superparams.store.table.arrow_arrays import flat

__all__ = ["RowMarks", "changed_places"]

_OF_ROW: Final = ("row", "run", "attempt", "status")


class RowMarks(NamedTuple):
    """The keys of the rows of a table, and for each row a text that differs for another outcome."""

    keys: pa.Array
    marks: pa.Array

    @classmethod
    def of(cls, rows: pa.Table, stale: str | None) -> RowMarks:
        """The marks of rows.

        Args:
            rows: The rows.
            stale: The column that tells which rows other code made.
        """
        names = [*_OF_ROW, *([] if stale is None else [stale])]
        parts = [pc.cast(rows.column(name), pa.string()) for name in names]
        parts = [pc.fill_null(x, plain_scalar("", pa.string())) for x in parts]
        keys = flat(rows.column("key"))
        marks = pc.binary_join_element_wise(keys, *parts, plain_scalar(" ", pa.string()))
        return cls(keys, flat(marks))


def changed_places(before: RowMarks, after: RowMarks) -> pa.Array | None:
    """The places in the later table of the rows whose settings have changed.

    If one row of a setting has changed, all rows of the setting are among them. None if the later
    table lacks a setting.
    """
    if not pc.all(pc.is_in(before.keys, value_set=after.keys)).as_py() and len(before.keys):
        return None
    is_new = pc.invert(pc.is_in(after.marks, value_set=before.marks))
    is_old = pc.invert(pc.is_in(before.marks, value_set=after.marks))
    keys = pa.concat_arrays([after.keys.filter(is_new), before.keys.filter(is_old)])
    return pc.indices_nonzero(pc.is_in(after.keys, value_set=keys))
