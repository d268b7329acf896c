"""The code as it is now beside the code that made rows: which are stale, and what to do of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors import StoreError
from superparams.identity.code.fingerprint import Code
from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.store.runs.folder import run_folders
from superparams.store.staleness.acceptances import (
    Accepted,
    accept,
    accepted_for,
    decisions,
    equivalent,
    withdraw,
)
from superparams.store.staleness.code_changes import Changes, code_change


@dataclass(frozen=True)
class Now:
    """The code as it is now, as far as that is known.

    root: the folder of the experiment; codes: the fingerprint of the code, then of all that was
    accepted for it, empty when it is not known; code: the code itself.
    """

    root: Path
    codes: tuple[str, ...] = ()
    code: Code | None = None

    @classmethod
    def of(cls, root: Path, codes: Sequence[str], code: Code | None) -> Now:
        """With `codes` from what is recorded in `root`, unless they are given."""
        if code is not None and not codes:
            codes = equivalent(root, code.digest)
        return cls(root, tuple(codes), code)

    def stale(self, codes: pa.ChunkedArray) -> pa.ChunkedArray:
        """Which rows are stale, by the codes that made them. Call it when the codes are known."""
        return pc.invert(pc.is_in(codes, plain_array(list(self.codes), pa.string())))

    def marked(self, rows: pa.Table, name: str) -> pa.Table:
        """Rows with one more column, which says whether each is stale; nulls where unknown."""
        if not self.codes:
            return rows.append_column(name, pa.nulls(rows.num_rows, pa.bool_()))
        return rows.append_column(name, self.stale(rows.column("code")))

    @property
    def accepted(self) -> list[Accepted]:
        """What is accepted for this code; for any, when it is not known."""
        return accepted_for(self.root, self.codes[0]) if self.codes else decisions(self.root)

    def changes(self, stale: pa.Table) -> Changes:
        """What changed since rows (`code`, `run` and `row` of each) were made."""
        if self.code is None:
            raise self._unknown()
        firsts = stale.filter(pc.equal(stale.column("row"), plain_scalar(0, pa.int64())))
        known = {run.name: run for run in run_folders(self.root)}
        return Changes(
            code_change(
                made_by,
                sum(runs.values()),
                [known[name] for name in sorted(runs) if name in known],
                self.code.parts,
                self.code.source,
            )
            for made_by, runs in _by_code(firsts).items()
        )

    def accept(self, stale: pa.Table, asked: Sequence[str], why: str) -> Now:
        """Record that the codes of stale rows, those that begin as asked, stand for this one."""
        now = self.digest
        what: dict[str | None, Any] = {}
        if self.code is not None and self.code.edited:
            raise StoreError(
                f"{', '.join(self.code.edited)} changed on disk after this process imported it, so "
                "that the code now is that of no file: start Python again, and accept then"
            )
        if self.code is not None:
            what = {one.code: one.parts for one in self.changes(stale)}
        codes: list[str | None] = stale.column("code").unique().to_pylist()
        for old in _chosen(asked, [one for one in codes if one], "made a stale row", why):
            accept(self.root, old, now, why=why, what=[str(part) for part in what.get(old) or ()])
        return Now(self.root, tuple(equivalent(self.root, now)), self.code)

    def withdraw(self, asked: Sequence[str], why: str) -> Now:
        """Record that accepted codes, those that begin as asked, do not stand for this one."""
        now, made = self.digest, self.accepted
        chosen = _chosen(asked, [one.old for one in made], "is accepted", why)
        for one in made:
            if one.old in chosen:
                withdraw(self.root, one.old, one.new, why=why)
        return Now(self.root, tuple(equivalent(self.root, now)), self.code)

    @property
    def digest(self) -> str:
        """The fingerprint of the code. Raises StoreError when it is not known."""
        if not self.codes:
            raise self._unknown()
        return self.codes[0]

    def _unknown(self) -> StoreError:
        return StoreError(
            f"results that were loaded from {self.root} alone do not know the code as it is now: "
            "take those of the class, Class.results(), or what run_all() returned"
        )


def _by_code(rows: pa.Table) -> dict[str | None, dict[str, int]]:
    """How many rows each run has of each code, in the order of the table."""
    codes, runs = rows.column("code"), rows.column("run")
    met = codes.unique()
    found: dict[str | None, dict[str, int]] = {}
    for place, code in enumerate(met.to_pylist()):  # `group_by` of Arrow loads pandas
        some = runs.filter(pc.is_in(codes, value_set=met.slice(place, 1))).value_counts()
        found[code] = {one["values"]: one["counts"] for one in some.to_pylist()}
    return found


def _chosen(asked: Sequence[str], known: Sequence[str], what: str, why: str) -> list[str]:
    """The codes that begin as asked; all when nothing is."""
    for one in asked:
        if not one or not any(code.startswith(one) for code in known):
            hint = "" if why else "; a reason is given by name, why=..."
            raise StoreError(f"no code that begins with {one!r} {what}{hint}")
    return [code for code in known if not asked or code.startswith(tuple(asked))]


def stale_name(names: Sequence[str]) -> str:
    """What to call a column that says whether rows are stale, beside columns of these names."""
    name = "stale"
    while name in names:
        name += "~"
    return name
