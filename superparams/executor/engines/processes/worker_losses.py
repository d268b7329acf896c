"""What becomes of the settings of a worker that died: one is to blame, the others run again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superparams.executor.engines.attempts import again, late_setup
from superparams.executor.engines.attempts import late as late_error
from superparams.executor.engines.backlog import Backlog, Chunk
from superparams.executor.engines.contract import Options
from superparams.executor.engines.processes.out_of_memory import OutOfMemory
from superparams.executor.engines.processes.worker_cells import Mark
from superparams.executor.engines.processes.worker_output import log_path
from superparams.executor.engines.processes.worker_state import WorkerHandle
from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Status

if TYPE_CHECKING:
    from superparams.executor.program import Program

_TEMPLATE = (
    "killed: the template process, the parent of all workers, died while this setting ran alone, "
    "as it had before: a setting must not end its parent"
)


@dataclass(frozen=True)
class End:
    """How a worker ended: its wait status, the stack it wrote, and its peak memory in bytes."""

    status: int
    stack: str
    peak: int

    @property
    def error(self) -> str:
        """What the wait status says."""
        if os.WIFSIGNALED(self.status):
            return f"killed by {_signal_name(os.WTERMSIG(self.status))}"
        code = os.waitstatus_to_exitcode(self.status)
        return f"SystemExit: the worker exited with code {code}"

    @property
    def kind(self) -> Status:
        """Of the setting it ran: only a signal kills; an exit is a failure, whatever its code."""
        return "killed" if os.WIFSIGNALED(self.status) else "failed"

    @property
    def by_kill(self) -> bool:
        """Whether it was SIGKILL, as sent by the kernel when memory runs out."""
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL


class Losses:
    """Accounts for dead workers."""

    def __init__(self, program: Program, options: Options, backlog: Backlog) -> None:
        """What runs again goes back to `backlog`."""
        self._program = program
        self._options = options
        self._backlog = backlog
        self._memory = OutOfMemory()

    def account(self, worker: WorkerHandle, mark: Mark, end: End) -> bytes:
        """Blame the setting of `mark`, which its worker was at; gives its outcome if final."""
        rest = worker.unsent
        if worker.deadline_passed is not None and worker.deadline_passed.mark != mark:
            self._backlog.give_back(rest)  # that setting ended just before its worker was killed
            return b""
        if worker.spoiled:
            first, last = begun_and_rest(rest, mark)
            if first:
                self._backlog.give_back(last)
                rest = first
        is_known = mark.index in rest and not worker.spoiled
        index = mark.index if is_known else self._suspect(rest)
        if index is None:
            return b""
        for part in rest.around(index):
            self._backlog.give_back(part)
        attempt = mark.attempt if mark.index == index else rest.attempt
        return self._ended(index, attempt, rest, self._known(worker, mark, end))

    def of_template(self, suspects: Sequence[Chunk], marks: Iterable[Mark]) -> bytes:
        """The template died while `suspects` ran; gives the outcome if that is final.

        Each runs again alone. One that was alone, when it happened again, is to blame.
        """
        if len(suspects) > 1 or not all(one.alone and len(one) == 1 for one in suspects):
            for chunk in suspects:
                self._backlog.set_apart(chunk)
            return b""
        for chunk in suspects:
            (index,) = chunk
            mark = next((one for one in marks if one.index == index), Mark(index, 0, 0, -1))
            ran = max(0.0, (time.monotonic_ns() - mark.start) / 1e9) if mark.start else 0.0
            error = _TEMPLATE + (" (out of memory)" if self._memory.rose() else "")
            known = {"status": "killed", "error": error, "started": time.time() - ran}
            return self._ended(index, chunk.attempt, chunk, {**known, "seconds": ran})
        return b""

    def _ended(self, index: int, attempt: int, chunk: Chunk, known: dict[str, Any]) -> bytes:
        if again(known["status"], attempt, self._options):
            self._backlog.try_again(index, attempt + 1, alone=chunk.alone)
            return b""
        return encode([self._program.outcome_of_lost(index, attempt=attempt, **known)])

    def _suspect(self, rest: Chunk) -> int | None:
        """Whom to blame when a worker dies while no setting runs, as when it sends outcomes.

        Settings that were together run again one by one. One that was by itself runs once more in
        a worker of its own, and is the one, should it happen again.
        """
        if len(rest) > 1:
            self._backlog.isolate(rest)
        elif not rest.alone:
            self._backlog.set_apart(rest)
        else:
            return next(iter(rest))
        return None

    def _known(self, worker: WorkerHandle, mark: Mark, end: End) -> dict[str, Any]:
        is_timed = mark.index >= 0 and not mark.in_setup
        ran = max(0.0, (time.monotonic_ns() - mark.start) / 1e9) if is_timed else 0.0
        log_end = _size(self._options.folder, worker.rank) if mark.log >= 0 else None
        late = worker.deadline_passed is not None
        return {
            "status": "timeout" if late else end.kind,
            "error": self._late(mark) if late else self._error(worker, mark, end),
            "traceback": end.stack or None,
            "started": time.time() - ran,
            "seconds": ran,
            "rank": worker.rank,
            "log_start": None if log_end is None else mark.log,
            "log_end": log_end,
            "peak_memory": end.peak or None,
        }

    def _late(self, mark: Mark) -> str:
        if mark.in_setup:
            return late_setup(self._program.name, self._options)
        return late_error(self._options.timeout or 0)

    def _error(self, worker: WorkerHandle, mark: Mark, end: End) -> str:
        if worker.spoiled:
            return f"killed: {worker.spoiled}; a setting may close and use only files of its own"
        is_in_setup = mark.in_setup and end.kind == "killed"
        where = f" in {self._program.name.rpartition('.')[2]}.setup()" if is_in_setup else ""
        if mark.index < 0 and end.kind == "failed":
            where = " right after it, as where a setting closes files that are not its own"
        return f"{end.error}{where}{self._out_of_memory(end)}"

    def _out_of_memory(self, end: End) -> str:
        if not end.by_kill or not self._memory.rose():
            return ""
        return f": out of memory, at a peak of {end.peak / 2**20:.0f} MiB"


def begun_and_rest(chunk: Chunk, mark: Mark) -> tuple[Chunk, Chunk]:
    """What of a chunk a worker has begun and not sent, and what it has not begun."""
    return chunk.through(mark.index) if mark.index in chunk else chunk.split(mark.unsent)


def _size(folder: Path | None, rank: int) -> int | None:
    if folder is not None:
        with suppress(OSError):
            return log_path(folder, rank).stat().st_size
    return None


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
