"""Sends steps to the driver: many steps travel in batches, and no step waits for long.

A step that waits is sent by a thread of Python, which cannot run while C code holds the GIL. So a
step waits only if its setting has recorded many steps in the last second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from superparams.outcomes.step import Step

__all__ = ["StepOutbox"]

_AT_ONCE: Final = 20  # batches that may be sent at once, one after the other
_PAUSE: Final = 0.05  # seconds after which one more may be sent at once
_LONGEST: Final = 0.1  # seconds that a step waits at most
_MOST: Final = 5_000  # steps that wait


class StepOutbox:
    """Sends up to 20 steps a second at once; of more steps, some wait for a moment.

    A thread sends the waiting steps if the setting records no more. The thread exists only as long
    as steps wait. Any thread may call these methods.

    Args:
        send: Called with the steps of a batch, in one thread at a time.
    """

    def __init__(self, send: Callable[[list[Step]], object]) -> None:
        self._send = send
        self._steps: list[Step] = []
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._at_once = float(_AT_ONCE)  # batches that may be sent at once, at `_since`
        self._since = time.monotonic()
        self._timer: threading.Thread | None = None
        self._wake = threading.Event()

    def add(self, step: Step) -> None:
        """Have this step sent soon, or at once."""
        with self._lock:
            self._steps.append(step)
            is_full = len(self._steps) >= _MOST
            if self._timer is not None and not is_full:
                return
            is_due = is_full or self._may_send_at_once() or not self._start_timer()
        if is_due:
            self.flush()

    def _may_send_at_once(self) -> bool:
        now = time.monotonic()
        self._at_once = min(_AT_ONCE, self._at_once + (now - self._since) / _PAUSE)
        self._since = now
        if self._at_once < 1:
            return False
        self._at_once -= 1
        return True

    def _start_timer(self) -> bool:
        """Start a thread that sends waiting steps; False if the process cannot start one."""
        wake = threading.Event()
        timer = threading.Thread(
            target=self._wait, args=(wake,), name="superparams-steps", daemon=True
        )
        try:
            timer.start()
        except RuntimeError:
            return False
        self._timer, self._wake = timer, wake
        return True

    def flush(self) -> None:
        """Send all steps that wait; when this returns, all earlier steps have been sent."""
        with self._sending:
            with self._lock:
                steps, self._steps = self._steps, []
            if steps:
                self._send(steps)

    def pause(self) -> None:
        """Send all steps that wait, and end the thread; a later step may start another one."""
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
