"""Whether a table that this process has written lacks records: other processes write it, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from superparams.outcomes.arrow import metadata_of
from superparams.store.json_values import json_object
from superparams.store.ledger.exclusions import Exclusions
from superparams.store.ledger.reader import ledger_size
from superparams.store.runs.folder import TABLE, run_folders
from superparams.store.table.table_file import HEAD, open_table

__all__ = ["lacks_records", "table_holds"]


def lacks_records(root: Path, sizes: Mapping[str, int], exclusions: Exclusions) -> bool:
    """Whether the table on disk lacks records of this process, or of a run that has ended.

    Another process may have replaced the table by an older one, or this process has done so. A run
    that goes on brings the table up to date at its end.

    Args:
        root: The folder of the experiment.
        sizes: The bytes of each run's ledger that this process has put into the table.
        exclusions: Outcomes that the table does not have.
    """
    try:
        table = open_table(root / TABLE, verify=False)
    except OSError:
        return False  # not something that writing again would mend
    if table is None:
        return True
    table.close()
    held = table.runs
    if _is_less(held, sizes):
        return True
    others = (run for run in run_folders(root) if run.name not in exclusions.runs)
    new = (run for run in others if held.get(run.name, 0) < ledger_size(run.ledger))
    return any(run.state() != "running" for run in new)


def table_holds(schema: pa.Schema, sizes: Mapping[str, int]) -> bool:
    """Whether the schema of a table says that it holds so many bytes of each run's ledger."""
    held = json_object(json.loads(metadata_of(schema).get(HEAD, b"null"))).get("runs")
    return not _is_less(json_object(held), sizes)


def _is_less(held: Mapping[str, object], sizes: Mapping[str, int]) -> bool:
    return any(not isinstance(x := held.get(run), int) or x < n for run, n in sizes.items())
