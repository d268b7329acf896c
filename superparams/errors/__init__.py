"""All errors that superparams raises, and functions that show any exception.

Each error is built from one finished message, so that it survives pickling between processes.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from types import TracebackType
from typing import Any

from superparams.errors import safe_text

__all__ = [
    "CommandError",
    "EngineError",
    "FieldError",
    "IdentityError",
    "PayloadError",
    "ReadOnlyError",
    "RunError",
    "SettingFailed",
    "SizeError",
    "SpaceError",
    "StoreError",
    "SuperparamsError",
    "Where",
    "headline",
    "is_ours",
    "say_where",
    "trace_of",
    "users_trace",
]


class SuperparamsError(Exception):
    """The parent of every error of superparams.

    The text may quote values, paths and other errors. Control characters in it are written out, as
    in ``\\x1b``, since a traceback shows the text at a terminal. `args` has the unchanged text.
    """

    def __str__(self) -> str:
        return safe_text.lines(super().__str__())


class FieldError(SuperparamsError, TypeError):
    """A field is declared or given wrongly; the text names Class.field and the remedy."""


class ReadOnlyError(SuperparamsError, AttributeError):
    """A declared field of a setting was assigned, but what is recorded must be what ran."""


class SpaceError(SuperparamsError, ValueError):
    """A space was used where a setting is needed, or a setting is not one of the space."""


class SizeError(SuperparamsError, OverflowError):
    """A space has more settings than ``len`` can return; use ``space.n_settings``."""


class IdentityError(SuperparamsError, TypeError):
    """A value has no stable content to identify it by."""


class PayloadError(SuperparamsError):
    """The payload, which every worker needs, could not be packed or attached."""


class EngineError(SuperparamsError):
    """An engine does not support an option, or cannot start its workers."""


class StoreError(SuperparamsError):
    """A results folder could not be read or written."""


class RunError(SuperparamsError):
    """A run cannot start or continue."""


class SettingFailed(SuperparamsError):
    """Raised by ``run_all(on_error="raise")`` for the first setting that failed."""


class CommandError(SuperparamsError):
    """A command cannot be carried out: a name is unknown, or a file cannot be imported."""


class Where(str):
    """A note on an error of the user's code, which names the field and the setting.

    Attributes:
        short: The same without the setting.
    """

    short: str

    def __new__(cls, short: str, setting: str = "") -> Where:
        made = super().__new__(cls, f"{short} for {setting}" if setting else short)
        made.short = short
        return made


def say_where(error: BaseException, where: str, setting: str = "") -> None:
    """Note on an exception of the user's where it comes from, once; a traceback ends with that.

    Python 3.10 does not show notes in tracebacks of its own.
    """
    note = Where(where, setting)
    if note in getattr(error, "__notes__", ()):
        return
    with contextlib.suppress(Exception):  # it may take no attributes: a frozen dataclass
        if sys.version_info >= (3, 11):
            error.add_note(note)
        else:
            vars(error).setdefault("__notes__", []).append(note)


def headline(error: BaseException) -> str:
    """``Type: message`` of any exception, whatever its own methods do."""
    try:
        text = str(error)
    except Exception as broken:
        text = f"<its message raised {type(broken).__name__}>"
    where = "".join(f" ({note.short})" for note in _notes(error) if isinstance(note, Where))
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__) + where


def _notes(error: BaseException) -> list[Any]:
    found = getattr(error, "__notes__", None)
    return list(found) if isinstance(found, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]


def trace_of(error: BaseException) -> str:
    """The traceback from the user's first frame on."""
    try:
        lines = traceback.format_exception(type(error), error, users_trace(error.__traceback__))
        notes = _notes(error) if sys.version_info < (3, 11) else ()
        return "".join([*lines, *(f"{note}\n" for note in notes)])
    except Exception:  # an exception whose own methods fail
        return "".join(traceback.format_tb(users_trace(error.__traceback__))) + headline(error)


def users_trace(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the first frame on that is not ours; None when all are."""
    while trace is not None and is_ours(trace):
        trace = trace.tb_next
    return trace


def is_ours(trace: TracebackType) -> bool:
    """Whether a frame is of superparams."""
    module = trace.tb_frame.f_globals.get("__name__")
    return isinstance(module, str) and module.partition(".")[0] == "superparams"
