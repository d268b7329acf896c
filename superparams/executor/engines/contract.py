"""What every engine is: it is fed ranges of indices, and yields encoded outcomes."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from superparams.errors import EngineError
from superparams.executor.engines.option_fields import count, option, seconds, settle, whole
from superparams.executor.run_steps import RunSteps
from superparams.executor.scheduler.retries import Retries
from superparams.executor.scheduler.step_decisions import StepJudge
from superparams.outcomes.outcome import Status

if TYPE_CHECKING:
    from superparams.executor.engines.feed import Feed, Todo
    from superparams.executor.program import Program

__all__ = [
    "Activity",
    "Control",
    "Engine",
    "EngineName",
    "Options",
    "has_processes",
    "in_processes",
    "refuse",
]

# The engines that `run_all` knows by name.
EngineName = Literal["serial", "threads", "asyncio", "processes"]
LEAST_SETUP = 60.0  # seconds: the smallest limit of `setup` that follows from `timeout`


@dataclass(frozen=True)
class Options:
    """What a run asks of any engine; an engine that cannot do it says so before anything starts.

    Attributes:
        num_proc: Workers.
        timeout: Seconds that `run` of a setting may take.
        setup_timeout: Seconds that `setup` of a worker may take, see `setup_limit`.
        retries: Extra attempts for a setting whose outcome is in `retry_on`.
        retry_on: The statuses after which a setting is tried again.
        retry_wait: Seconds before the second attempt, twice as many before the third, and so on.
        folder: The folder of the run, where logs/<rank>.log are written.
    """

    num_proc: int = option(1, check=count('give a whole number of workers, 1 or more, or "auto"'))
    timeout: float | None = option(
        None, check=seconds("give seconds above 0, or None for no limit")
    )
    setup_timeout: float | None = option(
        None, check=seconds("give seconds above 0, or None for 10 times timeout, 60 at least")
    )
    retries: int = option(0, check=whole(0, "give a whole number of extra attempts, 0 or more"))
    retry_on: frozenset[Status] = frozenset({"killed", "timeout"})
    retry_wait: float = option(0.0, check=seconds("give seconds, 0 or more", may_be_zero=True))
    folder: Path | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            EngineError: For a value that an option cannot have.
        """
        settle(self, EngineError)

    @property
    def setup_limit(self) -> float | None:
        """Seconds that `setup` of a worker may take, and `teardown`; None for no limit."""
        if self.setup_timeout is not None or self.timeout is None:
            return self.setup_timeout
        return max(LEAST_SETUP, 10 * self.timeout)

    @property
    def retry_policy(self) -> Retries:
        """Which outcomes are followed by another attempt, and when."""
        return Retries(self.retries, self.retry_on, self.retry_wait)


class Control:
    """How a run is ended early. Any thread and any signal handler may call it: it takes no lock,
    but for `begun`, which belongs to the engine.

    Attributes:
        interrupted: Whether somebody pressed Ctrl-C, which may be too late to end anything.
        payload: How many bytes were shared with workers and pickled for them, for the record;
            None where there is no payload.
        waiting: How many settings wait for another attempt, for people to see.
        notes: What workers could not do, in sentences for the user, each once.
        begun: Set once the engine has started what runs settings. Until then this process is what
            they wait for, so other work of a run can wait for this.
        steps: What settings record while they run.
        judge: Decides at each step whether the setting goes on, in the thread that hands out
            settings. None: each goes on.
    """

    __slots__ = (
        "begun",
        "draining",
        "interrupted",
        "judge",
        "notes",
        "payload",
        "steps",
        "stopping",
        "waiting",
    )

    def __init__(self) -> None:
        """Start with nothing asked."""
        self.draining = False
        self.stopping = False
        self.interrupted = False
        self.payload: dict[str, int] | None = None
        self.waiting = 0
        self.begun = threading.Event()
        self.notes: dict[str, None] = {}
        self.steps = RunSteps()
        self.judge: StepJudge | None = None

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
        self, program: Program, todo: Todo | Feed, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Yield encoded outcomes until every index of `todo` has one, or `control` ends the run.

        A `Feed` may get more indices meanwhile; the engine waits for them until it is closed.
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
