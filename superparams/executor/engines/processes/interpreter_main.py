"""The code of the interpreter that stays warm between runs; see `interpreter`."""

from __future__ import annotations

import gc
import os
import pickle
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn

from superparams.executor.engines.processes import process_start, process_tree, protocol, template
from superparams.executor.engines.processes.boot import load_modules
from superparams.executor.engines.processes.fork_safety import can_fork, seed_numpy_anew
from superparams.executor.engines.processes.protocol import Frame, Kind
from superparams.identity.source_texts import project_modules

_IDLE: Final = 300.0  # seconds without a template after which it ends
# What every template loads, whatever the experiment is.
_LOADED_BY_EVERY_TEMPLATE: Final = (
    "superparams.executor.program",
    "superparams.executor.worker",
    "superparams.executor.experiment_modules",
    "superparams.executor.process_state.interpreter_options",
    "superparams.executor.process_state.random_generators",
    "superparams.identity.digests.encoders",
)
_TICK: Final = 0.5  # seconds between looks at a driver that may have ended while modules load


@dataclass(frozen=True)
class ForkRequest:
    """What a template gets; its open files are sent with the request.

    libraries: installed modules to load; path: the folders to find them in; project: modules of the
    driver that are not installed; streams: which of the standard output and error are open. The
    files are the socket of the template, the folder that it works in, and these streams.
    """

    libraries: Sequence[str]
    path: Sequence[str]
    project: Sequence[str]
    streams: Sequence[int]


def main(fd: int, is_tied: int, driver: int) -> None:
    """Run the interpreter until nothing needs it.

    Args:
        fd: Its end of the socket to the driver.
        is_tied: Whether it is killed when the thread that started it ends.
        driver: The process id of the driver.
    """
    if is_tied:
        process_tree.die_with_parent(driver, signal.SIGKILL)
    os.set_inheritable(fd, False)
    channel = protocol.channel_of(fd)
    for number in range(3):  # so that no file that comes later has one of these numbers
        with suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)
    end_with(driver)
    with suppress(OSError):  # the driver is gone
        watched = os.pidfd_open(driver)
        if os.getppid() == driver:
            protocol.send(channel, Frame(Kind.HELLO))
            load(_LOADED_BY_EVERY_TEMPLATE)
            Interpreter(channel, driver, watched).serve()
    os._exit(0)


def load(names: Sequence[str]) -> None:
    """Import modules, and end meanwhile if the driver is gone."""
    signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    gc.disable()
    load_modules(names)
    signal.setitimer(signal.ITIMER_REAL, 0)
    gc.freeze()  # objects that exist by now are never written to by a collection in a fork
    gc.enable()


def end_with(driver: int) -> None:
    """End when the driver is gone, also while modules load."""

    def look(*_: object) -> None:
        if os.getppid() != driver:
            os._exit(0)

    signal.signal(signal.SIGALRM, look)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def is_sound() -> bool:
    """Whether forks of this process can be templates.

    A library may have started threads, which a fork lacks, or loaded a plug-in of a project.
    """
    return not project_modules() and can_fork()


class Interpreter:
    """Waits for requests, and forks a template for each.

    Args:
        channel: The socket with the requests of the driver. After its end, this process ends as
            soon as its templates have ended.
        driver: The process id of the driver.
        watched: A file that becomes readable when the driver ends.
    """

    def __init__(self, channel: socket.socket, driver: int, watched: int) -> None:
        self._channel = channel
        self._driver = driver
        self._watched = watched
        self._templates: dict[int, int] = {}  # process ids, by a file that is readable at the end
        self._selector = selectors.PollSelector()  # it has no file, which forks would share
        self._selector.register(watched, selectors.EVENT_READ)
        self._selector.register(channel, selectors.EVENT_READ)
        self._is_open = True
        self._path = list(sys.path)
        self._is_sound = is_sound()

    def serve(self) -> None:
        """Serve until the driver has ended, or nothing was needed for five minutes."""
        used = time.monotonic()
        while self._is_open or self._templates:
            idle = None if self._templates else max(0.0, used + _IDLE - time.monotonic())
            ready = {key.fd for key, _ in self._selector.select(idle)}
            if self._watched in ready or not ready:
                return
            for file in self._templates.keys() & ready:
                self._selector.unregister(file)
                os.waitpid(self._templates.pop(file), 0)
                os.close(file)
            if self._channel.fileno() in ready:
                self._handle_request()
            used = time.monotonic()

    def _handle_request(self) -> None:
        try:
            frame, files = protocol.receive_fds(self._channel)
        except (EOFError, OSError):  # nothing more will come
            self._is_open = False
            self._selector.unregister(self._channel)
            return
        request: ForkRequest = pickle.loads(frame.body)
        fresh = [name for name in request.libraries if name not in sys.modules]
        if fresh:
            sys.path[:] = request.path
            load(fresh)
            self._is_sound = is_sound()
        try:
            if not self._is_sound:
                self._turn_into_template(request, files)
            pid = process_tree.fork(lambda parent: self._run_template(request, files, parent))
            self._watch(pid)
        except OSError:  # no more processes or files: the socket of the template ends
            pass
        finally:
            for file in files:
                os.close(file)

    def _watch(self, pid: int) -> None:
        file = os.pidfd_open(pid)
        self._templates[file] = pid
        self._selector.register(file, selectors.EVENT_READ)

    def _turn_into_template(self, request: ForkRequest, files: list[int]) -> NoReturn:
        """Become the template of this run, since a fork would not have the threads."""
        self._take_files(request, files)
        template.begin(protocol.channel_of(files[0]), self._driver)

    def _run_template(self, request: ForkRequest, files: list[int], interpreter: int) -> int:
        process_tree.die_with_parent(interpreter, signal.SIGKILL)
        self._take_files(request, files)
        control = files[0]
        if not sys.modules.keys().isdisjoint(request.project):
            os.set_inheritable(control, True)
            command = process_start.command("template", self._path, control, interpreter)
            os.execv(command[0], command)
        seed_numpy_anew()
        template.begin(protocol.channel_of(control), interpreter)

    def _take_files(self, request: ForkRequest, files: list[int]) -> None:
        """Use the files of a request, and close those of the interpreter."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _, folder, *streams = files
        self._selector.close()
        self._channel.close()
        for file in (self._watched, *self._templates):
            os.close(file)
        with suppress(OSError):
            os.fchdir(folder)
        os.close(folder)
        for fd in (1, 2):
            with suppress(OSError):
                os.close(fd)
        for fd, stream in zip(request.streams, streams, strict=True):
            os.dup2(stream, fd)
            os.close(stream)
