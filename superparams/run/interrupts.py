"""Ctrl-C and SIGTERM during a run: asked once, finish what runs; asked again, stop now."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Collection, Generator
from types import CodeType, FrameType
from typing import Any, Final

from superparams.executor.engines.contract import Control
from superparams.executor.payload import pack
from superparams.executor.program import Program
from superparams.executor.worker import Worker
from superparams.views.notebook import in_notebook

__all__ = ["Interrupts"]

LONG: Final = frozenset({Worker.run.__code__, Program.prepare.__code__, pack.__code__})


class Interrupts:
    """While entered, signals end the run through its `Control` instead of the process.

    The first Ctrl-C drains: what runs may finish. The second stops now, a third leaves whatever
    it is that does not. SIGTERM stops now, and the process ends with 143 once everything is
    recorded. Only the main thread can catch signals; elsewhere they stay as they are.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._before: dict[int, Any] = {}
        self._pid = os.getpid()
        self.is_terminated = False

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number, handler in ((signal.SIGINT, self._on_int), (signal.SIGTERM, self._on_term)):
                if signal.getsignal(number) in (signal.SIG_IGN, None):
                    continue  # whoever ignores it means it
                self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @property
    def is_interrupted(self) -> bool:
        """Whether somebody pressed Ctrl-C."""
        return self._control.interrupted

    @property
    def is_hurried(self) -> bool:
        """Whether the run was to stop now, not when what runs is finished."""
        return self._control.stopping

    @contextlib.contextmanager
    def expected(self) -> Generator[None]:
        """Where a KeyboardInterrupt is no error when it was asked for."""
        try:
            yield
        except KeyboardInterrupt:
            if not self._control.stopping:
                raise  # a setting in this process raised it

    def _on_int(self, number: int, frame: FrameType | None) -> None:
        if self._is_elsewhere(number):
            return
        if self._control.stopping:
            raise KeyboardInterrupt
        if self.is_interrupted:
            self._stop(frame)
            return
        self._control.interrupted = True
        self._control.drain()
        how = "interrupt" if in_notebook() else "Ctrl-C"
        _say(f"finishing what runs ({how} again to stop now); run it again to go on from here")

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        if self._is_elsewhere(number):
            return
        self.is_terminated = True
        self._stop(frame)

    def _stop(self, frame: FrameType | None) -> None:
        self._control.stop()
        # Engines see that by themselves, and nothing is torn in two; but what may take long in
        # this thread does not: a setting, a factory, or the packing of what they made.
        if _is_in(frame, LONG):
            raise KeyboardInterrupt

    def _is_elsewhere(self, number: int) -> bool:
        """Whether this is a process that a setting forked: there the signal does as before."""
        if os.getpid() == self._pid:
            return False
        signal.signal(number, self._before.get(number, signal.SIG_DFL))
        os.kill(os.getpid(), number)
        return True


def _is_in(frame: FrameType | None, codes: Collection[CodeType]) -> bool:
    while frame is not None:
        if frame.f_code in codes:
            return True
        frame = frame.f_back
    return False


def _say(text: str) -> None:
    # It interrupted a print; nobody listens; it is closed.
    with contextlib.suppress(RuntimeError, OSError, ValueError):
        print(f"\n{text}", file=sys.stderr, flush=True)
