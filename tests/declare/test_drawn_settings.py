"""`sample`, `sobol`, `latin_hypercube`, `grid` and `one_at_a_time` give settings that run."""

from __future__ import annotations

import json
import pickle
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import superparams
from superparams import Experiment, Params, Settings, search, value
from superparams.declare.class_schema import schema_of
from superparams.declare.keys import Keys, key_of
from superparams.declare.repeats import repeats_of
from superparams.declare.words import filter_values
from superparams.declare.words.recorded_schema import class_of_schema
from superparams.errors import SpaceError
from superparams.store.runs.folder import run_folders

pytestmark = pytest.mark.usefixtures("no_leaks")


class Momentum(Params):
    decay: float = search(low=0.5, high=1.0, step=0.1)
    nesterov: bool = search()


class Adam(Params):
    rate: float = search(low=1e-5, high=1e-1, log=True)
    beta: float = 0.9


class SGD(Params):
    rate: float = search(low=1e-5, high=1e-1, log=True)
    momentum: Momentum = Momentum()


class Fit(Experiment):
    lr: float = search(low=1e-5, high=1e-1, log=True)
    width: int = search(low=1, high=8)
    share: float = search(low=0, high=1, step=0.1)
    optimizer: Adam | SGD = search([Adam(), SGD()])
    size: str = search({"small": "s", "large": "l"})
    left: int = search([1, 2, 3], zip="z")
    right: int = search([10, 20, 30], zip="z")
    twice: int = value(derive=lambda s: 2 * s.width)
    epochs: int = 30

    def run(self) -> dict[str, Any]:
        return {"y": self.width * self.left}


class Few(Fit):
    """Half of the points are refused, and each goes with six repetitions."""

    seed: int = search(range(3), repeat=True)
    fold: int = search([0, 1], repeat=True)

    def valid(self) -> bool:
        return self.width % 2 == 0 or self.seed < 0


class Finite(Experiment):
    a: int = search([1, 2, 3])
    b: int = search([1, 2, 3, 4])

    def run(self) -> dict[str, int]:
        return {"y": self.a * self.b}


DRAWS: dict[str, Callable[[Any, int, int], Settings[Any]]] = {
    "sample": lambda space, n, seed: space.sample(n, seed=seed),
    "sobol": lambda space, n, seed: space.sobol(n, seed=seed),
    "latin_hypercube": lambda space, n, seed: space.latin_hypercube(n, seed=seed),
}
each_way = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


# -- what is drawn --------------------------------------------------------------------------------


@each_way
@pytest.mark.parametrize("cls", [Fit, Few])
def test_len_index_slices_and_iteration_agree(draw: Any, cls: type[Fit]) -> None:
    settings = draw(cls(), 40, 0)
    listed = list(settings)
    assert len(settings) == len(listed) == (240 if cls is Few else 40)
    order = list(range(len(settings)))
    random.Random(0).shuffle(order)
    fresh = draw(cls(), 40, 0)  # which has drawn nothing yet
    assert [fresh[index] for index in order] == [listed[index] for index in order]
    assert fresh[-1] == listed[-1]
    assert list(fresh[5:30:3]) == listed[5:30:3]
    assert list(fresh[::-1][2:9]) == listed[::-1][2:9]
    for setting in listed:
        assert setting.place.n_settings == 1  # `valid` keeps it
        assert setting.share in [n / 10 for n in range(11)]
        assert 1 <= setting.width <= 8
        assert 1e-5 <= setting.lr <= 1e-1
        assert setting.right == 10 * setting.left
        assert setting.twice == 2 * setting.width
    with pytest.raises(IndexError):
        settings[len(settings)]
    copy = pickle.loads(pickle.dumps(settings[3:9]))
    assert list(copy) == listed[3:9]
    assert settings.as_space()[7] == listed[7]


class Seeded(Fit):
    """Each point goes with six repetitions, and nothing is refused."""

    large: int = search(low=1, high=10**18, log=True)
    seed: int = search(range(3), repeat=True)
    fold: int = search([0, 1], repeat=True)


class Picky(Params):
    depth: int = search(low=1, high=6)
    part: int = search([0, 1], repeat=True)

    def valid(self) -> bool:
        return self.depth % 3 == 0 and (self.depth < 5 or self.part == 0)


