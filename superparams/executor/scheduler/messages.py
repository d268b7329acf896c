"""What engines tell the scheduler (events), and what the scheduler has them do (instructions).

A place is where one setting runs at a time: a worker process, a thread, a slot of an executor. It
is named by its rank, a number from 0.

Every worker process that starts imports this module, so the classes are written out: a dataclass
takes twenty times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from superparams.executor.scheduler.chunk import Chunk
from superparams.outcomes.outcome import Status


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
    """The first `count` settings of the chunk of a place have ended.

    again: those of them that have no outcome, since they are to run again.
    is_certain: whether the outcomes are safe; otherwise `OutcomesConfirmed` follows, or
    `AllPlacesGone`.
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
    """The setting that runs in a place has told a step, a row, and waits for the answer."""

    __slots__ = ("index", "rank", "row")

    def __init__(self, rank: int, index: int, row: Mapping[str, Any] | None = None) -> None:
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
    """So many outcomes that were not certain are safe now."""

    __slots__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count


class RestReturned(Message):
    """A place has given back the settings of its chunk that come after `last`, not begun."""

    __slots__ = ("last", "rank")

    def __init__(self, rank: int, last: int) -> None:
        self.rank = rank
        self.last = last


class ChunkOver(Message):
    """A place is idle again, `seconds` after it was given its chunk; what it did not run is back.

    `SettingsEnded` has told before how many settings ended.
    """

    __slots__ = ("rank", "seconds")

    def __init__(self, rank: int, seconds: float) -> None:
        self.rank = rank
        self.seconds = seconds


class PlaceGone(Message):
    """A place has ended.

    culprit: the setting that it surely ran then, which is to blame; None if that is not known.
    status: of the culprit.
    begun: how many settings of its chunk that have no outcome it may have begun; None: all of them.
    is_blameless: no setting is to blame, as when a machine is taken away.
    attempt: of the culprit; None for that of its chunk.
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
    """All places have ended at once, as one of `suspects` may have ended their parent.

    suspects: settings that were running then, or whose outcomes were not certain.
    """

    __slots__ = ("suspects",)

    def __init__(self, suspects: Sequence[Chunk]) -> None:
        self.suspects = suspects


class WorkAdded(Message):
    """There are more settings to run: ranges of step 1, in any order."""

    __slots__ = ("ranges",)

    def __init__(self, ranges: Sequence[range]) -> None:
        self.ranges = ranges


class NoMoreWork(Message):
    """No further `WorkAdded` comes."""

    __slots__ = ()


class Draining(Message):
    """Hand out nothing more; what runs may finish."""

    __slots__ = ()


class TimePassed(Message):
    """Time has passed."""

    __slots__ = ()


PlaceEvent = (
    PlaceReady | SettingsEnded | StepMade | StepDecided | RestReturned | ChunkOver | PlaceGone
)
Event = (
    PlaceEvent | OutcomesConfirmed | AllPlacesGone | WorkAdded | NoMoreWork | Draining | TimePassed
)

# ---- instructions


class StartPlace(Message):
    """Start a place."""

    __slots__ = ("rank",)

    def __init__(self, rank: int) -> None:
        self.rank = rank


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

    rank: of the place; None where all places ended at once.
    """

    __slots__ = ("attempt", "index", "rank", "status")

    def __init__(self, rank: int | None, index: int, attempt: int, status: Status) -> None:
        self.rank = rank
        self.index = index
        self.attempt = attempt
        self.status: Status = status


Instruction = StartPlace | SendChunk | AnswerStep | RetirePlace | RecordLoss
