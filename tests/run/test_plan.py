"""What a run still has to do."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superparams import Experiment, Params, search, value
from superparams.declare.keys import Keys
from superparams.errors import RunError
from superparams.identity.digests.digest import key_text
from superparams.run.index_ranges import ranges_of
from superparams.run.plan import plan
from superparams.run.recorded_counts import OUTCOME_KINDS, count_outcomes
from superparams.run.space_keys import LARGEST_PLAN
from superparams.store.table.index import Index
from tests.timing import within


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
        pa.array([codes.index(code) for _, code in known.values()], pa.int64()),
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


def test_only_what_has_no_outcome() -> None:
    found = planned(Toy(), only="new")
    assert (todo(found), found.others) == ([0, 6, 7], 5)
    assert (found.done, found.stale, found.again) == (0, 0, 0)
    assert todo(planned(Toy(), only="new", resume=False)) == [0, 6, 7]
    assert todo(plan(Keys(Toy()), 8, None, ["now"], only="new")) == list(range(8))


def keys(*places: int) -> list[str]:
    return [key_text(keys_of(Toy())[place]) for place in places]


def test_only_these_keys() -> None:
    found = planned(Toy(), only=keys(5, 1, 3, 7, 5))
    assert (todo(found), found.others) == ([3, 7], 4)
    assert (found.stale, found.again, found.done) == (0, 1, 2)
    found = planned(Toy(), only=keys(5, 1, 3, 7, 5), resume=False)
    assert (todo(found), found.others) == ([1, 3, 5, 7], 4)
    assert (found.stale, found.again, found.done) == (0, 1, 0)
    assert todo(planned(Toy(), only=keys(2))) == [2]
    assert todo(planned(Toy(), only=[])) == []
    assert todo(plan(Keys(Toy()), 8, None, ["now"], only=keys(6))) == [6]
    twice = planned(Toy(a=search([7, 1, 7])), only=keys(7))
    assert (todo(twice), twice.repeated) == ([0], 1)


def test_a_key_of_no_setting_is_refused() -> None:
    with pytest.raises(RunError, match=f"only='{'0' * 32}': no setting .* 8 settings"):
        planned(Toy(), only=[*keys(1), "0" * 32])


def distinct(*places: int) -> pa.Array:
    every = [key.to_bytes(16, "big") for key in keys_of(Toy())]
    return pa.array([every[place] for place in places], pa.binary(16))


def test_what_is_recorded_is_counted() -> None:
    index = index_of(**RECORDED, a6=("timeout", "now"), a7=("done", "before"))
    nothing = dict.fromkeys(OUTCOME_KINDS, 0)
    found = count_outcomes(distinct(*range(8)), index, ["now"])
    expected = {"done": 2, "stale": 2, "failed": 1, "killed": 1, "timeout": 1, "new": 1}
    assert found == nothing | expected
    both = count_outcomes(distinct(*range(8)), index, ["now", "before"])
    assert (both["done"], both["stale"]) == (4, 0)
    assert count_outcomes(distinct(0, 1), index, ["now"]) == nothing | {"done": 1, "new": 1}
    assert count_outcomes(distinct(0, 1), None, ["now"]) == nothing | {"new": 2}
    assert count_outcomes(distinct(), index, ["now"]) == nothing
    assert count_outcomes(distinct(1), index, []) == nothing | {"stale": 1}


@given(
    st.dictionaries(
        st.integers(0, 7),
        st.tuples(
            st.sampled_from(["done", "failed", "killed", "timeout"]),
            st.sampled_from(["now", "before"]),
        ),
    )
)
def test_what_is_counted_is_what_is_planned(known: dict[int, tuple[str, str]]) -> None:
    index = index_of(**{f"a{place}": what for place, what in known.items()}) if known else None
    counts = count_outcomes(distinct(*range(8)), index, ["now"])
    found = plan(Keys(Toy()), 8, index, ["now"])
    failed = counts["failed"] + counts["killed"] + counts["timeout"]
    assert (found.done, found.stale, found.again) == (counts["done"], counts["stale"], failed)
    assert found.n_todo == 8 - counts["done"]
    assert sum(counts.values()) == 8


def test_a_setting_twice_is_run_once() -> None:
    found = planned(Toy(a=search([7, 1, 7, 0, 1, 7])))
    assert (todo(found), found.repeated) == ([0, 3], 3)


@pytest.mark.timed
def test_nothing_recorded_takes_no_keys() -> None:
    class Wide(Toy):
        c: int = search(range(10**12))

    with within(0.1):
        found = plan(Keys(Wide()), Wide().n_settings, None, ["now"])
    assert (found.n_todo, found.keys) == (8 * 10**12, None)


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


def test_many_that_are_done() -> None:
    """How quickly they are planned is for `test_speed.py`."""
    size = 100_000
    space = Toy(a=search(range(size)))
    every = [key.to_bytes(16, "big") for key in keys_of(space)]
    count = pa.array([0] * size, pa.int8())
    index = Index(
        pa.array(every, pa.binary(16)),
        count,
        count.cast(pa.int64()),
        ["r"],
        ["now"],
        count.cast(pa.int64()),
    )
    found = plan(Keys(space), size, index, ["now"])
    assert (found.n_todo, found.done) == (0, size)


@given(st.lists(st.booleans(), max_size=30))
def test_ranges_hold_what_is_marked(marks: list[bool]) -> None:
    ranges = ranges_of(marks)
    assert [at for one in ranges for at in one] == [at for at, one in enumerate(marks) if one]
    assert all(one for one in ranges)
    assert all(a.stop < b.start for a, b in itertools.pairwise(ranges))


class Refused(Experiment):
    a: int = search(range(3))

    def valid(self) -> bool:
        return False

    def run(self) -> dict[str, int]:
        return {"a": self.a}


class Group(Params):
    b: int = search([1, 2])

    def valid(self) -> bool:
        return False


class Outer(Experiment):
    group: Group = Group()

    def run(self) -> dict[str, int]:
        return {"b": self.group.b}


class Partly(Refused):
    def valid(self) -> bool:
        return self.a == 2


@pytest.mark.parametrize(
    ("space", "what"),
    [
        (Refused(), "Refused: valid() refuses all 3 settings"),
        (Refused(a=1), "Refused: valid() refuses the only setting"),
        (Outer(), "Outer: valid() refuses all settings of a group"),
        (Partly(), None),
    ],
    ids=repr,
)
def test_a_note_says_why_there_is_nothing_to_run(
    space: Experiment, what: str | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        found = space.run_all(results=tmp_path)
        assert len(found) == (what is None)
        said = capfd.readouterr().err
        assert ("nothing to run" in said) == (what is not None)
        if what is not None:
            assert f"note: {what}, so there is nothing to run\n" in said
            assert [note for note in found.notes if note.startswith(what)]
