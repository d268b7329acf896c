"""What a run still has to do: the settings of a space, less those already recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from superparams.columns import plain_array, plain_scalar
from superparams.errors import RunError
from superparams.keys import Keys
from superparams.store import Index

__all__ = ["Only", "Plan", "plan"]

Only = Literal["failed"]
# More keys than this are not compared with what is recorded: that alone would take minutes, and
# gigabytes.
LARGEST_PLAN: Final = 20_000_000


@dataclass(frozen=True)
class Plan:
    """What to do and what not.

    Attributes:
        todo: indices to run, as ascending ranges that do not overlap.
        size: settings of the space.
        done: settings left out since they are done by the same code.
        stale: settings to run again since other code made what is recorded of them.
        again: settings to run again since they failed, were killed or timed out.
        others: settings left out by ``only=``.
        repeated: settings left out since the space has them twice.
        keys: the keys of all settings in order, 16 bytes each (a pyarrow array); None when all
            of them run, whatever is recorded.
    """

    todo: Sequence[range]
    size: int
    done: int = 0
    stale: int = 0
    again: int = 0
    others: int = 0
    repeated: int = 0
    keys: Any = None

    def keys_of(self, keys: Keys) -> Any:
        """The keys of all settings as in `keys`; None when they are too many."""
        if self.keys is None and self.size <= LARGEST_PLAN:
            return all_keys(keys, self.size)
        return self.keys

    @property
    def n_todo(self) -> int:
        """How many settings there are to run."""
        return sum(map(len, self.todo))


def plan(
    keys: Keys,
    size: int,
    index: Index | None,
    codes: Sequence[str],
    *,
    resume: bool = True,
    only: Only | None = None,
) -> Plan:
    """Compare a space with what is recorded of its experiment.

    Args:
        keys: the keys of the space.
        size: how many settings it has.
        index: the newest recorded outcome of every setting, None when there are none.
        codes: fingerprints of the code as it is, and of code accepted as equivalent.
        resume: whether to leave out what is done.
        only: ``"failed"`` leaves out all but what failed, was killed or timed out.

    Raises:
        RunError: For a space so large that the comparison would take minutes.
    """
    is_new = index is None or len(index) == 0
    if is_new and only is not None:
        return Plan([], size, others=size)
    is_large = size > LARGEST_PLAN
    if (is_new or not resume) and only is None and (is_large or keys.are_distinct):
        return Plan([range(size)], size)
    if is_large:
        raise RunError(
            f"a space of {size:,} settings is too large to be compared with what is recorded "
            f"(at most {LARGEST_PLAN:,}): fix some axes, give another results= folder, or run all "
            f"of it again with resume=False"
        )
    every = all_keys(keys, size)
    state = _states(every, index, codes)
    wanted = _wanted(resume, only)
    marks = [wanted[one] for one in state]
    repeated = 0 if keys.are_distinct else _drop_repeated(every, marks)
    count = state.count
    return Plan(
        ranges_of(marks),
        size,
        done=count(DONE) if resume and only is None else 0,
        stale=count(STALE) if wanted[STALE] else 0,
        again=count(FAILED) if wanted[FAILED] else 0,
        others=0 if only is None else size - count(FAILED),
        repeated=repeated,
        keys=every,
    )


NEW, DONE, STALE, FAILED = range(4)


def _wanted(resume: bool, only: Only | None) -> tuple[bool, ...]:
    """Whether to run a setting, by its state."""
    if only == "failed":
        return (False, False, False, True)
    return (True, not resume, True, True)


def all_keys(keys: Keys, size: int) -> Any:
    """The keys of all settings in order, 16 bytes each."""
    data = bytearray()
    for index in range(size):
        data += keys[index].to_bytes(16, "big")
    return pa.Array.from_buffers(pa.binary(16), size, [None, pa.py_buffer(data)])


def _states(every: Any, index: Index | None, codes: Sequence[str]) -> list[int]:
    if index is None or len(index) == 0:
        return [NEW] * len(every)
    place = pc.index_in(every, value_set=index.keys)
    runs = [at for at, code in enumerate(index.codes) if code in codes]
    is_done = pc.equal(index.status, _scalar(0))
    is_ours = pc.is_in(index.run, plain_array(runs, index.run.type))
    state = pc.if_else(is_done, pc.if_else(is_ours, _scalar(DONE), _scalar(STALE)), _scalar(FAILED))
    found: list[int] = pc.fill_null(state.take(place), _scalar(NEW)).to_pylist()
    return found


def _scalar(number: int) -> Any:
    return plain_scalar(number, pa.int8())


def _drop_repeated(every: Any, marks: list[bool]) -> int:
    """Unmark all but the first of settings with one key; how many that were."""
    seen: set[bytes] = set()
    repeated = 0
    for at, key in enumerate(every.to_pylist()):
        if key in seen:
            repeated += 1
            marks[at] = False
        seen.add(key)
    return repeated


def ranges_of(marks: Iterable[bool]) -> list[range]:
    """The marked places as ascending ranges."""
    ranges: list[range] = []
    start: int | None = None
    at = -1
    for at, marked in enumerate(marks):
        if marked and start is None:
            start = at
        elif not marked and start is not None:
            ranges.append(range(start, at))
            start = None
    return [*ranges, range(start, at + 1)] if start is not None else ranges
