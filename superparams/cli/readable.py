"""Readable texts for times, durations, sizes and counts."""

from __future__ import annotations

import datetime as dt

from superparams.errors.units import duration

__all__ = ["duration", "moment", "size"]

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def moment(time: dt.datetime | None) -> str:
    """A time as local time; empty if it is not known."""
    return "" if time is None else time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def size(number: int) -> str:
    """``512 bytes``, ``1.5 MiB``."""
    value, unit = float(number), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{number:,} {_UNITS[0]}" if not unit else f"{value:.3g} {_UNITS[unit]}"
