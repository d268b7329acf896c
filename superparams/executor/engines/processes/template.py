"""The template process: with one thread, it attaches the payload once, and then forks the workers.

It is the parent of all workers, and adopts the processes that they leave behind. So no process
outlives its worker, and the driver learns how each worker ended. The template ends with the thread
of the driver that started it, and the workers end with the template.
"""

from __future__ import annotations

import errno
import gc
import os
import pickle
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from superparams.errors import traceback_text
from superparams.executor import payload
from superparams.executor.engines.processes import (
    process_start,
    process_tree,
    protocol,
    transport,
    worker_main,
)
from superparams.executor.engines.processes.boot import Boot, load_modules
from superparams.executor.engines.processes.fork_safety import can_fork
from superparams.executor.engines.processes.protocol import Frame, Kind
from superparams.executor.engines.processes.worker_cells import Cells
from superparams.executor.engines.processes.worker_main import LoadedProgram

if TYPE_CHECKING:
    import resource

    from superparams.executor.program import Program

# Seconds between two looks for signals that were lost, and for a driver that has ended.
_TICK = 0.5
# Seconds that a process may take to die after SIGKILL: after that it hangs inside the kernel, and
# nothing can end it.
_PATIENCE = 2.0
PEAK = struct.Struct("<q")


def remedy(error: OSError) -> str:
    """The remedy, for the user, if the system refuses a file, a process or memory for workers."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "raise the limit of open files (ulimit -n) or use fewer workers"
    if error.filename is not None and str(error.filename) == sys.executable:
        return 'set sys.executable to the Python that is to run them, or give engine="threads"'
    return "use fewer workers"


def main(fd: int, parent: int) -> None:
    """Run the template in a fresh interpreter."""
    process_tree.die_with_parent(parent, signal.SIGKILL)
    os.set_inheritable(fd, False)  # it was inherited, and our children must not inherit it
    begin(protocol.channel_of(fd), parent)


def begin(control: socket.socket, parent: int) -> NoReturn:
    """Run the template in a process that runs nothing else.

    Args:
        control: The socket to the driver.
        parent: The id of the process that has started this one.
    """
    try:
        protocol.send(control, Frame(Kind.HELLO, os.getpid()))
        boot: Boot = pickle.loads(protocol.receive(control).body)
        boot.adopt()
        if _loads_here(boot):
            load_modules(boot.libraries)
            gc.collect()
        frame, fds = protocol.receive_fds(control)
    except (EOFError, ConnectionError):  # the driver is gone
        os._exit(0)
    if not fds:  # it has given up
        os._exit(0)
    boot = replace(boot, handle=pickle.loads(frame.body))
    os._exit(serve(control, boot, None, fds[0], parent))


def serve(
    control: socket.socket, boot: Boot, program: Program | None, shared: int, parent: int
) -> int:
    """Run the template until the driver ends it.

    Args:
        control: The socket to the driver.
        boot: What the driver has sent.
        program: The program, in a fork of the driver; else None.
        shared: The file of the cells.
        parent: The id of the process that has started this one.

    Returns:
        The exit code.
    """
    with suppress(OSError):
        os.setsid()
    process_tree.die_with_parent(
        parent, signal.SIGKILL
    )  # before there are workers, it may be ended at once
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        loaded, forks = _prepare(boot, program)
    except BaseException as error:
        with suppress(OSError):
            protocol.send(
                control, Frame(Kind.BROKEN, body=traceback_text(error).encode(errors="replace"))
            )
        return 1
    template = _Template(control, boot, loaded, Cells(shared), forks)
    return template.serve(parent)


def _loads_here(boot: Boot) -> bool:
    """Whether the program is loaded here, once for all workers.

    If devices are divided, each worker has to set its own before it imports anything.
    """
    return boot.method == "forkserver" and not boot.varies


def _prepare(boot: Boot, program: Program | None) -> tuple[LoadedProgram | None, bool]:
    """The program, if it is loaded here, and whether workers are forks of this process."""
    if boot.method == "spawn":
        return None, False
    if _loads_here(boot):
        loaded = worker_main.load(boot)
        transport.before_forks()
        return loaded, can_fork()
    return None if program is None else LoadedProgram(program), True


class _Template:
    """The template: one loop over the requests of the driver and the ends of workers."""

    def __init__(
        self,
        control: socket.socket,
        boot: Boot,
        loaded: LoadedProgram | None,
        shared: Cells,
        forks: bool,
    ) -> None:
        self._control = control
        self._boot = boot
        self._loaded = loaded
        self._cells = shared
        self._forks = forks
        self._pids: dict[int, int] = {}  # by rank
        self._kept = (
            process_tree.children()
        )  # started by a factory: they stay as long as this process
        self._ended = False
        # Fresh interpreters share what was made here as they share all else: packed once.
        self._packed = payload.pack(loaded.program) if loaded and not forks else None

    def serve(self, parent: int) -> int:
        wake = self._watch_signals()
        process_tree.adopt_orphans()
        process_tree.die_with_parent(parent, signal.SIGTERM)
        gc.freeze()  # objects that exist by now are never written to by a collection in a fork
        with suppress(OSError, EOFError):
            handle = pickle.dumps(self._packed.handle) if self._packed else b""
            protocol.send(self._control, Frame(Kind.READY, int(self._forks), body=handle))
            with selectors.PollSelector() as selector:
                selector.register(self._control, selectors.EVENT_READ)
                selector.register(wake, selectors.EVENT_READ)
                while not self._ended and os.getppid() == parent:
                    ready = [key.fileobj for key, _ in selector.select(_TICK)]
                    if wake in ready:
                        wake.recv(4096)
                    self._reap()
                    if self._control in ready:
                        self._handle(*protocol.receive_fds(self._control))
        self._end()
        return 0

    def _watch_signals(self) -> socket.socket:
        inside, self._outside = protocol.channel_pair()
        self._outside.setblocking(False)
        signal.set_wakeup_fd(self._outside.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._on_child)
        signal.signal(signal.SIGTERM, self._on_term)
        self._wake = inside
        return inside

    def _on_child(self, *_: object) -> None:
        """The wake-up has been written; without a handler there would be none."""

    def _on_term(self, *_: object) -> None:
        self._ended = True

    def _handle(self, frame: Frame, fds: list[int]) -> None:
        if frame.kind is Kind.START:
            changes: dict[str, Any] = pickle.loads(frame.body) if frame.body else {}
            self._start(replace(self._boot, **changes), frame.a, frame.b, *fds)
        elif frame.kind is Kind.PING:
            protocol.send(self._control, Frame(Kind.PONG, frame.a))
        elif frame.kind is Kind.CLOSE:
            self._ended = True
        elif frame.a in self._pids:
            pid = self._pids[frame.a]
            if frame.kind is Kind.KILL:
                process_tree.kill_group(pid)
            elif frame.kind is Kind.SIGNAL:
                process_tree.kill(pid, frame.b)

    def _start(self, boot: Boot, rank: int, key: int, channel: int, fault: int) -> None:
        make = self._fork if self._forks else self._spawn
        try:
            self._pids[rank] = make(boot, rank, key, channel, fault)
        except OSError as error:  # no more processes, or no memory for one
            text = f"{type(error).__name__}: {error}; {remedy(error)}"
            protocol.send(self._control, Frame(Kind.BROKEN, body=text.encode(errors="replace")))
        os.close(channel)
        os.close(fault)

    def _fork(self, boot: Boot, rank: int, key: int, channel: int, fault: int) -> int:
        def serve(parent: int) -> int:
            process_tree.die_with_parent(parent, signal.SIGKILL)
            signal.set_wakeup_fd(-1)
            for inherited in (self._control, self._wake, self._outside):
                inherited.close()
            connection = worker_main.Connection(
                rank, key, protocol.channel_of(channel), fault, self._cells
            )
            return worker_main.serve(boot, self._loaded, connection, forked=True)

        return process_tree.fork(serve)

    def _spawn(self, boot: Boot, rank: int, key: int, channel: int, fault: int) -> int:
        shared = self._cells.fd
        for fd in (channel, fault, shared):
            os.set_inheritable(fd, True)
        numbers = channel, fault, shared, rank, key, os.getpid()
        command = process_start.command("worker_main", boot.path, *numbers)
        role = process_start.environ("worker_main", *numbers)
        return os.posix_spawn(command[0], command, {**os.environ, **role})

    def _reap(self) -> None:
        """Report the workers that ended, and kill the processes that they left behind."""
        has_ended = False
        for pid, status, usage in self._collect():
            has_ended = True
            rank = next(
                (rank for rank, worker_pid in self._pids.items() if worker_pid == pid), None
            )
            if rank is not None:
                del self._pids[rank]
                self._kill_adopted()
                peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
                protocol.send(self._control, Frame(Kind.DEAD, rank, status, PEAK.pack(peak)))
        if has_ended:
            self._kill_adopted()

    def _collect(self) -> Iterator[tuple[int, int, resource.struct_rusage]]:
        """The id, wait status and resources of each child that has ended; kills its group."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            for pid in list(self._pids.values()):
                ended_pid, status, usage = os.wait4(pid, os.WNOHANG)
                if ended_pid:
                    process_tree.kill_group(pid)
                    yield pid, status, usage
            return
        with suppress(ChildProcessError):
            while child := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                pid = child.si_pid
                if pid in self._pids.values():
                    process_tree.kill_group(
                        pid
                    )  # before it is waited for: its number cannot be another's
                yield os.wait4(pid, 0)

    def _kill_adopted(self) -> None:
        """Kill adopted processes. Their children are adopted then, and killed by the next call."""
        for pid in process_tree.children() - self._kept - set(self._pids.values()):
            process_tree.kill(pid, signal.SIGKILL)

    def _end(self) -> None:
        """Kill all descendants."""
        self._kept.clear()
        for pid in self._pids.values():
            process_tree.kill_group(pid)
        self._pids.clear()
        limit = time.monotonic() + _PATIENCE
        while time.monotonic() < limit:
            self._kill_adopted()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
                time.sleep(0.001)
                continue
            break
