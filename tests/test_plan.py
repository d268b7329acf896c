"""What a run still has to do."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superparams import Experiment, search, value
from superparams.errors import RunError
from superparams.keys import Keys
from superparams.plan import LARGEST_PLAN, plan, ranges_of
from superparams.store import Index


class Toy(Experiment):
    a: int = search(range(8))
    b: str = "x"


def keys_of(space: Experiment) -> list[int]:
    keys = Keys(space)
    return [keys[index] for index in range(space.n_settings)]


def index_of(**known: tuple[str, str]) -> Index:
    """What is recorded: the status of a setting of Toy, by its `a`, and the code that made it."""
    statuses = ["done", "failed", "killed", "timeout"]
    codes = sorted({code for _, code in known.values()})
    keys = [keys_of(Toy(a=int(a[1:])))[0].to_bytes(16, "big") for a in known]
    return Index(
        pa.array(keys, pa.binary(16)),
        pa.array([statuses.index(status) for status, _ in known.values()], pa.int8()),
        pa.array([codes.index(code) for _, code in known.values()], pa.int64()),
        [f"run-{code}" for code in codes],
        list(codes),
    )


RECORDED = {
    "a1": ("done", "now"),
    "a2": ("done", "before"),
    "a3": ("failed", "now"),
    "a4": ("killed", "before"),
    "a5": ("done", "now"),
}


def planned(space: Experiment, **more: Any) -> Any:
    return plan(Keys(space), space.n_settings, index_of(**RECORDED), ["now"], **more)


def todo(found: Any) -> list[int]:
    return [index for one in found.todo for index in one]


def test_what_is_done_by_the_same_code_is_left_out() -> None:
    found = planned(Toy())
    assert found.todo == [range(1), range(2, 5), range(6, 8)]
    assert (found.done, found.stale, found.again, found.n_todo) == (2, 1, 2, 6)


def test_code_that_was_accepted_counts_as_the_same() -> None:
    found = plan(Keys(Toy()), 8, index_of(**RECORDED), ["now", "before"])
    assert todo(found) == [0, 3, 4, 6, 7]


def test_all_of_it_when_asked() -> None:
    found = planned(Toy(), resume=False)
    assert (todo(found), found.done, found.n_todo) == (list(range(8)), 0, 8)


def test_only_what_failed() -> None:
    found = planned(Toy(), only="failed")
    assert (todo(found), found.again, found.others) == ([3, 4], 2, 6)
    assert todo(planned(Toy(), only="failed", resume=False)) == [3, 4]


def test_what_failed_by_any_code_is_run_by_only() -> None:
    assert todo(planned(Toy(a=search([4, 9])), only="failed")) == [0]


def test_a_setting_twice_is_run_once() -> None:
    found = planned(Toy(a=search([7, 1, 7, 0, 1, 7])))
    assert (todo(found), found.repeated) == ([0, 3], 3)


def test_nothing_recorded_takes_no_keys() -> None:
    class Wide(Toy):
        c: int = search(range(10**12))

    begun = time.perf_counter()
    found = plan(Keys(Wide()), Wide().n_settings, None, ["now"])
    assert (found.n_todo, found.keys) == (8 * 10**12, None)
    assert time.perf_counter() - begun < 0.1


def test_a_huge_space_is_not_compared_but_may_run_again() -> None:
    class Wide(Toy):
        c: int = search(range(10**12))

    size = Wide().n_settings
    with pytest.raises(RunError, match="resume=False"):
        plan(Keys(Wide()), size, index_of(**RECORDED), ["now"])
    with pytest.raises(RunError):
        plan(Keys(Wide()), size, index_of(**RECORDED), ["now"], only="failed")
    found = plan(Keys(Wide()), size, index_of(**RECORDED), ["now"], resume=False)
    assert (found.n_todo, found.keys) == (size, None)
    assert found.keys_of(Keys(Wide())) is None
    assert size > LARGEST_PLAN


def test_a_huge_space_with_points_that_may_repeat_starts_too() -> None:
    class Derived(Toy):
        c: int = search(range(10**9))
        d: int = value(derive=lambda s: s.c)

    assert plan(Keys(Derived()), Derived().n_settings, None, ["now"]).n_todo == 8 * 10**9


def test_an_empty_space() -> None:
    class Empty(Toy):
        def valid(self) -> bool:
            return False

    for found in (plan(Keys(Empty()), 0, None, []), planned(Empty())):
        assert found.n_todo == 0


def test_a_hundred_thousand_that_are_done_are_planned_quickly() -> None:
    """Less than 5 us each on an idle machine; this one may be busy."""
    size = 100_000
    space = Toy(a=search(range(size)))
    every = [key.to_bytes(16, "big") for key in keys_of(space)]
    count = pa.array([0] * size, pa.int8())
    index = Index(pa.array(every, pa.binary(16)), count, count.cast(pa.int64()), ["r"], ["now"])
    begun = time.process_time()
    found = plan(Keys(space), size, index, ["now"])
    assert time.process_time() - begun < 10e-6 * size
    assert (found.n_todo, found.done) == (0, size)


@given(st.lists(st.booleans(), max_size=30))
def test_ranges_hold_what_is_marked(marks: list[bool]) -> None:
    ranges = ranges_of(marks)
    assert [at for one in ranges for at in one] == [at for at, one in enumerate(marks) if one]
    assert all(one for one in ranges)
    assert all(a.stop < b.start for a, b in itertools.pairwise(ranges))
