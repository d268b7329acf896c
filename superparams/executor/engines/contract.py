"""The protocol of an engine: it takes ranges of indices, and yields encoded outcomes."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from superparams.errors import EngineError
from superparams.executor.engines.option_fields import count, option, seconds, settle, whole
from superparams.executor.run_steps import RunSteps
from superparams.executor.scheduler.retries import Retries
from superparams.executor.scheduler.step_decisions import StepJudge
from superparams.outcomes.outcome import Status

if TYPE_CHECKING:
    from superparams.executor.engines.feed import Feed, Todo
    from superparams.executor.program import Program
    from superparams.executor.setting_needs import SettingNeeds

__all__ = [
    "Activity",
    "Control",
    "Engine",
    "HoldsResources",
    "Options",
    "has_processes",
    "in_processes",
    "refuse",
]

LEAST_SETUP = 60.0  # seconds: the smallest limit of `setup` that follows from `timeout`


@dataclass(frozen=True)
class Options:
    """The options of a run for its engine, which refuses those that it does not support.

    Attributes:
        num_proc: The number of workers.
        timeout: Seconds that `run` of a setting may take.
        setup_timeout: Seconds that `setup` of a worker may take, see `setup_limit`.
        retries: Extra attempts for a setting whose outcome is in `retry_on`.
        retry_on: The statuses after which a setting is tried again.
        retry_wait: Seconds before the second attempt, twice as many before the third, and so on.
        folder: The folder of the run, where logs/<rank>.log are written.
        decides_steps: Whether a stopper decides at steps; it has to know of each failed attempt.
        may_grow: Whether there may be more workers, if a cluster has more processors later.
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
    decides_steps: bool = False
    may_grow: bool = False

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
        return Retries(self.retries, self.retry_on, self.retry_wait, not self.decides_steps)


class Control:
    """Ends a run early, and carries what the engine reports to the run.

    Any thread and any signal handler may call its methods, since they take no lock.

    Attributes:
        draining: Whether no more settings are handed out.
        stopping: Whether running settings are killed, where that is possible.
        interrupted: Whether somebody pressed Ctrl-C, which may be too late to end anything.
        payload: The numbers of bytes that were shared with workers and pickled for them, for the
            record of the run; None without a payload.
        waiting: The number of settings that wait for another attempt, for the line of progress.
        notes: Notes for the user on what workers could not do, each once.
        begun: The engine sets this event when it has started its workers. Other work of a run may
            wait for it, so that workers start sooner.
        steps: The steps that settings record while they run.
        waiting_outcomes: Encodes the outcomes that wait in this process to be yielded together with
            others; no bytes if none wait. Another thread calls it if the running setting is long.
            The engine yields the same bytes later. None for engines without such outcomes.
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
        "waiting_outcomes",
    )

    def __init__(self) -> None:
        """Start with a run that goes on."""
        self.draining = False
        self.stopping = False
        self.interrupted = False
        self.payload: dict[str, int] | None = None
        self.waiting = 0
        self.begun = threading.Event()
        self.notes: dict[str, None] = {}
        self.steps = RunSteps()
        self.waiting_outcomes: Callable[[], bytes] | None = None
        self.judge: StepJudge | None = None

    def note(self, sentences: Iterable[str]) -> None:
        """Add notes for the user on what workers could not do."""
        self.notes.update(dict.fromkeys(sentences))

    def drain(self) -> None:
        """Hand out no more settings; running settings may finish."""
        self.draining = True

    def stop(self) -> None:
        """End now: running settings are killed where that is possible, and have no outcome."""
        self.draining = True
        self.stopping = True


@dataclass(frozen=True)
class Activity:
    """What a worker does now.

    Attributes:
        rank: The number of the worker.
        index: The index of the setting that it runs; None if it is idle.
        seconds: How long it has run the setting, or `setup` before that.
        attempt: The number of the attempt.
        in_setup: Whether it calls `setup` before the setting.
        log_start: Where the output of the setting begins in the log of the worker, in bytes; None
            where the engine does not know, as an executor does not.
    """

    rank: int
    index: int | None
    seconds: float
    attempt: int = 1
    in_setup: bool = False
    log_start: int | None = None


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
        """Run settings in workers. Closing the iterator ends every worker.

        Args:
            program: The experiment, as workers need it.
            todo: The indices of the settings. A `Feed` may get more of them meanwhile; the engine
                waits for them until the feed is closed.
            options: Options that `check` has accepted.
            control: Ends the run early.

        Returns:
            Encoded outcomes, until every index has one or `control` ends the run.
        """
        ...

    def activity(self) -> list[Activity]:
        """What each worker does now; may be called from any thread."""
        ...


class HoldsResources(Protocol):
    """An engine that runs settings with the resources that their class declares.

    Its `execute` gives each setting what `program.setting_needs` says. Other engines refuse a class
    with resources.
    """

    def places_for(self, needs: SettingNeeds, options: Options) -> int:
        """The number of settings that may run at once.

        Args:
            needs: What settings need. Its attribute `known` has the needs so far; each one that
                comes later is passed to its attribute `check`, which the engine may set.
            options: Options that `check` has accepted; `num_proc` is the upper bound.

        Raises:
            EngineError: Names the resource, its value and the remedy.
        """
        ...


def has_processes() -> bool:
    """Whether this system can hand open files from process to process, and make processes."""
    return hasattr(os, "fork") and hasattr(os, "posix_spawn") and hasattr(socket, "send_fds")


def in_processes(reason: str) -> str:
    """A reason why an engine cannot do something, with the remedy if this system has processes."""
    return f'{reason}; give engine="processes"' if has_processes() else reason


def refuse(engine: str, options: Options, **reasons: str) -> None:
    """Refuse options that an engine does not support.

    Args:
        engine: The name of the engine.
        options: The options of the run.
        **reasons: For each option that is not supported, why.

    Raises:
        EngineError: For the first of these options that is not at its default.
    """
    default = Options()
    for name, reason in reasons.items():
        value = getattr(options, name)
        if value != getattr(default, name):
            raise EngineError(f"{name}={value!r} cannot be used with engine={engine!r}: {reason}")
