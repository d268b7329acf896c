"""Shows errors of the user's code without the frames of superparams."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

import click

from superparams.errors import FieldNote
from superparams.identity.code.roots import is_installed

__all__ = ["told", "users_part"]

_OURS = (str(Path(__file__).parents[1]) + os.sep, str(Path(click.__file__).parent) + os.sep)
_STANDARD = sysconfig.get_path("stdlib") + os.sep


def told(error: BaseException) -> str | None:
    """The text of an error for the user; None for an error of superparams itself.

    It is a traceback for errors of the user's code, and the message for errors of the system and
    for warnings that are errors.
    """
    shown = users_part(error)
    notes = getattr(error, "__notes__", None) or ()
    is_named = any(isinstance(note, FieldNote) for note in notes)
    if not is_named and not any(map(_is_authors, _files(shown))):
        return str(error) if isinstance(error, (OSError, Warning)) else None
    more = notes if sys.version_info < (3, 11) else ()
    return "".join([*shown.format(), *(f"{note}\n" for note in more)]).rstrip()


def users_part(error: BaseException) -> traceback.TracebackException:
    """An error and its causes, without the frames of superparams and of the import system."""
    shown = traceback.TracebackException.from_exception(error)
    for one in _chain(shown):
        one.stack[:] = [frame for frame in one.stack if _is_users(frame.filename)]
    return shown


def _chain(of: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """An error and all of its causes."""
    todo, known = [of], set[int]()
    while todo:
        one = todo.pop()
        if id(one) not in known:
            known.add(id(one))
            yield one
            behind = [one.__cause__, one.__context__, *(getattr(one, "exceptions", None) or ())]
            todo += [each for each in behind if each is not None]


def _files(made: traceback.TracebackException) -> Iterator[str]:
    for one in _chain(made):
        yield from (frame.filename for frame in one.stack)


def _is_users(file: str) -> bool:
    """Whether a frame is shown to the user."""
    return not file.startswith(("<frozen ", *_OURS)) and "importlib" not in Path(file).parts


def _is_authors(file: str) -> bool:
    """Whether a frame is of code that was written for an experiment."""
    is_of_python = file.startswith(_STANDARD) or is_installed(Path(file))
    return os.path.isabs(file) and not is_of_python
