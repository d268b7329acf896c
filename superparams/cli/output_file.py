"""Writes files of commands: first a temporary file, which replaces the old file at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from superparams.errors import CommandError
from superparams.store.plain_files import is_plain
from superparams.store.runs.folder import part_of, replace_durably

__all__ = ["output_file"]


@contextmanager
def output_file(file: Path) -> Generator[Path]:
    """A context with the path to write; the file is replaced at its end, and kept after an error.

    A device or a pipe is written directly. A link stays, and the file that it names is written.
    The permissions of the file stay.

    Args:
        file: The file.

    Raises:
        CommandError: When the file cannot be written.
    """
    if file.exists() and not is_plain(file):
        try:
            yield file
        except OSError as error:
            raise CommandError(f"cannot write {file}: {error}") from error
        return
    target = Path(os.path.realpath(file))
    unfinished = part_of(target)
    try:
        yield unfinished
        _sync(unfinished)
        if target.exists():
            shutil.copymode(target, unfinished)
        replace_durably(unfinished, target)
    except OSError as error:
        raise CommandError(f"cannot write {file}: {error}; the old file is kept") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _sync(file: Path) -> None:
    number = os.open(file, os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)
