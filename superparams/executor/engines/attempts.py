"""One attempt of a setting, and the errors of attempts that ended in an unusual way."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING

from superparams.errors.units import counted
from superparams.executor.engines.contract import Options
from superparams.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.executor.worker import Worker


def late(timeout: float) -> str:
    """The error of a setting that ran too long."""
    return f"TimeoutError: it ran longer than timeout={timeout:g} second{'s' * (timeout != 1)}"


def late_setup(name: str, options: Options) -> str:
    """The error of a setting whose worker was not set up in time.

    Args:
        name: The name of the experiment.
        options: The options of the run, which have the limit.
    """
    limit = counted(options.setup_limit or 0, "second")
    if options.setup_timeout is None:
        limit += " (the default with timeout: 10 times as long, 60 seconds at least)"
    cls = name.rpartition(".")[2]
    return f"TimeoutError: {cls}.setup() ran longer than {limit}; give more with setup_timeout="


def run_once(program: Program, worker: Worker, index: int, attempt: int, rank: int) -> Outcome:
    """Run a setting where no Ctrl-C arrives: if it raises KeyboardInterrupt, it has failed."""
    start = time.monotonic()
    try:
        return worker.run(index, attempt)
    except KeyboardInterrupt as error:
        outcome = interrupted(program, error, index, attempt, rank, start)
        outcome.n_steps = steps_of_lost(worker)
        return outcome


def steps_of_lost(worker: Worker) -> int:
    """The number of steps that an attempt recorded before a KeyboardInterrupt ended it."""
    lose = getattr(worker, "lose_steps", None)
    return 0 if lose is None else int(lose())


def interrupted(
    program: Program, error: BaseException, index: int, attempt: int, rank: int, start: float
) -> Outcome:
    """The outcome of a setting that raised a KeyboardInterrupt itself.

    Args:
        program: The program of the run.
        error: The KeyboardInterrupt.
        index: The index of the setting.
        attempt: The number of the attempt.
        rank: The number of the worker.
        start: The monotonic time when the attempt began.
    """
    seconds, name = time.monotonic() - start, type(error).__name__
    return program.outcome_of_lost(
        index,
        status="failed",
        error=f"{name}: {error}" if str(error) else name,
        traceback="".join(traceback.format_exception(error)),
        started=time.time() - seconds,
        seconds=seconds,
        rank=rank,
        attempt=attempt,
    )
