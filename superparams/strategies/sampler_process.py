"""Controls, from the driver, the process that asks a sampler.

The driver sends events of a search, and reads points. If the process has died, a new one is started
and gets all events from the beginning, so it proposes the same points.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import struct
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final, cast

from superparams.errors import StrategyError
from superparams.space.search_space import SearchPoint
from superparams.strategies.sampler_events import (
    Event,
    PointRequest,
    SamplerProblem,
    SearchStart,
)

__all__ = ["SamplerProcess", "end_spare", "start_spare"]

MOST_DEATHS: Final = 5  # deaths in a row without an answer
_HELPER: Final = "superparams.strategies.optuna_helper"
_HEAD: Final = struct.Struct("<Q")
_LAST: Final = 2000  # characters of the output of a process that are shown
_MOST_AT_ONCE: Final = 1 << 16


class SamplerProcess:
    """Asks a sampler in a process of its own.

    Args:
        start: The first event of the search.
        replays_requests: Whether points depend on earlier requests, which are sent again, too.
    """

    def __init__(self, start: SearchStart, *, replays_requests: bool) -> None:
        self._start = start
        self._replays_requests = replays_requests
        self._events: list[Event] = []
        self._n_sent = 0
        self._n_deaths = self._n_closed = 0
        self._process: _Process | None = None
        self._renew()

    @property
    def pid(self) -> int | None:
        """The id of the present process."""
        return None if self._process is None else self._process.pid

    def add(self, event: Event) -> None:
        """Note an event, which is sent with the next request."""
        self._events.append(event)

    def point(self, request: PointRequest) -> SearchPoint:
        """The point for a request.

        Raises:
            StrategyError: When the sampler fails, or its process dies again and again.
        """
        n_closed = self._n_closed
        answer = self._answer(request)
        while answer is None:
            if self._n_closed > n_closed:  # another thread has called `close`
                raise StrategyError("the process that asks the sampler was closed meanwhile")
            answer = self._answer(request)
        if isinstance(answer, SamplerProblem):
            self.close()
            raise StrategyError(answer.text)
        if self._replays_requests:
            self._events.append(request)
            self._n_sent += 1
        return answer

    def close(self) -> None:
        """End the process. The next request starts a new one; a request that waits now fails.

        Any thread may call this.
        """
        self._n_closed += 1
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def _answer(self, request: PointRequest) -> SearchPoint | SamplerProblem | None:
        """The answer to a request; None if the process has died."""
        try:
            process = self._process or self._renew()
            process.send([*self._events[self._n_sent :], request])
            answer: Any = process.receive()
        except (OSError, EOFError, ValueError):  # it has died, or its pipes were closed
            self._count_death()
            return None
        self._n_sent, self._n_deaths = len(self._events), 0
        return cast("SearchPoint | SamplerProblem", answer)

    def _renew(self) -> _Process:
        self._end()
        self._process, self._n_sent = _spare_process() or _Process(), 0
        with contextlib.suppress(OSError):  # it has died, which the next request notices
            self._process.send(self._start)
        return self._process

    def _count_death(self) -> None:
        """Count a process that has died; raises an error after too many deaths in a row."""
        printed = "" if self._process is None else self._process.printed()
        self._end()
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
        self.driver = os.getpid()
        around = Path(__file__).resolve().parents[2]  # the folder that the package is in
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        # With `-m`, it imports from its working directory, which has no code of the user.
        self._popen = subprocess.Popen(
            [sys.executable, "-m", _HELPER],
            cwd=around,
            env={**os.environ, **threads},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )
        self._end = weakref.finalize(self, _end_process, self._popen, self._errors)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def send(self, x: SearchStart | Sequence[Event]) -> None:
        """Send a message; OSError if it has died."""
        data = pickle.dumps(x, protocol=5)
        view = memoryview(_HEAD.pack(len(data)) + data)
        assert self._popen.stdin is not None
        while view:
            view = view[self._popen.stdin.write(view[:_MOST_AT_ONCE]) :]

    def receive(self) -> Any:
        """The next answer; EOFError if it has died."""
        (size,) = _HEAD.unpack(self._read(_HEAD.size))
        return pickle.loads(self._read(size))

    def printed(self) -> str:
        """The output of the process."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    def end(self) -> None:
        """End it."""
        self._end()

    def _read(self, size: int) -> bytes:
        assert self._popen.stdout is not None
        data = b""
        while len(data) < size:
            more = self._popen.stdout.read(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data


_spare: Final[list[_Process]] = []  # started by `start_spare`, and not used yet


def start_spare() -> None:
    """Start a process for the search that begins next, so that it loads Optuna meanwhile."""
    if not _spare:
        _spare.append(_Process())


def end_spare() -> None:
    """End the process that `start_spare` has started, unless a search has taken it."""
    process = _spare_process()
    if process is not None:
        process.end()


def _spare_process() -> _Process | None:
    with contextlib.suppress(IndexError):  # another thread may have taken it
        process = _spare.pop()
        return process if process.driver == os.getpid() else None  # not in a fork
    return None


def _end_process(popen: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        popen.send_signal(signal.SIGKILL)
    for file in (popen.stdin, popen.stdout, errors):
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()
    popen.wait()
