"""Steps on their way: they travel in batches, and none waits for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from superparams.outcomes.step import Step

__all__ = ["StepOutbox"]

_PAUSE: Final = 0.05  # seconds after a batch in which steps wait for company
_LONGEST: Final = 0.1  # seconds that a step waits at most
_MOST: Final = 5_000  # steps that wait


class StepOutbox:
    """Sends steps at once if the last batch was sent some time ago; others wait a moment.

    A thread sends the waiting steps where the setting is silent. It exists only as long as some
    wait. Any thread may call these methods.

    Args:
        send: Called with the steps of a batch, in one thread at a time.
    """

    def __init__(self, send: Callable[[list[Step]], object]) -> None:
        self._send = send
        self._steps: list[Step] = []
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._sent = float("-inf")
        self._timer: threading.Thread | None = None
        self._wake = threading.Event()

    def add(self, step: Step) -> None:
        """Have this step sent soon, or at once."""
        with self._lock:
            self._steps.append(step)
            is_full = len(self._steps) >= _MOST
            if self._timer is not None and not is_full:
                return
            is_due = is_full or time.monotonic() - self._sent >= _PAUSE
            if not is_due:
                self._wake = wake = threading.Event()
                self._timer = threading.Thread(
                    target=self._wait, args=(wake,), name="superparams-steps", daemon=True
                )
                self._timer.start()
        if is_due:
            self.flush()

    def flush(self) -> None:
        """Send what waits; what was added before has been sent when this returns."""
        with self._sending:
            with self._lock:
                steps, self._steps = self._steps, []
            if steps:
                self._send(steps)
                self._sent = time.monotonic()

    def pause(self) -> None:
        """Send what waits, and end the thread; a later step may start another."""
        with self._lock:
            timer, wake = self._timer, self._wake
        if timer is not None and timer is not threading.current_thread():
            wake.set()
            timer.join()
        self.flush()

    def _wait(self, wake: threading.Event) -> None:
        wake.wait(_LONGEST)
        with self._lock:
            self._timer = None
        self.flush()
