"""The driver's eye on workers: limits of time, and settings that keep others waiting."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable

from superparams.executor.engines.contract import Options
from superparams.executor.engines.processes.template_handle import Template
from superparams.executor.engines.processes.worker_cells import CUT, UNSENT, Cells, Mark
from superparams.executor.engines.processes.worker_state import Since, WorkerHandle
from superparams.executor.scheduler.chunk import Chunk

_LONG_NS = 30_000_000  # a setting that runs longer keeps the rest of its chunk waiting
_CUT_NS = 5_000_000  # a worker has long seen a cut by then
_DUMP_NS = 30_000_000  # what a worker gets to write its stack before it is killed


class Watch:
    """Looks at busy workers through their cells; all of it without their help."""

    def __init__(self, cells: Cells, options: Options) -> None:
        """options: these tell how long `run` and `setup` may take."""
        self._cells = cells
        self._timeout = options.timeout
        self._setup_limit = options.setup_limit

    def look(self, worker: WorkerHandle, template: Template, *, wanted: bool) -> Chunk | None:
        """Do what is due about a busy worker.

        wanted: others would run the rest of its chunk, or nobody should. Gives what was taken from
        it, once it is certain that it will not start that.
        """
        mark, now = self._cells.mark(worker.rank), time.monotonic_ns()
        if mark.index < 0:
            return None
        self._limit(worker, template, mark, now)
        if now - mark.start < _LONG_NS:
            return None
        self._urge(worker, template, mark, now)
        return self._cut(worker, mark, now, wanted)

    def until_due(self, workers: Iterable[WorkerHandle], most: float) -> float:
        """Seconds until one of these busy workers has to be looked at, at most `most`."""
        if self._timeout is None and self._setup_limit is None:
            return most
        now = time.monotonic_ns()
        for worker in workers:
            mark = self._cells.mark(worker.rank)
            if worker.deadline_passed is not None:
                most = min(most, 0.005)
            elif mark.index >= 0 and (limit := self._limit_of(mark)) is not None:
                most = min(most, limit - (now - mark.start) / 1e9)
        return max(most, 0.001)

    def _limit_of(self, mark: Mark) -> float | None:
        if mark.is_held:
            return None
        return self._setup_limit if mark.in_setup else self._timeout

    def _limit(self, worker: WorkerHandle, template: Template, mark: Mark, now: int) -> None:
        """Kill a worker whose setting is over its time; before, let it write its stack."""
        limit = self._limit_of(mark)
        if limit is None:
            return
        if worker.deadline_passed is not None and worker.deadline_passed.mark != mark:
            worker.deadline_passed = None  # that setting came to its end after all
        if worker.deadline_passed is None:
            if now - mark.start >= limit * 1e9:
                worker.deadline_passed = Since(mark, now)
                if hasattr(signal, "SIGQUIT"):
                    template.signal(worker.rank, signal.SIGQUIT)
        elif now - worker.deadline_passed.time >= _DUMP_NS:
            template.kill(worker.rank)

    def _urge(self, worker: WorkerHandle, template: Template, mark: Mark, now: int) -> None:
        """Have it send the outcomes that wait while this setting runs."""
        unsent = self._cells.of(worker.rank)[UNSENT]
        if unsent and worker.urged != mark and hasattr(signal, "SIGURG"):
            worker.urged = mark
            template.signal(worker.rank, signal.SIGURG)

    def _cut(self, worker: WorkerHandle, mark: Mark, now: int, wanted: bool) -> Chunk | None:
        """Take back the settings of its chunk that come after this one."""
        if worker.cut is None or worker.cut.mark != mark:
            if wanted and worker.chunk.through(mark.index)[1]:
                self._cells.of(worker.rank)[CUT] += 1
                worker.cut = Since(mark, now)
        elif now - worker.cut.time >= _CUT_NS:
            # It was in this setting before the cut and is now, so it will start none of the rest.
            worker.chunk, rest = worker.chunk.through(mark.index)
            return rest
        return None
