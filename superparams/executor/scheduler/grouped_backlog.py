"""The settings that are still to be handed out, grouped by what they need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from superparams.declare.resources import Resources
from superparams.executor.scheduler.backlog import Backlog
from superparams.executor.scheduler.chunk import Chunk

__all__ = ["GroupedBacklog", "Needs"]


class Needs(Protocol):
    """Knows what each setting needs."""

    def at(self, index: int) -> Resources:
        """What a setting needs."""
        ...

    def split(self, ranges: Sequence[range]) -> Mapping[Resources, Sequence[range]]:
        """The same settings by what they need."""
        ...


class GroupedBacklog:
    """A backlog for each need; all settings of a chunk have the same need.

    Args:
        needs: Knows what each setting needs.
        ranges: The settings at first.
    """

    def __init__(self, needs: Needs, ranges: Sequence[range] = ()) -> None:
        self._needs = needs
        self._groups: dict[Resources, Backlog] = {}
        self.add(ranges)

    def __iter__(self) -> Iterator[Resources]:
        return iter(self._groups)

    def of(self, need: Resources) -> Backlog:
        """The backlog of the settings with a need."""
        return self._groups.setdefault(need, Backlog())

    def need_of(self, chunk: Chunk) -> Resources:
        """What the settings of a chunk need."""
        return self._needs.at(next(iter(chunk)))

    @property
    def remaining(self) -> int:
        """The number of settings; see `Backlog`."""
        return sum(backlog.remaining for backlog in self._groups.values())

    @property
    def n_again(self) -> int:
        """The number of those for another attempt; see `Backlog`."""
        return sum(backlog.n_again for backlog in self._groups.values())

    def add(self, ranges: Sequence[range]) -> None:
        """Add settings that have not run."""
        for need, parts in self._needs.split(ranges).items():
            self.of(need).add(parts)

    def n_ready(self, now: float) -> int:
        """See `Backlog.n_ready`."""
        return sum(backlog.n_ready(now) for backlog in self._groups.values())

    def next_due(self) -> float | None:
        """See `Backlog.next_due`."""
        due = [backlog.next_due() for backlog in self._groups.values()]
        return min((time for time in due if time is not None), default=None)

    @property
    def has_alone(self) -> bool:
        """See `Backlog.has_alone`."""
        return next(self.needs_alone(), None) is not None

    def needs_alone(self) -> Iterator[Resources]:
        """The needs of the settings that are to run while nothing else runs."""
        return (need for need, backlog in self._groups.items() if backlog.has_alone)

    def take(self, size: int, now: float) -> Chunk | None:
        """Settings of the first need that has some; see `Backlog.take`."""
        chunks = (backlog.take(size, now) for backlog in self._groups.values())
        return next((chunk for chunk in chunks if chunk is not None), None)

    def take_alone(self) -> Chunk | None:
        """See `Backlog.take_alone`."""
        need = next(self.needs_alone(), None)
        return None if need is None else self.of(need).take_alone()

    def give_back(self, chunk: Chunk) -> None:
        """See `Backlog.give_back`."""
        self.of(self.need_of(chunk)).give_back(chunk)

    def isolate(self, chunk: Chunk) -> None:
        """See `Backlog.isolate`."""
        self.of(self.need_of(chunk)).isolate(chunk)

    def set_apart(self, chunk: Chunk) -> None:
        """See `Backlog.set_apart`."""
        self.of(self.need_of(chunk)).set_apart(chunk)

    def try_again(self, chunk: Chunk, due: float = 0.0) -> None:
        """See `Backlog.try_again`."""
        self.of(self.need_of(chunk)).try_again(chunk, due)
