"""Why workers ended, and the outcomes of the settings that were lost with them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superparams.declare.resources import shown_bytes, shown_in_unit_of
from superparams.executor.engines.attempts import late as late_error
from superparams.executor.engines.attempts import late_setup
from superparams.executor.engines.contract import Options
from superparams.executor.engines.output_log import log_path
from superparams.executor.engines.processes.out_of_memory import OutOfMemory
from superparams.executor.engines.processes.worker_cells import Mark
from superparams.executor.engines.processes.worker_state import WorkerHandle
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.outcomes.outcome import Status

if TYPE_CHECKING:
    from superparams.executor.program import Program

_TEMPLATE = (
    "killed: the template process, the parent of all workers, died while this setting ran alone, "
    "as it had before: a setting must not end its parent"
)


@dataclass(frozen=True)
class End:
    """How a worker ended.

    Attributes:
        status: The wait status.
        stack: The Python stack that the worker wrote; empty without one.
        peak: The peak of its memory, in bytes.
    """

    status: int
    stack: str
    peak: int

    @property
    def error(self) -> str:
        """The error for the wait status."""
        if os.WIFSIGNALED(self.status):
            return f"killed by {_signal_name(os.WTERMSIG(self.status))}"
        code = os.waitstatus_to_exitcode(self.status)
        return f"SystemExit: the worker exited with code {code}"

    @property
    def kind(self) -> Status:
        """The status of the setting that it ran: killed by a signal, or failed by any exit."""
        return "killed" if os.WIFSIGNALED(self.status) else "failed"

    @property
    def by_kill(self) -> bool:
        """Whether SIGKILL ended it, which the kernel sends when memory runs out."""
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL


class Losses:
    """Explains the ends of workers, for the scheduler and in the outcomes of lost settings."""

    def __init__(self, program: Program, options: Options, log_folder: Path | None) -> None:
        self._program = program
        self._options = options
        self._log_folder = log_folder
        self._memory = OutOfMemory()
        self._evidence: dict[str, Any] = {}

    @property
    def evidence(self) -> dict[str, Any]:
        """What is known of the setting that was lost last, as fields of its outcome."""
        return self._evidence

    def of_worker(self, worker: WorkerHandle, mark: Mark, end: End) -> m.PlaceGone:
        """The event for a worker that has ended while it had settings.

        Args:
            worker: The worker.
            mark: The setting that it ran.
            end: How it ended.
        """
        rest = worker.unsent
        late, large = worker.deadline_passed, worker.memory_exceeded
        if (late is not None and late.mark != mark) or (large is not None and large[0] != mark):
            # The setting that was late or too large ended just before its worker was killed.
            return m.PlaceGone(worker.rank, begun=0, is_blameless=True)
        self._evidence = self._evidence_of(worker, mark, end)
        status = self._evidence["status"]
        if worker.spoiled:
            n_begun = len(begun_and_rest(rest, mark)[0])
            return m.PlaceGone(worker.rank, status=status, begun=n_begun or None)
        culprit = mark.index if mark.index in rest else None
        return m.PlaceGone(worker.rank, culprit, status, attempt=mark.attempt)

    def of_template(self, suspects: Sequence[Chunk], marks: Sequence[Mark]) -> None:
        """Note that the template has died.

        Args:
            suspects: The settings that ran, one of which may have killed it.
            marks: The settings that the workers ran.
        """
        indices = {index for chunk in suspects for index in chunk}
        mark = next((mark for mark in marks if mark.index in indices), Mark(-1, 0, 0, -1))
        ran = max(0.0, (time.monotonic_ns() - mark.start) / 1e9) if mark.start else 0.0
        self._evidence = {
            "status": "killed",
            "error": _TEMPLATE + (" (out of memory)" if self._memory.has_risen() else ""),
            "started": time.time() - ran,
            "seconds": ran,
        }

    def outcome(self, loss: m.RecordLoss, n_steps: int) -> bytes:
        """The encoded outcome of the setting that was lost last.

        Args:
            loss: The setting, its status and its attempt.
            n_steps: The number of steps that the attempt recorded.
        """
        from superparams.outcomes.batches import encode  # pyarrow; an agent never calls this

        index, status, attempt = loss.index, loss.status, loss.attempt
        fields = {name: value for name, value in self._evidence.items() if name != "status"}
        fields["n_steps"] = n_steps
        outcome = self._program.outcome_of_lost(index, status=status, attempt=attempt, **fields)
        return encode([outcome])

    def _evidence_of(self, worker: WorkerHandle, mark: Mark, end: End) -> dict[str, Any]:
        """What is known of the last setting of a worker, as fields of its outcome."""
        is_timed = mark.index >= 0 and not mark.in_setup
        ran = max(0.0, (time.monotonic_ns() - mark.start) / 1e9) if is_timed else 0.0
        log_end = _log_size(self._log_folder, worker.rank) if mark.log >= 0 else None
        late = worker.deadline_passed is not None
        return {
            "status": "timeout" if late else end.kind,
            "error": self._late(worker, mark) if late else self._error(worker, mark, end),
            "traceback": end.stack or None,
            "started": time.time() - ran,
            "seconds": ran,
            "rank": worker.rank,
            "log_start": None if log_end is None else mark.log,
            "log_end": log_end,
            "peak_memory": end.peak or None,
        }

    def _late(self, worker: WorkerHandle, mark: Mark) -> str:
        if mark.in_setup:
            return late_setup(self._program.name, worker.options)
        return late_error(worker.options.timeout or 0)

    def _error(self, worker: WorkerHandle, mark: Mark, end: End) -> str:
        if worker.spoiled:
            return f"killed: {worker.spoiled}; a setting may close and use only files of its own"
        if worker.memory_exceeded is not None and end.by_kill:
            return self._too_large(worker.memory_exceeded[1], worker.memory_limit or 0)
        is_in_setup = mark.in_setup and end.kind == "killed"
        where = f" in {self._program.name.rpartition('.')[2]}.setup()" if is_in_setup else ""
        if mark.index < 0 and end.kind == "failed":
            where = " right after it, as where a setting closes files that are not its own"
        return f"{end.error}{where}{self._memory.explain(end.peak) if end.by_kill else ''}"

    def _too_large(self, used: int, limit: int) -> str:
        name = self._program.name.rpartition(".")[2]
        grants = f"{name}.resources grants memory={shown_bytes(limit)!r}"
        used_text = shown_in_unit_of(used, limit)
        return f"killed: it used {used_text} of memory, and {grants}"


def begun_and_rest(chunk: Chunk, mark: Mark) -> tuple[Chunk, Chunk]:
    """Splits the unsent settings of a worker into those that it has begun and the rest."""
    return chunk.through(mark.index) if mark.index in chunk else chunk.split(mark.unsent)


def _log_size(folder: Path | None, rank: int) -> int | None:
    if folder is not None:
        with suppress(OSError):
            return log_path(folder, rank).stat().st_size
    return None


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
