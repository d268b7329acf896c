"""Finds a recorded setting by the beginning of its key, or by conditions that only it meets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.cli.conditions import matching
from superparams.cli.table_formats import rows
from superparams.errors import CommandError
from superparams.errors.units import first_few
from superparams.store.results import Results

if TYPE_CHECKING:
    from superparams.cli.recorded_experiments import RecordedExperiment
    from superparams.cli.session import Session
    from superparams.declare.params import Params

__all__ = ["SHOWN", "Setting", "find_setting", "selected"]

SHOWN = 5  # keys in an error


@dataclass(frozen=True)
class Setting:
    """A recorded setting.

    Attributes:
        status: The status of its experiment.
        rows: Its row, or the rows of the data frame that it returned.
    """

    status: RecordedExperiment
    rows: pa.Table

    @property
    def results(self) -> Results:
        """All recorded results of the experiment."""
        return self.status.results

    @cached_property
    def row(self) -> dict[str, Any]:
        """The (first) row."""
        return next(rows(self.rows.slice(0, 1)))

    @property
    def key(self) -> str:
        """Its key."""
        return str(self.row["key"])


def find_setting(
    session: Session, target: str, words: Sequence[str], results: Path | None
) -> Setting:
    """The only recorded setting for which all words hold.

    Args:
        session: The session.
        target: The name of experiments.
        words: The start of a key, or conditions such as ``kernel=rbf``.
        results: The folder of ``--results``; None without this option.

    Raises:
        CommandError: When the words hold for no setting, or for several.
        StoreError: When nothing is recorded.
    """
    every = session.recorded_by_text(target, results)
    recorded = [record for record in every if record.has_records] or every
    settings = [
        Setting(record, selected(record.results.to_arrow(), words, record.schema))
        for record in recorded
    ]
    keys = [
        (key, recorded_setting)
        for recorded_setting in settings
        for key in recorded_setting.rows.column("key").unique().to_pylist()
    ]
    if len(keys) == 1:
        return keys[0][1]
    text = " ".join(words)
    if not keys:
        raise CommandError(
            f"no recorded setting of {target} is {text!r}; "
            f"`experiment results {target}` shows all recorded keys"
        )
    examples = first_few(
        [f"{key} ({recorded_setting.status.name})" for key, recorded_setting in keys], SHOWN
    )
    raise CommandError(
        f"{text!r} matches {len(keys):,} settings of {target}: {examples}; "
        f"give more digits of the key, or more conditions"
    )


def selected(table: pa.Table, words: Sequence[str], schema: type[Params] | None) -> pa.Table:
    """The rows for which all words hold.

    Args:
        table: The rows.
        words: The start of a key, or conditions such as ``kernel=rbf``.
        schema: The recorded schema, which reads conditions as the class did when it ran.
    """
    for word in words:
        if any(mark in word for mark in "=<>"):
            table = matching(table, [word], schema=schema)
        else:
            table = table.filter(pc.starts_with(table.column("key"), word.strip().lower()))
    return table
