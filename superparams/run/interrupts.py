"""Ctrl-C and SIGTERM during a run."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Generator
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
    """A context in which signals end the run, by its `Control`, instead of the process.

    After the first Ctrl-C, running settings may finish. The second stops them. A third raises
    KeyboardInterrupt wherever the main thread is. SIGTERM stops running settings, and the process
    ends with status 143 once everything is recorded. Only the main thread can catch signals; in
    other threads this context does nothing.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._before: dict[int, Any] = {}
        self._pid = os.getpid()
        self.is_terminated = False

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            _ENTERED.append(self)
            for number, handler in self._handlers():
                if signal.getsignal(number) in (signal.SIG_IGN, None):
                    continue  # the script ignores it on purpose
                self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        if self in _ENTERED:
            _ENTERED.remove(self)

    def leave_to_fork(self) -> None:
        """In a process that a setting forked, let signals act as before the run."""
        for number, handler in self._handlers():
            if number in self._before and signal.getsignal(number) == handler:
                signal.signal(number, self._before[number])

    def _handlers(self) -> tuple[tuple[int, Callable[[int, FrameType | None], None]], ...]:
        return (signal.SIGINT, self._on_int), (signal.SIGTERM, self._on_term)

    @property
    def is_interrupted(self) -> bool:
        """Whether the user pressed Ctrl-C."""
        return self._control.interrupted

    @property
    def is_hurried(self) -> bool:
        """Whether the run stops without waiting for running settings."""
        return self._control.stopping

    @contextlib.contextmanager
    def expected(self) -> Generator[None]:
        """A context in which a KeyboardInterrupt is no error if signals stopped the run."""
        try:
            yield
        except KeyboardInterrupt:
            if not self._control.stopping:
                raise  # a setting in this process raised it

    def _on_int(self, number: int, frame: FrameType | None) -> None:
        if self._is_elsewhere(number) or _FORKS.puts_off(number):
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
        if _is_in(frame, _strategies()):
            raise KeyboardInterrupt  # the engine is idle while a strategy computes here

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        if self._is_elsewhere(number) or _FORKS.puts_off(number):
            return
        self.is_terminated = True
        self._stop(frame)

    def _stop(self, frame: FrameType | None) -> None:
        self._control.stop()
        # Engines check `Control` between two steps of their work. Code that may take long in this
        # thread does not check it: a setting, a factory, or the packing of the payload.
        if _is_in(frame, LONG | _own_loops() | _strategies()):
            raise KeyboardInterrupt

    def _is_elsewhere(self, number: int) -> bool:
        """Whether a setting forked this process by code other than Python's own."""
        if os.getpid() == self._pid:
            return False
        signal.signal(number, self._before.get(number, signal.SIG_DFL))
        os.kill(os.getpid(), number)
        return True


class _Forks:
    """Delays signals while this process forks, until the fork has set its own handlers.

    A handler in Python runs only between two steps of the interpreter, and Python forgets signals
    that reach a fork before its first step. So SIGTERM would not always end a worker of a pool that
    a setting has made, and the pool would wait for it for ever.
    """

    def __init__(self) -> None:
        self._masks: dict[int, set[int] | None] = {}  # by the thread that forks
        self._put_off: set[int] = set()

    def begin(self) -> None:
        if _ENTERED:
            me = threading.get_ident()
            self._masks[me] = None  # a handler may run before the next line is over
            self._masks[me] = set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
            signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)

    def end_in_child(self) -> None:
        for interrupts in reversed(_ENTERED):
            interrupts.leave_to_fork()
        _ENTERED.clear()
        mask = self._masks.get(threading.get_ident())
        self._masks.clear()
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def end_in_parent(self) -> None:
        mask = self._masks.get(threading.get_ident())
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if self._masks.pop(threading.get_ident(), None) is not None:
            for number in self._put_off:
                threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
            self._put_off.clear()

    def puts_off(self, number: int) -> bool:
        """Whether to delay a signal, since an exception in a hook of a fork would be lost."""
        if threading.get_ident() not in self._masks:
            return False
        self._put_off.add(number)
        return True


_HANDLED: Final = (signal.SIGINT, signal.SIGTERM)
_ENTERED: Final[list[Interrupts]] = []  # the outer ones first
_FORKS: Final = _Forks()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_FORKS.begin,
        after_in_child=_FORKS.end_in_child,
        after_in_parent=_FORKS.end_in_parent,
    )


def _own_loops() -> set[CodeType]:
    """The code that waits for a setting whose `run` is a coroutine function; it loads asyncio."""
    module = sys.modules.get("superparams.executor.event_loop")
    return set() if module is None else {module.OwnLoop.run.__code__}


def _strategies() -> set[CodeType]:
    """The code that asks a strategy and tells it outcomes."""
    trials = sys.modules.get("superparams.strategies.trials")
    searching = sys.modules.get("superparams.run.searching")
    if trials is None or searching is None:
        return set()
    return {trials.Trials.advance.__code__, searching.Searching.take.__code__}


def _is_in(frame: FrameType | None, codes: Collection[CodeType]) -> bool:
    while frame is not None:
        if frame.f_code in codes:
            return True
        frame = frame.f_back
    return False


def _say(text: str) -> None:
    # The signal came during another print, or stderr is closed.
    with contextlib.suppress(RuntimeError, OSError, ValueError):
        print(f"\n{text}", file=sys.stderr, flush=True)
