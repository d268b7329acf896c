"""Rewrites numbers in the notation of Python or of another tool, for the hint of an error.

``0:3``, ``[1,2]`` and ``uniform(0,1)`` are refused as words. These functions tell how superparams
writes what they probably mean.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from superparams.declare.words.grammar import NUMBER, Bounds, bounds_of

__all__ = ["PointsHint", "RangeHint", "hint_of"]

_CALL: Final = re.compile(r"(?P<name>[\w.]*)[(\[{](?P<inner>.*)[)\]}]", re.DOTALL)
_ENDS: Final = re.compile(
    rf"({NUMBER})\s*(?:\.{{2,}}|:|-|\bto\b)\s*({NUMBER})"
    rf"(?:\s*(?:\.{{2,}}|:)\s*({NUMBER}|[a-z]+))?"
)
_SEPARATOR: Final = re.compile(r"\s*[,;|]\s*|\s+")
_KEYWORD: Final = re.compile(r"\w+\s*=\s*")
# Functions of Python, Hydra, Optuna and others whose first two arguments are the ends of a range.
_RANGE_NAMES: Final = ("uniform", "interval", "range", "linspace", "log", "low=")
DEEPEST: Final = 3  # brackets in brackets


class RangeHint(NamedTuple):
    """A word for a range: ``0..3``, ``0..9..3``, ``1e-4..1:log``."""

    word: str
    bounds: Bounds


class PointsHint(NamedTuple):
    """A word for points: ``0,3``."""

    word: str


def hint_of(text: str, depth: int = 0) -> RangeHint | PointsHint | None:
    """The word that a text with at least two numbers probably means; None for any other text."""
    text = text.strip()
    ends = _ENDS.fullmatch(text)
    if ends is not None:
        return _range(*ends.groups(), is_log=False)
    call = _CALL.fullmatch(text)
    if call is not None and depth < DEEPEST:
        return _of_arguments(call["name"], call["inner"], depth)
    return _points(text)


def _of_arguments(name: str, inner: str, depth: int) -> RangeHint | PointsHint | None:
    """What stands between brackets, maybe those of a call."""
    about = f"{name} {inner}".replace(" ", "").lower()
    if any(each in about for each in _RANGE_NAMES):
        numbers = [_KEYWORD.sub("", each) for each in _SEPARATOR.split(inner.strip())]
        if len(numbers) < 2:
            return None
        return _range(numbers[0], numbers[1], None, is_log="log" in about)
    return hint_of(inner, depth + 1)


def _range(low: str, high: str, rest: str | None, *, is_log: bool) -> RangeHint | None:
    step = f"..{rest}" if rest is not None and rest[-1].isdigit() else ""
    kind = ":log" if is_log or (rest or "").startswith("log") else ""
    word = f"{low}..{high}{step}{kind}"
    bounds = bounds_of(word)
    return None if bounds is None else RangeHint(word, bounds)


def _points(text: str) -> PointsHint | None:
    numbers = _SEPARATOR.split(text)
    if len(numbers) < 2 or not all(re.fullmatch(NUMBER, each) for each in numbers):
        return None
    return PointsHint(",".join(numbers))
