"""Ends workers whose settings use more memory than they declared, where /proc tells."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from superparams.executor.engines.processes.process_memory import (
    anonymous_memory,
    descendants,
    proportional_memory,
)
from superparams.executor.engines.processes.template_handle import Template
from superparams.executor.engines.processes.worker_cells import Cells
from superparams.executor.engines.processes.worker_state import WorkerHandle

__all__ = ["MemoryWatch"]

_EVERY: Final = 0.1  # seconds between two looks
_PAUSE: Final = 20  # times as long as a look takes, at least, until the next one


class MemoryWatch:
    """Looks at the memory of workers that have a limit, about ten times a second.

    The memory of a worker is what it and its descendants have for themselves: not files that they
    map, nor shared memory. What the worker had when it was ready does not count.

    Args:
        cells: The cells of all workers.
    """

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._due = 0.0

    def look(self, workers: Iterable[WorkerHandle], template: Template) -> None:
        """Kill the workers that use more than their limit, if it is time to look.

        Args:
            workers: The workers that run settings.
            template: Kills them.
        """
        limited = [worker for worker in workers if worker.memory_limit is not None]
        now = time.monotonic()
        if not limited or now < self._due:
            return
        for worker in limited:
            mark = self._cells.mark(worker.rank)
            if mark.index < 0 or worker.memory_exceeded is not None:
                continue
            used = _used(worker)
            if worker.memory_limit is not None and used > worker.memory_limit:
                worker.memory_exceeded = mark, used
                template.kill(worker.rank)
        took = time.monotonic() - now
        self._due = now + max(_EVERY, _PAUSE * took)


def _used(worker: WorkerHandle) -> int:
    """Bytes that a worker and its descendants use beyond what it had at first."""
    pids = [worker.pid, *descendants(worker.pid)]
    most = sum(map(anonymous_memory, pids))
    if len(pids) > 1 and worker.memory_limit is not None:
        # A fork has pages in common with its parent, which are one page of the machine.
        is_less = most - worker.first_memory <= worker.memory_limit
        most = most if is_less else min(most, sum(map(proportional_memory, pids)))
    return most - worker.first_memory
