"""Rows of earlier code: which are stale, how the code has changed, and what a user accepted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors import StoreError
from superparams.errors.units import counted
from superparams.identity.code.code_diff import Change, changes_between
from superparams.identity.code.fingerprint import Code
from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.store.runs.folder import run_folders
from superparams.store.runs.recorded_codes import held_by_code, parts_of_others
from superparams.store.runs.run_records import Run
from superparams.store.staleness.acceptances import (
    Accepted,
    accept,
    accepted_for,
    decisions,
    equivalent,
    withdraw,
)
from superparams.store.staleness.current_codes import CurrentCodes

__all__ = ["Changes", "CodeChange", "CurrentCode", "stale_name"]


@dataclass(frozen=True)
class CodeChange:
    """How one earlier version of the code differs from the current code.

    Attributes:
        code: The fingerprint of that version; None if it is not known.
        settings: The number of settings that it ran.
        alternatives: The alternatives that these settings hold; empty if all settings of a run
            have one code.
        runs: The names of its runs, oldest first.
        parts: The functions, classes and constants that differ; None if they were not kept.
    """

    code: str | None
    settings: int
    runs: tuple[str, ...]
    parts: tuple[Change, ...] | None
    alternatives: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """The settings in words: ``4 settings with Svm``."""
        names = ", ".join(name.rpartition(".")[2] for name in self.alternatives)
        return f"{counted(self.settings, 'setting')}{names and f' with {names}'}"

    @property
    def diff(self) -> str:
        """One unified diff of all that differs."""
        return "\n".join(part.diff for part in self.parts or () if part.diff)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        more = f" and {len(self.runs) - 1:,} more" if len(self.runs) > 1 else ""
        yield f"{self.what} by the code {self.code or 'of which nothing is kept'}"
        yield f"in run {self.runs[-1]}{more}:" if self.runs else "in no run that is kept:"
        for part in self.parts or ():
            yield f"  {part}{'' if part.diff else ' (its text is the same, or was not kept)'}"
        if self.parts is None:
            yield "  its text is no longer kept"
        yield from [self.diff] if self.diff else []


class Changes(tuple[CodeChange, ...]):
    """How each version of the code that made stale rows differs from the current code.

    Readable when printed.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n\n".join(map(str, self)) if self else "nothing is stale"

    def __str__(self) -> str:
        return repr(self)

    @property
    def diff(self) -> str:
        """The unified diffs of all versions."""
        return "\n".join(change.diff for change in self if change.diff)


