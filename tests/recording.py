"""Runs that are recorded without running anything: folders and ledgers as a run leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import STATUSES, Outcome
from superparams.store.ledger.run_ledgers import RunLedgers
from superparams.store.runs.folder import RunFolder
from superparams.store.table.index import Index


def key(number: int) -> str:
    """The key of a setting of this number."""
    return f"{number:032x}"


def done(number: int, result: Any = None, **known: Any) -> Outcome:
    """A setting that is done."""
    return Outcome(number, key(number), "done", {"a": number}, result, **known)


def failed(number: int, status: Any = "failed", **known: Any) -> Outcome:
    """A setting that is not."""
    return Outcome(number, key(number), status, {"a": number}, error="ValueError: no", **known)


def keys_of(index: Index, *status: str, by: Sequence[str] | None = None) -> set[str]:
    """The keys of settings in one of these statuses, by these codes, or by whatever code."""
    rows = (one.to_pylist() for one in (index.keys, index.status, index.run))
    return {
        made.hex()
        for made, place, run in zip(*rows, strict=True)
        if STATUSES[place] in status and (by is None or index.codes[run] in by)
    }


def begun(root: Path, outcomes: Sequence[Outcome], **manifest: Any) -> RunFolder:
    """A run of this process that recorded these, each in a batch of its own, and has not ended."""
    folder = RunFolder.create(root, {"code": "c1", **manifest})
    with RunLedgers(folder) as ledgers:
        for one in outcomes:
            ledgers.append(encode([one]))
    return folder


def run(root: Path, outcomes: Sequence[Outcome], **manifest: Any) -> RunFolder:
    """A run that recorded these and finished."""
    folder = begun(root, outcomes, **manifest)
    folder.finish()
    return folder
