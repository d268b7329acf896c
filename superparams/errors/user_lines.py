"""Finds the user's lines in the stack, for warnings and tracebacks from within the library."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from types import CodeType, FrameType, TracebackType
from typing import Any, Final

from superparams.errors import safe_text

__all__ = ["user_traceback", "warn_user"]

_HERE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_LIBRARY: Final = os.path.dirname(os.path.abspath(os.__file__))
_INSTALLED: Final = ("site-packages", "dist-packages")
_COMMAND: Final = "click"  # the package that calls the verbs of the command


def warn_user(
    message: str,
    category: type[Warning] = UserWarning,
    *,
    method: Callable[..., object] | None = None,
) -> None:
    """Warn where the user's code called this library.

    Args:
        message: The text; control characters are made visible.
        category: The class of the warning.
        method: A method of the user that the warning is about. The warning then names its line.
    """
    code: CodeType | None = getattr(method, "__code__", None)
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    if code is not None:
        names: dict[str, Any] = getattr(method, "__globals__", {})
        file, line = code.co_filename, code.co_firstlineno
    else:
        caller = _innermost_user_frame(frame) or frame
        names, file, line = caller.f_globals, caller.f_code.co_filename, caller.f_lineno
    warnings.warn_explicit(
        safe_text.lines(message),
        category,
        file,
        line,
        module=names.get("__name__"),
        registry=names.setdefault("__warningregistry__", {}),
    )


def _innermost_user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of the user's code.

    There is none if the command called the library, since no line of the user did.
    """
    while frame is not None and _is_library(frame):
        if str(frame.f_globals.get("__name__")).startswith("superparams.cli."):
            return None
        frame = frame.f_back
    return frame


def user_traceback(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of this library, and without those before the user's code."""
    steps: list[TracebackType] = []
    while trace is not None:
        if not (_is_superparams(trace.tb_frame) if steps else _is_library(trace.tb_frame)):
            steps.append(trace)
        trace = trace.tb_next
    head: TracebackType | None = None
    for step in reversed(steps):
        step.tb_next = head
        head = step
    return head


def _is_superparams(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_HERE + os.sep)


def _is_library(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    if _is_superparams(frame) or file.startswith("<frozen "):
        return True
    if str(frame.f_globals.get("__name__")).partition(".")[0] == _COMMAND:
        return True
    is_python = file.startswith(_LIBRARY + os.sep)
    return is_python and not any(f"{os.sep}{name}{os.sep}" in file for name in _INSTALLED)
