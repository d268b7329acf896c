"""Warnings that name the line of the user's code, however deep in the library they arise."""

from __future__ import annotations

import os
import sys
import warnings
from types import CodeType, FrameType
from typing import Any, Final

from superparams import visible

__all__ = ["warn_user"]

_HERE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_LIBRARY: Final = os.path.dirname(os.path.abspath(os.__file__))
_INSTALLED: Final = ("site-packages", "dist-packages")
_COMMAND: Final = "click"  # calls the verbs of the command


def warn_user(what: str, category: type[Warning] = UserWarning, *, of: Any = None) -> None:
    """Warn where the user's code called this library.

    Args:
        what: The text; control characters are made visible.
        category: The class of the warning.
        of: A method of the user's that the warning is about: its line is named instead.
    """
    code: CodeType | None = getattr(of, "__code__", None)
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    if code is not None:
        names, file, line = of.__globals__, code.co_filename, code.co_firstlineno
    else:
        found = _of_user(frame) or frame
        names, file, line = found.f_globals, found.f_code.co_filename, found.f_lineno
    warnings.warn_explicit(
        visible.lines(what),
        category,
        file,
        line,
        module=names.get("__name__"),
        registry=names.setdefault("__warningregistry__", {}),
    )


def _of_user(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of code that is neither ours nor Python's."""
    while frame is not None and _is_library(frame):
        frame = frame.f_back
    return frame


def _is_library(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    if file.startswith((_HERE + os.sep, "<frozen ")):
        return True
    if str(frame.f_globals.get("__name__")).partition(".")[0] == _COMMAND:
        return True
    is_python = file.startswith(_LIBRARY + os.sep)
    return is_python and not any(f"{os.sep}{one}{os.sep}" in file for one in _INSTALLED)
