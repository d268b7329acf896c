"""Ranges of ints: ``0..9``, both ends included, and ``0..100..10`` with a step."""

from __future__ import annotations

import re
import sys
from typing import Any, Final

from superparams.declare.words.annotations import Scope, parts
from superparams.declare.words.grammar import Unreadable
from superparams.declare.words.typed_values import takes_any_text

__all__ = ["looks_like_range", "range_of", "takes_ranges"]

WHOLE: Final = r"([+-]?[0-9]+(?:_[0-9]+)*)"
RANGE: Final = re.compile(rf"{WHOLE}\.\.{WHOLE}(?:\.\.{WHOLE})?")


def takes_ranges(annotation: Any, scope: Scope) -> bool:
    """Whether ``0..9`` is a range for this annotation: it takes ints, and not any text."""
    members = parts(annotation, scope.plain)
    return any(each is int for each in members) and not any(map(takes_any_text, members))


def looks_like_range(text: str) -> bool:
    """Whether a text is written like a range."""
    return RANGE.fullmatch(text) is not None


def range_of(text: str) -> range | None:
    """The range that a text means, None when it means none; never laid out in memory.

    Raises:
        Unreadable: For a range without points, or with more than a sequence can have.
    """
    found = RANGE.fullmatch(text)
    if found is None:
        return None
    try:
        first, last, step = (None if each is None else int(each) for each in found.groups())
    except ValueError:
        raise Unreadable("Python reads no number with so many digits") from None
    assert first is not None
    assert last is not None
    towards = -1 if last < first else 1
    step = towards if step is None else step
    if step < 0 < towards or step == 0:
        raise Unreadable("its step does not lead from its first number to its last")
    points = range(first, last + towards, abs(step) * towards)
    if (abs(last - first) // abs(step)) >= sys.maxsize:
        raise Unreadable("it has more points than Python counts")
    return points
