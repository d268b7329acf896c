"""How many settings of a space are recorded, by their outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.outcomes.outcome import STATUSES
from superparams.store.table.index import Index

__all__ = [
    "OUTCOME_KINDS",
    "count_outcomes",
    "number_of_others",
    "places_of_codes",
    "plain_number",
    "runs_of_done",
]

# The records of a setting: done by the present code, done by other code, a failure, or none.
OUTCOME_KINDS: Final = ("done", "stale", *STATUSES[1:], "new")


def count_outcomes(keys: pa.Array, index: Index | None, codes: Sequence[str]) -> dict[str, int]:
    """How many settings there are of each kind in `OUTCOME_KINDS`.

    Args:
        keys: The keys of the settings, 16 bytes each, each once.
        index: As for `plan`.
        codes: As for `plan`.
    """
    if index is None or len(index) == 0:
        return dict.fromkeys(OUTCOME_KINDS, 0) | {"new": len(keys)}
    place = pc.index_in(keys, value_set=index.keys)
    status, code = index.status.take(place), index.code.take(place)
    counts = {
        name: _true(pc.equal(status, plain_number(number))) for number, name in enumerate(STATUSES)
    }
    is_ours = pc.is_in(code, value_set=places_of_codes(index, codes))
    done = _true(pc.and_(pc.equal(status, plain_number(0)), is_ours))
    more = {"done": done, "stale": counts["done"] - done, "new": int(status.null_count)}
    return {name: (counts | more)[name] for name in OUTCOME_KINDS}


def number_of_others(index: Index | None, counts: Mapping[str, int]) -> int:
    """The number of recorded settings that `count_outcomes` has not counted."""
    return 0 if index is None else len(index) - sum(counts.values()) + counts["new"]


def runs_of_done(keys: pa.Array, index: Index, codes: Sequence[str]) -> list[str]:
    """The names of the runs in which settings were done by these codes, oldest first.

    Args:
        keys: The keys of the settings, 16 bytes each.
        index: As for `plan`.
        codes: As for `plan`.
    """
    place = pc.index_in(keys, value_set=index.keys)
    run = index.run.take(place)
    is_done = pc.equal(index.status.take(place), plain_number(0))
    is_ours = pc.is_in(index.code.take(place), value_set=places_of_codes(index, codes))
    numbers = run.filter(pc.and_(is_done, is_ours)).unique().to_pylist()
    return [index.runs[number] for number in sorted(numbers)]


def _true(mask: Any) -> int:
    return int(mask.true_count)


def places_of_codes(index: Index, codes: Sequence[str]) -> Any:
    """The positions of these codes in `index.codes`."""
    own_codes = set(codes)
    places = [place for place, code in enumerate(index.codes) if code in own_codes]
    return plain_array(places, index.code.type)


def plain_number(number: int) -> Any:
    """A number as a scalar of a byte."""
    return plain_scalar(number, pa.int8())
