"""How long the settings of an experiment took, for telling how long the next run may take."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.store.ledger.reader import ledger_size, read
from superparams.store.runs.folder import TABLE, run_folders
from superparams.store.table.table_file import open_table

__all__ = ["mean_seconds"]

_COLUMNS = ["status", "row", "seconds"]


def mean_seconds(root: Path) -> float | None:
    """The seconds that a setting took on average, over all outcomes that are recorded.

    Those that are done count; where there are none, all do. None when nothing is recorded. Nothing
    is written.

    root: the folder of the experiment.
    """
    totals = {True: (0.0, 0), False: (0.0, 0)}
    for part in _parts(root):
        first = part.filter(pc.equal(part["row"], plain_scalar(0, part["row"].type)))
        is_done = pc.equal(first["status"], plain_scalar("done", pa.string()))
        for which, mask in ((True, is_done), (False, pc.invert(is_done))):
            seconds = first["seconds"].filter(mask)
            total, count = totals[which]
            totals[which] = total + (pc.sum(seconds).as_py() or 0.0), count + len(seconds)
    return next((total / count for total, count in totals.values() if count), None)


def _parts(root: Path) -> Iterator[pa.Table]:
    """The table, and the ledgers of runs that it does not hold, or not to their end."""
    behind = runs = run_folders(root)
    with contextlib.suppress(OSError):  # it is damaged: what is in it is in the ledgers
        old = open_table(root / TABLE)
        if old is not None:
            behind = [run for run in runs if old.runs.get(run.name) != ledger_size(run.ledger)]
            again = plain_array([run.name for run in behind], pa.string())
            with contextlib.closing(old):
                for at in range(old.file.num_row_groups):
                    part = old.group(at, [*_COLUMNS, "run"])
                    yield part.filter(pc.invert(pc.is_in(part["run"], again)))
    for run in behind:
        yield from _tables(read(run.ledger, growing=run.state() == "running"))


def _tables(batches: Iterable[Any]) -> Iterator[pa.Table]:
    for batch in batches:
        yield pa.Table.from_batches([batch]).select(_COLUMNS)
