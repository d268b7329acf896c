"""The driver's hold on the template process, and through it on the workers."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from superparams.errors import EngineError
from superparams.executor.engines.processes import process_start, process_tree, protocol, template
from superparams.executor.engines.processes.boot import Boot
from superparams.executor.engines.processes.interpreter import WarmInterpreter
from superparams.executor.engines.processes.protocol import Frame, Kind
from superparams.executor.engines.processes.template_process import (
    ByInterpreter,
    Forked,
    Started,
    TemplateProcess,
)
from superparams.executor.engines.processes.worker_cells import Cells

if TYPE_CHECKING:
    from superparams.executor.program import Program

# How long the template may take to end all workers before it is killed itself, seconds.
_PATIENCE = 5.0
_NOT_READY = 0.2  # and if it has none yet, but is at what a factory makes


def default_method() -> str:
    """The start method when none is given: forks, where they can be tied to their parent."""
    return "forkserver" if process_tree.can_hold() else "spawn"


class Template:
    """A template process, which dies with the thread that made it."""

    def __init__(
        self, boot: Boot, program: Program, cells: Cells, interpreter: WarmInterpreter | None
    ) -> None:
        """Start it. A fork needs nothing more; others load libraries while they wait for `boot`."""
        self.control, theirs = socket.socketpair()
        self._boot = boot
        self._cells = cells
        self._words = b""
        try:
            with theirs:
                if boot.method == "fork":
                    self._process: TemplateProcess = self._fork(theirs, program)
                else:
                    self._process = self._forked_by(interpreter, theirs) or self._run(
                        theirs, boot.path
                    )
                    self._say(Kind.BOOT, boot)
        except BaseException:
            self.control.close()
            raise

    def boot(self, handle: Any) -> None:
        """Give it the handle of the payload; `READY` or `BROKEN` comes on `control`."""
        self.change_handle(handle)
        self._say(Kind.HANDLE, handle, self._cells.fd)

    def change_handle(self, handle: Any) -> None:
        """Have fresh workers attach this payload from now on: the template's own."""
        self._words = pickle.dumps(replace(self._boot, handle=handle))

    def start(self, rank: int, fault: int, *, boots: bool, key: int = 0) -> socket.socket:
        """Have a worker made (boots: as a fresh interpreter; key: what its frames take).

        Returns:
            Our end of its channel.
        """
        ours, theirs = socket.socketpair()
        try:
            with suppress(ConnectionError):  # it is gone, as in `_say`
                with theirs:
                    protocol.send(
                        self.control, Frame(Kind.START, rank, key), [theirs.fileno(), fault]
                    )
                # Its end is the worker's alone by now: should that be dead, nothing waits for it.
                if boots:
                    protocol.send(ours, Frame(Kind.BOOT, body=self._words))
        except BaseException:
            ours.close()
            raise
        return ours

    def kill(self, rank: int) -> None:
        """SIGKILL for a worker and all of its descendants."""
        self._ask(Frame(Kind.KILL, rank))

    def signal(self, rank: int, signum: int) -> None:
        """Send a signal to a worker."""
        self._ask(Frame(Kind.SIGNAL, rank, signum))

    def ping(self, number: int) -> None:
        """Have it answer, which it does as long as nobody has killed it."""
        self._ask(Frame(Kind.PING, number))

    def wake(self) -> None:
        """Have it go on, should somebody have stopped it."""
        self._process.signal(signal.SIGCONT)

    def end(self) -> None:
        """Kill it, and with it all workers; the end of its socket will tell."""
        self._process.kill()

    def said_hello(self, pid: int) -> None:
        """It runs our code, in the process of this id."""
        self._process.said_hello(pid)

    def is_python(self) -> bool:
        """Whether it is known that it can run our code, before it has said anything."""
        return self._process.is_python()

    def close(self, *, is_ready: bool) -> None:
        """End the template, and with it every worker that is left; it has none before `READY`."""
        self.wake()
        self._ask(Frame(Kind.CLOSE))
        if not self._process.ended(_PATIENCE if is_ready else _NOT_READY):
            self._process.kill()
            self._process.ended(_PATIENCE)
        self.control.close()
        self._process.close()

    def _say(self, kind: Kind, what: Any, *fds: int) -> None:
        with suppress(ConnectionError):  # it is gone, and the end of its socket will tell
            protocol.send(self.control, Frame(kind, body=pickle.dumps(what)), fds)

    def _ask(self, frame: Frame) -> None:
        with suppress(OSError):  # it is gone, as in `_say`
            protocol.send(self.control, frame)

    def _forked_by(
        self, interpreter: WarmInterpreter | None, theirs: socket.socket
    ) -> TemplateProcess | None:
        """Have a warm interpreter fork it; None where that has ended."""
        if interpreter is not None and interpreter.fork(theirs, self._boot.libraries):
            return ByInterpreter(interpreter)
        return None

    def _run(self, theirs: socket.socket, path: list[str]) -> TemplateProcess:
        if not sys.executable:
            raise EngineError(
                'sys.executable is empty, so no process can be started; give engine="threads"'
            )
        role = "template", theirs.fileno(), os.getpid()
        process = subprocess.Popen(
            process_start.command("template", path, *role[1:]),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={**os.environ, **self._boot.environ, **process_start.environ(*role)},
            start_new_session=True,  # Ctrl-C is ours alone, also while it loads its libraries
        )
        return Started(process)

    def _fork(self, theirs: socket.socket, program: Program) -> TemplateProcess:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # whatever stands there
                stream.flush()

        def serve(driver: int) -> int:
            self.control.close()
            with open(os.devnull, "rb") as nothing:
                os.dup2(nothing.fileno(), 0)
            return template.serve(theirs, self._boot, program, self._cells.fd, driver)

        return Forked(process_tree.fork(serve))


def no_python(why: str) -> EngineError:
    """What to tell when the program that was started is none that can carry workers."""
    what = "application" if process_start.is_frozen() else "Python"
    remedy = (
        "import superparams at the top of its main module"
        if process_start.is_frozen()
        else "set sys.executable to the Python that is to run them"
    )
    return EngineError(
        f"workers cannot be started: {why} of the {what} {sys.executable!r}; {remedy}, or give "
        f'engine=Processes(start_method="fork") or engine="threads"'
    )


def no_files(error: OSError, num_proc: int) -> EngineError:
    """What to tell when the system refuses a file, a process or memory at the start of workers."""
    told = f"num_proc={num_proc}: workers cannot be started: {error}"
    return EngineError(f"{told}; {template.remedy(error)}")
