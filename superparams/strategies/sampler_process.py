"""The driver's end of the process that asks a sampler.

It sends what happened in a search, and reads points. A process that has died is replaced, and the
new one is sent everything from the beginning, so that it proposes the same points.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

from superparams.errors import StrategyError
from superparams.space.search_space import SearchPoint
from superparams.strategies.sampler_events import (
    Event,
    PointRequest,
    SamplerProblem,
    SearchStart,
)

__all__ = ["SamplerProcess"]

MOST_DEATHS: Final = 5  # in a row without an answer
_HELPER: Final = "superparams.strategies.optuna_helper"
_HEAD: Final = struct.Struct("<Q")
_LAST: Final = 2000  # characters of what a process printed that are shown
_MOST_AT_ONCE: Final = 1 << 16


class SamplerProcess:
    """Asks a sampler in a process of its own.

    Args:
        start: What the search begins with.
        replays_requests: Whether points depend on earlier requests, which are sent again, too.
    """

    def __init__(self, start: SearchStart, *, replays_requests: bool) -> None:
        self._start = start
        self._replays_requests = replays_requests
        self._events: list[Event] = []
        self._n_sent = 0
        self._n_deaths = 0
        self._process: _Process | None = None
        self._requested: PointRequest | None = None  # a point that is not read yet
        self._renew()

    @property
    def pid(self) -> int | None:
        """The process now."""
        return None if self._process is None else self._process.pid

    def add(self, event: Event) -> None:
        """Note what happened; it is sent with the next request."""
        self._events.append(event)

    def request(self, request: PointRequest) -> None:
        """Ask for a point, and do not wait for it."""
        if self._requested == request and self._n_sent == len(self._events):
            return
        if self._requested is not None:
            self._forget_request()
        self._requested = request
        with contextlib.suppress(OSError):  # it has died, which `point` notices
            self._send()

    def is_ready(self) -> bool:
        """Whether `point` would not wait."""
        return self._process is not None and self._process.has_answer()

    def point(self, request: PointRequest) -> SearchPoint:
        """The point for a request.

        Raises:
            StrategyError: When the sampler fails, or its process dies again and again.
        """
        self.request(request)
        while True:
            try:
                if self._process is None:
                    self._send()
                answer: Any = None if self._process is None else self._process.receive()
            except (OSError, EOFError):
                self._count_death()
                continue
            break
        self._n_deaths, self._requested = 0, None
        if isinstance(answer, SamplerProblem):
            self.close()
            raise StrategyError(answer.text)
        if self._replays_requests:
            self._events.append(request)
            self._n_sent += 1
        point: SearchPoint = answer
        return point

    def close(self) -> None:
        """End the process; the next request starts another."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _send(self) -> None:
        """Send what the process does not know yet, and the request."""
        if self._process is None or self._process.has_ended():
            self._renew()
        process = self._process
        if process is None or self._requested is None:
            return
        new = self._events[self._n_sent :]
        self._n_sent = len(self._events)
        process.send([*new, self._requested])

    def _renew(self) -> None:
        self.close()
        self._process = _Process()
        self._n_sent = 0
        with contextlib.suppress(OSError):
            self._process.send(self._start)

    def _forget_request(self) -> None:
        """Leave a request without taking its point."""
        self._requested = None
        if self._replays_requests:
            self.close()  # the sampler has taken notes
            return
        with contextlib.suppress(OSError, EOFError):
            if self._process is not None:
                self._process.receive()
            return
        self.close()

    def _count_death(self) -> None:
        """Replace a process that has died, unless that happens again and again."""
        printed = "" if self._process is None else self._process.printed()
        self.close()
        self._n_deaths += 1
        if self._n_deaths >= MOST_DEATHS:
            self._n_deaths = 0
            last = printed.strip()[-_LAST:]
            raise StrategyError(
                f"the process that asks the sampler has died {MOST_DEATHS} times in a row"
                + (f"; it printed:\n{last}" if last else "")
            )


class _Process:
    """One process, and messages to and from it."""

    def __init__(self) -> None:
        around = Path(__file__).resolve().parents[2]  # the folder that the package is in
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        # `-m` lets it import from its working directory: there is nothing of the user.
        self._popen = subprocess.Popen(
            [sys.executable, "-m", _HELPER],
            cwd=around,
            env={**os.environ, **threads},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )
        self._answer = b""
        self._end = weakref.finalize(self, _ended, self._popen, self._errors)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self._popen.poll() is not None

    def send(self, x: SearchStart | Sequence[Event]) -> None:
        """Send a message; OSError if it has died."""
        data = pickle.dumps(x, protocol=5)
        view = memoryview(_HEAD.pack(len(data)) + data)
        assert self._popen.stdin is not None
        while view:
            view = view[self._popen.stdin.write(view[:_MOST_AT_ONCE]) :]

    def has_answer(self) -> bool:
        """Whether a whole answer, or the end of the process, is there to be read."""
        while not self._is_whole():
            assert self._popen.stdout is not None
            if not select.select([self._popen.stdout], [], [], 0)[0]:
                return False
            if not self._read_some():
                return True
        return True

    def receive(self) -> Any:
        """The next answer; EOFError if it has died."""
        while not self._is_whole():
            if not self._read_some():
                raise EOFError
        (size,) = _HEAD.unpack_from(self._answer)
        data, self._answer = self._answer[_HEAD.size :][:size], self._answer[_HEAD.size + size :]
        return pickle.loads(data)

    def printed(self) -> str:
        """What it has printed."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    def end(self) -> None:
        """End it."""
        self._end()

    def _read_some(self) -> bool:
        assert self._popen.stdout is not None
        data = self._popen.stdout.read(_MOST_AT_ONCE)
        self._answer += data
        return bool(data)

    def _is_whole(self) -> bool:
        if len(self._answer) < _HEAD.size:
            return False
        size: int = _HEAD.unpack_from(self._answer)[0]
        return len(self._answer) >= _HEAD.size + size


def _ended(popen: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        popen.send_signal(signal.SIGKILL)
    for file in (popen.stdin, popen.stdout, errors):
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()
    popen.wait()
