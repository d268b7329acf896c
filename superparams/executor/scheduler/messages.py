"""What engines tell the scheduler (events), and what the scheduler has them do (instructions).

A place is where one setting runs at a time: a worker process, a thread, a slot of an executor. It
is named by its rank, a number from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from superparams.executor.scheduler.chunk import Chunk
from superparams.outcomes.outcome import Status

# ---- events


@dataclass(frozen=True, slots=True)
class PlaceReady:
    """The place can take settings; it is new, or starts over."""

    rank: int


@dataclass(frozen=True, slots=True)
class SettingsEnded:
    """The first `count` settings of the chunk of a place have ended.

    again: those of them that have no outcome, since they are to run again.
    is_certain: whether the outcomes are safe; otherwise `OutcomesConfirmed` follows, or
    `AllPlacesGone`.
    """

    rank: int
    count: int
    again: tuple[int, ...] = ()
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class StepMade:
    """The setting that runs in a place has told a step, and waits for the answer."""

    rank: int
    index: int


@dataclass(frozen=True, slots=True)
class StepDecided:
    """Whether the setting that waits in a place goes on."""

    rank: int
    index: int
    goes_on: bool


@dataclass(frozen=True, slots=True)
class OutcomesConfirmed:
    """So many outcomes that were not certain are safe now."""

    count: int


@dataclass(frozen=True, slots=True)
class RestReturned:
    """A place has given back the settings of its chunk that come after `last`, not begun."""

    rank: int
    last: int


@dataclass(frozen=True, slots=True)
class ChunkOver:
    """A place is idle again, `seconds` after it was given its chunk; what it did not run is back.

    `SettingsEnded` has told before how many settings ended.
    """

    rank: int
    seconds: float


@dataclass(frozen=True, slots=True)
class PlaceGone:
    """A place has ended.

    culprit: the setting that it surely ran then, which is to blame; None if that is not known.
    status: of the culprit.
    attempt: of the culprit; None for that of its chunk.
    begun: how many settings of its chunk that have no outcome it may have begun; None: all of them.
    is_blameless: no setting is to blame, as when a machine is taken away.
    """

    rank: int
    culprit: int | None = None
    status: Status = "killed"
    begun: int | None = None
    is_blameless: bool = False
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class AllPlacesGone:
    """All places have ended at once, as one of `suspects` may have ended their parent.

    suspects: settings that were running then, or whose outcomes were not certain.
    """

    suspects: Sequence[Chunk]


@dataclass(frozen=True, slots=True)
class WorkAdded:
    """There are more settings to run: ranges of step 1, in any order."""

    ranges: Sequence[range]


@dataclass(frozen=True, slots=True)
class NoMoreWork:
    """No further `WorkAdded` comes."""


@dataclass(frozen=True, slots=True)
class Draining:
    """Hand out nothing more; what runs may finish."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Time has passed."""


Event = (
    PlaceReady
    | SettingsEnded
    | StepMade
    | StepDecided
    | OutcomesConfirmed
    | RestReturned
    | ChunkOver
    | PlaceGone
    | AllPlacesGone
    | WorkAdded
    | NoMoreWork
    | Draining
    | TimePassed
)

# ---- instructions


@dataclass(frozen=True, slots=True)
class StartPlace:
    """StartPlace a place."""

    rank: int


@dataclass(frozen=True, slots=True)
class SendChunk:
    """Give these settings to the place, which is idle."""

    rank: int
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class AnswerStep:
    """Tell the setting that waits in the place whether it goes on."""

    rank: int
    index: int
    goes_on: bool


@dataclass(frozen=True, slots=True)
class RetirePlace:
    """End the place, which is idle, in an orderly way; `PlaceGone` follows."""

    rank: int


@dataclass(frozen=True, slots=True)
class RecordLoss:
    """Record the outcome of a setting whose place has ended: no other attempt follows.

    rank: of the place; None where all places ended at once.
    """

    rank: int | None
    index: int
    attempt: int
    status: Status


Instruction = StartPlace | SendChunk | AnswerStep | RetirePlace | RecordLoss