class Chosen(Fit):
    """A group refuses points, and some repetitions of points."""

    picky: Picky = Picky()


class Kept(Fit):
    """A group refuses points with all their repetitions."""

    picky: Picky = Picky(part=0)


@each_way
@pytest.mark.parametrize("cls", [Fit, Few, Seeded, Chosen, Kept])
def test_a_space_of_drawn_settings_has_the_same_settings_and_keys(
    draw: Any, cls: type[Fit]
) -> None:
    fixed = cls(twice=2)  # keys of derived fields are not known beforehand
    for settings in (draw(fixed, 40, 0), draw(fixed, 40, 0)[:33], draw(fixed, 40, 0)[::-2]):
        space = settings.as_space()
        listed = list(settings)
        assert list(space) == listed
        keys = Keys(space)
        expected = [key_of(setting) for setting in listed]
        assert keys.are_distinct == (len(set(expected)) == len(expected))
        for each in (keys, pickle.loads(pickle.dumps(keys))):
            assert [each[index] for index in range(len(listed))] == expected


@each_way
def test_a_point_depends_on_seed_index_and_name_alone(draw: Any) -> None:
    points = list(draw(Fit(), 32, 0))
    assert list(draw(Fit(), 32, 0)) == points
    assert list(draw(Fit(), 32, 1)) != points

    class Wider(Fit):
        more: float = search(low=0, high=1)
        decay: float = search([0.1, 0.2])

    class Fixed(Fit):
        width = 3

    names = ("lr", "width", "share", "optimizer", "size", "left", "right")
    for point, wider in zip(points, draw(Wider(), 32, 0), strict=True):
        assert all(getattr(point, name) == getattr(wider, name) for name in names)
    fixed = list(draw(Fixed(lr=0.01), 32, 0))
    assert {(x.width, x.lr) for x in fixed} == {(3, 0.01)}
    if draw is not DRAWS["sobol"]:  # its axes have an order
        assert [x.optimizer for x in fixed] == [x.optimizer for x in points]
        assert [x.share for x in fixed] == [x.share for x in points]


def test_a_longer_sample_begins_with_a_shorter_one() -> None:
    for draw in (Few().sample, Few().sobol):
        assert list(draw(30))[: 6 * 10] == list(draw(10))
    assert list(Few().place.sample(3)) == list(Few().sample(3))
    assert list(Fit().latin_hypercube(30))[:10] != list(Fit().latin_hypercube(10))


def test_alternatives_have_equal_weight_and_words_of_their_own() -> None:
    settings = list(Fit().sample(4000))
    met = Counter(type(x.optimizer) for x in settings)
    assert met[Adam] == pytest.approx(2000, abs=150)
    # With the same words, both alternatives would have the same rate at one index.
    only = [Fit(optimizer=one()).sample(50) for one in (Adam, SGD)]
    assert [x.optimizer.rate for x in only[0]] == [x.optimizer.rate for x in only[1]]  # no choice
    rates = {type(x.optimizer): x.optimizer.rate for x in settings[:100]}
    assert rates[Adam] != rates[SGD]
    sums = Fit(optimizer=search([Adam(), SGD()])).sample(300)
    swapped = Fit(optimizer=search([SGD(), Adam()])).sample(300)
    same = [
        (x.optimizer.rate, y.optimizer.rate)
        for x, y in zip(sums, swapped, strict=True)
        if type(x.optimizer) is type(y.optimizer)
    ]
    assert all(one == other for one, other in same)
    assert Counter(x.size for x in settings)["s"] == pytest.approx(2000, abs=150)
    momenta = [x.optimizer.momentum for x in settings if isinstance(x.optimizer, SGD)]
    assert {m.decay for m in momenta} == {0.5, 0.6, 0.7, 0.8, 0.9, 1.0}
    assert {m.nesterov for m in momenta} == {True, False}


