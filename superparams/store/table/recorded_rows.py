"""The rows that are recorded in an experiment's folder, which may be one that only can be read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from superparams.errors.user_lines import warn_user
from superparams.store.ledger.reader import LedgerWarning
from superparams.store.runs.results_path import short_path
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.merge import NotWritten, compact, folded

__all__ = ["RecordedRows", "no_results", "read_back"]


class RecordedRows(NamedTuple):
    """Rows, what there is to say of their columns, and of rows that no ledger has any more."""

    rows: Rows
    notes: list[str]
    lost: list[str]


def read_back(root: Path) -> RecordedRows:
    """All that is recorded in the folder of an experiment.

    The table is brought up to date where it can be written, and made in memory where it cannot.
    """
    try:
        written = compact(root)
        found = RecordedRows(Rows.of_file(written.path), written.notes, written.lost)
    except NotWritten as error:
        made = folded(root)
        note = f"read from the ledgers into memory, since the table cannot be written: {error}"
        found = RecordedRows(Rows.of_table(made.table), [*made.notes, note], made.lost)
    for note in found.lost:
        warn_user(f"{root}: {note}", LedgerWarning)
    return found


def no_results(root: Path) -> str:
    """Why a folder has no results."""
    inside, beside = map(_experiments, (root, root.parent))
    shown = short_path(root)
    if inside:
        return f"{shown} holds experiments ({inside}): give the folder of one of them"
    near = f"; {shown.parent} has those of {beside}" if beside else ""
    return f"there are no results in {shown}: run the experiment first{near}"


def _experiments(folder: Path) -> str:
    """The names of the experiments in a results folder, of many the first ones."""
    names = sorted(path.parent.name for path in folder.glob("*/runs"))
    return ", ".join([*names[:5], *(["…"] if len(names) > 5 else [])])
