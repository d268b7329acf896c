"""How much time is said to be left, under a clock that is simulated."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest

from superparams.views.progress.time_left import Durations, time_left


def looks(
    seconds: Sequence[float], workers: int, every: float = 0.25
) -> Iterator[tuple[float, float | None]]:
    """What is said as a run goes on, and how much time there is in truth: each setting is taken by
    the first worker that is free."""
    free = [0.0] * workers
    spans: list[tuple[float, float]] = []
    for each in seconds:
        begin = heapq.heappop(free)
        spans.append((begin, begin + each))
        heapq.heappush(free, begin + each)
    end = max(free)
    durations = Durations()
    ended = set[int]()
    for step in range(int(end / every)):
        now = step * every
        for place, (begin, until) in enumerate(spans):
            if until <= now and place not in ended:
                ended.add(place)
                durations.add(1, until - begin, until - begin)
        running = [now - begin for begin, until in spans if begin <= now < until]
        waiting = len(spans) - len(ended) - len(running)
        yield end - now, time_left(durations, running, waiting, workers)


@pytest.mark.parametrize(
    ("settings", "each", "workers"),
    [(12, 6.0, 3), (7, 6.0, 3), (4, 6.0, 3), (2, 6.0, 8), (9, 4, 1)],
)
def test_settings_that_take_as_long_as_each_other(settings: int, each: float, workers: int) -> None:
    for truth, said in looks([each] * settings, workers):
        if said is not None:
            assert said == pytest.approx(truth)


def test_nothing_is_said_before_one_has_ended() -> None:
    said = [one for _, one in looks([6.0] * 12, 3)]
    assert said[:24] == [None] * 24
    assert None not in said[24:]


def test_it_does_not_grow_while_nothing_ends() -> None:
    """Whatever the durations: between two outcomes it falls, or stays."""
    random.seed(1)
    for seconds in (
        [random.uniform(5, 7) for _ in range(40)],
        [random.expovariate(0.2) for _ in range(40)],
    ):
        durations = Durations()
        for each in seconds:
            durations.add(1, each, each)
        for start in (0.0, 3.0, 6.0):
            said = [time_left(durations, [start + step * 0.1] * 3, 20, 3) for step in range(20)]
            pairs = pairwise(said)
            grown = [
                (one, other)
                for one, other in pairs
                if one is not None and other is not None and other > one + 3
            ]
            assert not grown


@pytest.mark.parametrize("jitter", [0.01, 0.1, 0.3])
def test_settings_that_take_about_as_long(jitter: float) -> None:
    random.seed(2)
    seconds = [6 * random.uniform(1 - jitter, 1 + jitter) for _ in range(30)]
    for truth, said in looks(seconds, 3):
        if said is not None:
            assert said == pytest.approx(truth, abs=6 + 60 * jitter)


def test_one_slow_setting_among_quick_ones() -> None:
    """It is the last to run, and for longer than any before: nobody knows for how long."""
    said = [one for _, one in looks([1.0] * 30 + [60.0], 3)]
    assert said[-1] is None
    assert None not in said[8:40]
    known = [one for one in said if one is not None]
    assert max(known) < 11


def test_a_slow_setting_leaves_its_worker_out() -> None:
    durations = Durations()
    durations.add(10, 10.0, 1.0)
    assert time_left(durations, [50.0, 0.5], 10, 2) == pytest.approx(10.5)
    assert time_left(durations, [50.0, 60.0], 10, 2) is None


def test_two_kinds_of_settings() -> None:
    """One that has run for longer than the quick kind takes is one of the slow kind."""
    durations = Durations()
    durations.add(9, 9.0, 1.0)
    durations.add(1, 20.0, 20.0)
    assert durations.rest(0.0) == pytest.approx(2.9)
    assert durations.rest(5.0) == pytest.approx(15.0)
    assert durations.rest(25.0) == 0
    assert durations.rest(61.0) is None


def test_many_at_once_count_as_one_by_one() -> None:
    one, other = Durations(), Durations()
    for _ in range(100):
        one.add(1, 0.5, 0.5)
    other.add(100, 50.0, 0.5)
    assert one.mean == other.mean == 0.5
    assert time_left(one, [0.1], 10, 1) == pytest.approx(time_left(other, [0.1], 10, 1))


def test_workers_that_are_idle_take_what_waits_for_another_attempt() -> None:
    durations = Durations()
    durations.add(4, 8.0, 2.0)
    assert time_left(durations, [], 2, 4) == pytest.approx(2.0)
    assert time_left(durations, [1.0], 0, 4) == pytest.approx(1.0)


def test_no_time_at_all() -> None:
    durations = Durations()
    durations.add(3, 0.0, 0.0)
    assert time_left(durations, [0.0], 5, 2) == 0
    durations.add(0, 0.0, 0.0)
    assert durations.mean == 0
