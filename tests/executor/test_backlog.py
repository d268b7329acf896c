"""What is handed out, taken back and handed out again: nothing is lost, nothing comes twice."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from superparams.executor.scheduler.backlog import MOST_RANGES, Backlog
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.pace import Pace

gaps = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=20)


def ranges_of(spans: list[tuple[int, int]]) -> list[range]:
    """Ascending ranges that do not overlap, from gaps and sizes."""
    at, found = 0, list[range]()
    for gap, size in spans:
        found.append(range(at + gap, at + gap + size))
        at += gap + size
    return found


@given(gaps, st.randoms(use_true_random=False))
def test_every_setting_is_finished_once(spans: list[tuple[int, int]], random: Random) -> None:
    """Workers take chunks, finish a part of them, lose one setting, and return the rest."""
    todo = ranges_of(spans)
    backlog = Backlog(todo)
    finished: list[int] = []
    while (chunk := backlog.take(random.randint(1, 8), now=0.0)) is not None:
        count = random.randint(0, len(chunk))
        done, rest = chunk.split(count)
        finished += done
        if not rest:
            continue
        lost = random.choice(list(rest))
        before, after = rest.around(lost)
        assert [*before, lost, *after] == list(rest)
        for part in (before, after):
            random.choice([backlog.give_back, backlog.isolate])(part)
        if chunk.attempt < 3:
            backlog.try_again(Chunk.of([lost], chunk.attempt + 1))
        else:
            finished.append(lost)
    assert sorted(finished) == [index for one in todo for index in one]
    assert backlog.remaining == 0


@given(gaps, st.integers(0, 200))
def test_a_split_keeps_the_order(spans: list[tuple[int, int]], count: int) -> None:
    chunk = Chunk(tuple(reversed(ranges_of(spans))))
    head, tail = chunk.split(count)
    assert [*head, *tail] == list(chunk)
    assert len(head) == min(count, len(chunk))


def test_through_an_index_of_ranges_in_any_order() -> None:
    chunk = Chunk((range(50, 53), range(10, 12), range(70, 71)))
    head, tail = chunk.through(10)
    assert (list(head), list(tail)) == ([50, 51, 52, 10], [11, 70])


def test_ten_to_the_twelve_settings_are_one_range() -> None:
    backlog = Backlog([range(10**12)])
    first = backlog.take(3, now=0.0)
    assert first is not None
    assert list(first) == [0, 1, 2]
    assert backlog.remaining == 10**12 - 3


def test_a_chunk_has_a_bounded_number_of_ranges() -> None:
    backlog = Backlog([range(2 * i, 2 * i + 1) for i in range(5 * MOST_RANGES)])
    chunk = backlog.take(10**6, now=0.0)
    assert chunk is not None
    assert len(chunk) == MOST_RANGES


class TestPace:
    def test_one_at_a_time_until_something_is_known(self) -> None:
        assert Pace().size(10**6, 2) == 1

    def test_thousands_when_quick(self) -> None:
        pace = Pace()
        size = 1
        for _ in range(6):
            pace.learn(size, size * 5e-6)
            size = pace.size(10**6, 2)
        assert 4000 <= size <= 10_000

    def test_one_at_a_time_when_long(self) -> None:
        pace = Pace()
        pace.learn(1, 3.0)
        assert pace.size(10**6, 2) == 1

    def test_a_first_guess_does_not_go_far(self) -> None:
        pace = Pace()
        pace.learn(1, 1e-7)
        assert pace.size(10**6, 2) <= Pace.GROWTH

    def test_fewer_at_the_tail(self) -> None:
        pace = Pace()
        for _ in range(6):
            pace.learn(1000, 1000 * 1e-4)
        assert pace.size(10**6, 2) == 400
        assert pace.size(100, 2) == 25
        assert pace.size(1, 2) <= 20
