"""Outcomes that no longer count: ignored when ledgers are read, or removed from them.

Nothing else ever changes a ledger, and outcomes are removed only when a user asks for it. The new
file is written beside the old one and then renamed, so a reader finds either of them. The remaining
outcomes keep their order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors import StoreError
from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.outcomes.columns import CODE
from superparams.outcomes.ipc_streams import encode_batch
from superparams.outcomes.outcome import FAILURES
from superparams.store.ledger.reader import END, Entry, ledger_files, read, read_file, streams_of
from superparams.store.ledger.writer import stamp
from superparams.store.runs.folder import RunFolder, part_of, replace_durably

__all__ = ["NO_EXCLUSIONS", "Exclusions", "remove_excluded"]


@dataclass(frozen=True)
class Exclusions:
    """Outcomes that do not count, so that older outcomes of the same settings count again.

    Attributes:
        runs: Names of runs, whose outcomes are all excluded.
        failures: Whether outcomes that are not done are excluded.
        codes: Fingerprints of code, whose outcomes are excluded.
    """

    runs: frozenset[str] = frozenset()
    failures: bool = False
    codes: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.runs or self.codes) or self.failures

    def kept_in(self, batch: pa.RecordBatch) -> pa.Array:
        """A mask of the outcomes in a batch of a ledger that are kept."""
        mask = pa.repeat(plain_scalar(True, pa.bool_()), batch.num_rows)
        if self.failures:
            failures = plain_array(list(FAILURES), pa.string())
            mask = pc.invert(pc.is_in(batch.column("status"), value_set=failures))
        if self.codes and CODE in batch.schema.names:
            codes = plain_array(sorted(self.codes), pa.string())
            mask = pc.and_(mask, pc.invert(pc.is_in(batch.column(CODE), value_set=codes)))
        return mask


NO_EXCLUSIONS = Exclusions()


Kept = Callable[[pa.RecordBatch], pa.Array]  # which rows of a batch stay


def remove_excluded(run: RunFolder, exclusions: Exclusions) -> None:
    """Remove outcomes, and their steps, from the ledger of a run that is over.

    Outcomes of `Exclusions.runs` are not removed here, since the folders of these runs are.

    Raises:
        StoreError: When a file cannot be written; it then is unchanged.
    """
    if ledger_files(run.steps):
        removed = _removed(run, exclusions)
        _remove(run.steps, lambda batch: _is_step_kept(batch, removed))
    _remove(run.ledger, exclusions.kept_in)


def _removed(run: RunFolder, exclusions: Exclusions) -> dict[int, int]:
    """The last attempt of each setting that loses its outcome, by its index."""
    removed: dict[int, int] = {}
    for batch in read(run.ledger):
        rows = batch.filter(pc.invert(exclusions.kept_in(batch)))
        columns = [rows.column(name).to_pylist() for name in ("index", "attempt")]
        for index, attempt in zip(*columns, strict=True):
            removed[index] = max(attempt, removed.get(index, 0))
    return removed


def _is_step_kept(batch: pa.RecordBatch, removed: Mapping[int, int]) -> pa.Array:
    columns = [batch.column(name).to_pylist() for name in ("index", "attempt")]
    mask = [attempt > removed.get(index, 0) for index, attempt in zip(*columns, strict=True)]
    return plain_array(mask, pa.bool_())


def _remove(folder: Path, mask_of: Kept) -> None:
    for path in ledger_files(folder):
        masks = (mask_of(entry.batch) for entry in read_file(path))
        if all(mask.true_count == len(mask) for mask in masks):
            continue
        unfinished = part_of(path)
        try:
            with open(path, "rb") as old, open(unfinished, "wb") as new:
                _rewrite(path, old, new, mask_of)
                new.flush()
                os.fsync(new.fileno())
            replace_durably(unfinished, path)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error}") from error
        finally:
            unfinished.unlink(missing_ok=True)


def _rewrite(path: Path, old: BinaryIO, new: BinaryIO, mask_of: Kept) -> None:
    has_schema = False
    for entry in read_file(path):
        if not has_schema:
            new.write(old.read(entry.offset))
            has_schema = True
        new.write(_kept_message(entry, old, mask_of(entry.batch)))
    new.write(END)


def _kept_message(entry: Entry, old: BinaryIO, mask: pa.Array) -> bytes:
    """The message of a batch with the outcomes of a mask; empty when there are none."""
    if mask.true_count == len(mask):
        old.seek(entry.offset)
        return old.read(entry.size)
    if not mask.true_count:
        return b""
    recorded = entry.batch.select(list(range(entry.n_recorded)))  # as the schema of the file says
    ((_, messages, _),) = streams_of(encode_batch(recorded.filter(mask)))
    return b"".join(stamp(message, entry.seq) for message in messages)
