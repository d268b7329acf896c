"""The trials of a search: the same ones for any number of workers, any timing, after any kill."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from searches import Asked, Memory, Search

from superparams.errors import StrategyError
from superparams.space.search_space import (
    Categories,
    ConditionalChoice,
    NumberRange,
    OrderedNumbers,
    SearchPoint,
    SearchSpace,
)
from superparams.strategies.evolution import Evolution
from superparams.strategies.random_search import Random, Sobol
from superparams.strategies.strategy import Strategy, TrialOutcome
from superparams.strategies.trial_records import Answer, Budget, HistoryRow, ReplayDiffers

SPACE = SearchSpace(
    (
        NumberRange("x", -2.0, 2.0),
        NumberRange("rate", 1e-4, 1.0, log=True),
        NumberRange("depth", 1, 9),
        OrderedNumbers("width", (16, 64, 256)),
        ConditionalChoice(
            "kind",
            ("A", "B"),
            (
                (NumberRange("kind.A.y", 0.0, 1.0, step=0.25),),
                (Categories("kind.B.c", 4),),
            ),
        ),
    )
)
SMALL = SearchSpace((NumberRange("a", 0, 4), Categories("b", 3)))


def loss(point: SearchPoint, _: int = 0) -> float | None:
    """The best point has x = 0.3 and the alternative A; some points fail."""
    value = (point["x"] - 0.3) ** 2 + abs(math.log10(point["rate"]) + 2) / 4 + point["depth"] / 90
    if point["kind"]:
        value += 0.5
    return None if point["width"] == 2 and point["depth"] == 3 else value


def small_loss(point: SearchPoint, repetition: int = 0) -> float:
    return point["a"] * 3.0 + point["b"] + repetition / 10


class Cautious:
    """It depends on all that it was told, and on the order of that."""

    def begin(self, space: SearchSpace, seed: int) -> None:
        self.state = f"{seed}"
        self.space = space

    def ask(self, trial: int) -> SearchPoint:
        generator = random.Random(f"{self.state} {trial}")
        return self.space.made(lambda one: one.at(generator.getrandbits(64)))

    def tell(self, trial: int, outcome: TrialOutcome) -> None:
        self.state += f" {trial} {outcome.score!r} {outcome.status}"


STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "random": lambda: Random(seed=3),
    "sobol": lambda: Sobol(seed=3),
    "evolution": lambda: Evolution(minimize="loss", seed=3, population=8),
    "any": Cautious,
}
each_strategy = pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)


@each_strategy
def test_the_same_trials_for_any_number_of_workers_and_any_timing(
    make: Callable[[], Strategy],
) -> None:
    searches: list[tuple[Any, Any]] = []
    for num_proc, timing in itertools.product((1, 2, 4, 8), range(3)):
        asked = Asked(make())
        search = Search(asked, SPACE, loss, trials=120)
        search.run(num_proc, timing)
        searches.append((search.table, asked.calls))
    assert len(searches[0][0]) == 120
    assert all(one == searches[0] for one in searches)


@each_strategy
def test_a_search_that_is_killed_again_and_again_ends_as_one_that_is_not(
    make: Callable[[], Strategy],
) -> None:
    whole = Search(make(), SPACE, loss, trials=200)
    whole.run(4, 0)
    memory, kills, n_run = Memory(), random.Random(1), 0
    for timing in range(20):
        search = Search(make(), SPACE, loss, memory, trials=200)
        search.run(4, timing, until=kills.uniform(0.0, 20.0))
        n_run += search.n_run
    search = Search(make(), SPACE, loss, memory, trials=200)
    search.run(2, 99)
    assert search.table == whole.table
    assert n_run + search.n_run == len(memory.rows) == whole.n_run  # what is recorded never reruns


def test_a_proposal_knows_the_trials_up_to_ahead_before_it() -> None:
    for ahead in (1, 3, 8):
        asked = Asked(Cautious())
        Search(asked, SPACE, loss, trials=30, ahead=ahead).run(ahead, 0)
        told = -1
        for call in asked.calls:
            if call[0] == "tell":
                assert call[1] == told + 1
                told = call[1]
            else:
                assert told == max(-1, call[1] - ahead)
        assert told == 29


def test_a_larger_number_of_trials_goes_on() -> None:
    memory = Memory()
    Search(Cautious(), SPACE, loss, memory, trials=30).run(3, 0)
    more = Search(Cautious(), SPACE, loss, memory, trials=50)
    more.run(2, 1)
    whole = Search(Cautious(), SPACE, loss, trials=50)
    whole.run(1, 2)
    assert more.table == whole.table
    assert more.n_run == 20


def test_evolution_is_better_than_chance() -> None:
    def best(strategy: Strategy) -> float:
        search = Search(strategy, SPACE, loss, trials=150)
        search.run(4, 0)
        return min(x for _, x in search.table if x is not None)

    pairs = [(best(Evolution(minimize="loss", seed=n)), best(Random(seed=n))) for n in range(8)]
    assert sum(evolved < drawn for evolved, drawn in pairs) >= 7


def test_failures_are_told_as_the_worst_score_so_far() -> None:
    asked = Asked(Random())
    losses = iter([None, 5.0, 9.0, None, 2.0, None])
    Search(asked, SPACE, lambda *_: next(losses), trials=6, ahead=1).run(1, 0)
    told = [call[2:] for call in asked.calls if call[0] == "tell"]
    assert told == [
        (-math.inf, "failed"),
        (-5.0, "done"),
        (-9.0, "done"),
        (-9.0, "failed"),
        (-2.0, "done"),
        (-9.0, "failed"),
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_setting_without_a_value_of_the_goal_counts_as_a_failure(value: float | None) -> None:
    asked = Asked(Random())
    search = Search(asked, SPACE, lambda *_: 1.0, trials=2, ahead=1)
    (index,) = search.trials.advance()
    search.trials.ended(index, Answer("done", [value]))
    search.trials.advance()
    assert asked.calls[1] == ("tell", 0, -math.inf, "failed")
    assert search.trials.n_scores == 0


def test_a_stopped_setting_tells_its_last_value() -> None:
    asked = Asked(Random())
    search = Search(asked, SPACE, lambda *_: 1.0, trials=1)
    search.trials.advance()
    search.trials.ended(0, Answer("stopped", [0.25]))
    search.trials.advance()
    assert asked.calls[-1] == ("tell", 0, -0.25, "stopped")


def test_a_trial_is_a_point_with_all_its_repetitions() -> None:
    asked = Asked(Cautious())
    search = Search(asked, SMALL, small_loss, Memory(3), trials=5)
    search.run(4, 0)
    assert search.n_run == len(search.trials.keys)
    assert search.n_run % 3 == 0
    point = search.memory.points[0]
    (told,) = [call for call in asked.calls if call[:2] == ("tell", 0)]
    assert told[2] == pytest.approx(-(small_loss(point) + 0.1))


def test_one_failed_repetition_fails_the_trial() -> None:
    asked = Asked(Cautious())
    fails = Search(asked, SMALL, lambda _, at: None if at == 1 else 1.0, Memory(3), trials=1)
    fails.run(1, 0)
    assert asked.calls[-1] == ("tell", 0, -math.inf, "failed")


def test_a_point_that_came_before_is_a_trial_and_costs_no_run() -> None:
    search = Search(Evolution(minimize="loss"), SMALL, small_loss, trials=60)
    search.run(4, 0)
    points = {tuple(sorted(point.items())) for point in search.memory.points.values()}
    assert search.trials.n_trials > len(points) == search.n_run
    assert search.trials.ending is not None


def test_an_equal_point_waits_for_the_one_that_runs() -> None:
    class Same(Cautious):
        def ask(self, trial: int) -> SearchPoint:
            return {"a": 1, "b": trial // 3}

    asked = Asked(Same())
    search = Search(asked, SMALL, small_loss, trials=6)
    assert search.trials.advance() == [0, 3]
    search.trials.ended(0, Answer("done", [4.0]))
    search.trials.ended(3, Answer("done", [7.0]))
    search.trials.advance()
    assert [call[2] for call in asked.calls if call[0] == "tell"] == [-4.0] * 3 + [-7.0] * 3


def test_what_others_recorded_is_an_answer() -> None:
    memory = Memory()
    whole = Search(Cautious(), SMALL, small_loss, memory, trials=5)
    whole.run(1, 0)
    other = Memory()
    other.others = dict(memory.rows.values())
    again = Search(Cautious(), SMALL, small_loss, other, trials=5)
    again.run(1, 0)
    assert again.n_run == 0
    assert again.table == whole.table


def test_twenty_known_proposals_in_a_row_are_followed_by_a_random_new_one() -> None:
    class Stubborn(Cautious):
        def ask(self, trial: int) -> SearchPoint:
            return {"a": 0, "b": 0}

    search = Search(Stubborn(), SMALL, small_loss, budget=Budget())
    search.run(3, 0)
    assert search.n_run == 15  # every point of the space, and then nothing is left
    assert search.trials.ending == "every point of the space has an outcome"
    again = Search(Stubborn(), SMALL, small_loss, search.memory, budget=Budget())
    again.run(8, 1)
    assert again.n_run == 0
    assert again.table == search.table


def test_points_that_valid_refuses_are_told_and_cost_no_trial() -> None:
    memory = Memory()
    memory.valid = lambda point: point["b"] != 1
    asked = Asked(Random())
    search = Search(asked, SMALL, small_loss, memory, trials=10)
    search.run(2, 0)
    assert {point["b"] for point in memory.points.values()} == {0, 2}
    assert "refused" in [call[3] for call in asked.calls if call[0] == "tell"]
    assert search.trials.n_trials == 10
    memory.valid = lambda point: False
    with pytest.raises(StrategyError, match=r"1,000 points for trial 0 that valid\(\) refuses"):
        Search(Random(), SMALL, small_loss, memory, trials=1).run(1, 0)


@pytest.mark.parametrize(
    ("budget", "ending"),
    [
        (Budget(trials=3), "all 3 trials of the budget"),
        (Budget(target=1.0), "has reached the target 1"),
        (Budget(patience=10), r"no better trial after trial \d+ \(patience=10\)"),
    ],
)
def test_budgets_end_a_search_by_index(budget: Budget, ending: str) -> None:
    tables: list[Any] = []
    for num_proc, timing in ((1, 0), (4, 1), (8, 2)):
        search = Search(Random(), SPACE, loss, budget=budget)
        search.run(num_proc, timing)
        assert pytest.importorskip("re").search(ending, search.trials.ending)
        tables.append(search.table)
    assert tables[0] == tables[1] == tables[2]


def test_patience_ends_a_search_in_which_everything_fails() -> None:
    tables: list[Any] = []
    for num_proc, timing in ((1, 0), (4, 1)):
        budget = Budget(patience=10, trials=100)
        search = Search(Random(), SPACE, lambda point, _: None, budget=budget)
        search.run(num_proc, timing)
        assert search.trials.ending == "no trial with a value of the goal (patience=10)"
        tables.append(search.table)
    assert tables[0] == tables[1]
    assert 10 <= len(tables[0]) < 20


def test_seconds_end_a_search_but_not_its_replay() -> None:
    memory, elapsed = Memory(), [0.0]
    budget = Budget(seconds=5.0, elapsed=lambda: elapsed[0])
    search = Search(Cautious(), SPACE, loss, memory, budget=budget)
    for index in search.trials.advance():
        answer = Answer("done", [1.0])
        memory.rows[index] = memory.key(index), answer
        search.trials.ended(index, answer)
    elapsed[0] = 6.0
    assert search.trials.advance() == []
    assert search.trials.ending == "5 seconds are over"
    again = Search(Cautious(), SPACE, loss, memory, budget=budget)
    assert again.trials.advance() == []
    assert again.table == search.table
    assert len(again.table) == 8


def test_enqueued_points_come_first_and_are_told() -> None:
    first = [{"a": 4, "b": 2}, {"a": 0, "b": 1}]
    asked = Asked(Cautious())
    search = Search(asked, SMALL, small_loss, trials=5, enqueued=first)
    search.run(2, 0)
    assert [search.memory.points[at] for at in (0, 1)] == first
    assert [call[1] for call in asked.calls if call[0] == "ask"] == [2, 3, 4]
    assert [call[1] for call in asked.calls if call[0] == "tell"] == [0, 1, 2, 3, 4]


def test_history_is_told_with_negative_numbers_before_anything_is_asked() -> None:
    rows = [HistoryRow({"a": n, "b": 0}, [Answer("done", [float(n)])]) for n in range(3)]
    asked = Asked(Cautious())
    Search(asked, SMALL, small_loss, trials=2, history=rows).run(1, 0)
    assert [call[:3] for call in asked.calls[:4]] == [
        ("tell", -3, 0.0),
        ("tell", -2, -1.0),
        ("tell", -1, -2.0),
        ("ask", 0, asked.calls[3][2]),
    ]


def test_a_replay_that_differs_names_the_trial() -> None:
    memory = Memory()
    Search(Random(seed=1), SPACE, loss, memory, trials=10).run(2, 0)

    class Unseeded(Random):
        def ask(self, trial: int) -> SearchPoint | None:
            return super().ask(trial if trial < 6 else trial + 1000)

    with pytest.raises(ReplayDiffers) as met:
        Search(Unseeded(seed=1), SPACE, loss, memory, trials=10).run(2, 0)
    assert met.value.trial == 6


def broken(method: str, at: int) -> Strategy:
    class Broken(Cautious):
        def ask(self, trial: int) -> SearchPoint:
            if method == "ask" and trial == at:
                raise ZeroDivisionError("no variance")
            return super().ask(trial)

        def tell(self, trial: int, outcome: TrialOutcome) -> None:
            if method == "tell" and trial == at:
                raise KeyError("score")

    return Broken()


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("ask", r"Broken raised an error in ask\(\) at trial 9: ZeroDivisionError: no variance"),
        ("tell", r"Broken raised an error in tell\(\) at trial 9: KeyError: 'score'"),
    ],
)
def test_a_strategy_that_raises_loses_nothing_that_was_recorded(method: str, error: str) -> None:
    memory = Memory()
    with pytest.raises(StrategyError, match=error):
        Search(broken(method, 9), SPACE, loss, memory, trials=30).run(2, 0)
    n_recorded = len(memory.rows)
    assert n_recorded >= 2
    after = Search(Cautious(), SPACE, loss, memory, trials=30) if method == "ask" else None
    if after is not None:
        after.run(2, 0)
        assert after.n_run == 30 - n_recorded


@pytest.mark.parametrize("nonsense", [{"a": 9, "b": 0}, {"a": 0}, [1, 2], "a", {"A": 0, "b": 0}])
def test_nonsense_names_the_strategy_and_the_trial(nonsense: Any) -> None:
    class Nonsense(Cautious):
        def ask(self, trial: int) -> Any:
            return nonsense if trial == 3 else super().ask(trial)

    with pytest.raises(StrategyError, match="Nonsense has proposed no point for trial 3: "):
        Search(Nonsense(), SMALL, small_loss, trials=30).run(2, 0)


def test_a_strategy_may_end_the_search() -> None:
    class Short(Cautious):
        def ask(self, trial: int) -> Any:
            return super().ask(trial) if trial < 7 else None

    search = Search(Short(), SPACE, loss, budget=Budget())
    search.run(2, 0)
    assert search.trials.n_trials == 7
    assert search.trials.ending == "the strategy has nothing more to try"


@each_strategy
def test_outcomes_told_as_they_come_are_told_so_again(make: Callable[[], Strategy]) -> None:
    memory, kills, n_run = Memory(), random.Random(2), 0
    for timing in range(12):
        search = Search(make(), SPACE, loss, memory, trials=100, order="arrival")
        search.run(4, timing, until=kills.uniform(0.0, 15.0))
        n_run += search.n_run
    asked = Asked(make())
    last = Search(asked, SPACE, loss, memory, trials=100, order="arrival", ahead=4)
    last.run(4, 99)
    assert n_run + last.n_run == len(memory.rows)  # what is recorded never reruns
    assert last.trials.n_trials == 100
    again = Asked(make())
    Search(again, SPACE, loss, memory, trials=100, order="arrival", ahead=4).run(1, 0)
    assert again.calls == asked.calls
