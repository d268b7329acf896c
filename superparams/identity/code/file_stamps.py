"""Stamps of the files and folders that a fingerprint depends on: equal stamps, same fingerprint."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from superparams.identity.source_texts import file_stamp, loaded_text

__all__ = ["Stamps", "stamps"]

Stamps = dict[Path, int]


def stamps(paths: Iterable[Path]) -> Stamps:
    """A stamp for each file and folder.

    The stamp of a file changes with the file, and with the text that was loaded from it. The stamp
    of a folder changes with the names in it: a new file can change the meaning of an import.
    """
    stamp_of_path: Stamps = {}
    for path in paths:
        stamp, loaded = file_stamp(str(path)), loaded_text(path)
        names = _names_in(str(path), stamp) if path.suffix != ".py" else None
        stamp_of_path[path] = hash((names or stamp, loaded.number if loaded else 0))
    return stamp_of_path


@functools.lru_cache(maxsize=1024)
def _names_in(folder: str, stamp: tuple[int, ...]) -> frozenset[str] | None:
    """The names in a folder, which has this stamp; None for a file."""
    with suppress(OSError):
        return frozenset(os.listdir(folder))
    return None
