"""Enforces the time limits of workers, and takes back settings that wait behind a long one."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable

from superparams.executor.engines.processes.template_handle import Template
from superparams.executor.engines.processes.worker_cells import CUT, UNSENT, Cells, Mark
from superparams.executor.engines.processes.worker_state import TimeOfMark, WorkerHandle
from superparams.executor.scheduler.chunk import Chunk

_LONG_NS = 30_000_000  # a setting that runs longer delays the rest of its chunk
_CUT_NS = 5_000_000  # after this time, a worker has surely seen that its chunk was cut
_DUMP_NS = 30_000_000  # the time that a worker has to write its stack before it is killed


class Watch:
    """Watches busy workers by reading their cells, which needs no answer from them.

    Args:
        cells: The cells of all workers.
    """

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def look(self, worker: WorkerHandle, template: Template, *, wants_rest: bool) -> Chunk | None:
        """Look at a busy worker: enforce its limit, and take back settings that it has not begun.

        Args:
            worker: The worker.
            template: Signals and kills it.
            wants_rest: Whether other workers, or none, shall run the rest of its chunk.

        Returns:
            The settings that were taken back, once it is certain that it will not begin them.
        """
        mark, now = self._cells.mark(worker.rank), time.monotonic_ns()
        if mark.index < 0:
            return None
        self._limit(worker, template, mark, now)
        if now - mark.start < _LONG_NS:
            return None
        self._ask_for_outcomes(worker, template, mark)
        return self._cut(worker, mark, now, wants_rest)

    def until_due(self, workers: Iterable[WorkerHandle], most: float) -> float:
        """Seconds until one of these busy workers has to be looked at, at most `most`."""
        limited = [worker for worker in workers if worker.is_limited]
        if not limited:
            return most
        now = time.monotonic_ns()
        for worker in limited:
            mark = self._cells.mark(worker.rank)
            if worker.deadline_passed is not None:
                most = min(most, 0.005)
            elif mark.index >= 0 and (limit := _limit_of(worker, mark)) is not None:
                most = min(most, limit - (now - mark.start) / 1e9)
        return max(most, 0.001)

    def _limit(self, worker: WorkerHandle, template: Template, mark: Mark, now: int) -> None:
        """Kill a worker whose setting has passed its limit, after it has written its stack."""
        limit = _limit_of(worker, mark)
        if limit is None:
            return
        if worker.deadline_passed is not None and worker.deadline_passed.mark != mark:
            worker.deadline_passed = None  # the setting has ended meanwhile
        if worker.deadline_passed is None:
            if now - mark.start >= limit * 1e9:
                worker.deadline_passed = TimeOfMark(mark, now)
                if hasattr(signal, "SIGQUIT"):
                    template.signal(worker.rank, signal.SIGQUIT)
        elif now - worker.deadline_passed.time >= _DUMP_NS:
            template.kill(worker.rank)

    def _ask_for_outcomes(self, worker: WorkerHandle, template: Template, mark: Mark) -> None:
        """Have a worker send, by a signal, the outcomes that wait while a long setting runs."""
        unsent = self._cells.of(worker.rank)[UNSENT]
        if unsent and worker.urged != mark and hasattr(signal, "SIGURG"):
            worker.urged = mark
            template.signal(worker.rank, signal.SIGURG)

    def _cut(self, worker: WorkerHandle, mark: Mark, now: int, wants_rest: bool) -> Chunk | None:
        """Take back the settings of a chunk that come after the one that runs."""
        if worker.cut is None or worker.cut.mark != mark:
            if wants_rest and worker.chunk.through(mark.index)[1]:
                self._cells.of(worker.rank)[CUT] += 1
                worker.cut = TimeOfMark(mark, now)
        elif now - worker.cut.time >= _CUT_NS:
            # The worker ran this setting before the cut, and still does: it begins no other one.
            worker.chunk, rest = worker.chunk.through(mark.index)
            return rest
        return None


def _limit_of(worker: WorkerHandle, mark: Mark) -> float | None:
    """The seconds that the setting of a worker may take, or `setup` before it."""
    if mark.is_held:
        return None
    return worker.options.setup_limit if mark.in_setup else worker.options.timeout