def test_each_point_has_all_repetitions() -> None:
    settings = list(Few().sample(20))
    for at in range(0, len(settings), 6):
        some = settings[at : at + 6]
        assert [(x.seed, x.fold) for x in some] == [(s, f) for s in range(3) for f in range(2)]
        assert len({x.replace(seed=0, fold=0) for x in some}) == 1

    class Inner(Params):
        fold: int = search([0, 1], repeat=True)

    class Outer(Experiment):
        inner: Inner = Inner()
        x: float = search(low=0, high=1)
        seed: int = search([5, 6], repeat=True)

    some = list(Outer().sample(2))
    assert [(x.inner.fold, x.seed) for x in some] == [(0, 5), (0, 6), (1, 5), (1, 6)] * 2
    assert len({x.x for x in some}) == 2

    class Wrong(Experiment):
        inner: Inner | Adam = search([Inner(), Adam()])

    with pytest.raises(SpaceError, match=r"Inner\.fold is a repetition inside of an alternative"):
        Wrong().sample(2)


def test_axes_that_are_zipped_are_a_repetition_together() -> None:
    class Zipped(Experiment):
        x: float = search(low=0, high=1)
        seed: int = search([1, 2], zip="z", repeat=True)
        fold: int = search([3, 4], zip="z", repeat=True)

    assert [(x.seed, x.fold) for x in Zipped().sample(2)] == [(1, 3), (2, 4)] * 2


def test_what_valid_refuses_is_drawn_again_but_not_for_ever() -> None:
    class Rare(Experiment):
        x: float = search(low=0, high=1)

        def valid(self) -> bool:
            return self.x < 0.01

    settings = list(Rare().sample(50))
    assert len({x.x for x in settings}) == 50
    assert all(x.x < 0.01 for x in settings)

    class Never(Experiment):
        x: float = search(low=0, high=1)

        def valid(self) -> bool:
            return False

    class Outer(Experiment):
        inner: Never = Never()
        y: float = search(low=0, high=1)

    for cls, where in ((Never, "Never"), (Outer, "inner")):
        settings = cls().sample(5)
        assert len(settings) == 5
        says = (
            rf"{where}\.valid\(\) refused all 1,000 attempts to draw point 3, .* less than 0\.1 %"
        )
        with pytest.raises(SpaceError, match=says):
            settings[3]


class Once(Experiment):
    """A low rate is tried with the first seed alone."""

    rate: float = search([0.1, 0.4, 0.7])
    seed: int = search(range(3), repeat=True)

    def valid(self) -> bool:
        return self.rate > 0.5 or self.seed == 0

    def run(self) -> dict[str, float]:
        return {"loss": self.rate + self.seed}


class Folded(Params):
    rate: float = search([0.1, 0.4, 0.7])
    fold: int = search(range(3), repeat=True)

    def valid(self) -> bool:
        return self.rate > 0.5 or self.fold == 0


class InGroup(Experiment):
    part: Folded = Folded()
    seed: int = search(range(2), repeat=True)


@each_way
@pytest.mark.parametrize("cls", [Once, InGroup])
def test_valid_may_keep_one_repetition_of_a_point_and_refuse_another(
    draw: Any, cls: type[Any]
) -> None:
    kept = list(cls())
    assert len(kept) == (5 if cls is Once else 10)
    assert list(cls().grid(9)) == kept
    drawn = draw(cls(), 30, 0)
    assert set(drawn) == set(kept)
    assert len(drawn) == len(list(drawn))
    if draw is not DRAWS["latin_hypercube"]:
        assert list(draw(cls(), 50, 0))[: len(drawn)] == list(drawn)
    by_rate = Counter(x.as_row()["rate" if cls is Once else "part.rate"] for x in drawn)
    each = 1 if cls is Once else 2
    assert set(by_rate) == {0.1, 0.4, 0.7}
    assert by_rate[0.7] % (3 * each) == 0  # all repetitions
    assert len(drawn) == by_rate.total() < 30 * 3 * each
    assert list(pickle.loads(pickle.dumps(drawn))) == list(drawn)
    for base in kept:
        assert set(cls().one_at_a_time(base)) == set(kept)


def test_a_drawn_point_differs_between_its_repetitions_in_nothing_else() -> None:
    class Part(Params):
        rate: float = search(low=0, high=1)
        fold: int = search(range(3), repeat=True)

        def valid(self) -> bool:
            return self.rate > 0.5 or self.fold == 0

    class Whole(Experiment):
        part: Part = Part()

    rates = [x.part.rate for x in Whole().sample(40)]
    assert len(set(rates)) == 40
    assert {rate > 0.5: count for rate, count in Counter(rates).items()} == {False: 1, True: 3}


