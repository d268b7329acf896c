"""Each stopper by itself: what it reaches, what it decides, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from superparams import maximize, minimize
from superparams.errors import StrategyError
from superparams.strategies import ASHA, Hyperband, Median, Patience, Stopper, Threshold
from superparams.strategies.stop_decisions import StopDecisions

REFUSED: dict[str, tuple[Any, str]] = {
    "two goals": (
        lambda: ASHA(maximize="a", minimize="b"),
        "ASHA.minimize='b': give maximize= or minimize=, not both",
    ),
    "a number": (lambda: Median(maximize=3), "Median.maximize=3: give the name of a column"),  # type: ignore[arg-type]
    "no rung": (lambda: ASHA(min_resource=0), "ASHA.min_resource=0: give a number above 0"),
    "no halving": (
        lambda: ASHA(reduction_factor=1),
        "ASHA.reduction_factor=1: give a whole number, 2 or more",
    ),
    "no brackets": (lambda: Hyperband(brackets=0), "Hyperband.brackets=0: give a whole number"),
    "no room": (lambda: ASHA(max_resource=1), "ASHA.max_resource=1: give a number above min_res"),
    "no bounds": (lambda: Threshold(), "Threshold.lower=None: give lower=, upper= or both"),
    "no room between": (
        lambda: Threshold(lower=2, upper=1),
        "Threshold.upper=1: give a number above lower=2",
    ),
    "no patience": (lambda: Patience(patience=0), "Patience.patience=0: give a whole number, 1"),
    "a negative delta": (
        lambda: Patience(min_delta=-1.0),
        r"Patience.min_delta=-1.0: give a number, 0 or more",
    ),
    "text": (lambda: ASHA(min_resource="1"), "ASHA.min_resource='1': give a number above 0"),  # type: ignore[arg-type]
    "text at the end": (
        lambda: ASHA(max_resource="9"),  # type: ignore[arg-type]
        "ASHA.max_resource='9': give a number above min_resource, or None",
    ),
    "a truth value": (lambda: Median(interval=True), "Median.interval=True: give a whole number"),
}


def rows(*values: Any) -> list[dict[str, Any]]:
    return [{"epoch": n, "y": y} for n, y in enumerate(values)]


def fates(stopper: Any, values: Sequence[Any], others: Sequence[Any] = ()) -> list[bool | None]:
    """After each step: None without a decision, else whether the setting goes on."""
    made: list[bool | None] = []
    for n in range(1, len(values) + 1):
        reached = stopper.reached(0, rows(*values)[:n])
        made.append(None if reached is None else stopper.goes_on(reached, others))
    return made


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_wrong_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(StrategyError) as refused:
        make()
    assert str(refused.value).startswith(message)


def test_each_is_a_stopper_and_says_what_it_is() -> None:
    for stopper in (ASHA(), Hyperband(), Median(), Threshold(lower=1), Patience()):
        assert isinstance(stopper, Stopper)
    assert repr(ASHA(maximize="y", reduction_factor=4)) == "ASHA(maximize='y', reduction_factor=4)"
    assert repr(Patience()) == "Patience()"


def test_without_a_goal_that_of_the_experiment() -> None:
    assert ASHA().for_goal(maximize("y"), "Fit") == ASHA(maximize="y")
    assert ASHA().for_goal(minimize("y"), "Fit") == ASHA(minimize="y")
    assert ASHA(minimize="z").for_goal(maximize("y"), "Fit") == ASHA(minimize="z")
    with pytest.raises(StrategyError, match=r"^ASHA\(\) does not say .*, and Fit has no goal"):
        ASHA().for_goal(None, "Fit")


def test_asha_decides_at_powers_of_its_factor() -> None:
    decided = fates(ASHA(maximize="y"), range(30))
    assert [n for n, one in enumerate(decided, 1) if one is not None] == [1, 3, 9, 27]
    decided = fates(
        ASHA(maximize="y", min_resource=2, reduction_factor=2, max_resource=16), range(30)
    )
    assert [n for n, one in enumerate(decided, 1) if one is not None] == [2, 4, 8]
    by_epoch = fates(ASHA(maximize="y", resource="epoch"), range(30))
    assert [n - 1 for n, one in enumerate(by_epoch, 1) if one is not None] == [1, 3, 9, 27]


def test_asha_takes_the_last_rung_where_a_step_passes_several() -> None:
    steps = [{"epoch": epoch, "y": 1.0} for epoch in (0.5, 2, 30)]
    reached = [ASHA(maximize="y", resource="epoch").reached(0, steps[:n]) for n in (1, 2, 3)]
    assert [one and one.rung for one in reached] == [None, 0, 3]


@pytest.mark.parametrize(
    ("others", "goes_on"),
    [
        ([], True),
        ([6], False),
        ([4], True),
        ([5], True),
        ([6, 1], False),
        ([6, 1, 1, 1, 1], True),
        ([6, 6, 1, 1, 1], False),
        ([None, None], True),
        ([6, None, None, None, None], True),
    ],
)
def test_asha_keeps_the_best_part(others: list[float | None], goes_on: bool) -> None:
    assert fates(ASHA(maximize="y"), [5], others) == [goes_on]
    assert fates(ASHA(minimize="y"), [-5], others) == [goes_on], "scores are turned"


@pytest.mark.parametrize("nothing", [None, math.nan, "text", [1]])
def test_no_number_is_the_worst(nothing: Any) -> None:
    assert fates(ASHA(maximize="y"), [nothing], [1.0]) == [False]
    assert fates(ASHA(maximize="y"), [nothing], []) == [True]
    assert fates(ASHA(maximize="y"), [nothing], [None]) == [True]
    assert fates(Median(maximize="y", min_settings=1), [nothing], [1.0]) == [False]
    assert fates(Threshold(maximize="y", lower=0), [nothing]) == [False]
    assert fates(Patience(maximize="y", patience=2), [1, nothing, nothing]) == [True, True, False]


def test_hyperband_begins_later_in_further_brackets() -> None:
    begins = []
    for index in range(6):
        decided = [Hyperband(maximize="y").reached(index, rows(*range(n))) for n in range(1, 28)]
        begins.append(next(n for n, one in enumerate(decided, 1) if one is not None))
    assert begins == [1, 3, 9] * 2
    assert [Hyperband().group(index) for index in range(4)] == [0, 1, 2, 0]


def test_the_median_compares_the_best_value_so_far() -> None:
    stopper = Median(maximize="y", min_settings=3)
    assert fates(stopper, [5, 1], [4, 5, 6]) == [True, True]
    assert fates(stopper, [4, 4.9], [4, 5, 6]) == [False, False]
    assert fates(stopper, [4], [5, 6]) == [True], "too few have come so far"
    assert fates(stopper, [4], [None, None, 6]) == [True]
    assert fates(Median(maximize="y", min_settings=2), [4], [3, 6]) == [False], "half between"
    warm = fates(Median(maximize="y", warmup=3, interval=2), range(9))
    assert [n for n, one in enumerate(warm, 1) if one is not None] == [5, 7, 9]


def test_a_threshold_is_about_the_value_itself() -> None:
    assert fates(Threshold(minimize="y", upper=2), [3, 1, 2]) == [False, True, True]
    assert fates(Threshold(maximize="y", lower=2), [3, 1, 2]) == [True, False, True]
    both = Threshold(minimize="y", lower=0, upper=2, warmup=1)
    assert fates(both, [9, 1, -1, 3]) == [None, True, False, False]


def test_patience_waits_for_something_better() -> None:
    stopper = Patience(minimize="y", patience=2)
    assert fates(stopper, [5, 4, 4, 3, 3, 3]) == [True, True, True, True, True, False]
    fussy = Patience(minimize="y", patience=2, min_delta=0.5)
    assert fates(fussy, [5, 4.9, 4.6]) == [True, True, False]
    assert fates(Patience(maximize="y", patience=1, warmup=2), [5, 4, 3]) == [None, None, False]


def test_a_missing_resource_is_an_error_with_the_names_there_are() -> None:
    with pytest.raises(StrategyError, match=r"ASHA\.resource='step': a step has no such number"):
        fates(ASHA(maximize="y", resource="step"), [1])


def test_nested_columns_have_dotted_names() -> None:
    steps = [{"loss": {"valid": 3.0}, "a.b": 1}]
    assert ASHA(minimize="loss.valid").score(steps[0]) == -3.0
    assert ASHA(maximize="a.b").score(steps[0]) == 1.0
    assert ASHA(maximize="loss").score(steps[0]) is None


class CountedRow(dict[str, float]):
    """A step that counts how often it is read."""

    n_read = 0

    def get(self, *args: Any) -> Any:
        type(self).n_read += 1
        return super().get(*args)


@pytest.mark.parametrize("stopper", [Patience(maximize="y"), Median(maximize="y"), ASHA("y")])
def test_each_step_is_read_a_few_times_however_many_there_are(stopper: Any) -> None:
    CountedRow.n_read = 0
    judge = StopDecisions(stopper, [range(1)])
    for n in range(3000):
        assert judge.step(0, CountedRow(y=n)) == [(0, True)]
    assert CountedRow.n_read < 5 * 3000
    CountedRow.n_read = 0
    StopDecisions(stopper, finished=[(0, [CountedRow(y=n) for n in range(3000)])])
    assert CountedRow.n_read < 5 * 3000
