"""What every engine is: it is handed ranges of indices, and yields encoded outcomes."""

from __future__ import annotations

import operator
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, SupportsIndex, cast

from superparams.errors import EngineError
from superparams.outcomes.outcome import Status

if TYPE_CHECKING:
    from superparams.executor.program import Program

__all__ = [
    "Activity",
    "Control",
    "Engine",
    "EngineName",
    "Options",
    "Todo",
    "has_processes",
    "in_processes",
    "refuse",
]

# The engines that `run_all` knows by name.
EngineName = Literal["serial", "threads", "processes"]
# Ascending ranges of step 1 that do not overlap: a million settings are one range.
Todo = Sequence[range]
LEAST_SETUP = 60.0  # seconds: the smallest limit of `setup` that follows from `timeout`
MOST = 100_000  # workers or devices; a larger number is a slip, and its list would fill the memory


@dataclass(frozen=True)
class Options:
    """What a run asks of any engine; an engine that cannot do it says so before anything starts.

    num_proc: workers; timeout: seconds that `run` of a setting may take; setup_timeout: seconds
    that `setup` of a worker may take (see `setup_limit`); retries: extra attempts of a setting
    whose outcome is in `retry_on`; start_method: "forkserver", "spawn" or "fork";
    threads_per_worker: BLAS and OpenMP threads of each worker; gpus: device names or their number,
    divided among the ranks; folder: the run folder, where logs/<rank>.log are written.
    """

    num_proc: int = 1
    timeout: float | None = None
    setup_timeout: float | None = None
    retries: int = 0
    retry_on: frozenset[Status] = frozenset({"killed", "timeout"})
    start_method: str | None = None
    threads_per_worker: int | None = None
    gpus: Sequence[str | int] | int | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what means nothing, and settle numbers of numpy and lists as plain ones."""
        self._settle("num_proc", _some, "give a whole number of workers, 1 or more")
        self._settle("retries", _whole, 0, "give a whole number of extra attempts, 0 or more")
        if self.timeout is not None:
            self._settle("timeout", _seconds, "give seconds above 0, or None for no limit")
        if self.setup_timeout is not None:
            remedy = "give seconds above 0, or None for 10 times timeout, 60 seconds at least"
            self._settle("setup_timeout", _seconds, remedy)
        if self.threads_per_worker is not None:
            remedy = "give a whole number, 1 or more, or None to divide the cores among the workers"
            self._settle("threads_per_worker", _whole, 1, remedy)
        if self.gpus is not None:
            remedy = (
                "give the devices, as in ['0', '1'], or their number, 1 or more, "
                "or None to leave every worker what this process sees"
            )
            self._settle("gpus", _devices, remedy)

    @property
    def setup_limit(self) -> float | None:
        """Seconds that `setup` of a worker may take, and `teardown`; None for no limit."""
        if self.setup_timeout is not None or self.timeout is None:
            return self.setup_timeout
        return max(LEAST_SETUP, 10 * self.timeout)

    def _settle(self, name: str, settled: Callable[..., object], *more: object) -> None:
        """Hold what `settled` makes of the option, or of its refusal make one that names it."""
        given = getattr(self, name)
        try:
            object.__setattr__(self, name, settled(given, *more))
        except _Meaningless as why:
            raise EngineError(f"{name}={given!r}: {why}") from None


class _Meaningless(ValueError):
    """Says what to give instead."""


def _whole(given: object, least: int, remedy: str) -> int:
    """A whole number, also of numpy. `True` is a slip, and so is a number in quotes."""
    is_truth = isinstance(given, bool) or type(given).__name__ in ("bool", "bool_")  # of numpy
    if is_truth or not isinstance(given, SupportsIndex):
        raise _Meaningless(remedy)
    try:
        number = operator.index(given)
    except TypeError:  # an array of numpy has the method, and refuses
        raise _Meaningless(remedy) from None
    if number < least:
        raise _Meaningless(remedy)
    return number


def _some(given: object, remedy: str) -> int:
    """A whole number of what a machine has."""
    number = _whole(given, 1, remedy)
    if number > MOST:
        raise _Meaningless(f"that is more than {MOST:,}; {remedy}")
    return number


def _seconds(given: object, remedy: str) -> float:
    """A number of seconds that pass some day."""
    if isinstance(given, bool) or not isinstance(given, Real):
        raise _Meaningless(remedy)
    try:
        seconds = float(given)
    except OverflowError:  # an int beyond all floats
        raise _Meaningless(remedy) from None
    if not 0 < seconds < float("inf"):
        raise _Meaningless(remedy)
    return given if isinstance(given, int) else seconds


def _devices(given: object, remedy: str) -> int | tuple[str | int, ...]:
    """Names of devices or how many; a text is no list of names, though it can be iterated."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        return _some(given, remedy)
    names = tuple(_device(each, remedy) for each in cast("Iterable[object]", given))
    if not names:
        raise _Meaningless(remedy)
    return names


