"""The forks of a worker that are still alive, and a wait for their end.

When a worker ends, the template kills what is left of its process group. A child that user code
forked just before, as in ``teardown``, could be killed before it has come back and said so. So the
worker waits for its forks first, for a moment.
"""

from __future__ import annotations

import os
import select

from superparams.executor.engines.processes.worker_output import SameFiles

__all__ = ["ForkedChildren"]


class ForkedChildren:
    """Forks of this process that run no other program; all of them hold one end of a pipe."""

    def __init__(self) -> None:
        """Forks count from now on."""
        self.ends = os.pipe()  # closed in a child that runs another program
        self._files = SameFiles(*self.ends)

    def wait(self, seconds: float) -> bool:
        """Wait until all have ended, at most so many seconds; only the first call waits.

        Returns:
            Whether all have ended. False too where user code has closed the pipe.
        """
        if not self._files.are_same():
            return False
        read, write = self.ends
        os.close(write)
        poll = select.poll()
        poll.register(read)
        ended = poll.poll(1000 * seconds)
        os.close(read)
        return bool(ended)
