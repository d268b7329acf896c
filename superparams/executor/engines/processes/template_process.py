"""The process of a template. How it is signalled and awaited depends on who started it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from typing import Protocol

from superparams.executor.engines.processes import process_tree
from superparams.executor.engines.processes.interpreter import WarmInterpreter

__all__ = ["ByInterpreter", "Forked", "Started", "TemplateProcess"]


class TemplateProcess(Protocol):
    """What the driver needs of the process of a template."""

    def is_python(self) -> bool:
        """Whether it is known that it can run our code, before it has said anything."""
        ...

    def said_hello(self, pid: int) -> None:
        """It runs, and has this id."""
        ...

    def signal(self, signum: int) -> None:
        """Send it a signal, if it is there."""
        ...

    def kill(self) -> None:
        """Kill it and its group, if it is there."""
        ...

    def ended(self, patience: float) -> bool:
        """Wait for its end for so many seconds; whether it has ended."""
        ...

    def close(self) -> None:
        """Nothing more is asked of it."""
        ...


class Forked:
    """A fork of the driver."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def is_python(self) -> bool:
        """It is the driver's own program."""
        return True

    def said_hello(self, pid: int) -> None:
        """Its id is known."""

    def signal(self, signum: int) -> None:
        """See `TemplateProcess`."""
        process_tree.kill(self._pid, signum)

    def kill(self) -> None:
        """See `TemplateProcess`."""
        process_tree.kill_group(self._pid)

    def ended(self, patience: float) -> bool:
        """See `TemplateProcess`."""
        limit = time.monotonic() + patience
        while time.monotonic() < limit:
            with suppress(ChildProcessError):
                if os.waitpid(self._pid, os.WNOHANG)[0] == 0:
                    time.sleep(0.001)
                    continue
            return True
        return False

    def close(self) -> None:
        """There is nothing to close."""


class Started(Forked):
    """A program that the driver has started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process.pid)
        self._process = process

    def is_python(self) -> bool:
        """It may be any program that `sys.executable` names."""
        return False

    def ended(self, patience: float) -> bool:
        """See `TemplateProcess`."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
            return True
        return False


class ByInterpreter:
    """A fork of the interpreter that stays warm; its end is seen by a file of the system."""

    def __init__(self, interpreter: WarmInterpreter) -> None:
        self._interpreter = interpreter
        self._pid = 0
        self._file: int | None = None

    def is_python(self) -> bool:
        """Where its interpreter has started before."""
        return self._interpreter.has_started()

    def said_hello(self, pid: int) -> None:
        """From now on it can be signalled."""
        if self._file is None:
            with suppress(ProcessLookupError):  # it has ended already
                self._pid, self._file = pid, os.pidfd_open(pid)

    def signal(self, signum: int) -> None:
        """See `TemplateProcess`."""
        if self._file is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._file, signum)

    def kill(self) -> None:
        """See `TemplateProcess`."""
        if not self.ended(0.0):
            process_tree.kill_group(self._pid)

    def ended(self, patience: float) -> bool:
        """See `TemplateProcess`; one that has not said anything ends by itself."""
        if self._file is None:
            return True
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        return bool(poll.poll(patience * 1000))

    def close(self) -> None:
        """Its interpreter has one template less."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._interpreter.template_ended()
