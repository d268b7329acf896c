"""What a run leaves behind.

Its folder and ledger, and the table of all results of an experiment.
"""

from __future__ import annotations

from superparams.store.ledger.reader import LedgerWarning, read
from superparams.store.ledger.writer import Ledger
from superparams.store.provenance.record import Provenance, gather, gather_later, save_source
from superparams.store.results import Results
from superparams.store.runs.folder import RunFolder, experiment_folder, has_records, run_folders
from superparams.store.staleness.acceptances import Accepted, accept, equivalent, withdraw
from superparams.store.staleness.code_changes import Change, Changes, CodeChange, changes
from superparams.store.table.index import Index, read_index
from superparams.store.table.merge import Written, compact

__all__ = [
    "Accepted",
    "Change",
    "Changes",
    "CodeChange",
    "Index",
    "Ledger",
    "LedgerWarning",
    "Provenance",
    "Results",
    "RunFolder",
    "Written",
    "accept",
    "changes",
    "compact",
    "equivalent",
    "experiment_folder",
    "gather",
    "gather_later",
    "has_records",
    "read",
    "read_index",
    "run_folders",
    "save_source",
    "withdraw",
]
