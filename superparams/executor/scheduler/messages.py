"""Events, from engines to the scheduler, and instructions, from the scheduler to engines.

A place runs one setting at a time: it is a worker process, a thread, or a slot of an executor. Its
rank, a number from 0, identifies it.

Every worker process imports this module when it starts, so the classes are written out: making a
dataclass takes twenty times as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from superparams.executor.scheduler.chunk import Chunk
from superparams.outcomes.outcome import Status

if TYPE_CHECKING:
    from superparams.executor.scheduler.machine import Machine, MachineShare


class Message:
    """A record of named fields; messages of one class are equal if their fields are."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._fields() == other._fields()

    __hash__ = None  # type: ignore[assignment]  # fields may be lists

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._fields())
        return f"{type(self).__name__}({fields})"

    def _fields(self) -> list[tuple[str, object]]:
        return [(name, getattr(self, name)) for name in self.__slots__]


# ---- events


class PlaceReady(Message):
    """The place can take settings; it is new, or starts over."""

    __slots__ = ("rank",)

    def __init__(self, rank: int) -> None:
        self.rank = rank


class SettingsEnded(Message):
    """Settings of the chunk of a place have ended.

    Attributes:
        rank: The place.
        count: The number of settings of the chunk that have ended so far.
        again: Settings of these that have no outcome, since they are to run again.
        is_certain: Whether the outcomes count. Otherwise `OutcomesConfirmed` or `AllPlacesGone`
            follows.
    """

    __slots__ = ("again", "count", "is_certain", "rank")

    def __init__(
        self, rank: int, count: int, again: tuple[int, ...] = (), *, is_certain: bool = True
    ) -> None:
        self.rank = rank
        self.count = count
        self.again = again
        self.is_certain = is_certain


class StepMade(Message):
    """The setting that runs in a place has made a step and waits for the answer."""

    __slots__ = ("index", "rank", "row")

    def __init__(self, rank: int, index: int, row: Mapping[str, object] | None = None) -> None:
        self.rank = rank
        self.index = index
        self.row = row or {}


class StepDecided(Message):
    """Whether the setting that waits in a place goes on."""

    __slots__ = ("goes_on", "index", "rank")

    def __init__(self, rank: int, index: int, goes_on: bool) -> None:
        self.rank = rank
        self.index = index
        self.goes_on = goes_on


class OutcomesConfirmed(Message):
    """Outcomes that were not certain count now.

    Attributes:
        count: The number of outcomes.
    """

    __slots__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count


class RestReturned(Message):
    """A place has given back the settings of its chunk after `last`, which it has not begun."""

    __slots__ = ("last", "rank")

    def __init__(self, rank: int, last: int) -> None:
        self.rank = rank
        self.last = last


class ChunkOver(Message):
    """A place is idle again, and has given back the settings of its chunk that it did not run.

    `SettingsEnded` with the number of settings that ended comes before.

    Attributes:
        rank: The place.
        seconds: The time since it got the chunk.
    """

    __slots__ = ("rank", "seconds")

    def __init__(self, rank: int, seconds: float) -> None:
        self.rank = rank
        self.seconds = seconds


class PlaceGone(Message):
    """A place has ended.

    Attributes:
        rank: The place.
        culprit: The setting that it surely ran then, which is to blame; None if that is not known.
        status: The status of the culprit.
        begun: How many settings of its chunk without an outcome it may have begun; None for all.
        is_blameless: Whether no setting is to blame, as when a machine is taken away.
        attempt: The attempt of the culprit; None for the attempt of its chunk.
    """

    __slots__ = ("attempt", "begun", "culprit", "is_blameless", "rank", "status")

    def __init__(
        self,
        rank: int,
        culprit: int | None = None,
        status: Status = "killed",
        begun: int | None = None,
        *,
        is_blameless: bool = False,
        attempt: int | None = None,
    ) -> None:
        self.rank = rank
        self.culprit = culprit
        self.status: Status = status
        self.begun = begun
        self.is_blameless = is_blameless
        self.attempt = attempt


class AllPlacesGone(Message):
    """All places have ended at once, since a setting may have ended their parent.

    Attributes:
        suspects: The settings that were running then, or whose outcomes were not certain.
    """

    __slots__ = ("suspects",)

    def __init__(self, suspects: Sequence[Chunk]) -> None:
        self.suspects = suspects


class MachineReady(Message):
    """A machine has joined the run, or has other resources now; see `Machines.add`."""

    __slots__ = ("key", "machine", "most_places")

    def __init__(self, key: str, machine: Machine, most_places: int | None = None) -> None:
        self.key = key
        self.machine = machine
        self.most_places = most_places


class MachineGone(Message):
    """A machine has left the run. `PlaceGone` follows for each place that it had."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key


class WorkAdded(Message):
    """There are more settings to run: ranges of step 1, in any order."""

    __slots__ = ("ranges",)

    def __init__(self, ranges: Sequence[range]) -> None:
        self.ranges = ranges


class NoMoreWork(Message):
    """No further `WorkAdded` comes."""

    __slots__ = ()


class Draining(Message):
    """No more settings are handed out; running settings may finish."""

    __slots__ = ()


class TimePassed(Message):
    """Time has passed, so some settings may have waited long enough."""

    __slots__ = ()


PlaceEvent = (
    PlaceReady | SettingsEnded | StepMade | StepDecided | RestReturned | ChunkOver | PlaceGone
)
Event = (
    PlaceEvent
    | OutcomesConfirmed
    | AllPlacesGone
    | MachineReady
    | MachineGone
    | WorkAdded
    | NoMoreWork
    | Draining
    | TimePassed
)

# ---- instructions


class StartPlace(Message):
    """Start a place.

    Attributes:
        rank: The place.
        share: What it gets of the machine, for settings that need just this; None where the
            settings of the run declare no resources.
    """

    __slots__ = ("rank", "share")

    def __init__(self, rank: int, share: MachineShare | None = None) -> None:
        self.rank = rank
        self.share = share


class SendChunk(Message):
    """Give these settings to the place, which is idle."""

    __slots__ = ("chunk", "rank")

    def __init__(self, rank: int, chunk: Chunk) -> None:
        self.rank = rank
        self.chunk = chunk


class AnswerStep(Message):
    """Tell the setting that waits in the place whether it goes on."""

    __slots__ = ("goes_on", "index", "rank")

    def __init__(self, rank: int, index: int, goes_on: bool) -> None:
        self.rank = rank
        self.index = index
        self.goes_on = goes_on


class RetirePlace(Message):
    """End the place, which is idle, in an orderly way; `PlaceGone` follows."""

    __slots__ = ("rank",)

    def __init__(self, rank: int) -> None:
        self.rank = rank


class RecordLoss(Message):
    """Record the outcome of a setting whose place has ended: no other attempt follows.

    Attributes:
        rank: The place; None if all places ended at once.
        index: The setting.
        attempt: The number of the attempt.
        status: The status of the outcome.
    """

    __slots__ = ("attempt", "index", "rank", "status")

    def __init__(self, rank: int | None, index: int, attempt: int, status: Status) -> None:
        self.rank = rank
        self.index = index
        self.attempt = attempt
        self.status: Status = status


Instruction = StartPlace | SendChunk | AnswerStep | RetirePlace | RecordLoss
