"""What is recorded of every setting of an experiment.

For planning which ones a run still has to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import plain_scalar
from superparams.store.ledger.exclusions import ALL, Without
from superparams.store.table.key_arrays import first_places, joined
from superparams.store.table.newest_outcomes import RUN_BITS, survey


@dataclass(frozen=True)
class Index:
    """The newest outcome of every setting, by key."""

    keys: pa.Array  # 16 bytes each, no duplicates
    status: pa.Array  # place in STATUSES
    run: pa.Array  # place in `runs`
    runs: list[str]  # oldest first
    codes: list[str | None]  # the fingerprint of the code of each run

    def __len__(self) -> int:
        return len(self.keys)


def keys_of(texts: Iterable[str]) -> pa.Array:
    """Keys of 32 hex digits as 16 bytes each."""
    data = bytes.fromhex("".join(texts))
    return pa.Array.from_buffers(pa.binary(16), len(data) // 16, [None, pa.py_buffer(data)])


def read_index(root: Path, *, without: Without = ALL) -> Index:
    """The newest outcomes, from the table and the ledgers that it does not hold yet.

    without: outcomes that are taken as not there.
    """
    with survey(root, without=without) as found:
        kept = found.kept()
        keys = joined(found.keys, pa.binary(16)).filter(kept)
        status = joined(found.status, pa.int8()).filter(kept)
        ages = joined(found.ages, pa.int64()).filter(kept)
        run = pc.shift_right(ages, plain_scalar(RUN_BITS, pa.int64()))
        if found.has_many_rows:  # all rows of a setting that returned a frame say the same
            firsts = first_places(keys)
            keys, status, run = (one.take(firsts) for one in (keys, status, run))
        names = found.names()
        codes = [found.codes.get(name) for name in names]
        return Index(keys, status, run, names, codes)
