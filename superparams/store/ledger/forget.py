"""Take outcomes out of a ledger, once a user wants them gone.

The one thing that changes what is recorded. Each file is written anew beside and renamed, so that a
reader finds the old one or the new one; the outcomes that stay keep their place in the order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
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

__all__ = ["forget_failures"]


def forget_failures(run: RunFolder) -> None:
    """Take out of the ledger of a run that is over whatever is not done.

    Raises:
        StoreError: When a file cannot be written; it then is as it was.
    """
    for path in ledger_files(run.ledger):
        entries = list(_places(path))
        if all(is_whole for *_, is_whole in entries):
            continue
        beside = part_of(path)
        try:
            with open(path, "rb") as old, open(beside, "wb") as new:
                _rewrite(path, old, new)
                new.flush()
                os.fsync(new.fileno())
            replace_durably(beside, path)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error}") from error
        finally:
            beside.unlink(missing_ok=True)


def _places(path: Path) -> Iterator[tuple[int, bool]]:
    """Where each batch stands, and whether all of it is done."""
    for entry in read_file(path):
        yield entry.offset, _done(entry.batch).true_count == entry.batch.num_rows


def _rewrite(path: Path, old: BinaryIO, new: BinaryIO) -> None:
    has_head = False
    for entry in read_file(path):
        if not has_head:
            new.write(old.read(entry.offset))  # the schema
            has_head = True
        new.write(_kept(entry, old))
    new.write(END)


def _kept(entry: Entry, old: BinaryIO) -> bytes:
    """The message of a batch without what is not done; empty when nothing is."""
    mask = _done(entry.batch)
    if mask.true_count == len(mask):
        old.seek(entry.offset)
        return old.read(entry.size)
    if not mask.true_count:
        return b""
    recorded = entry.batch.select(list(range(entry.n_recorded)))  # as the schema of the file says
    ((_, messages, _),) = streams_of(encode_batch(recorded.filter(mask)))
    return b"".join(stamp(message, entry.seq) for message in messages)


def _done(batch: pa.RecordBatch) -> pa.Array:
    return pc.equal(batch.column("status"), plain_scalar("done", pa.string()))
