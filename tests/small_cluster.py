"""A small cluster: an executor that behaves as those of Dask and Ray do, with real processes.

A worker that dies is replaced by a new one, and the future of its task gets an error of the
executor's own. Futures never say that they run, and can be cancelled at any time. Two equal tasks
are one task. A worker shares nothing with this process but the files, if it is in a namespace of
process numbers of its own.
"""

from __future__ import annotations

import os
import pickle
import queue
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import superparams

OTHER_HOST = ("unshare", "-p", "-f", "--mount-proc")
needs_namespaces = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="namespaces of processes need root",
)
# Frames of pickles go through the standard input and output, to which settings must not print. The
# names of the main module go when it takes over those of a script.
WORKER = """
def work():
    import os, pickle, struct
    answers, tasks = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    while head := tasks.read(8):
        data = tasks.read(*struct.unpack("<Q", head))
        try:
            function, arguments = pickle.loads(data)
            answer = None, function(*arguments)
        except Exception as error:
            answer = f"{type(error).__name__}: {error}", None
        data = pickle.dumps(answer)
        answers.write(struct.pack("<Q", len(data)) + data)
        answers.flush()

work()
"""
ROOT = Path(superparams.__file__).parents[1]


class WorkerDied(Exception):
    """The worker of a task has died; no `BrokenExecutor`, since the executor goes on."""


class TaskFailed(Exception):
    """A worker could not read or run a task."""


class SmallCluster(Executor):
    """An executor with worker processes that are replaced when they die.

    Args:
        n_workers: The number of workers.
        command: A command before that of the worker, such as `OTHER_HOST`.
        python_path: The folders in which workers look for modules first.
        folder: The working directory of workers.

    Attributes:
        n_bytes: How many bytes were sent to workers.
        n_deaths: How many workers have died.
    """

    def __init__(
        self,
        n_workers: int,
        *,
        command: Sequence[str] = (),
        python_path: Sequence[Path] = (ROOT, ROOT / "tests" / "contracts"),
        folder: Path = Path("/"),
    ) -> None:
        self.n_bytes = self.n_deaths = 0
        self.max_workers = n_workers
        self._command = [*command, sys.executable, "-c", WORKER]
        path = os.pathsep.join(map(str, python_path))
        self._env, self._folder = {**os.environ, "PYTHONPATH": path}, folder
        self._tasks: queue.SimpleQueue[tuple[Future[Any], bytes] | None] = queue.SimpleQueue()
        self._futures: dict[bytes, Future[Any]] = {}
        self._threads = [threading.Thread(target=self._serve) for _ in range(n_workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        task = pickle.dumps((fn, args))
        if task not in self._futures:
            self._futures[task] = Future()
            self._tasks.put((self._futures[task], task))
        return self._futures[task]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        worker = self._new_worker()
        while (item := self._tasks.get()) is not None:
            future, task = item
            if future.cancelled():
                continue
            self.n_bytes += len(task)
            answer = _ask(worker, task)
            if answer is None:
                _end(worker)
                self.n_deaths += 1
                worker = self._new_worker()
            _settle(future, answer)
        _end(worker)

    def _new_worker(self) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, env=self._env, cwd=self._folder
        )


def _ask(worker: subprocess.Popen[bytes], task: bytes) -> tuple[str | None, Any] | None:
    """The answer of a worker; None if it dies."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        worker.stdin.write(struct.pack("<Q", len(task)) + task)
        worker.stdin.flush()
    except OSError:
        return None
    head = worker.stdout.read(8)
    if len(head) < 8:
        return None
    data = worker.stdout.read(*struct.unpack("<Q", head))
    answer: tuple[str | None, Any] = pickle.loads(data)
    return answer


def _settle(future: Future[Any], answer: tuple[str | None, Any] | None) -> None:
    error, result = answer or (None, None)
    with suppress(Exception):  # it was cancelled
        if answer is None:
            future.set_exception(WorkerDied("the worker has died"))
        elif error is not None:
            future.set_exception(TaskFailed(error))
        else:
            future.set_result(result)


def _end(worker: subprocess.Popen[bytes]) -> None:
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    worker.wait()