def test_one_at_a_time_asks_the_valid_of_groups() -> None:
    class Small(Params):
        a: int = search([1, 2, 3])
        b: int = search([1, 2, 3])

        def valid(self) -> bool:
            return self.a <= self.b

    class Outer(Experiment):
        small: Small = Small()
        other: Small | None = search([None, Small()])

    base = Outer(small=Small(a=2, b=2), other=None)
    settings = set(Outer().one_at_a_time(base))
    assert settings <= set(Outer())
    assert {(x.small.a, x.small.b) for x in settings} == {(2, 2), (1, 2), (2, 3)}
    assert len([x for x in settings if x.other is not None]) == 6


def test_a_space_of_points_is_drawn_with_replacement() -> None:
    settings = list(Finite().sample(120))
    met = Counter((x.a, x.b) for x in settings)
    assert len(met) == 12
    assert max(met.values()) < 30
    one = Finite(a=1, b=2)
    assert list(one.sample(3)) == [one] * 3


@pytest.mark.parametrize("n", [0, -1, 1.5, "7", True, None, 2**32 + 1])
def test_a_number_of_points_is_an_int(n: Any) -> None:
    for name in ("sample", "sobol", "latin_hypercube"):
        with pytest.raises(SpaceError, match=rf"^Fit\.{name}\(n=.*from 1 to .*as in {name}\(100\)"):
            getattr(Fit(), name)(n)
    with pytest.raises(SpaceError, match=r"^Fit\.grid\(k=.*as in grid\(5\)"):
        Fit().grid(n)


@pytest.mark.parametrize("seed", [1.5, "7", True, None, 10**70])
def test_a_seed_is_an_int(seed: Any) -> None:
    with pytest.raises(SpaceError, match=r"^Fit\.sample\(seed=.*a seed is an int, such as seed=0"):
        Fit().sample(3, seed=seed)
    assert list(Fit().sample(3, -1)) != list(Fit().sample(3, 1))


# -- grids and ablations --------------------------------------------------------------------------


def test_a_grid_has_at_most_k_values_of_each_range_and_all_points() -> None:
    settings = Fit(optimizer=search([Adam(), SGD()]), share=0.3).grid(2)
    assert len(settings) == 2 * 2 * (2 + 2 * 2 * 2) * 2 * 3
    assert {x.lr for x in settings} == {1e-5, 1e-1}
    assert {x.width for x in settings} == {1, 8}
    assert len(set(settings)) == len(settings)
    assert settings.as_space()[5] == settings[5] == list(settings)[5]
    assert list(settings[4:8]) == list(settings)[4:8]
    assert len(Fit(optimizer=Adam()).grid(100)) == 100 * 8 * 11 * 100 * 2 * 3
    assert {x.width for x in Few(lr=0.1, share=0, optimizer=Adam()).grid(4)} == {6, 8}
    assert list(pickle.loads(pickle.dumps(Few(optimizer=Adam()).grid(1)))) == list(
        Few(optimizer=Adam()).grid(1)
    )
    assert len(Finite().grid(3)) == 12


def test_one_at_a_time_changes_one_axis_at_a_time() -> None:
    class Ablation(Experiment):
        a: int = search([1, 2, 3])
        optimizer: Adam | Momentum = search([Adam(rate=search([0.1, 0.2])), Momentum(decay=0.5)])
        left: int = search([1, 2], zip="z")
        right: int = search([10, 20], zip="z")
        seed: int = search([0, 1], repeat=True)
        epochs: int = 30

        def valid(self) -> bool:
            return self.a != 3

    base = Ablation(a=1, optimizer=Adam(rate=0.1), left=1, right=10, seed=1)
    settings = list(Ablation().one_at_a_time(base))
    assert [x.seed for x in settings] == [0, 1] * 6
    changed = [x.replace(seed=1) for x in settings[::2]]
    assert changed == [
        base,
        base.replace(a=2),
        base.replace(optimizer=Adam(rate=0.2)),
        base.replace(optimizer=Momentum(decay=0.5, nesterov=False)),
        base.replace(optimizer=Momentum(decay=0.5, nesterov=True)),
        base.replace(left=2, right=20),
    ]
    with pytest.raises(SpaceError, match=r"Ablation\.epochs=5 is not in this space.*fixed to 30"):
        Ablation().one_at_a_time(base.replace(epochs=5))
    with pytest.raises(SpaceError, match=r"takes a setting of Ablation"):
        Ablation().one_at_a_time(Ablation())
    with pytest.raises(SpaceError, match=r"takes a setting of Ablation"):
        Ablation().one_at_a_time({"a": 1})