def _device(given: object, remedy: str) -> str | int:
    if isinstance(given, str) and given.strip():
        return given
    return _whole(given, 0, remedy)


class Control:
    """How a run is ended early. Any thread and any signal handler may call it: it takes no lock.

    Attributes:
        interrupted: Whether somebody pressed Ctrl-C, which may be too late to end anything.
        payload: How many bytes were shared with workers and pickled for them, for the record;
            None where there is no payload.
        waiting: How many settings wait for another attempt, for people to see.
        notes: What workers could not do, in sentences for the user, each once.
    """

    __slots__ = ("draining", "interrupted", "notes", "payload", "stopping", "waiting")

    def __init__(self) -> None:
        """Start with nothing asked."""
        self.draining = False
        self.stopping = False
        self.interrupted = False
        self.payload: dict[str, int] | None = None
        self.waiting = 0
        self.notes: dict[str, None] = {}

    def note(self, sentences: Iterable[str]) -> None:
        """Take down what workers could not do."""
        self.notes.update(dict.fromkeys(sentences))

    def drain(self) -> None:
        """Hand out nothing more; what runs may finish."""
        self.draining = True

    def stop(self) -> None:
        """End now: what runs is killed where that is possible, and has no outcome."""
        self.draining = True
        self.stopping = True


@dataclass(frozen=True)
class Activity:
    """What a worker does: the index of its setting (None: idle), since when, at which attempt.

    in_setup: it calls `setup` before that setting, since so many seconds.
    """

    rank: int
    index: int | None
    seconds: float
    attempt: int = 1
    in_setup: bool = False


class Engine(Protocol):
    """Carries settings to workers and outcomes back."""

    @property
    def name(self) -> str:
        """The name that users give."""
        ...

    def check(self, options: Options) -> None:
        """Refuse options that the engine does not support, before anything is written.

        Raises:
            EngineError: Names the option, its value and the remedy.
        """
        ...

    def execute(
        self, program: Program, todo: Todo, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Yield encoded outcomes until every index of `todo` has one, or `control` ends the run.

        `check` has seen the options before. Closing the iterator ends every worker.
        """
        ...

    def activity(self) -> list[Activity]:
        """What each worker does now; may be called from any thread."""
        ...


def has_processes() -> bool:
    """Whether this system can hand open files from process to process, and make processes."""
    return hasattr(os, "fork") and hasattr(os, "posix_spawn") and hasattr(socket, "send_fds")


def in_processes(reason: str) -> str:
    """Why another engine cannot do a thing, with the one that can, where this system has it."""
    return f'{reason}; give engine="processes"' if has_processes() else reason


def refuse(engine: str, options: Options, **reasons: str) -> None:
    """Raise an `EngineError` for every option that is set although `engine` cannot honour it."""
    default = Options()
    for name, reason in reasons.items():
        given = getattr(options, name)
        if given != getattr(default, name):
            raise EngineError(f"{name}={given!r} cannot be used with engine={engine!r}: {reason}")
