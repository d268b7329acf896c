"""Times, durations, sizes and counts as people read them."""

from __future__ import annotations

import datetime as dt

import pytest

from superparams.errors import units
from superparams.errors.units import counted


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (0.0, "less than 1 ms"),
        (0.0123, "0.0123 s"),
        (1.234, "1.23 s"),
        (12.6, "13 s"),
        (59.9, "60 s"),
        (187, "3 min 07 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (356400, "4 d 03 h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (1023, "1,023 bytes"),
        (1536, "1.5 KiB"),
        (5 << 20, "5 MiB"),
        (3 << 40, "3 TiB"),
        (5000 << 40, "5000 TiB"),
        (1010 << 20, "1010 MiB"),
        (999 << 20, "999 MiB"),
        ((1 << 30) - 1, "1024 MiB"),
    ],
)
def test_sizes(number: int, text: str) -> None:
    assert units.size(number) == text


def test_counts() -> None:
    assert counted(1, "setting") == "1 setting"
    assert counted(1200, "setting") == "1,200 settings"


def test_moments_are_of_the_clock_here() -> None:
    time = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)
    assert units.local_time(time) == time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert units.local_time(None) == ""
