"""Where the time goes, at a tiny size: the figures that docs/performance.md shows can be made."""

from __future__ import annotations

import pytest

from benchmarks import costs

pytestmark = pytest.mark.usefixtures("no_leaks")


def lines(what: str, *words: int) -> dict[str, float]:
    """What is printed in a process of its own: numbers, each with its name."""
    told = [line.split(" ", 1) for line in costs.asked(what, *words).splitlines()]
    return {name: float(number) for number, name in told}


def test_all_parts_of_a_setting_take_time() -> None:
    found = lines("parts", 2000)
    assert len(found) == 11
    # The rest of a setting is what the whole takes more than its parts, also on a busy machine.
    (rest,) = [found.pop(name) for name in list(found) if name.startswith("time it, catch")]
    assert abs(rest) < sum(found.values())
    assert min(found.values()) > 0
    assert sum(found.values()) < 1000


def test_a_run_uses_processors_and_the_clock() -> None:
    # Enough of them to stand out from what starting workers takes, now more and now less.
    used, clock = map(float, costs.asked("run", 40_000).split())
    assert used > 0
    assert clock > 0


def test_a_run_comes_by_all_of_its_stations_in_their_order() -> None:
    found = lines("course")
    stations = ["known", "template is started", "template is ready", "worker is forked"]
    stations += ["outcome has arrived", "have ended", "is complete", "table"]
    # The run folder is made while the template starts.
    names = [name for name in found if "run folder is made" not in name]
    assert len(names) == len(found) - 1
    assert [station in name for station, name in zip(stations, names, strict=True)] == [True] * 8
    times = list(found.values())
    assert 0 < times[0] <= times[-1] < 60_000
    assert times == sorted(times)
