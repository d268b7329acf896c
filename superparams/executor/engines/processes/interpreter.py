"""The driver's side of the interpreter that stays warm between runs.

A fresh interpreter takes longer to load the libraries of an experiment than most runs take to start
workers. So an interpreter that has loaded the installed libraries waits between runs, and each run
forks its template from it. The interpreter has no code of the project: each template gets code and
payload anew.

A template must have what a fresh process would inherit from the driver. The standard files and the
working directory come with each request. If anything else of `inherited` has changed, another
interpreter is started.
"""

from __future__ import annotations

import atexit
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from superparams.executor.engines.processes import process_start, process_tree, protocol
from superparams.executor.engines.processes.interpreter_main import ForkRequest
from superparams.executor.engines.processes.protocol import Frame, Kind
from superparams.identity.source_texts import is_of_project, project_modules

__all__ = ["WarmInterpreter", "close", "warm_interpreter"]

_END: Final = 1.0  # seconds that an interpreter without templates may take to end
_NAMESPACES: Final = ("cgroup", "ipc", "mnt", "net", "pid_for_children", "user", "uts")


def inherited(environ: Mapping[str, str]) -> tuple[object, ...]:
    """What a process that is started now would inherit from this one and could not change later.

    Args:
        environ: Variables that it gets in addition.
    """
    limits = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
    root = os.stat("/")
    with open("/proc/self/cgroup", "rb") as file:
        cgroup = file.read()
    with open("/proc/self/status", "rb") as file:
        status = [line for line in file if line.startswith((b"Umask:", b"SigIgn:"))]
    return (
        {**os.environ, **environ},
        os.getresuid(),
        os.getresgid(),
        os.getgroups(),
        [resource.getrlimit(limit) for limit in limits],
        os.sched_getaffinity(0),
        os.getpriority(os.PRIO_PROCESS, 0),
        signal.pthread_sigmask(signal.SIG_BLOCK, []),
        status,
        cgroup,
        (root.st_dev, root.st_ino),
        [os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES],
        [(os.isatty(fd), _is_open(fd)) for fd in range(3)],
    )