def test_one_at_a_time_takes_some_points_of_a_range() -> None:
    base = Fit(
        lr=1e-3, width=2, share=0.5, optimizer=Adam(rate=0.1), size="small", left=1, right=10
    )
    with pytest.raises(SpaceError, match=r"Fit\.lr is a range.*one_at_a_time\(base, points=5\)"):
        Fit().one_at_a_time(base)
    settings = list(Fit().one_at_a_time(base, points=3))
    assert settings[0] == base
    assert len(settings) == len(set(settings))
    assert {x.lr for x in settings} == {1e-5, 1e-3, 1e-1}
    assert {x.width for x in settings} == {2, 1, 5, 8}
    assert {x.share for x in settings} == {0.5, 0.0, 1.0}


# -- runs -----------------------------------------------------------------------------------------


def test_a_longer_sample_runs_only_what_is_more(tmp_path: Path) -> None:
    def run(settings: Any, **options: Any) -> Any:
        return settings.run_all(results=tmp_path, progress=False, **options)

    first = run(Fit().sample(10))
    assert [row["lr"] for row in first] == [x.lr for x in Fit().sample(10)]
    assert len(set(first.to_arrow()["run"].to_pylist())) == 1
    more = run(Fit().sample(20), num_proc=2, engine="threads")
    runs = more.to_arrow()["run"].to_pylist()
    assert len(more) == 20
    assert set(runs[:10]) == {first.runs[0]}
    assert len(set(runs[10:])) == 1
    assert runs[10] != runs[0]
    assert run(Fit().sample(20)).runs == more.runs  # nothing more to run
    assert len(Fit().sample(15).results(tmp_path)) == 15
    assert len(Fit().sample(15)[3:6].run_all(results=tmp_path, progress=False)) == 3
    assert len(superparams.Results.load(first.root)) == 20


def test_equal_settings_of_a_sample_run_once(tmp_path: Path) -> None:
    settings = Finite().sample(40)
    results = settings.run_all(results=tmp_path, progress=False)
    assert len(superparams.Results.load(results.root)) == len(set(settings)) <= 12
    assert sum(run.manifest()["todo"] for run in runs_of(results)) == len(set(settings))


def runs_of(results: Any) -> list[Any]:
    return run_folders(results.root)


def test_grids_repetitions_and_ablations_run(tmp_path: Path) -> None:
    space = Few(optimizer=Adam(rate=0.1), lr=0.1, share=0.5, size="small")
    how = {"results": tmp_path, "progress": False}
    assert len(space.sample(3).run_all(2, engine="threads", **how)) == 18
    assert len(space.grid(2).run_all(**how)) == 18  # a width of 8, three zipped, six repetitions
    base = space.replace(width=2, left=1, right=10, seed=0, fold=0)
    assert len(space.one_at_a_time(base, points=8).run_all(**how)) == 6 * (4 + 2)
    names = {row["size"] for row in superparams.Results.load(tmp_path / NAME)}
    assert names == {"small"}


NAME = f"{__name__}.Few"


def test_the_results_of_a_space_with_ranges_are_those_of_settings_or_of_the_class(
    tmp_path: Path,
) -> None:
    Fit().sample(3).run_all(results=tmp_path, progress=False)
    with pytest.raises(SpaceError, match=r"Fit\.results\(\) .*sample\(100\)\.results\(\)"):
        Fit().results(tmp_path)
    assert len(Fit.results(tmp_path)) == 3


class Labelled(Experiment):
    x: float = search(low=0, high=1)
    seed: int = search({"first": 1, "second": 2, "third": 3}, repeat=True)


def test_a_repetition_stays_one_whatever_points_a_call_gives_it() -> None:
    for space in (
        Labelled(seed=search([5, 6])),
        Labelled(seed=search(["first", "third"])),
        Labelled().replace(seed=search(range(2))),
        Labelled.from_cli(["seed=first,third"]),
        Labelled.from_cli(["seed=5,6"]),
        Labelled(seed=search({"a": 7, "b": 8})),
    ):
        settings = list(space.sample(3))
        assert len(settings) == 6
        assert len({setting.x for setting in settings}) == 3
    assert len(Labelled(seed=1).sample(3)) == 3
    rows = [setting.as_row() for setting in Labelled().sample(1).as_space()]
    assert [row["seed"] for row in rows] == ["first", "second", "third"]