@dataclass(frozen=True)
class CurrentCode:
    """The present code, if it is known.

    Attributes:
        root: The folder of the experiment.
        codes: The fingerprint of the code, then those of all code that was accepted for it; empty
            when it is not known.
        code: The code itself.
    """

    root: Path
    codes: tuple[str, ...] = ()
    code: Code | None = None

    @classmethod
    def of(cls, root: Path, codes: Sequence[str], code: Code | None) -> CurrentCode:
        """The current code; without `codes`, they follow from the decisions recorded in `root`."""
        if code is not None and not codes:
            codes = CurrentCodes(root, code).codes
        return cls(root, tuple(codes), code)

    def is_stale(self, codes: pa.ChunkedArray) -> pa.ChunkedArray:
        """Whether other code made each row, by the fingerprints of their codes."""
        return pc.invert(self.is_current(codes))

    def is_current(self, codes: pa.ChunkedArray) -> pa.ChunkedArray:
        """Whether this code made each row, or code that was accepted for it."""
        return pc.is_in(codes, plain_array(list(self.codes), pa.string()))

    def marked(self, rows: pa.Table, name: str) -> pa.Table:
        """Rows with one more column, which says whether each is stale; nulls where unknown."""
        if not self.codes:
            return rows.append_column(name, pa.nulls(rows.num_rows, pa.bool_()))
        return rows.append_column(name, self.is_stale(rows.column("code")))

    @property
    def accepted(self) -> list[Accepted]:
        """The decisions for this code; all of them when it is not known."""
        if self.code is not None:
            return CurrentCodes(self.root, self.code).accepted
        return accepted_for(self.root, self.codes[0]) if self.codes else decisions(self.root)

    def changes(self, stale: pa.Table) -> Changes:
        """What changed since rows were made.

        Args:
            stale: The columns `code`, `run` and `row` of stale rows.
        """
        if self.code is None:
            raise self._unknown()
        firsts = stale.filter(pc.equal(stale.column("row"), plain_scalar(0, pa.int64())))
        folders = {run.name: run for run in run_folders(self.root)}
        return Changes(
            self._change(
                code,
                sum(settings.values()),
                [Run.of(folders[name]) for name in sorted(settings) if name in folders],
            )
            for code, settings in _settings_by_code(firsts).items()
        )

    def _change(self, code: str | None, settings: int, runs: list[Run]) -> CodeChange:
        newest = [run for run in reversed(runs) if run.parts]
        # A run that was killed early has not kept the text yet.
        run = next((run for run in newest if run.texts), newest[0] if newest else None)
        names = tuple(run.name for run in runs)
        if run is None or code is None or self.code is None:
            return CodeChange(code, settings, names, None)
        held, others = held_by_code(run.manifest).get(code), parts_of_others(run.manifest, code)
        then = {name: part for name, part in run.parts.items() if name not in others}
        now = self.code.parts_of(held)
        parts = tuple(changes_between(then, now, run.texts, self.code.source))
        return CodeChange(code, settings, names, parts, held or ())

    def accept(self, stale: pa.Table, beginnings: Sequence[str], why: str) -> CurrentCode:
        """Record that codes of stale rows are valid for this code.

        Args:
            stale: The columns `code`, `run` and `row` of stale rows.
            beginnings: How the fingerprints of the codes begin; none for all codes.
            why: The reason.
        """
        digest = self.digest
        parts: dict[str | None, Sequence[Change]] = {}
        if self.code is not None and self.code.edited:
            raise StoreError(
                f"{', '.join(self.code.edited)} changed on disk after this process imported it, so "
                "that the code now is that of no file: start Python again, and accept then"
            )
        if self.code is not None:
            parts = {change.code: change.parts or () for change in self.changes(stale)}
        codes: list[str | None] = stale.column("code").unique().to_pylist()
        current = None if self.code is None else CurrentCodes(self.root, self.code)
        for old in _chosen(beginnings, [x for x in codes if x], "made a stale row", why):
            new = digest if current is None else current.now(old)
            accept(self.root, old, new, why=why, what=list(map(str, parts.get(old, ()))))
        return self._after_decisions()

    def withdraw(self, beginnings: Sequence[str], why: str) -> CurrentCode:
        """Record that accepted codes are no longer valid for this code; see `accept`."""
        _ = self.digest  # raises where it is not known
        accepted = self.accepted
        codes = _chosen(beginnings, [decision.old for decision in accepted], "is accepted", why)
        for decision in accepted:
            if decision.old in codes:
                withdraw(self.root, decision.old, decision.new, why=why)
        return self._after_decisions()

    def _after_decisions(self) -> CurrentCode:
        codes = () if self.code is not None else tuple(equivalent(self.root, self.digest))
        return CurrentCode.of(self.root, codes, self.code)

    @property
    def digest(self) -> str:
        """The fingerprint of the code. Raises StoreError when it is not known."""
        if not self.codes:
            raise self._unknown()
        return self.codes[0]

    def _unknown(self) -> StoreError:
        return StoreError(
            f"results that were loaded from {self.root} alone do not know the current code: "
            "take those of the class, Class.results(), or what run_all() returned"
        )


def _settings_by_code(rows: pa.Table) -> dict[str | None, dict[str, int]]:
    """The number of rows of each run and code, in the order of the table."""
    codes, runs = rows.column("code"), rows.column("run")
    different = codes.unique()
    settings: dict[str | None, dict[str, int]] = {}
    for place, code in enumerate(different.to_pylist()):  # `group_by` of Arrow loads pandas
        runs_of_code = runs.filter(pc.is_in(codes, value_set=different.slice(place, 1)))
        counts = runs_of_code.value_counts().to_pylist()
        settings[code] = {x["values"]: x["counts"] for x in counts}
    return settings


def _chosen(beginnings: Sequence[str], codes: Sequence[str], what: str, why: str) -> list[str]:
    """The codes with one of these beginnings; all codes if no beginning is given."""
    for beginning in beginnings:
        if not beginning or not any(code.startswith(beginning) for code in codes):
            hint = "" if why else "; a reason is given by name, why=..."
            raise StoreError(f"no code that begins with {beginning!r} {what}{hint}")
    return [code for code in codes if not beginnings or code.startswith(tuple(beginnings))]


def stale_name(names: Sequence[str]) -> str:
    """The name of a column that says whether rows are stale, beside columns of these names."""
    name = "stale"
    while name in names:
        name += "~"
    return name
