"""Outcomes that do not count any more: left out when ledgers are read, or taken out of them.

Taking out is the one thing that changes what is recorded, once a user wants it. Each file is
written anew beside and renamed, so that a reader finds the old one or the new one; the outcomes
that stay keep their place in the order.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors import StoreError
from superparams.outcomes.arrow import plain_scalar
from superparams.outcomes.batches import encode_batch
from superparams.store.ledger.reader import END, Entry, ledger_files, read_file, streams_of
from superparams.store.ledger.writer import stamp
from superparams.store.runs.folder import RunFolder, part_of, replace_durably

__all__ = ["NO_EXCLUSIONS", "Exclusions", "remove_failures"]


@dataclass(frozen=True)
class Exclusions:
    """Outcomes that do not count; those that they superseded count again.

    Attributes:
        runs: Names of runs, whose outcomes are all excluded.
        failures: Whether outcomes that are not done are excluded.
    """

    runs: frozenset[str] = frozenset()
    failures: bool = False

    def __bool__(self) -> bool:
        return bool(self.runs) or self.failures


NO_EXCLUSIONS = Exclusions()


def remove_failures(run: RunFolder) -> None:
    """Take all outcomes that are not done out of the ledger of a run that is over.

    Raises:
        StoreError: When a file cannot be written; it then is as it was.
    """
    for path in ledger_files(run.ledger):
        if all(pc.all(_is_done(entry.batch)).as_py() for entry in read_file(path)):
            continue
        unfinished = part_of(path)
        try:
            with open(path, "rb") as old, open(unfinished, "wb") as new:
                _rewrite(path, old, new)
                new.flush()
                os.fsync(new.fileno())
            replace_durably(unfinished, path)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error}") from error
        finally:
            unfinished.unlink(missing_ok=True)


def _rewrite(path: Path, old: BinaryIO, new: BinaryIO) -> None:
    has_schema = False
    for entry in read_file(path):
        if not has_schema:
            new.write(old.read(entry.offset))
            has_schema = True
        new.write(_done_message(entry, old))
    new.write(END)


def _done_message(entry: Entry, old: BinaryIO) -> bytes:
    """The message of a batch with the outcomes that are done; empty when none is."""
    mask = _is_done(entry.batch)
    if mask.true_count == len(mask):
        old.seek(entry.offset)
        return old.read(entry.size)
    if not mask.true_count:
        return b""
    recorded = entry.batch.select(list(range(entry.n_recorded)))  # as the schema of the file says
    ((_, messages, _),) = streams_of(encode_batch(recorded.filter(mask)))
    return b"".join(stamp(message, entry.seq) for message in messages)


def _is_done(batch: pa.RecordBatch) -> pa.Array:
    return pc.equal(batch.column("status"), plain_scalar("done", pa.string()))
