"""`results.importance()`: known answers, what counts, and the same answer in every call."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superparams import Experiment, Params, Results, maximize, search, value
from superparams.errors import StoreError
from superparams.store.importance import Importance
from superparams.store.variance_shares import Share, factor_of, variance_shares
from tests.timing import within

pytestmark = pytest.mark.usefixtures("no_leaks")


def shares(found: Importance) -> dict[str, tuple[float, float]]:
    """Of each field its importance, and what of it is the field's alone."""
    return {row["field"]: (row["importance"], row["alone"]) for row in found}


class Grid(Experiment):
    goal = maximize("same")
    a: int = search([1, 2, 3])
    b: int = search([1, 2, 3])
    word: str = search(["x", "y"])
    fixed: int = 5

    def run(self) -> dict[str, Any]:
        return {
            "same": self.a,
            "product": self.a * self.b,
            "text": {"x": 0.0, "y": 10.0}[self.word],
            "either": (self.a == 1) != (self.word == "x"),
            "constant": 0.1 + 0.2,
            "huge": self.b * 1e300,
            "name": self.word,
        }


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Grid().run_all(results=tmp_path_factory.mktemp("results"), progress=False)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (None, {"a": (1, 1), "b": (0, 0), "word": (0, 0)}),
        ("same", {"a": (1, 1), "b": (0, 0), "word": (0, 0)}),
        ("product", {"a": (7 / 13, 6 / 13), "b": (7 / 13, 6 / 13), "word": (0, 0)}),
        ("text", {"word": (1, 1), "a": (0, 0), "b": (0, 0)}),
        ("either", {"word": (1, 1 / 9), "a": (8 / 9, 0), "b": (0, 0)}),
        ("constant", {"a": (0, 0), "b": (0, 0), "word": (0, 0)}),
        ("huge", {"b": (1, 1), "a": (0, 0), "word": (0, 0)}),
    ],
)
def test_exact_shares(grid: Results, column: str | None, expected: dict[str, Any]) -> None:
    found = grid.importance(column)
    assert list(shares(found)) == list(expected)  # the most important field first
    for name, pair in expected.items():
        assert shares(found)[name] == pytest.approx(pair), name
    assert {(row["of"], row["settings"], row["exact"]) for row in found} == {
        ("all settings", 18, True)
    }
    for row in found:
        assert row["with_others"] == pytest.approx(row["importance"] - row["alone"])


def by_definition(sizes: list[int], results: list[float]) -> list[tuple[float, float]]:
    """The total share and the share alone of each field, as the textbook defines them."""
    points = list(itertools.product(*map(range, sizes)))
    variance = statistics.pvariance(results)

    def mean_of_variances(key: Callable[[tuple[int, ...]], object]) -> float:
        groups: dict[object, list[float]] = {}
        for point, x in zip(points, results, strict=True):
            groups.setdefault(key(point), []).append(x)
        return statistics.mean(map(statistics.pvariance, groups.values()))

    return [
        (
            mean_of_variances(lambda p, at=at: p[:at] + p[at + 1 :]) / variance,  # type: ignore[misc]
            1 - mean_of_variances(lambda p, at=at: p[at]) / variance,  # type: ignore[misc]
        )
        for at in range(len(sizes))
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(2, 4), min_size=1, max_size=3).flatmap(
        lambda sizes: st.tuples(
            st.just(sizes),
            st.lists(
                st.integers(-50, 50), min_size=math.prod(sizes), max_size=math.prod(sizes)
            ).filter(lambda numbers: len(set(numbers)) > 1),
        )
    )
)
def test_shares_of_full_grids_are_those_of_the_definition(case: tuple[list[int], Any]) -> None:
    sizes, numbers = case
    middle = statistics.mean(numbers)
    points = list(itertools.product(*map(range, sizes)))
    factors = [factor_of(pl.Series([p[at] for p in points]).to_arrow()) for at in range(len(sizes))]
    found, is_exact = variance_shares(
        factors, pl.Series([float(x - middle) for x in numbers]).to_arrow()
    )
    assert is_exact
    assert len(found) == len(sizes)
    for share, (total, alone) in zip(found, by_definition(sizes, numbers), strict=True):
        assert (share.total, share.alone) == (pytest.approx(total), pytest.approx(alone, abs=1e-8))


