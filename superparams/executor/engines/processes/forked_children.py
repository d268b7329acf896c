"""The forks of a worker that are still alive, and a wait for their end.

When a worker ends, the template kills the rest of its process group. That could kill a child that
user code forked just before, as in ``teardown``, before the child has reported that it came back
from there. So the worker first waits a moment for its forks.
"""

from __future__ import annotations

import os
import select

from superparams.executor.engines.processes.worker_output import SameFiles

__all__ = ["ForkedChildren"]


class ForkedChildren:
    """The forks of this process that run no other program: they share one end of a pipe."""

    def __init__(self) -> None:
        """Count forks from now on."""
        self.ends = os.pipe()  # closed in a child that runs another program
        self._files = SameFiles(*self.ends)

    def wait(self, seconds: float) -> bool:
        """Wait until all have ended, at most so many seconds; only the first call waits.

        Returns:
            Whether all have ended. Also False if user code has closed the pipe.
        """
        if not self._files.are_same():
            return False
        read, write = self.ends
        os.close(write)
        poll = select.poll()
        poll.register(read)
        events = poll.poll(1000 * seconds)
        os.close(read)
        return bool(events)
