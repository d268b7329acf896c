"""Which setting is meant on the command line: by the beginning of its key, or by what it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.cli import common_options
from superparams.cli.row_selection import matching
from superparams.cli.table_formats import rows
from superparams.declare.experiment import Experiment, name_of
from superparams.errors import CommandError
from superparams.identity.code.fingerprint import fingerprint
from superparams.run.loop import results_of
from superparams.store.results import Results
from superparams.store.runs.folder import has_records
from superparams.store.staleness.acceptances import equivalent

if TYPE_CHECKING:
    from superparams.cli.session import Session

__all__ = ["Setting", "find_setting"]

SHOWN = 5  # keys that an error lists


@dataclass(frozen=True)
class Setting:
    """A setting that is recorded.

    Attributes:
        cls: its experiment.
        results: what is recorded of that.
        rows: what is recorded of the setting: one row, or those of the frame that it returned.
    """

    cls: type[Experiment]
    results: Results
    rows: pa.Table

    @cached_property
    def row(self) -> dict[str, Any]:
        """The (first) row."""
        return next(rows(self.rows.slice(0, 1)))

    @property
    def key(self) -> str:
        """Its key."""
        return str(self.row["key"])

    @cached_property
    def codes(self) -> list[str]:
        """The fingerprint of the code as it is now, then those of code accepted as equivalent."""
        return equivalent(self.results.root, fingerprint(self.cls).digest)


def find_setting(
    session: Session, target: str, words: Sequence[str], results: Path | None
) -> Setting:
    """The one recorded setting that is meant.

    words: the beginning of a key, or conditions such as ``kernel=rbf`` that hold for no other.

    Raises:
        CommandError: When that is none, or more than one.
        StoreError: When nothing is recorded.
    """
    found: list[tuple[type[Experiment], Results, pa.Table]] = []
    classes = session.experiments(target)
    for cls in classes:
        if len(classes) == 1 or has_records(common_options.root_of(session, cls, results)):
            made = results_of(cls, session.results(results))
            found.append((cls, made, _matching(made, words)))
    met = [
        (cls, made, some, key)
        for cls, made, some in found
        for key in some.column("key").unique().to_pylist()
    ]
    if len(met) == 1:
        cls, made, some, _ = met[0]
        return Setting(cls, made, some)
    raise CommandError(_told(target, words, [(cls, key) for cls, _, _, key in met]))


def _matching(results: Results, words: Sequence[str]) -> pa.Table:
    table = results.to_arrow()
    for word in words:
        if any(mark in word for mark in "=<>"):
            table = matching(table, [word], results.of)
        else:
            is_it = pc.starts_with(table.column("key"), pattern=word.strip().lower())
            table = table.filter(is_it)
    return table


def _told(target: str, words: Sequence[str], met: Sequence[tuple[type[Experiment], str]]) -> str:
    asked = " ".join(words)
    if not met:
        return (
            f"nothing is recorded of a setting {asked!r} of {target}; "
            f"`experiment results {target}` shows the keys of all that is"
        )
    keys = ", ".join(f"{key} ({name_of(cls)})" for cls, key in met[:SHOWN])
    more = f" and {len(met) - SHOWN:,} more" if len(met) > SHOWN else ""
    told = f"{len(met):,} settings of {target} are {asked!r}: {keys}{more}"
    return f"{told}; give more of a key, or more conditions"
