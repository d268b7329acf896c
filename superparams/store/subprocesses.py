"""Starts git and other programs, so that processes that are forked meanwhile do not delay them.

If another thread forks while a program starts, the fork inherits the pipe to the program. Then the
output of the program would not end before that fork ends. So no thread can fork at that time.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["run", "start"]

_no_fork = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_no_fork.acquire,
        after_in_parent=_no_fork.release,
        after_in_child=_no_fork.release,
    )


def start(
    words: Sequence[str],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    keeps_errors: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program without input, whose output comes through a pipe.

    Args:
        words: The program and its arguments.
        folder: Its working directory; None for that of this process.
        environment: All of its variables; None for those of this process.
        keeps_errors: Whether there is a pipe for its standard error, too.

    Raises:
        OSError: When it cannot be started.
    """
    with _no_fork:
        return subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if keeps_errors else subprocess.DEVNULL,
        )


def run(
    words: Sequence[str],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    seconds: float,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; see `start`.

    Raises:
        OSError: When it cannot be started.
        subprocess.TimeoutExpired: When it takes longer than so many seconds. It is killed.
    """
    with start(words, folder, environment, keeps_errors=True) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(words, process.returncode, output, errors)