def test_the_schema_tells_of_ranges_and_repetitions() -> None:
    schema = schema_of(Few, repeats_of(Few()))
    assert schema["repeats"] == ["seed", "fold"]
    assert schema["fields"]["lr"]["axis"] == {"low": 1e-5, "high": 1e-1, "log": True}
    assert schema["fields"]["share"]["axis"]["step"] == 0.1
    assert json.loads(json.dumps(schema)) == schema
    assert "repeats" not in schema_of(Fit)
    read = class_of_schema(schema)
    assert read is not None
    assert filter_values(read, "lr", "0.001") == [0.001]
    assert filter_values(read, "width", "1..3") == [range(1, 4)]
    assert repeats_of(Fit) == ()
    assert repeats_of(Fit(width=search([1, 2], repeat=True))) == ("width",)


# -- what is no call -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sample", "sobol", "latin_hypercube", "grid"])
def test_a_draw_that_is_called_on_the_class_names_the_space(name: str) -> None:
    for of in (Fit, Fit.place):
        with pytest.raises(SpaceError, match=rf"Fit\b.*Fit\(.*\)\.({name}\(3\)|place)"):
            getattr(of, name)(3)
    assert len(getattr(Fit, name)(Fit(), 2)) >= 2  # as Python calls any method


def test_a_setting_that_is_not_there_is_named() -> None:
    stranger = Finite(a=9, b=9)
    for settings in (Finite().sample(3), Finite()[2:5], Settings([Finite(a=1, b=1)])):
        n = len(settings)
        with pytest.raises(ValueError, match=rf"Finite\(a=9, b=9\) is none of the {n} setting"):
            settings.index(stranger)
        assert settings.index(settings[n - 1]) == list(settings).index(settings[n - 1])
        with pytest.raises(ValueError, match="is none of"):
            settings.index(settings[0], 1, 1)
    with pytest.raises(SpaceError, match=r"item 0 is a space .*\[\*space\.sample\(100\)\]"):
        Settings([Fit()])
    with pytest.raises(SpaceError, match=r"item 0 is a space .*\[\*space\]"):
        Settings([Finite()])


def test_a_grid_lists_no_more_values_than_there_are_and_refuses_too_many() -> None:
    class Wide(Experiment):
        lr: float = search(low=0, high=1)
        n: int = search(low=1, high=9)
        size: int = search(low=1, high=9, log=True)
        share: float = search(low=0, high=1, step=0.1)

    lots = 10**9
    of = Wide(lr=0.5)
    assert len(of.grid(lots)) == 9 * 9 * 11
    assert list(of.grid(lots)) == list(of.grid(1000))
    assert len(of.one_at_a_time(of.grid(1)[0], points=lots)) == 1 + 8 + 8 + 10
    for ask in (
        lambda: Wide().grid(lots),
        lambda: Wide().one_at_a_time(Wide().sample(1)[0], points=lots),
        lambda: Wide(n=search(low=1, high=lots), lr=0.5).grid(lots),
        lambda: Wide(n=search(low=1, high=lots, log=True), lr=0.5).grid(lots),
    ):
        with pytest.raises(SpaceError, match=r"Wide\.\w+: 1,000,000,000 values .*sample\(10_000\)"):
            ask()


def test_a_number_of_numpy_is_a_number() -> None:
    for n in (np.int64(3), np.uint8(3)):
        assert list(Fit().sample(n)) == list(Fit().sample(3))  # type: ignore[arg-type]
        assert list(Fit().latin_hypercube(n)) == list(Fit().latin_hypercube(3))  # type: ignore[arg-type]
        assert len(Finite().grid(n)) == 12  # type: ignore[arg-type]
    for wrong in (np.bool_(True), True, 3.0, "3", np.float64(3), np.array([3, 4]), 0, -1):
        with pytest.raises(SpaceError, match=r"Fit\.sample\(n=.*must be an int from 1"):
            Fit().sample(wrong)  # type: ignore[arg-type]
