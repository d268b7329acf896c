"""The driver's side of the template process, which starts, signals and kills workers."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
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

_PATIENCE = 5.0  # seconds that the template may take to end all workers before it is killed
_NOT_READY = 0.2  # the same for a template that has no workers yet, but may run a factory


def default_method() -> str:
    """The start method if none is given: forks, if they can be tied to their parent."""
    return "forkserver" if process_tree.can_hold() else "spawn"


class Template:
    """A template process, which dies with the thread that made it."""

    def __init__(
        self, boot: Boot, program: Program, cells: Cells, interpreter: WarmInterpreter | None
    ) -> None:
        """Start it; unless it is a fork of the driver, it loads libraries until `boot` is called.

        Args:
            boot: What the driver tells it; `boot.handle` may come later.
            program: The program, for a fork of the driver.
            cells: The cells of the workers.
            interpreter: The interpreter that forks it; None to start a fresh one.
        """
        self.control, template_end = protocol.channel_pair()
        self._boot = boot
        self._cells = cells
        self._pickled_boot = b""
        try:
            with template_end:
                if boot.method == "fork":
                    self._process: TemplateProcess = self._fork(template_end, program)
                else:
                    self._process = self._forked_by(interpreter, template_end) or self._run(
                        template_end, boot.path
                    )
                    self._send(Kind.BOOT, boot)
        except BaseException:
            self.control.close()
            raise

    def boot(self, handle: object) -> None:
        """Send it the handle of the payload; it answers `READY` or `BROKEN` on `control`."""
        self.change_handle(handle)
        self._send(Kind.HANDLE, handle, self._cells.fd)

    def change_handle(self, handle: object) -> None:
        """Have workers that are fresh interpreters attach this payload from now on."""
        self._boot = replace(self._boot, handle=handle)
        self._pickled_boot = pickle.dumps(self._boot)

    def start(
        self,
        rank: int,
        fault: int,
        *,
        boots: bool,
        key: int = 0,
        changes: Mapping[str, Any] = MappingProxyType({}),
    ) -> socket.socket:
        """Have it start a worker.

        Args:
            rank: The number of the worker.
            fault: The file into which the worker writes its stack.
            boots: Whether the worker is a fresh interpreter, not a fork of the template.
            key: The key of the worker's frames.
            changes: The attributes in which its `Boot` differs from that of the template.

        Returns:
            The driver's end of the channel to the worker.
        """
        driver_end, worker_end = protocol.channel_pair()
        try:
            with suppress(ConnectionError):  # the template has ended, as in `_send`
                with worker_end:
                    files = [worker_end.fileno(), fault]
                    body = pickle.dumps(dict(changes)) if changes else b""
                    protocol.send(self.control, Frame(Kind.START, rank, key, body), files)
                # Only the worker has its end now, so if it is dead, this send does not wait.
                if boots:
                    own = pickle.dumps(replace(self._boot, **changes)) if changes else None
                    protocol.send(driver_end, Frame(Kind.BOOT, body=own or self._pickled_boot))
        except BaseException:
            driver_end.close()
            raise
        return driver_end

    def kill(self, rank: int) -> None:
        """Kill a worker and all of its descendants."""
        self._ask(Frame(Kind.KILL, rank))

    def signal(self, rank: int, signum: int) -> None:
        """Send a signal to a worker."""
        self._ask(Frame(Kind.SIGNAL, rank, signum))

    def ping(self, number: int) -> None:
        """Have it answer with `PONG` and this number, if it is alive."""
        self._ask(Frame(Kind.PING, number))

    def wake(self) -> None:
        """Continue the template, if a setting has stopped it by a signal."""
        self._process.signal(signal.SIGCONT)

    def end(self) -> None:
        """Kill it, and with it all workers. The driver notices by the end of `control`."""
        self._process.kill()

    def set_pid(self, pid: int) -> None:
        """Note the process id that it has sent; so it runs code of superparams."""
        self._process.set_pid(pid)

    def is_python(self) -> bool:
        """Whether it can surely run code of superparams, before it has sent anything."""
        return self._process.is_python()

    def close(self, *, is_ready: bool) -> None:
        """End the template, and with it every worker that is left.

        Args:
            is_ready: Whether it has sent `READY`. Before that it has no workers.
        """
        self.wake()
        self._ask(Frame(Kind.CLOSE))
        if not self._process.ended(_PATIENCE if is_ready else _NOT_READY):
            self._process.kill()
            self._process.ended(_PATIENCE)
        self.control.close()
        self._process.close()

    def _send(self, kind: Kind, content: object, *fds: int) -> None:
        with suppress(ConnectionError):  # it has ended; the driver notices by the end of `control`
            protocol.send(self.control, Frame(kind, body=pickle.dumps(content)), fds)

    def _ask(self, frame: Frame) -> None:
        with suppress(OSError):  # it has ended, as in `_send`
            protocol.send(self.control, frame)

    def _forked_by(
        self, interpreter: WarmInterpreter | None, template_end: socket.socket
    ) -> TemplateProcess | None:
        """Have a warm interpreter fork it; None if there is none, or if it has ended."""
        if interpreter is not None and interpreter.fork(template_end, self._boot.libraries):
            return ByInterpreter(interpreter)
        return None

    def _run(self, template_end: socket.socket, path: list[str]) -> TemplateProcess:
        if not sys.executable:
            raise EngineError(
                'sys.executable is empty, so no process can be started; give engine="threads"'
            )
        role = "template", template_end.fileno(), os.getpid()
        process = subprocess.Popen(
            process_start.command("template", path, *role[1:]),
            stdin=subprocess.DEVNULL,
            pass_fds=[template_end.fileno()],
            env={**os.environ, **self._boot.environ, **process_start.environ(*role)},
            start_new_session=True,  # Ctrl-C is for the driver alone
        )
        return Started(process)

    def _fork(self, template_end: socket.socket, program: Program) -> TemplateProcess:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # an object of the user may raise anything
                stream.flush()

        def serve(driver: int) -> int:
            self.control.close()
            with open(os.devnull, "rb") as nothing:
                os.dup2(nothing.fileno(), 0)
            return template.serve(template_end, self._boot, program, self._cells.fd, driver)

        return Forked(process_tree.fork(serve))


def no_python(why: str) -> EngineError:
    """The error for a program that cannot be the parent of workers."""
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
    """The error if the system refuses a file, a process or memory at the start of workers."""
    remedy = template.remedy(error)
    return EngineError(f"num_proc={num_proc}: workers cannot be started: {error}; {remedy}")
