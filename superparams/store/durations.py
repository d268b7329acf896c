"""How long the settings of an experiment took, for telling how long the next run may take."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.columns import plain_scalar
from superparams.store.folder import TABLE, run_folders
from superparams.store.reading import read
from superparams.store.survey import ledger_size, open_table

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
    """The table, and the ledgers of runs that it does not hold."""
    held: dict[str, int] = {}
    with contextlib.suppress(OSError):  # it is damaged: what is in it is in the ledgers
        old = open_table(root / TABLE)
        if old is not None:
            held = old.runs
            with contextlib.closing(old):
                yield from (old.group(at, _COLUMNS) for at in range(old.file.num_row_groups))
    for run in run_folders(root):
        if held.get(run.name) != ledger_size(run):
            growing = run.state() == "running"
            yield from _tables(read(run.ledger, growing=growing))


def _tables(batches: Iterable[Any]) -> Iterator[pa.Table]:
    for batch in batches:
        yield pa.Table.from_batches([batch]).select(_COLUMNS)
