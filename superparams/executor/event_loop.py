"""Event loops in which settings run, and what they start there.

A setting may start tasks and not wait for them. They are cancelled when it ends, as `asyncio.run`
does, so that they do not run beside other settings.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from types import FrameType
from typing import Any, Final, TypeVar, cast
from weakref import WeakSet

from superparams.errors import EngineError, is_library_code

__all__ = [
    "CANCEL_PATIENCE",
    "OwnLoop",
    "ThreadLoop",
    "end_tasks",
    "tasks_of_setting",
    "waiting_at",
]

T = TypeVar("T")

CANCEL_PATIENCE: Final = 5.0  # seconds that a cancelled task may take to end

# The tasks that the setting of this context has started, and those that these have started.
tasks_of_setting: ContextVar[WeakSet[asyncio.Task[Any]] | None] = ContextVar(
    "tasks_of_setting", default=None
)


def _make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **more: Any
) -> asyncio.Task[Any]:
    task = asyncio.Task(coroutine, loop=loop, **more)
    tasks = tasks_of_setting.get()
    if tasks is not None:
        tasks.add(task)
    return task


def _new_loop() -> asyncio.AbstractEventLoop:
    """An event loop that notes which setting started a task."""
    loop = asyncio.new_event_loop()
    loop.set_task_factory(cast(Any, _make_task))  # its type depends on the Python
    return loop


_BEAT: Final = 0.2  # seconds between two signs of life of a loop
_LAST_CANCEL: Final = 0.2  # seconds that tasks get when their loop ends


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel those of these tasks that still run, and wait for a moment until they end."""
    running = {task for task in tasks if not task.done()}
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running, timeout=CANCEL_PATIENCE)


class OwnLoop:
    """Runs coroutines for code that is no coroutine, one after another, in one event loop."""

    def __init__(self) -> None:
        self._loop = _new_loop()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns or raises."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._run(self._loop, coroutine)
        return self._run_in_thread(self._loop, coroutine)

    def _run(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
        task = loop.create_task(coroutine)
        while True:
            try:
                return loop.run_until_complete(task)
            except BaseException as error:
                # A task that this one has started may raise SystemExit, which ends the loop.
                if task.done() or not isinstance(error, SystemExit):
                    self._cancel(loop, task)
                    raise

    def _cancel(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        if not task.done():
            task.cancel()
            with suppress(BaseException):
                loop.run_until_complete(asyncio.wait({task}, timeout=CANCEL_PATIENCE))

    def _run_in_thread(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]
    ) -> T:
        """Do the same in another thread, since this thread has a running loop, as in a notebook."""
        results: list[T] = []
        errors: list[BaseException] = []
        context = contextvars.copy_context()

        def run() -> None:
            try:
                results.append(context.run(self._run, loop, coroutine))
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run, name="superparams-event-loop", daemon=True)
        thread.start()
        try:
            thread.join()
        except BaseException:  # Ctrl-C
            loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
            thread.join(CANCEL_PATIENCE)
            raise
        if errors:
            raise errors[0]
        return results[0]

    def close(self) -> None:
        """Close the loop; tasks that were left are cancelled, and generators closed."""
        self.run(end_tasks(asyncio.all_tasks(self._loop)))
        self.run(self._loop.shutdown_asyncgens())
        self._loop.close()


class ThreadLoop:
    """An event loop in a thread of its own, which runs from the beginning."""

    def __init__(self) -> None:
        self._loop = _new_loop()
        self._beat = time.monotonic()
        self._is_ending = False
        self._error: Exception | None = None
        self._is_told = False
        self._thread = threading.Thread(
            target=self._main, name="superparams-event-loop", daemon=True
        )
        self._thread.start()

    def check(self) -> None:
        """Raise, once, what ended the loop before its time.

        Raises:
            EngineError: Names what a setting may have done, and the remedy.
        """
        if self._error is not None and not self._is_told:
            self._is_told = True
            raise EngineError(
                f"the event loop of the settings cannot go on: {self._error}. If a setting closes "
                'files that it did not open, give engine="processes"'
            ) from self._error

    @property
    def silence(self) -> float:
        """Seconds by which the next sign of life of the loop is overdue."""
        return max(0.0, time.monotonic() - self._beat - _BEAT)

    @property
    def running_task(self) -> asyncio.Task[Any] | None:
        """The task that runs now; any thread may ask."""
        return asyncio.current_task(self._loop)

    def stack(self) -> str:
        """The stack of the thread of the loop."""
        frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
        frame = frames.get(self._thread.ident or 0)
        return _stack_text(traceback.walk_stack(frame), is_newest_first=True)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the loop."""
        self.call(self._loop.create_task, coroutine)

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call a function in the loop, unless that has ended."""
        if self._error is None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(function, *args)

    def end(self, seconds: float) -> None:
        """End the loop, and wait at most so long for its thread."""
        self._is_ending = True
        self.call(self._loop.stop)
        self._thread.join(seconds)

    def _main(self) -> None:
        try:
            self._run()
        except Exception as error:
            # Its files are closed, and other files may have their numbers by now.
            self._error = error
            _kept.append(self._loop)

    def _run(self) -> None:
        loop = self._loop
        self._note_beat()
        while not self._is_ending:
            # A task that raises SystemExit or KeyboardInterrupt ends the loop, but no other task.
            with suppress(SystemExit, KeyboardInterrupt):
                loop.run_forever()
        if tasks := asyncio.all_tasks(loop):
            for task in tasks:
                task.cancel()
            with suppress(SystemExit, KeyboardInterrupt):
                loop.run_until_complete(asyncio.wait(tasks, timeout=_LAST_CANCEL))
            for task in tasks:
                _let_go(task)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    def _note_beat(self) -> None:
        self._beat = time.monotonic()
        self._loop.call_later(_BEAT, self._note_beat)


def waiting_at(task: asyncio.Task[Any]) -> str:
    """The stack of a task that waits."""
    return _stack_text(_frames_of(task.get_coro()))


def _frames_of(awaited: Any) -> Iterator[tuple[FrameType, int]]:
    while (frame := getattr(awaited, "cr_frame", None)) is not None:
        yield frame, frame.f_lineno
        awaited = awaited.cr_await


def _stack_text(frames: Iterable[tuple[FrameType, int]], *, is_newest_first: bool = False) -> str:
    """Frames from the first one of the user on, in the form of a traceback."""
    in_order = list(frames)[:: -1 if is_newest_first else 1]
    while in_order and _is_of_loop(in_order[0][0]):
        del in_order[0]
    lines = traceback.StackSummary.extract(iter(in_order)).format()
    return "".join(["Stack (most recent call last):\n", *lines])


def _is_of_loop(frame: FrameType) -> bool:
    """Whether a frame runs the loop, or code of ours in it."""
    name = str(frame.f_globals.get("__name__"))
    return is_library_code(frame) or name.partition(".")[0] in ("asyncio", "threading")


_kept: list[Any] = []  # tasks and loops that cannot be ended: Python would complain of them


def _let_go(task: asyncio.Task[Any]) -> None:
    """Silence the warning of Python about a task that never ended."""
    if task.done():
        return
    cast("Any", task)._log_destroy_pending = False
    coroutine: Any = task.get_coro()
    with suppress(BaseException):
        coroutine.close()
    if getattr(coroutine, "cr_frame", None) is not None:
        _kept.append(task)
