"""Notes on settings that wait for a node: otherwise a run would stand still without a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from superparams.declare.resources import Resources

__all__ = ["UnmetNeeds"]

_LONG: Final = 30.0  # seconds; nodes may take that long to start


class UnmetNeeds:
    """What settings wait for, and since when."""

    def __init__(self) -> None:
        self._since: dict[Resources, float] = {}

    def notes(self, unmet: Iterable[Resources], now: float) -> Iterator[str]:
        """A sentence for the user on each need that has waited for long.

        Args:
            unmet: The needs of settings that wait for a node now.
            now: Seconds on a clock that never goes back.
        """
        self._since = {need: self._since.get(need, now) for need in unmet}
        for need, since in self._since.items():
            if now - since > _LONG:
                room = "" if need == Resources() else f" with room for {need!r}"
                yield f"settings have waited for more than {_LONG:g} seconds for a node{room}"
