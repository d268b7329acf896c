"""Which lines are the user's: of warnings and of tracebacks that arise deep in the library."""

from __future__ import annotations

import os
import sys
import warnings
from types import CodeType, FrameType, TracebackType
from typing import Any, Final

from superparams.errors import safe_text

__all__ = ["of_user", "warn_user"]

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
        found = _innermost(frame) or frame
        names, file, line = found.f_globals, found.f_code.co_filename, found.f_lineno
    warnings.warn_explicit(
        safe_text.lines(what),
        category,
        file,
        line,
        module=names.get("__name__"),
        registry=names.setdefault("__warningregistry__", {}),
    )


def _innermost(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of code that is neither ours nor Python's.

    There is none if the command called the library: no line of the user did.
    """
    while frame is not None and _is_library(frame):
        if str(frame.f_globals.get("__name__")).startswith("superparams.cli."):
            return None
        frame = frame.f_back
    return frame


def of_user(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of this library, nor those that lead to the user's code.

    Args:
        trace: That of an exception which leaves this library.
    """
    kept: list[TracebackType] = []
    while trace is not None:
        if not (_is_ours(trace.tb_frame) if kept else _is_library(trace.tb_frame)):
            kept.append(trace)
        trace = trace.tb_next
    after: TracebackType | None = None
    for one in reversed(kept):
        one.tb_next = after
        after = one
    return kept[0] if kept else None


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_HERE + os.sep)


def _is_library(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    if _is_ours(frame) or file.startswith("<frozen "):
        return True
    if str(frame.f_globals.get("__name__")).partition(".")[0] == _COMMAND:
        return True
    is_python = file.startswith(_LIBRARY + os.sep)
    return is_python and not any(f"{os.sep}{one}{os.sep}" in file for one in _INSTALLED)
