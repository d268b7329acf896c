"""Which process this is, and the end of a process that user code forked and came back from.

Where `run` forks and returns, the library goes on in the child too: there would be a second worker,
or a second driver that writes the same ledger. So the child ends as soon as the user's code has
come back.
"""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from typing import Final, NoReturn

__all__ = ["Origin", "this_process"]

_TOKEN: Final = os.urandom(8).hex()
# A fork takes longer than so many seconds: what was quicker need not be looked at.
_QUICK: Final = 5e-5
_forks = 0  # how many forks of Python lie between this process and the one that loaded this


def this_process() -> str:
    """What tells this process from all others, on any host."""
    return f"{_TOKEN}-{os.getpid()}"


def _count() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count)


class Origin:
    """The process in which some work began, which alone may go on with it."""

    __slots__ = ("_forks", "_pid")

    def __init__(self) -> None:
        """It is this one."""
        self._pid = os.getpid()
        self._forks = _forks

    def check(self, where: str, error: BaseException | None = None) -> None:
        """End this process if it is a fork of the one that it began in.

        Args:
            where: What user code has just come back, such as ``Fit.run()``.
            error: What it raised.
        """
        if os.getpid() != self._pid:
            _end(where, error)

    def check_after(self, seconds: float, where: str) -> None:
        """The same after code that took so long; without a system call where it was quick."""
        if (_forks != self._forks or seconds > _QUICK) and os.getpid() != self._pid:
            _end(where, None)


def _end(where: str, error: BaseException | None) -> NoReturn:
    """End without a trace in what is shared with the parent: its files, handlers and sockets."""
    code = 0 if error is None else 1
    if isinstance(error, SystemExit):
        code = error.code & 0xFF if isinstance(error.code, int) else int(error.code is not None)
    with suppress(BaseException):
        told = "" if error is None or not code else "".join(traceback.format_exception(error))
        told += (
            f"superparams: process {os.getpid()} was forked in {where} and came back from there: "
            f"it ends here, and its parent goes on; let it end with os._exit() in {where}\n"
        )
        os.write(2, told.encode("utf-8", "backslashreplace"))
    os._exit(code)
