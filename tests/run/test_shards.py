"""Shards of a space: each is a run of its own, and all together make the table of one run."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superparams import Experiment, Results, Settings, search, value
from superparams.cli.plan_text import planned as planned_run
from superparams.declare.keys import Keys
from superparams.errors import RunError
from superparams.run.options import RunOptions
from superparams.run.plan import plan
from superparams.run.shards import is_in_shard, ranges_of_shard
from superparams.run.space_keys import LARGEST_PLAN, MOST_LOOKED_UP
from superparams.store.runs.run_records import runs
from superparams.store.table.index import Index
from superparams.strategies import Random, Threshold
from tests.run.test_plan import RECORDED, Toy, index_of, keys_of
from tests.runs import environment, family, recorded, script
from tests.sharding import rows_of, rows_of_file
from tests.small_cluster import OTHER_HOST, needs_namespaces
from tests.sweeps import sweep
from tests.timing import wait_for, within

pytestmark = pytest.mark.usefixtures("no_leaks")

# ---- which settings a shard has


@given(st.integers(0, 500), st.integers(1, 40))
def test_shards_divide_a_space_evenly(size: int, count: int) -> None:
    parts = [ranges_of_shard((number, count), size) for number in range(count)]
    indices = [[index for one in part for index in one] for part in parts]
    assert sorted(itertools.chain(*indices)) == list(range(size))
    assert all(part == sorted(part) for part in indices)
    sizes = [len(part) for part in indices]
    assert max(sizes) - min(sizes) <= 1
    for number, part in enumerate(indices):
        assert part == [at for at in range(size) if is_in_shard((number, count), size, at)]


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 16])
@pytest.mark.parametrize(
    "shape", [(50, 2), (40, 4), (40, 8), (20, 3, 5), (30, 16), (16, 30), (9, 17)]
)
def test_no_shard_has_all_slow_settings(shape: tuple[int, ...], count: int) -> None:
    """With every n-th setting, an axis of n points would give each shard one of its points."""
    points = list(itertools.product(*map(range, shape)))
    for number in range(count):
        mine = [points[at] for one in ranges_of_shard((number, count), len(points)) for at in one]
        for axis, n in enumerate(shape):
            met = Counter(point[axis] for point in mine)
            fair = len(mine) / n
            assert max(met.values()) <= max(fair + 4, 1.6 * fair), (axis, met)


@pytest.mark.timed
def test_a_shard_of_a_huge_space_is_some_thousands_of_ranges() -> None:
    size = 10**12 + 7
    with within(1.0):
        parts = [ranges_of_shard((number, 16), size) for number in range(16)]
    assert all(len(part) < 10_000 for part in parts)
    sizes = [sum(map(len, part)) for part in parts]
    assert sum(sizes) == size
    assert max(sizes) < 1.001 * min(sizes)
    for number, part in enumerate(parts):
        for one in part[:50]:
            for index in (one[0], one[-1]):
                assert is_in_shard((number, 16), size, index)
                assert not is_in_shard(((number + 1) % 16, 16), size, index)


# ---- the plan


def todo(found: Any) -> list[int]:
    return [index for one in found.todo for index in one]


def planned(space: Experiment, shard: tuple[int, int], records: Any = None, **more: Any) -> Any:
    index = index_of(**RECORDED) if records is None else records
    return plan(Keys(space), space.n_settings, index, ["now"], shard=shard, **more)


def test_what_is_recorded_does_not_move_settings_between_shards() -> None:
    part = [todo(plan(Keys(Toy()), 8, None, ["now"], shard=(i, 3))) for i in range(3)]
    for number, mine in enumerate(part):
        assert todo(planned(Toy(), (number, 3))) == [x for x in mine if x not in (1, 5)]
        assert todo(planned(Toy(), (number, 3), resume=False)) == mine
        assert todo(planned(Toy(), (number, 3), only="failed")) == [x for x in mine if x in (3, 4)]
        assert todo(planned(Toy(), (number, 3), only="new")) == [x for x in mine if x in (0, 6, 7)]


def test_counts_are_those_of_the_shard() -> None:
    each = [planned(Toy(), (number, 3)) for number in range(3)]
    whole = plan(Keys(Toy()), 8, index_of(**RECORDED), ["now"])
    for name in ("done", "stale", "again", "stopped", "others", "n_todo"):
        assert sum(getattr(one, name) for one in each) == getattr(whole, name)
    assert [one.n_settings for one in each] == [3, 3, 2]
    keys = [key for one in each for key in one.keys_of(Keys(Toy())).to_pylist()]
    assert sorted(keys) == sorted(key.to_bytes(16, "big") for key in keys_of(Toy()))


def test_keys_of_other_shards_are_left_out() -> None:
    keys = [f"{key:032x}" for key in keys_of(Toy())]
    each = [planned(Toy(), (number, 3), only=keys[:4]) for number in range(3)]
    assert sorted(x for one in each for x in todo(one)) == [0, 2, 3]
    assert sum(one.others for one in each) == 4
    with pytest.raises(RunError, match="no setting of this space has that key"):
        planned(Toy(), (0, 3), only=["0" * 32])


def test_a_setting_that_a_space_has_twice_runs_in_one_shard() -> None:
    twice = Toy(a=search([1, 2, 3, 1, 2, 3, 6, 6]))
    for records in (None, index_of(a7=("done", "now")), index_of(a2=("done", "now"))):
        index = index_of(**RECORDED) if records is None else records
        each = [planned(twice, (number, 3), index) for number in range(3)]
        whole = plan(Keys(twice), 8, index, ["now"])
        assert sorted(x for one in each for x in todo(one)) == todo(whole)
        assert sum(one.repeated for one in each) == whole.repeated == 4


class Wide(Experiment):
    a: int = search(range(1000))
    b: int = search(range(1000))


@pytest.mark.parametrize("only", [None, "new", "failed"])
def test_a_large_space_of_which_little_is_recorded(only: Any) -> None:
    places = [0, 5, 77, 500_000, 999_999]
    keys = Keys(Wide())
    index = index_at(keys, places, [0, 0, 1, 0, 1])
    each = [plan(keys, 10**6, index, ["now"], shard=(number, 7), only=only) for number in range(7)]
    expected = {None: 10**6 - 3, "new": 10**6 - 5, "failed": 2}
    assert sum(one.n_todo for one in each) == expected[only]
    done = {0, 5, 500_000} | ({77, 999_999} if only == "new" else set())
    for number, one in enumerate(each):
        mine = {x for x in places if is_in_shard((number, 7), 10**6, x)}
        assert {x for x in places if any(x in part for part in one.todo)} == mine - done
    together = sorted(x for one in each for part in one.todo for x in (part.start, part.stop))
    assert together[0] >= 0
    assert together[-1] <= 10**6


class Cube(Experiment):
    """So large that it is not compared as a whole."""

    a: int = search(range(300))
    b: int = search(range(300))
    c: int = search(range(400))

    def run(self) -> dict[str, int]:
        return {"p": self.a}


class Doubled(Experiment):
    """As large, but some of its settings are equal, and two fields move together."""

    a: int = search([*range(299), 0])
    b: int = search(range(300))
    c: int = search(range(400), zip="c")
    d: float = search([n / 4 for n in range(400)], zip="c")
    e: int = value(derive=lambda s: s.a + 1)

    def run(self) -> None: ...


class Long(Experiment):
    """One axis is so long that nothing is looked up in it."""

    a: int = search(range(10**9))
    b: int = search(range(3))

    def run(self) -> None: ...


def index_at(keys: Keys, places: list[int], status: list[int]) -> Index:
    zeros = pa.array([0] * len(places), pa.int64())
    return Index(
        pa.array([keys[at].to_bytes(16, "big") for at in places], pa.binary(16)),
        pa.array(status, pa.int8()),
        zeros,
        ["run"],
        ["now"],
        zeros,
    )


@pytest.mark.parametrize(("cls", "count"), [(Cube, 400), (Doubled, 3 * 10**5), (Long, 10**5)])
def test_a_late_shard_is_compared_with_what_all_others_have_recorded(
    cls: type[Experiment], count: int
) -> None:
    size, keys = cls().n_settings, Keys(cls())
    assert size > LARGEST_PLAN
    shards = [(0, count), (1, count), (2, count)]
    parts = [[x for one in ranges_of_shard(shard, size) for x in one] for shard in shards]
    failed = parts[0][7]
    recorded = [*parts[0], *parts[1][:5]]
    index = index_at(keys, recorded, [int(at == failed) for at in recorded])
    if cls is Cube:
        assert len(recorded) > MOST_LOOKED_UP
    resumed, begun, late = (plan(keys, size, index, ["now"], shard=x) for x in shards)
    assert [todo(x) for x in (resumed, begun, late)] == [[failed], parts[1][5:], parts[2]]
    assert (resumed.done, resumed.again) == (len(parts[0]) - 1, 1)
    assert (begun.done, late.done) == (5, 0)
    assert late.n_settings == late.n_todo == len(parts[2])
    assert late.keys.to_pylist() == [keys[at].to_bytes(16, "big") for at in parts[2]]
    for only, expected in (("new", [[], parts[1][5:]]), ("failed", [[failed], []])):
        each = [plan(keys, size, index, ["now"], shard=x, only=only) for x in shards[:2]]
        assert list(map(todo, each)) == expected
        assert [x.others for x in each] == [
            len(part) - len(mine) for part, mine in zip(parts, expected, strict=False)
        ]
    asked = [f"{keys[at]:032x}" for at in (failed, parts[1][-1], parts[2][0])]
    each = [plan(keys, size, index, ["now"], shard=x, only=asked) for x in shards]
    assert list(map(todo, each)) == [[failed], [parts[1][-1]], [parts[2][0]]]
    if cls is Cube:
        with pytest.raises(RunError, match="no setting of this space has that key"):
            plan(keys, size, index, ["now"], shard=shards[0], only=["0" * 32])


def test_a_shard_that_is_too_large_to_be_compared_says_so() -> None:
    keys, size = Keys(Long()), Long().n_settings
    index = index_at(keys, [3], [0])
    told = r"^shard 1/4, 75\d,.* of a space of 3,000,000,000 settings, .*make smaller shards"
    with pytest.raises(RunError, match=told):
        plan(keys, size, index, ["now"], shard=(1, 4))
    assert plan(keys, size, index, ["now"], shard=(1, 4), resume=False).n_todo > size // 5


class Huge(Experiment):
    a: int = search(range(10**4))
    b: int = search(range(10**4))
    c: int = search(range(10**3))

    def run(self) -> dict[str, int]:
        return {"p": self.a}


@pytest.mark.timed
def test_a_small_shard_of_a_huge_space_ends_and_is_resumed_at_once(tmp_path: Path) -> None:
    size = 10**11
    for count, n in ((size // 5, 5), (size // 50, 50), (size // 500, 500)):
        for number in (1, 1, 2):
            shard = (number, count)
            with within(3.0):
                mine = Huge().run_all(shard=shard, results=tmp_path, progress=False)
            expected = [x for one in ranges_of_shard(shard, size) for x in one]
            assert mine.counts == {"done": n}
            keys = mine.to_arrow()["key"].to_pylist()
            assert keys == [Huge()[at].key for at in expected]
    options = RunOptions(shard=(3, size // 500), results=str(tmp_path))
    with within(3.0):
        shown = planned_run(Huge(), options)
    assert shown.document["todo"] == 500
    assert len(list(mine.root.glob("runs/*"))) == 6  # what is done needs no run


@pytest.mark.timed
def test_what_is_recorded_is_searched_in_a_large_shard_if_that_costs_less() -> None:
    size = 10**11
    keys = Keys(Huge())
    index = index_at(keys, [0, 5], [0, 0])
    with within(3.0):
        each = [plan(keys, size, index, ["now"], shard=(number, 3)) for number in range(3)]
    assert [one.keys for one in each] == [None] * 3
    assert sum(one.n_todo for one in each) == size - 2


# ---- options


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((3, 3), "shards are numbered from 0: give (0, 3) to (2, 3)"),
        ((16, 16), "give (0, 16) to (15, 16)"),
        ((1, 1), "the only shard of one is (0, 1)"),
        ((-1, 3), "give the number of the shard, from 0, and how many shards there are"),
        ((0, 0), "as in (0, 4)"),
        ((1, 2, 3), "as in (0, 4)"),
        ((0.5, 2), "as in (0, 4)"),
        ((True, 2), "as in (0, 4)"),
        ("1/3", "as in (0, 4)"),
        (3, "as in (0, 4)"),
        ({0: 1, 1: 2}, "as in (0, 4)"),
    ],
)
def test_what_is_no_shard_is_refused(given: Any, told: str) -> None:
    with pytest.raises(RunError) as refused:
        RunOptions(shard=given)
    assert told in str(refused.value)
    assert str(refused.value).startswith(f"shard={given!r}: ")


def test_a_shard_may_be_a_list_of_whole_numbers_of_numpy() -> None:
    np = pytest.importorskip("numpy")
    assert RunOptions(shard=[np.int64(1), np.int32(3)]).shard == (1, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "option",
    [
        {"strategy": Random(trials=3, maximize="y")},
        {"stop": Threshold(lower=0.1, maximize="y")},
    ],
)
def test_what_needs_all_outcomes_is_refused(option: dict[str, Any]) -> None:
    (name,) = option
    with pytest.raises(RunError, match=rf"^{name}=.* cannot be used with shard=\(1, 3\): "):
        RunOptions(shard=(1, 3), **option)


# ---- runs


class Fit(Experiment):
    rate: float = search([0.1, 0.01, 0.001])
    depth: int = search(range(4))
    seed: int = search(range(3), repeat=True)

    def run(self) -> Iterator[dict[str, float]]:
        yield {"loss": self.rate * self.depth}
        if (self.depth, self.seed) == (2, 1):
            raise ValueError("no")
        yield {"loss": self.rate * self.depth + self.seed}


SPACES: dict[str, Callable[[], Any]] = {
    "space": Fit,
    "slice": lambda: Fit()[5:27],
    "strided": lambda: Fit()[::-2],
    "sample": lambda: Fit().sample(9, seed=3),
    "settings": lambda: Settings([*Fit()[:7], *Fit()[3:9], Fit(rate=0.5, depth=1, seed=0)]),
    "fixed": lambda: Fit(depth=2),
    "one setting": lambda: Fit(rate=0.1, depth=1, seed=2),
}


@pytest.mark.parametrize("name", SPACES)
@sweep(1, "count", [3, 1, 40])
def test_all_shards_together_are_one_run(tmp_path: Path, name: str, count: int) -> None:
    made = SPACES[name]
    unbroken = made().run_all(results=tmp_path / "unbroken", progress=False)
    numbers = [*range(1, count, 2), *range(0, count, 2)][: 12 if count == 40 else count]
    seen = 0
    for number in numbers:
        mine = made().run_all(shard=(number, count), results=tmp_path, progress=False)
        seen += len(mine)
    if len(numbers) < count:  # the rest, as a run that knows nothing of shards
        made().run_all(results=tmp_path, progress=False)
    else:
        assert seen >= len(unbroken)
    found = made().results(tmp_path)
    assert rows_of(found) == rows_of(unbroken)
    assert rows_of_file(found.root) == rows_of_file(unbroken.root)
    steps = [
        sorted(str(row) for row in one.steps.to_arrow().select(["key", "step", "loss"]).to_pylist())
        for one in (found, unbroken)
    ]
    assert steps[0] == steps[1]
    assert found.to_arrow()["key"].to_pylist() == unbroken.to_arrow()["key"].to_pylist()


def test_a_shard_has_the_rows_of_its_settings_alone(tmp_path: Path) -> None:
    first = Fit().run_all(shard=(0, 2), results=tmp_path, progress=False)
    second = Fit().run_all(shard=(1, 2), results=tmp_path, progress=False)
    assert len(first) == len(second) == 18
    keys = [set(one.to_arrow()["key"].to_pylist()) for one in (first, second)]
    assert not keys[0] & keys[1]
    again = Fit().run_all(shard=(0, 2), results=tmp_path, progress=False)
    assert set(again.to_arrow()["key"].to_pylist()) == keys[0]
    assert again.counts == first.counts
    manifest = json.loads(min(first.root.glob("runs/*/run.json")).read_text())
    assert (manifest["shard"], manifest["settings"], manifest["todo"]) == ([0, 2], 36, 18)


def test_an_empty_shard_runs_nothing(tmp_path: Path) -> None:
    results = Fit(depth=1, seed=0).run_all(shard=(40, 50), results=tmp_path, progress=False)
    assert len(results) == 0


class Reports(Experiment):
    a: int = search(range(6))

    def run(self) -> dict[str, int]:
        return {"b": self.a}

    def report(self, results: Results) -> str:
        return f"{len(results)} rows"


def test_the_report_is_made_by_a_run_of_all_settings(tmp_path: Path) -> None:
    for number in range(2):
        results = Reports().run_all(shard=(number, 2), results=tmp_path, progress=False)
        assert results.report is None
    results = Reports().run_all(results=tmp_path, progress=False)
    assert results.report is not None
    assert results.report.read_text().strip() == "6 rows"
    assert len(list(results.root.glob("runs/*"))) == 2


# ---- processes

TASK = """
import os, sys, time
from pathlib import Path
from superparams import Experiment, search

