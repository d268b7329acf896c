"""The plan of a run: the settings of a space without those that are recorded already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.declare.keys import Keys
from superparams.errors import RunError
from superparams.errors.units import counted
from superparams.identity.digests.digest import key_of_text
from superparams.outcomes.arrow import plain_array
from superparams.outcomes.outcome import STATUSES
from superparams.run.index_ranges import marked_indices, marks_of, ranges_without
from superparams.run.options import Only
from superparams.run.recorded_counts import places_of_codes, plain_number
from superparams.run.shards import SHARD, Shard, ranges_of_shard, shard_text
from superparams.run.space_keys import (
    LARGEST_PLAN,
    all_keys,
    can_find,
    is_sparse,
    keys_as_bytes,
    keys_at,
    places_in_shard,
)
from superparams.store.table.index import Index

__all__ = ["Plan", "plan"]


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
        repeated: The number of settings left out since the space has an equal setting before.
        shard: The only shard that runs, if any; all numbers but `size` are those of its settings.
        keys: The keys of all settings in order, 16 bytes each; with a shard, those of its settings.
            None if all of them run, so that nobody looked at the records.
        space_keys: With a shard, the keys of all settings, if all had to be compared.
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
    space_keys: Any = None
    shard: Shard | None = None

    @cached_property
    def part(self) -> Sequence[range]:
        """The indices of the settings of the shard; without a shard, of all settings."""
        return ranges_of_shard(self.shard, self.size)

    @property
    def n_settings(self) -> int:
        """The number of settings of the shard; without a shard, of the space."""
        return sum(map(len, self.part))

    def keys_of(self, keys: Keys) -> Any:
        """The keys of the settings of the shard, as in `keys`; None if there are too many."""
        if self.keys is None and self.n_settings <= LARGEST_PLAN:
            return keys_at(keys, self.part)
        return self.keys

    @property
    def n_todo(self) -> int:
        """The number of settings to run."""
        return sum(map(len, self.todo))

    @property
    def manifest(self) -> dict[str, Any]:
        """The entries of run.json."""
        shard = {} if self.shard is None else {SHARD: list(self.shard)}
        return {"settings": self.size, "todo": self.n_todo, **shard}


def plan(
    keys: Keys,
    size: int,
    index: Index | None,
    codes: Sequence[str],
    *,
    resume: bool = True,
    only: Only | None = None,
    same_stops: Collection[str] = (),
    shard: Shard | None = None,
) -> Plan:
    """Compare a space with the records of its experiment.

    Args:
        keys: The keys of the space.
        size: The number of its settings.
        index: The newest recorded outcome of every setting; None if there are none.
        codes: The fingerprints of the current code, and of code accepted as equivalent.
        resume: Whether to leave out settings that are done.
        only: Which settings to run, see `Only`.
        same_stops: The names of runs that stopped settings as this run would: these are done.
        shard: The only shard to run. Its settings do not depend on the records.

    Raises:
        RunError: For a space or a shard so large that the comparison would take minutes, and for a
            key that no setting of the space has.
    """
    is_new = index is None or len(index) == 0
    of_all = Plan(ranges_of_shard(shard, size), size, shard=shard)
    if is_new and only in ("failed", "stopped"):
        return Plan([], size, others=of_all.n_settings, shard=shard)
    is_whole = only is None or (is_new and only == "new")
    if (is_new or not resume) and is_whole and (size > LARGEST_PLAN or keys.are_distinct):
        return of_all
    if is_sparse(keys, size, index, of_all.n_settings):
        if isinstance(only, str):
            return _of_kind(keys, size, index, codes, only, shard)
        keys_asked = None if only is None else tuple(only)
        return _of_few(keys, size, index, codes, resume, keys_asked, shard)
    if of_all.n_settings > LARGEST_PLAN:
        raise _too_large(of_all)
    # If a space may have a setting twice, its shard follows from all keys of the space.
    is_part = shard is not None and (size > LARGEST_PLAN or keys.are_distinct)
    every = keys_at(keys, of_all.part) if is_part else all_keys(keys, size)
    state = _states(every, index, codes, same_stops)
    to_run = _runs_by_state(resume, only if isinstance(only, str) else None)
    marks = [to_run[kind] for kind in state]
    selected = [True] * len(every)
    if isinstance(only, str):
        selected = marks
    elif only is not None:
        selected = _having(every, tuple(only), keys, of_all)
        marks = [
            is_asked and is_wanted for is_asked, is_wanted in zip(selected, marks, strict=True)
        ]
    return _plan(every, state, selected, marks, keys, of_all)


def _too_large(plan: Plan) -> RunError:
    what = f"a space of {plan.size:,} settings"
    remedy = "fix some axes, give another results= folder, or run all of it again with resume=False"
    if plan.shard is not None:
        what = f"{shard_text(plan.shard)}, {plan.n_settings:,} settings of {what},"
        remedy = f"make smaller shards, {remedy}"
    return RunError(
        f"{what} is too large to be compared with what is recorded (at most {LARGEST_PLAN:,}): "
        f"{remedy}"
    )


def _of_few(
    keys: Keys,
    size: int,
    index: Index | None,
    codes: Sequence[str],
    resume: bool,
    only: Collection[str] | None,
    shard: Shard | None,
) -> Plan:
    """The plan of a large space, in which only keys of `only` or of the records are looked up."""
    if only is not None:
        digests = [key_of_text(text) for text in only]
    else:
        digests = _recorded_keys(index)
    places = keys.find(digests)
    if only is not None:
        for text, key in zip(only, digests, strict=True):
            if key not in places:
                raise _unknown_key(text, size)
    part = ranges_of_shard(shard, size)
    states = _states_by_place(places_in_shard(places, shard, size), index, codes)
    runs = _runs_by_state(resume, None)
    chosen = [place for place, state in states.items() if runs[state]]
    left = [place for place, state in states.items() if not runs[state]]
    n_by_state = Counter(state for state in states.values() if runs[state])
    todo = (
        ranges_without(part, left)
        if only is None
        else [range(place, place + 1) for place in chosen]
    )
    return Plan(
        todo,
        size,
        done=len(left),
        stale=n_by_state[STALE],
        again=n_by_state[FAILED],
        stopped=n_by_state[STOPPED],
        others=0 if only is None else sum(map(len, part)) - len(states),
        shard=shard,
    )


def _of_kind(
    keys: Keys,
    size: int,
    index: Index | None,
    codes: Sequence[str],
    only: str,
    shard: Shard | None,
) -> Plan:
    """The plan of a large space with ``only="failed"``, ``only="stopped"`` or ``only="new"``."""
    places = places_in_shard(keys.find(_recorded_keys(index)), shard, size)
    states, part = _states_by_place(places, index, codes), ranges_of_shard(shard, size)
    if only == "new":
        left = [place for place, state in states.items() if state != NEW]
        return Plan(ranges_without(part, left), size, others=len(left), shard=shard)
    state_to_run = FAILED if only == "failed" else STOPPED
    chosen = [place for place, state in states.items() if state == state_to_run]
    todo = [range(place, place + 1) for place in chosen]
    n, others = len(chosen), sum(map(len, part)) - len(chosen)
    if only == "failed":
        return Plan(todo, size, again=n, others=others, shard=shard)
    return Plan(todo, size, stopped=n, others=others, shard=shard)


def _recorded_keys(index: Index | None) -> list[int]:
    packed: list[bytes] = [] if index is None else index.keys.to_pylist()
    return [int.from_bytes(key, "big") for key in packed]


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
    states = _states(keys_as_bytes(order), index, codes)
    return {places[key]: state for key, state in zip(order, states, strict=True)}


def _unknown_key(key: str, size: int) -> RunError:
    return RunError(
        f"only={key!r}: no setting of this space has that key (it has {counted(size, 'setting')}); "
        f"give the space the fields that this setting ran with"
    )


def _plan(
    every: Any,
    state: list[int],
    selected: list[bool],
    marks: list[bool],
    keys: Keys,
    of_all: Plan,
) -> Plan:
    """The plan of a space or a shard whose keys are all known.

    Args:
        every: The keys: those of the shard, or those of all settings of the space.
        state: The state of each of these settings.
        selected: Whether `only` selects it.
        marks: Whether it is to run.
        keys: Makes the keys.
        of_all: The plan if all settings of the shard were to run.
    """
    part = of_all.part
    repeated = [False] * len(every) if keys.are_distinct else _repeated(every)
    space_keys = None
    if len(every) > of_all.n_settings:
        space_keys, is_here = every, marks_of(part, of_all.size)
        every = every.filter(plain_array(is_here, pa.bool_()))
        state = list(compress(state, is_here))
        selected, marks, repeated = (
            list(compress(x, is_here)) for x in (selected, marks, repeated)
        )
    counts = Counter(zip(state, selected, marks, repeated, strict=True))

    def number(kind: int, *, is_marked: bool = True) -> int:
        return sum(counts[kind, True, is_marked, twice] for twice in (False, True))

    runs = [marked and not twice for marked, twice in zip(marks, repeated, strict=True)]
    return replace(
        of_all,
        keys=every,
        space_keys=space_keys,
        todo=marked_indices(runs, part),
        done=number(DONE, is_marked=False),
        stale=number(STALE),
        again=number(FAILED),
        stopped=number(STOPPED),
        others=sum(n for (_, is_asked, _, _), n in counts.items() if not is_asked),
        repeated=sum(n for (_, _, _, twice), n in counts.items() if twice),
    )


NEW, DONE, STALE, FAILED, STOPPED = range(5)


def _runs_by_state(resume: bool, only: str | None) -> tuple[bool, ...]:
    """Whether to run a setting, by its state."""
    if only == "failed":
        return (False, False, False, True, False)
    if only == "stopped":
        return (False, False, False, False, True)
    if only == "new":
        return (True, False, False, False, False)
    return (True, not resume, True, True, True)


def _having(every: Any, only: Collection[str], keys: Keys, of_all: Plan) -> list[bool]:
    """Whether each setting has one of these keys, which are all different.

    Args:
        every: The keys of the settings.
        only: The wanted keys, each of some setting of the space.
        keys: The keys of the space.
        of_all: As for `_plan`.
    """
    only_keys = keys_as_bytes(map(key_of_text, only))
    are_known = pc.is_in(only_keys, value_set=every).to_pylist()
    others = [key for key, is_known in zip(only, are_known, strict=True) if not is_known]
    if others and len(every) < of_all.size:  # they may belong to other shards
        # If that would take too long to find out, it is assumed.
        places = keys.find(list(map(key_of_text, others))) if can_find(keys) else None
        others = [] if places is None else [x for x in others if key_of_text(x) not in places]
    for key in others:
        raise _unknown_key(key, of_all.size)
    having: list[bool] = pc.is_in(every, value_set=only_keys).to_pylist()
    return having


def _states(
    every: Any, index: Index | None, codes: Sequence[str], same_stops: Collection[str] = ()
) -> list[int]:
    if index is None or len(index) == 0:
        return [NEW] * len(every)
    place = pc.index_in(every, value_set=index.keys)
    is_done = pc.equal(index.status, plain_number(0))
    is_ours = pc.is_in(index.code, places_of_codes(index, codes))
    is_stopped = pc.equal(index.status, plain_number(STATUSES.index("stopped")))
    if same_stops:
        runs = [place for place, name in enumerate(index.runs) if name in same_stops]
        is_same = pc.is_in(index.run, plain_array(runs, index.run.type))
        is_done = pc.or_(is_done, pc.and_(is_stopped, is_same))
    other = pc.if_else(is_stopped, plain_number(STOPPED), plain_number(FAILED))
    state = pc.if_else(is_done, pc.if_else(is_ours, plain_number(DONE), plain_number(STALE)), other)
    states: list[int] = pc.fill_null(state.take(place), plain_number(NEW)).to_pylist()
    return states


def _repeated(every: Any) -> list[bool]:
    """Whether each key occurs at an earlier index, too."""
    earlier: set[bytes] = set()
    repeated: list[bool] = []
    for key in every.to_pylist():
        repeated.append(key in earlier)
        earlier.add(key)
    return repeated
