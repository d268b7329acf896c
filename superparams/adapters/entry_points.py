"""Reads the entry points that installed packages register for superparams.

It reads the files itself, since ``importlib.metadata`` takes ten times as long to load.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

__all__ = ["EntryPoint", "loaded", "registered"]

_FILES: Final = (".dist-info", ".egg-info")


class EntryPoint(NamedTuple):
    """An object that an installed package registers under a name.

    target: the object, as in ``package.module:object``; owner: the distribution.
    """

    name: str
    target: str
    owner: str


def registered(group: str) -> Iterator[EntryPoint]:
    """The entry points of a group, in the order of the folders in `sys.path`."""
    for folder in sys.path:
        try:
            names = sorted(os.listdir(folder or "."))
        except OSError:  # it does not exist, or is an archive
            continue
        for name in names:
            if name.endswith(_FILES):
                with suppress(OSError, ValueError):
                    path = os.path.join(folder, name, "entry_points.txt")
                    with open(path, encoding="utf-8") as file:
                        for entry_name, target in _in_group(group, file.read()):
                            yield EntryPoint(entry_name, target, name.partition("-")[0])


def loaded(target: str) -> Any:
    """The object of an entry point; raises whatever its import raises."""
    module, _, path = target.partition(":")
    target_object: Any = importlib.import_module(module.strip())
    for part in filter(None, path.strip().split(".")):
        target_object = getattr(target_object, part)
    return target_object


def _in_group(group: str, text: str) -> Iterator[tuple[str, str]]:
    section = ""
    for line in text.splitlines() if group in text else ():
        content = line.strip()
        if content.startswith("["):
            section = content.strip("[]").strip()
        elif section == group and "=" in content and content[0] not in "#;":
            name, _, target = content.partition("=")
            yield name.strip(), target.partition("[")[0].strip()
