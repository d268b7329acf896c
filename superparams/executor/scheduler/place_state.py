"""What the scheduler knows of a place."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from superparams.executor.scheduler.chunk import Chunk

if TYPE_CHECKING:
    from superparams.executor.scheduler.machine import MachineShare

__all__ = ["NOTHING", "PlaceRecord", "PlaceState"]

NOTHING: Final = Chunk(())


class PlaceState(enum.Enum):
    """The state of a place."""

    STARTING = enum.auto()
    IDLE = enum.auto()
    BUSY = enum.auto()
    RETIRING = enum.auto()


class PlaceRecord:
    """What the scheduler knows of a place.

    Attributes:
        chunk: Its settings.
        n_ended: The number of these that have ended.
        is_used: Whether it has ever got settings.
        held: The setting that waits for the answer to a step.
        share: What it has of the machine, where places share one.
    """

    __slots__ = ("chunk", "held", "is_used", "n_ended", "share", "state")

    def __init__(self, share: MachineShare | None = None) -> None:
        self.share = share
        self.state = PlaceState.STARTING
        self.chunk = NOTHING
        self.n_ended = 0
        self.is_used = False
        self.held: int | None = None

    @property
    def unfinished(self) -> Chunk:
        """Its settings that have not ended."""
        return self.chunk.split(self.n_ended)[1]
