"""Ctrl-C and SIGTERM during a run: asked once, finish what runs; asked again, stop now."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

from superparams.engines import Control

__all__ = ["Interrupts"]


class Interrupts:
    """While entered, signals end the run through its `Control` instead of the process.

    The first Ctrl-C drains: what runs may finish. The second stops now. SIGTERM stops now, and
    the process ends with 143 once everything is recorded. Only the main thread can catch
    signals; elsewhere they stay as they are.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._before: dict[int, Any] = {}
        self.is_terminated = False
        self.is_interrupted = False

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number, handler in ((signal.SIGINT, self._on_int), (signal.SIGTERM, self._on_term)):
                if signal.getsignal(number) in (signal.SIG_IGN, None):
                    continue  # whoever ignores it means it
                self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _on_int(self, number: int, frame: FrameType | None) -> None:
        if self.is_interrupted:
            self._control.stop()
            raise KeyboardInterrupt
        self.is_interrupted = True
        self._control.drain()
        _say("finishing what runs (Ctrl-C again to stop now); run it again to go on from here")

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        self.is_terminated = True
        self._control.stop()
        raise KeyboardInterrupt


def _say(text: str) -> None:
    print(f"\n{text}", file=sys.stderr, flush=True)
