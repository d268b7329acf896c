"""Wakes a thread that waits for sockets."""

from __future__ import annotations

from contextlib import suppress

from superparams.executor.engines.processes import protocol


class Waker:
    """A pair of sockets: `wake`, in any thread, makes the other one readable."""

    def __init__(self) -> None:
        self._reader, self._writer = protocol.channel_pair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """The file descriptor to wait for."""
        return self._reader.fileno()

    def wake(self) -> None:
        """Make it readable."""
        with suppress(OSError):  # it is full, and so will be seen; or closed, and nobody waits
            self._writer.send(b"x")

    def clear(self) -> None:
        """Wait anew."""
        with suppress(OSError):
            while self._reader.recv(1024):
                pass

    def close(self) -> None:
        """Close both."""
        self._reader.close()
        self._writer.close()