class WarmInterpreter:
    """A process that forks templates. It ends with this process, after idle time, or by `close`."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        path: Sequence[str],
        state: object,
    ) -> None:
        """Start it.

        Args:
            command: The command that starts it, without the numbers that its `main` takes.
            environ: Further environment variables.
            path: The folders with installed modules.
            state: What it inherits, see `inherited`.
        """
        self._state = state
        self._path = path
        self._n_templates = 0
        self._channel, theirs = protocol.channel_pair()
        self._inode = os.fstat(self._channel.fileno()).st_ino
        # It dies with the thread that starts it: with the main thread it dies with this process.
        is_tied = threading.current_thread() is threading.main_thread()
        numbers = theirs.fileno(), int(is_tied), os.getpid()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [*command, *map(str, numbers)],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, **environ},
                    start_new_session=True,  # only the driver handles Ctrl-C
                )
        except BaseException:
            self._channel.close()
            raise

    def can_fork(self, state: object) -> bool:
        """Whether it runs, and has inherited what a process that starts now would inherit.

        Args:
            state: What such a process would inherit, see `inherited`.
        """
        return self._process.poll() is None and self._is_open() and self._state == state

    def has_started(self) -> bool:
        """Whether it has run code of superparams, so that it is a Python that can carry workers."""
        with suppress(OSError):
            return self._is_open() and bool(
                self._channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            )
        return False

    def fork(self, control: socket.socket, libraries: Sequence[str]) -> bool:
        """Have it load libraries and fork a template.

        Args:
            control: The template's end of the socket to the driver.
            libraries: The modules to load.

        Returns:
            Whether the request was sent. If the interpreter ends before it forks, `control` ends.
        """
        with _INTERPRETERS.lock:
            if not self._is_open():
                return False
            streams = [fd for fd in (1, 2) if _is_open(fd)]
            request = ForkRequest(libraries, self._path, project_modules(), streams)
            try:
                folder = os.open(".", os.O_PATH | os.O_DIRECTORY)
            except OSError:  # the working directory was removed
                return False
            try:
                frame = Frame(Kind.FORK, body=pickle.dumps(request))
                protocol.send(self._channel, frame, [control.fileno(), folder, *streams])
            except OSError:  # the interpreter is gone
                return False
            finally:
                os.close(folder)
            self._n_templates += 1
            return True

    def template_ended(self) -> None:
        """Say that one of the templates has ended."""
        with _INTERPRETERS.lock:
            self._n_templates -= 1
            self._process.poll()

    def close(self) -> None:
        """End the interpreter, as soon as its templates have ended."""
        if self._is_open():
            self._channel.close()
        if not self._n_templates:
            process_tree.kill(self._process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END)

    def forget(self) -> None:
        """Forget the interpreter in a fork of the driver, which is not its parent."""
        if self._is_open():
            self._channel.close()
        self._process.returncode = 0

    @property
    def is_gone(self) -> bool:
        """Whether the interpreter has ended."""
        return self._process.poll() is not None

    def _is_open(self) -> bool:
        """Whether its socket is still open: code of the user may close files of this process."""
        if self._channel.fileno() >= 0:
            with suppress(OSError):
                if os.fstat(self._channel.fileno()).st_ino == self._inode:
                    return True
            self._channel.detach()  # the number may be that of another file by now
        return False


def _is_open(fd: int) -> bool:
    with suppress(OSError):
        os.fstat(fd)
        return True
    return False


@dataclass
class _Interpreters:
    """The interpreters that this process has started and that have not ended."""

    current: WarmInterpreter | None = None
    others: list[WarmInterpreter] = field(default_factory=list[WarmInterpreter])
    lock: threading.RLock = field(default_factory=threading.RLock)  # of all three


_INTERPRETERS: Final = _Interpreters()


def warm_interpreter(environ: Mapping[str, str], path: Sequence[str]) -> WarmInterpreter | None:
    """The interpreter that forks the template of a run; it starts if there is none.

    Args:
        environ: Variables that the template gets in addition.
        path: The folders that the driver imports from.

    Returns:
        None on systems that lack what this takes.
    """
    if not _is_supported():
        return None
    command = process_start.command("interpreter_main", path)
    installed = _installed(path)
    try:
        state = inherited(environ), command[:-1], installed
    except OSError:  # no /proc
        return None
    with _INTERPRETERS.lock:
        _INTERPRETERS.others = [other for other in _INTERPRETERS.others if not other.is_gone]
        current = _INTERPRETERS.current
        if current is None or not current.can_fork(state):
            _retire()
            current = _INTERPRETERS.current = WarmInterpreter(command, environ, installed, state)
        return current


def close() -> None:
    """End the interpreter that waits for the next run.

    Runs that are going on are not disturbed. The next run starts another one.
    """
    with _INTERPRETERS.lock:
        _retire()
        for other in _INTERPRETERS.others:
            other.close()
        _INTERPRETERS.others = [other for other in _INTERPRETERS.others if not other.is_gone]


def _retire() -> None:
    if _INTERPRETERS.current is not None:
        _INTERPRETERS.current.close()
        _INTERPRETERS.others.append(_INTERPRETERS.current)
        _INTERPRETERS.current = None


def _is_supported() -> bool:
    """Whether this system lets a process watch another one, and this program is a Python."""
    if not sys.executable or process_start.is_frozen() or not process_tree.can_hold():
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def _installed(path: Sequence[str]) -> list[str]:
    """The folders of a search path that have nothing of a project."""
    return [folder for folder in path if not is_of_project(os.path.join(folder, "module.py"))]


def _forget() -> None:
    """Let a fork of this process start its own; another thread may hold the lock."""
    _INTERPRETERS.lock = threading.RLock()
    for interpreter in filter(None, [_INTERPRETERS.current, *_INTERPRETERS.others]):
        interpreter.forget()
    _INTERPRETERS.current, _INTERPRETERS.others = None, []


atexit.register(close)
os.register_at_fork(after_in_child=_forget)