class Task(Experiment):
    a: int = search(range(40))
    b: str = search(["x", "y"])

    def run(self):
        with open("ran.txt", "a") as file:
            file.write(f"{self.a}{self.b}\\n")
        while self.a == 39 and Path("hold").exists():
            time.sleep(0.01)
        if self.a % 7 == 3:
            raise ValueError(f"{self.a}")
        (self.folder / "out.txt").write_text(self.b)
        return {"c": self.a * 2, "d": self.b * self.a}

if __name__ == "__main__":
    number, count, workers = map(int, sys.argv[1:4])
    space = Task()
    Path(f"ready{number}").touch()
    while Path("wait").exists():
        time.sleep(0.001)
    found = space.run_all(workers, shard=(number, count), progress=bool(sys.argv[4:]))
    print(len(found), len(found.failures))
"""


def begin(
    folder: Path,
    number: int,
    count: int,
    workers: int = 1,
    *more: str,
    command: tuple[str, ...] = (),
) -> Any:
    return subprocess.Popen(
        [
            *command,
            sys.executable,
            "-W",
            "error",
            "task.py",
            str(number),
            str(count),
            str(workers),
            *more,
        ],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@sweep(1, "workers", [1, 2])
def test_eight_shards_that_start_at_the_same_instant(tmp_path: Path, workers: int) -> None:
    script(tmp_path, TASK, "task.py")
    (tmp_path / "wait").touch()
    tasks = [begin(tmp_path, number, 8, workers, "loud") for number in range(8)]
    wait_for(lambda: len([*tmp_path.glob("ready*")]) == 8)
    (tmp_path / "wait").unlink()
    ended = [task.communicate(timeout=240) for task in tasks]
    assert [task.returncode for task in tasks] == [0] * 8, ended
    assert sum(int(out.split()[0]) for out, _ in ended) == 80
    for _, told in ended:
        assert "another run" not in told
        assert "Warning" not in told
    ran = (tmp_path / "ran.txt").read_text().splitlines()
    assert len(ran) == len(set(ran)) == 80
    root = tmp_path / "results" / "task.Task"
    on_disk = rows_of_file(root)  # before anybody calls results()
    sharded = (tmp_path / "results").rename(tmp_path / "sharded") / "task.Task"
    alone = begin(tmp_path, 0, 1)
    assert (alone.communicate(timeout=240)[1], alone.returncode) == ("", 0)
    expected = rows_of_file(root)
    assert len(expected) == 80
    assert on_disk == expected
    assert len([*sharded.glob("runs/*/run.json")]) == 8
    assert [*sharded.glob(".*")] == []


def test_a_shard_that_was_killed_runs_the_rest_of_its_own_settings(tmp_path: Path) -> None:
    script(tmp_path, TASK, "task.py")
    (tmp_path / "hold").touch()
    part = [at for one in ranges_of_shard((1, 2), 80) for at in one]
    number = 1 if 78 in part else 0  # the setting a=39, b="x", which waits
    stuck = begin(tmp_path, number, 2)
    wait_for(lambda: "39x" in ran_in(tmp_path))
    # All that ran before it, but the last one: its outcome may be kept back for a moment.
    wait_for(lambda: recorded(tmp_path) >= {int(one[:-1]) for one in ran_in(tmp_path)[:-2]})
    stuck.kill()
    stuck.communicate()
    before = ran_in(tmp_path)
    other = begin(tmp_path, 1 - number, 2)
    (tmp_path / "hold").unlink()
    assert other.wait(240) == 0
    other.communicate()
    again = begin(tmp_path, number, 2)
    out, told = again.communicate(timeout=240)
    assert again.returncode == 0, told
    ran = Counter(ran_in(tmp_path))
    assert len(ran) == 80
    # Only what had no outcome, or failed, has run twice.
    failed = {f"{a}{b}" for a in range(40) for b in "xy" if a % 7 == 3}
    twice = {name for name, n in ran.items() if n > 1}
    assert "39x" in twice
    assert twice <= failed | {"39x", before[-2]}
    assert out.split()[0] == "40"


def ran_in(folder: Path) -> list[str]:
    path = folder / "ran.txt"
    return path.read_text().splitlines() if path.exists() else []


def test_the_same_shard_twice_at_once_says_so(tmp_path: Path) -> None:
    script(tmp_path, TASK, "task.py")
    (tmp_path / "hold").touch()
    number = next(number for number in range(2) if is_in_shard((number, 2), 80, 78))
    first = begin(tmp_path, number, 2)
    wait_for(lambda: "39x" in ran_in(tmp_path))
    other = begin(tmp_path, 1 - number, 2, 1, "loud")
    wait_for(lambda: "39y" in ran_in(tmp_path) or other.poll() is not None)
    twin = begin(tmp_path, number, 2, 1, "loud")
    wait_for(lambda: ran_in(tmp_path).count("39x") == 2)
    (tmp_path / "hold").unlink()
    told = [task.communicate(timeout=240)[1] for task in (other, twin, first)]
    assert ["another run of task.Task is in progress" in text for text in told] == [
        False,
        True,
        False,
    ]
    ran = Counter(ran_in(tmp_path))
    assert len(ran) == 80


@needs_namespaces
def test_shards_on_other_hosts_one_of_which_dies(tmp_path: Path) -> None:
    """Each in a namespace of processes of its own: none can be seen from here."""
    script(tmp_path, TASK, "task.py")
    (tmp_path / "hold").touch()
    number = next(number for number in range(3) if is_in_shard((number, 3), 80, 78))
    tasks = [begin(tmp_path, at, 3, 1, command=OTHER_HOST) for at in range(3)]
    root = tmp_path / "results" / "task.Task"

    def states() -> dict[str | None, str]:
        return {one.shard: one.state for one in runs(root)}

    wait_for(lambda: "39x" in ran_in(tmp_path))
    assert states()[f"{number}/3"] == "running"
    (stuck,) = [one for one in runs(root) if one.shard == f"{number}/3"]
    assert stuck.place_elsewhere is not None
    for one in family(tasks[number].pid):
        one.kill()
    (tmp_path / "hold").unlink()
    ended = [task.communicate(timeout=240) for task in tasks]
    assert [task.returncode == 0 for task in tasks] == [at != number for at in range(3)], ended
    then = time.time() - 200  # its last sign
    for path in (stuck.folder.path, *stuck.folder.path.rglob("*")):
        os.utime(path, (then, then))
    assert states() == {f"{at}/3": "crashed" if at == number else "finished" for at in range(3)}
    again = begin(tmp_path, number, 3, 1, "loud")
    told = again.communicate(timeout=240)[1]
    assert "another run" not in told
    assert len(rows_of_file(root)) == 80
    done = [row for row in rows_of_file(root) if row["status"] == "done"]
    assert len(done) == 80 - len([a for a in range(40) if a % 7 == 3]) * 2
