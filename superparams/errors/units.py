"""Counts, durations, sizes and times as text for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt  # not at run time, since `import superparams` loads this module

__all__ = ["clock", "counted", "duration", "first_few", "local_time", "size"]

_BYTES = ("bytes", "KiB", "MiB", "GiB", "TiB")


def counted(number: float, noun: str) -> str:
    """``1 setting``, ``1,200 settings``, ``0.5 seconds``."""
    digits = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{digits} {noun}{'s' * (number != 1)}"


def first_few(names: Sequence[str], most: int) -> str:
    """``a, b, c``, or ``a, b, c and 1,200 more`` for more than `most` names."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def duration(seconds: float | None) -> str:
    """``0.42 s``, ``3 min 07 s``, ``2 h 05 min``, ``4 d 03 h``; empty for None and infinity."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    if seconds < 0.001:
        return "less than 1 ms"
    if seconds < 60:
        return f"{seconds:.3g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours:02d} h"


def clock(seconds: float) -> str:
    """``0:42``, ``3:07``, ``2:05:00``: a duration that is shown while it grows."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def local_time(time: dt.datetime | None) -> str:
    """A time in the local time zone; empty for None."""
    return "" if time is None else time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def size(number: int) -> str:
    """``512 bytes``, ``1.5 MiB``."""
    value, unit = float(number), 0
    while value >= 1024 and unit < len(_BYTES) - 1:
        value, unit = value / 1024, unit + 1
    if not unit:
        return f"{number:,} {_BYTES[0]}"
    digits = f"{value:.3g}" if value < 999.5 else f"{value:.0f}"  # no 1.02e+03
    return f"{digits} {_BYTES[unit]}"
