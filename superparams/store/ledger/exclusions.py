"""Outcomes that are taken as not there."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ALL", "Without"]


@dataclass(frozen=True)
class Without:
    """Which outcomes do not count, so that what they superseded counts again.

    Attributes:
        runs: names of runs, of which none does.
        failures: whether those that are not done do not.
    """

    runs: frozenset[str] = frozenset()
    failures: bool = False

    def __bool__(self) -> bool:
        return bool(self.runs) or self.failures


ALL = Without()  # with all outcomes
