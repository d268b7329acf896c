"""The process of a template: how to signal it and wait for it, which depends on how it started."""

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
    """The process of a template, as the driver uses it."""

    def is_python(self) -> bool:
        """Whether it can surely run code of superparams, before it has sent anything."""
        ...

    def set_pid(self, pid: int) -> None:
        """Note the process id that it has sent."""
        ...

    def signal(self, signum: int) -> None:
        """Send it a signal, if it runs."""
        ...

    def kill(self) -> None:
        """Kill it and its group, if it runs."""
        ...

    def ended(self, seconds: float) -> bool:
        """Wait for its end, at most so many seconds.

        Returns:
            Whether it has ended.
        """
        ...

    def close(self) -> None:
        """Close the files that belong to it, when it has ended."""
        ...


class Forked:
    """A fork of the driver."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def is_python(self) -> bool:
        """It is the driver's own program, so yes."""
        return True

    def set_pid(self, pid: int) -> None:
        """Do nothing: the id is known already."""

    def signal(self, signum: int) -> None:
        """See `TemplateProcess`."""
        process_tree.kill(self._pid, signum)

    def kill(self) -> None:
        """See `TemplateProcess`."""
        process_tree.kill_group(self._pid)

    def ended(self, seconds: float) -> bool:
        """See `TemplateProcess`."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            with suppress(ChildProcessError):
                if os.waitpid(self._pid, os.WNOHANG)[0] == 0:
                    time.sleep(0.001)
                    continue
            return True
        return False

    def close(self) -> None:
        """Do nothing: it has no files here."""


class Started(Forked):
    """A program that the driver has started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process.pid)
        self._process = process

    def is_python(self) -> bool:
        """It may be any program, since `sys.executable` names it, so no."""
        return False

    def ended(self, seconds: float) -> bool:
        """See `TemplateProcess`."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            return True
        return False


class ByInterpreter:
    """A fork of the interpreter that stays warm; a pidfd becomes readable when it ends."""

    def __init__(self, interpreter: WarmInterpreter) -> None:
        self._interpreter = interpreter
        self._pid = 0
        self._file: int | None = None

    def is_python(self) -> bool:
        """Whether its interpreter has run code of superparams."""
        return self._interpreter.has_started()

    def set_pid(self, pid: int) -> None:
        """Note the process id; from now on it can be signalled."""
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

    def ended(self, seconds: float) -> bool:
        """See `TemplateProcess`; True before `set_pid`, since it then ends by itself."""
        if self._file is None:
            return True
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def close(self) -> None:
        """Close its file, and tell the interpreter that it has ended."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._interpreter.template_ended()
