"""The plan of a run: the settings of a space without those that are recorded already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.declare.keys import Keys
from superparams.errors import RunError
from superparams.errors.units import counted
from superparams.identity.digests.digest import key_of_text
from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.run.options import Only
from superparams.store.table.index import Index
from superparams.store.table.newest_outcomes import STATUSES

__all__ = ["COUNTED", "Plan", "number_of_others", "plan", "recorded"]

# More keys than this are not compared with what is recorded: that alone would take minutes, and
# gigabytes.
LARGEST_PLAN: Final = 20_000_000
# Of a space larger than this, only what is recorded or asked for is looked up, if that is little.
SMALL: Final = 1 << 17
MOST_LOOKED_UP: Final = 1 << 16
# What can be recorded of a setting: done by the code as it is, done by other code, a failure, or
# nothing.
COUNTED: Final = ("done", "stale", *STATUSES[1:], "new")


@dataclass(frozen=True)
class Plan:
    """Which settings of a space are to run, and why the others are not.

    Attributes:
        todo: The indices to run, as ascending ranges that do not overlap.
        size: The number of settings of the space.
        done: The number of settings left out since they are done by the same code.
        stale: The number of settings to run again since other code made their outcomes.
        again: The number of settings to run again since they failed, were killed or timed out.
        stopped: The number of settings to run again since another run has stopped them early.
        others: The number of settings left out by ``only=``.
        repeated: The number of settings left out since the space has them twice.
        keys: The keys of all settings in order, 16 bytes each; None if all settings run, whatever
            is recorded.
    """

    todo: Sequence[range]
    size: int
    done: int = 0
    stale: int = 0
    again: int = 0
    stopped: int = 0
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
        """The number of settings to run."""
        return sum(map(len, self.todo))


def plan(
    keys: Keys,
    size: int,
    index: Index | None,
    codes: Sequence[str],
    *,
    resume: bool = True,
    only: Only | None = None,
    same_stops: Collection[str] = (),
) -> Plan:
    """Compare a space with what is recorded of its experiment.

    Args:
        keys: The keys of the space.
        size: The number of its settings.
        index: The newest recorded outcome of every setting; None if there are none.
        codes: The fingerprints of the current code, and of code accepted as equivalent.
        resume: Whether to leave out settings that are done.
        only: Which settings to run, see `Only`.
        same_stops: The names of runs that stopped settings as this run would: these are done.

    Raises:
        RunError: For a space so large that the comparison would take minutes, and for a key that
            no setting of the space has.
    """
    is_new = index is None or len(index) == 0
    if is_new and only in ("failed", "stopped"):
        return Plan([], size, others=size)
    is_large = size > LARGEST_PLAN and not is_sparse(keys, size, index)
    is_whole = only is None or (is_new and only == "new")
    if (is_new or not resume) and is_whole and (size > LARGEST_PLAN or keys.are_distinct):
        return Plan([range(size)], size)
    if is_large:
        raise RunError(
            f"a space of {size:,} settings is too large to be compared with what is recorded "
            f"(at most {LARGEST_PLAN:,}): fix some axes, give another results= folder, or run all "
            f"of it again with resume=False"
        )
    if is_sparse(keys, size, index):
        if isinstance(only, str):
            return _of_kind(keys, size, index, codes, only)
        keys_asked = None if only is None else tuple(only)
        return _of_few(keys, size, index, codes, resume, keys_asked)
    every = all_keys(keys, size)
    state = _states(every, index, codes, same_stops)
    wanted = _wanted(resume, only if isinstance(only, str) else None)
    marks = [wanted[one] for one in state]
    asked = [True] * size
    if isinstance(only, str):
        asked = marks
    elif only is not None:
        asked = _having(every, tuple(only))
        marks = [is_asked and is_wanted for is_asked, is_wanted in zip(asked, marks, strict=True)]
    return _plan(every, state, asked, marks, keys)


def is_sparse(keys: Keys, size: int, index: Index | None) -> bool:
    """Whether a space is so much larger than its records that only these are looked up in it."""
    recorded = 0 if index is None else len(index)
    is_little = recorded * 16 < size and recorded <= MOST_LOOKED_UP
    # One long axis would be digested place by place.
    is_short = keys.longest <= LARGEST_PLAN
    return size > SMALL and is_little and is_short and keys.are_distinct


def inside(keys: Keys, every: Any) -> Any:
    """The keys among `every`, 16 bytes each, that settings of a space have, in its order."""
    found = keys.find([int.from_bytes(key, "big") for key in every.to_pylist()])
    return _bytes_of(sorted(found, key=found.__getitem__))


def _bytes_of(keys: Iterable[int]) -> Any:
    data = b"".join(key.to_bytes(16, "big") for key in keys)
    return pa.Array.from_buffers(pa.binary(16), len(data) // 16, [None, pa.py_buffer(data)])


def _of_few(
    keys: Keys,
    size: int,
    index: Index | None,
    codes: Sequence[str],
    resume: bool,
    only: Collection[str] | None,
) -> Plan:
    """The plan of a large space, in which only keys of `only` or of the records are looked up."""
    if only is not None:
        wanted = [key_of_text(one) for one in only]
    else:
        wanted = _recorded_keys(index)
    places = keys.find(wanted)
    if only is not None:
        for text, key in zip(only, wanted, strict=True):
            if key not in places:
                raise _unknown_key(text, size)
    states = _states_by_place(places, index, codes)
    runs = _wanted(resume, None)
    chosen = [place for place, state in states.items() if runs[state]]
    left = [place for place, state in states.items() if not runs[state]]
    met = Counter(state for state in states.values() if runs[state])
    todo = _without(size, left) if only is None else [range(at, at + 1) for at in chosen]
    return Plan(
        todo,
        size,
        done=len(left),
        stale=met[STALE],
        again=met[FAILED],
        stopped=met[STOPPED],
        others=0 if only is None else size - len(states),
    )


def _of_kind(keys: Keys, size: int, index: Index | None, codes: Sequence[str], only: str) -> Plan:
    """The plan of a large space with ``only="failed"``, ``only="stopped"`` or ``only="new"``."""
    states = _states_by_place(keys.find(_recorded_keys(index)), index, codes)
    if only == "new":
        left = [place for place, state in states.items() if state != NEW]
        return Plan(_without(size, left), size, others=len(left))
    wanted = FAILED if only == "failed" else STOPPED
    chosen = [place for place, state in states.items() if state == wanted]
    todo = [range(place, place + 1) for place in chosen]
    n, others = len(chosen), size - len(chosen)
    if only == "failed":
        return Plan(todo, size, again=n, others=others)
    return Plan(todo, size, stopped=n, others=others)


def _recorded_keys(index: Index | None) -> list[int]:
    found: list[bytes] = [] if index is None else index.keys.to_pylist()
    return [int.from_bytes(key, "big") for key in found]


def _states_by_place(
    places: Mapping[int, int], index: Index | None, codes: Sequence[str]
) -> dict[int, int]:
    """The state of some settings by their index in the space, in ascending order.

    Args:
        places: The index of each setting by its key.
        index: As for `plan`.
        codes: As for `plan`.
    """
    order = sorted(places, key=places.__getitem__)
    states = _states(_bytes_of(order), index, codes)
    return {places[key]: state for key, state in zip(order, states, strict=True)}


def _without(size: int, places: Sequence[int]) -> list[range]:
    """All indices of a space except some ascending ones, as ranges."""
    ends = [-1, *places, size]
    return [range(end + 1, next_) for end, next_ in pairwise(ends) if end + 1 < next_]


def _unknown_key(key: str, size: int) -> RunError:
    return RunError(
        f"only={key!r}: no setting of this space has that key (it has {counted(size, 'setting')}); "
        f"give the space the fields that this setting ran with"
    )


def _plan(every: Any, state: list[int], asked: list[bool], marks: list[bool], keys: Keys) -> Plan:
    """The plan of a space whose keys are all known.

    Args:
        every: The keys.
        state: The state of each setting.
        asked: Whether `only` leaves it in.
        marks: Whether it is to run.
        keys: Makes the keys.
    """
    size = len(state)
    met = Counter(zip(state, asked, marks, strict=True))
    repeated = 0 if keys.are_distinct else _drop_repeated(every, marks)
    return Plan(
        ranges_of(marks),
        size,
        done=met[DONE, True, False],
        stale=met[STALE, True, True],
        again=met[FAILED, True, True],
        stopped=met[STOPPED, True, True],
        others=asked.count(False),
        repeated=repeated,
        keys=every,
    )


NEW, DONE, STALE, FAILED, STOPPED = range(5)


def _wanted(resume: bool, only: str | None) -> tuple[bool, ...]:
    """Whether to run a setting, by its state."""
    if only == "failed":
        return (False, False, False, True, False)
    if only == "stopped":
        return (False, False, False, False, True)
    if only == "new":
        return (True, False, False, False, False)
    return (True, not resume, True, True, True)


def recorded(keys: pa.Array, index: Index | None, codes: Sequence[str]) -> dict[str, int]:
    """How many settings there are of each kind in `COUNTED`.

    Args:
        keys: The keys of the settings, 16 bytes each, each once.
        index: As for `plan`.
        codes: As for `plan`.
    """
    if index is None or len(index) == 0:
        return dict.fromkeys(COUNTED, 0) | {"new": len(keys)}
    place = pc.index_in(keys, value_set=index.keys)
    status, code = index.status.take(place), index.code.take(place)
    met = {name: _true(pc.equal(status, _scalar(at))) for at, name in enumerate(STATUSES)}
    is_ours = pc.is_in(code, value_set=_ours(index, codes))
    done = _true(pc.and_(pc.equal(status, _scalar(0)), is_ours))
    more = {"done": done, "stale": met["done"] - done, "new": int(status.null_count)}
    return {name: (met | more)[name] for name in COUNTED}


def number_of_others(index: Index | None, counts: Mapping[str, int]) -> int:
    """How many settings are recorded that are not among those that `recorded` has counted."""
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
    is_done = pc.equal(index.status.take(place), _scalar(0))
    is_ours = pc.is_in(index.code.take(place), value_set=_ours(index, codes))
    found = run.filter(pc.and_(is_done, is_ours)).unique().to_pylist()
    return [index.runs[at] for at in sorted(found)]


def _true(mask: Any) -> int:
    return int(mask.true_count)


def _ours(index: Index, codes: Sequence[str]) -> Any:
    """The places of these codes in the index."""
    wanted = set(codes)
    places = [at for at, code in enumerate(index.codes) if code in wanted]
    return plain_array(places, index.code.type)


def _having(every: Any, only: Collection[str]) -> list[bool]:
    """Whether each setting has one of these keys, which are all different."""
    wanted = list(only)
    keys = plain_array([key_of_text(one).to_bytes(16, "big") for one in wanted], every.type)
    known = pc.is_in(keys, value_set=every).to_pylist()
    for key, is_known in zip(wanted, known, strict=True):
        if not is_known:
            raise _unknown_key(key, len(every))
    having: list[bool] = pc.is_in(every, value_set=keys).to_pylist()
    return having


def all_keys(keys: Keys, size: int) -> Any:
    """The keys of all settings in order, 16 bytes each."""
    data = bytearray()
    for index in range(size):
        data += keys[index].to_bytes(16, "big")
    return pa.Array.from_buffers(pa.binary(16), size, [None, pa.py_buffer(data)])


def _states(
    every: Any, index: Index | None, codes: Sequence[str], same_stops: Collection[str] = ()
) -> list[int]:
    if index is None or len(index) == 0:
        return [NEW] * len(every)
    place = pc.index_in(every, value_set=index.keys)
    is_done = pc.equal(index.status, _scalar(0))
    is_ours = pc.is_in(index.code, _ours(index, codes))
    is_stopped = pc.equal(index.status, _scalar(STATUSES.index("stopped")))
    if same_stops:
        runs = [at for at, name in enumerate(index.runs) if name in same_stops]
        is_same = pc.is_in(index.run, plain_array(runs, index.run.type))
        is_done = pc.or_(is_done, pc.and_(is_stopped, is_same))
    other = pc.if_else(is_stopped, _scalar(STOPPED), _scalar(FAILED))
    state = pc.if_else(is_done, pc.if_else(is_ours, _scalar(DONE), _scalar(STALE)), other)
    found: list[int] = pc.fill_null(state.take(place), _scalar(NEW)).to_pylist()
    return found


def _scalar(number: int) -> Any:
    return plain_scalar(number, pa.int8())


def _drop_repeated(every: Any, marks: list[bool]) -> int:
    """Unmark all but the first of the settings with the same key, and return their number."""
    seen: set[bytes] = set()
    repeated = 0
    for at, key in enumerate(every.to_pylist()):
        if key in seen:
            repeated += 1
            marks[at] = False
        seen.add(key)
    return repeated


def ranges_of(marks: Iterable[bool]) -> list[range]:
    """The indices of marks that are true, as ascending ranges."""
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
