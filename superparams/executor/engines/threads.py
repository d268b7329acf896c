"""The engine of threads: for settings that wait, or whose code releases the GIL."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from superparams.executor.engines.attempts import run_once
from superparams.executor.engines.contract import (
    Activity,
    Control,
    Options,
    in_processes,
    refuse,
)
from superparams.executor.engines.feed import Feed
from superparams.executor.engines.local_places import (
    ChunkSettings,
    LocalCarrier,
    LocalEngine,
    PlaceContext,
    SettingEnded,
    with_log,
)
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.executor.worker import Worker


class Threads(LocalEngine):
    """Each worker is a thread. There is no timeout: a thread cannot be ended from outside.

    After `Control.stop` or an early close, a thread ends with the setting that it runs. The
    iterator waits for that half a second at most. After a stop, it then yields the outcomes so
    far. Output of settings is still shown. Output of the thread of a setting also goes to the log.
    """

    name = "threads"
    refused: ClassVar[Mapping[str, str]] = {
        **LocalEngine.refused,
        "timeout": in_processes("a thread cannot be ended"),
    }

    def check(self, options: Options) -> None:
        """Refuse options that take other processes; see `Engine.check`."""
        refuse(
            self.name,
            options,
            timeout=in_processes("a thread cannot be ended"),
            setup_timeout=in_processes("a thread cannot be ended"),
        )

    def carrier(
        self, program: Program, feed: Feed, options: Options, control: Control
    ) -> LocalCarrier:
        """The places of one run."""
        return LocalCarrier(_ThreadPlace, program, feed, options, control)


class _ThreadPlace:
    """A thread that runs chunks of settings; see `LocalPlace`."""

    def __init__(self, context: PlaceContext) -> None:
        self._context = context
        self._retries = context.options.retry_policy
        self._chunks: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        self._settings = ChunkSettings(context)
        name = f"worker-{context.rank}"
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def begin(self, chunk: Chunk) -> None:
        self._chunks.put(chunk)

    def activity(self) -> Activity:
        return self._settings.activity()

    def return_rest(self) -> int | None:
        return self._settings.return_rest()

    def answer(self, *, goes_on: bool) -> None:
        self._settings.answer(goes_on=goes_on)

    def end(self, *, is_hurried: bool) -> None:
        """Have the thread end after the setting that it runs, which cannot be ended."""
        self._settings.end()
        self._chunks.put(None)

    def join(self, seconds: float, /) -> None:
        self._thread.join(seconds)

    def _main(self) -> None:
        say, rank = self._context.messages.put, self._context.rank
        try:
            worker = self._context.enter()
            self._context.log.open()
            self._settings.carry_steps()
            try:
                say(m.PlaceReady(rank))
                while not self._settings.is_ending and (chunk := self._chunks.get()) is not None:
                    start = time.monotonic()
                    self._run(worker, chunk)
                    say(m.ChunkOver(rank, time.monotonic() - start))
            finally:
                worker.close()
        except BaseException as error:
            say(error)
        finally:
            say(m.PlaceGone(rank))

    def _run(self, worker: Worker, chunk: Chunk) -> None:
        program, rank = self._context.program, self._context.rank
        self._settings.begin(chunk)
        while (index := self._settings.next()) is not None:
            outcome = run_once(program, worker, index, chunk.attempt, rank)
            while self._retries.allows_at_once(outcome.status, outcome.attempt):
                attempt = outcome.attempt + 1
                self._settings.note(index, attempt)
                outcome = run_once(program, worker, index, attempt, rank)
            if self._settings.is_cut_off:
                return
            outcome = with_log(outcome, self._context.log)
            is_final = not self._retries.allows(outcome.status, outcome.attempt)
            self._context.messages.put(SettingEnded(rank, outcome if is_final else index))
