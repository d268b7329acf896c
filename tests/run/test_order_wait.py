"""A note tells how much of the workers' time went by while a search waited for old trials."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, minimize, search
from superparams.run.order_wait import OrderWait
from superparams.strategies import Evolution, Random

pytestmark = pytest.mark.usefixtures("no_leaks")


class Uneven(Experiment):
    """Every fourth trial takes long."""

    x: int = search(low=0, high=10**6)
    seconds: float = 0.6
    goal = minimize("loss")

    def run(self) -> dict[str, float]:
        time.sleep(self.seconds if self.x % 4 == 0 else 0.01)
        return {"loss": abs(self.x - 5000)}


POINTS = [{"x": x} for x in range(16)]


def notes(strategy: Any, results: Path, num_proc: int = 2, **fields: Any) -> list[str]:
    found = Uneven(**fields).run_all(
        num_proc, strategy=strategy, engine="threads", results=results, progress=False
    )
    return [note for note in found.notes if "waited" in note]


def test_a_note_names_the_two_ways_out(tmp_path: Path) -> None:
    (note,) = notes(Evolution(trials=16, ahead=2, enqueue=POINTS), tmp_path)
    assert note.startswith("workers waited for the oldest trials in ")
    assert 10 < int(note.split("in ")[1].split("%")[0]) <= 50  # one of two workers runs
    assert (
        'Evolution(ahead=4) waits less, and is another search; Evolution(order="arrival")' in note
    )
    # A search that is over has waited for nothing.
    assert not notes(Evolution(trials=16, ahead=2, enqueue=POINTS), tmp_path)


def test_there_is_none_where_nothing_is_waited_for(tmp_path: Path) -> None:
    points: dict[str, Any] = {"trials": 16, "enqueue": POINTS}
    for name, strategy, num_proc in (
        ("arrival", Evolution(**points, ahead=2, order="arrival"), 2),
        ("far ahead", Evolution(**points, ahead=16), 2),
        ("one worker", Evolution(**points), 1),
        ("no outcomes", Random(trials=16), 2),
    ):
        assert not notes(strategy, tmp_path / name, num_proc), name


@pytest.mark.timed
def test_there_is_none_of_a_wait_of_less_than_a_second(tmp_path: Path) -> None:
    assert not notes(Evolution(trials=100, ahead=2), tmp_path, seconds=0.0)


def test_the_time_of_the_strategy_and_of_the_end_does_not_count() -> None:
    now = [0.0]

    def later(seconds: float) -> None:
        now[0] += seconds

    wait = OrderWait(4, lambda: now[0])
    wait.go_on(4, is_over=False)
    later(10)
    wait.pause()
    later(5)  # the strategy thinks
    wait.go_on(1, is_over=False)
    later(2)  # three of four workers wait
    wait.pause()
    wait.go_on(1, is_over=True)
    later(3)
    wait.pause()
    assert wait.share == pytest.approx(6 / 80)
    assert wait.note("TPE", 8) == []
    wait.go_on(2, is_over=False)
    later(4)
    wait.pause()
    assert wait.share == pytest.approx(14 / 96)
    (note,) = wait.note("TPE", 8)
    assert "in 15% of their time: TPE(ahead=16)" in note
