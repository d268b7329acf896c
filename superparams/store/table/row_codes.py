"""The code of each row, where the settings of one run have different codes."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import plain_scalar
from superparams.outcomes.columns import CODE
from superparams.store.table.arrow_arrays import flat

__all__ = ["code_places", "codes_of_ledger"]

_FORM = pa.dictionary(pa.int32(), pa.string())


def codes_of_ledger(rows: pa.Table, of_run: str | None) -> pa.Array:
    """The code of each row of a ledger; rows without a code have the code of the run."""
    run = plain_scalar(of_run, pa.string())
    if CODE not in rows.column_names:
        return pa.repeat(run, rows.num_rows)
    return pc.coalesce(flat(rows.column(CODE)), run)


def code_places(rows: Sequence[pa.Array]) -> tuple[pa.Array, list[str | None]]:
    """The place of each row's code in a list of codes, and that list.

    Args:
        rows: The codes of all rows, as texts in pieces.
    """
    pieces = [piece.dictionary_encode() for piece in rows]
    every = flat(pa.chunked_array(pieces, _FORM).unify_dictionaries())
    codes: list[str | None] = every.dictionary.to_pylist()
    return pc.fill_null(every.indices, plain_scalar(len(codes), pa.int32())), [*codes, None]
