"""The fate of a setting is the same for any number of workers, and nothing waits for ever."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superparams.executor.scheduler.retries import Retries
from superparams.strategies import ASHA, Hyperband, Median, Patience, Reached, Threshold
from superparams.strategies.stop_decisions import StopDecisions
from tests.executor.test_sharing_scheduler import MACHINE, NEEDS, Pattern
from tests.simulation import Attempt, Simulation
from tests.sweeps import sweep
from tests.timing import slowness

STOPPERS = [
    ASHA(maximize="y"),
    ASHA(minimize="y", reduction_factor=2, resource="epoch"),
    ASHA(maximize="y", min_resource=2, max_resource=9),
    Hyperband(maximize="y"),
    Median(maximize="y", min_settings=2),
    Median(maximize="y", warmup=3, interval=4),
    Threshold(maximize="y", lower=0.2, warmup=2),
    Patience(maximize="y", patience=4),
]


class Worse:
    """A stopper as a user writes one: worse than the mean of all before it at each fifth step."""

    def __repr__(self) -> str:
        return "Worse()"

    def reached(self, index: int, steps: Sequence[Any]) -> Reached | None:
        n = len(steps)
        return Reached(n // 5, steps[-1]["y"]) if n % 5 == 0 else None

    def goes_on(self, reached: Reached, others: Sequence[Any]) -> bool:
        known = [x for x in others if x is not None]
        return not known or bool(reached.score >= sum(known) / len(known))


def curve(index: int, n_steps: int) -> list[dict[str, Any]]:
    """The steps of a setting, which follow from its index alone."""
    draw = random.Random(index)
    best, rate = draw.random(), draw.uniform(0.05, 0.5)
    return [
        {"epoch": n + 1, "y": best * (1 - math.exp(-rate * n)) + 0.02 * draw.random()}
        for n in range(n_steps)
    ]


def with_order(stopper: Any, order: str) -> Any:
    return replace(stopper, order=order) if is_dataclass(stopper) else stopper


def simulated(stopper: Any, n_places: int, timing: int, **more: Any) -> Simulation:
    """200 settings of 27 steps whose durations follow from `timing`."""
    sharing = more.pop("sharing", None)
    options = {"n_settings": 200, "n_steps": 27, "order": "index", "sigma": 1.0, **more}
    draw = random.Random(timing)
    speeds = [math.exp(draw.gauss(0, options["sigma"])) for _ in range(options["n_settings"])]

    def attempt(index: int, number: int) -> Attempt:
        seconds = [speeds[index] * draw.uniform(0.5, 1.5) for _ in range(options["n_steps"])]
        return Attempt(list(zip(seconds, curve(index, options["n_steps"]), strict=True)))

    n_settings = options["n_settings"]
    judge = StopDecisions(with_order(stopper, options["order"]), [range(n_settings)])
    return Simulation(n_settings, n_places, attempt, judge, sharing=sharing).run()


@pytest.mark.parametrize("stopper", [*STOPPERS, Worse()], ids=str)
def test_fates_are_those_of_one_worker(stopper: Any) -> None:
    alone = simulated(stopper, 1, 0)
    assert alone.most_held == 0, "one worker waits for nobody"
    assert {"stopped", "done"} >= set(alone.statuses.values()) >= {"stopped"}
    for n_places, timing in ((2, 1), (4, 2), (8, 3), (8, 4)):
        other = simulated(stopper, n_places, timing)
        assert other.statuses == alone.statuses
        assert other.n_steps == alone.n_steps


@sweep(4, "stopper", [*STOPPERS, Worse()], ids=str)
def test_fates_do_not_depend_on_what_settings_need(stopper: Any) -> None:
    """Those that wait have room of the machine, and the first unfinished one never lacks it."""
    alone = simulated(stopper, 1, 0)
    draw = random.Random(5)
    for timing in range(1, 5):
        needs = Pattern([draw.choice(NEEDS) for _ in range(7)])
        other = simulated(stopper, 2 * timing, timing, sharing=(needs, MACHINE))
        assert other.statuses == alone.statuses
        assert other.n_steps == alone.n_steps


def test_in_order_of_arrival_nothing_waits_and_fates_differ() -> None:
    ran = [simulated(STOPPERS[0], 4, timing, order="arrival") for timing in range(5)]
    assert all(one.held == 0 for one in ran)
    assert len({str(sorted(one.n_steps.items())) for one in ran}) > 1


def test_asha_runs_few_steps_and_keeps_the_best() -> None:
    ran = simulated(ASHA(maximize="y"), 4, 0)
    final = {index: curve(index, 27)[-1]["y"] for index in range(200)}
    finished = [index for index, status in ran.statuses.items() if status == "done"]
    assert sum(ran.n_steps.values()) < 200 * 27 / 3
    assert max(final, key=final.__getitem__) in finished
    assert len(finished) < 50


def test_waiting_costs_little() -> None:
    """The page tells the figures: up to 34 % more than in order of arrival."""
    for n_places in (2, 4, 8):
        by_index, by_arrival = (
            sum(
                simulated(ASHA(maximize="y"), n_places, t, order=order, sigma=0.7).clock
                for t in range(5)
            )
            for order in ("index", "arrival")
        )
        assert by_index < 1.5 * by_arrival


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_fails_each_setting_ends_once(data: st.DataObject) -> None:
    """Retries, kills, failures and places that go, under a stopper that compares."""
    stopper = data.draw(st.sampled_from([*STOPPERS, Worse()]))
    n_settings = data.draw(st.integers(1, 30))
    n_places = data.draw(st.integers(1, 6))
    order = data.draw(st.sampled_from(["index", "arrival"]))
    retries = Retries(
        data.draw(st.integers(0, 2)),
        frozenset(data.draw(st.sets(st.sampled_from(["killed", "timeout", "failed"])))),
        data.draw(st.sampled_from([0.0, 3.0])),
    )
    draw = random.Random(data.draw(st.integers(0, 1 << 30)))
    likely = data.draw(st.sampled_from([0.0, 0.2, 0.6]))

    def attempt(index: int, number: int) -> Attempt:
        status = draw.choice(["killed", "failed", "lost"]) if draw.random() < likely else "done"
        n_steps = draw.randrange(28) if status != "done" else 27
        steps = [(draw.expovariate(1), row) for row in curve(index, n_steps)]
        return Attempt(steps, status, draw.random())

    judge = StopDecisions(with_order(stopper, order), [range(n_settings)])
    needs = data.draw(st.lists(st.sampled_from(NEEDS), max_size=4))
    sharing = (Pattern(needs), MACHINE) if needs else None
    ran = Simulation(n_settings, n_places, attempt, judge, retries, sharing=sharing).run()
    assert sorted(ran.statuses) == list(range(n_settings))


def test_an_attempt_that_failed_is_the_worst_at_later_rungs() -> None:
    """And further attempts change nothing for others."""

    def ran(n_places: int, second: str) -> Simulation:
        def attempt(index: int, number: int) -> Attempt:
            steps = [(1.0 + index * 0.01, {"y": 100 - index}) for _ in range(9)]
            if index == 0 and number == 1:
                return Attempt(steps[:2], "killed")
            return Attempt(steps, second if index == 0 else "done")

        judge = StopDecisions(ASHA(maximize="y"), [range(6)])
        retries = Retries(1, frozenset({"killed"}), 100.0)
        return Simulation(6, n_places, attempt, judge, retries).run()

    ways = [ran(n_places, second) for n_places in (1, 2, 6) for second in ("done", "killed")]
    fates = [{k: v for k, v in one.n_steps.items() if k} for one in ways]
    assert all(one == fates[0] for one in fates)
    # At the first rung, 0 was the best of all; at the second it counts as the worst, so 1 goes on.
    assert [one.statuses[1] for one in ways] == ["stopped"] * 6 or fates[0][1] >= 3


def test_what_earlier_runs_decided_stands() -> None:
    """A run that goes on after a crash decides as one that was never broken off."""
    whole = simulated(ASHA(maximize="y"), 4, 1)
    done = set(random.Random(3).sample(range(200), 80))
    rest = [index for index in range(200) if index not in done]
    judge = StopDecisions(
        ASHA(maximize="y"),
        [range(index, index + 1) for index in rest],
        finished=[(index, curve(index, whole.n_steps[index])) for index in done],
    )

    def attempt(index: int, number: int) -> Attempt:
        return Attempt([(1.0, row) for row in curve(rest[index], 27)])

    class Renumbered:
        notes = ()

        def step(self, index: int, row: Any) -> Any:
            return self._back(judge.step(rest[index], row))

        def ended(self, index: int) -> Any:
            return self._back(judge.ended(rest[index]))

        def lost(self, index: int) -> Any:
            return self._back(judge.lost(rest[index]))

        def restarted(self, index: int) -> None:
            raise AssertionError(index)

        def _back(self, decisions: Any) -> Any:
            return [(rest.index(index), goes_on) for index, goes_on in decisions]

    ran = Simulation(len(rest), 4, attempt, Renumbered()).run()
    assert [ran.n_steps[n] for n in range(len(rest))] == [whole.n_steps[index] for index in rest]


@pytest.mark.parametrize("resource", [None, "epoch"])
@pytest.mark.parametrize("n_steps", [1, 2])
def test_a_setting_that_begins_again_is_asked_as_before(resource: str | None, n_steps: int) -> None:
    """Its node has left while it waited at a rung; nobody is to blame."""
    stopper = ASHA(maximize="y", reduction_factor=2, resource=resource)
    plain, again = StopDecisions(stopper, [range(3)]), StopDecisions(stopper, [range(3)])
    rows = [{"epoch": n, "y": n * 1.0} for n in (1, 2)]
    for n in range(n_steps):
        for index in (2,) if n + 1 == n_steps else (2, 0, 1):
            assert again.step(index, rows[n]) == plain.step(index, rows[n])
    again.restarted(2)
    for row in rows[: n_steps - 1]:
        assert again.step(2, row) == [(2, True)]
    assert again.step(2, rows[n_steps - 1]) == []
    for index in (0, 1):
        decisions = again.step(index, rows[n_steps - 1])
        assert decisions == plain.step(index, rows[n_steps - 1])
    assert [index for index, _ in decisions] == [1, 2]


@pytest.mark.timed
def test_ten_thousand_settings_on_the_simulated_clock_and_decisions_a_second() -> None:
    began = time.perf_counter()
    ran = simulated(ASHA(maximize="y"), 8, 0, n_settings=10_000)
    seconds = time.perf_counter() - began
    assert len(ran.statuses) == 10_000
    assert sum(ran.n_steps.values()) / seconds > 2_000
    assert seconds < 20 * slowness()
