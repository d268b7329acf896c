"""The part of `Results` about the code that made rows: stale rows, changes, decisions, counts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from superparams.outcomes.batches import counts
from superparams.outcomes.outcome import STATUSES
from superparams.store.staleness.acceptances import Accepted
from superparams.store.staleness.stale_rows import Changes, CurrentCode, stale_name
from superparams.store.table.lazy_rows import Rows

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["RowsByCode"]


class RowsByCode:
    """Rows, some of which other code than the current one may have made."""

    _rows: Rows
    _current_code: CurrentCode
    _is_of_stale = False

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """The names of all columns."""

    @abstractmethod
    def column(self, name: str) -> pa.ChunkedArray:
        """The values of a column; other columns are not read."""

    @abstractmethod
    def _with(self, rows: Rows, current_code: CurrentCode | None = None) -> Self:
        """These results with other rows, or for another state of the code."""

    def _selected(self, selection: Callable[[], pa.Array | None]) -> Self:
        return self._with(self._rows.selected(selection))

    @property
    def stale(self) -> Self:
        """The rows that were made by other code; empty if the current code is not known."""
        if not self.is_code_known:
            return self._selected(lambda: pa.nulls(0, pa.int64()))
        return self._of_code(is_stale=True)

    def _of_code(self, *, is_stale: bool) -> Self:
        code = self._current_code
        _ = code.digest  # raises where it is not known
        is_wanted = code.is_stale if is_stale else code.is_current
        results = self._selected(lambda: is_wanted(self.column("code")))
        results._is_of_stale = is_stale
        return results

    @property
    def is_code_known(self) -> bool:
        """Whether the current code is known; not so after `load`, which reads only a folder."""
        return bool(self._current_code.codes)

    @property
    def stale_name(self) -> str:
        """The name of a column that says whether a row is stale: ``stale``, unless it is taken."""
        return stale_name(self.columns)

    def marked(self, rows: pa.Table) -> pa.Table:
        """Add `stale_name` to rows with the column `code`; nulls if the current code is unknown."""
        return self._current_code.marked(rows, self.stale_name)

    def changes(self) -> Changes:
        """The changes of code since stale rows were made, for each version that made stale rows.

        Printed, it names the functions, classes and constants that were changed, added or removed,
        with a unified diff of their text. Raises StoreError if the current code is not known; use
        `Class.results()` then.
        """
        return self._current_code.changes(self.stale._code_columns())

    def accept_stale(self, *codes: str, why: str = "") -> Self:
        """Accept the stale rows as results of the current code, and record this decision.

        Until the next change of the code, the rows are not stale and no run makes them again. The
        decision holds for all rows of the same code, also for rows that are not among these. Rows
        of unknown code stay stale.

        Args:
            codes: Fingerprints of code that made stale rows, or their beginnings; none for all.
            why: Recorded with the decision, with your name and the time.

        Returns:
            These rows with their new state.

        Raises:
            StoreError: For a code that made no stale rows.
        """
        stale = self.stale._code_columns()
        return self._with(self._rows, self._current_code.accept(stale, codes, why))

    @property
    def accepted(self) -> list[Accepted]:
        """The decisions for the current code that were not withdrawn.

        They are stored as lines of JSON in `accepted.jsonl` in the experiment's folder.
        """
        return self._current_code.accepted

    def withdraw(self, *codes: str, why: str = "") -> Self:
        """Take back decisions of `accept_stale`: rows of these codes are stale again."""
        return self._with(self._rows, self._current_code.withdraw(codes, why))

    def _code_columns(self) -> pa.Table:
        return self._rows.columns("code", "run", "row")

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of settings in each state, as `experiment status` counts them.

        The states are ``done`` (by the current code), ``stale`` (done by other code), ``failed``,
        ``killed`` and ``timeout``. If the current code is not known, ``done`` counts all code.
        """
        totals, stale = self.ended
        done = stale.get("done", 0)
        states = {**totals, "done": totals.get("done", 0) - done, "stale": done}
        return {name: states[name] for name in ("done", "stale", *STATUSES[1:]) if states.get(name)}

    @cached_property
    def ended(self) -> tuple[dict[str, int], dict[str, int]]:
        """How many settings ended in each status, and how many of these ran with other code."""
        if not self.is_code_known:
            return counts(self._rows.columns("status", "row")), {}
        rows = self._rows.columns("status", "row", "code")
        return counts(rows), counts(rows.filter(self._current_code.is_stale(rows.column("code"))))
