"""Ends a forked process that returns from the code of the user.

If `run` forks and returns, the library would go on in the child, too, as a second worker or as a
second driver that writes the same ledger. So the child ends as soon as the user's code returns.
"""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from typing import Final, NoReturn

__all__ = ["ForkGuard", "this_process"]

_TOKEN: Final = os.urandom(8).hex()
# Code that took fewer seconds cannot have forked.
_SHORTEST_FORK: Final = 5e-5
_n_forks = 0  # forks by Python between this process and the one that loaded this module


def this_process() -> str:
    """A text that no other process has, on any host."""
    return f"{_TOKEN}-{os.getpid()}"


def _count_fork() -> None:
    global _n_forks
    _n_forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


class ForkGuard:
    """Notes the process in which it is made, and ends every fork of it that calls `check`."""

    __slots__ = ("_n_forks", "_pid")

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._n_forks = _n_forks

    def check(self, where: str, error: BaseException | None = None) -> None:
        """End this process if it is a fork.

        Args:
            where: The code of the user that has just returned, such as ``Fit.run()``.
            error: The error that it raised.
        """
        if os.getpid() != self._pid:
            _end(where, error)

    def check_after(self, seconds: float, where: str) -> None:
        """Do the same, without a system call after code that was too quick to fork.

        Args:
            seconds: How long the code took.
            where: As for `check`.
        """
        if (_n_forks != self._n_forks or seconds > _SHORTEST_FORK) and os.getpid() != self._pid:
            _end(where, None)


def _end(where: str, error: BaseException | None) -> NoReturn:
    """End at once, so that files, handlers and sockets of the parent stay as they are."""
    code = 0 if error is None else 1
    if isinstance(error, SystemExit):
        code = error.code & 0xFF if isinstance(error.code, int) else int(error.code is not None)
    with suppress(BaseException):
        message = "".join(traceback.format_exception(error)) if error is not None and code else ""
        message += (
            f"superparams: process {os.getpid()} was forked in {where} and came back from there: "
            f"it ends here, and its parent goes on; let it end with os._exit() in {where}\n"
        )
        os.write(2, message.encode("utf-8", "backslashreplace"))
    os._exit(code)
