"""The steps that the settings of a worker process record, on their way to the driver."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from superparams.executor.engines.processes.protocol import Frame, Kind
from superparams.executor.engines.processes.transport import Parcels
from superparams.executor.step_outbox import StepOutbox
from superparams.outcomes.step import Step

__all__ = ["WorkerSteps"]


class WorkerSteps:
    """Sends steps in frames; any thread of a setting may record some.

    Args:
        parcels: Makes the bytes to send.
        say: Sends a frame.
        may_send: Whether this is still the worker, and its channel is as it was.
        when_idle: Called after `is_busy`, if `was_urged` meanwhile.

    Attributes:
        is_busy: Whether the main thread sends something, so that a handler of signals must not.
        was_urged: Whether such a handler had to postpone its work.
    """

    def __init__(
        self,
        parcels: Parcels,
        say: Callable[[Frame], None],
        may_send: Callable[[], bool],
        when_idle: Callable[[], None],
    ) -> None:
        self.is_busy = False
        self.was_urged = False
        self._parcels = parcels
        self._say = say
        self._may_send = may_send
        self._when_idle = when_idle
        self._outbox = StepOutbox(self._send)
        self._main_thread = threading.get_ident()

    def record(self, step: Step) -> None:
        """Have the driver record a step of the setting that runs."""
        self._parcels.expect_step(step)
        self._undisturbed(lambda: self._outbox.add(step))

    def flush(self) -> None:
        """Send all steps: they come before the outcome of their setting."""
        self._outbox.flush()

    def pause(self) -> None:
        """Send all steps, and end the thread: the process is about to fork, or to end."""
        self._undisturbed(self._outbox.pause)

    def _undisturbed(self, work: Callable[[], None]) -> None:
        """Call a function that takes locks, while the signal handler of this thread takes none."""
        if threading.get_ident() != self._main_thread or self.is_busy:
            work()
            return
        self.is_busy = True
        try:
            work()
        finally:
            self.is_busy = False
        if self.was_urged:
            self.was_urged = False
            self._when_idle()

    def _send(self, steps: list[Step]) -> None:
        if self._may_send():  # otherwise the driver sees that the channel is closed
            body = self._parcels.make_of_steps(steps)
            with suppress(OSError):  # the driver is gone, and so is this process in a moment
                self._say(Frame(Kind.STEPS, body=body))
