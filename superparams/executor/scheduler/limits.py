"""The limits of a scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from superparams.executor.scheduler.pace import Pace
from superparams.executor.scheduler.retries import Retries

if TYPE_CHECKING:
    from superparams.executor.scheduler.grouped_backlog import Needs
    from superparams.executor.scheduler.machine import Machine

__all__ = ["Limits"]


class Limits:
    """The limits of a scheduler.

    Args:
        n_places: The highest number of places.
        retries: The outcomes after which a setting runs again.
        one_by_one: Whether each chunk is one setting.
        decides_steps: Whether `StepDecided` follows every `StepMade`; otherwise each setting goes
            on at once.
        sharing: What settings need, and the machine, or None for machines that come and go; None
            where nothing is shared.
        chunk_seconds: Seconds of work in a chunk.
    """

    def __init__(
        self,
        n_places: int,
        retries: Retries | None = None,
        *,
        one_by_one: bool = False,
        decides_steps: bool = False,
        sharing: tuple[Needs, Machine | None] | None = None,
        chunk_seconds: float = Pace.TARGET,
    ) -> None:
        self.n_places = n_places
        self.retries = retries or Retries()
        self.one_by_one = one_by_one
        self.decides_steps = decides_steps
        self.sharing = sharing
        self.chunk_seconds = chunk_seconds
