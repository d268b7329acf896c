"""What is recorded of every setting of an experiment.

For planning which ones a run still has to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.columns import plain_array, plain_scalar
from superparams.store.survey import (
    RUN_BITS,
    STATUSES,
    first_places,
    joined,
    survey,
)
from superparams.store.without import ALL, Without


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

    def counts(self) -> dict[str, int]:
        """How many settings ended in each status."""
        met = {one["values"]: one["counts"] for one in self.status.value_counts().to_pylist()}
        return {name: met.get(place, 0) for place, name in enumerate(STATUSES)}

    def done(self, *codes: str) -> set[str]:
        """Keys of settings that are `done` by one of these codes; by any when none is given."""
        return self.select(["done"], codes)

    def stale(self, *codes: str) -> set[str]:
        """Keys of settings that are `done`, but by other code than these."""
        return self.done() - self.done(*codes)

    def unfinished(self) -> set[str]:
        """Keys of settings that failed, were killed or timed out."""
        return self.select(STATUSES[1:], ())

    def select(self, status: Any, codes: tuple[str, ...]) -> set[str]:
        """Keys of settings in one of these statuses, by one of these codes (by any when empty)."""
        places: list[int] = [place for place, name in enumerate(STATUSES) if name in status]
        mask = pc.is_in(self.status, plain_array(places, pa.int8()))
        if codes:
            runs = [place for place, code in enumerate(self.codes) if code in codes]
            mask = pc.and_(mask, pc.is_in(self.run, plain_array(runs, pa.int64())))
        return set(_hex(self.keys.filter(mask)))


def keys_of(texts: Iterable[str]) -> pa.Array:
    """Keys of 32 hex digits as 16 bytes each."""
    data = bytes.fromhex("".join(texts))
    return pa.Array.from_buffers(pa.binary(16), len(data) // 16, [None, pa.py_buffer(data)])


def _hex(keys: pa.Array) -> list[str]:
    """Keys as 32 hex digits each."""
    if not len(keys):
        return []
    start = keys.offset * 16
    digits = bytes(keys.buffers()[1][start : start + len(keys) * 16]).hex()
    return [digits[place : place + 32] for place in range(0, len(digits), 32)]


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
