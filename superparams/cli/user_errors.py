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

__all__ = ["text_for_user", "users_part"]

_OURS = (str(Path(__file__).parents[1]) + os.sep, str(Path(click.__file__).parent) + os.sep)
_STANDARD = sysconfig.get_path("stdlib") + os.sep


def text_for_user(error: BaseException) -> str | None:
    """The text of an error for the user: a traceback for an error of the user's code.

    Returns:
        Only the message for an error of the system, and for a warning that is an error. None for an
        error of superparams itself.
    """
    trace = users_part(error)
    notes = getattr(error, "__notes__", None) or ()
    is_named = any(isinstance(note, FieldNote) for note in notes)
    if not is_named and not any(map(_is_authors, _files(trace))):
        return str(error) if isinstance(error, (OSError, Warning)) else None
    more = notes if sys.version_info < (3, 11) else ()
    return "".join([*trace.format(), *(f"{note}\n" for note in more)]).rstrip()


def users_part(error: BaseException) -> traceback.TracebackException:
    """An error and its causes, without the frames of superparams and of the import system."""
    trace = traceback.TracebackException.from_exception(error)
    for part in _chain(trace):
        part.stack[:] = [frame for frame in part.stack if _is_users(frame.filename)]
    return trace


def _chain(trace: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """An error and all of its causes, each once."""
    todo, visited = [trace], set[int]()
    while todo:
        error = todo.pop()
        if id(error) not in visited:
            visited.add(id(error))
            yield error
            causes = [error.__cause__, error.__context__, *(getattr(error, "exceptions", []) or ())]
            todo += [cause for cause in causes if cause is not None]


def _files(trace: traceback.TracebackException) -> Iterator[str]:
    """The files of all frames of an error and its causes."""
    for part in _chain(trace):
        yield from (frame.filename for frame in part.stack)


def _is_users(file: str) -> bool:
    """Whether a frame is shown to the user."""
    return not file.startswith(("<frozen ", *_OURS)) and "importlib" not in Path(file).parts


def _is_authors(file: str) -> bool:
    """Whether a file is code of the user: neither a part of Python nor of an installed package."""
    is_of_python = file.startswith(_STANDARD) or is_installed(Path(file))
    return os.path.isabs(file) and not is_of_python
