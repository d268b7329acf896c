"""Row 73: what is asked of a space of millions of settings takes as long as the question."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from superparams import Experiment, search
from superparams.declare.keys import Keys
from superparams.declare.presentation import given_fields
from superparams.errors import RunError
from superparams.outcomes.outcome import Outcome
from superparams.run.plan import plan
from superparams.run.space_keys import is_sparse, keys_in_space
from superparams.store.table.arrow_arrays import keys_of
from superparams.store.table.index import read_index
from tests.recording import run

pytestmark = pytest.mark.usefixtures("no_leaks")

SIZE = 11_000_000


class Large(Experiment):
    a: int = search(range(1100))
    b: float = search([n / 7 for n in range(1000)])
    c: str = search(list("abcdefghij"))

    def run(self) -> dict[str, float]:
        return {"v": self.a + self.b}


class Some(Experiment):
    """A part of it is left out."""

    a: int = search(range(400))
    b: int = search(range(400))

    def valid(self) -> bool:
        return self.a != self.b

    def run(self) -> None: ...


class Square(Experiment):
    """Of several keys, what two axes leave is more than is held at once."""

    x: int = search(range(160_000))
    y: int = search(range(160_000))

    def run(self) -> None: ...


class Line(Experiment):
    x: int = search(range(150_000))

    def run(self) -> None: ...


@pytest.mark.parametrize(("cls", "many"), [(Large, 50), (Some, 20), (Line, 5), (Square, 2)])
def test_73_a_key_leads_to_its_setting(cls: type[Experiment], many: int) -> None:
    space = cls()
    size, keys = space.n_settings, Keys(space)
    lot = random.Random(5)
    places = [0, 1, size // 2, size - 2, size - 1, *(lot.randrange(size) for _ in range(many))]
    wanted = {keys[place]: place for place in places}
    assert keys.find(list(wanted)) == wanted
    strangers = [key ^ 1 for key in list(wanted)[:3]]
    assert keys.find([*strangers, keys[7]]) == {keys[7]: 7}
    assert keys.find([]) == {}


def test_73_a_plan_holds_no_key_of_the_space(tmp_path: Path) -> None:
    space = Large()
    keys = Keys(space)
    mine = [space[place].key for place in (3, 4, 7_654_321, SIZE - 1)]
    outcomes = [
        Outcome(0, mine[0], "done", {}),
        Outcome(1, mine[1], "failed", {}, error="no"),
        Outcome(2, "0" * 31 + "1", "done", {}),
    ]
    run(tmp_path, outcomes)
    run(tmp_path, [Outcome(0, mine[2], "done", {})], code="c2")
    index = read_index(tmp_path)
    assert keys.are_distinct
    tracemalloc.start()  # which makes all of it slow
    whole = plan(keys, SIZE, index, ["c1"])
    some = plan(keys, SIZE, index, ["c1"], only=tuple(mine))
    again = plan(keys, SIZE, index, ["c1"], only=(mine[0],), resume=False)
    failed = plan(keys, SIZE, index, ["c1"], only="failed")
    new = plan(keys, SIZE, index, ["c1"], only="new")
    order = keys_in_space(keys, keys_of([*reversed(mine), "0" * 32]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
    assert list(whole.todo) == [range(3), range(4, SIZE)]
    assert (whole.done, whole.stale, whole.again, whole.n_todo) == (1, 1, 1, SIZE - 1)
    assert [one.start for one in some.todo] == [4, 7_654_321, SIZE - 1]
    assert (some.done, some.stale, some.again, some.others) == (1, 1, 1, SIZE - 4)
    assert (list(failed.todo), failed.again, failed.others) == ([range(4, 5)], 1, SIZE - 1)
    assert list(new.todo) == [range(3), range(5, 7_654_321), range(7_654_322, SIZE)]
    assert (new.again, new.others, new.n_todo) == (0, 3, SIZE - 3)
    assert (list(again.todo), again.others) == ([range(3, 4)], SIZE - 1)
    assert [key.hex() for key in order.to_pylist()] == mine
    with pytest.raises(RunError, match="no setting of this space has that key"):
        plan(keys, SIZE, index, ["c1"], only=("0" * 32,))


class Longest(Experiment):
    x: int = search(range(1 << 62))
    y: int = search(range(0, 1 << 62, 2))

    def run(self) -> dict[str, int]:
        return {"z": self.x}


@pytest.mark.parametrize("x", [range(1 << 62), range((1 << 62) - 1), range(1, 1 << 62), [0, 1]])
def test_73_a_range_is_compared_with_that_of_the_class(x: Sequence[int], tmp_path: Path) -> None:
    """As a whole: it would take years to compare the numbers one by one."""
    space = Longest(x=search(x), y=search(range(0, (1 << 62) - 1, 2)))
    assert list(given_fields(space)) == ([] if x == range(1 << 62) else ["x"])
    (row,) = space[1:2].run_all(1, results=tmp_path, progress=False)
    assert (row["x"], row["y"], row["z"]) == (x[0], 2, x[0])


def test_73_run_and_results_of_a_few(tmp_path: Path) -> None:
    space = Large()
    asked = [space[place].key for place in (SIZE - 1, 5)]
    ran = space.run_all(only=asked, results=tmp_path, progress=False)
    assert [row["key"] for row in ran] == asked[::-1]
    again = space.run_all(only=asked[:1], results=tmp_path, progress=False)
    assert len(again) == len(again.runs) + 1 == 2
    assert [row["key"] for row in space.results(results=tmp_path)] == asked[::-1]


def test_73_what_failed_and_what_is_new_as_in_a_small_space(tmp_path: Path) -> None:
    """The same plan whether the keys of a space are looked up or compared one by one."""
    space = Line()
    keys, size = Keys(space), space.n_settings
    mine = [space[place].key for place in (0, 5, 149_999)]
    outcomes = [
        Outcome(0, mine[0], "done", {}),
        Outcome(1, mine[1], "failed", {}, error="no"),
        Outcome(2, mine[2], "killed", {}, error="no"),
    ]
    run(tmp_path, outcomes)
    few = read_index(tmp_path)
    others = [Outcome(n, f"{n:032x}", "done", {}) for n in range(10_000)]  # of no setting of it
    run(tmp_path, others)
    many = read_index(tmp_path)
    assert is_sparse(keys, size, few)
    assert not is_sparse(keys, size, many)
    for only in ("failed", "new"):
        one, other = (plan(keys, size, each, ["c1"], only=only) for each in (few, many))
        counts = [(x.done, x.stale, x.again, x.others, x.n_todo) for x in (one, other)]
        assert list(one.todo) == list(other.todo)
        assert counts[0] == counts[1]
