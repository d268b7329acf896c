"""Steps that a checkpoint carries from one attempt of a setting to the next."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, NamedTuple

from superparams.outcomes.step import Step, dict_of

__all__ = ["CarriedStep", "HeldSteps"]

_LARGEST: Final = 1 << 24  # bytes, about
_STEP: Final = 500  # bytes of a step without its arrays, about
_SMALL: Final = frozenset({bool, int, float, str, type(None)})


class CarriedStep(NamedTuple):
    """A step of any attempt; see `superparams.outcomes.step.Step`."""

    number: int
    seconds: float
    row: Any


class HeldSteps:
    """The steps of a setting that has not used its checkpoint yet, unless they are large.

    Attributes:
        are_whole: Whether it still holds every step of the setting.
    """

    __slots__ = ("_held", "_left", "are_whole")

    def __init__(self) -> None:
        self._held: list[Step] = []
        self.are_whole = True
        self._left = _LARGEST

    def add(self, step: Step) -> None:
        """Hold a step."""
        if self.are_whole:
            self._left -= _STEP + _size_of(step.row)
            self._held.append(step)
            if self._left < 0:
                self.are_whole, self._held = False, []

    @property
    def steps(self) -> list[CarriedStep]:
        """The steps."""
        return [CarriedStep(step.step, step.seconds, step.row) for step in self._held]


def _size_of(row: object) -> int:
    """The bytes of the arrays of a row, or of a frame."""
    fields = dict_of(row)
    size = 0
    for x in (row,) if fields is None else fields.values():
        if type(x) not in _SMALL:
            with suppress(Exception):  # an object of any library
                size += getattr(x, "nbytes", 0)
    return size
