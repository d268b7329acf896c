"""One row of results: a dict that people can read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from superparams.errors import StoreError
from superparams.errors.safe_text import line
from superparams.errors.short_repr import shorten
from superparams.errors.tables import Table, pair_lines

__all__ = ["Row", "key_given"]

OUTCOME_SHOWN = ("error", "seconds", "started", "run", "code")  # beside the status


class Row(dict[str, Any]):
    """A row: all columns by their names.

    Printed, also in a notebook, it shows the parameters, what ``run`` returned, and the outcome.
    Equal to a plain dict with the same entries.
    """

    def __init__(
        self,
        row: Mapping[str, object],
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


def key_given(method: str, row: object) -> str:
    """The key in the argument of a method of `Results`: a key, or a row that has one.

    Raises:
        StoreError: For anything else.
    """
    key = row["key"] if isinstance(row, dict) and "key" in row else row  # pyright: ignore
    if isinstance(key, str):
        return key
    raise StoreError(
        f"results.{method}({shorten(row)}) takes the key of a setting, as in "
        f"results.{method}(setting.place.key), or a row of the results, as in "
        f"results.{method}(results.best(...))"
    )
