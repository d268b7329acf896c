"""Keeps standard output for verbs: output of the code of experiments goes to standard error."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Final

from superparams.errors import safe_text

__all__ = ["let_go", "ready", "stdout_for_people", "stdout_to_stderr"]

_C_STDOUT: Final = ("stdout", "__stdoutp")  # of glibc and musl, of macOS
_OURS: Final = str(Path(__file__).parents[1]) + os.sep


def ready() -> None:
    """Prepare the standard streams of this process.

    Closed streams are opened, since files that are opened later would get their numbers, and
    prints would end up in these files. A character that the terminal cannot show is no error.
    Warnings of ours are shown without a line of our code.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # this takes the lowest free number
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    warnings.formatwarning = _formatted


def let_go() -> None:
    """Drop text that standard output refuses, since Python would report it again at its end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)


@contextlib.contextmanager
def stdout_to_stderr() -> Generator[None]:
    """Send output of the code of experiments to standard error, including output of C code."""
    _flush()
    with contextlib.redirect_stdout(sys.stderr):
        descriptor = os.dup(1)
        os.dup2(2, 1)
        try:
            yield
        finally:
            _flush()
            os.dup2(descriptor, 1)
            os.close(descriptor)


@contextlib.contextmanager
def stdout_for_people(is_json: bool) -> Generator[None]:
    """Send output of settings in this process to standard error if a JSON document follows."""
    with stdout_to_stderr() if is_json else contextlib.nullcontext():
        yield


_usual: Final = warnings.formatwarning


def _formatted(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    if filename.startswith(_OURS):
        return f"warning: {safe_text.lines(message)}\n"
    return _usual(message, category, filename, lineno, line)


def _flush() -> None:
    """Flush standard output, of Python and of C."""
    for stream in (sys.stdout, sys.__stdout__):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):  # the reader is gone; it is closed
                stream.flush()
    with contextlib.suppress(Exception):  # there is no C library, or an unknown one
        import ctypes

        library = ctypes.CDLL(None)
        for name in _C_STDOUT:
            if hasattr(library, name):
                library.fflush(ctypes.c_void_p.in_dll(library, name))
