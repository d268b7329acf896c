"""All errors that superparams raises, and functions that show any exception.

Each error is built from one finished message, so that it survives pickling between processes. The
modules of this room make text for messages: `safe_text` (escapes), `short_repr` (values), `units`
(counts and times), `tables` (aligned columns, HTML), `suggestions` (similar names), `user_lines`
(the line that a warning names).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import cast

from superparams.errors import safe_text

__all__ = [
    "CommandError",
    "EngineError",
    "FieldError",
    "FieldNote",
    "IdentityError",
    "PayloadError",
    "ReadOnlyError",
    "RunError",
    "SettingFailed",
    "SizeError",
    "SpaceError",
    "Stopped",
    "StoreError",
    "StrategyError",
    "SuperparamsError",
    "add_field_note",
    "headline",
    "is_library_code",
    "is_library_frame",
    "skip_library_frames",
    "traceback_text",
]


class SuperparamsError(Exception):
    """The parent of every error of superparams.

    The text may quote values, paths and other errors. ``str`` escapes control characters in it, as
    in ``\\x1b``, since a traceback shows the text at a terminal. `args` has the unchanged text.
    """

    def __str__(self) -> str:
        return safe_text.lines(super().__str__())


class FieldError(SuperparamsError, TypeError):
    """A field has a wrong declaration or value; the text names Class.field and the remedy."""


class ReadOnlyError(SuperparamsError, AttributeError):
    """Code assigned a declared field of a setting; the record must be of what ran."""


class SpaceError(SuperparamsError, ValueError):
    """A space stands where a setting is needed, or a setting is not in the space."""


class SizeError(SuperparamsError, OverflowError):
    """A space has more settings than ``len`` can return; use ``space.n_settings``."""


class IdentityError(SuperparamsError, TypeError):
    """A value has no stable content that could identify it."""


class PayloadError(SuperparamsError):
    """The payload, which every worker needs, could not be packed or attached."""


class EngineError(SuperparamsError):
    """An engine does not support an option, or cannot start its workers."""


class StoreError(SuperparamsError):
    """A results folder could not be read or written."""


class RunError(SuperparamsError):
    """A run cannot start or continue."""


class StrategyError(SuperparamsError, ValueError):
    """A wrong option of a stopper, or steps that it cannot read."""


class SettingFailed(SuperparamsError):
    """Raised by ``run_all(on_error="raise")`` for the first setting that failed."""


class CommandError(SuperparamsError):
    """A command cannot be carried out: a name is unknown, or a file cannot be imported."""


class Stopped(BaseException):
    """Raised in a setting that is not to go on, by ``self.log`` and by a ``yield`` of ``run``.

    A generator sees it as the end of its own iteration (``GeneratorExit``). It is no `Exception`,
    so that ``except Exception`` in the code of a setting does not catch it.
    """


class FieldNote(str):
    """A note on an error of the user's code, which names the field and the setting.

    Attributes:
        short: The note without the setting.
    """

    short: str

    def __new__(cls, short: str, setting: str = "") -> FieldNote:
        note = super().__new__(cls, f"{short} for {setting}" if setting else short)
        note.short = short
        return note


def add_field_note(error: BaseException, field: str, setting: str = "") -> None:
    """Note the field and the setting on an exception from the user's code, once.

    A traceback ends with its notes. Python 3.10 does not show them; `traceback_text` does.

    Args:
        error: Any exception.
        field: ``Class.field``, and what failed there.
        setting: The setting as a text, if it is known.
    """
    note = FieldNote(field, setting)
    if note in getattr(error, "__notes__", ()):
        return
    with contextlib.suppress(Exception):  # a frozen dataclass takes no attributes
        if sys.version_info >= (3, 11):
            error.add_note(note)
        else:
            vars(error).setdefault("__notes__", []).append(note)


def headline(error: BaseException) -> str:
    """``Type: message`` of any exception, also of one whose own methods fail."""
    try:
        text = str(error)
    except Exception as failure:
        text = f"<its message raised {type(failure).__name__}>"
    fields = "".join(f" ({note.short})" for note in _notes(error) if isinstance(note, FieldNote))
    fields += _field_meant(error)
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__) + fields


def _field_meant(error: BaseException) -> str:
    """A hint if an attribute that a declared class lacks is similar to one of its fields."""
    if not isinstance(error, AttributeError) or not isinstance(error.name, str):
        return ""
    fields = getattr(type(error.obj), "__superparams_fields__", None)
    if not isinstance(fields, dict):
        return ""
    from superparams.errors.suggestions import similar

    near = similar(error.name, cast("dict[str, object]", fields), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _notes(error: BaseException) -> list[object]:
    notes: object = getattr(error, "__notes__", None)
    return [*cast("Iterable[object]", notes)] if isinstance(notes, list | tuple) else []


def traceback_text(error: BaseException) -> str:
    """The traceback of an exception, from the user's first frame on, with its notes."""
    import traceback  # `import superparams` loads this module, and is to be quick

    trace = skip_library_frames(error.__traceback__)
    try:
        lines = traceback.format_exception(type(error), error, trace)
        notes = _notes(error) if sys.version_info < (3, 11) else ()
        return "".join([*lines, *(f"{note}\n" for note in notes)])
    except Exception:  # an exception whose own methods fail
        return "".join(traceback.format_tb(trace)) + headline(error)


def skip_library_frames(trace: TracebackType | None) -> TracebackType | None:
    """The rest of a traceback from the first frame outside of superparams; None without one."""
    while trace is not None and is_library_frame(trace):
        trace = trace.tb_next
    return trace


def is_library_frame(trace: TracebackType) -> bool:
    """Whether the first frame of a traceback runs code of superparams."""
    return is_library_code(trace.tb_frame)


def is_library_code(frame: FrameType) -> bool:
    """Whether a frame runs code of superparams."""
    module = frame.f_globals.get("__name__")
    return isinstance(module, str) and module.partition(".")[0] == "superparams"
