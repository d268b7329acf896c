"""The newest outcome of every setting, and how long settings took, for the plan of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.store.ledger.exclusions import NO_EXCLUSIONS, Exclusions
from superparams.store.ledger.reader import ledger_size, read
from superparams.store.runs.folder import TABLE, run_folders
from superparams.store.table.arrow_arrays import first_places, joined
from superparams.store.table.newest_outcomes import RUN_BITS, open_survey
from superparams.store.table.row_codes import code_places
from superparams.store.table.table_file import open_table

__all__ = ["Index", "mean_seconds", "read_index"]


@dataclass(frozen=True)
class Index:
    """The newest outcome of every setting, by key."""

    keys: pa.Array  # 16 bytes each, no duplicates
    status: pa.Array  # place in STATUSES
    run: pa.Array  # place in `runs`
    runs: list[str]  # oldest first
    codes: Sequence[str | None]  # fingerprints of code
    code: pa.Array  # place in `codes`
    has_row_codes: bool = False  # settings of one run have different codes; else `code` is `run`

    def __len__(self) -> int:
        return len(self.keys)


def read_index(root: Path, *, exclusions: Exclusions = NO_EXCLUSIONS) -> Index:
    """The newest outcomes, from the table and from ledgers that are not in it yet.

    Args:
        root: The folder of the experiment.
        exclusions: Outcomes that do not count.
    """
    with open_survey(root, exclusions=exclusions) as survey:
        newest = survey.newest()
        keys = joined(survey.keys, pa.binary(16)).filter(newest)
        status = joined(survey.status, pa.int8()).filter(newest)
        ages = joined(survey.ages, pa.int64()).filter(newest)
        run = pc.shift_right(ages, plain_scalar(RUN_BITS, pa.int64()))
        names = survey.run_names()
        code, codes = run, [survey.codes.get(name) for name in names]
        if survey.has_setting_codes:
            every, codes = code_places(survey.row_codes)
            code = every.filter(newest)
        if survey.has_frames:  # all rows of a setting that returned a frame have the same outcome
            firsts = first_places(keys)
            keys, status, run, code = (x.take(firsts) for x in (keys, status, run, code))
        return Index(keys, status, run, names, codes, code, survey.has_setting_codes)


def mean_seconds(root: Path) -> float | None:
    """The mean of the seconds that settings took, over all recorded outcomes.

    Only outcomes that are done count, or all if none is done. Nothing is written.

    Args:
        root: The folder of the experiment.

    Returns:
        None when nothing is recorded.
    """
    totals = {True: (0.0, 0), False: (0.0, 0)}
    for rows in _outcome_rows(root):
        firsts = rows.filter(pc.equal(rows["row"], plain_scalar(0, rows["row"].type)))
        is_done = pc.equal(firsts["status"], plain_scalar("done", pa.string()))
        for status_is_done, mask in ((True, is_done), (False, pc.invert(is_done))):
            seconds = firsts["seconds"].filter(mask)
            total, count = totals[status_is_done]
            total += pc.sum(seconds).as_py() or 0.0
            totals[status_is_done] = total, count + len(seconds)
    return next((total / count for total, count in totals.values() if count), None)


def _outcome_rows(root: Path) -> Iterator[pa.Table]:
    """Rows of the table, and rows of ledgers that the table lacks completely or in part."""
    columns = ["status", "row", "seconds"]
    runs_to_read = runs = run_folders(root)
    with contextlib.suppress(OSError):  # rows of a damaged table are in the ledgers
        table = open_table(root / TABLE)
        if table is not None:
            runs_to_read = [x for x in runs if table.runs.get(x.name) != ledger_size(x.ledger)]
            names = plain_array([run.name for run in runs_to_read], pa.string())
            with contextlib.closing(table):
                for number in range(table.file.num_row_groups):
                    rows = table.group(number, [*columns, "run"])
                    yield rows.filter(pc.invert(pc.is_in(rows["run"], names)))
    for run in runs_to_read:
        for batch in read(run.ledger, growing=run.state() == "running"):
            yield pa.Table.from_batches([batch]).select(columns)