def test_the_table_goes_elsewhere(grid: Results) -> None:
    found = grid.importance("product")
    assert found.columns[:3] == ["field", "importance", "alone"]
    assert found.to_arrow().num_rows == len(found) == len(found.to_pandas()) == 3
    assert found.to_polars().equals(pl.DataFrame(found))
    assert repr(found).splitlines()[0] == "importance of 3 fields for product"
    assert repr(found).splitlines()[2] == (
        "a           0.538  0.462        0.077  all settings        18  yes"
    )
    assert "<caption" in found._repr_html_()
    assert ">0.538</td>" in found._repr_html_()


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("nam", "no column 'nam'; did you mean 'name'?"),
        ("name", r"importance\('name'\): this column of Grid has no numbers, but string"),
    ],
)
def test_a_column_without_numbers_is_refused(grid: Results, column: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        grid.importance(column)


def test_a_column_or_a_goal_is_needed(tmp_path: Path) -> None:
    class Aimless(Experiment):
        a: int = search([1, 2])

        def run(self) -> dict[str, int]:
            return {"y": self.a}

    found = Aimless().run_all(results=tmp_path, progress=False)
    with pytest.raises(StoreError, match=r"importance\('accuracy'\), or write goal = maximize"):
        found.importance()
    assert shares(found.importance("y")) == {"a": (1, 1)}


def test_without_the_class(grid: Results) -> None:
    loaded = Results.load(grid.root)
    assert loaded.importance().to_arrow().equals(grid.importance().to_arrow())


# ---- alternatives


class Adam(Params):
    beta: float | None = search([None, 0.5, 0.9])


class SGD(Params):
    pass


class Rows(Params):
    count: int = search([1, 2])


class Fit(Experiment):
    optimizer: Adam | SGD = search([Adam(), SGD()])
    rows: Rows = Rows()
    lr: float = search([0.1, 0.2])

    def run(self) -> dict[str, float]:
        beta = self.optimizer.beta if isinstance(self.optimizer, Adam) else None
        inner = 4.0 if isinstance(self.optimizer, Adam) and beta is None else 0.0
        return {"inner": inner, "outer": 10 * self.lr * self.rows.count}


def test_a_field_counts_among_the_settings_that_have_it(tmp_path: Path) -> None:
    found = Fit().run_all(results=tmp_path, progress=False).importance("inner")
    rows = {row["field"]: row for row in found}
    assert list(rows) == ["optimizer.beta", "optimizer", "rows.count", "lr"]
    beta = rows["optimizer.beta"]
    # None is a value of Adam. SGD, which has no such field, is not one.
    assert (beta["importance"], beta["alone"]) == (pytest.approx(1), pytest.approx(1))
    assert (beta["of"], beta["settings"], beta["exact"]) == ("optimizer=Adam", 12, True)
    # All settings: the mean of Adam is 4/3 and that of SGD 0, the rest of the variance is beta's.
    means, inside = statistics.pvariance([4 / 3, 0]), statistics.pvariance([4, 0, 0]) / 2
    assert rows["optimizer"]["importance"] == pytest.approx(means / (means + inside))
    assert (rows["optimizer"]["of"], rows["optimizer"]["settings"]) == ("all settings", 16)
    assert rows["lr"]["importance"] == rows["rows.count"]["importance"] == 0


def test_fields_inside_alternatives_do_not_disturb_the_others(tmp_path: Path) -> None:
    found = Fit().run_all(results=tmp_path, progress=False).importance("outer")
    assert all(row["exact"] for row in found)
    assert shares(found)["optimizer.beta"] == (0, 0)
    assert shares(found)["optimizer"] == (0, 0)
    total = by_definition([2, 2], [1, 2, 2, 4])
    assert shares(found)["lr"] == pytest.approx(total[0])
    assert shares(found)["rows.count"] == pytest.approx(total[1])


# ---- what counts


class Some(Experiment):
    a: int = search([1, 2, 3])
    b: int = search([1, 2, 3])
    seed: int = search(range(3), repeat=True)
    twice: int = value(derive=lambda s: 2 * s.a)

    def run(self) -> dict[str, Any]:
        if self.a == self.b == 3:
            raise ValueError("this combination fails")
        nan = math.nan if self.b == 2 else math.inf if self.b == 3 else float(self.a)
        return {"y": self.a + 100 * (self.seed - 1), "nan": nan, "none": None}


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Some().run_all(results=tmp_path_factory.mktemp("results"), progress=False)


def test_repetitions_are_averaged_and_gaps_make_an_estimate(some: Results) -> None:
    found = some.importance("y")
    assert shares(found) == {"a": (pytest.approx(1), pytest.approx(1)), "b": (0, 0)}
    assert {(row["settings"], row["exact"]) for row in found} == {(8, False)}


def test_a_repetition_that_failed_leaves_the_grid_full(some: Results) -> None:
    rest = some.where(b=1)
    assert [row["exact"] for row in rest.importance("y")] == [True]
    without = Results(rest.root, rest.to_arrow().slice(2))  # a=1 has one seed of three
    assert [row["exact"] for row in without.importance("y")] == [True]


def test_nan_and_infinity_do_not_count(some: Results) -> None:
    found = some.importance("nan")
    assert shares(found) == {"a": (1, 1)}  # b does not vary among the rows that count
    assert [row["settings"] for row in found] == [3]


@pytest.mark.parametrize("select", [{"a": 1, "b": 1}, {"a": 3, "b": 3}])
def test_where_no_field_varies(some: Results, select: dict[str, int]) -> None:
    found = some.where(**select).importance("y")
    assert len(found) == 0
    assert repr(found) == "importance of 0 fields for y: no field varies"
    assert found._repr_html_()


def test_a_column_of_nothing(some: Results) -> None:
    with pytest.raises(StoreError, match="has no numbers"):
        some.importance("none")


def test_rows_of_other_code_do_not_count(some: Results) -> None:
    other = Results.load(some.root, codes=("0" * 64,))
    assert len(other.stale) == len(some)
    assert len(other.importance("y")) == 0
    assert shares(other.importance("y", stale=True)) == shares(some.importance("y"))
    assert shares(other.stale.importance("y")) == shares(some.importance("y"))


def test_rows_of_one_setting_are_averaged(tmp_path: Path) -> None:
    class Frames(Experiment):
        a: int = search([1, 2])
        b: int = search([1, 2])
        layers: list[int] = search([[1], [1, 2]])

        def run(self) -> pl.DataFrame:
            return pl.DataFrame({"y": [len(self.layers) - 1.0, len(self.layers) + 1.0]})

    found = Frames().run_all(results=tmp_path, progress=False).importance("y")
    assert shares(found) == {"layers": (1, 1), "a": (0, 0), "b": (0, 0)}
    assert {(row["settings"], row["exact"]) for row in found} == {(8, True)}


def test_fields_that_vary_together_are_one(tmp_path: Path) -> None:
    class Zipped(Experiment):
        a: int = search([1, 2, 3], zip="a")
        name: str = search(["x", "y", "z"], zip="a")
        b: int = search([1, 2])

        def run(self) -> dict[str, float]:
            return {"y": self.a}

    found = Zipped().run_all(results=tmp_path, progress=False).importance("y")
    assert shares(found) == {"a, name": (1, 1), "b": (0, 0)}
    assert [row["exact"] for row in found] == [True, True]


# ---- estimates


class Ishigami(Experiment):
    """A function whose shares are known: Ishigami and Homma, 1990."""

    a: float = search(low=-math.pi, high=math.pi)
    b: float = search(low=-math.pi, high=math.pi)
    c: float = search(low=-math.pi, high=math.pi)
    idle: float = search(low=1e-5, high=1.0, log=True)
    word: str = search(["x", "y", "z"])

    def run(self) -> dict[str, float]:
        y = math.sin(self.a) + 7 * math.sin(self.b) ** 2 + 0.1 * self.c**4 * math.sin(self.a)
        return {"y": y}


@pytest.fixture(scope="module")
def ishigami(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("results")
    return Ishigami().sample(10_000).run_all(results=folder, progress=False)


def test_shares_of_a_sample(ishigami: Results) -> None:
    found = shares(ishigami.importance("y"))
    assert found["a"] == (pytest.approx(0.558, abs=0.07), pytest.approx(0.314, abs=0.03))
    assert found["b"] == (pytest.approx(0.442, abs=0.06), pytest.approx(0.442, abs=0.06))
    assert found["c"] == (pytest.approx(0.244, abs=0.06), pytest.approx(0, abs=0.02))
    assert max(*found["idle"], *found["word"]) < 0.01
    few = shares(Results(ishigami.root, ishigami.to_arrow().slice(0, 300)).importance("y"))
    assert min(few, key=lambda name: -few[name][0]) in ("a", "b")
    assert max(few["idle"][0], few["word"][0]) < min(few["a"][0], few["b"][0])


def test_ten_calls_give_the_same_table(ishigami: Results) -> None:
    first = ishigami.importance("y").to_arrow()
    assert all(ishigami.importance("y").to_arrow().equals(first) for _ in range(9))


def test_too_few_settings_to_tell(ishigami: Results) -> None:
    found = Results(ishigami.root, ishigami.to_arrow().slice(0, 4)).importance("y")
    assert {(row["importance"], row["alone"], row["with_others"]) for row in found} == {(None,) * 3}
    assert "yes" not in repr(found)


@pytest.mark.timed
def test_ten_thousand_rows_take_fifty_milliseconds(ishigami: Results) -> None:
    ishigami.importance("y")
    with within(0.05):
        ishigami.importance("y")


def test_noise_is_not_mistaken_for_a_share() -> None:
    noise = [math.sin(12.9898 * n * n) for n in range(400)]
    middle = statistics.mean(noise)
    factors = [factor_of(pl.Series([(n // k) % 4 for n in range(400)]).to_arrow()) for k in (1, 4)]
    extra = factor_of(pl.Series([n / 7 for n in range(400)]).to_arrow())
    found, is_exact = variance_shares(
        [*factors, extra], pl.Series([x - middle for x in noise]).to_arrow()
    )
    assert not is_exact
    assert all(isinstance(one, Share) and (one.total or 0.0) < 0.05 for one in found)
