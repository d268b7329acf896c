"""One row of results: a dict that people can read; and which row is the best."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from superparams.errors import StoreError
from superparams.errors.safe_text import line
from superparams.errors.tables import Table, pair_lines
from superparams.outcomes.arrow import python_values

__all__ = ["Row", "best_place"]

OUTCOME_SHOWN = ("error", "seconds", "started", "run", "code")  # beside the status


class Row(dict[str, Any]):
    """A row: all columns by their names.

    Printed, also in a notebook, it shows the parameters, what ``run`` returned, and the outcome.
    Equal to a plain dict with the same entries.
    """

    def __init__(
        self,
        row: Mapping[str, Any],
        *,
        params: Sequence[str] = (),
        results: Sequence[str] = (),
        is_stale: bool | None = None,
        nones: Collection[str] = (),
    ) -> None:
        """A row of a table.

        Args:
            row: Its cells.
            params: The names of the columns that hold parameters.
            results: The names of the columns that hold what ``run`` returned.
            is_stale: Whether other code made it; None when that is not known.
            nones: The parameters that are None. Others without a value are not known, or the
                setting has no such field.
        """
        super().__init__(row)
        self._params = tuple(params)
        self._results = tuple(results)
        self._is_stale = is_stale
        self._nones = frozenset(nones)

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    def __repr__(self) -> str:
        pairs = [(line(name), line(text)) for name, text in self._pairs()]
        return "\n".join([line(self._head()), *pair_lines(pairs)])

    def _repr_html_(self) -> str:
        return Table(("field", "value"), list(self._pairs()), title=self._head()).html()

    def _head(self) -> str:
        from superparams.views.result_tables import KEY

        stale = ", by other code" if self._is_stale else ""
        return f"{str(self.get('key'))[:KEY]}: {self.get('status')}{stale}"

    def _pairs(self) -> Iterator[tuple[str, str]]:
        from superparams.views.result_tables import full

        for name in (*self._params, *self._results, *OUTCOME_SHOWN):
            if self.get(name) is not None:
                yield name, full(name, self[name])
            elif name in self._nones:
                yield name, "None"


def best_place(
    path: Path, name: str, column: pa.ChunkedArray, mode: str, is_stale: pa.ChunkedArray | None
) -> int:
    """The place of the largest (mode ``"max"``) or smallest (``"min"``) value of a column.

    Args:
        path: The file that holds it, for messages.
        name: Its name.
        column: Its values; NaN and null do not count.
        mode: Which of the two.
        is_stale: Which rows do not count since other code made them; None for no such rows.

    Raises:
        StoreError: When no row has a value, when values have no order, and for any other mode.
    """
    if mode not in ("max", "min"):
        raise StoreError(f"best(mode={mode!r}): mode is 'max' or 'min'")
    values = python_values(column)
    places = [place for place, x in enumerate(values) if x is not None and x == x]
    stale: list[bool] = [] if is_stale is None else is_stale.to_pylist()
    current = [place for place in places if not stale[place]] if stale else places
    if not current:
        others = _other_code_message(len(places)) if places else ""
        raise StoreError(f"no row of {path} has a value of {name!r}{others}")
    try:
        return (max if mode == "max" else min)(current, key=values.__getitem__)
    except TypeError as error:
        raise StoreError(f"the values of {name!r} have no order: {error}") from error


def _other_code_message(rows: int) -> str:
    have = "1 row of other code has" if rows == 1 else f"{rows:,} rows of other code have"
    return (
        f" that the code made as it is now; {have}: take best(..., stale=True), run the "
        "experiment again, or accept_stale()"
    )
